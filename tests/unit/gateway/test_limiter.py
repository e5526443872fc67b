"""Whatever is asked and whenever: no window ever holds more calls than the broker takes."""

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from services.contracts.alert_codes import AlertCode
from services.contracts.limits import NS_PER_S, QUERY_LADDER
from services.contracts.messages.alerts import AlertRaised
from services.gateway.facts import Clocked
from services.gateway.limiter import ORDER_LADDER, after_call, tokens, wait_needed

from .desk import S, fresh, ready

GAPS = st.lists(st.integers(0, 900_000_000), max_size=120)


def calls_made(gaps: list[int], ladder: tuple[tuple[int, int], ...], kept: int = 0) -> list[int]:
    """The times of the calls that a caller makes who asks at each moment and obeys."""
    now_ns, history, made = 0, (), []
    for gap in gaps:
        now_ns += gap
        if wait_needed(history, now_ns, ladder, kept) == 0:
            history = after_call(history, now_ns, ladder)
            made.append(now_ns)
    return made


@given(GAPS)
def test_no_sliding_second_holds_a_sixth_order(gaps: list[int]) -> None:
    made = calls_made(gaps, ORDER_LADDER)
    assert all(sixth - first > NS_PER_S for first, sixth in zip(made, made[5:], strict=False))


@given(st.lists(st.integers(0, 20_000_000_000), max_size=300))
def test_every_rung_of_the_query_ladder_holds(gaps: list[int]) -> None:
    made = calls_made(gaps, QUERY_LADDER)
    for count, window_ns in QUERY_LADDER:
        assert all(late - early >= window_ns for early, late in zip(made, made[count:], strict=False))


@given(GAPS)
def test_waiting_as_long_as_told_is_always_enough(gaps: list[int]) -> None:
    now_ns, history = 0, ()
    for gap in gaps:
        now_ns += gap
        now_ns += wait_needed(history, now_ns, ORDER_LADDER)
        assert wait_needed(history, now_ns, ORDER_LADDER) == 0
        history = after_call(history, now_ns, ORDER_LADDER)


@given(GAPS, st.integers(0, 20))
def test_kept_tokens_are_left_for_others(gaps: list[int], kept: int) -> None:
    made = calls_made(gaps, QUERY_LADDER, kept)
    history = tuple(made)
    if made:
        assert tokens(history, made[-1], QUERY_LADDER) >= min(kept, 2)


@given(GAPS)
def test_tokens_say_how_many_calls_go_at_once(gaps: list[int]) -> None:
    made = tuple(calls_made(gaps, ORDER_LADDER))
    now_ns = (made[-1] if made else 0) + 300_000_000
    left, history = tokens(made, now_ns, ORDER_LADDER), made
    for _ in range(left):
        assert wait_needed(history, now_ns, ORDER_LADDER) == 0
        history = after_call(history, now_ns, ORDER_LADDER)
    assert wait_needed(history, now_ns, ORDER_LADDER) > 0


def test_queries_that_run_out_are_told_once_and_taken_back_when_there_is_room_again() -> None:
    """The hour holds a thousand: a fifth left is told, two fifths take it back."""
    desk = ready(fresh())

    def spend(queries: int) -> None:
        history = (desk.now_ns,) * queries
        desk.state = desk.state.but(desk=dataclasses.replace(desk.state.desk, history=history))
        desk.now_ns += 2 * S
        desk.feed(Clocked())

    def said() -> list[bool]:
        return [a.resolved for a in desk.told(AlertRaised) if a.code == AlertCode.QUERIES_SPENT]

    spend(799)
    assert said() == []
    spend(801)
    spend(801)
    assert said() == [False]
    spend(700)
    assert said() == [False], "it does not flap"
    spend(500)
    assert said() == [False, True]
