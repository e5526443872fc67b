"""How far one service has read its streams, and what is new in them.

Positions are committed with what the entries caused; cursors of streams that are read from their end are not.
After Redis lost something, what is remembered as handled is passed over.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Final

import structlog

from services.contracts.limits import BEHIND_MS, NS_PER_MS, READ_COUNT
from services.contracts.streams import BACKLOG_KEYS, STOPS
from services.runtime.bus import Bus, Entry, Unwritable, may_be_left_out
from services.runtime.clock import mono_ns
from services.runtime.comparison import Comparison
from services.runtime.lately import HandledEntries
from services.runtime.standing import entry_order

BOOKS_RECALLED: Final = 1_000
"""Tick entries read again at start, so that a book that has not changed since is known too."""
STOPS_MOST: Final = 4 * READ_COUNT
"""So many stops are handed on before anything else; a flood of them shall not keep all else waiting."""


class StreamReader:
    """`committed` keys are read once each, `newest` keys from where they stand at the start.

    `skipped` is called for each book that a newer one of the same reply replaces.
    """

    def __init__(
        self, bus: Bus, committed: Sequence[str], newest: Sequence[str], skipped: Callable[[], None],
        monotonic_ns: Callable[[], int] = mono_ns,
    ) -> None:  # fmt: skip
        self._bus, self._committed, self._newest, self._skipped = bus, committed, newest, skipped
        self._log = structlog.get_logger()
        self._handled = HandledEntries()
        self._comparison = Comparison(bus, monotonic_ns)
        self._passed: list[Entry] = []
        """Entries that the next commit answers."""
        self.positions: dict[str, str] = {}
        self.cursors: dict[str, str] = {}
        self.moved = False
        """Whether positions are others than those committed."""
        self._full: dict[str, str] = {}
        """Streams of which the last reply may not have held everything, and the last id of each there."""
        self.anew: tuple[str, ...] = ()
        """Streams that begin anew, until a commit has told so."""

    # -- where to read from ------------------------------------------------------------

    def begin_at(self, positions: Mapping[str, str]) -> None:
        """Read on from what was committed."""
        self.positions = {key: positions.get(key, "0-0") for key in self._committed}
        self._handled.begin(self.positions.items())

    def go_back(self, *, to_the_start: bool) -> None:
        """Redis lost something: read from where what is remembered as handled begins, or from the start where
        the stream is not what it was."""
        if to_the_start:
            left_of = self._handled.left_of
            self.positions = {key: left_of(key, self._bus.entry) for key in self._committed}
        else:
            self.positions = self._handled.start_of(self._committed)

    def follow(self) -> None:
        """Find the ends of the streams that are not committed. What was found out before counts no more."""
        self.cursors = {key: self._newest_id(key) for key in self._newest}
        self._comparison.begin()
        self.moved, self.anew = False, ()

    def compare(self) -> None:
        """Hold what was read against where the streams end.

        Raises:
            BusUnavailable: no answer, or another server's.
            Unwritable: a key that must be read is no stream.
        """
        found = self._comparison.look((*self.positions, *self.cursors))
        if found is None:
            return
        lost = [key for key in self.positions if key not in found.last_ids and not may_be_left_out(key)]
        if lost:
            raise Unwritable(f"{', '.join(lost)}: no streams any more")
        self.cursors |= {key: self._newest_id(key) for key in found.anew(self.cursors)}
        anew = found.anew(self.positions)
        if anew:
            self._log.error("streams begin anew", streams=anew)
            self._handled.begin_anew(anew, found.last_ids)
            self.positions = {**self.positions, **self._handled.start_of(anew)}
            self.anew, self.moved = (*self.anew, *anew), True

    def _newest_id(self, key: str) -> str:
        """Where to begin a stream that is not committed: its end, or the last change of quiet books, whatever
        else lies between them."""
        tail = self._bus.tail(key, BOOKS_RECALLED)
        if not tail:
            return "0-0"
        if not any(entry.book for entry in tail):
            return tail[-1].entry_id
        return tail[0].entry_id if len(tail) == BOOKS_RECALLED else "0-0"

    # -- reading -------------------------------------------------------------------------

    def read(self, block_ms: int) -> list[Entry]:
        """What is new, stops before all else: each reply has them, however much waits in other streams."""
        found = self._bus.read({**self.cursors, **self.positions}, count=READ_COUNT, block_ms=block_ms)
        if not found:
            self._full = {}
            return []
        counts = Counter(entry.key for entry in found)
        self._full = {entry.key: entry.entry_id for entry in found if counts[entry.key] >= self._bus.asked}
        entries = self._unhandled(found)
        newest_of_book = {entry.book: entry.entry_id for entry in entries if entry.book}
        kept = []
        for entry in entries:
            if entry.book and newest_of_book[entry.book] != entry.entry_id:
                self._skipped()
            else:
                kept.append(entry)
        stops = self._all_stops([entry for entry in kept if entry.key == STOPS.key])
        return [*stops, *(entry for entry in kept if entry.key != STOPS.key)]

    def new_stops(self) -> list[Entry]:
        """Return the stops that came since, without waiting."""
        position = self.positions.get(STOPS.key)
        if position is None:
            return []
        return self._unhandled(self._bus.read({STOPS.key: position}, count=READ_COUNT, block_ms=0))

    def is_behind(self, left: Iterable[Entry], now_ns: int) -> bool:
        """Whether streams that decide hold entries older than `BEHIND_MS` that are not handled yet.

        Of the last reply those are `left`; after one that was full there may be more, younger than its last.
        """
        before_ms = now_ns // NS_PER_MS - BEHIND_MS
        unread = chain(((entry.key, entry.entry_id) for entry in left), self._full.items())
        return any(
            entry_order(entry_id)[0] < before_ms
            for key, entry_id in unread
            if key in BACKLOG_KEYS and key in self.positions
        )

    def _all_stops(self, stops: list[Entry]) -> list[Entry]:
        """Read on where a reply had stops: it may hold only some of them."""
        more = stops
        while more and len(stops) < STOPS_MOST:
            more = self._bus.read({STOPS.key: more[-1].entry_id}, count=READ_COUNT, block_ms=0)
            stops = [*stops, *self._unhandled(more)]
        return stops

    def _unhandled(self, entries: list[Entry]) -> list[Entry]:
        """Leave out what was handled before Redis lost its end and is there still."""
        left = []
        for entry in entries:
            if entry.key in self.positions and self._handled.has(entry):
                self._move(entry)
            else:
                left.append(entry)
        return left

    def passed(self, entry: Entry) -> None:
        """An entry is handled, or given up."""
        if entry.key in self.cursors:
            self.cursors[entry.key] = entry.entry_id
        if entry.key in self.positions:
            self._move(entry)
            self._passed.append(entry)

    def _move(self, entry: Entry) -> None:
        self.positions = {**self.positions, entry.key: entry.entry_id}
        self.moved = True

    def settle(self, *, took_place: bool) -> None:
        """Whether the commit in doubt, which answers what was passed, took place."""
        if took_place:
            self._handled.add(self._passed)
        self._passed = []

    def committed(self) -> None:
        """Positions, and what was passed, are committed."""
        self.settle(took_place=True)
        self.moved, self.anew = False, ()
