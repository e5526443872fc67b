"""The hash chain of the journal: each line carries the hash of itself and of the line before.

Whoever changes, removes or slips in a line breaks the chain at that line, however well formed it is. The
first line after a file is opened also names the hash that it goes on from and the file of that line. So a
file can be checked although folders of earlier dates have been moved away, and one that is missing in
between, or in a folder that is still there, is noticed. What no chain can notice is its end cut off, or all
of it written anew: for that the heads that `arb journal verify` prints are kept where nobody of the desk
can write.
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
_SEAL: Final = re.compile(
    rb'(?:,"p":"(?P<before>[0-9a-f]{32})"(?:,"f":"(?P<file>[^"\\]+)")?)?,"h":"(?P<own>[0-9a-f]{32})"\}\n?\Z'
)

End = tuple[str, str]
"""The hash of a line, and the file (`<date>/<name>`) that holds it; "" for the end of any file."""


@dataclass(frozen=True, slots=True)
class Seal:
    """What a line carries: its own hash, and the one it goes on from where a file was opened.

    `file` (`<date>/<name>`) holds the line before; empty where there is none, or an earlier build wrote it.
    """

    own: str
    before: str
    file: str = ""


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


def sealed(line: bytes, before: str, *, opening: bool, file: str = "") -> tuple[bytes, str]:
    """Return a line (as `entry_line` makes it) with its hash, and the hash.

    An `opening` line names the hash before, and the `file` (`<date>/<name>`) of that line where there is one.
    """
    body = line[:-2]
    if opening:
        body += b',"p":"' + before.encode() + (b'","f":"' + file.encode() if file else b"") + b'"'
    own = _hash(before, body)
    return body + b',"h":"' + own.encode() + b'"}\n', own


def seal_of(line: bytes) -> Seal | None:
    """Return what a line carries, None for one without a hash."""
    found = _SEAL.search(line)
    if found is None:
        return None
    return Seal(found["own"].decode(), (found["before"] or b"").decode(), (found["file"] or b"").decode())


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
        if seal is None or _problem(line, head) or seal.before not in ("", head or seal.before):
            break
        head, good = seal.own, good + len(line)
    return good


def _verify_stem(stem: str, parts: list[Part]) -> Verdict:
    ends = {end for part in parts for end in _ends_of(part)}
    first = next((seal_of(line) for part in parts for _, line in _lines(part.path)), None)
    if first is not None and (first.before, first.file) in ends:
        ends.add((BEGINNING, ""))  # a clock set back put a later line into the first folder
    head, count = "", 0
    for part in parts:
        for number, line in _lines(part.path):
            seal = seal_of(line)
            why = _problem(line, head) or _problem_before(part, line, head, ends)
            if why or seal is None:
                return Verdict(stem, count, head or BEGINNING, Broken(part.path, number, why))
            head, count = seal.own, count + 1
    return Verdict(stem, count, head or BEGINNING, None)


def _problem(line: bytes, head: str) -> str:
    """Why a line is not as written behind the one whose hash is `head` ("" before the first there is)."""
    seal = seal_of(line)
    if seal is None:
        return "it carries no hash"
    if not head and not seal.before:
        return "the lines before it are missing"
    if _hash(seal.before or head, line[: line.rindex(b',"h":"')]) != seal.own:
        return "it, or the line before it, is not as it was written"
    return ""


def _problem_before(part: Part, line: bytes, head: str, ends: set[End]) -> str:
    """Why an opening line cannot stand behind `head`: the line that it goes on from is not there.

    Before the first line that is there, folders of earlier dates may have been moved away.
    """
    seal = seal_of(line)
    if seal is None or seal.before in ("", head):
        return ""
    if (seal.before, seal.file) in ends and seal.file != _name_of(part.path):
        return ""
    if head:
        return "it goes on from a line that is not there: lines or a file before it are missing"
    named = (part.path.parents[1] / seal.file).parent.is_dir() if seal.file else part.part > 0
    if seal.before == BEGINNING or not named:
        return ""
    return f"it goes on from a line of {seal.file or 'an earlier file of its date'} that is not there"


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.endswith(b"\n"):
                yield number, line


def _ends_of(part: Part) -> Iterator[End]:
    """Yield what a line of another file may go on from: the line before each opening, and the last."""
    own = ""
    for _, line in _lines(part.path):
        seal = seal_of(line)
        if seal is not None and seal.before and own:
            yield own, _name_of(part.path)
        own = "" if seal is None else seal.own
    if own:
        yield from ((own, _name_of(part.path)), (own, ""))


def _name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _hash(before: str, body: bytes) -> str:
    return blake2b(before.encode() + body, digest_size=16).hexdigest()
