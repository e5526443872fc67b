"""What makes a service: the row that the loop runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic

from services.contracts.envelope import Envelope, Message
from services.contracts.messages.market_data import QuoteUpdated
from services.contracts.step import Decide, Outgoing, StateT
from services.contracts.streams import home_of, key_of
from services.runtime.bus import Write
from services.runtime.meter import Counted, Readings
from services.runtime.metrics import Source

LOCAL: Final = "local"
"""The stream key of what a shell observed itself: it has no entry and no position."""


@dataclass(frozen=True, slots=True)
class Service(Generic[StateT]):
    """What makes a service: its name, its core, and the stream keys it reads.

    `name` is the identity that is fenced: of two processes with one name only the later writes.
    `committed` keys are read once each, `newest` keys from where they stand at start. `observe`
    is asked once a turn for what the shell saw outside Redis (a file read, a delivery made); it
    must not block, and what it returns reaches the core as received from `LOCAL`.

    `trades`: where Redis does not take what it must write, the desk halts before the process ends.

    `exports` is its row in the table of metrics; `readings` and `counted` are the pure functions that
    name its figures, `sources` what else is asked at a scrape.
    """

    name: str
    decide: Decide[StateT]
    initial: StateT
    committed: tuple[str, ...]
    newest: tuple[str, ...] = ()
    instance: str = ""
    build_id: str = ""
    reference_hash_of: Callable[[StateT], str] = field(default=lambda state: "")
    observe: Callable[[StateT, int], Sequence[Message]] = field(default=lambda state, now_ns: ())
    trades: bool = False
    exports: str = ""
    readings: Readings[StateT] | None = None
    counted: Counted[StateT] | None = None
    sources: tuple[Source, ...] = ()


def write_of(out: Outgoing, source: str, cause_id: str, ordinal: int, now_ns: int) -> Write:
    """Return what `source` writes of an outgoing message: to its stream, in an envelope."""
    stream = home_of(type(out.message))
    envelope = Envelope.wrap(
        out.message, source=source, now_ns=now_ns, causation_id=out.cause_id or cause_id,
        ordinal=ordinal, correlation_id=out.correlation_id, event_ns=out.event_ns,
    )  # fmt: skip
    return Write(key_of(stream, out.name), envelope, stream.kept, book_of(out.message))


def book_of(message: Message) -> str:
    """Return the conflation key of a book update, empty for everything else."""
    return f"{message.symbol}:{message.venue}" if isinstance(message, QuoteUpdated) else ""
