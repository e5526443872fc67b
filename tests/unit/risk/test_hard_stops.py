"""Stops that hold whatever fails: one at which risk itself failed, and a HALT file beside the gateway."""

import pytest

from services.contracts.envelope import Envelope, Message
from services.contracts.messages.control import (
    ArmRefused,
    HaltLiftRequested,
    StopRequested,
    SymbolPauseRequested,
    TradingStateChanged,
)
from services.contracts.messages.dead import EntryBuried
from services.contracts.streams import STOPS
from services.contracts.terms import TradingState
from tests.unit.cli.builders import gateway_status
from tests.unit.detector import world
from tests.unit.risk.desk import armed, ask, of

ARMED = TradingState.ARMED
LIFT = HaltLiftRequested(by="kim", reason="prices are right", stop_count=-1)


def stop(target: TradingState, reason: str = "wrong prices") -> StopRequested:
    return StopRequested(target=target, by="alice", reason=reason)


@pytest.mark.parametrize("file", ["/desk/HALT.txt", "supervisor"])
def test_arming_is_refused_while_a_halt_file_lies_there(file: str) -> None:
    desk = armed()
    desk.tell(stop(TradingState.DISARMED), gateway_status(halt_file=file))
    (refused,) = of(desk.tell(ask(ARMED)), ArmRefused)
    assert any(file in problem for problem in refused.problems)
    desk.tell(gateway_status(), ask(ARMED))
    assert desk.state.trading.state is ARMED


def buried(message: Message, cut: int = 0) -> tuple[EntryBuried, str]:
    """A stop that risk gave up, with its message id; `cut` leaves that many characters of its text."""
    envelope = Envelope.wrap(message, source="cli", now_ns=1, causation_id="kim")
    text = envelope.encode()
    given_up = EntryBuried(
        stream_key=STOPS.key, entry_id="7-0", service="risk", reason="odd", tries=3,
        text=text[:cut] if cut else text,
    )  # fmt: skip
    return given_up, envelope.id


def test_a_halt_that_risk_gave_up_holds_until_it_is_lifted() -> None:
    desk = armed()
    given_up, stop_id = buried(stop(TradingState.HALTED))
    for word in of(desk.tell(given_up), TradingStateChanged):
        assert (word.state, word.stop_id) == (TradingState.HALTED, stop_id)
    assert (desk.state.trading.by, desk.state.trading.reason) == ("alice", "wrong prices")
    desk.tell(stop(TradingState.PAUSE_ENTRY))
    assert desk.state.trading.state is TradingState.HALTED
    desk.tell(LIFT)
    assert desk.state.trading.state is TradingState.DISARMED


@pytest.mark.parametrize("target", [TradingState.REDUCE_ONLY, TradingState.HALTED])
def test_a_buried_stop_that_cannot_be_read_is_a_halt(target: TradingState) -> None:
    desk = armed()
    desk.tell(buried(stop(target, reason="x" * 500), cut=250)[0])
    assert desk.state.trading.state is TradingState.HALTED


def test_a_buried_pause_of_a_symbol_holds() -> None:
    desk = armed()
    desk.tell(buried(SymbolPauseRequested(symbol=world.SAMSUNG, by="kim", reason="odd prints"))[0])
    assert desk.state.paused == {world.SAMSUNG: "kim: odd prints"}
