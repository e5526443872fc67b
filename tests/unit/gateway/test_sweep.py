"""What rests on NXT before a pause is cancelled until that is confirmed, and none leaves too late for it."""

import pytest

from services.contracts.alert_codes import AlertCode
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.orders import CommandDenied
from services.contracts.reasons import GateReason
from services.contracts.terms import OrderKind, Purpose, SessionPhase, Venue

from .desk import Desk, S, at, chejan, exit_order, fresh, order, ready
from .test_order_truth import row

HUNDREDTH = S // 100


def holding() -> Desk:
    desk = ready(fresh(now_ns=at(15, 10)))
    desk.hear(order(desk.now_ns), "buy")
    send = desk.sends[-1]
    desk.answer(send, "0000001")
    desk.frame(**chejan(send, "0000001", "체결", remaining=0, cum=10, amount=1_995_000))
    desk.broker.rows = [row(send, "0000001", cum=10, amount=1_995_000, remaining=0)]
    return desk


def rest(desk: Desk, number: str = "0000002") -> None:
    """A limit sell that works on NXT."""
    desk.lease()
    desk.hear(exit_order(desk.now_ns, kind=OrderKind.LIMIT, purpose=Purpose.FLATTEN), "rest")
    send = desk.sends[-1]
    assert send.order_id == "P1.1.s.1", desk.told(CommandDenied)
    desk.answer(send, number)
    desk.broker.rows = [*desk.broker.rows, row(send, number, cum=0, amount=0, remaining=10)]


def until(desk: Desk, end_ns: int, *, refused: bool = True) -> int:
    """Let time pass; each cancel is refused without a number. Returns how many cancels left."""
    sent = answered = len(desk.sends)
    while desk.now_ns < end_ns:
        desk.lease()
        desk.tick(0.2)
        for send in desk.sends[answered:]:
            answered += 1
            if refused:
                desk.answer(send, "")
    return len(desk.sends) - sent


def left_over(desk: Desk) -> list[bool]:
    found = [m for m in desk.told(AlertRaised) if m.code == AlertCode.SWEEP_UNCONFIRMED]
    return [bool(m.resolved) for m in found]


@pytest.mark.parametrize("before_ns", [5 * HUNDREDTH, 2 * S])
def test_nothing_rests_that_a_cancel_may_not_reach_before_the_pause(before_ns: int) -> None:
    desk = holding()
    desk.now_ns = at(15, 20) - before_ns
    desk.tick(0)
    desk.lease()
    desk.hear(exit_order(desk.now_ns, kind=OrderKind.LIMIT, purpose=Purpose.FLATTEN), "late")
    assert desk.told(CommandDenied)[-1].reason is GateReason.WINDOW_CLOSED


def test_an_ioc_and_an_order_on_krx_may_leave_to_the_last() -> None:
    desk = holding()
    desk.now_ns = at(15, 19, 58)
    desk.tick(0)
    desk.lease()
    desk.hear(exit_order(desk.now_ns, qty_shares=5), "ioc")
    desk.hear(
        exit_order(
            desk.now_ns, order_id="P1.1.s.2", kind=OrderKind.LIMIT, venue=Venue.KRX, qty_shares=5,
            purpose=Purpose.FLATTEN,
        ),
        "krx",
    )  # fmt: skip
    assert [send.order_id for send in desk.sends[-2:]] == ["P1.1.s.1", "P1.1.s.2"]


def test_a_command_is_judged_by_its_own_moment_and_not_by_the_last_tick() -> None:
    desk = holding()
    desk.now_ns = at(15, 20) - HUNDREDTH
    desk.tick(0)
    desk.now_ns = at(15, 20) + 8 * HUNDREDTH
    desk.lease()
    desk.hear(exit_order(desk.now_ns, qty_shares=5), "ioc")
    assert desk.state.session.phases[Venue.NXT] is not SessionPhase.CONTINUOUS
    assert desk.told(CommandDenied)[-1].reason is GateReason.ORDER_KIND


def test_a_refused_sweep_goes_on_into_the_next_session_and_is_told() -> None:
    desk = holding()
    rest(desk)
    assert until(desk, at(15, 18, 59)) == 0
    assert until(desk, at(15, 20, 1)) >= 5
    assert left_over(desk) == [False]
    assert until(desk, at(15, 45)) >= 20
    desk.frame(**chejan(desk.sends[1], "0000002", "취소", remaining=0))
    desk.broker.rows = desk.broker.rows[:1]
    assert until(desk, at(15, 47)) == 0
    assert left_over(desk) == [False, True]


def test_what_is_sent_in_the_after_market_is_left_alone_until_its_own_sweep() -> None:
    desk = holding()
    desk.now_ns = at(15, 41)
    desk.tick(0)
    rest(desk)
    assert until(desk, at(15, 43)) == 0
    desk.now_ns = at(19, 58, 50)
    assert until(desk, at(19, 58, 59)) == 0
    assert until(desk, at(19, 59, 10)) > 0


def test_the_guards_of_the_entry_window_are_settings() -> None:
    desk = ready(fresh(now_ns=at(9, 4), guard_after_open_s=300, guard_before_pause_s=600))
    seen = {}
    for hour, minute, second in ((9, 5, 29), (9, 5, 31), (15, 9, 59), (15, 10, 1)):
        desk.now_ns = at(hour, minute, second)
        desk.tick(0)
        seen[hour, minute, second] = (desk.state.session.window.open, desk.state.session.window.sweep)
    assert list(seen.values()) == [(False, False), (True, False), (True, False), (False, True)]
