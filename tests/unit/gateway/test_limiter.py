"""Whatever is asked and whenever: no window ever holds more calls than the broker takes."""

import dataclasses
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.alert_codes import AlertCode
from services.contracts.limits import NS_PER_S, QUERY_LADDER
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.venue_state import ConnectionState
from services.gateway.core import recovered
from services.gateway.effects import Note, Send
from services.gateway.facts import Clocked, Connected, Started
from services.gateway.limiter import ORDER_LADDER, after_call, shifted, tokens, wait_needed
from services.runtime.parts import changed_parts, restore

from .desk import DATE, Desk, S, fresh, order, ready, reference

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


@given(GAPS, st.randoms(use_true_random=False))
def test_no_second_at_the_broker_holds_a_sixth_of_calls_that_were_slow(
    gaps: list[int], random: Random
) -> None:
    """The broker counts when a call arrives: one that was slow and five that were not come closer."""
    made = calls_made([0, 0, 0, 0, 0, NS_PER_S + 1_000_000, *gaps], ORDER_LADDER)
    lags = [100_000_000, *(random.choice((0, 100_000_000)) for _ in made)]
    arrived = sorted(at + lag for at, lag in zip(made, lags, strict=False))
    assert all(sixth - first >= NS_PER_S for first, sixth in zip(arrived, arrived[5:], strict=False))


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


@given(st.lists(st.integers(0, 10_000), max_size=60), st.integers(0, 10_000))
def test_a_history_ahead_of_the_clock_is_shifted_and_never_dropped(times: list[int], now: int) -> None:
    history = tuple(sorted(times))
    moved = shifted(history, now)
    assert len(moved) == len(history)
    assert list(moved) == sorted(moved)
    if max(times, default=now) <= now:
        assert moved == history
    else:
        assert moved[-1] == now
        back = [at - (history[-1] - now) for at in history if at > now]
        assert not back or set(back) <= set(moved)


class TestClockSetBack:
    """Redis's clock was set back by ten minutes, and then the gateway was started again."""

    def back(self, *, redis: bool) -> Desk:
        desk = ready(fresh())
        for number in range(4):
            pair = f"P{number}"
            buy = order(
                desk.now_ns, order_id=f"{pair}.1.b.1", pair_id=pair,
                symbol=reference().symbols[number].krx_code,
            )  # fmt: skip
            desk.hear(buy, pair)
        lines = [
            e.intention if isinstance(e, Send) else e.line for e in desk.effects if isinstance(e, Send | Note)
        ]
        assert len(desk.sends) >= 2
        stored = restore(fresh().state, changed_parts(None, desk.state)) if redis else fresh().state
        again = Desk(recovered(stored, lines, DATE), desk.now_ns - 600 * S)
        again.feed(Started())
        return again

    @pytest.mark.parametrize("redis", [True, False], ids=["stored", "known to the log alone"])
    def test_it_is_ready_soon_and_knows_what_became_of_its_orders(self, redis: bool) -> None:
        again = self.back(redis=redis)
        again.feed(Connected(0))
        again = ready(again)
        again.run(8)
        assert again.state.link.state is ConnectionState.READY
        assert again.state.orders.working == {}, "two queries apart do not show them"

    @pytest.mark.parametrize("redis", [True, False], ids=["stored", "known to the log alone"])
    def test_what_was_sent_counts_as_sent_now(self, redis: bool) -> None:
        again = self.back(redis=redis)
        now_ns = again.now_ns
        assert max(again.state.order_history) == now_ns
        assert wait_needed(again.state.desk.history, now_ns, QUERY_LADDER) <= QUERY_LADDER[1][1]
        assert all(record.sent_ns <= now_ns for record in again.state.orders.working.values())
