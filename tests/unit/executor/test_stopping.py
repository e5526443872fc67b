"""What each trading state, the window and a person's word allow, and a halt that is obeyed at once."""

from collections.abc import Callable

import pytest

from services.contracts.envelope import Envelope
from services.contracts.limits import NS_PER_MS
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.commands import PlaceOrder
from services.contracts.messages.control import (
    FlattenRequested,
    StopRequested,
    StopTaken,
    SymbolPauseRequested,
    SymbolResumed,
    TradingStateChanged,
)
from services.contracts.messages.orders import ForeignOrderSeen
from services.contracts.messages.pairs import PairClosed, PairOutcome
from services.contracts.messages.status import KeysVanished
from services.contracts.step import Received
from services.contracts.terms import Purpose, Severity, Side, Symbol, TradingState, Venue

from .desk import DATE, OTHER, SYMBOL, Desk


@pytest.fixture
def desk() -> Desk:
    return Desk().open_day()


def stop(desk: Desk, target: TradingState = TradingState.HALTED) -> None:
    desk.hear(StopRequested(target=target, by="kim", reason="test"))


def on_its_way(desk: Desk, state: TradingState) -> None:
    """Risk's word from before it has taken in the last stop."""
    desk.hear(TradingStateChanged(state=state, by="lee", reason="test", latches=(), stop_id="earlier"))


def test_a_requested_halt_cancels_what_works_before_risk_confirms_it(desk: Desk) -> None:
    desk.approve()
    buy = desk.last(PlaceOrder)
    desk.accept(buy)
    stop(desk)
    assert desk.cancels[-1].target_order_id == buy.order_id
    desk.fill(buy)
    desk.tick(5_000)
    assert not desk.sells


def test_an_arming_that_was_on_its_way_does_not_lift_a_halt(desk: Desk) -> None:
    stop(desk)
    on_its_way(desk, TradingState.ARMED)
    desk.approve("P1")
    assert desk.last(PairClosed).outcome is PairOutcome.STOPPED
    desk.trading(TradingState.HALTED)
    desk.trading(TradingState.ARMED)
    desk.approve("P2")
    assert desk.last(PlaceOrder).pair_id == "P2"


def test_a_second_halt_is_held_while_the_lifting_of_the_first_is_on_its_way(desk: Desk) -> None:
    stop(desk)
    desk.trading(TradingState.HALTED)
    stop(desk)
    on_its_way(desk, TradingState.DISARMED)
    on_its_way(desk, TradingState.ARMED)
    desk.approve("P1")
    assert desk.state.trading.in_force is TradingState.HALTED and not desk.orders


def test_a_milder_stop_releases_no_halt_that_risk_gave_up(desk: Desk) -> None:
    stop(desk)
    stop(desk, TradingState.PAUSE_ENTRY)
    desk.trading(TradingState.PAUSE_ENTRY)
    assert desk.state.trading.in_force is TradingState.HALTED


def test_an_executor_says_that_it_has_taken_a_stop_in(desk: Desk) -> None:
    stop(desk)
    desk.hear(SymbolPauseRequested(symbol=SYMBOL, by="kim", reason="odd prints"))
    assert [said.state for said in desk.all(StopTaken)] == [TradingState.HALTED] * 2


def test_a_halt_holds_over_a_restart(desk: Desk) -> None:
    stop(desk)
    desk.restart()
    desk.tick()
    desk.crossed()
    desk.approve()
    assert desk.last(PairClosed).outcome is PairOutcome.STOPPED and not desk.orders


@pytest.mark.parametrize("target", [s for s in TradingState if s is not TradingState.ARMED])
def test_any_stop_is_obeyed_at_once_and_held_until_risk_has_it(desk: Desk, target: TradingState) -> None:
    stop(desk, target)
    assert desk.state.trading.in_force is target
    on_its_way(desk, TradingState.ARMED)
    assert desk.state.trading.in_force is target
    desk.trading(target)
    desk.trading(TradingState.ARMED)
    assert desk.state.trading.in_force is TradingState.ARMED


def test_a_stop_that_allows_more_than_is_in_force_changes_nothing(desk: Desk) -> None:
    desk.trading(TradingState.DISARMED)
    stop(desk, TradingState.PAUSE_ENTRY)
    assert desk.state.trading.in_force is TradingState.DISARMED


def test_an_executor_without_state_takes_no_arming_of_the_past(desk: Desk) -> None:
    said_ms = desk.now_ns // NS_PER_MS
    desk.state, desk.now_ns = desk.initial, desk.now_ns + 60_000 * NS_PER_MS
    desk.tick()
    word = TradingStateChanged(state=TradingState.ARMED, by="kim", reason="morning", latches=())
    desk.hear(word, entry_id=f"{said_ms}-0")
    assert desk.state.trading.in_force is TradingState.DISARMED
    desk.hear(word.model_copy(update={"state": TradingState.HALTED}), entry_id=f"{said_ms}-1")
    assert desk.state.trading.in_force is TradingState.HALTED
    desk.hear(word)
    assert desk.state.trading.in_force is TradingState.ARMED


@pytest.mark.parametrize("first_ms", [0, 200, 3_600_000])
def test_the_place_in_the_stream_settles_whether_a_stop_ends_a_flatten(desk: Desk, first_ms: int) -> None:
    """Redis's clock may have stood ahead for the first stop, and the ids of the stream stay there."""
    desk.approve()
    desk.level()
    desk.fill(desk.orders[0])
    stop(desk)
    desk.close(desk.flattens[-1])
    desk.tick(3_000)
    stopped, first = len(desk.flattens), desk.now_ns // NS_PER_MS + first_ms
    halt = StopRequested(target=TradingState.HALTED, by="kim", reason="test")
    desk.hear(halt, entry_id=f"{first}-0")
    desk.hear(FlattenRequested(by="kim", reason="after all"), entry_id=f"{first}-1")
    assert len(desk.flattens) == stopped + 1
    desk.hear(halt, entry_id=f"{first}-2")
    desk.close(desk.flattens[-1])
    desk.tick(3_000)
    assert len(desk.flattens) == stopped + 1


@pytest.mark.parametrize("ahead_ms", [0, 3_600_000])
def test_a_resumption_from_before_a_pause_does_not_end_it(desk: Desk, ahead_ms: int) -> None:
    """Stops are read ahead of what lets a symbol trade again, and the ids of control may lie ahead."""
    resumed = SymbolResumed(symbol=Symbol(SYMBOL), by="kim", reason="t")
    earlier = Envelope.wrap(resumed, source="risk", now_ns=desk.now_ns - NS_PER_MS, causation_id="r")
    entry_id = f"{desk.now_ns // NS_PER_MS - 1 + ahead_ms}-0"
    pause(desk, SYMBOL)
    desk._decide(Received(earlier, "control", entry_id, desk.now_ns))
    assert desk.state.paused.keys() == {SYMBOL}
    desk.tick(100)
    desk.hear(resumed)
    assert not desk.state.paused


def test_a_halt_ends_what_a_person_had_asked_to_flatten(desk: Desk) -> None:
    desk.approve()
    desk.level()
    desk.fill(desk.orders[0])
    desk.hear(FlattenRequested(by="kim", reason="test"))
    desk.accept(desk.flattens[0])
    before = len(desk.said)
    stop(desk)
    told = [message for message in desk.said[before:] if isinstance(message, AlertRaised)]
    assert [(alert.code, alert.severity) for alert in told] == [("residual_blocked", Severity.CRITICAL)]
    assert desk.cancels[-1].target_order_id == desk.flattens[0].order_id
    desk.close(desk.flattens[0])
    desk.tick(3_000)
    assert len(desk.flattens) == 1


def test_reduce_only_takes_back_the_entry_and_sells_what_it_bought(desk: Desk) -> None:
    desk.approve()
    buy = desk.last(PlaceOrder)
    desk.accept(buy)
    desk.trading(TradingState.REDUCE_ONLY)
    assert desk.cancels[-1].target_order_id == buy.order_id
    desk.close(buy, 2)
    assert [sell.qty_shares for sell in desk.sells] == [2]
    desk.fill(desk.sells[0])
    assert desk.last(PairClosed).clips == 1


def test_pause_entry_lets_the_open_clip_complete(desk: Desk) -> None:
    desk.approve(qty=4, clip=2)
    buy = desk.last(PlaceOrder)
    desk.accept(buy)
    desk.trading(TradingState.PAUSE_ENTRY)
    desk.tick(500)
    assert not desk.cancels
    desk.fill(buy)
    desk.fill(desk.sells[0])
    assert desk.last(PairClosed).clips == 1 and desk.last(PairClosed).sold_shares == 2


def test_a_closed_window_takes_back_entries_and_still_sells(desk: Desk) -> None:
    desk.approve()
    buy = desk.last(PlaceOrder)
    desk.accept(buy)
    desk.window(False)
    assert [c.target_order_id for c in desk.cancels] == [buy.order_id]
    desk.close(buy, 1)
    assert [sell.purpose for sell in desk.sells] == [Purpose.EXIT]


def test_a_window_closes_by_its_own_time(desk: Desk) -> None:
    desk.now_ns += 3_600_000 * 1_000_000
    desk.crossed()
    desk.approve()
    assert desk.last(PairClosed).outcome is PairOutcome.STOPPED and not desk.orders


def test_a_sweep_takes_back_every_order_and_waits_for_the_evidence(desk: Desk) -> None:
    desk.approve()
    desk.fill(desk.orders[0])
    sell = desk.sells[0]
    desk.accept(sell)
    desk.window(False, sweep=True)
    assert desk.cancels[-1].target_order_id == sell.order_id
    assert len(desk.sells) == 1
    desk.close(sell, 2)
    assert [s.qty_shares for s in desk.sells] == [5, 3]


def test_flatten_in_the_middle_of_a_clip_cancels_the_buy_and_sells_what_there_is(desk: Desk) -> None:
    desk.approve()
    buy = desk.last(PlaceOrder)
    desk.part_fill(buy, 2)
    desk.hear(FlattenRequested(by="kim", reason="test"))
    assert desk.cancels[-1].target_order_id == buy.order_id
    desk.close(buy, 2)
    assert [(s.purpose, s.qty_shares, s.venue) for s in desk.sells] == [(Purpose.FLATTEN, 2, Venue.NXT)]
    desk.fill(desk.sells[0])
    assert desk.last(PairClosed).outcome is PairOutcome.FLAT
    assert desk.last(PairClosed).clips == 1


def test_flatten_before_the_first_clip_stops_the_pair(desk: Desk) -> None:
    desk.state = desk.state.but(books={})
    desk.approve()
    desk.hear(FlattenRequested(by="kim", reason="test"))
    desk.crossed()
    assert desk.last(PairClosed).outcome is PairOutcome.STOPPED and not desk.orders


def pause(desk: Desk, symbol: str) -> None:
    desk.hear(SymbolPauseRequested(symbol=Symbol(symbol), by="kim", reason="test"))


def hand_order(desk: Desk, symbol: str) -> None:
    desk.hear(ForeignOrderSeen(
        broker_order_no="9", symbol=Symbol(symbol), venue=Venue.KRX, side=Side.SELL, qty_shares=1,
        cum_qty_shares=0, cum_amount_krw=0, closed=False, trading_date=DATE,
    ))  # fmt: skip


@pytest.mark.parametrize("pausing", [pause, hand_order])
@pytest.mark.parametrize("symbol", [SYMBOL, OTHER])
def test_a_paused_symbol_gets_no_further_clip(
    desk: Desk, pausing: Callable[[Desk, str], None], symbol: str
) -> None:
    """The open clip completes: what is bought is sold."""
    desk.approve(qty=10, clip=5)
    pausing(desk, symbol)
    desk.fill(desk.orders[0])
    desk.crossed()
    desk.fill(desk.sells[0])
    desk.crossed()
    buys = [order for order in desk.orders if order.purpose is Purpose.ENTRY]
    assert len(buys) == (1 if symbol == SYMBOL else 2)
    assert bool(desk.all(PairClosed)) is (symbol == SYMBOL)


def test_a_pause_that_is_read_before_an_earlier_approval_buys_nothing(desk: Desk) -> None:
    pause(desk, SYMBOL)
    desk.approve()
    desk.crossed()
    assert desk.last(PairClosed).outcome is PairOutcome.STOPPED and not desk.orders
    desk.hear(SymbolResumed(symbol=Symbol(SYMBOL), by="kim", reason="test"))
    desk.approve("P2")
    desk.crossed()
    assert desk.orders, "it goes on once a person resumed it"


def test_a_symbol_that_goes_on_stops_nothing(desk: Desk) -> None:
    desk.approve()
    desk.hear(SymbolResumed(symbol=Symbol(SYMBOL), by="kim", reason="test"))
    assert not desk.pair.stopping


def test_an_executor_without_state_takes_a_pause_of_the_past_and_no_resumption(desk: Desk) -> None:
    said_ms = desk.now_ns // NS_PER_MS
    desk.state, desk.now_ns = desk.initial, desk.now_ns + 60_000 * NS_PER_MS
    desk.tick()
    desk.hear(SymbolPauseRequested(symbol=Symbol(SYMBOL), by="kim", reason="t"), entry_id=f"{said_ms}-0")
    resumed = SymbolResumed(symbol=Symbol(SYMBOL), by="kim", reason="t")
    desk.hear(resumed, entry_id=f"{said_ms}-1")
    assert desk.state.paused.keys() == {SYMBOL}
    desk.hear(resumed)
    assert not desk.state.paused


def vanished(desk: Desk, service: str) -> list[StopRequested]:
    """Stops that the executor says when `service` tells that Redis lost its last writes."""
    desk.hear(KeysVanished(service=service, detail="test"))
    return [message for message in desk.said if isinstance(message, StopRequested)]


def test_a_stop_that_redis_lost_is_said_again_by_the_executor(desk: Desk) -> None:
    stop(desk, TradingState.DISARMED)
    assert vanished(desk, "risk") == []
    (again,) = vanished(desk, "executor")
    assert again.target is TradingState.DISARMED and again.by == "kim"


def test_an_armed_executor_says_no_stop_again(desk: Desk) -> None:
    assert vanished(desk, "executor") == []
