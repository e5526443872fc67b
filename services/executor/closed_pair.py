"""What is kept of a pair that was closed, so that it can take up responsibility again.

A fill may be told after its pair was closed: Redis lost its tail, the gateway was away, and only its log
and the broker knew of the order. The pair is opened again from what is kept here; what it holds is a
residual like any other, and it is closed once more with the money of all its orders. What an order cost may
be told later still: then the pair stays closed, and its statement is made anew.
"""

from typing import Final

from services.contracts.envelope import Part
from services.contracts.messages.control import ResidualClaimed
from services.contracts.messages.orders import OrderFacts
from services.contracts.messages.pairs import PairApproved, PairClosed, PairOutcome
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

    `closings` counts how often it was closed; the measures are those of its life so far. `statement` is
    the last one, None for a pair that never had an order. `claimed_shares` are what a person sold by hand
    (negative: bought back), `claimed_krw` what that brought, and `last_claim` the last such word.
    """

    symbol: Symbol
    trading_date: TradingDate
    buy_venue: Venue
    opened_at_ns: int
    orders: dict[str, ClosedOrder]
    claimed: bool = False
    last_claim: tuple[int, int] = (0, 0)
    closings: int = 1
    neutral_ms_max: int = 0
    krw_ms: int = 0
    shares_max: int = 0
    claimed_shares: int = 0
    claimed_krw: int = 0
    statement: PairClosed | None = None

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

    @property
    def unclaimed_shares(self) -> int:
        """What was bought, and neither sold nor claimed; negative where more was sold than bought."""
        shares = (o.cum_qty_shares if o.side is Side.BUY else -o.cum_qty_shares for o in self.orders.values())
        return sum(shares) - self.claimed_shares

    def with_claim(self, claim: ResidualClaimed) -> "ClosedPair":
        """Return the pair with the rest of it claimed."""
        sign = 1 if self.unclaimed_shares > 0 else -1
        return self.model_copy(
            update={
                "claimed": True,
                "claimed_shares": self.claimed_shares + sign * claim.qty_shares,
                "claimed_krw": self.claimed_krw + sign * claim.amount_krw,
                "last_claim": (claim.qty_shares, claim.amount_krw),
            }
        )

    def with_facts(self, facts: OrderFacts) -> "ClosedPair":
        """Return the pair with what an order filled and cost, by maximum; itself where that is known."""
        known = self.orders.get(facts.order_id) or _order_of(facts)
        heard = known.model_copy(
            update={name: max(getattr(known, name), getattr(facts, name)) for name in _GROWING}
        )
        if heard == known:
            return self
        return self.model_copy(update={"orders": {**self.orders, facts.order_id: heard}})

    def restated(self) -> "ClosedPair":
        """Return the pair with its statement made anew from its orders; itself where the old one holds."""
        if self.statement is None:
            return self
        bought, sold = self._of(Side.BUY), self._of(Side.SELL)
        sums = {
            "bought_shares": sum(order.cum_qty_shares for order in bought),
            "bought_krw": sum(order.cum_amount_krw for order in bought),
            "sold_shares": sum(order.cum_qty_shares for order in sold),
            "sold_krw": sum(order.cum_amount_krw for order in sold),
            "commission_krw": sum(order.commission_krw for order in self.orders.values()),
            "tax_krw": sum(order.tax_krw for order in self.orders.values()),
        }
        costs_krw = sums["commission_krw"] + sums["tax_krw"]
        realised_krw = sums["sold_krw"] + self.claimed_krw - sums["bought_krw"] - costs_krw
        result = {
            "trip": sums["bought_shares"] > 0,
            "realised_pnl_krw": realised_krw,
            "outcome": PairOutcome.CLAIMED if self.claimed else self.statement.outcome,
        }
        again = self.statement.model_copy(update=sums | result)
        if again == self.statement:
            return self
        counted = {"closings": self.closings + 1}
        return self.model_copy(update={"statement": again.model_copy(update=counted), **counted})

    def _of(self, side: Side) -> list[ClosedOrder]:
        return [order for order in self.orders.values() if order.side is side]


_GROWING: Final = ("cum_qty_shares", "cum_amount_krw", "commission_krw", "tax_krw")


def closed_pair(pair: Pair) -> ClosedPair:
    """Return what is kept of a pair that has just been closed."""
    claimed = pair.statement is not None and pair.statement.outcome is PairOutcome.CLAIMED
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
        shares_max=pair.residual.shares_max, claimed_shares=pair.claimed_shares,
        claimed_krw=pair.claimed_krw, last_claim=(abs(pair.claimed_shares), abs(pair.claimed_krw)),
        statement=pair.statement,
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
    qty_shares = max(facts.qty_shares, facts.cum_qty_shares, 1)
    return PairApproved(
        pair_id=facts.pair_id, intent_id="", symbol=facts.symbol, trading_date=trading_date,
        buy_venue=buy_venue, sell_venue=buy_venue.other, qty_shares=qty_shares,
        clip_shares=qty_shares, buy_limit_krw=price_krw, sell_limit_krw=price_krw,
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
