"""Ending with whoever started it: what a command started for itself must not outlive it, however it ends."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def ends_with_parent() -> Callable[[], None] | None:
    """Return what a child calls before it becomes its program: SIGTERM reaches it when its parent ends.

    Also when the parent is killed (`man 2 prctl`, PR_SET_PDEATHSIG). None where the system cannot do it. The
    child must be started by the parent's main thread: its end is what is noticed.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)

    return tie
