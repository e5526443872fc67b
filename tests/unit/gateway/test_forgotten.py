"""Redis came back without its last second: nobody may wait for a word that it forgot."""

from services.contracts.alert_codes import AlertCode
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.commands import CancelOrder
from services.contracts.messages.control import (
    ComparisonRequested,
    TradingStateChanged,
    TradingStateRequested,
)
from services.contracts.messages.orders import (
    CommandDenied,
    OrderAccepted,
    OrderClosed,
    ReconciliationCompleted,
)
from services.contracts.messages.venue_state import ConnectionChanged, EntryWindowChanged, SessionPhaseChanged
from services.contracts.reasons import GateReason
from services.contracts.terms import OrderKind, Severity, Symbol, TradingState, Venue
from services.gateway.facts import Forgotten

from .desk import Desk, chejan, order

SYMBOLS = [Symbol("005930"), Symbol("000660"), Symbol("005380"), Symbol("373220")]


def bought(desk: Desk) -> None:
    desk.hear(order(desk.now_ns), "buy")
    send = desk.sends[-1]
    desk.answer(send, "0000400")
    desk.frame(**chejan(send, "0000400", "체결", remaining=0, cum=10, amount=1_995_000))


def test_everything_is_said_again(desk: Desk) -> None:
    bought(desk)
    desk.said.clear()
    desk.feed(Forgotten())
    assert {m.venue for m in desk.told(SessionPhaseChanged)} == set(Venue)
    assert desk.told(EntryWindowChanged) and desk.told(ConnectionChanged)
    (closed,) = desk.told(OrderClosed)
    assert (closed.facts.cum_qty_shares, closed.facts.cum_amount_krw) == (10, 1_995_000)


def test_a_working_order_is_told_as_it_stands(desk: Desk) -> None:
    desk.hear(order(desk.now_ns, kind=OrderKind.LIMIT), "w")
    desk.answer(desk.sends[-1], "0000500")
    desk.said.clear()
    desk.feed(Forgotten())
    assert [m.facts.broker_order_no for m in desk.told(OrderAccepted)] == ["0000500"]


def test_what_was_refused_is_refused_again(desk: Desk) -> None:
    """A pair whose order nobody speaks of would wait for ever."""
    desk.hear(order(desk.now_ns, price_krw=199_501), "off its tick")
    refused = desk.told(CommandDenied)
    desk.said.clear()
    desk.feed(Forgotten())
    assert refused and desk.told(CommandDenied) == refused


def test_a_cancel_of_what_is_over_is_answered_with_how_it_ended(desk: Desk) -> None:
    bought(desk)
    desk.said.clear()
    target = desk.sends[0].order_id
    desk.hear(CancelOrder(order_id="c1", target_order_id=target, pair_id="P1", reason="late"), "c1")
    assert [m.facts.order_id for m in desk.told(OrderClosed)] == [target]
    assert [m.reason for m in desk.told(CommandDenied)] == [GateReason.TARGET_UNKNOWN]


def test_a_command_given_again_is_answered_and_not_sent_again(desk: Desk) -> None:
    bought(desk)
    sent = len(desk.sends)
    desk.said.clear()
    desk.hear(order(desk.now_ns), "buy again")
    assert len(desk.sends) == sent
    assert desk.told(OrderClosed)


def test_what_waits_is_refused_and_its_id_stays_refused(desk: Desk) -> None:
    for at, symbol in enumerate(SYMBOLS):
        fields = {"order_id": f"P{at}.1.b.1", "pair_id": f"P{at}", "symbol": symbol}
        desk.hear(order(desk.now_ns, **fields), f"e{at}")
    waiting = [item.command.order_id for item in desk.state.queue]
    assert waiting, "the budget lets not all of them go at once"
    desk.feed(Forgotten())
    assert not desk.state.queue
    refused = {m.order_id for m in desk.told(CommandDenied) if m.reason is GateReason.BUS_LOST}
    assert refused == set(waiting)
    sent = len(desk.sends)
    at = int(waiting[0][1])
    again = order(desk.now_ns, order_id=waiting[0], pair_id=f"P{at}", symbol=SYMBOLS[at])
    desk.hear(again, "again")
    desk.run(3)
    assert len(desk.sends) == sent


def state_of(state: TradingState, by: str) -> TradingStateChanged:
    return TradingStateChanged(state=state, by=by, reason="t", latches=())


def halt_alerts(desk: Desk) -> list[bool]:
    """Of each word about a forgotten halt whether it says that it is over."""
    return [a.resolved for a in desk.told(AlertRaised) if a.code == AlertCode.HALT_FORGOTTEN]


def test_a_halt_stays_until_a_person_says_what_is_meant(desk: Desk) -> None:
    """Risk never read it: without a word the gateway stayed halted for good, and all else said armed."""
    desk.hear(TradingStateRequested(target=TradingState.HALTED, by="t", reason="t"), "h")
    desk.feed(Forgotten())
    (told,) = [a for a in desk.told(AlertRaised) if a.code == AlertCode.HALT_FORGOTTEN]
    assert told.severity is Severity.CRITICAL and not told.resolved
    desk.tick(1.0)
    desk.hear(state_of(TradingState.REDUCE_ONLY, by="test"), "its writer says it by itself")
    assert desk.state.control.halted
    desk.hear(state_of(TradingState.ARMED, by="t"), "armed")
    assert not desk.state.control.halted
    assert halt_alerts(desk) == [False, True]


def test_a_state_that_is_read_again_lifts_no_halt_that_redis_forgot(desk: Desk) -> None:
    said_ns = desk.now_ns
    desk.tick(1.0)
    desk.hear(TradingStateRequested(target=TradingState.HALTED, by="t", reason="t"), "h")
    desk.feed(Forgotten())
    desk.hear(state_of(TradingState.ARMED, by="t"), "read again", event_ns=said_ns)
    assert desk.state.control.halted
    desk.hear(state_of(TradingState.HALTED, by="t"), "confirmed after all")
    assert desk.state.control.halted and halt_alerts(desk) == [False, True]
    desk.hear(state_of(TradingState.DISARMED, by="t"), "lifted")
    assert not desk.state.control.halted


def test_without_a_halt_nothing_is_told_of_one(desk: Desk) -> None:
    desk.feed(Forgotten())
    assert halt_alerts(desk) == []


def test_a_comparison_that_somebody_asks_for_begins_after_that_and_says_when(desk: Desk) -> None:
    desk.run(30)
    desk.said.clear()
    asked_ns = desk.now_ns
    desk.hear(ComparisonRequested(by="risk", reason="risk has begun"), "asked")
    desk.run(5)
    (done,) = desk.told(ReconciliationCompleted)
    assert done.begun_ns >= asked_ns and done.at_rest and not done.differences


def test_a_comparison_beside_a_working_order_does_not_say_that_all_was_at_rest(desk: Desk) -> None:
    desk.hear(order(desk.now_ns, kind=OrderKind.LIMIT), "w")
    desk.answer(desk.sends[-1], "0000500")
    desk.said.clear()
    desk.hear(ComparisonRequested(by="risk", reason="risk has begun"), "asked")
    desk.run(5)
    assert [done.at_rest for done in desk.told(ReconciliationCompleted)] in ([False], [False, False])
