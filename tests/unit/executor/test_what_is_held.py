"""What a pair holds: what it cost, how it is split into orders, and that the rich venue is tried for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.limits import HARD_CLIP_SHARES, HARD_EXIT_KRW, NS_PER_MS
from services.contracts.messages.orders import OrderFilled
from services.contracts.messages.pairs import PairClosed, ResidualOpened
from services.contracts.terms import Purpose, Side, Venue
from services.contracts.trading_limits import TradingLimits
from services.executor.pricing import order_shares

from .desk import COSTS, LIMITS, Desk


def two_clips(first_krw: int, second_krw: int, bid_krw: int) -> Desk:
    """Return a desk that has bought and sold five at one price and holds five at another."""
    desk = Desk().open_day()
    desk.approve(qty=10, clip=5)
    desk.fill(desk.orders[-1], first_krw)
    desk.fill(desk.sells[-1])
    desk.book(Venue.KRX, 98_900, second_krw)
    desk.book(Venue.NXT, 100_500, 100_600)
    desk.tick(600)
    buy = desk.orders[-1]
    assert (buy.order_id, buy.side) == ("P1.2.b.1", Side.BUY)
    desk.book(Venue.NXT, bid_krw, bid_krw + 100)
    desk.fill(buy, second_krw)
    return desk


def test_a_dear_clip_is_not_sold_below_its_own_break_even() -> None:
    desk = two_clips(99_000, 100_000, 99_900)
    assert desk.sells[-1].purpose is Purpose.FLATTEN
    assert desk.last(ResidualOpened).cost_krw == 500_000


def test_a_cheap_clip_is_sold_at_the_profit_that_it_has() -> None:
    desk = two_clips(100_000, 99_000, 99_400)
    assert (desk.sells[-1].purpose, desk.sells[-1].price_krw) == (Purpose.EXIT, 99_400)
    assert COSTS.net_krw(Venue.KRX, 495_000, Venue.NXT, 497_000) > 0


@given(st.integers(1, 5), st.integers(98_000, 100_000), st.integers(98_000, 100_000))
def test_what_was_bought_first_is_sold_first(sold: int, first_krw: int, second_krw: int) -> None:
    desk = two_clips(first_krw, second_krw // 100 * 100, 100_500)
    paid_krw = second_krw // 100 * 100
    desk.part_fill(desk.sells[-1], sold)
    pair = next(iter(desk.state.pairs.values()), None)
    if pair is not None:
        assert (pair.uncovered_krw, pair.buy_price_krw) == (
            paid_krw * (5 - sold),
            paid_krw if sold < 5 else 0,
        )


def late_fill_of_an_earlier_clip() -> Desk:
    """Return a desk that holds forty of its first clip, told late, and fifty of its second."""
    desk = Desk(TradingLimits(clip_shares=50, max_pair_shares=200)).open_day()
    desk.approve(qty=200, clip=50)
    one = desk.orders[-1]
    desk.close(one, 10)
    desk.fill(desk.sells[-1])
    desk.tick(600)
    two = desk.orders[-1]
    facts = desk.facts(one, 50, 100_000, closed=True)
    desk.hear(OrderFilled(facts=facts, last_qty_shares=40, last_amount_krw=1, by_query=True))
    desk.fill(two)
    return desk


def test_more_than_one_order_may_carry_is_sold_in_several() -> None:
    desk = late_fill_of_an_earlier_clip()
    desk.fill(desk.sells[-1])
    desk.fill(desk.sells[-1])
    assert [sell.qty_shares for sell in desk.sells[-2:]] == [HARD_CLIP_SHARES, 40]
    assert not desk.all(ResidualOpened)


def test_the_ladder_goes_on_at_once_after_an_order_that_sold_wholly() -> None:
    """An order that sold all that it may carry is no attempt spent, whatever is left."""
    desk = late_fill_of_an_earlier_clip()
    desk.limit(flatten_attempts=1)
    desk.level(99_900)
    desk.close(desk.sells[-1])
    assert (desk.flattens[-1].qty_shares, desk.pair.available_shares) == (HARD_CLIP_SHARES, 40)
    desk.fill(desk.flattens[-1])
    assert [rung.qty_shares for rung in desk.flattens] == [HARD_CLIP_SHARES, 40]
    assert desk.flattens[0].price_krw == desk.flattens[1].price_krw
    desk.fill(desk.flattens[-1])
    assert desk.last(PairClosed).sold_shares == 100


@given(st.integers(1, 500), st.integers(1, 70_000_000))
def test_no_sell_is_larger_than_the_last_gate_lets_through(held: int, price_krw: int) -> None:
    shares = order_shares(held, price_krw)
    assert 1 <= shares <= min(held, HARD_CLIP_SHARES)
    assert shares == 1 or shares * price_krw <= HARD_EXIT_KRW


@pytest.mark.parametrize("after_ms", [1_000, 1_300, 2_500])
def test_shares_that_come_late_are_sold_at_the_rich_venue(after_ms: int) -> None:
    """Long after the first sale of the clip ended: the bid there still pays."""
    desk = Desk(LIMITS.model_copy(update={"buy_timeout_ms": 3_000})).open_day()
    desk.approve()
    buy = desk.orders[-1]
    desk.part_fill(buy, 2)
    desk.tick(200)
    desk.fill(desk.sells[-1])
    desk.live(after_ms)
    desk.part_fill(buy, 4)
    desk.accept(buy)
    desk.close(buy, 4)
    last = desk.sells[-1]
    assert (last.purpose, last.venue, last.qty_shares) == (Purpose.EXIT, Venue.NXT, 2)
    assert not desk.all(ResidualOpened)


def test_a_slow_turn_does_not_give_up_a_rich_bid_that_is_there_again() -> None:
    desk = Desk().open_day()
    desk.approve()
    desk.book(Venue.NXT, 0, 100_600)
    desk.fill(desk.orders[-1])
    desk.now_ns += 1_200 * NS_PER_MS
    desk.book(Venue.NXT, 100_500, 100_600)
    assert (desk.sells[-1].purpose, desk.sells[-1].venue) == (Purpose.EXIT, Venue.NXT)


def test_shares_that_come_late_wait_a_while_for_a_bid_of_the_rich_venue() -> None:
    desk = Desk(LIMITS.model_copy(update={"buy_timeout_ms": 3_000})).open_day()
    desk.approve()
    buy = desk.orders[-1]
    desk.part_fill(buy, 2)
    desk.tick(200)
    desk.fill(desk.sells[-1])
    desk.live(1_500)
    desk.book(Venue.NXT, 0, 100_600)
    desk.close(buy, 4)
    desk.tick(900)
    assert not desk.all(ResidualOpened)
    desk.tick(200)
    assert desk.last(ResidualOpened).qty_shares == 2
