"""Prices of sells: on the grid, above break-even, within floor and band."""

from hypothesis import given
from hypothesis import strategies as st

from services.contracts.messages.venue_state import PriceBand
from services.contracts.terms import Venue
from services.contracts.tick_grid import SHARE_TICKS as TICKS
from services.contracts.trading_limits import TradingLimits
from services.executor.pricing import buy_limit, loss_floor, rung_price, sell_limit
from services.market.ticks import price_limits

from .desk import COSTS

prices = st.integers(1_000, 1_500_000).map(TICKS.snap_down)


@given(prices, st.integers(1, 50), st.integers(-300, 300), st.integers(1, 50), st.sampled_from(Venue))
def test_an_exit_loses_nothing_is_on_the_grid_and_within_the_collar(
    buy: int, qty: int, bps: int, collar: int, venue: Venue
) -> None:
    bid = TICKS.snap_down(max(1, buy * (10_000 + bps) // 10_000))
    floor = COSTS.break_even_sell_price_krw(venue, buy, venue.other, qty)
    limit = sell_limit(floor, ((bid, 1), (TICKS.snap_down(bid // 2), 100)), qty, collar, TICKS)
    if limit is None:
        assert bid < floor
    else:
        assert TICKS.is_on(limit) and limit <= bid and TICKS.between(limit, bid) <= collar
        assert COSTS.net_krw(venue, buy * qty, venue.other, limit * qty) >= 0


@given(prices, prices, st.integers(1, 50))
def test_an_entry_never_pays_more_than_approved(approved: int, ask: int, collar: int) -> None:
    price = buy_limit(approved, ((ask, 5),), collar, TICKS)
    assert TICKS.is_on(price) and price <= approved
    assert price == approved or TICKS.between(ask, price) == collar


@given(prices, prices, st.integers(1, 12), st.integers(1, 10), st.integers(1, 50))
def test_a_rung_is_on_the_grid_within_floor_band_and_collar(
    buy: int, bid: int, attempt: int, steps: int, collar: int
) -> None:
    limits = TradingLimits(flatten_step_ticks=steps, collar_ticks=collar)
    floor = TICKS.snap_up(loss_floor(limits, buy))
    lower, upper = price_limits(bid, TICKS)
    price = rung_price(
        limits, bid, attempt, floor, PriceBand(base_krw=bid, lower_krw=lower, upper_krw=upper), TICKS
    )
    assert TICKS.is_on(price) and price >= floor and price >= lower
    if price > max(floor, lower):
        assert TICKS.between(price, bid) == min(steps * attempt, collar)


@given(prices, st.integers(10, 2_900))
def test_the_loss_bound_is_never_passed(buy: int, bps: int) -> None:
    floor = loss_floor(TradingLimits(max_loss_per_share_bps=bps), buy)
    assert floor >= 1 and (buy - floor) * 10_000 <= buy * bps


def test_a_bid_at_one_won_can_still_be_stepped_through() -> None:
    assert rung_price(TradingLimits(), 1, 6, 1, None, TICKS) == 1
