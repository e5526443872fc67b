"""What is kept of a pair that was closed, so that it can take up responsibility again.

A fill may be told after its pair was closed: Redis lost its tail, the gateway was away, and only its log
and the broker knew of the order. The pair is opened again from what is kept here; what it holds is a
residual like any other, and it is closed once more with the money of all its orders.
"""

from services.contracts.envelope import Part
from services.contracts.messages.orders import OrderFacts
from services.contracts.messages.pairs import PairApproved
from services.contracts.terms import OrderKind, Purpose, Side, Symbol, TradingDate, Venue
from services.executor.order import Order, OrderEvent, clip_and_attempt, evidence_of
from services.executor.pair import Exposure, Pair, Residual
from services.executor.phases import Evidence, OrderLife


class ClosedOrder(Part):
    """How far an order had come, shares and KRW. `life` is one of the ends."""

    venue: Venue
    side: Side
    purpose: Purpose
    life: OrderLife
    qty_shares: int
    price_krw: int
    cum_qty_shares: int = 0
    cum_amount_krw: int = 0
    commission_krw: int = 0
    tax_krw: int = 0


class ClosedPair(Part):
    """A closed pair; its orders by id. One that a person `claimed` stays closed: the person answers for it.

    `closings` counts how often it was closed; the measures are those of its life so far.
    """

    symbol: Symbol
    trading_date: TradingDate
    buy_venue: Venue
    opened_at_ns: int
    orders: dict[str, ClosedOrder]
    claimed: bool = False
    closings: int = 1
    neutral_ms_max: int = 0
    krw_ms: int = 0
    shares_max: int = 0

    def filled_shares(self, order_id: str) -> int:
        known = self.orders.get(order_id)
        return 0 if known is None else known.cum_qty_shares

    def is_news(self, event: OrderEvent) -> bool:
        """Whether an order filled further than the pair was closed with, or one works that it never knew, or
        that it knew as over."""
        facts = event.facts
        if facts.cum_qty_shares > self.filled_shares(facts.order_id):
            return True
        lives = facts.order_id not in self.orders or evidence_of(event) is Evidence.REOPENED
        return lives and not facts.closed

    def with_fill(self, facts: OrderFacts) -> "ClosedPair":
        """Return the pair with a fill remembered that a person answers for."""
        known = self.orders.get(facts.order_id) or _order_of(facts)
        filled = known.model_copy(update={"cum_qty_shares": facts.cum_qty_shares})
        return self.model_copy(update={"orders": {**self.orders, facts.order_id: filled}})


def closed_pair(pair: Pair, *, claimed: bool) -> ClosedPair:
    """Return what is kept of a pair that has just been closed."""
    orders = {
        order.order_id: ClosedOrder(
            venue=order.venue, side=order.side, purpose=order.purpose, life=order.life,
            qty_shares=order.qty_shares, price_krw=order.price_krw, cum_qty_shares=order.cum_qty_shares,
            cum_amount_krw=order.cum_amount_krw, commission_krw=order.commission_krw, tax_krw=order.tax_krw,
        )
        for order in pair.orders
    }  # fmt: skip
    return ClosedPair(
        symbol=pair.symbol, trading_date=pair.approval.trading_date, buy_venue=pair.approval.buy_venue,
        opened_at_ns=pair.opened_at_ns, orders=orders, claimed=claimed, closings=pair.closings + 1,
        neutral_ms_max=pair.exposure.neutral_ms_max, krw_ms=pair.exposure.krw_ms,
        shares_max=pair.residual.shares_max,
    )  # fmt: skip


def reopened(pair_id: str, closed: ClosedPair, facts: OrderFacts, now_ns: int) -> Pair:
    """Return the pair open again, as it was closed: the news of `facts` is still to be merged.

    Nothing more is bought for it. Its approval names no intent, like that of a pair brought back: more
    of its orders may be told in the next moments.
    """
    approval = approval_of(facts, closed.buy_venue, closed.trading_date, now_ns)
    orders = tuple(
        _reopened_order(order_id, order, closed.trading_date, now_ns)
        for order_id, order in closed.orders.items()
    )
    return Pair(
        approval=approval.model_copy(update={"pair_id": pair_id}), opened_at_ns=closed.opened_at_ns,
        stopping="a fill was told after it was closed", orders=orders, closings=closed.closings,
        clip=max((order.clip for order in orders), default=0),
        exposure=Exposure(krw_ms=closed.krw_ms, neutral_ms_max=closed.neutral_ms_max),
        residual=Residual(shares_max=closed.shares_max),
    )  # fmt: skip


def brought_back(facts: OrderFacts, now_ns: int) -> Pair:
    """Return the pair that an order of ours belongs to, where nothing of it is known any more."""
    buy_venue = facts.venue if facts.side is Side.BUY else facts.venue.other
    approval = approval_of(facts, buy_venue, facts.trading_date, now_ns)
    return Pair(approval=approval, opened_at_ns=now_ns, stopping="its approval was lost")


def approval_of(
    facts: OrderFacts, buy_venue: Venue, trading_date: TradingDate, now_ns: int
) -> PairApproved:  # fmt: skip
    """Return an approval to hold on to, made of one order: it allows nothing and names no intent."""
    price_krw = facts.price_krw or facts.cum_amount_krw // max(facts.cum_qty_shares, 1) or 1
    return PairApproved(
        pair_id=facts.pair_id, intent_id="", symbol=facts.symbol, trading_date=trading_date,
        buy_venue=buy_venue, sell_venue=buy_venue.other, qty_shares=facts.qty_shares,
        clip_shares=facts.qty_shares, buy_limit_krw=price_krw, sell_limit_krw=price_krw,
        approved_at_ns=now_ns, expires_at_ns=now_ns, reference_hash="",
    )  # fmt: skip


def _order_of(facts: OrderFacts) -> ClosedOrder:
    return ClosedOrder(
        venue=facts.venue, side=facts.side, purpose=facts.purpose, life=OrderLife.CLOSED,
        qty_shares=facts.qty_shares, price_krw=facts.price_krw,
    )  # fmt: skip


def _reopened_order(order_id: str, order: ClosedOrder, trading_date: TradingDate, now_ns: int) -> Order:
    clip, attempt = clip_and_attempt(order_id)
    return Order(
        order_id=order_id, clip=clip, attempt=attempt, kind=OrderKind.LIMIT, trading_date=trading_date,
        placed_at_ns=now_ns, expires_at_ns=now_ns, cancel_at_ns=now_ns, ended_at_ns=now_ns,
        **order.model_dump(),
    )  # fmt: skip
