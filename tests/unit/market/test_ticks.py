from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.tick_grid import SHARE_TICKS as TICKS
from services.market.ticks import price_limits

prices = st.integers(1, 5_000_000)
on_tick = prices.map(TICKS.snap_up)


@pytest.mark.parametrize(
    ("price_krw", "tick"),
    [
        (1, 1), (1_999, 1), (2_000, 5), (4_999, 5), (5_000, 10), (19_990, 10), (20_000, 50), (49_950, 50),
        (50_000, 100), (199_900, 100), (200_000, 500), (499_500, 500), (500_000, 1_000), (2_735_000, 1_000),
    ],
)  # fmt: skip
def test_tick_table(price_krw: int, tick: int) -> None:
    assert TICKS.size(price_krw) == tick


@pytest.mark.parametrize("edge", [2_000, 5_000, 20_000, 50_000, 200_000, 500_000])
def test_a_step_over_an_edge_uses_the_tick_of_each_side(edge: int) -> None:
    below = edge - TICKS.size(edge - 1)
    above = edge + TICKS.size(edge)
    assert TICKS.step(edge, 1) == above
    assert TICKS.step(edge, -1) == below
    assert TICKS.step(below, 1) == edge
    assert TICKS.step(below, 2) == above
    assert TICKS.step(above, -2) == below
    assert TICKS.between(below, above) == 2


def test_the_fact_sheets_boundary_example() -> None:
    assert TICKS.step(199_900, 1) == 200_000
    assert TICKS.step(199_900, 2) == 200_500
    assert TICKS.step(200_000, -1) == 199_900


@pytest.mark.parametrize("price_krw", [0, -5])
def test_there_is_no_price_below_one(price_krw: int) -> None:
    assert not TICKS.is_on(price_krw)
    for function in (TICKS.size, TICKS.snap_down, TICKS.snap_up, partial(price_limits, grid=TICKS)):
        with pytest.raises(ValueError, match="at least 1 KRW"):
            function(price_krw)


def test_a_step_off_the_grid_or_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="not on the tick grid"):
        TICKS.step(200_100, 1)
    with pytest.raises(ValueError, match="below the lowest price"):
        TICKS.step(3, -3)
    assert TICKS.step(3, -2) == 1


@given(prices)
def test_snapping_gives_the_nearest_prices_on_the_grid(price_krw: int) -> None:
    down, up = TICKS.snap_down(price_krw), TICKS.snap_up(price_krw)
    assert TICKS.is_on(down)
    assert TICKS.is_on(up)
    assert down <= price_krw <= up
    assert TICKS.between(down, up) == (0 if TICKS.is_on(price_krw) else 1)


@given(on_tick, st.integers(-2_000, 2_000))
def test_steps_invert_and_are_counted(price_krw: int, n_ticks: int) -> None:
    try:
        there = TICKS.step(price_krw, n_ticks)
    except ValueError:
        assert n_ticks <= -price_krw or TICKS.between(1, price_krw) < -n_ticks
        return
    assert TICKS.is_on(there)
    assert TICKS.step(there, -n_ticks) == price_krw
    assert TICKS.between(price_krw, there) == n_ticks


@given(on_tick)
def test_one_step_up_adds_this_prices_own_tick(price_krw: int) -> None:
    assert TICKS.step(price_krw, 1) == price_krw + TICKS.size(price_krw)


@given(on_tick, on_tick, on_tick)
def test_ticks_add_up_over_any_stop(a: int, b: int, c: int) -> None:
    assert TICKS.between(a, b) + TICKS.between(b, c) == TICKS.between(a, c)
    assert (TICKS.between(a, b) > 0) == (b > a)


@pytest.mark.parametrize(
    ("base_krw", "lower", "upper"),
    [
        (199_400, 139_600, 259_000),
        (201_500, 141_500, 261_500),
        (50_000, 35_000, 65_000),
        (1_007_000, 705_000, 1_309_000),
        (1_000, 700, 1_300),
    ],
)
def test_price_limits(base_krw: int, lower: int, upper: int) -> None:
    assert price_limits(base_krw, TICKS) == (lower, upper)


@given(on_tick)
def test_limits_are_on_tick_and_within_thirty_percent(base_krw: int) -> None:
    lower, upper = price_limits(base_krw, TICKS)
    assert TICKS.is_on(lower)
    assert TICKS.is_on(upper)
    assert 10 * lower >= 7 * base_krw
    assert 10 * upper <= 13 * base_krw
    assert lower <= base_krw <= upper
