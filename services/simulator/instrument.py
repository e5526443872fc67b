"""What one symbol is on the exchange: its listing, its efficient price, its stall on each venue."""

from dataclasses import dataclass

from services.contracts.terms import Market, Venue
from services.simulator.book import VenueBook
from services.simulator.ladder import PriceLadder
from services.simulator.liquidity import Liquidity


@dataclass(frozen=True)
class Listing:
    """A symbol of the day: its base price (yesterday's KRX close) and whether NXT trades it."""

    code: str
    name: str
    market: Market
    base_krw: int
    nxt: bool = True


@dataclass(frozen=True, slots=True)
class Interruption:
    """A VI of one venue. `until_market_ns` is when its two minutes of market time end."""

    trigger_krw: int
    base_krw: int
    started_market_ns: int
    until_market_ns: int


class Stall:
    """One symbol on one venue."""

    __slots__ = (
        "book",
        "count",
        "high_krw",
        "last_krw",
        "liquidity",
        "low_krw",
        "open_krw",
        "value_krw",
        "vi",
        "volume_shares",
    )

    def __init__(self, liquidity: Liquidity, base_krw: int) -> None:
        self.book = VenueBook()
        self.liquidity = liquidity
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

    __slots__ = ("delisted", "dislocation", "fair", "halted", "ladder", "listing", "stalls")

    def __init__(self, listing: Listing, ladder: PriceLadder, stalls: dict[Venue, Stall]) -> None:
        self.listing, self.ladder, self.stalls = listing, ladder, stalls
        self.fair = ladder.at_or_below(listing.base_krw)
        self.halted = False
        self.delisted = False
        """NXT took it off its list in the day; KRX trades it on."""
        self.dislocation: Dislocation | None = None
