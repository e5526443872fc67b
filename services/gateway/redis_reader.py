"""The thread that reads: stops, commands and control from their positions, the lease from its newest entry.

It only decodes and hands over; stops by a way of their own, which nothing else can fill. A position moves
when the Qt thread has handled the entry, and is written with what the entry caused. On a new connection, and
after an error, Redis may hold an older state. The thread then raises `doubt`, hands over nothing but stops
until the writer has looked and lowered it, and reads on from where the last entries that it remembers begin,
without those.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from queue import SimpleQueue

import structlog

from services.contracts.envelope import Envelope, NoEnvelope, Unreadable
from services.contracts.limits import READ_BLOCK_MS, READ_COUNT
from services.contracts.streams import LEASE, STOPS
from services.runtime.bus import BusUnavailable, Entry, RedisBus
from services.runtime.lately import HandledEntries

RETRY_S = 0.1
LOG_EVERY = 50
INBOX_MOST = 4 * READ_COUNT
"""Entries that may wait for the Qt thread before no more are read."""


@dataclass(frozen=True, slots=True)
class Read:
    """One entry with its envelope, or with the reason why it has none. `junk`: no build of ours wrote it."""

    entry: Entry
    envelope: Envelope | None
    problem: str = ""
    junk: bool = False


class RedisReader(threading.Thread):
    def __init__(self, bus: RedisBus, positions: Mapping[str, str], doubt: threading.Event) -> None:
        super().__init__(name="redis-reader", daemon=True)
        self._bus, self._doubt = bus, doubt
        self._cursors = dict(positions)
        self._keys = tuple(positions)
        self._handled = HandledEntries()
        self._handled.begin(positions.items())
        self._stopping = threading.Event()
        self._log = structlog.get_logger(service="gateway")
        self.stops: SimpleQueue[Read] = SimpleQueue()
        self.inbox: SimpleQueue[Read] = SimpleQueue()
        self.failed = False
        self._failures = 0

    def finish(self) -> None:
        self._stopping.set()
        self.join(2)

    def run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._turn()
        except Exception:
            self.failed = True
            self._log.exception("the reader failed")

    def _turn(self) -> None:
        try:
            if LEASE.key not in self._cursors and not self._doubt.is_set():
                tail = self._bus.tail(LEASE.key, 1)
                self._cursors[LEASE.key] = tail[-1].entry_id if tail else "0-0"
            entries = self._bus.read(self._wanted(), count=READ_COUNT, block_ms=READ_BLOCK_MS)
        except BusUnavailable as error:
            if self._failures % LOG_EVERY == 0:
                self._log.warning("bus unavailable", error=str(error))
            self._failures += 1
            self._look_back()
            self._stopping.wait(RETRY_S)
            return
        self._failures = 0
        if self._bus.replaced():
            self._look_back()
            return
        for entry in entries:
            self._cursors[entry.key] = entry.entry_id
            if entry.key in self._keys:
                if self._handled.has(entry):
                    continue
                self._handled.add((entry,))
            (self.stops if entry.key == STOPS.key else self.inbox).put(read_entry(entry))

    def _wanted(self) -> dict[str, str]:
        """In doubt, and while the Qt thread has not caught up, only stops are read on; nothing is lost."""
        if self.inbox.qsize() < INBOX_MOST and not self._doubt.is_set():
            return self._cursors
        return {STOPS.key: self._cursors[STOPS.key]}

    def _look_back(self) -> None:
        self._doubt.set()
        self._cursors = self._handled.start_of(self._keys)


def read_entry(entry: Entry) -> Read:
    """Return an entry decoded, or with what is wrong with it."""
    try:
        return Read(entry, entry.decoded())
    except Unreadable as problem:
        return Read(entry, None, str(problem), junk=isinstance(problem, NoEnvelope))
