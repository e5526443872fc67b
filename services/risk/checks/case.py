"""What a check looks at: one intent, risk's own state and books, and risk's own clock."""

from dataclasses import dataclass

from services.contracts.in_force import Reference
from services.contracts.messages.intents import TradeIntent
from services.contracts.reference import TradeCosts
from services.contracts.terms import MovedLast, Side, Venue
from services.contracts.threshold import Threshold
from services.contracts.trading_limits import TradingLimits
from services.market.books import Legs, legs_of
from services.market.crossed_markets import age_and_mover
from services.market.edge import Edge, executable_edge
from services.risk.state import RiskState


@dataclass(frozen=True, slots=True)
class Case:
    """`legs` are risk's own newest books of the intent's direction, `edge` its size computed at them.

    `cross_age_ms` and `moved_last` are of the cross in these books.
    """

    state: RiskState
    intent: TradeIntent
    now_ns: int
    costs: TradeCosts | None
    legs: Legs | None
    edge: Edge | None
    cross_age_ms: int
    moved_last: MovedLast

    @property
    def reference(self) -> Reference:
        """What is in force. Only checks after `ready` may ask: it denies where there is none."""
        assert self.state.reference is not None
        return self.state.reference

    @property
    def limits(self) -> TradingLimits:
        return self.reference.limits

    def threshold(self, moved_last: MovedLast) -> Threshold:
        return self.reference.threshold_of(self.intent.symbol, moved_last)

    def threshold_krw(self, moved_last: MovedLast) -> int | None:
        """What the edge has to reach; None where there is no edge."""
        return None if self.edge is None else self.edge.threshold_krw(self.limits, self.threshold(moved_last))

    @property
    def buy_venue(self) -> Venue:
        return self.intent.side_a.venue

    @property
    def sell_venue(self) -> Venue:
        return self.intent.side_b.venue

    @property
    def well_formed(self) -> bool:
        """Whether it buys on one venue and sells on the other."""
        a, b = self.intent.side_a, self.intent.side_b
        return a.side is Side.BUY and b.side is Side.SELL and a.venue is b.venue.other

    @property
    def worst_case_krw(self) -> int:
        """What the pair can have in shares at most: all of it at the buy limit."""
        return self.intent.qty_shares * self.intent.side_a.price_krw


def case_of(state: RiskState, intent: TradeIntent, now_ns: int) -> Case:
    """Look up what the checks need; what is not there is None and denies later."""
    reference = state.reference
    costs = None if reference is None else reference.costs_of(intent.symbol)
    legs = legs_of(state.books, intent.symbol, intent.side_a.venue)
    fresh = None
    if reference is not None and costs is not None and legs is not None:
        fresh = executable_edge(
            costs, reference.limits, legs.buy_venue, legs.buy.quote.asks, legs.sell_venue,
            legs.sell.quote.bids, intent.qty_shares,
        )  # fmt: skip
    direction = (intent.symbol, intent.side_a.venue)
    cross_age_ms, moved_last = age_and_mover(state.crossed, direction, now_ns)
    return Case(state, intent, now_ns, costs, legs, fresh, cross_age_ms, moved_last)
