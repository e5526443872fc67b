"""Profit and loss to the won, from every order's own facts.

Owns invariant I7 on our side. An order's fill state only grows, so facts merge by maximum: late,
doubled and reordered events change nothing. What was earned is cash flow: sales less purchases less
commission and tax as the broker reports them. Shares still held keep their average cost; what they are
worth at a bid is marked apart. Shares sold and never bought are owed: what they brought is no profit.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Self

from services.contracts.envelope import Part
from services.contracts.messages.orders import OrderFacts
from services.contracts.messages.pairs import PairClosed
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
    """What a pair bought and sold so far, KRW and shares.

    `claimed_shares` are what a person sold of it by hand (negative: bought back) and `claimed_krw` what
    that brought.
    """

    bought_shares: int = 0
    bought_krw: int = 0
    sold_shares: int = 0
    sold_krw: int = 0
    commission_krw: int = 0
    tax_krw: int = 0
    claimed_shares: int = 0
    claimed_krw: int = 0

    @property
    def cash_flow_krw(self) -> int:
        costs_krw = self.commission_krw + self.tax_krw
        return self.sold_krw + self.claimed_krw - self.bought_krw - costs_krw

    @property
    def held_shares(self) -> int:
        """Negative where more was sold than bought: so many are owed."""
        return self.bought_shares - self.sold_shares - self.claimed_shares

    @property
    def held_cost_krw(self) -> int:
        """What the shares still held were bought for, at the pair's average price, rounded down; negative
        what those brought that are owed."""
        held = self.held_shares
        if held > 0:
            return self.bought_krw * held // self.bought_shares if self.bought_shares else 0
        return self.sold_krw * held // self.sold_shares if self.sold_shares else 0

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


def stated_money(stated: PairClosed) -> Money:
    """What the executor's statement of a closed pair says of its orders; nothing where it had no fill."""
    if not stated.trip:
        return Money()
    return Money(
        stated.bought_shares, stated.bought_krw, stated.sold_shares, stated.sold_krw, stated.commission_krw,
        stated.tax_krw,
    )  # fmt: skip


def with_stated(own: Money, stated: PairClosed) -> Money:
    """What orders and the executor's statement say together: either may be heard first.

    Both are sums over the broker's own facts. The statement counts as far as our facts lag behind it.
    """
    said = stated_money(stated)
    bought = max((own.bought_shares, own.bought_krw), (said.bought_shares, said.bought_krw), key=_shares)
    sold = max((own.sold_shares, own.sold_krw), (said.sold_shares, said.sold_krw), key=_shares)
    if not lags(own, stated):
        return replace(own, bought_shares=bought[0], sold_shares=sold[0])
    commission_krw = max(own.commission_krw, said.commission_krw)
    return Money(*bought, *sold, commission_krw, max(own.tax_krw, said.tax_krw))


def lags(own: Money, stated: PairClosed) -> bool:
    """Whether the executor has heard of fills that our facts do not show yet."""
    said = stated_money(stated)
    return own.bought_shares < said.bought_shares or own.sold_shares < said.sold_shares


def claimed_krw(own: Money, stated: PairClosed) -> int:
    """What a person's own trade brought, in a statement's result beyond what the pair's orders did."""
    said = stated_money(stated)
    return stated.realised_pnl_krw - (said if lags(own, stated) or _agree(own, said) else own).cash_flow_krw


def _agree(own: Money, said: Money) -> bool:
    return (own.bought_krw, own.sold_krw) == (said.bought_krw, said.sold_krw)


def _shares(side: tuple[int, int]) -> int:
    return side[0]
