"""Told to stop by a signal: the one way in which every process of ours is.

A handler runs between two steps of the main thread, wherever that is. So it sets a plain flag and nothing
else: it takes no lock (the interrupted step may hold it, and would be waited for without end), writes
nothing and raises nothing. Each loop looks at the flag. More signals change nothing.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

LOOK_S: Final = 0.05
_NAMES: Final = ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK")
"""SIGHUP: the terminal was closed. SIGBREAK: what Windows sends in place of both."""


class Stop(Protocol):
    """What ends a loop: a `StopFlag`, or the `threading.Event` of a thread that no signal reaches."""

    def is_set(self) -> bool: ...
    def wait(self, timeout: float, /) -> bool: ...


class StopFlag:
    """A flag without a lock."""

    def __init__(self) -> None:
        self._told = False

    def set(self) -> None:
        self._told = True

    def is_set(self) -> bool:
        return self._told

    def wait(self, timeout: float, /) -> bool:
        """Wait for at most so many seconds; returns whether it is set."""
        deadline = time.monotonic() + timeout
        while not self._told and (left_s := deadline - time.monotonic()) > 0:
            time.sleep(min(LOOK_S, left_s))
        return self._told


def stop_on_signals() -> StopFlag:
    """Return a flag that every signal to stop sets, for as long as the process lives."""
    stop = StopFlag()
    _install(stop)
    return stop


@contextmanager
def stopped_by_signals() -> Iterator[StopFlag]:
    """The same for the length of a block: a command that has nothing to leave in order after it."""
    stop = StopFlag()
    before = _install(stop)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


def _install(stop: StopFlag) -> dict[signal.Signals, Any]:
    """Set the handlers; returns those that were there. What `nohup` has told to be ignored stays ignored."""
    numbers = [signal.Signals[name] for name in _NAMES if hasattr(signal, name)]
    wanted = [n for n in numbers if n.name != "SIGHUP" or signal.getsignal(n) is not signal.SIG_IGN]
    return {number: signal.signal(number, lambda *_: stop.set()) for number in wanted}
