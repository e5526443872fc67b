"""Stops are obeyed when they are read, held until risk has taken them in, and end what was asked before."""

import pytest

from services.contracts.limits import NS_PER_MS
from services.contracts.messages.commands import PlaceOrder
from services.contracts.messages.control import (
    StopRequested,
    StopTaken,
    TradingStateChanged,
)
from services.contracts.messages.orders import CommandDenied
from services.contracts.terms import Purpose, TradingState
from services.gateway import clockwork
from services.gateway.facts import Started

from .desk import Desk, chejan, exit_order, fresh, on_its_way, order, restarted, stop


def denied(desk: Desk) -> list[str]:
    return [message.order_id for message in desk.told(CommandDenied)]


def entry(desk: Desk, number: int) -> PlaceOrder:
    command = order(desk.now_ns, order_id=f"P{number}.1.b.1", pair_id=f"P{number}")
    desk.hear(command, f"e{number}")
    return command


def holding(desk: Desk) -> None:
    """Let the pair P1 hold ten shares."""
    entry(desk, 1)
    send = desk.sends[-1]
    desk.answer(send, "0000400")
    desk.frame(**chejan(send, "0000400", "체결", remaining=0, cum=10, amount=1_995_000))


def test_a_state_that_was_on_its_way_does_not_lift_a_halt(desk: Desk) -> None:
    stop(desk)
    on_its_way(desk, TradingState.ARMED)
    assert desk.state.control.in_force is TradingState.HALTED
    desk.trading(TradingState.HALTED)
    desk.trading(TradingState.DISARMED)
    assert desk.state.control.in_force is TradingState.DISARMED


def test_a_second_halt_is_held_while_the_lifting_of_the_first_is_on_its_way(desk: Desk) -> None:
    stop(desk)
    desk.trading(TradingState.HALTED)
    stop(desk)
    for state in (TradingState.DISARMED, TradingState.ARMED):
        on_its_way(desk, state)
        assert desk.state.control.in_force is TradingState.HALTED


@pytest.mark.parametrize("target", [s for s in TradingState if s is not TradingState.ARMED])
def test_any_stop_is_obeyed_at_once_and_held_until_risk_has_it(desk: Desk, target: TradingState) -> None:
    stop(desk, target)
    entry(desk, 1)
    assert not desk.sends and denied(desk)
    on_its_way(desk, TradingState.ARMED)
    assert desk.state.control.in_force is target
    desk.trading(target)
    desk.trading(TradingState.ARMED)
    entry(desk, 2)
    assert len(desk.sends) == 1


def test_a_milder_stop_releases_no_halt_that_risk_gave_up(desk: Desk) -> None:
    """Risk's answer to the later stop names that one as the last it has, and knows of no halt before it."""
    stop(desk)
    stop(desk, TradingState.PAUSE_ENTRY)
    for state in (TradingState.PAUSE_ENTRY, TradingState.ARMED):
        desk.trading(state)
        assert desk.state.control.in_force is TradingState.HALTED
    stop(desk)
    desk.trading(TradingState.HALTED)
    desk.trading(TradingState.DISARMED)
    assert desk.state.control.in_force is TradingState.DISARMED, "halted once more, and lifted"


def test_a_gateway_says_that_it_has_taken_a_stop_in(desk: Desk) -> None:
    desk.trading(TradingState.DISARMED)
    stop(desk, TradingState.PAUSE_ENTRY)
    stop(desk)
    assert [said.state for said in desk.told(StopTaken)] == [TradingState.DISARMED, TradingState.HALTED]


def test_a_halt_holds_where_its_consequences_fail(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """An order that the core fails at must not keep the gateway from obeying."""

    def fails(*_: object) -> None:
        raise ValueError("an odd order")

    monkeypatch.setattr(clockwork, "stops", fails)
    stop(desk)
    assert desk.state.control.in_force is TradingState.HALTED and desk.told(StopTaken)
    entry(desk, 1)
    assert not desk.sends and denied(desk)


def test_a_halt_outlives_the_night(desk: Desk) -> None:
    stop(desk)
    desk.now_ns += 24 * 3600 * 1_000_000_000
    desk.tick()
    assert desk.state.control.in_force is TradingState.HALTED
    on_its_way(desk, TradingState.ARMED)
    assert desk.state.control.in_force is TradingState.HALTED


def test_a_gateway_without_state_takes_no_arming_of_the_past() -> None:
    desk = fresh()
    desk.feed(Started())
    word = TradingStateChanged(state=TradingState.ARMED, by="t", reason="t", latches=())
    desk.hear(word, "yesterday", entry_id=f"{desk.now_ns // NS_PER_MS - 60_000}-0")
    assert desk.state.control.in_force is TradingState.DISARMED
    desk.flatten(asked_ms=desk.now_ns // NS_PER_MS - 60_000)
    assert desk.state.control.flatten == frozenset()
    desk.hear(word.model_copy(update={"state": TradingState.HALTED}), "h", entry_id="1-0")
    assert desk.state.control.in_force is TradingState.HALTED
    desk.hear(word, "now")
    assert desk.state.control.in_force is TradingState.ARMED


@pytest.mark.parametrize("later", ["a halt", "disarming", "risk disarms"])
def test_a_stop_ends_an_earlier_flatten(desk: Desk, later: str) -> None:
    """An hour old, a wish to be flat was sold on in the halt that somebody asked for meanwhile."""
    holding(desk)
    desk.trading(TradingState.PAUSE_ENTRY)
    desk.flatten()
    desk.hear(exit_order(desk.now_ns, order_id="P1.0.s.1", purpose=Purpose.FLATTEN, qty_shares=5), "a")
    desk.answer(desk.sends[-1], "0000401")
    desk.run(1)
    before = len(desk.sends)
    if later == "risk disarms":
        desk.trading(TradingState.DISARMED)
    else:
        stop(desk, TradingState.HALTED if later == "a halt" else TradingState.DISARMED)
    desk.run(1)
    assert [send.args[3] for send in desk.sends[before:]] == [23], "what works of it is taken back"
    before = len(desk.sends)
    desk.hear(exit_order(desk.now_ns, order_id="P1.0.s.2", purpose=Purpose.FLATTEN, qty_shares=5), "b")
    assert len(desk.sends) == before and denied(desk)[-1] == "P1.0.s.2"


@pytest.mark.parametrize("ahead_ms", [0, 3_600_000])
def test_a_flatten_from_before_a_halt_that_is_obeyed_after_it_sells_nothing(
    desk: Desk, ahead_ms: int
) -> None:
    """Also where Redis's clock was set back between the two: their place in the stream decides."""
    holding(desk)
    asked_ms = desk.now_ns // NS_PER_MS + ahead_ms
    request_id = desk.flatten_asked(asked_ms=asked_ms)
    desk.run(1)
    stop(desk)
    desk.flatten_started(request_id, asked_ms=asked_ms)
    assert desk.state.control.flatten == frozenset()
    desk.trading(TradingState.HALTED)
    desk.flatten()
    desk.trading(TradingState.HALTED)
    assert desk.state.control.flatten == {""}, "risk's word on a halt that holds already ends nothing"


def test_a_stop_from_the_future_ends_what_came_before_it_and_nothing_after(desk: Desk) -> None:
    """The clock of Redis stood an hour ahead for a moment."""
    holding(desk)
    halt = StopRequested(target=TradingState.HALTED, by="lee", reason="t")
    desk.hear(halt, "s", entry_id=f"{desk.now_ns // NS_PER_MS + 3_600_000}-0")
    desk.run(3)
    desk.flatten()
    assert desk.state.control.flatten == {""}
    desk.hear(halt, "again")
    assert desk.state.control.flatten == frozenset(), "a later stop ends it by any clock"


def test_what_is_read_ahead_of_an_own_stop_came_before_it(desk: Desk) -> None:
    desk.tick(0.1, halt_file=True, halt_entry="HALT.txt")
    request_id = desk.flatten_asked()
    desk.tick(0.1)
    desk.hear(desk.told(StopRequested)[-1], "own")
    desk.flatten_started(request_id)
    assert desk.state.control.flatten == frozenset()


def test_only_a_persons_halt_file_is_told_as_a_stop(desk: Desk) -> None:
    """The supervisor lays its own around each restart; nobody decided anything by that."""
    desk.tick(0.1, halt_why="the gateway is started again")
    desk.tick(0.1)
    assert desk.told(StopRequested) == []
    desk.tick(0.1, halt_entry="HALT.txt")
    desk.tick(0.1, halt_entry="HALT.txt")
    (seen,) = desk.told(StopRequested)
    assert seen.target is TradingState.DISARMED and "HALT.txt" in seen.reason


def laid(desk: Desk) -> None:
    desk.tick(0.1, halt_file=True, halt_entry="HALT.txt")


def read_back(desk: Desk, state: TradingState) -> None:
    """Let the gateway read its own stop, and risk's answer to it."""
    desk.hear(desk.told(StopRequested)[-1], f"own{desk.heard}")
    desk.trading(state)


def test_a_removed_halt_file_leaves_the_desk_disarmed(desk: Desk) -> None:
    """Five orders left within seconds, and nobody had armed: also where risk has not spoken yet."""
    laid(desk)
    desk.tick(0.1)
    for name in range(2):
        entry(desk, name)
        on_its_way(desk, TradingState.ARMED)
    assert not desk.sends and len(denied(desk)) == 2
    read_back(desk, TradingState.DISARMED)
    entry(desk, 2)
    assert not desk.sends
    desk.trading(TradingState.ARMED)
    entry(desk, 3)
    assert len(desk.sends) == 1, "armed again"


def test_a_removed_halt_file_leaves_a_halt_in_force(desk: Desk) -> None:
    stop(desk)
    desk.trading(TradingState.HALTED)
    laid(desk)
    desk.tick(0.1)
    read_back(desk, TradingState.HALTED)
    assert desk.state.control.in_force is TradingState.HALTED


def test_no_wish_to_sell_counts_that_was_there_before_a_halt_file_or_came_under_it(desk: Desk) -> None:
    holding(desk)
    desk.flatten()
    laid(desk)
    assert desk.state.control.flatten == frozenset()
    desk.flatten()
    assert desk.state.control.flatten == frozenset()
    desk.tick(0.1)
    before = len(desk.sends)
    desk.hear(exit_order(desk.now_ns, order_id="P1.0.s.2", purpose=Purpose.FLATTEN, qty_shares=5), "b")
    assert len(desk.sends) == before


def test_a_halt_file_that_went_while_no_gateway_ran_is_told_as_gone(desk: Desk) -> None:
    laid(desk)
    again = restarted(desk)
    again.feed(Started())
    again.tick(0.1)
    (gone,) = again.told(StopRequested)
    assert gone.halt_file == "" and again.state.control.in_force is TradingState.DISARMED
