"""What reads, in a thread of its own: stops, commands and control from their positions, the lease from its
newest entry.

It only decodes and hands over; stops by a way of their own, which nothing else can fill. A position moves
when the Qt thread has handled the entry, and is written with what the entry caused.

On a new connection, at another server, and after an error, Redis may hold an older state. Either thread then
raises a doubt. The reader hands over nothing but stops until the writer has settled it, and reads on from
where the last entries that it remembers begin, without those. A stream that ends before what was read of it
begins anew: it is read from its start.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from queue import SimpleQueue

import structlog

from services.contracts.envelope import Envelope, NoEnvelope, Unreadable
from services.contracts.limits import READ_BLOCK_MS, READ_COUNT
from services.contracts.streams import LEASE, STOPS
from services.gateway.doubt import Doubt
from services.gateway.redis_thread import RedisThread
from services.runtime.bus import Bus, BusUnavailable, Entry
from services.runtime.clock import mono_ns
from services.runtime.comparison import Comparison
from services.runtime.lately import HandledEntries

RETRY_S = 0.1
LOG_EVERY = 50
INBOX_MOST = 4 * READ_COUNT
"""Entries that may wait for the Qt thread before no more are read."""


@dataclass(frozen=True, slots=True)
class Read:
    """One entry with its envelope, or with the reason why it has none. `junk`: no build of ours wrote it.

    `only_position`: it moves the position and is no news, because it was handled before, or because it is the
    place from which its stream is read anew.
    """

    entry: Entry
    envelope: Envelope | None
    problem: str = ""
    junk: bool = False
    only_position: bool = False


class RedisReader:
    """`start` gives it its thread; whoever has another way to wait calls `step`: the virtual day."""

    def __init__(
        self, bus: Bus, positions: Mapping[str, str], doubt: Doubt,
        monotonic_ns: Callable[[], int] = mono_ns,
    ) -> None:  # fmt: skip
        self._thread = RedisThread("redis-reader", lambda: self.step(READ_BLOCK_MS))
        self._bus, self._doubt, self._looked = bus, doubt, doubt.raised
        self._cursors = dict(positions)
        self._keys = tuple(positions)
        self._handled = HandledEntries()
        self._handled.begin(positions.items())
        self._anew: set[str] = set()
        """Streams that are read anew, until there is something in them that was not handled."""
        self._comparison = Comparison(bus, monotonic_ns)
        self._log = structlog.get_logger(service="gateway")
        self.stops: SimpleQueue[Read] = SimpleQueue()
        self.inbox: SimpleQueue[Read] = SimpleQueue()
        self.failed = False
        self.unreadable = ""
        """Which streams that must be read are none, in words; empty where all are."""
        self._failures = 0

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        self._thread.stop()
        self._thread.join(2)

    def step(self, block_ms: int) -> float | None:
        """Read once, and hand over. Returns the seconds to wait before the next step, None if it failed."""
        try:
            return self._step(block_ms)
        except Exception:
            self.failed = True
            self._log.exception("the reader failed")
            return None

    def _step(self, block_ms: int) -> float:
        try:
            renewed = self._look_back_if_in_doubt()
            self._compare()
            if LEASE.key not in self._cursors and not self._doubt.is_set():
                tail = self._bus.tail(LEASE.key, 1)
                self._cursors[LEASE.key] = tail[-1].entry_id if tail else "0-0"
            entries = self._bus.read(self._wanted(), count=READ_COUNT, block_ms=block_ms)
        except BusUnavailable as error:
            if self._failures % LOG_EVERY == 0:
                self._log.warning("bus unavailable", error=str(error))
            self._failures += 1
            self._doubt.set()
            return RETRY_S
        self._failures = 0
        if self._bus.replaced() and not renewed:
            self._doubt.set()
            return 0.0
        for entry in entries:
            self._hand_over(entry)
        return 0.0

    def _hand_over(self, entry: Entry) -> None:
        self._cursors[entry.key] = entry.entry_id
        way = self._way_of(entry.key)
        if entry.key in self._keys:
            if self._handled.has(entry):
                if entry.key in self._anew:
                    way.put(Read(entry, None, only_position=True))
                return
            self._anew.discard(entry.key)
            self._handled.add((entry,))
        way.put(read_entry(entry))

    def _way_of(self, key: str) -> SimpleQueue[Read]:
        return self.stops if key == STOPS.key else self.inbox

    def _wanted(self) -> dict[str, str]:
        """In doubt, and while the Qt thread has not caught up, only stops are read on; nothing is lost."""
        if self.inbox.qsize() < INBOX_MOST and not self._doubt.is_set():
            return self._cursors
        return {STOPS.key: self._cursors[STOPS.key]}

    def _look_back_if_in_doubt(self) -> bool:
        """Whoever raised it, a new connection is made: a demoted server goes on answering its readers."""
        if self._doubt.raised == self._looked:
            return False
        self._bus.renew()
        self._looked = self._doubt.raised
        self._comparison.begin()
        if self._doubt.take_emptied():
            self._begin_anew(self._keys, {})
        self._cursors = self._handled.start_of(self._keys)
        return True

    def _compare(self) -> None:
        """Hold what was read against where the streams end. Raises BusUnavailable."""
        found = self._comparison.look((*self._keys, LEASE.key))
        if found is None:
            return
        lost = [key for key in self._keys if key not in found.last_ids]
        self.unreadable = f"{', '.join(lost)}: no streams any more" if lost else ""
        anew = found.anew(self._cursors)
        if LEASE.key in anew:
            del self._cursors[LEASE.key]
        keys = [key for key in anew if key in self._keys]
        if keys:
            self._log.error("streams begin anew", streams=keys)
            self._begin_anew(keys, found.last_ids)
            self._doubt.set(anew=True)

    def _begin_anew(self, keys: Sequence[str], last_ids: Mapping[str, str]) -> None:
        self._anew.update(keys)
        self._handled.begin_anew(keys, last_ids)
        for key, start in self._handled.start_of(keys).items():
            if self._cursors[key] != start:
                self._way_of(key).put(Read(Entry(key, start, b""), None, only_position=True))
            self._cursors[key] = start


def read_entry(entry: Entry) -> Read:
    """Return an entry decoded, or with what is wrong with it."""
    try:
        return Read(entry, entry.decoded())
    except Unreadable as problem:
        return Read(entry, None, str(problem), junk=isinstance(problem, NoEnvelope))
