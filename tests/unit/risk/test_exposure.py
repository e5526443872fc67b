"""The worst case stays within its limits whatever is asked and whatever fills, in any order (I3)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contracts.messages.orders import OrderResolved, Resolution
from services.contracts.messages.pairs import PairApproved
from services.contracts.terms import Side, Symbol
from services.risk.exposure import cash_available_krw, exposure_by_symbol, total_exposure_krw
from tests.unit.detector import world
from tests.unit.detector.world import HYNIX, OTHER_GROUP, SAMSUNG
from tests.unit.risk.desk import (
    Desk,
    account,
    armed,
    closed,
    facts,
    filled,
    intent,
    leg,
    money_by_pair,
    order_closed,
)

SYMBOLS = (SAMSUNG, HYNIX, OTHER_GROUP)
LIMITS = world.limits(
    max_exposure_symbol_krw=300_000, max_exposure_total_krw=500_000, max_order_krw=100_000, max_open_pairs=4,
    max_pairs_per_symbol_window=20, max_daily_loss_krw=100_000_000,
)  # fmt: skip

Action = tuple[str, Symbol, int, int]
"""(what happens, where, shares, ticks better than the limit)."""

ACTIONS = st.tuples(
    st.sampled_from(("ask", "buy", "sell", "close", "again")),
    st.sampled_from(SYMBOLS),
    st.integers(1, 5),
    st.integers(0, 3),
)


class Market:
    """Fills within what was approved, as the gateway's last gate would hold it."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.pairs: dict[Symbol, PairApproved] = {}
        self.number = 0
        self.spent_krw = 0
        """Bought less sold, at the prices of the fills."""

    def promised_krw(self) -> int:
        """What approved pairs may still buy, at their limits."""
        bought = {pair_id: m.bought_shares for pair_id, m in money_by_pair(self.desk.state.orders).items()}
        return sum(
            (pair.qty_shares - bought.get(pair.pair_id, 0)) * pair.buy_limit_krw
            for pair in self.pairs.values()
        )

    def act(self, action: Action) -> None:
        what, symbol, shares, better = action
        self.number += 1
        if what == "ask":
            self._ask(symbol, shares)
        elif symbol in self.pairs:
            pair = self.pairs[symbol]
            {"buy": self._buy, "sell": self._sell, "close": self._close, "again": self._again}[what](
                pair, shares, better
            )

    def _ask(self, symbol: Symbol, shares: int) -> None:
        asked = intent(self.desk, name=f"{self.number}", symbol=symbol, qty_shares=shares)
        verdict = self.desk.answer(asked)
        if isinstance(verdict, PairApproved):
            assert symbol not in self.pairs
            self.pairs[symbol] = verdict

    def _buy(self, pair: PairApproved, shares: int, better: int) -> None:
        bought = money_by_pair(self.desk.state.orders).get(pair.pair_id)
        shares = min(shares, pair.qty_shares - (bought.bought_shares if bought else 0))
        if shares:
            self._fill(pair, Side.BUY, shares, pair.buy_limit_krw - better * 100)

    def _sell(self, pair: PairApproved, shares: int, better: int) -> None:
        money = money_by_pair(self.desk.state.orders).get(pair.pair_id)
        shares = min(shares, money.held_shares if money else 0)
        if shares:
            self._fill(pair, Side.SELL, shares, pair.sell_limit_krw - better * 300)

    def _fill(self, pair: PairApproved, side: Side, shares: int, price_krw: int) -> None:
        order_id = f"{pair.pair_id}.{self.number}"
        order = facts(pair.pair_id, side, shares, shares * price_krw, symbol=pair.symbol, order_id=order_id)
        self.spent_krw += shares * price_krw if side is Side.BUY else -shares * price_krw
        self.last = filled(order)
        self.desk.tell(self.last)

    def _close(self, pair: PairApproved, shares: int, better: int) -> None:
        money = money_by_pair(self.desk.state.orders).get(pair.pair_id)
        if money is None or not money.held_shares:
            self.desk.tell(closed(pair.pair_id, symbol=pair.symbol))
            del self.pairs[pair.symbol]

    def _again(self, pair: PairApproved, shares: int, better: int) -> None:
        if hasattr(self, "last"):
            self.desk.tell(self.last)


@settings(max_examples=60, deadline=None)
@given(st.lists(ACTIONS, max_size=25))
def test_the_worst_case_never_exceeds_a_limit(actions: list[Action]) -> None:
    desk = armed(LIMITS)
    for symbol in (HYNIX, OTHER_GROUP):
        desk.tell(*world.crossing(symbol), at_ms=0)
    market = Market(desk)
    for action in actions:
        market.act(action)
        by_symbol = exposure_by_symbol(desk.state)
        assert all(worst <= LIMITS.max_exposure_symbol_krw for worst in by_symbol.values())
        assert total_exposure_krw(desk.state) <= LIMITS.max_exposure_total_krw
        held_krw = sum(m.held_cost_krw for m in money_by_pair(desk.state.orders).values())
        assert held_krw <= total_exposure_krw(desk.state)


@settings(max_examples=40, deadline=None)
@given(st.lists(ACTIONS, max_size=20), st.integers(300_000, 900_000))
def test_what_is_promised_never_exceeds_the_cash(actions: list[Action], cash_krw: int) -> None:
    desk = armed(LIMITS)
    desk.tell(account(cash_krw))
    for symbol in (HYNIX, OTHER_GROUP):
        desk.tell(*world.crossing(symbol), at_ms=0)
    market = Market(desk)
    for action in actions:
        market.act(action)
        assert cash_available_krw(desk.state) is not None
        assert market.spent_krw + market.promised_krw() <= cash_krw


def test_what_came_back_from_a_sale_may_be_promised_again() -> None:
    desk = armed(LIMITS)
    desk.tell(account(300_000))
    desk.tell(*world.crossing(HYNIX), at_ms=0)
    market = Market(desk)
    for action in (("ask", SAMSUNG, 2, 0), ("buy", SAMSUNG, 1, 0), ("sell", SAMSUNG, 1, 0)):
        market.act(action)
    market.act(("ask", HYNIX, 3, 0))
    assert set(market.pairs) == {SAMSUNG, HYNIX}
    assert market.spent_krw + market.promised_krw() <= 300_000


def test_what_is_bought_and_sold_again_frees_only_what_can_not_be_bought_again() -> None:
    desk = armed()
    pair = desk.answer(intent(desk))
    assert isinstance(pair, PairApproved)
    assert total_exposure_krw(desk.state) == 5 * 70_000
    desk.tell(filled(facts(pair.pair_id, Side.BUY, 2, 139_800)))
    assert total_exposure_krw(desk.state) == 139_800 + 3 * 70_000
    desk.tell(filled(facts(pair.pair_id, Side.SELL, 2, 141_000)))
    assert total_exposure_krw(desk.state) == 3 * 70_000
    desk.tell(closed(pair.pair_id))
    assert total_exposure_krw(desk.state) == 0


def test_a_dearer_limit_weighs_more() -> None:
    desk = armed()
    desk.tell(world.quote(world.Venue.KRX, 70_200, 70_300), world.quote(world.Venue.NXT, 70_900, 71_000))
    dear = intent(desk, side_a=leg(world.Venue.KRX, Side.BUY, 70_300))
    assert isinstance(desk.answer(dear), PairApproved)
    assert total_exposure_krw(desk.state) == 5 * 70_300


@pytest.mark.parametrize("settled", [False, True])
def test_an_order_that_lives_after_all_counts_as_working_again(settled: bool) -> None:
    """Where it was told as over, and where its pair was closed with it."""
    desk = armed(LIMITS)
    order = facts("P1", Side.BUY, 10, 700_000, cum_qty_shares=0, cum_amount_krw=0, closed=False)
    desk.tell(order_closed(order))
    if settled:
        desk.tell(closed("P1", bought_shares=0, sold_shares=0))
    assert total_exposure_krw(desk.state) == 0
    desk.tell(OrderResolved(facts=order, resolution=Resolution.FOUND, evidence="a number", reopens=True))
    assert total_exposure_krw(desk.state) == 700_000
