"""What the Qt thread wants written, handed to the writer thread without ever waiting.

Control-plane messages keep their order and are never dropped, but for those that a newer one replaces
altogether. Batches that wait become one, up to what one commit takes: while Redis is away only what is news
adds to them. Books are conflated per symbol and venue while they wait: the newest stays and says how many it
replaced. Of trade prints the newest stay.
"""

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from services.contracts.envelope import Envelope
from services.contracts.messages.market_data import QuoteUpdated
from services.contracts.superseded import newest
from services.contracts.terms import Symbol, Venue
from services.gateway.state import GatewayState
from services.runtime.bus import Write

WRITES_PER_COMMIT = 400
PRINTS_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Batch:
    """The outputs of some steps, and the state and positions after them."""

    writes: tuple[Write, ...]
    positions: Mapping[str, str]
    state: GatewayState

    def then(self, later: "Batch") -> "Batch | None":
        """Return both as one, None where that is more than one commit takes."""
        writes = newest((*self.writes, *later.writes), lambda write: write.envelope.body)
        if self.writes and len(writes) > WRITES_PER_COMMIT:
            return None
        return Batch(tuple(writes), later.positions, later.state)


@dataclass(frozen=True, slots=True)
class Quote:
    """A book that waits, the group it goes to, and when its frame came."""

    message: QuoteUpdated
    group: str
    event_ns: int


class Outbox:
    """Put from the Qt thread, taken by the writer thread."""

    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._batches: deque[Batch] = deque()
        self._quotes: dict[tuple[Symbol, Venue], Quote] = {}
        self._loose: deque[Write] = deque(maxlen=PRINTS_KEPT)
        self.conflated = 0

    def put(self, batch: Batch) -> None:
        with self._wake:
            joined = self._batches[-1].then(batch) if self._batches else None
            if joined is not None:
                self._batches.pop()
            self._batches.append(joined or batch)
            self._wake.notify()

    def put_quote(self, quote: Quote) -> None:
        key = (quote.message.symbol, quote.message.venue)
        with self._wake:
            waiting = self._quotes.get(key)
            self._quotes[key] = quote if waiting is None else self._replaced(waiting, quote)
            self._wake.notify()

    def put_loose(self, write: Write) -> None:
        """A trade print: in order, without state."""
        with self._wake:
            self.conflated += len(self._loose) == PRINTS_KEPT
            self._loose.append(write)
            self._wake.notify()

    def take(self, wait_s: float) -> list[Batch]:
        """Return the batches that wait; waits up to `wait_s` if there is nothing at all."""
        with self._wake:
            if wait_s and not (self._batches or self._quotes or self._loose):
                self._wake.wait(wait_s)
            batches = list(self._batches)
            self._batches.clear()
        return batches

    def take_ticks(self) -> tuple[list[Quote], list[Write]]:
        """Return the books and prints that wait."""
        with self._wake:
            quotes, loose = list(self._quotes.values()), list(self._loose)
            self._quotes = {}
            self._loose.clear()
        return quotes, loose

    def put_back(self, quotes: list[Quote]) -> None:
        """Books that could not be written: newer ones that came meanwhile replace them."""
        with self._wake:
            for old in quotes:
                key = (old.message.symbol, old.message.venue)
                self._quotes[key] = self._replaced(old, self._quotes.get(key))

    def _replaced(self, old: Quote, new: Quote | None) -> Quote:
        if new is None:
            return old
        self.conflated += 1
        count = old.message.conflated + new.message.conflated + 1
        message = new.message.model_copy(update={"conflated": count})
        return Quote(message, new.group, new.event_ns)

    def depths(self) -> dict[str, int]:
        with self._wake:
            return {"batches": len(self._batches), "quotes": len(self._quotes)}


def envelope_of(quote: Quote, source: str, now_ns: int) -> Envelope:
    """Return a book in its envelope; its id derives from connection and frame number."""
    message = quote.message
    cause = f"book-{message.symbol}-{message.venue}-{message.connection_epoch}-{message.feed_seq}"
    return Envelope.wrap(message, source=source, now_ns=now_ns, causation_id=cause, event_ns=quote.event_ns)
