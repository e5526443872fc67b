"""How far a stream that must lose nothing may be trimmed: a pure decision.

Invariant: an entry goes only when every reader the streams table names has committed it, the
journal has it safe on disk, and it is older than what a newly added service may want to read
back. A reader that never ran holds everything: unknown is not finished. `control` is never
trimmed, because it carries the reference data that a service started for the first time needs;
`dead` and the other capped streams keep their newest entries.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from services.contracts.limits import LOSSLESS_ALARM
from services.contracts.streams import CONTROL, Reading, Stream
from services.contracts.terms import Severity
from services.notifier.journal_line import FIRST_ID
from services.runtime.standing import entry_order

NOT_BUS_READERS: Final = frozenset({"cli"})
"""Readers without a position: people."""
JOURNAL: Final = "journal"
KEPT_WHEN_LONG_S: Final = 600
"""What a stream over its alarm still keeps of what everybody has read."""


@dataclass(frozen=True, slots=True)
class Trim:
    """Entries before `before_id` may go; "0-0": none. `held_by` is who stands furthest back."""

    before_id: str
    held_by: str


def may_be_trimmed(stream: Stream) -> bool:
    """Whether a stream is trimmed by its readers' positions at all."""
    return stream.kept is None and stream.reading is Reading.COMMITTED and stream is not CONTROL


def reader_positions(
    stream: Stream,
    key: str,
    services: Mapping[str, Mapping[str, str]],
    journal_synced: str,
    retired: Collection[str] = (),
) -> dict[str, str]:
    """Return how far each reader of a key got; "0-0" stands for one that never committed.

    `services` are the committed positions by service name, as Redis holds them. A family that
    the table names (`detector`) has the members that ran (`detector-g1`); one of which none ran
    counts as a reader at "0-0". Where a stream has several keys only the members that read this
    key count. `retired` services are gone for good and hold nothing.
    """
    found = {JOURNAL: journal_synced}
    for family in stream.read_by:
        if family in NOT_BUS_READERS or family == "notifier":
            continue
        members = {
            name: positions.get(key)
            for name, positions in services.items()
            if (name == family or name.startswith(f"{family}-")) and name not in retired
        }
        if "<name>" in stream.key:
            members = {name: position for name, position in members.items() if position is not None}
        if not members and family not in retired:
            members = {family: None}
        found.update({name: position or FIRST_ID for name, position in members.items()})
    others = {name: p[key] for name, p in services.items() if key in p and name not in (*found, *retired)}
    return {**found, **others}


def trim_point(readers: Mapping[str, str], keep_from_id: str) -> Trim:
    """Return what may go: nothing that a reader has yet to commit, nothing from `keep_from_id` on.

    An entry at a reader's own position is kept as well, so that a reader can see that nothing
    between it and the next one has gone.
    """
    if not readers:
        return Trim(FIRST_ID, "nobody is known to read it")
    slowest = min(readers, key=lambda name: entry_order(readers[name]))
    before = min(readers[slowest], keep_from_id, key=entry_order)
    return Trim(before, slowest)


def kept_for_s(length: int, keep_s: int) -> int:
    """Return how long entries stay that everybody has read: a stream that has grown long keeps fewer.

    So a length over the alarm means that a reader is behind, and not that the day was busy.
    """
    return min(keep_s, KEPT_WHEN_LONG_S) if length >= LOSSLESS_ALARM else keep_s


def length_severity(length: int) -> Severity | None:
    """Return how loud a lossless stream of `length` entries is; at twice the alarm entries pause."""
    if length >= 2 * LOSSLESS_ALARM:
        return Severity.CRITICAL
    return Severity.WARNING if length >= LOSSLESS_ALARM else None
