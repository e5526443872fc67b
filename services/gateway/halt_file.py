"""The HALT files: while an entry beside the gateway has a name that begins with halt, only cancels are sent.

The case of the name, its ending and the kind of the entry do not matter: `HALT.txt` of Notepad, a folder, a
dangling link and a pipe stop as well. The listing of the folder decides, and an entry of a person is never
opened: a pipe would hold the Qt thread. A folder that cannot be listed stops.

The supervisor lays a file under a name of its own around each restart. The file is the supervisor's while it
was last written at the moment that its first line names. A person who touches or edits it makes it theirs.
The supervisor removes no other entry.
"""

import contextlib
import os
import stat
import threading
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from services.contracts.limits import NS_PER_S

STOPS: Final = "halt"
_OWN_SUFFIX: Final = "-supervisor"
_LAYING: Final = "laying-"
"""How the supervisor's unfinished file is called: it must not stop, since nobody would lift it."""
_MARK: Final = "laid by the gateway's supervisor at "
_READ_BYTES: Final = 4_096
_SHOWN_CHARS: Final = 200
_SAME_NS: Final = 2 * NS_PER_S
"""File systems round times, FAT to two seconds."""


class LaidBy(StrEnum):
    NOBODY = "nobody"
    SUPERVISOR = "supervisor"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class HaltFile:
    """What stops. `entry` names a person's, `why` is the reason in the supervisor's; empty: there is none."""

    entry: str = ""
    why: str = ""

    @property
    def laid_by(self) -> LaidBy:
        """A person's comes first: the supervisor's goes by itself."""
        if self.entry:
            return LaidBy.PERSON
        return LaidBy.SUPERVISOR if self.why else LaidBy.NOBODY

    @property
    def present(self) -> bool:
        return self.laid_by is not LaidBy.NOBODY


def prepare(path: Path) -> None:
    """Make the folder of the HALT files, so that one can be laid. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)


def look(path: Path) -> HaltFile:
    """Return what lies beside `path`; where that cannot be told, a person's file does."""
    prefixes = (STOPS, path.name.casefold())
    try:
        with os.scandir(path.parent) as entries:
            names = sorted(entry.name for entry in entries if entry.name.casefold().startswith(prefixes))
    except OSError as error:
        return HaltFile(f"{_shown(path.parent)} (cannot be listed: {error.strerror})")
    own, why = own_path(path), ""
    if own.name in names:
        try:
            why = _why(own)
        except FileNotFoundError:
            names.remove(own.name)
    persons = [name for name in names if not (why and name == own.name)]
    return HaltFile(_shown(path.with_name(persons[0])) if persons else "", why)


def own_path(path: Path) -> Path:
    """Return where the supervisor's own file lies."""
    return path.with_name(f"{path.name}{_OWN_SUFFIX}")


def lay(path: Path, why: str, wall_ns: int) -> None:
    """Lay the supervisor's file; one that lies there already stays as it is. Raises OSError."""
    prepare(path)
    fresh = path.with_name(f"{_LAYING}{os.getpid()}-{threading.get_ident()}")
    try:
        fresh.write_text(f"{_MARK}{wall_ns}\n{why}\n", encoding="utf-8")
        os.utime(fresh, ns=(wall_ns, wall_ns))
        with contextlib.suppress(FileExistsError):
            _put(fresh, own_path(path))
    finally:
        fresh.unlink(missing_ok=True)


def lay_by_hand(path: Path, text: str) -> None:
    """Lay a person's file; one that lies there already stays as it is. Raises OSError."""
    prepare(path)
    with contextlib.suppress(FileExistsError), path.open("x", encoding="utf-8", errors="replace") as file:
        file.write(f"{text}\n")


def lift(path: Path) -> None:
    """Remove the supervisor's file and no other. Raises OSError."""
    own = own_path(path)
    with contextlib.suppress(FileNotFoundError):
        if _why(own):
            own.unlink()


def _why(own: Path) -> str:
    """Return the reason in the supervisor's file, empty where the entry is a person's.

    Raises FileNotFoundError. Only a regular file is opened.
    """
    try:
        if not stat.S_ISREG(own.lstat().st_mode):
            return ""
        with os.fdopen(os.open(own, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            changed_ns, text = os.fstat(file.fileno()).st_mtime_ns, file.read(_READ_BYTES).decode()
        first, _, rest = text.partition("\n")
        laid_ns = int(first.removeprefix(_MARK))
    except FileNotFoundError:
        raise
    except (OSError, ValueError):
        return ""
    ours = first.startswith(_MARK) and abs(changed_ns - laid_ns) <= _SAME_NS
    return (rest.strip() or "no reason given") if ours else ""


def _put(fresh: Path, own: Path) -> None:
    """Give the finished file its name in one step, never over another. Raises FileExistsError."""
    try:
        os.link(fresh, own)
    except FileExistsError:
        raise
    except OSError:
        # A file system without hard links: written in place, and never over another either.
        text, times = fresh.read_text(encoding="utf-8"), fresh.stat()
        with own.open("x", encoding="utf-8") as file:
            file.write(text)
        os.utime(own, ns=(times.st_mtime_ns, times.st_mtime_ns))


def _shown(path: Path) -> str:
    """Return a path for people: a name can hold line ends, or bytes that are no text."""
    return "".join(char if char.isprintable() else "?" for char in str(path))[-_SHOWN_CHARS:]
