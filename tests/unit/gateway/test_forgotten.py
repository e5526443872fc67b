"""Redis came back without its last second: nobody may wait for a word that it forgot."""

from services.contracts.messages.commands import CancelOrder
from services.contracts.messages.control import (
    ComparisonRequested,
    StopRequested,
)
from services.contracts.messages.orders import (
    CommandDenied,
    OrderAccepted,
    OrderClosed,
    ReconciliationCompleted,
)
from services.contracts.messages.venue_state import ConnectionChanged, EntryWindowChanged, SessionPhaseChanged
from services.contracts.reasons import GateReason
from services.contracts.terms import OrderKind, Symbol, TradingState, Venue
from services.gateway.facts import Forgotten

from .desk import Desk, chejan, on_its_way, order, stop

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


def said_again(desk: Desk) -> list[StopRequested]:
    desk.said.clear()
    desk.feed(Forgotten())
    return desk.told(StopRequested)


def test_a_halt_that_redis_may_have_lost_is_said_again_by_the_gateway_that_holds_it(desk: Desk) -> None:
    """Nobody else had read it: the gateway stayed halted for good, and all else said armed."""
    stop(desk)
    (again,) = said_again(desk)
    assert (again.target, again.by) == (TradingState.HALTED, "lee") and "Redis had lost it" in again.reason
    on_its_way(desk, TradingState.ARMED)
    assert desk.state.control.in_force is TradingState.HALTED
    desk.hear(again, "read by its own gateway")
    (once_more,) = said_again(desk)
    assert once_more.reason == again.reason, "however often"
    desk.trading(TradingState.HALTED)
    desk.trading(TradingState.DISARMED)
    assert desk.state.control.in_force is TradingState.DISARMED


def test_a_halt_that_risk_had_confirmed_and_forgets_is_said_again_too(desk: Desk) -> None:
    stop(desk)
    desk.trading(TradingState.HALTED)
    (again,) = said_again(desk)
    on_its_way(desk, TradingState.ARMED)
    assert desk.state.control.in_force is TradingState.HALTED, "risk is what it was before the halt"
    desk.hear(again, "read by its own gateway")
    desk.trading(TradingState.HALTED)
    desk.trading(TradingState.ARMED)
    assert desk.state.control.in_force is TradingState.ARMED


def test_what_is_less_than_armed_is_said_again_whoever_had_said_it(desk: Desk) -> None:
    """A latch of risk may be lost with the risk that set it: the one that begins anew would trade on."""
    stop(desk, TradingState.REDUCE_ONLY)
    assert [again.target for again in said_again(desk)] == [TradingState.REDUCE_ONLY]
    desk.trading(TradingState.ARMED)
    assert said_again(desk) == []
    desk.trading(TradingState.REDUCE_ONLY)
    (again,) = said_again(desk)
    assert (again.target, again.by) == (TradingState.REDUCE_ONLY, "gateway")


def test_a_halt_that_was_lifted_does_not_come_back_with_a_risk_that_knows_nothing_of_it(desk: Desk) -> None:
    stop(desk)
    desk.trading(TradingState.HALTED)
    desk.trading(TradingState.DISARMED)
    on_its_way(desk, TradingState.ARMED)
    assert desk.state.control.in_force is TradingState.ARMED


def test_without_a_halt_nothing_is_told_of_one(desk: Desk) -> None:
    assert said_again(desk) == []


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
