"""The hash chain of the journal: each line carries the hash of itself and of the line before.

Whoever changes, removes or slips in a line breaks the chain at that line, however well formed it is. The
first line after a file is opened also names the hash that it goes on from, so that a file can be checked
although those before it have been moved away, and one that is missing in between is noticed. What no chain
can notice is its end cut off, or all of it written anew: for that the heads that `arb journal verify`
prints are kept where nobody of the desk can write.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import groupby
from pathlib import Path
from typing import Final

from services.notifier.journal_folder import Part, dates_in, parts_in

BEGINNING: Final = "0" * 32
"""What the first line of all goes on from."""
_SEAL: Final = re.compile(rb'(?:,"p":"(?P<before>[0-9a-f]{32})")?,"h":"(?P<own>[0-9a-f]{32})"\}\n?\Z')


@dataclass(frozen=True, slots=True)
class Seal:
    """What a line carries: its own hash, and the one it goes on from where a file was opened."""

    own: str
    before: str


@dataclass(frozen=True, slots=True)
class Broken:
    """The first line of a stream that is not what was written, and why."""

    path: Path
    line: int
    why: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one stream's chain. `head` is the hash of its last good line."""

    stem: str
    lines: int
    head: str
    broken: Broken | None


def sealed(line: bytes, before: str, *, opening: bool) -> tuple[bytes, str]:
    """Return a line (as `entry_line` makes it) with its hash, and the hash."""
    body = line[:-2] + (b',"p":"' + before.encode() + b'"' if opening else b"")
    own = _hash(before, body)
    return body + b',"h":"' + own.encode() + b'"}\n', own


def seal_of(line: bytes) -> Seal | None:
    """Return what a line carries, None for one without a hash."""
    found = _SEAL.search(line)
    if found is None:
        return None
    return Seal(found["own"].decode(), (found["before"] or b"").decode())


def verify(root: Path) -> list[Verdict]:
    """Check every stream of a journal, oldest file first; a last line still being written is left out.

    Raises:
        OSError: a file cannot be read.
    """
    parts = [part for date in dates_in(root) for part in parts_in(root / date)]
    by_stem = sorted(parts, key=lambda part: part.stem)
    return [_verify_stem(stem, list(own)) for stem, own in groupby(by_stem, key=lambda part: part.stem)]


def intact_bytes(path: Path) -> int:
    """Return how many bytes of a file are lines that follow one another from its first.

    Raises:
        OSError: the file cannot be read.
    """
    head, good = "", 0
    for _, line in _lines(path):
        seal = seal_of(line)
        if seal is None or _problem(line, head, set()):
            break
        head, good = seal.own, good + len(line)
    return good


def _verify_stem(stem: str, parts: list[Part]) -> Verdict:
    ends = {end for part in parts if (end := _end_of(part.path))}
    head, count = "", 0
    for part in parts:
        for number, line in _lines(part.path):
            why = _problem(line, head, ends)
            if why:
                return Verdict(stem, count, head or BEGINNING, Broken(part.path, number, why))
            seal = seal_of(line)
            assert seal is not None
            head, count = seal.own, count + 1
    return Verdict(stem, count, head or BEGINNING, None)


def _problem(line: bytes, head: str, ends: set[str]) -> str:
    """Why a line cannot follow the one whose hash is `head` ("" before the first that is there)."""
    seal = seal_of(line)
    if seal is None:
        return "it carries no hash"
    if not head and not seal.before:
        return "the lines before it are missing"
    if head and seal.before and seal.before != head and seal.before not in ends:
        return "it goes on from a line that is not there: lines or a file before it are missing"
    before = seal.before or head
    if _hash(before, line[: line.rindex(b',"h":"')]) != seal.own:
        return "it, or the line before it, is not as it was written"
    return ""


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.endswith(b"\n"):
                yield number, line


def _end_of(path: Path) -> str:
    """The hash of a file's last whole line, "" where it has none."""
    last = b""
    for _, line in _lines(path):
        last = line
    seal = seal_of(last)
    return "" if seal is None else seal.own


def _hash(before: str, body: bytes) -> str:
    return blake2b(before.encode() + body, digest_size=16).hexdigest()
