"""The broker's limits: five orders and five queries in any second, and the guard behind them."""

from hypothesis import given
from hypothesis import strategies as st

from services.simulator.limits import SECOND_NS, LoadGuard, SlidingLimit
from services.simulator.options import BrokerOptions

from .harness import Desk, options

gaps = st.lists(st.integers(0, 400), min_size=1, max_size=120)


@given(gaps, st.integers(1, 8))
def test_no_second_ever_sees_more_than_the_limit(gaps_ms: list[int], limit: int) -> None:
    window = SlidingLimit(limit)
    now, let_in = 10**18, []
    for gap in gaps_ms:
        now += gap * 1_000_000
        if window.admit(now):
            let_in.append(now)
    for start in let_in:
        assert sum(1 for at in let_in if start <= at <= start + SECOND_NS) <= limit
    assert window.admitted == len(let_in)
    assert window.admitted + window.refused == len(gaps_ms)
    assert 0 < window.max_observed <= limit


@given(gaps)
def test_nothing_is_refused_that_the_limit_allows(gaps_ms: list[int]) -> None:
    window = SlidingLimit(5)
    now, let_in = 10**18, []
    for gap in gaps_ms:
        now += gap * 1_000_000
        room = sum(1 for at in let_in if at >= now - SECOND_NS) < 5
        assert window.admit(now) is room
        if room:
            let_in.append(now)


def test_the_sixth_order_of_a_second_is_not_sent() -> None:
    desk = Desk()
    codes = [desk.order(1, "005930", 1, 190_000) for _ in range(6)]
    assert codes == [0, 0, 0, 0, 0, -308]
    desk.run(500)
    assert len(desk.truth["arrivals"]) == 5
    assert desk.order(1, "005930", 1, 190_000) == -308
    desk.run(600)
    assert desk.order(1, "005930", 1, 190_000) == 0
    assert desk.truth["max_orders_per_s"] == 5
    assert desk.truth["orders_refused"] == 2


def test_cancels_count_as_orders_and_queries_do_not() -> None:
    desk = Desk()
    for _ in range(5):
        desk.order(3, "005930", 0, 0, original="0000001")
    assert desk.order(1, "005930", 1, 190_000) == -308
    assert desk.call("CommRqData", "r", "OPW00001", 0, "3000") == 0


def test_the_sixth_query_of_a_second_is_refused_and_watch_lists_count_too() -> None:
    desk = Desk()
    codes = [desk.call("CommRqData", "r", "OPW00001", 0, "3000") for _ in range(4)]
    codes.append(desk.call("CommKwRqData", "005930", 0, 1, 0, "r", "3000"))
    codes.append(desk.call("CommKwRqData", "005930", 0, 1, 0, "r", "3000"))
    assert codes == [0, 0, 0, 0, 0, -200]
    desk.run(1_100)
    assert len(desk.answers) == 5
    assert desk.call("CommRqData", "r", "OPW00001", 0, "3000") == 0


def test_too_many_queries_over_time_are_refused_until_the_next_login() -> None:
    guard = LoadGuard(((3, 60),))
    assert [guard.admit(second * SECOND_NS) for second in range(5)] == [True, True, True, False, False]
    assert not guard.admit(1_000 * SECOND_NS)
    guard.reset()
    assert guard.admit(1_000 * SECOND_NS)

    desk = Desk(options(broker=BrokerOptions(sustained_queries=((2, 60),))))
    assert [desk.call("CommRqData", "r", "OPW00001", 0, "3000") for _ in range(3)] == [0, 0, -209]
    desk.run(70_000, step_ms=500)
    assert desk.call("CommRqData", "r", "OPW00001", 0, "3000") == -209
    desk.call("CommConnect")
    desk.run(100)
    assert desk.call("CommRqData", "r", "OPW00001", 0, "3000") == 0
