"""What a process writes is for its own user: orders, positions, addresses and reasons stand in it.

On Windows a folder's access list says who may read; there these do nothing.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

OTHERS: Final = 0o077
FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700


def keep_private() -> None:
    """Let nothing that this process and its children create be opened by other users."""
    os.umask(OTHERS)


def private_folder(folder: Path) -> Path:
    """Make a folder that only its owner opens; one that stands open to others is closed.

    Raises:
        OSError: it cannot be made.
    """
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    if is_open_to_others(folder):
        try:
            folder.chmod(FOLDER_MODE)
        except OSError as error:
            structlog.get_logger().warning("folder open to others", folder=str(folder), error=str(error))
    return folder


def is_open_to_others(path: Path) -> bool:
    return os.name == "posix" and bool(path.stat().st_mode & OTHERS)


def private_file(path: Path) -> int:
    """Open a file to append to, and return its descriptor; one that stands open to others is closed to them.

    Raises:
        OSError: it cannot be made.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags, FILE_MODE)
    if os.name == "posix" and os.fstat(descriptor).st_mode & OTHERS:
        with suppress(OSError):
            os.fchmod(descriptor, FILE_MODE)
    return descriptor
