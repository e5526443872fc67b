"""What ends an entry or an earlier permission: a state, a halt, a restriction of the broker, a closed day."""

import errno
from pathlib import Path
from typing import Any

import pytest

from services.contracts.alert_codes import AlertCode
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.control import StopRequested, TradingStateChanged
from services.contracts.messages.orders import CommandDenied
from services.contracts.messages.venue_state import ConnectionChanged
from services.contracts.terms import OrderKind, Purpose, Severity, Symbol, TradingDate, TradingState, Venue
from services.gateway.control_calls import OrderPort
from services.gateway.core import recovered
from services.gateway.effects import EXIT_PLANNED_CUT, EXIT_RECONNECT, Effect, Exit, Query, Send
from services.gateway.facts import Connected, QueryReturned
from services.gateway.intention_log import IntentionLog, Line
from services.market.dates import midnight_wall_ns

from .desk import Desk, S, chejan, exit_order, fresh, order, ready
from .test_order_truth import row


@pytest.mark.parametrize("state", [TradingState.DISARMED, TradingState.REDUCE_ONLY])
def test_an_entry_that_works_is_taken_back_where_the_state_allows_none(state: TradingState) -> None:
    desk = ready(fresh())
    desk.hear(order(desk.now_ns, kind=OrderKind.LIMIT, venue=Venue.NXT), "buy")
    desk.answer(desk.sends[0], "0000010")
    desk.hear(TradingStateChanged(state=state, by="kim", reason="t", latches=()), "s")
    desk.run(1)
    assert [send.args[8] for send in desk.sends[1:]] == ["0000010"]


def test_a_pause_of_entries_lets_the_open_clip_complete() -> None:
    desk = ready(fresh())
    desk.hear(order(desk.now_ns, kind=OrderKind.LIMIT, venue=Venue.NXT), "buy")
    desk.answer(desk.sends[0], "0000010")
    desk.hear(TradingStateChanged(state=TradingState.PAUSE_ENTRY, by="kim", reason="t", latches=()), "s")
    desk.run(1)
    assert len(desk.sends) == 1


def halted(desk: Desk) -> None:
    desk.hear(StopRequested(target=TradingState.HALTED, by="lee", reason="t"), "h")
    desk.hear(TradingStateChanged(state=TradingState.HALTED, by="lee", reason="t", latches=()), "h2")


def flatten(desk: Desk, order_id: str, kind: OrderKind = OrderKind.LIMIT) -> None:
    desk.lease()
    command = exit_order(desk.now_ns, order_id=order_id, purpose=Purpose.FLATTEN, kind=kind, qty_shares=5)
    desk.hear(command, order_id)


def holding() -> Desk:
    desk = ready(fresh())
    desk.hear(order(desk.now_ns), "buy")
    desk.answer(desk.sends[0], "0000400")
    desk.frame(**chejan(desk.sends[0], "0000400", "체결", remaining=0, cum=10, amount=1_995_000))
    desk.broker.rows = [row(desk.sends[0], "0000400", cum=10, amount=1_995_000, remaining=0)]
    return desk


def test_a_halt_ends_a_flatten_that_was_asked_for_before_it() -> None:
    desk = holding()
    desk.flatten()
    flatten(desk, "P1.0.s.1")
    desk.answer(desk.sends[-1], "0000401")
    halted(desk)
    assert desk.sends[-1].args[8] == "0000401", "what works of it is taken back"
    flatten(desk, "P1.0.s.2")
    assert desk.told(CommandDenied)[-1].reason == "halted"


def test_a_flatten_that_is_asked_for_in_a_halt_is_sent() -> None:
    desk = holding()
    desk.hear(StopRequested(target=TradingState.HALTED, by="lee", reason="t"), "h")
    desk.flatten()
    desk.hear(TradingStateChanged(state=TradingState.HALTED, by="lee", reason="t", latches=()), "h2")
    flatten(desk, "P1.0.s.1")
    assert desk.sends[-1].order_id == "P1.0.s.1"


class Refusing(Desk):
    """A broker that restricts queries while `code` is set."""

    code = 0
    refused = 0

    def _do(self, effect: Effect) -> None:
        if isinstance(effect, Query) and self.code:
            self.refused += 1
            self.feed(QueryReturned(effect.rqname, self.code))
        else:
            super()._do(effect)


@pytest.mark.parametrize("code", [-209, -211])
def test_restricted_queries_are_asked_for_ever_less_often_and_stop_entries_alone(code: int) -> None:
    plain = fresh()
    desk = ready(Refusing(plain.state, plain.now_ns))
    assert isinstance(desk, Refusing)
    desk.hear(order(desk.now_ns), "buy")
    desk.answer(desk.sends[0], "0000400")
    desk.frame(**chejan(desk.sends[0], "0000400", "체결", remaining=0, cum=10, amount=1_995_000))
    desk.code = code
    desk.run(180)
    assert 1 < desk.refused <= 6
    desk.lease()
    entry = order(desk.now_ns, order_id="P2.1.b.1", pair_id="P2", symbol=Symbol("000660"))
    desk.hear(entry, "next")
    assert desk.told(CommandDenied)[-1].detail == "the broker restricts queries"
    desk.hear(exit_order(desk.now_ns, venue=Venue.KRX), "exit")
    assert desk.sends[-1].order_id == "P1.1.s.1"
    desk.code = 0
    desk.run(400)
    rung = [m for m in desk.told(AlertRaised) if m.code == AlertCode.QUERIES_RESTRICTED]
    assert [bool(m.resolved) for m in rung] == [False, True]
    assert not desk.state.link.queries_pause_ns


@pytest.mark.parametrize("code", [-311, -301, -302, -340])
def test_restricted_orders_bar_entries_and_exits_are_tried_ever_less_often(code: int) -> None:
    desk = holding()
    sent = len(desk.sends)
    desk.send_code = code
    for number in range(1, 181):
        command = exit_order(desk.now_ns, order_id=f"P1.{number}.s.1", venue=Venue.KRX)
        desk.hear(command, command.order_id)
        desk.run(1)
    assert 2 <= len(desk.sends) - sent <= 4, "at once, after 30 s, after 60 s more"
    assert "tried again in" in desk.told(CommandDenied)[-1].detail
    desk.run(240)
    desk.send_code = 0
    desk.hear(order(desk.now_ns, order_id="P2.1.b.1", pair_id="P2", symbol=Symbol("000660")), "entry")
    assert desk.told(CommandDenied)[-1].detail == "the broker restricts orders"
    desk.hear(exit_order(desk.now_ns, order_id="P1.900.s.1", venue=Venue.KRX), "exit")
    assert desk.sends[-1].order_id == "P1.900.s.1"
    desk.lease()
    desk.hear(order(desk.now_ns, order_id="P3.1.b.1", pair_id="P3", symbol=Symbol("000660")), "next")
    assert desk.sends[-1].order_id == "P3.1.b.1"
    rung = [m.resolved for m in desk.told(AlertRaised) if m.code == AlertCode.ORDERS_RESTRICTED]
    assert rung[-2:] == [False, True]


def test_a_cancel_that_the_broker_restricts_is_not_asked_for_in_a_tight_loop() -> None:
    desk = ready(fresh())
    desk.hear(order(desk.now_ns, kind=OrderKind.LIMIT, venue=Venue.NXT), "buy")
    desk.answer(desk.sends[0], "0000010")
    desk.send_code = -311
    desk.hear(TradingStateChanged(state=TradingState.DISARMED, by="kim", reason="t", latches=()), "s")
    desk.run(62)
    assert len(desk.sends[1:]) == 3
    desk.send_code = 0
    desk.run(31)
    assert not desk.state.link.orders_restricted


@pytest.mark.parametrize("what", ["query", "order"])
def test_a_call_that_says_the_line_is_gone_ends_the_connection(what: str) -> None:
    plain = fresh()
    desk = ready(Refusing(plain.state, plain.now_ns))
    assert isinstance(desk, Refusing)
    desk.said.clear()
    if what == "query":
        desk.code = -106
        desk.run(200)
    else:
        desk.send_code = -106
        desk.hear(order(desk.now_ns), "o")
    assert "disconnected" in {change.state for change in desk.told(ConnectionChanged)}
    assert [effect.code for effect in desk.effects if isinstance(effect, Exit)] == [EXIT_RECONNECT]


@pytest.mark.parametrize(
    ("date", "minutes", "planned"),
    [
        ("2026-11-29", 4 * 60 + 5, True),
        ("2026-12-25", 14 * 60, True),
        ("2026-11-23", 14 * 60, False),
        ("2039-01-01", 11 * 60, True),
        ("2039-01-03", 11 * 60, False),
    ],
)
def test_a_loss_on_a_closed_day_wakes_nobody(date: str, minutes: int, planned: bool) -> None:
    day = TradingDate(date)
    start_ns = midnight_wall_ns(day) + minutes * 60 * S
    desk = ready(Desk(recovered(fresh().state, [], day), start_ns))
    desk.said.clear()
    desk.feed(Connected(-106))
    assert desk.told(ConnectionChanged)[-1].planned is planned
    rung = [m for m in desk.told(AlertRaised) if m.severity is Severity.CRITICAL and not m.resolved]
    assert (rung == []) is planned
    (ended,) = [effect for effect in desk.effects if isinstance(effect, Exit)]
    assert ended.code == (EXIT_PLANNED_CUT if planned else EXIT_RECONNECT)


class FullDisk(IntentionLog):
    full = False

    def append(self, trading_date: str, line: Line, sync: bool) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "no space left on device")
        super().append(trading_date, line, sync)


class Control:
    def __init__(self) -> None:
        self.calls: list[list[Any]] = []

    def send_order(self, args: list[Any]) -> int:
        self.calls.append(args)
        return 0


class ThroughThePort(Desk):
    port: OrderPort

    def _do(self, effect: Effect) -> None:
        if isinstance(effect, Send):
            self.sends.append(effect)
            self.feed(self.port.send(effect))
        else:
            super()._do(effect)


def test_a_cancel_leaves_though_the_disk_of_the_log_is_full(tmp_path: Path) -> None:
    log, control, plain = FullDisk(tmp_path), Control(), fresh()
    desk = ThroughThePort(plain.state, plain.now_ns)
    desk.port = OrderPort(control, log, lambda: False)  # type: ignore[arg-type]
    ready(desk)
    desk.hear(order(desk.now_ns, kind=OrderKind.LIMIT), "o")
    desk.answer(desk.sends[0], "0000500")
    log.full = True
    desk.run(1, halt_file=True)
    assert [call[8] for call in control.calls[1:]] == ["0000500"]
    desk.run(1)
    entry = order(desk.now_ns, order_id="P2.1.b.1", pair_id="P2", symbol=Symbol("000660"))
    desk.lease()
    desk.hear(entry, "next")
    assert desk.told(CommandDenied)[-1].reason == "log_failed"
    log.full = False
    again = order(desk.now_ns, order_id="P3.1.b.1", pair_id="P3", symbol=Symbol("005380"))
    desk.hear(again, "again")
    assert control.calls[-1][0] == "P3.1.b.1"
    rung = [m for m in desk.told(AlertRaised) if m.code == AlertCode.LOG_UNWRITTEN]
    assert [bool(m.resolved) for m in rung] == [False, True]
