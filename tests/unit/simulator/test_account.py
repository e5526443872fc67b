"""The account: cash, fees and shares agree to the won after anything that can happen to orders."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.contracts.terms import Market, Side, Venue
from services.simulator.account import Account, OrderMoney

from .harness import COSTS

RATES = COSTS[Market.KOSPI]
CASH = 50_000_000
qtys = st.integers(1, 80)
prices = st.integers(1_000, 300_000)
venues = st.sampled_from(list(Venue))


def buy(qty: int, limit: int, venue: Venue = Venue.KRX, symbol: str = "005930") -> OrderMoney:
    return OrderMoney(symbol, venue, Side.BUY, RATES, limit, qty)


def sell(qty: int, limit: int, venue: Venue = Venue.NXT, symbol: str = "005930") -> OrderMoney:
    return OrderMoney(symbol, venue, Side.SELL, RATES, limit, qty)


def test_a_round_trip_costs_commission_on_both_sides_and_tax_on_the_sale() -> None:
    account = Account(CASH)
    bought = buy(10, 200_000)
    account.open(bought)
    account.fill(bought, 10, 199_000)
    sold = sell(10, 199_000)
    account.open(sold)
    account.fill(sold, 10, 200_000)
    fees = 298 + 290 + (2_000_000 * Decimal("0.0005") + 2_000_000 * Decimal("0.0015"))
    assert account.cash_krw == CASH + 10_000 - fees
    assert (bought.commission_krw, sold.commission_krw, sold.tax_krw) == (298, 290, 4_000)
    assert account.orderable_krw == account.cash_krw


def test_a_buy_blocks_its_limit_price_and_commission_until_it_is_closed() -> None:
    account = Account(CASH)
    order = buy(100, 100_000)
    account.open(order)
    assert account.orderable_krw == CASH - 10_000_000 - 1_500
    account.fill(order, 40, 90_000)
    account.release(order, 60)
    assert account.orderable_krw == account.cash_krw == CASH - 3_600_000 - 540


def test_what_is_not_covered_is_refused_and_changes_nothing() -> None:
    account = Account(1_000_000)
    with pytest.raises(ValueError, match="not covered"):
        account.open(buy(10, 100_000))
    with pytest.raises(ValueError, match="not covered"):
        account.open(sell(1, 100_000))
    assert account.orderable_krw == 1_000_000


@given(st.lists(st.tuples(qtys, prices), min_size=1, max_size=8), venues)
def test_fees_depend_on_what_filled_and_not_on_the_pieces(
    pieces: list[tuple[int, int]], venue: Venue
) -> None:
    account = Account(10**12)
    total, amount = sum(q for q, _ in pieces), sum(q * p for q, p in pieces)
    account.deposit_shares("005930", total, 1_000)
    order = sell(total, 1, venue)
    account.open(order)
    for qty, price in pieces:
        account.fill(order, qty, price)
    assert order.commission_krw == RATES.commission_krw(venue, amount)
    assert order.tax_krw == RATES.sell_tax_krw(amount)


class AccountMachine(RuleBasedStateMachine):
    """Orders open, fill in pieces and die in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.account = Account(CASH)
        self.live: list[OrderMoney] = []
        self.all: list[OrderMoney] = []
        self.shares = 0
        self.flow = 0

    @rule(side=st.sampled_from(list(Side)), qty=qtys, limit=prices, venue=venues)
    def opens(self, side: Side, qty: int, limit: int, venue: Venue) -> None:
        money = buy(qty, limit, venue) if side is Side.BUY else sell(qty, limit, venue)
        if not self.account.affords(money):
            before = self.account.orderable_krw
            with pytest.raises(ValueError, match="not covered"):
                self.account.open(money)
            assert self.account.orderable_krw == before
            return
        self.account.open(money)
        self.live.append(money)
        self.all.append(money)

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def fills(self, data: st.DataObject) -> None:
        money = data.draw(st.sampled_from(self.live))
        qty = data.draw(st.integers(1, money.open_shares))
        better = data.draw(st.integers(0, money.limit_krw // 2))
        price = money.limit_krw - better if money.side is Side.BUY else money.limit_krw + better
        self.account.fill(money, qty, price)
        sign = 1 if money.side is Side.BUY else -1
        self.shares += sign * qty
        self.flow -= sign * qty * price
        self._forget(money)

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def dies(self, data: st.DataObject) -> None:
        money = data.draw(st.sampled_from(self.live))
        freed = self.account.freed_krw(money, qty := data.draw(st.integers(1, money.open_shares)))
        before = self.account.orderable_krw
        self.account.release(money, qty)
        if money.side is Side.BUY:
            assert self.account.orderable_krw == before + freed
        self._forget(money)

    def _forget(self, money: OrderMoney) -> None:
        if money.open_shares == 0:
            self.live.remove(money)

    @invariant()
    def cash_is_the_start_and_every_flow_and_fee(self) -> None:
        fees = sum(money.commission_krw + money.tax_krw for money in self.all)
        assert self.account.cash_krw == CASH + self.flow - fees
        assert fees == self.account.commission_krw + self.account.tax_krw

    @invariant()
    def shares_are_conserved_and_never_oversold(self) -> None:
        holding = self.account.holding("005930")
        assert holding.qty_shares == self.shares
        assert holding.blocked_shares == sum(m.open_shares for m in self.live if m.side is Side.SELL)
        assert holding.sellable_shares >= 0
        assert holding.cost_krw >= 0

    @invariant()
    def blocked_cash_covers_the_open_buys_and_no_more(self) -> None:
        blocked = sum(m.open_shares * m.limit_krw for m in self.live if m.side is Side.BUY)
        assert self.account.blocked_krw >= blocked
        assert self.account.orderable_krw >= 0
        if not self.live:
            assert self.account.orderable_krw == self.account.cash_krw


TestAccountMachine = AccountMachine.TestCase
TestAccountMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
