"""What can befall the process that hosts the control: the native side of the real one does all of it.

Hangs, crashes, leaks and modal dialogs (Kiwoom sheet 5.3, 8.2) happen inside the program under test, so the
emulated control makes them there, on the Qt thread, when the simulator says so. Its dialogs are files in
`ARB_EMULATED_WINDOWS`: a dialog is open as long as its file is there.
"""

import json
import os
import time
from pathlib import Path
from typing import Final

from services.simulator.events import Troubled

FOLDER_VARIABLE: Final = "ARB_EMULATED_WINDOWS"
KINDS: Final = ("hang", "crash", "leak", "dialog")
LEAK_MOST_MB: Final = 1_024
"""A leak in a test must not take its machine down."""
_leaked: list[bytearray] = []


def befall(trouble: Troubled) -> Path | None:
    """Let it happen, on the Qt thread; returns the file of a dialog that is now open.

    Raises:
        ValueError: no such trouble, or a dialog without a folder to show it in.
    """
    match trouble.kind:
        case "hang":
            time.sleep(trouble.amount / 1_000)
        case "crash":
            os.abort()
        case "leak":
            held_mb = sum(len(block) for block in _leaked) >> 20
            size_mb = min(trouble.amount, LEAK_MOST_MB - held_mb)
            _leaked.append(bytearray(b"\x01") * (max(0, size_mb) << 20))
        case "dialog":
            return _dialog(trouble)
        case _:
            raise ValueError(f"no trouble is called {trouble.kind!r}; known are {', '.join(KINDS)}")
    return None


def _dialog(trouble: Troubled) -> Path:
    folder = os.environ.get(FOLDER_VARIABLE, "")
    if not folder:
        raise ValueError(f"set {FOLDER_VARIABLE} to a folder where dialogs are shown")
    Path(folder).mkdir(parents=True, exist_ok=True)
    path = Path(folder) / f"{os.getpid()}{time.monotonic_ns() % 1_000_000:06d}.json"
    shown = {"pid": os.getpid(), "title": trouble.title, "text": trouble.text}
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(shown, ensure_ascii=False), encoding="utf-8")
    fresh.replace(path)
    return path
