"""Where the Unix sockets of a folder lie: in it, or in a short one where its path is too long."""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Final

from services.runtime.private import private_folder

LONGEST_PATH_BYTES: Final = 99
"""The system takes 107, and supervisord binds a name that is longer by its process id. A Korean letter takes
three."""


def socket_path(folder: Path, name: str) -> Path:
    """Return the path of a socket of a folder: the same for every process of one user.

    Raises:
        OSError: the short folder cannot be made, or is somebody else's.
    """
    path = folder.resolve() / name
    if len(os.fsencode(path)) <= LONGEST_PATH_BYTES:
        return path
    digest = hashlib.sha256(os.fsencode(path.parent)).hexdigest()[:16]
    short = private_folder(Path(tempfile.gettempdir()) / f"arb-{os.getuid()}-{digest}")
    if short.stat().st_uid != os.getuid() or short.is_symlink():
        raise PermissionError(f"{short} belongs to somebody else: remove it")
    return short / name
