"""What happened on a day, whoever saw it: the virtual bus, streams of real processes, or the archive.

Everything that an invariant may look at is here. A part that nobody saw stays at its default, and what needs
it is not judged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from services.contracts.envelope import Envelope
from services.contracts.messages.orders import OrderFacts
from services.contracts.terms import TradingDate
from services.contracts.trading_limits import TradingLimits
from services.lab.broker_books import BrokerBooks, BrokerOrder
from services.lab.person_files import Threshold
from services.lab.sends import EntrySent, ExitSent

NO_DATE: Final = TradingDate("")
NO_THRESHOLD: Final = Threshold()

Span = tuple[int, int]
"""From when until when, ns."""


@dataclass
class Record:
    """All that is remembered of a day. `books` are the broker's at its end, None where nobody has them."""

    trading_date: TradingDate = NO_DATE
    """Empty where the rules of the date are not to be judged."""
    limits: TradingLimits = field(default_factory=TradingLimits)
    """As the person's file has them, and not as a service published them."""
    threshold: Threshold = NO_THRESHOLD
    observed: bool = False
    """Whether somebody watched every step: the lists below are then complete."""
    entries: list[EntrySent] = field(default_factory=list)
    exits: list[ExitSent] = field(default_factory=list)
    said: dict[str, Envelope] = field(default_factory=dict)
    """Every message that was ever written, by id, also what the bus forgot later."""
    kept: dict[str, Envelope] = field(default_factory=dict)
    """What the streams hold at the end, by id."""
    exposures: list[tuple[int, str, int]] = field(default_factory=list)
    """(ns, symbol or "" for all, worst case in KRW) where a limit was passed."""
    second_pairs: list[tuple[int, str, str]] = field(default_factory=list)
    """(ns, pair id, pair id) of an approval in a symbol of which another pair was open."""
    left_over: list[tuple[int, str]] = field(default_factory=list)
    """(ns, order id) of entries that were open at the broker while their venue paused."""
    trips_passed: list[tuple[int, str, int]] = field(default_factory=list)
    """(ns, pair id, trips) of an approval in a symbol that had made all the trips of its day."""
    rushed: list[tuple[int, str]] = field(default_factory=list)
    """(ns, order id) of what was sent within a second of a refusal for the rate."""
    asked_against: list[tuple[str, str]] = field(default_factory=list)
    """(order id, order id) of a sell that was asked for and the buy of its pair that worked there."""
    given_up: list[tuple[str, int, int]] = field(default_factory=list)
    """(pair id, orders, orders due) of a pair whose liquidation was given up too early."""
    let_through: list[str] = field(default_factory=list)
    """What gateway or risk would have let through with one thing wrong."""
    untrue: list[str] = field(default_factory=list)
    """What gateway or risk said in some step and was not so."""
    opposed: list[tuple[int, str]] = field(default_factory=list)
    """(ns, order id) of orders that worked on a venue where one of ours of the other side did."""
    could_arrive: list[str] = field(default_factory=list)
    """The id of each SendOrder that did not come back with a code that means "not sent"."""
    failures: list[str] = field(default_factory=list)
    """Processes that ended by a failure of their own."""
    books: BrokerBooks | None = None
    known: Mapping[str, OrderFacts] | None = None
    """What the gateway knew of each order at the end; None where it was not running."""
    risk_cash_flow_krw: int | None = None
    """What risk's books said at the end that all pairs brought in cash; None where nobody asked it."""
    healed_in_time: bool = False
    """Whether both venues went on trading for long after the world healed."""
    trades_expected: bool = False
    """Whether the day was run to show trading."""
    calm_ns: tuple[Span, ...] = ()
    """When nothing was struck, and nothing struck before could still be felt."""
    windows_ns: tuple[Span, ...] = ()
    """When entries are allowed, in the time of this record."""
    slowest_ns: int = 0
    """What the slowest frame, decision, two orders and report of the day took together."""

    def of(self, kind: type[Any]) -> list[Any]:
        """Messages of a kind that the streams hold at the end."""
        return [envelope.body for envelope in self.kept.values() if isinstance(envelope.body, kind)]

    def ever(self, kind: type[Any]) -> list[Any]:
        """Messages of a kind that were ever written."""
        return [envelope.body for envelope in self.said.values() if isinstance(envelope.body, kind)]

    def written(self, *kinds: type[Any]) -> Sequence[Envelope]:
        """Envelopes of some kinds that were ever written, in the order in which they were made."""
        found = (envelope for envelope in self.said.values() if isinstance(envelope.body, kinds))
        return sorted(found, key=lambda envelope: envelope.ts_init_ns)

    @property
    def truth(self) -> BrokerBooks:
        """The broker's books. Raises ValueError where the record has none."""
        if self.books is None:
            raise ValueError("this record has no books of the broker; name Fact.BROKER as a need")
        return self.books

    def orders(self) -> Sequence[BrokerOrder]:
        """The broker's orders that are ours."""
        return self.truth.ours
