"""The HALT file beside the gateway: while it is there, nothing but cancels is sent.

A person lays it by any means; the supervisor lays one of its own around each restart. The supervisor's is
told apart by its first line and by its time: it was last written at the moment that it names. A file that
a person touched or edited since is that person's, and only a person removes it.
"""

import contextlib
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from services.contracts.limits import NS_PER_S

_MARK: Final = "laid by the gateway's supervisor at "
_SAME_NS: Final = 2 * NS_PER_S
"""File systems round times, FAT to two seconds."""


class LaidBy(StrEnum):
    NOBODY = "nobody"
    SUPERVISOR = "supervisor"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class HaltFile:
    """What lies there; `why` is the supervisor's reason, empty for a person's file."""

    laid_by: LaidBy = LaidBy.NOBODY
    why: str = ""

    @property
    def present(self) -> bool:
        return self.laid_by is not LaidBy.NOBODY


def look(path: Path) -> HaltFile:
    """Return what lies at `path`; where that cannot be told, a person's file does."""
    try:
        changed_ns = path.stat().st_mtime_ns
    except FileNotFoundError:
        return HaltFile()
    except OSError:
        return HaltFile(LaidBy.PERSON)
    try:
        first, _, rest = path.read_text(encoding="utf-8").partition("\n")
        laid_ns = int(first.removeprefix(_MARK))
    except FileNotFoundError:
        return HaltFile()
    except (OSError, ValueError):
        return HaltFile(LaidBy.PERSON)
    ours = first.startswith(_MARK) and abs(changed_ns - laid_ns) <= _SAME_NS
    return HaltFile(LaidBy.SUPERVISOR, rest.strip()) if ours else HaltFile(LaidBy.PERSON)


def lay(path: Path, why: str, wall_ns: int) -> None:
    """Lay the supervisor's file; one that lies there already stays as it is. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.write_text(f"{_MARK}{wall_ns}\n{why}\n", encoding="utf-8")
    os.utime(fresh, ns=(wall_ns, wall_ns))
    try:
        with contextlib.suppress(FileExistsError):
            _put(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


def _put(fresh: Path, path: Path) -> None:
    """Give the finished file its name in one step, never over another. Raises FileExistsError."""
    try:
        os.link(fresh, path)
    except FileExistsError:
        raise
    except OSError:
        # A file system without hard links: written in place, and never over another either.
        text, times = fresh.read_text(encoding="utf-8"), fresh.stat()
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
        os.utime(path, ns=(times.st_mtime_ns, times.st_mtime_ns))


def lift(path: Path) -> None:
    """Remove the supervisor's file and no other. Raises OSError."""
    if look(path).laid_by is LaidBy.SUPERVISOR:
        path.unlink(missing_ok=True)
