"""Appends entries to the journal's files, and knows what is written and what is safe on disk.

Invariants: a file's position moves only with the bytes that carry it; `synced` moves only after
fsync. After any error of the disk a file is cut back to what was synced, and its position and its
chain with it, because nobody knows what a failed write or fsync left; Redis still holds the rest.
A file of today that is moved, deleted or changed by somebody else is no record any more, from
the start of a process on. Of the newest file of a stream the position goes back to what the folder
still holds, and Redis is read from there. An earlier one is told: what follows it stays.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from services.contracts.terms import TradingDate
from services.notifier.journal_chain import BEGINNING, intact_bytes, seal_of, sealed
from services.notifier.journal_folder import (
    Head,
    Part,
    cut,
    lines_before,
    parts_in,
    path_of,
    recover,
    stem_of,
    sync_path,
)
from services.notifier.journal_line import FIRST_ID, Gap, entry_line, gap_line, prefix_of, read_line
from services.runtime.private import FILE_MODE, private_folder
from services.runtime.standing import entry_order

Item = TypeVar("Item")
FileId = tuple[int, int, int]
"""Device, inode and size (bytes) of a file."""
DateOf = Callable[[int], TradingDate]
"""The trading date of a moment (Unix ns)."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries of one key as (entry id, raw envelope), oldest first; `gap` lies before the first.

    Of an entry that is too large for a message there is the beginning. `more` may wait in the stream.
    """

    key: str
    entries: Sequence[tuple[str, bytes]]
    gap: Gap | None = None
    more: bool = False


class KeyFile:
    """The open file of one stream key. `head` is the last line that was written."""

    def __init__(self, root: Path, key: str, head: Head, date_of: DateOf, max_bytes: int) -> None:
        self.key = key
        self.lines = 0
        self._root = root
        self._stem = stem_of(key)
        self._date_of = date_of
        self._max_bytes = max_bytes
        self._date = self._date_of_file = TradingDate("")
        self._path: Path | None = None
        self._fd = -1
        self._inode: tuple[int, int] | None = None
        self._size = self._synced_size = 0
        self._synced_lines = 0
        self._in_doubt = False
        self._earlier: dict[Path, FileId | None] = {}
        self._taken: list[Path] = []
        self._opening = True
        self._go_on_from(head)

    def _go_on_from(self, head: Head) -> None:
        self.head = self._synced_head = head
        seal = seal_of(head.last_line)
        self._chain = self._synced_chain = BEGINNING if seal is None else seal.own
        if head.path is not None:
            self._watch(head.path)

    def _watch(self, path: Path) -> None:
        """Know a file that is not open by what it is now, so that it is missed before its next line too."""
        device, inode, size = _id_of(path) or (0, 0, 0)
        self._path, self._inode, self._size = path, (device, inode), size
        self._synced_size = size
        self._date_of_file = TradingDate(path.parent.name)
        self._earlier = {
            part.path: _id_of(part.path) for part in self._parts_in(path.parent) if part.path != path
        }

    def _parts_in(self, folder: Path) -> list[Part]:
        return [part for part in parts_in(folder) if part.stem == self._stem]

    @property
    def synced_position(self) -> str:
        """The last entry that is safe, "0-0" where the stream has begun anew since."""
        safe = self._synced_head
        return safe.position if safe.generation == self.head.generation else FIRST_ID

    def append(self, batch: Batch) -> None:
        """Write a batch, over as many files as its dates and sizes ask for.

        Nothing is written where somebody changed the file: the position is back then (see `retake`).

        Raises:
            OSError: the disk refused; position and file are back at what was synced.
        """
        try:
            self._mend()
            if batch.entries and self._was_taken(self._date_of_entry(batch.entries[0][0])):
                return
            head = self.head
            if batch.gap is not None and batch.gap.restarted:
                head = replace(head, generation=head.generation + 1)
            prefix = prefix_of(self.key, head.generation)
            chunk: list[bytes] = []
            size = 0
            for number, (entry_id, text) in enumerate(batch.entries):
                date = self._date_of_entry(entry_id)
                if date != self._date or self._size + size >= self._max_bytes:
                    self._write(chunk, head)
                    chunk, size = [], 0
                    self._turn_to(date)
                gap = batch.gap if number == 0 else None
                before = b"" if gap is None else self._sealed(gap_line(prefix, gap))
                line = self._sealed(entry_line(prefix, entry_id, text))
                chunk.append(before + line)
                size += len(before) + len(line)
                head = replace(head, position=entry_id, last_line=line, path=self._path)
            self._write(chunk, head)
        except Exception:
            self._in_doubt = True
            raise

    def sync(self) -> None:
        """Force what was written to the disk.

        Raises:
            OSError: as `append`.
        """
        try:
            self._mend()
            if self._size != self._synced_size:
                self._sync_now()
        except OSError:
            self._in_doubt = True
            raise

    def close(self) -> None:
        """Give the file up without syncing it; `sync` comes first."""
        if self._fd >= 0:
            handle, self._fd = self._fd, -1
            os.close(handle)

    def retake(self, today: TradingDate) -> list[Path]:
        """Begin again behind what the folder holds, where somebody moved, deleted or changed the newest file.

        A file of an earlier date may be moved away: it is let go. Returns the paths of what was taken.

        Raises:
            OSError: the folder cannot be read.
        """
        if not self._in_doubt:
            self._was_taken(today)
        taken, self._taken = self._taken, []
        return taken

    def _was_taken(self, today: TradingDate) -> bool:
        """Whether the newest file was; an earlier one of today is kept for `retake` to tell."""
        if self._date_of_file == today:
            lost = [path for path, known in self._earlier.items() if _id_of(path) != known]
            self._taken += lost
            self._earlier = {path: known for path, known in self._earlier.items() if path not in lost}
        if self._is_in_place():
            return False
        if self._date_of_file == today:
            self._begin_again()
            return True
        if self._fd >= 0 and self._size != self._synced_size:
            self._sync_now()
        self._let_go()
        self._inode = None
        return False

    def _begin_again(self) -> None:
        """Keep of the file that somebody changed what follows from its first line, and read on from there."""
        assert self._path is not None
        self._taken.append(self._path)
        self._let_go()
        self._inode, self._size = None, 0
        if self._path.exists():
            self._size = intact_bytes(self._path)
            cut(self._path, self._size)
        self._synced_size = self._size
        heads, _ = recover(self._root, self._stem)
        self._go_on_from(heads.get(self._stem, Head(FIRST_ID)))

    def _is_in_place(self) -> bool:
        """Whether the path still leads to the file that was written, and to nothing else in it."""
        if self._inode is None or self._path is None:
            return True
        return _id_of(self._path) == (*self._inode, self._size)

    def _let_go(self) -> None:
        """Close the file; the next line opens it anew."""
        with suppress(OSError):
            self.close()
        self._date = TradingDate("")

    def _mend(self) -> None:
        """Cut back to what was synced after an error. Not possible: the next call tries again.

        The file is opened anew by the next line: what made the error may be the handle itself.
        """
        if not self._in_doubt:
            return
        self._let_go()
        if self._path is not None and self._path.exists():
            found = self._path.stat()
            if (found.st_dev, found.st_ino) == self._inode and found.st_size > self._synced_size:
                os.truncate(self._path, self._synced_size)
        self._size, self.lines = self._synced_size, self._synced_lines
        self.head, self._chain = self._synced_head, self._synced_chain
        self._in_doubt = False

    def settle(self) -> None:
        """After an error: put file and position back to what was synced, so that reading starts there.

        Raises:
            OSError: the disk still refuses.
        """
        self._mend()

    def _date_of_entry(self, entry_id: str) -> TradingDate:
        return self._date_of(entry_order(entry_id)[0] * 1_000_000)

    def _sealed(self, line: bytes) -> bytes:
        before = self.head.path
        file = "" if before is None else f"{before.parent.name}/{before.name}"
        text, self._chain = sealed(line, self._chain, opening=self._opening, file=file)
        self._opening = False
        return text

    def _write(self, chunk: Sequence[bytes], head: Head) -> None:
        if not chunk:
            return
        data = memoryview(b"".join(chunk))
        length = len(data)
        while data:
            data = data[os.write(self._fd, data) :]
        self._size += length
        self.head = head
        self.lines += len(chunk)

    def _turn_to(self, date: TradingDate) -> None:
        """Open the file that the next line goes to, after the one before is safe on disk."""
        if self._fd >= 0:
            if self._size != self._synced_size:
                self._sync_now()
            self.close()
        folder = self._root / date
        if not folder.is_dir():
            private_folder(folder)
            sync_path(self._root)
        mine = self._parts_in(folder)
        newest = mine[-1] if mine else None
        full = newest is not None and newest.path.stat().st_size >= self._max_bytes
        part = 0 if newest is None else newest.part + full
        path = path_of(self._root, date, self._stem, part)
        if date != self._date_of_file or self._inode is None:
            self._earlier = {part.path: _id_of(part.path) for part in mine if part.path != path}
        elif self._path is not None and path != self._path:
            self._earlier[self._path] = (*self._inode, self._size)
        self._path = path
        self._synced_size = path.stat().st_size if path.exists() else 0
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        sync_path(folder)
        self._date = self._date_of_file = date
        found = os.fstat(self._fd)
        self._inode, self._size = (found.st_dev, found.st_ino), found.st_size
        self._opening = True
        self._mark_synced()

    def _sync_now(self) -> None:
        os.fsync(self._fd)
        self._mark_synced()

    def _mark_synced(self) -> None:
        self._synced_size, self._synced_lines = self._size, self.lines
        self._synced_head, self._synced_chain = self.head, self._chain


def _id_of(path: Path) -> FileId | None:
    """Return which file lies at a path, None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino, found.st_size


class JournalWriter:
    """All files of one journal. `heads` say how far each stem got, as `recover` found them."""

    def __init__(self, root: Path, heads: dict[str, Head], date_of: DateOf, max_bytes: int) -> None:
        self._root = root
        self._found = heads
        self._date_of = date_of
        self._max_bytes = max_bytes
        self._files: dict[str, KeyFile] = {}
        for head in heads.values():
            if head.last_line:
                self._file(read_line(head.last_line).key)

    def head(self, key: str) -> Head:
        """Return the last entry of a key that was written, with its line: read on from here."""
        return self._file(key).head

    def position(self, key: str) -> str:
        """Return the last entry of a key that was written."""
        return self.head(key).position

    def recent(self, key: str) -> Iterator[tuple[str, bytes]]:
        """Yield what was written last of a key, newest first, as (id, line)."""
        return lines_before(self._root, self.head(key))

    def synced(self, key: str) -> str:
        """Return the last entry of a key that a power cut cannot take."""
        return self._file(key).synced_position

    @property
    def lines(self) -> int:
        """Entries written since the start."""
        return sum(file.lines for file in self._files.values())

    def append(self, batch: Batch) -> None:
        """Write one batch. Raises OSError: see `KeyFile.append`; batches written before stay."""
        self._file(batch.key).append(batch)

    def sync(self) -> None:
        """Sync every file, the others also when one fails. Raises the first OSError."""
        each(self._files.values(), KeyFile.sync)

    def settle(self) -> None:
        """Put every file that met an error back to what was synced. Raises the first OSError."""
        each(self._files.values(), KeyFile.settle)

    def retake(self, now_ns: int) -> list[Path]:
        """Return the files of today that somebody took; their streams are read again. Raises OSError."""
        today = self._date_of(now_ns)
        return [path for file in self._files.values() for path in file.retake(today)]

    def close(self) -> None:
        """Sync and close. Raises OSError where that fails; everything is closed even then."""
        try:
            self.sync()
        finally:
            for file in self._files.values():
                file.close()

    def _file(self, key: str) -> KeyFile:
        file = self._files.get(key)
        if file is None:
            head = self._found.get(stem_of(key), Head(FIRST_ID))
            file = KeyFile(self._root, key, head, self._date_of, self._max_bytes)
            self._files[key] = file
        return file


def each(items: Iterable[Item], act: Callable[[Item], None]) -> None:
    """Act on every item, the others also when one fails; then raise the first error."""
    first: Exception | None = None
    for item in items:
        try:
            act(item)
        except Exception as error:
            first = first or error
    if first is not None:
        raise first
