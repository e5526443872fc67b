"""What one pair sees of the world when it decides: the venues, two books, limits, costs, the clock.

Everything a decision reads is in here and in the pair, so that the same inputs give it again (I11).
"""

from dataclasses import dataclass
from typing import Final

from services.contracts.limits import CLOCK_SKEW_MS, NS_PER_MS
from services.contracts.messages.intents import QuoteSeen
from services.contracts.messages.market_data import BookTrouble
from services.contracts.messages.venue_state import PriceBand
from services.contracts.reference import TradeCosts
from services.contracts.terms import MovedLast, OrderKind, SessionPhase, Symbol, TradingState, Venue
from services.contracts.threshold import ThresholdRow
from services.contracts.tick_grid import SHARE_TICKS, TickGrid
from services.contracts.trading_limits import TradingLimits
from services.executor.settings import ExecutorSettings
from services.market.books import BookFault, Books, Legs, fault_of, legs_of
from services.market.crossed_markets import CrossedMarkets, age_and_mover
from services.market.edge import Levels
from services.market.instruments import trades_in
from services.market.venue_view import VenueView

RETOLD_NS: Final = 3_000 * NS_PER_MS
"""So long after a start the gateway has had time to tell of orders that Redis forgot."""

_SESSIONS: Final = (
    SessionPhase.CONTINUOUS, SessionPhase.CLOSING_AUCTION, SessionPhase.PRE_MARKET, SessionPhase.AFTER_MARKET,
)  # fmt: skip

_AUCTION: Final = (BookTrouble.CROSSED, BookTrouble.LOCKED)


@dataclass(frozen=True, slots=True)
class View:
    """The world at `now_ns`, for one symbol; `listed` if the map in force has it enabled."""

    now_ns: int
    symbol: Symbol
    trading: TradingState
    venues: VenueView
    books: Books
    limits: TradingLimits
    thresholds: ThresholdRow
    crossed: CrossedMarkets
    costs: TradeCosts | None
    listed: bool
    settings: ExecutorSettings
    reference_hash: str = ""
    """What limits, costs and threshold were published under."""
    behind: bool = False
    """Whether entries that are old are not read yet: nothing is timed out."""
    started_ns: int = 0
    """When the executor last started or lost Redis: from then on it knows what the streams tell."""

    def may_have_forgotten(self, since_ns: int, *, brought_back: bool) -> bool:
        """Whether something of a pair that last moved at `since_ns` may be lost and not told again yet."""
        if brought_back and self.now_ns - since_ns < RETOLD_NS:
            return True
        return since_ns < self.started_ns and self.now_ns - self.started_ns < RETOLD_NS

    def after_ms(self, ms: int) -> int:
        return self.now_ns + ms * NS_PER_MS

    # -- books -----------------------------------------------------------------------

    def book(self, venue: Venue) -> QuoteSeen | None:
        """The newest book of a venue; a book of an older connection is none."""
        seen = self.books.get((self.symbol, venue))
        if seen is None or seen.quote.connection_epoch < self.venues.connection_epoch:
            return None
        return seen

    def bids(self, venue: Venue) -> tuple[tuple[int, int], ...]:
        """The bids that what is held may be sold into, best first; empty where there is no living book.

        A quiet book of a living feed still bids; one older than `quote_wait_ms`, stamped ahead of the clock,
        or of a dead feed, does not.
        """
        seen = self._living(venue)
        return () if seen is None else _shown(seen.quote.bids)

    def auction_bid_krw(self, venue: Venue) -> int | None:
        """The best bid that an auction shows, None where no living frame tells one.

        An auction shows itself crossed or locked: such a frame is no book, and its bid is all that is known.
        """
        seen = self._living(venue)
        if seen is None:
            return None
        bids, refused = _shown(seen.quote.bids), seen.quote.refused
        if refused is not None and refused.trouble in _AUCTION:
            bids = tuple(level for level in _shown(refused.bids) if self._carried(level[0], venue))
        return bids[0][0] if bids else None

    def _carried(self, price_krw: int, venue: Venue) -> bool:
        """Whether an order may carry a price."""
        within = self.band is None or self.band.lower_krw <= price_krw <= self.band.upper_krw
        return within and self.ticks(venue).is_on(price_krw)

    def _living(self, venue: Venue) -> QuoteSeen | None:
        seen = self.book(venue)
        if seen is None or self._dead(venue) or not self._young(seen, self.limits.quote_wait_ms):
            return None
        return seen

    def fresh(self, venue: Venue) -> bool:
        """Whether the bids of a venue are as young as those that something is bought for must be."""
        seen = self.book(venue)
        return seen is not None and self._young(seen, self.limits.max_quote_age_sell_ms)

    def _dead(self, venue: Venue) -> bool:
        feed = self.venues.feeds.get(venue)
        return feed is not None and not feed.alive

    def _young(self, seen: QuoteSeen, ms: int) -> bool:
        """Whether a book is at most `ms` old; one stamped ahead of the clock has no known age."""
        return -CLOCK_SKEW_MS * NS_PER_MS <= self.now_ns - seen.ts_event_ns <= ms * NS_PER_MS

    def asks(self, venue: Venue) -> tuple[tuple[int, int], ...]:
        """The asks that have a quantity, best first; empty where there is no book."""
        seen = self.book(venue)
        return () if seen is None else _shown(seen.quote.asks)

    def fault(self, buy_venue: Venue) -> BookFault | None:
        """Why the two books cannot be traded on together in that direction, or None."""
        legs = self.legs(buy_venue)
        return fault_of(legs, self.limits, self.venues.connection_epoch, self.now_ns)

    def legs(self, buy_venue: Venue) -> Legs | None:
        return legs_of(self.books, self.symbol, buy_venue)

    def cross(self, buy_venue: Venue) -> tuple[int, MovedLast]:
        """How long the cross in that direction has stood (ms), and the quote that moved last."""
        return age_and_mover(self.crossed, (self.symbol, buy_venue), self.now_ns)

    def ticks(self, venue: Venue) -> TickGrid:
        """The price grid of the symbol; that of shares where its market is not known, as every price on it
        is one that a fund's order may carry too."""
        return SHARE_TICKS if self.costs is None else self.costs.ticks(venue)

    @property
    def band(self) -> PriceBand | None:
        return self.venues.band(self.symbol)

    # -- venues ----------------------------------------------------------------------

    def phase(self, venue: Venue) -> SessionPhase:
        return self.venues.phases.get(venue, SessionPhase.CLOSED)

    def halted(self, venue: Venue) -> bool:
        """Whether a halt or VI holds on this venue; the other one may still sell (market rules 2.3)."""
        return any(halt.venue is venue for halt in self.venues.halts.get(self.symbol, ()))

    def marketable_kind(self, venue: Venue) -> OrderKind | None:
        """The order to meet a continuous book with: IOC where the venue takes one, else a limit."""
        phase = self.phase(venue)
        if not phase.matches_continuously or self.halted(venue):
            return None
        if venue is Venue.NXT and not self.venues.eligible(self.symbol):
            return None
        if self.costs is not None and not trades_in(self.costs.market, venue, phase):
            return None
        return self.venues.limit_kind(venue)

    def market_order_on(self, venue: Venue) -> bool:
        """Whether a market order meets a continuous book there: KRX's regular session alone."""
        return (
            venue is Venue.KRX
            and self.phase(venue) is SessionPhase.CONTINUOUS
            and not self.halted(venue)
            and self.venues.takes(venue, OrderKind.MARKET)
        )

    @property
    def closing_auction(self) -> bool:
        """Whether KRX collects limit orders for its closing print now."""
        phase = self.phase(Venue.KRX)
        return (
            phase is SessionPhase.CLOSING_AUCTION
            and not self.halted(Venue.KRX)
            and self.venues.takes(Venue.KRX, OrderKind.LIMIT)
        )

    @property
    def session(self) -> str:
        """What trades now, with its date, or empty: the tries of a stranded position are counted by it."""
        phases = {self.phase(venue) for venue in Venue}
        now = next((phase for phase in _SESSIONS if phase in phases), None)
        return "" if now is None else f"{self.venues.trading_date} {now}"

    @property
    def day_over(self) -> bool:
        """Whether both venues were told to be closed: nothing trades before the next session. The gateway
        tells phases by the timetable with or without the broker; a phase that nobody told is no evidence."""
        return all(self.venues.phases.get(venue) is SessionPhase.CLOSED for venue in Venue)

    # -- what is allowed ---------------------------------------------------------------

    def entry_refusal(self) -> str:
        """Why no clip may begin now, in plain words; empty if one may."""
        if not self.trading.allows_entries:
            return f"the trading state is {self.trading}"
        if self.costs is None or not self.listed:
            return "costs and limits of the symbol are not known, or it is disabled"
        if not self.venues.ready:
            return "the gateway is not connected to the broker"
        if not self.venues.window_open(self.now_ns):
            return "the entry window is closed"
        if self.venues.halted(self.symbol):
            return "a halt or VI holds on one venue"
        if not self.venues.both_continuous or self.band is None:
            return "one venue does not trade continuously, or the day's price band is not known"
        if any(self.marketable_kind(venue) is None for venue in Venue):
            return "one venue takes no order for this symbol now"
        return ""

    def sell_refusal(self, *, by_person: bool) -> str:
        """Why nothing may be sold now whatever the venue, in plain words; empty if it may."""
        if not (self.trading.allows_exits or by_person):
            return f"the trading state is {self.trading}"
        return ""


def _shown(levels: Levels) -> tuple[tuple[int, int], ...]:
    return tuple(level for level in levels if level[1] > 0)
