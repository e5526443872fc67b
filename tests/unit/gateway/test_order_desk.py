"""Commands on their way to SendOrder: ranks, tokens, budget, cancels, and what the call returned."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.contracts.alert_codes import AlertCode
from services.contracts.limits import NS_PER_S
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.commands import CancelOrder
from services.contracts.messages.control import StopRequested, TradingStateChanged
from services.contracts.messages.orders import (
    CancelRejected,
    CommandDenied,
    OrderClosed,
    OrderRejected,
    OrderSent,
    OrderUnknown,
)
from services.contracts.reasons import GateReason
from services.contracts.terms import (
    GatewayMode,
    OrderKind,
    Purpose,
    Severity,
    Side,
    Symbol,
    TradingDate,
    TradingState,
    Venue,
)
from services.gateway.control_calls import OrderPort
from services.gateway.core import recovered
from services.gateway.effects import Note, Send
from services.gateway.facts import ELSEWHERE, LATE, SendReturned, SendWithheld
from services.gateway.intention_log import IntentionLog, Line, not_sent
from services.gateway.state import GatewayState, initial_state

from .desk import DATE, Desk, chejan, exit_order, fresh, order, ready

SYMBOLS = [Symbol("005930"), Symbol("000660"), Symbol("005380"), Symbol("373220")]
_READY = ready(fresh())
DAY_NS = 24 * 3600 * NS_PER_S


def denials(desk: Desk) -> list[tuple[str, GateReason]]:
    return [(m.order_id, m.reason) for m in desk.told(CommandDenied)]


def entry(desk: Desk, at: int, **changes: Any) -> None:
    """An entry of a pair of its own; a different symbol each time keeps the gate's other checks away."""
    fields = {"order_id": f"P{at}.1.b.1", "pair_id": f"P{at}", "symbol": SYMBOLS[at % 4], **changes}
    desk.hear(order(desk.now_ns, **fields), f"e{at}")


def cancel(desk: Desk, target: str, order_id: str = "c1", **fields: Any) -> None:
    message = CancelOrder(order_id=order_id, target_order_id=target, pair_id="P1", reason="test", **fields)
    desk.hear(message, order_id)


def working(desk: Desk, kind: OrderKind = OrderKind.LIMIT, **changes: Any) -> Send:
    desk.hear(order(desk.now_ns, kind=kind, **changes), "w")
    desk.answer(desk.sends[-1], "0000500")
    return desk.sends[-1]


def holding(desk: Desk, qty: int = 10) -> None:
    """Let the pair P1 hold shares."""
    desk.hear(order(desk.now_ns, qty_shares=qty), "buy")
    send = desk.sends[-1]
    desk.answer(send, "0000400")
    desk.frame(**chejan(send, "0000400", "체결", remaining=0, cum=qty, amount=qty * 199_500))


def logged(desk: Desk) -> list[Line]:
    """The lines of the log that a desk's effects come to."""
    return [
        e.intention if isinstance(e, Send) else e.line for e in desk.effects if isinstance(e, Send | Note)
    ]


def the_next_day(desk: Desk, stored: GatewayState) -> Desk:
    """The gateway started on the next date, with the state that Redis has and the log that the disk has."""
    durable = {name: getattr(stored, name) for name in stored.DURABLE}
    state = initial_state(stored.settings, stored.rules, stored.clock).but(**durable)
    return Desk(recovered(state, [], TradingDate("2026-11-24"), logged(desk)), desk.now_ns + DAY_NS)


def test_the_nine_arguments_are_what_the_sheet_says(desk: Desk) -> None:
    desk.hear(order(desk.now_ns, venue=Venue.NXT), "o")
    (send,) = desk.sends
    assert send.args == (
        "P1.1.b.1", "5000", "8012345611", 21, "005930", 10, 199_500, "10", "",
    )  # fmt: skip
    assert send.lease_until_mono_ns > 0
    assert len(desk.told(OrderSent)) == 1


def test_each_order_has_a_screen_of_its_own(desk: Desk) -> None:
    for at in range(3):
        entry(desk, at)
        desk.answer(desk.sends[-1], f"000060{at}")
        desk.run(1.2)
    assert len({send.args[1] for send in desk.sends}) == 3


def test_an_exit_goes_before_an_entry_that_waited_longer(desk: Desk) -> None:
    holding(desk)
    desk.run(2)
    desk.state = desk.state.but(order_history=tuple(desk.now_ns - n for n in (5, 4, 3, 2, 1)))
    entry(desk, 1, expires_at_ns=desk.now_ns + 1_700_000_000)
    desk.hear(exit_order(desk.now_ns), "x")
    before = len(desk.sends)
    desk.run(1.3)
    assert desk.sends[before].args[3] == 22


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, 300_000_000), st.integers(0, 3)), min_size=8, max_size=60))
def test_whatever_comes_no_second_sees_a_sixth_order(commands: list[tuple[int, int]]) -> None:
    desk = Desk(_READY.state, _READY.now_ns)
    times: list[int] = []
    for at, (gap, symbol) in enumerate(commands):
        desk.now_ns += gap
        desk.lease()
        before = len(desk.sends)
        entry(desk, at * 4 + symbol)
        times += [desk.now_ns] * (len(desk.sends) - before)
        for send in desk.sends[before:]:
            desk.answer(send, f"{1000 + at:07d}")
            desk.frame(**chejan(send, f"{1000 + at:07d}", "취소", remaining=0))
    assert all(sixth - first > NS_PER_S for first, sixth in zip(times, times[5:], strict=False))


class TestSendReturned:
    def test_308_waits_and_goes_again_with_the_same_id(self, desk: Desk) -> None:
        holding(desk)
        desk.run(2)
        desk.send_code = -308
        desk.hear(exit_order(desk.now_ns), "x")
        assert not denials(desk)
        desk.send_code = 0
        desk.run(1.4)
        assert [send.order_id for send in desk.sends[1:]] == ["P1.1.s.1"] * 2

    def test_308_is_not_tried_beyond_its_time(self, desk: Desk) -> None:
        holding(desk)
        desk.run(2)
        desk.send_code = -308
        desk.hear(exit_order(desk.now_ns), "x")
        desk.run(4)
        assert len(desk.sends[1:]) <= 2
        assert denials(desk) == [("P1.1.s.1", GateReason.ORDER_BUDGET)]

    def test_another_code_is_a_rejection(self, desk: Desk) -> None:
        desk.send_code = -303
        desk.hear(order(desk.now_ns), "o")
        (rejected,) = desk.told(OrderRejected)
        assert rejected.code == "-303"

    @pytest.mark.parametrize("code", [-301, -302, -311])
    def test_codes_that_mean_no_orders_at_all_stop_further_orders(self, desk: Desk, code: int) -> None:
        desk.send_code = code
        desk.hear(order(desk.now_ns), "o")
        entry(desk, 2)
        assert denials(desk) == [("P2.1.b.1", GateReason.NOT_READY)]

    @pytest.mark.parametrize(
        ("why", "reason"),
        [("lease", GateReason.LEASE), ("halt_file", GateReason.HALT_FILE), ("log", GateReason.LOG_FAILED)],
    )
    def test_what_the_shell_withheld_was_never_sent(
        self, desk: Desk, why: str, reason: GateReason, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def withhold(self: Desk, effect: Any) -> None:
            if isinstance(effect, Send):
                self.feed(SendWithheld(effect.order_id, why, logged=True))

        monkeypatch.setattr(Desk, "_do", withhold)
        desk.hear(order(desk.now_ns), "o")
        assert denials(desk) == [("P1.1.b.1", reason)]
        assert not desk.state.working


class TestCancel:
    def test_of_a_queued_order_removes_it_here(self, desk: Desk) -> None:
        desk.state = desk.state.but(order_history=tuple(desk.now_ns - n for n in (5, 4, 3, 2, 1)))
        entry(desk, 1)
        cancel(desk, "P1.1.b.1")
        assert denials(desk) == [("P1.1.b.1", GateReason.REMOVED)]
        desk.run(2)
        assert desk.sends == []

    def test_names_the_number_the_venue_and_nothing_else(self, desk: Desk) -> None:
        working(desk, venue=Venue.NXT)
        cancel(desk, "P1.1.b.1")
        assert desk.sends[-1].args[2:] == ("8012345611", 23, "005930", 0, 0, "00", "0000500")

    def test_waits_for_the_number_of_its_target(self, desk: Desk) -> None:
        desk.hear(order(desk.now_ns), "o")
        cancel(desk, "P1.1.b.1")
        assert len(desk.sends) == 1
        desk.answer(desk.sends[0], "0000500")
        assert len(desk.sends) == 2

    def test_is_not_a_cancel_until_the_target_says_so(self, desk: Desk) -> None:
        send = working(desk)
        cancel(desk, "P1.1.b.1")
        desk.answer(desk.sends[-1], "0000501")
        desk.frame(
            **chejan(
                desk.sends[-1], "0000501", "확인", remaining=0, f905="매수취소", f907="2", f904="0000500"
            )
        )
        assert not desk.told(OrderClosed)
        desk.frame(**chejan(send, "0000500", "접수", remaining=0))
        (closed,) = desk.told(OrderClosed)
        assert (closed.reason, closed.facts.order_id) == ("cancelled", "P1.1.b.1")

    def test_refused_leaves_the_target_as_it_is(self, desk: Desk) -> None:
        working(desk)
        cancel(desk, "P1.1.b.1")
        desk.answer(desk.sends[-1], "")
        desk.run(0.3)
        (rejected,) = desk.told(CancelRejected)
        assert rejected.facts.order_id == "P1.1.b.1"
        assert not rejected.facts.closed

    @pytest.mark.parametrize("target", ["nobody", "P1.1.b.1"])
    def test_of_nothing_or_of_what_is_over_is_denied(self, desk: Desk, target: str) -> None:
        holding(desk)
        cancel(desk, target)
        assert denials(desk) == [("c1", GateReason.TARGET_UNKNOWN)]

    def test_of_what_was_never_sent_says_so_and_it_never_will_be(self, desk: Desk) -> None:
        """Found by a virtual day: Redis forgot that the order had been denied, and nobody said it again."""
        cancel(desk, "P1.1.b.1", trading_date=DATE)
        assert denials(desk) == [("c1", GateReason.TARGET_UNKNOWN), ("P1.1.b.1", GateReason.NEVER_SENT)]
        desk.hear(order(desk.now_ns), "late")
        assert not desk.sends
        assert denials(desk)[2:] == [("P1.1.b.1", GateReason.NEVER_SENT)]

    def test_of_what_was_denied_tells_the_denial_again(self, desk: Desk) -> None:
        desk.hear(order(desk.now_ns, price_krw=199_501), "off its tick")
        cancel(desk, "P1.1.b.1", trading_date=DATE)
        assert [m for m in denials(desk) if m[0] == "P1.1.b.1"] == [("P1.1.b.1", GateReason.COLLAR)] * 2

    @pytest.mark.parametrize("date", ["", "2026-11-20"])
    def test_of_another_date_says_nothing_of_its_target(self, desk: Desk, date: str) -> None:
        cancel(desk, "P1.1.b.1", trading_date=TradingDate(date))
        assert denials(desk) == [("c1", GateReason.TARGET_UNKNOWN)]
        desk.hear(order(desk.now_ns), "now")
        assert desk.sends

    def test_of_what_only_the_log_knows_is_no_denial(self, desk: Desk) -> None:
        """Redis lost everything, the order did not: the log of intentions is the judge."""
        holding(desk)
        again = ready(Desk(recovered(fresh().state, logged(desk), DATE), desk.now_ns))
        cancel(again, "P1.1.b.1", trading_date=DATE)
        assert denials(again) == [("c1", GateReason.TARGET_UNKNOWN)]
        assert [m.facts.order_id for m in again.told(OrderClosed)][-1] == "P1.1.b.1"

    def test_of_yesterdays_order_says_what_is_known_of_it(self, desk: Desk) -> None:
        holding(desk)
        again = ready(the_next_day(desk, desk.state))
        cancel(again, "P1.1.b.1", trading_date=DATE)
        assert denials(again) == [("c1", GateReason.TARGET_UNKNOWN)]
        assert [m.facts.order_id for m in again.told(OrderClosed)] == ["P1.1.b.1"]

    def test_goes_even_when_everything_else_is_stopped(self, desk: Desk) -> None:
        working(desk)
        desk.hear(TradingStateChanged(state=TradingState.DISARMED, by="t", reason="t", latches=()), "d")
        cancel(desk, "P1.1.b.1")
        assert desk.sends[-1].args[3] == 3


class TestYesterday:
    """An order may have left although nothing but its day's log says so: it is never denied."""

    @pytest.mark.parametrize("stored", [False, True], ids=["not stored", "stored"])
    def test_a_command_whose_order_was_sent_then_is_unknown_and_alarmed(
        self, desk: Desk, stored: bool
    ) -> None:
        command, before = order(desk.now_ns), desk.state
        desk.hear(command, "o")
        again = ready(the_next_day(desk, desk.state if stored else before))
        assert [m.facts.order_id for m in again.told(OrderUnknown)] == ["P1.1.b.1"]
        again.hear(command, "o")
        assert not again.sends
        assert not denials(again)
        assert [m.facts.order_id for m in again.told(OrderUnknown)] == ["P1.1.b.1"] * 2
        (alarm,) = [m for m in again.told(AlertRaised) if m.code == AlertCode.OLD_ORDERS]
        assert (alarm.severity, "P1.1.b.1" in str(alarm.facts)) == (Severity.CRITICAL, True)

    def test_one_that_was_seen_to_close_is_told_with_its_fills_and_alarms_nobody(self, desk: Desk) -> None:
        command, before = order(desk.now_ns), desk.state
        holding(desk)
        again = ready(the_next_day(desk, before))
        again.hear(command, "o")
        assert [m.facts.cum_qty_shares for m in again.told(OrderClosed)] == [10]
        assert not [m for m in again.told(AlertRaised) if m.code == AlertCode.OLD_ORDERS]

    def test_one_that_never_left_is_denied(self, desk: Desk) -> None:
        again = ready(the_next_day(desk, desk.state))
        again.hear(order(desk.now_ns), "o")
        assert denials(again) == [("P1.1.b.1", GateReason.EXPIRED)]

    def test_a_gateway_that_lives_through_the_night_knows_it_too(self, desk: Desk) -> None:
        command = order(desk.now_ns)
        desk.hear(command, "o")
        desk.now_ns += DAY_NS
        desk.tick()
        desk.said.clear()
        desk.hear(command, "o")
        assert (len(desk.told(OrderUnknown)), denials(desk)) == (1, [])


class TestStops:
    def test_a_halt_request_blocks_and_takes_back_before_risk_confirms(self, desk: Desk) -> None:
        working(desk)
        desk.hear(StopRequested(target=TradingState.HALTED, by="t", reason="t"), "h")
        assert desk.sends[-1].args[3] == 3
        desk.hear(exit_order(desk.now_ns, pair_id="P9"), "x")
        assert denials(desk)[-1][1] is GateReason.HALTED

    def test_a_halt_file_takes_back_everything_and_its_removal_lets_go_on(self, desk: Desk) -> None:
        working(desk)
        desk.tick(0.1, halt_file=True)
        assert desk.sends[-1].args[3] == 3
        entry(desk, 2)
        assert denials(desk)[-1][1] is GateReason.HALT_FILE
        desk.tick(0.1, halt_file=False)
        desk.lease()
        entry(desk, 3)
        assert desk.sends[-1].order_id == "P3.1.b.1"

    def test_a_lapsed_lease_takes_back_entries_only(self, desk: Desk) -> None:
        holding(desk)
        desk.run(2)
        resting = {"kind": OrderKind.LIMIT, "qty_shares": 1, "price_krw": 200_000}
        desk.hear(exit_order(desk.now_ns, **resting), "x")
        desk.answer(desk.sends[-1], "0000700")
        entry(desk, 2, kind=OrderKind.LIMIT)
        desk.answer(desk.sends[-1], "0000701")
        before = len(desk.sends)
        desk.run(4, lease=False)
        assert [send.args[8] for send in desk.sends[before:] if send.args[3] in (3, 23)][:1] == ["0000701"]
        assert "0000700" not in {send.args[8] for send in desk.sends[before:]}

    def test_flatten_by_a_person_sells_in_a_halt(self, desk: Desk) -> None:
        holding(desk)
        desk.hear(StopRequested(target=TradingState.HALTED, by="t", reason="t"), "h")
        desk.flatten("005930")
        desk.hear(exit_order(desk.now_ns, purpose=Purpose.FLATTEN), "x")
        assert desk.sends[-1].args[3] == 22

    def test_the_window_closes_by_the_clock_without_any_message(self, desk: Desk) -> None:
        closes_ns = desk.state.session.window.closes_at_ns
        desk.now_ns = closes_ns
        desk.lease()
        entry(desk, 1)
        assert denials(desk) == [("P1.1.b.1", GateReason.WINDOW_CLOSED)]

    def test_before_the_pause_everything_on_nxt_is_swept(self, desk: Desk) -> None:
        holding(desk)
        desk.hear(exit_order(desk.now_ns, kind=OrderKind.LIMIT, price_krw=200_000), "x")
        desk.answer(desk.sends[-1], "0000700")
        desk.now_ns = desk.state.session.window.closes_at_ns
        desk.tick()
        assert desk.sends[-1].args[3] == 23


class TestSupersede:
    def test_a_replaced_attempt_is_never_sent(self, desk: Desk) -> None:
        holding(desk)
        desk.hear(exit_order(desk.now_ns, order_id="P1.1.s.2", supersedes="P1.1.s.1", qty_shares=5), "x2")
        desk.hear(exit_order(desk.now_ns, order_id="P1.1.s.1", qty_shares=5), "x1")
        assert denials(desk) == [("P1.1.s.1", GateReason.SUPERSEDED)]


class TestPort:
    """The one place that sends: intention on disk first, lease and HALT file looked at last."""

    class Control:
        def __init__(self, log: Path) -> None:
            self.log, self.lines_at_call = log, -1

        def send_order(self, args: list[Any]) -> int:
            self.lines_at_call = len(list(self.log.glob("*"))) and self.log_lines()
            return 0

        def log_lines(self) -> int:
            return sum(len(path.read_text().splitlines()) for path in self.log.glob("*.jsonl"))

    def effect(self, lease_until: int = 0) -> Send:
        return Send("o", ("o",) * 9, {"k": "not_sent", "id": "o"}, "2026-11-23", lease_until)  # type: ignore[arg-type]

    def test_the_intention_is_on_disk_before_the_call(self, tmp_path: Path) -> None:
        control = self.Control(tmp_path)
        port = OrderPort(control, IntentionLog(tmp_path), lambda: False)  # type: ignore[arg-type]
        returned = port.send(self.effect())
        assert isinstance(returned, SendReturned)
        assert (returned.order_id, returned.code) == ("o", 0)
        assert control.lines_at_call == 1

    @pytest.mark.parametrize(("synced_ns", "sent"), [(199, True), (200, False)])
    def test_a_lease_that_lapsed_while_the_disk_wrote_withholds(
        self, tmp_path: Path, synced_ns: int, sent: bool
    ) -> None:
        times = iter((0, synced_ns, 300))
        control: Any = self.Control(tmp_path)
        port = OrderPort(control, IntentionLog(tmp_path), lambda: False, lambda: next(times))
        found = port.send(self.effect(lease_until=200))
        assert (found == SendWithheld("o", "lease", logged=True)) is not sent
        assert (control.lines_at_call == -1) is not sent

    @pytest.mark.parametrize(("synced_ns", "sent"), [(200, True), (201, False)])
    def test_an_entry_whose_disk_took_too_long_is_withheld(
        self, tmp_path: Path, synced_ns: int, sent: bool
    ) -> None:
        times = iter((0, synced_ns, 300))
        effect = replace(self.effect(), leave_by_mono_ns=200)
        control: Any = self.Control(tmp_path)
        found = OrderPort(control, IntentionLog(tmp_path), lambda: False, lambda: next(times)).send(effect)
        assert (found == SendWithheld("o", LATE, logged=True)) is not sent
        assert (control.lines_at_call == -1) is not sent

    def test_a_halt_file_that_came_meanwhile_withholds(self, tmp_path: Path) -> None:
        control = self.Control(tmp_path)
        port = OrderPort(control, IntentionLog(tmp_path), lambda: True)  # type: ignore[arg-type]
        assert port.send(self.effect()) == SendWithheld("o", "halt_file", logged=True)

    def test_an_order_that_another_gateway_has_logged_meanwhile_is_not_sent(self, tmp_path: Path) -> None:
        """One was paused, its successor sent the order, and then it went on with what it had read before."""
        desk = ready(fresh())
        desk.hear(order(desk.now_ns), "o")
        (send,) = desk.sends
        paused, successor = IntentionLog(tmp_path), IntentionLog(tmp_path)
        paused.read(send.trading_date)
        control = self.Control(tmp_path)
        assert isinstance(OrderPort(control, successor, lambda: False).send(send), SendReturned)  # type: ignore[arg-type]
        control.lines_at_call = -1
        held = OrderPort(control, paused, lambda: False).send(send)  # type: ignore[arg-type]
        assert held == SendWithheld(send.order_id, ELSEWHERE, logged=False)
        assert control.lines_at_call == -1
        desk.feed(held)
        assert desk.told(OrderUnknown)[-1].facts.order_id == send.order_id
        assert desk.state.orders.get(send.order_id) is not None, "it is never sent again"

    def test_an_order_that_goes_again_after_308_is_not_taken_for_anothers(self, tmp_path: Path) -> None:
        desk = ready(fresh())
        desk.hear(order(desk.now_ns), "o")
        (send,) = desk.sends
        log = IntentionLog(tmp_path)
        port = OrderPort(self.Control(tmp_path), log, lambda: False)  # type: ignore[arg-type]
        assert isinstance(port.send(send), SendReturned)
        log.append(send.trading_date, not_sent(send.order_id), sync=False)
        assert isinstance(port.send(send), SendReturned)

    def test_a_log_that_cannot_be_read_again_withholds(self, tmp_path: Path) -> None:
        class Blind(IntentionLog):
            def written_twice(self, trading_date: str, order_id: str) -> bool:
                raise OSError("gone")

        port = OrderPort(self.Control(tmp_path), Blind(tmp_path), lambda: False)  # type: ignore[arg-type]
        assert port.send(self.effect()) == SendWithheld("o", ELSEWHERE, logged=False)

    def test_a_disk_that_fails_withholds(self, tmp_path: Path) -> None:
        control = self.Control(tmp_path)
        (tmp_path / "file").write_text("")
        port = OrderPort(control, IntentionLog(tmp_path / "file"), lambda: False)  # type: ignore[arg-type]
        assert port.send(self.effect()) == SendWithheld("o", "log", logged=False)
        assert control.lines_at_call == -1


def test_observe_denies_every_command() -> None:
    desk = ready(fresh(GatewayMode.OBSERVE))
    desk.hear(order(desk.now_ns), "o")
    cancel(desk, "P1.1.b.1")
    assert {reason for _, reason in denials(desk)} == {GateReason.MODE}
    assert desk.sends == []


def test_a_side_that_adds_exposure_is_bought(desk: Desk) -> None:
    desk.hear(order(desk.now_ns, side=Side.SELL), "o")
    assert denials(desk) == [("P1.1.b.1", GateReason.ORDER_KIND)]
