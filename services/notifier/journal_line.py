"""One line of the journal: the entry id, the stream key and the envelope as it was sent.

The envelope's bytes are put in untouched, so that a line is what Redis held. An entry that is
not one JSON object on one line is kept too, as base64, and can do the file no harm; so is one that
is nested so deeply that a reader could fail at it. A gap line says which entries are not in the
journal because Redis no longer had them, or that the stream began anew: then the lines that follow
carry a higher generation, because their ids may be lower than those before.
"""

import base64
import json
import re
from dataclasses import dataclass
from typing import Any, Final

from services.contracts.envelope import Envelope, decode
from services.runtime.standing import entry_order

FIRST_ID: Final = "0-0"
"""The position before every entry."""
DEEPEST: Final = 100
"""Python's own reader of JSON gives up somewhere near 1,000 levels, our messages have about ten."""

_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKET: Final = re.compile(rb"[\[\]{}]")
_DEEP_LINE: Final = re.compile(
    rb'\{"id":"(?P<id>\d+-\d+)","key":(?P<key>"(?:[^"\\]|\\.)*"),"m":(?P<text>\{.*?\})'
    rb'(?:,"p":"[0-9a-f]{32}")?(?:,"h":"[0-9a-f]{32}")?\}\Z',
    re.DOTALL,
)

EntryOrder = tuple[int, int]


class LineUnreadable(ValueError):
    """A line that no journal wrote whole: torn by a kill, or edited by hand."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Entries after `from_id` and before `to_id` were gone before they could be written.

    `restarted`: Redis no longer held `from_id` while it held older entries, or took new ones with lower ids:
    it came back empty or older, or its clock was set back. What it took in between is not known.
    """

    from_id: str
    to_id: str
    restarted: bool = False


@dataclass(frozen=True, slots=True)
class JournalLine:
    """A line read back. Exactly one of `body` (parsed JSON), `raw` (what was no JSON) and `gap` is set.

    `generation` says how often the stream had begun anew before this line.
    """

    entry_id: str
    key: str
    body: dict[str, Any] | None = None
    raw: bytes | None = None
    gap: Gap | None = None
    generation: int = 0

    @property
    def envelope(self) -> Envelope:
        """The typed envelope.

        Raises:
            Unreadable: the entry was not a message, or is of another build's version.
        """
        return decode(json.dumps(self.body) if self.body is not None else self.raw or b"")


def prefix_of(key: str, generation: int = 0) -> bytes:
    """Return the part of each line that names the key: made once for a file, not for each line."""
    return b'","key":' + json.dumps(key).encode() + (b',"g":%d' % generation if generation else b"")


def entry_line(prefix: bytes, entry_id: str, text: bytes) -> bytes:
    """Return the line of one entry; `prefix` is `prefix_of` its key."""
    return b'{"id":"' + entry_id.encode() + prefix + _body_of(text) + b"}\n"


def says(line: bytes, start: bytes) -> bool:
    """Whether a line is of an entry that begins with `start`: all of it, or a multiple of three bytes."""
    return b',"m":' + start in line or b',"raw_b64":"' + base64.b64encode(start) in line


def _body_of(text: bytes) -> bytes:
    return b',"m":' + text if _is_one_object(text) else b',"raw_b64":"' + base64.b64encode(text) + b'"'


def gap_line(prefix: bytes, gap: Gap) -> bytes:
    """Return the line that marks a hole; its id is the last entry before the hole."""
    hole: dict[str, Any] = {"from": gap.from_id, "to": gap.to_id}
    if gap.restarted:
        hole["restarted"] = True
    return b'{"id":"' + gap.from_id.encode() + prefix + b',"gap":' + json.dumps(hole).encode() + b"}\n"


def read_line(line: bytes) -> JournalLine:
    """Return one line without its newline.

    Raises:
        LineUnreadable: not a whole line of a journal.
    """
    try:
        fields = json.loads(line.decode())
        entry_id, key, generation = str(fields["id"]), str(fields["key"]), int(fields.get("g", 0))
        entry_order(entry_id)
        if "gap" in fields:
            hole = fields["gap"]
            gap = Gap(hole["from"], hole["to"], bool(hole.get("restarted", False)))
            return JournalLine(entry_id, key, gap=gap, generation=generation)
        if "raw_b64" in fields:
            raw = base64.b64decode(fields["raw_b64"], validate=True)
            return JournalLine(entry_id, key, raw=raw, generation=generation)
        return JournalLine(entry_id, key, body=dict(fields["m"]), generation=generation)
    except RecursionError:
        return _deep_line(line)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LineUnreadable(f"not a journal line: {error}") from error


def _deep_line(line: bytes) -> JournalLine:
    """Read a line of an earlier build, which wrote entries of any depth as they were."""
    found = _DEEP_LINE.match(line)
    if found is None:
        raise LineUnreadable("not a journal line: nested too deeply")
    return JournalLine(found["id"].decode(), str(json.loads(found["key"])), raw=found["text"])


def _is_one_object(text: bytes) -> bool:
    if b"\n" in text or not text.startswith(b"{") or _depth(text) > DEEPEST:
        return False
    try:
        return isinstance(json.loads(text.decode()), dict)
    except (ValueError, RecursionError):
        return False


def _depth(text: bytes) -> int:
    """Return how deeply a text is nested, or a smaller number where it cannot be nested deeply."""
    if text.count(b"[") + text.count(b"{") <= DEEPEST:
        return 0
    depth = deepest = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", text)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest
