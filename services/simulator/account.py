"""One cash account at 100 % margin: cash, what open orders block, shares, and what was earned.

Invariants, in whole KRW and shares: `cash_krw` equals the start plus sales minus purchases minus
commissions minus taxes; orderable cash and sellable shares never go below zero; a share bought on
one venue can be sold on the other (one pool per symbol, Kiwoom sheet 2.6, market rules 4.5).
Commission and tax follow the cumulative amount of each order, so that rounding depends on how
much an order filled and not on in how many pieces (FIDs 938 and 939 are cumulative per order).
"""

from dataclasses import dataclass
from typing import Protocol

from services.contracts.terms import Side, Venue


class Costs(Protocol):
    """What a trade of one listing market costs on the day; `services.market.costs.TradeCosts`."""

    def commission_krw(self, venue: Venue, amount_krw: int) -> int: ...

    def sell_tax_krw(self, amount_krw: int) -> int: ...


@dataclass(slots=True)
class Holding:
    qty_shares: int = 0
    cost_krw: int = 0
    """What the held shares cost, commission not included."""
    blocked_shares: int = 0
    bought_today: int = 0
    sold_today: int = 0
    realised_krw: int = 0
    """Today's sales minus their cost, commission and tax not included."""
    commission_krw: int = 0
    tax_krw: int = 0

    @property
    def sellable_shares(self) -> int:
        return self.qty_shares - self.blocked_shares

    @property
    def average_krw(self) -> int:
        return self.cost_krw // self.qty_shares if self.qty_shares else 0


@dataclass(slots=True)
class OrderMoney:
    """The money side of one order."""

    symbol: str
    venue: Venue
    side: Side
    costs: Costs
    limit_krw: int
    """The price at which a buy blocks cash: its limit, or the upper limit of a market order."""
    open_shares: int
    filled_shares: int = 0
    amount_krw: int = 0
    commission_krw: int = 0
    tax_krw: int = 0
    blocked_krw: int = 0


class Account:
    """Raises ValueError on what a broker must have refused before; the state is then unchanged."""

    __slots__ = ("blocked_krw", "cash_krw", "commission_krw", "holdings", "start_cash_krw", "tax_krw")

    def __init__(self, cash_krw: int) -> None:
        self.start_cash_krw = cash_krw
        self.cash_krw = cash_krw
        self.blocked_krw = 0
        self.commission_krw = 0
        self.tax_krw = 0
        self.holdings: dict[str, Holding] = {}

    @property
    def orderable_krw(self) -> int:
        return self.cash_krw - self.blocked_krw

    def holding(self, symbol: str) -> Holding:
        return self.holdings.setdefault(symbol, Holding())

    def deposit_shares(self, symbol: str, qty_shares: int, average_krw: int) -> None:
        """Shares that came by no order: held before the day began, or moved in from another account."""
        holding = self.holding(symbol)
        holding.qty_shares += qty_shares
        holding.cost_krw += qty_shares * average_krw

    def needs_krw(self, money: OrderMoney) -> int:
        """Cash that the open part of a buy can still use, its commission included."""
        rest_krw = money.open_shares * money.limit_krw
        commission = money.costs.commission_krw(money.venue, money.amount_krw + rest_krw)
        return rest_krw + max(0, commission - money.commission_krw)

    def freed_krw(self, money: OrderMoney, qty_shares: int) -> int:
        """Cash that `release` of so many shares of a buy would unblock."""
        open_shares = money.open_shares
        money.open_shares -= qty_shares
        needed = self.needs_krw(money) if money.open_shares else 0
        money.open_shares = open_shares
        return money.blocked_krw - needed

    def affords(self, money: OrderMoney) -> bool:
        if money.side is Side.BUY:
            return self.needs_krw(money) <= self.orderable_krw
        return money.open_shares <= self.holding(money.symbol).sellable_shares

    def open(self, money: OrderMoney) -> None:
        """Block what an accepted order needs."""
        if not self.affords(money):
            raise ValueError(f"{money.side} {money.open_shares} {money.symbol}: not covered")
        if money.side is Side.BUY:
            self._block(money)
        else:
            self.holding(money.symbol).blocked_shares += money.open_shares

    def fill(self, money: OrderMoney, qty_shares: int, price_krw: int) -> None:
        """Book one execution of an open order, its share of commission and tax included."""
        if not 0 < qty_shares <= money.open_shares or (
            money.side is Side.BUY and price_krw > money.limit_krw
        ):
            raise ValueError(f"{qty_shares} x {price_krw} does not fit the order {money}")
        amount_krw = qty_shares * price_krw
        money.open_shares -= qty_shares
        money.filled_shares += qty_shares
        money.amount_krw += amount_krw
        holding = self.holding(money.symbol)
        self._charge(money, holding)
        if money.side is Side.BUY:
            self.cash_krw -= amount_krw
            holding.qty_shares += qty_shares
            holding.cost_krw += amount_krw
            holding.bought_today += qty_shares
            self._block(money)
        else:
            cost_krw = holding.cost_krw * qty_shares // holding.qty_shares
            self.cash_krw += amount_krw
            holding.qty_shares -= qty_shares
            holding.blocked_shares -= qty_shares
            holding.cost_krw -= cost_krw
            holding.sold_today += qty_shares
            holding.realised_krw += amount_krw - cost_krw

    def release(self, money: OrderMoney, qty_shares: int) -> None:
        """Unblock shares of an order that will not fill any more (cancelled, amended, dead)."""
        if not 0 <= qty_shares <= money.open_shares:
            raise ValueError(f"cannot release {qty_shares} of {money.open_shares} shares")
        money.open_shares -= qty_shares
        if money.side is Side.BUY:
            self._block(money)
        else:
            self.holding(money.symbol).blocked_shares -= qty_shares

    def _block(self, money: OrderMoney) -> None:
        needed = self.needs_krw(money) if money.open_shares else 0
        self.blocked_krw += needed - money.blocked_krw
        money.blocked_krw = needed

    def _charge(self, money: OrderMoney, holding: Holding) -> None:
        commission = money.costs.commission_krw(money.venue, money.amount_krw) - money.commission_krw
        money.commission_krw += commission
        holding.commission_krw += commission
        self.commission_krw += commission
        tax = 0
        if money.side is Side.SELL:
            tax = money.costs.sell_tax_krw(money.amount_krw) - money.tax_krw
            money.tax_krw += tax
            holding.tax_krw += tax
            self.tax_krw += tax
        self.cash_krw -= commission + tax
