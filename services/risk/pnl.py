"""Profit and loss to the won, from every order's own facts.

Owns invariant I7 on our side. An order's fill state only grows, so facts merge by maximum: late,
doubled and reordered events change nothing. What was earned is cash flow: sales less purchases less
commission and tax as the broker reports them. Shares still held keep their average cost; what they are
worth at a bid is marked apart.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from services.contracts.envelope import Part
from services.contracts.messages.orders import OrderFacts
from services.contracts.terms import Side, Symbol, Venue


class OrderTally(Part):
    """How far one order got: cumulative shares and KRW. `closed`: nothing can fill any more."""

    pair_id: str
    symbol: Symbol
    venue: Venue
    side: Side
    qty_shares: int
    price_krw: int = 0
    cum_qty_shares: int = 0
    cum_amount_krw: int = 0
    commission_krw: int = 0
    tax_krw: int = 0
    closed: bool = False

    @classmethod
    def of(cls, facts: OrderFacts) -> Self:
        return cls.model_validate(facts.model_dump(include=set(cls.model_fields)))

    def merged(self, later: "OrderTally") -> "OrderTally":
        """The larger of both in every figure. The order in which events come makes no difference."""
        return self.model_copy(
            update={
                "qty_shares": max(self.qty_shares, later.qty_shares),
                "price_krw": max(self.price_krw, later.price_krw),
                "cum_qty_shares": max(self.cum_qty_shares, later.cum_qty_shares),
                "cum_amount_krw": max(self.cum_amount_krw, later.cum_amount_krw),
                "commission_krw": max(self.commission_krw, later.commission_krw),
                "tax_krw": max(self.tax_krw, later.tax_krw),
                "closed": self.closed or later.closed,
            }
        )

    @property
    def working_shares(self) -> int:
        """What may still fill."""
        return 0 if self.closed else max(0, self.qty_shares - self.cum_qty_shares)

    @property
    def working_buy_krw(self) -> int:
        """What may still be spent on it."""
        return self.working_shares * self.price_krw if self.side is Side.BUY else 0


Tallies = Mapping[str, OrderTally]
"""By order id."""


@dataclass(frozen=True, slots=True)
class Money:
    """What a pair bought and sold so far, KRW and shares."""

    bought_shares: int = 0
    bought_krw: int = 0
    sold_shares: int = 0
    sold_krw: int = 0
    commission_krw: int = 0
    tax_krw: int = 0

    @property
    def cash_flow_krw(self) -> int:
        return self.sold_krw - self.bought_krw - self.commission_krw - self.tax_krw

    @property
    def held_shares(self) -> int:
        return max(0, self.bought_shares - self.sold_shares)

    @property
    def held_cost_krw(self) -> int:
        """What the shares still held were bought for, at the pair's average price, rounded down."""
        return self.bought_krw * self.held_shares // self.bought_shares if self.held_shares else 0

    @property
    def realised_krw(self) -> int:
        """What is earned for good; with nothing held it is the cash flow to the won."""
        return self.cash_flow_krw + self.held_cost_krw


def merge(
    orders: Tallies, order_id: str, tally: OrderTally, *, reopens: bool = False
) -> dict[str, OrderTally]:
    """Return the orders with one more statement about one of them taken in; with `reopens` it says that the
    order lives, whatever had been said of its end."""
    known = orders.get(order_id)
    if known is None:
        return {**orders, order_id: tally}
    merged = known.merged(tally)
    return {**orders, order_id: merged.model_copy(update={"closed": tally.closed}) if reopens else merged}


def money_of(tallies: Iterable[OrderTally]) -> Money:
    """Add up the orders of one pair."""
    bought_shares = bought_krw = sold_shares = sold_krw = commission_krw = tax_krw = 0
    for tally in tallies:
        commission_krw += tally.commission_krw
        tax_krw += tally.tax_krw
        if tally.side is Side.BUY:
            bought_shares += tally.cum_qty_shares
            bought_krw += tally.cum_amount_krw
        else:
            sold_shares += tally.cum_qty_shares
            sold_krw += tally.cum_amount_krw
    return Money(bought_shares, bought_krw, sold_shares, sold_krw, commission_krw, tax_krw)


def by_pair(orders: Tallies) -> dict[str, list[OrderTally]]:
    """The orders of each pair."""
    found: dict[str, list[OrderTally]] = {}
    for tally in orders.values():
        found.setdefault(tally.pair_id, []).append(tally)
    return found


def money_by_pair(orders: Tallies) -> dict[str, Money]:
    """Add up the orders of each pair."""
    return {pair_id: money_of(tallies) for pair_id, tallies in by_pair(orders).items()}


def claim(pair_id: str, symbol: Symbol, money: Money, realised_pnl_krw: int) -> OrderTally:
    """What a person sold by hand of a pair, as the one order that makes it flat at the stated result.

    The amount is after the person's own costs, so it carries none; its venue is of no consequence.
    """
    return OrderTally(
        pair_id=pair_id,
        symbol=symbol,
        venue=Venue.KRX,
        side=Side.SELL,
        qty_shares=money.held_shares,
        cum_qty_shares=money.held_shares,
        cum_amount_krw=max(0, realised_pnl_krw - money.cash_flow_krw),
        closed=True,
    )


@dataclass(frozen=True, slots=True)
class Marked:
    """What held shares gain at a bid over their cost, KRW; `without_bid` could not be valued."""

    gain_krw: int
    without_bid: tuple[Symbol, ...]


def marked(held: Iterable[tuple[Symbol, Money]], bids_krw: Mapping[Symbol, int]) -> Marked:
    """Value what is held at the better bid of both venues; a symbol without any bid is named, not guessed."""
    gain_krw, unknown = 0, []
    for symbol, money in held:
        bid_krw = bids_krw.get(symbol)
        if bid_krw is None:
            unknown.append(symbol)
        else:
            gain_krw += money.held_shares * bid_krw - money.held_cost_krw
    return Marked(gain_krw, tuple(unknown))
