"""One supervisor for one gateway: a lock on a file, which the system gives back when its holder ends."""

import os
import sys
from pathlib import Path
from typing import IO, Final

from services.runtime.private import private_folder

LOCK_FILE: Final = "supervisor.lock"


class Taken(RuntimeError):
    """Another supervisor watches this gateway."""


def take(folder: Path) -> IO[str]:
    """Return the open lock file; keep it open as long as the lock is to hold. Raises Taken, OSError."""
    private_folder(folder)
    path = folder / LOCK_FILE
    file = path.open("a+", encoding="ascii")
    try:
        _lock(file)
    except OSError as error:
        file.close()
        raise Taken(f"{path}: another supervisor watches this gateway; stop that one first") from error
    file.seek(0)
    file.truncate()
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def _lock(file: IO[str]) -> None:
    if sys.platform == "win32":
        import msvcrt

        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
