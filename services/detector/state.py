"""What a detector knows. Durable is what decides whether it may speak, and open crosses; books are not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from services.contracts.envelope import Part
from services.contracts.in_force import Reference
from services.contracts.limits import NS_PER_MS
from services.contracts.step import State
from services.contracts.terms import MovedLast, Symbol, TradingDate, Venue
from services.market.books import Books
from services.market.crossed_markets import CrossedMarkets, Direction
from services.market.venue_view import VenueView


@dataclass(frozen=True, slots=True)
class OpenCross:
    """A cross above cost that has not ended: since when, and the best it was."""

    opened_at_ns: int
    peak_net_edge_krw: int
    peak_qty_shares: int
    beyond_ceiling: bool = False
    standing: bool = False
    """Whether it has stood for too long to be true."""
    moved_last: MovedLast = MovedLast.UNKNOWN
    too_young: bool = False
    """Whether an intent was kept back, because the cross had not stood long enough, and none was spoken."""


def _directions(stored: Any) -> Any:
    """JSON knows only text as keys: `005930,KRX`."""
    if not isinstance(stored, dict):
        return stored
    return {tuple(key.split(",")) if isinstance(key, str) else key: cross for key, cross in stored.items()}


Crosses = Annotated[Mapping[Direction, OpenCross], BeforeValidator(_directions)]
Times = Annotated[Mapping[Direction, int], BeforeValidator(_directions)]
Ghosts = Annotated[Mapping[Direction, "Ghost"], BeforeValidator(_directions)]


class OpenPair(Part):
    """A pair between its approval and its close; `trading_date` is the day its trip counts on."""

    symbol: Symbol
    trading_date: TradingDate
    buy_venue: Venue | None = None

    @property
    def directions(self) -> tuple[Direction, ...]:
        """The direction it trades; both where it was stored by a build that did not keep it."""
        venues = tuple(Venue) if self.buy_venue is None else (self.buy_venue,)
        return tuple((self.symbol, venue) for venue in venues)


class Ghost(Part):
    """The rich venue's best bid when a pair that it had not taken all shares of was over; None for no bid.

    `moved` says whether another bid was seen since. `losses` counts such pairs of `trading_date`.
    """

    connection_epoch: int
    bid_krw: int | None
    moved: bool = False
    trading_date: TradingDate = TradingDate("")
    losses: int = 0
    until_ns: int = 0


class Said(Part):
    """The last intent of one symbol, whether its verdict is still due, and when it last cooled down from."""

    intent_id: str = ""
    expires_at_ns: int = 0
    verdict_due: bool = False
    settled_at_ns: int = 0

    def awaits_verdict(self, now_ns: int) -> bool:
        """Whether the intent still pends: no verdict came and it has not expired."""
        return self.verdict_due and now_ns < self.expires_at_ns

    def cools_down(self, cooldown_ms: int, now_ns: int) -> bool:
        return now_ns < self.settled_at_ns + cooldown_ms * NS_PER_MS


class Trips(Part):
    """Pairs with a fill, by symbol, on one trading date."""

    trading_date: TradingDate = TradingDate("")
    by_symbol: dict[Symbol, int] = Field(default_factory=dict)

    def of(self, symbol: Symbol, trading_date: TradingDate) -> int:
        return self.by_symbol.get(symbol, 0) if trading_date == self.trading_date else 0

    def plus(self, symbol: Symbol, trading_date: TradingDate) -> "Trips":
        """One trip more; another date starts at nothing. A trip of an earlier date is not today's."""
        if trading_date < self.trading_date:
            return self
        counted = self.by_symbol if trading_date == self.trading_date else {}
        return Trips(trading_date=trading_date, by_symbol={**counted, symbol: counted.get(symbol, 0) + 1})


class DetectorState(State):
    """The state of one group's detector. `group` and `spreads_shown` are configured."""

    DURABLE: ClassVar[frozenset[str]] = frozenset(
        {
            "venue",
            "reference",
            "reference_hash",
            "pairs",
            "said",
            "trips",
            "crosses",
            "taken_ns",
            "ghosts",
            "refused_told",
        }
    )

    group: str
    spreads_shown: int = 20

    venue: VenueView = VenueView()
    reference: Reference | None = None
    reference_hash: str = ""
    pairs: dict[str, OpenPair] = Field(default_factory=dict)
    said: dict[Symbol, Said] = Field(default_factory=dict)
    trips: Trips = Trips()

    books: Books = Field(default_factory=dict)
    crossed: CrossedMarkets = Field(default_factory=dict)
    """The crosses that stand now by the times of their frames: their age, and which quote moved last."""
    crosses: Crosses = Field(default_factory=dict)
    """Open ones. They outlast a restart: who told of one has to tell its end, and a ghost stays one."""
    taken_ns: Times = Field(default_factory=dict)
    """When a pair last closed that had sold at the rich venue: the cross was no ghost until then."""
    ghosts: Ghosts = Field(default_factory=dict)
    """Directions that a pair lost on, and until when nothing more is said of one."""
    refused_ns: Mapping[tuple[Symbol, Venue], int] = Field(default_factory=dict)
    """Since when a book has been none, where its venue trades."""
    refused_told: frozenset[tuple[Symbol, Venue]] = frozenset()
    """Of which books that was told: who told it has to tell its end."""
    quotes: int = 0
    quotes_skipped: int = 0
    intents: int = 0
    crosses_ended: int = 0
    status_at_ns: int = 0
