"""Where the journal's lines lie, and how far each file got.

    <root>/<date>/<stream>[-<name>].jsonl, then .1.jsonl, .2.jsonl when one grew too large

One file holds one stream key, so that its last line is the position: nothing else stores it.
A kill can tear the last line; what is torn is moved to `<date>/torn/` before the file is cut,
so that nothing vanishes silently, and the entry is read from Redis again.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import IO, Final
from urllib.parse import quote

from services.contracts.streams import stream_of
from services.contracts.terms import TradingDate
from services.notifier.journal_line import (
    FIRST_ID,
    EntryOrder,
    JournalLine,
    LineUnreadable,
    read_line,
)
from services.runtime.private import private_folder
from services.runtime.standing import entry_order

SUFFIX: Final = ".jsonl"
TORN_FOLDER: Final = "torn"
LOCK_FILE: Final = ".lock"
TAIL_BYTES: Final = 64 * 1024
TAIL_BYTES_NEWEST: Final = 4 * 1024 * 1024
"""In the newest folder this much is checked line by line: more than could be unsynced at a power cut."""
LONGEST_STEM: Final = 150
"""A file system takes 255 bytes of name."""
RECENT_BYTES: Final = 16 * 1024 * 1024
"""So far back it is looked for what Redis still holds of the record. A stream of quotes is 6 MB."""
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class JournalLocked(RuntimeError):
    """Another process writes this journal."""


@dataclass(frozen=True, slots=True)
class Part:
    """One file: the `part`-th of the key that `stem` stands for, on one date."""

    path: Path
    date: TradingDate
    stem: str
    part: int


@dataclass(frozen=True, slots=True)
class Head:
    """How far one key's files got: the last entry, and its line, which the next one goes on from.

    `generation` says how often its stream had begun anew by then. `path` is the file that holds the line.
    """

    position: str
    last_line: bytes = b""
    generation: int = 0
    path: Path | None = None

    @property
    def order(self) -> tuple[int, EntryOrder]:
        """Sorts the ends of several files: the newest line is the last."""
        return self.generation, entry_order(self.position)


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of a file: bytes that are whole lines, the last entry among them, bytes that are torn."""

    good_bytes: int
    torn_bytes: int
    head: Head


def stem_of(key: str) -> str:
    """Return the file name of a key, without part and suffix.

    Raises:
        ValueError: the streams table has no such key.
    """
    found = stream_of(key)
    if found is None:
        raise ValueError(f"{key!r} is no stream of ours")
    stream, name = found
    if not name:
        return stream.name
    stem = f"{stream.name}-{quote(name, safe='').replace('.', '%2E')}"
    return stem if len(stem) <= LONGEST_STEM else f"{stem[:LONGEST_STEM]}!{_digest(name)}"


def _digest(name: str) -> str:
    return blake2b(name.encode(), digest_size=8).hexdigest()


def path_of(root: Path, date: TradingDate, stem: str, part: int) -> Path:
    return root / date / (f"{stem}.{part}{SUFFIX}" if part else f"{stem}{SUFFIX}")


def dates_in(root: Path) -> list[TradingDate]:
    """Return the dates that have a folder, oldest first."""
    if not root.is_dir():
        return []
    names = (entry.name for entry in os.scandir(root) if entry.is_dir() and _DATE.fullmatch(entry.name))
    return [TradingDate(name) for name in sorted(names)]


def parts_in(folder: Path) -> list[Part]:
    """Return the files of one date's folder, each key's in the order they were written."""
    if not folder.is_dir():
        return []
    found = [_part(folder, entry.name) for entry in os.scandir(folder) if entry.is_file()]
    return sorted((part for part in found if part), key=lambda part: (part.stem, part.part))


def _part(folder: Path, name: str) -> Part | None:
    if not name.endswith(SUFFIX):
        return None
    stem, _, number = name.removesuffix(SUFFIX).partition(".")
    if number and not number.isdigit():
        return None
    return Part(folder / name, TradingDate(folder.name), stem, int(number or 0))


def recover(root: Path, only: str = "") -> tuple[dict[str, Head], list[Path]]:
    """Cut every torn end and return how far each stem got, and where the torn bytes went.

    `only` is the one stem to look at; all where it is empty.

    Raises:
        OSError: a file cannot be read or mended.
    """
    heads: dict[str, Head] = {}
    moved: list[Path] = []
    dates = dates_in(root)
    for date in dates:
        window = TAIL_BYTES_NEWEST if date == dates[-1] else TAIL_BYTES
        for part in parts_in(root / date):
            if only and part.stem != only:
                continue
            tail = read_tail(part.path, window)
            if tail.torn_bytes:
                moved.append(cut(part.path, tail.good_bytes))
            known = heads.get(part.stem, Head(FIRST_ID))
            heads[part.stem] = max(known, tail.head, key=lambda head: head.order)
    return heads, moved


def read_tail(path: Path, window: int = TAIL_BYTES) -> Tail:
    """Return where the whole lines of a file end, looking at its last `window` bytes, more if need be."""
    size = path.stat().st_size
    with path.open("rb") as file:
        while True:
            start = max(0, size - window)
            file.seek(start)
            tail = _scan(file.read(size - start), start, path)
            if tail is not None:
                return tail
            window *= 4


def _scan(data: bytes, start: int, path: Path) -> Tail | None:
    """Walk the lines of a file's end; None: no whole entry in it, and there is more before it."""
    at = data.find(b"\n") + 1 if start else 0
    good, head = at, Head(FIRST_ID)
    while (end := data.find(b"\n", at)) >= 0:
        line = _whole(data[at:end])
        if line is None:
            break
        text, at = data[at : end + 1], end + 1
        if line.gap is None:
            good, head = at, Head(line.entry_id, text, line.generation, path)
    if not head.last_line and start:
        return None
    return Tail(start + good, len(data) - good, head)


def lines_before(root: Path, head: Head, window: int = RECENT_BYTES) -> Iterator[tuple[str, bytes]]:
    """Yield the entries of a head's stream as (id, line), newest first, from about `window` bytes at most.

    The file of the head may have been moved away: of the others Redis may hold as much.
    """
    if head.path is None:
        return
    stem = head.path.name.partition(".")[0]
    parts = [part.path for date in dates_in(root) for part in parts_in(root / date) if part.stem == stem]
    for path in (head.path, *(path for path in reversed(parts) if path != head.path)):
        if window <= 0:
            return
        if not path.exists():
            continue
        size = path.stat().st_size
        with path.open("rb") as file:
            file.seek(max(0, size - window))
            lines = file.read(window).split(b"\n")
        for text in reversed(lines[1 if size > window else 0 : -1]):
            line = _whole(text)
            if line is not None and line.gap is None:
                yield line.entry_id, text
        window -= size


def _whole(line: bytes) -> JournalLine | None:
    try:
        return read_line(line)
    except LineUnreadable:
        return None


def cut(path: Path, good_bytes: int) -> Path:
    """Move what lies behind the first `good_bytes` of a file into its torn folder; return where it is."""
    side = path.parent / TORN_FOLDER / f"{path.name}.{good_bytes}"
    side.parent.mkdir(exist_ok=True)
    with path.open("r+b") as file:
        file.seek(good_bytes)
        side.write_bytes(file.read())
        sync_path(side)
        file.truncate(good_bytes)
        os.fsync(file.fileno())
    return side


def sync_path(path: Path) -> None:
    """Force a file's bytes, or a folder's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def lock(root: Path) -> IO[bytes]:
    """Take the journal for this process; closing the returned file, or dying, gives it up.

    Raises:
        JournalLocked: another process holds it.
        OSError: the folder cannot be made.
    """
    private_folder(root)
    file = (root / LOCK_FILE).open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise JournalLocked(f"another process writes the journal in {root}") from error
    return file


def is_held(file: IO[bytes], root: Path) -> bool:
    """Whether a lock is that of the folder as it lies there now: it may have been moved away."""
    mine = os.fstat(file.fileno())
    try:
        found = (root / LOCK_FILE).stat()
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == (mine.st_dev, mine.st_ino)


def lines_of(path: Path) -> Iterator[JournalLine]:
    """Yield the whole lines of a file, oldest first; stops at a line still being written.

    Raises:
        LineUnreadable: a line in the middle is damaged; says which.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                yield read_line(line[:-1])
            except LineUnreadable as error:
                raise LineUnreadable(f"{path}, line {number}: {error}") from error
