"""A fill is told after its pair was closed: the pair takes up responsibility for it again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.messages import orders as o
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.commands import PlaceOrder
from services.contracts.messages.control import ResidualClaimed
from services.contracts.messages.pairs import PairClosed, ResidualMarked, ResidualOpened
from services.contracts.terms import Side, TradingState, Venue
from services.executor.closed_pair import closed_pair, reopened
from services.executor.phases import PairPhase

from .desk import Desk


@pytest.fixture
def desk() -> Desk:
    return Desk().open_day()


def closed_without_its_buy(desk: Desk) -> PlaceOrder:
    """The buy was taken for never arrived and its pair closed; returns the buy."""
    desk.approve()
    buy = desk.orders[0]
    desk.unknown(buy)
    desk.resolve(buy, o.Resolution.NEVER_ARRIVED)
    desk.tick(1_000)
    (closed,) = desk.all(PairClosed)
    assert (closed.trip, closed.closings, desk.state.pairs) == (False, 1, {})
    desk.said.clear()
    return buy


def closed_flat(desk: Desk) -> tuple[PlaceOrder, PlaceOrder]:
    """Three of five were bought and sold; returns both orders."""
    desk.approve(qty=5)
    buy = desk.orders[0]
    desk.trading(TradingState.PAUSE_ENTRY)
    desk.close(buy, 3)
    desk.fill(desk.sells[0], 100_400)
    desk.tick(1_000)
    assert desk.last(PairClosed).bought_shares == 3
    sell = desk.sells[0]
    desk.said.clear()
    return buy, sell


def test_the_fill_is_flattened_and_the_pair_closed_again_with_its_money(desk: Desk) -> None:
    buy = closed_without_its_buy(desk)
    desk.fill(buy)
    assert [opened.qty_shares for opened in desk.all(ResidualOpened)] == [5]
    (sell,) = desk.flattens
    assert (sell.pair_id, sell.qty_shares) == (buy.pair_id, 5)
    desk.fill(sell, 99_900)
    desk.tick(4_000)
    (closed,) = desk.all(PairClosed)
    assert (closed.trip, closed.closings) == (True, 2)
    assert (closed.bought_krw, closed.sold_krw) == (500_000, 499_500)
    assert closed.realised_pnl_krw == -500 - closed.commission_krw - closed.tax_krw
    assert desk.state.pairs == {}


def test_more_of_a_buy_that_was_taken_for_closed_counts_on_top_of_what_was_sold(desk: Desk) -> None:
    buy, _ = closed_flat(desk)
    desk.part_fill(buy, 3)
    assert not desk.said, "told again, nothing new"
    desk.close(buy, 4)
    (sell,) = desk.flattens
    assert (sell.qty_shares, sell.order_id) == (1, f"{buy.pair_id}.1.s.2")
    desk.fill(sell, 99_800)
    desk.tick(4_000)
    (closed,) = desk.all(PairClosed)
    assert (closed.bought_krw, closed.sold_krw) == (400_000, 3 * 100_400 + 99_800)
    assert (closed.bought_shares, closed.sold_shares, closed.closings) == (4, 4, 2)


def test_nothing_is_sold_where_the_trading_state_forbids_it(desk: Desk) -> None:
    buy = closed_without_its_buy(desk)
    desk.trading(TradingState.HALTED)
    desk.fill(buy)
    desk.tick(2_000)
    assert desk.orders == []
    assert desk.pair.phase is PairPhase.FLATTENING
    assert "critical" in [alert.severity for alert in desk.all(AlertRaised)]
    desk.trading(TradingState.REDUCE_ONLY)
    desk.crossed()
    desk.tick(200)
    assert [sell.qty_shares for sell in desk.flattens] == [5]


def test_a_sale_told_late_that_was_not_bought_is_a_stranded_position(desk: Desk) -> None:
    _, sell = closed_flat(desk)
    desk.fill(sell.model_copy(update={"order_id": f"{sell.pair_id}.1.s.2", "qty_shares": 1}), 100_000)
    desk.tick(4_000)
    (marked,) = desk.all(ResidualMarked)
    assert marked.qty_shares == -1
    assert desk.orders == []


def test_a_sale_and_the_purchase_that_it_covers_may_come_in_any_order(desk: Desk) -> None:
    buy, sell = closed_flat(desk)
    desk.fill(sell.model_copy(update={"order_id": f"{sell.pair_id}.1.s.2", "qty_shares": 2}), 100_000)
    desk.tick(500)
    desk.close(buy, 5)
    desk.tick(4_000)
    assert desk.orders == [] and desk.all(ResidualMarked) == []
    (closed,) = desk.all(PairClosed)
    assert (closed.bought_shares, closed.sold_shares) == (5, 5)


def test_an_order_that_works_and_that_the_closed_pair_never_knew_is_taken_back(desk: Desk) -> None:
    _, sell = closed_flat(desk)
    unknown = sell.model_copy(update={"order_id": f"{sell.pair_id}.2.b.1", "side": Side.BUY, "qty_shares": 2})
    desk.accept(unknown)
    desk.tick(200)
    assert [cancel.target_order_id for cancel in desk.cancels] == [unknown.order_id]
    desk.close(unknown)
    desk.tick(4_000)
    assert desk.last(PairClosed).closings == 2


def test_a_pair_open_again_takes_its_symbol(desk: Desk) -> None:
    buy = closed_without_its_buy(desk)
    desk.fill(buy)
    desk.approve("P2")
    assert [order.side for order in desk.orders] == [Side.SELL]
    assert desk.last(PairClosed).pair_id == "P2"


def test_it_survives_a_crash_at_any_moment(desk: Desk) -> None:
    buy = closed_without_its_buy(desk)
    desk.restart()
    desk.crossed()
    desk.tick(100)
    desk.fill(buy)
    desk.restart()
    desk.crossed()
    desk.tick(100)
    desk.fill(desk.flattens[-1], 99_900)
    desk.restart()
    desk.tick(5_000)
    (closed,) = desk.all(PairClosed)
    assert (closed.bought_shares, closed.sold_shares, closed.closings) == (5, 5, 2)


def test_what_a_person_claimed_stays_closed(desk: Desk) -> None:
    desk.limit(flatten_attempts=1)
    desk.approve(qty=2, clip=2)
    buy = desk.orders[0]
    desk.level()
    desk.fill(buy)
    desk.tick(2_000)
    for sell in desk.flattens:
        desk.close(sell)
    desk.tick(500)
    assert desk.pair.phase is PairPhase.STRANDED
    desk.hear(ResidualClaimed(
        pair_id=buy.pair_id, qty_shares=2, amount_krw=199_000, by="me", reason="sold by hand",
    ))  # fmt: skip
    desk.said.clear()
    last = desk.flattens[-1] if desk.flattens else buy
    desk.fill(last.model_copy(update={"order_id": f"{buy.pair_id}.1.s.9"}))
    assert desk.state.pairs == {}
    (alert,) = desk.all(AlertRaised)
    assert alert.severity == "critical"


@given(
    bought=st.integers(1, 50), sold=st.integers(0, 50), buy_krw=st.integers(1_000, 10**6),
    sell_krw=st.integers(1_000, 10**6), krx=st.booleans(),
)  # fmt: skip
def test_a_pair_opened_again_holds_the_money_that_it_was_closed_with(
    bought: int, sold: int, buy_krw: int, sell_krw: int, krx: bool
) -> None:
    desk = Desk().open_day()
    cheap = Venue.KRX if krx else Venue.NXT
    desk.book(cheap, 99_900, 100_000)
    desk.book(cheap.other, 100_500, 100_600)
    desk.approve(qty=50, clip=50, buy=cheap)
    buy = desk.orders[0]
    desk.part_fill(buy, bought, buy_krw)
    sold = min(bought, sold)
    pair = desk.pair
    facts = desk.facts(buy.model_copy(update={
        "order_id": f"{buy.pair_id}.1.s.1", "side": Side.SELL, "venue": buy.venue.other, "qty_shares": bought,
    }), sold, sell_krw, closed=True)  # fmt: skip
    desk.hear(o.OrderClosed(facts=facts, reason="filled"))
    pair = desk.pair
    again = reopened(pair.pair_id, closed_pair(pair), facts, desk.now_ns)
    for figure in ("bought_shares", "bought_krw", "sold_shares", "sold_krw"):
        assert getattr(again, figure)() == getattr(pair, figure)()
    assert (again.commission_krw, again.tax_krw) == (pair.commission_krw, pair.tax_krw)
    assert again.approval.buy_venue is pair.approval.buy_venue
    assert again.next_order_id(Side.SELL) == pair.next_order_id(Side.SELL)


def test_a_closed_pair_takes_up_an_order_again_that_lives_after_all(desk: Desk) -> None:
    """A sell was taken for never arrived, another sold the shares, and then the first got its number."""
    desk.approve()
    buy = desk.orders[0]
    desk.fill(buy)
    first = desk.sells[0]
    desk.unknown(first)
    desk.resolve(first, o.Resolution.NEVER_ARRIVED)
    desk.tick(1_000)
    desk.fill(desk.sells[-1], 100_400)
    desk.tick(4_000)
    assert desk.state.pairs == {}
    lives = o.OrderResolved(
        facts=desk.facts(first), resolution=o.Resolution.FOUND, evidence="its answer", reopens=True
    )
    desk.hear(lives)
    assert desk.pair.order(first.order_id) in desk.pair.open_orders
    assert desk.pair.available_shares < 0, "nothing more is sold of it"
    desk.tick(2_000)
    assert [cancel.target_order_id for cancel in desk.cancels][-1] == first.order_id
