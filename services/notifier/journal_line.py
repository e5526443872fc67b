"""One line of the journal: the entry id, the stream key and the envelope as it was sent.

The envelope's bytes are put in untouched, so that a line is what Redis held. An entry that is
not one JSON object on one line is kept too, as base64, and can do the file no harm. A gap line
says which entries are not in the journal because Redis no longer had them.
"""

import base64
import json
from dataclasses import dataclass
from typing import Any, Final

from services.contracts.envelope import Envelope, decode

FIRST_ID: Final = "0-0"
"""The position before every entry."""

EntryOrder = tuple[int, int]


class LineUnreadable(ValueError):
    """A line that no journal wrote whole: torn by a kill, or edited by hand."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Entries after `from_id` and before `to_id` were trimmed before they could be written."""

    from_id: str
    to_id: str


@dataclass(frozen=True, slots=True)
class JournalLine:
    """A line read back. Exactly one of `body` (parsed JSON), `raw` (what was no JSON) and `gap` is set."""

    entry_id: str
    key: str
    body: dict[str, Any] | None = None
    raw: bytes | None = None
    gap: Gap | None = None

    @property
    def envelope(self) -> Envelope:
        """The typed envelope.

        Raises:
            Unreadable: the entry was not a message, or is of another build's version.
        """
        return decode(json.dumps(self.body) if self.body is not None else self.raw or b"")


def order_of(entry_id: str) -> EntryOrder:
    """Return what entry ids of one stream sort by: (milliseconds of Redis time, number)."""
    ms, _, number = entry_id.partition("-")
    return int(ms), int(number or 0)


def prefix_of(key: str) -> bytes:
    """Return the part of each line that names the key: made once for a file, not for each line."""
    return b'","key":' + json.dumps(key).encode()


def entry_line(prefix: bytes, entry_id: str, text: bytes) -> bytes:
    """Return the line of one entry; `prefix` is `prefix_of` its key."""
    body = b',"m":' + text if _is_one_object(text) else b',"raw_b64":"' + base64.b64encode(text) + b'"'
    return b'{"id":"' + entry_id.encode() + prefix + body + b"}\n"


def gap_line(prefix: bytes, gap: Gap) -> bytes:
    """Return the line that marks a hole; its id is the last entry before the hole."""
    hole = json.dumps({"from": gap.from_id, "to": gap.to_id}).encode()
    return b'{"id":"' + gap.from_id.encode() + prefix + b',"gap":' + hole + b"}\n"


def read_line(line: bytes) -> JournalLine:
    """Return one line without its newline.

    Raises:
        LineUnreadable: not a whole line of a journal.
    """
    try:
        fields = json.loads(line.decode())
        entry_id, key = str(fields["id"]), str(fields["key"])
        order_of(entry_id)
        if "gap" in fields:
            return JournalLine(entry_id, key, gap=Gap(fields["gap"]["from"], fields["gap"]["to"]))
        if "raw_b64" in fields:
            return JournalLine(entry_id, key, raw=base64.b64decode(fields["raw_b64"], validate=True))
        return JournalLine(entry_id, key, body=dict(fields["m"]))
    except (ValueError, KeyError, TypeError) as error:
        raise LineUnreadable(f"not a journal line: {error}") from error


def _is_one_object(text: bytes) -> bool:
    if b"\n" in text or not text.startswith(b"{"):
        return False
    try:
        return isinstance(json.loads(text.decode()), dict)
    except (ValueError, RecursionError):
        return False
