"""Reading the log files of all processes of a run folder: merged by time, followed over rotations.

A file is followed by its own open handle: when the name belongs to another file, the old one is read to its
end, then those in between, then the new one. A line without its end is kept until the rest has come.
"""

import datetime as dt
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

from services.runtime.logs import BACKUPS, backup_of

PRINTED: Final = ".out"
"""What a process printed besides its log, as a traceback at its start: lines without a time of their own."""
NOT_A_SERVICE: Final = "supervisord"
READ_BYTES: Final = 1_048_576


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log. `data` is what its JSON says; a line that is none has its text as `event`."""

    ts: str
    data: Mapping[str, Any]
    text: str = field(repr=False)
    complete: bool = False
    """Whether its JSON has its own time and service."""

    @property
    def service(self) -> str:
        return str(self.data.get("service", ""))

    @property
    def level(self) -> str:
        return str(self.data.get("level", ""))

    @property
    def json(self) -> str:
        """The line as it is where it says when and who, else as JSON that does."""
        whole = {"ts": self.ts, **self.data}
        return self.text if self.complete else json.dumps(whole, ensure_ascii=False)


def parsed(text: str, service: str, ts_before: str) -> Line:
    """Return a line; what has no time of its own stands where it was found."""
    try:
        data = json.loads(text)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        return Line(ts_before, {"service": service, "level": "", "event": text}, text)
    complete = "ts" in data and "service" in data
    return Line(str(data.get("ts") or ts_before), {"service": service, **data}, text, complete)


class LogFile:
    """One process's log. `read()` gives the lines that came since the last time, the oldest first."""

    def __init__(self, path: Path) -> None:
        self._path, self._service = path, path.stem
        self._handle: BinaryIO | None = None
        self._rest = b""
        self._ts = ""
        self._begun = False

    def read(self) -> Iterator[Line]:
        """Return what is new. Never raises for a file that comes, goes or is being written."""
        if not self._begun:
            self._begun = True
            for number in range(BACKUPS, 0, -1):
                yield from self._whole(backup_of(self._path, number))
        if self._handle is None:
            self._handle = _opened(self._path)
        if self._handle is None:
            return
        yield from self._lines(self._handle)
        while (newer := self._newer()) is not None:
            yield from self._lines(self._handle)
            self._handle.close()
            self._handle = newer
            yield from self._lines(newer)

    def torn(self) -> Iterator[Line]:
        """Return the last line, if it has no end: what a process that died left."""
        if self._rest.strip():
            yield self._line(self._rest)
            self._rest = b""

    def _newer(self) -> BinaryIO | None:
        """The file that comes after the one that is open, None where that is the newest."""
        assert self._handle is not None
        mine = os.fstat(self._handle.fileno())
        names = [backup_of(self._path, number) for number in range(BACKUPS + 1)]
        for number, name in enumerate(names):
            try:
                same = os.path.samestat(mine, name.stat())
            except OSError:
                continue
            if same:
                return None if number == 0 else _opened(names[number - 1])
        return _opened(next((name for name in reversed(names) if name.exists()), self._path))

    def _whole(self, path: Path) -> Iterator[Line]:
        handle = _opened(path)
        if handle is not None:
            with handle:
                yield from self._lines(handle)

    def _lines(self, handle: BinaryIO) -> Iterator[Line]:
        state = os.fstat(handle.fileno())
        if state.st_size < handle.tell():
            handle.seek(0)
        if self._path.suffix == PRINTED:
            self._ts = f"{dt.datetime.fromtimestamp(state.st_mtime, dt.UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
        while block := handle.read(READ_BYTES):
            *whole, self._rest = (self._rest + block).split(b"\n")
            yield from (self._line(raw) for raw in whole if raw.strip())

    def _line(self, raw: bytes) -> Line:
        line = parsed(raw.decode("utf-8", errors="replace").strip("\r"), self._service, self._ts)
        self._ts = line.ts
        return line


def _opened(path: Path) -> BinaryIO | None:
    try:
        return path.open("rb")
    except OSError:
        return None


class LogFolder:
    """All logs of a folder, also those that come later."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, LogFile] = {}

    def read(self, *, last: bool = False) -> list[Line]:
        """Return the lines that are new, by time. `last`: also those without an end."""
        for path in sorted((*self._folder.glob("*.log"), *self._folder.glob(f"*{PRINTED}"))):
            if path.stem != NOT_A_SERVICE:
                self._files.setdefault(path.name, LogFile(path))
        lines: list[Line] = []
        for file in self._files.values():
            lines.extend(file.read())
            if last:
                lines.extend(file.torn())
        return by_time(lines)


def by_time(lines: Iterable[Line]) -> list[Line]:
    """Return lines by their time; of one time in the order they were read."""
    return sorted(lines, key=lambda line: line.ts)
