"""What one symbol is on the exchange: its listing, its efficient price, its stall on each venue."""

from dataclasses import dataclass

from services.contracts.terms import Market, Side, TradingDate, Venue
from services.contracts.tick_grid import SHARE_TICKS, TickGrid
from services.market.instruments import InstrumentTable
from services.market.symbols import ListedShare
from services.simulator.market.book import VenueBook
from services.simulator.market.ladder import PriceLadder
from services.simulator.market.makers import Makers


@dataclass(frozen=True)
class Listing:
    """A symbol of the day: its base price (yesterday's KRX close), its ticks, and whether NXT trades it."""

    code: str
    name: str
    market: Market
    base_krw: int
    nxt: bool = True
    ticks: TickGrid = SHARE_TICKS


def listing_of(
    share: ListedShare, instruments: InstrumentTable, date: TradingDate, *, krx_only: bool
) -> Listing:
    """The symbol as the exchanges have it on a date. A fund that only KRX is open to is not on NXT."""
    ticks, on_nxt = SHARE_TICKS, not krx_only
    if share.market.is_fund:
        row = instruments.fund_venue_on(Venue.KRX, date)
        ticks = SHARE_TICKS if row is None or not row.enabled else row.grid
        on_nxt = on_nxt and not instruments.funds_closed_because(date)
    return Listing(share.code, share.name_kr, share.market, share.base_price_krw, on_nxt, ticks)


@dataclass(frozen=True, slots=True)
class Interruption:
    """A VI of one venue. `until_market_ns` is when its two minutes of market time end."""

    trigger_krw: int
    base_krw: int
    started_market_ns: int
    until_market_ns: int


@dataclass(slots=True)
class Visitor:
    """Somebody whose order crosses the other venue: a rich bid or a cheap ask, as a ladder index."""

    side: Side
    index: int
    fresh_shares: int
    """Shares that he is about to show: as he comes, and each time that he comes again."""


class Stall:
    """One symbol on one venue."""

    __slots__ = (
        "book",
        "count",
        "high_krw",
        "last_krw",
        "low_krw",
        "makers",
        "open_krw",
        "quoted",
        "value_krw",
        "vi",
        "visitor",
        "volume_shares",
        "wide",
    )

    def __init__(self, makers: Makers, base_krw: int) -> None:
        self.book = VenueBook()
        self.makers = makers
        self.quoted = (-1, -1)
        """The best bid and ask that the makers wanted when they last came, as ladder indices."""
        self.wide = 1
        """Their spread, in ticks."""
        self.visitor: Visitor | None = None
        self.vi: Interruption | None = None
        self.last_krw = base_krw
        self.open_krw = self.high_krw = self.low_krw = 0
        self.volume_shares = self.value_krw = self.count = 0

    def print(self, price_krw: int, qty_shares: int) -> None:
        if not self.open_krw:
            self.open_krw = self.high_krw = self.low_krw = price_krw
        self.last_krw = price_krw
        self.high_krw, self.low_krw = max(self.high_krw, price_krw), min(self.low_krw, price_krw)
        self.volume_shares += qty_shares
        self.value_krw += qty_shares * price_krw
        self.count += 1


@dataclass(frozen=True, slots=True)
class Dislocation:
    venue: Venue
    offset: int
    shares: int


class Instrument:
    """One symbol: its ladder, its efficient price as a ladder index, and its stall on each venue."""

    __slots__ = ("answers", "delisted", "dislocation", "fair", "halted", "ladder", "listing", "stalls")

    def __init__(self, listing: Listing, ladder: PriceLadder, stalls: dict[Venue, Stall]) -> None:
        self.listing, self.ladder, self.stalls = listing, ladder, stalls
        self.fair = ladder.at_or_below(listing.base_krw)
        self.halted = False
        self.delisted = False
        """NXT took it off its list in the day; KRX trades it on."""
        self.answers: list[tuple[float, int]] = []
        """What makers do about the next trades of the cross that stands: a chance, and a delay in ns."""
        self.dislocation: Dislocation | None = None
