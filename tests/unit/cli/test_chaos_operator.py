"""What the person at the desk asks for, from what the board shows."""

from dataclasses import replace
from typing import Any

import pytest

from services.cli.board import Board, seen
from services.cli.chaos_operator import requests
from services.contracts.envelope import Message
from services.contracts.limits import NS_PER_S
from services.contracts.messages.control import (
    FlattenRequested,
    HaltLiftRequested,
    LatchClearRequested,
    StopRequested,
    TradingStateRequested,
)
from services.contracts.messages.pairs import ResidualMarked, StrandReason
from services.contracts.messages.venue_state import ConnectionState
from services.contracts.terms import Latch, TradingState
from tests.unit.cli.builders import NOW_NS, SAMSUNG, envelope, gateway_status, heartbeat, risk_status

SERVICES = ("gateway", "risk", "executor")
REDUCE = TradingState.REDUCE_ONLY


def board(*messages: Message, **status: Any) -> Board:
    """A board on which all services beat, disarmed."""
    shown = Board()
    state = {"state": TradingState.DISARMED, **status}
    for message in (*map(heartbeat, SERVICES), gateway_status(), risk_status(**state), *messages):
        shown = seen(shown, envelope(message))
    return shown


def test_another_state_is_asked_for_once_it_is_wanted() -> None:
    (asked,) = requests(board(), NOW_NS, REDUCE, SERVICES)
    assert isinstance(asked, TradingStateRequested)
    assert asked.target is REDUCE


def test_nothing_is_asked_for_where_the_state_is_the_wanted_one() -> None:
    assert requests(board(state=REDUCE), NOW_NS, REDUCE, SERVICES) == ()


def test_arming_waits_for_a_clean_preflight() -> None:
    assert requests(board(), NOW_NS, TradingState.ARMED, SERVICES) == ()


def test_a_halt_is_lifted_before_anything_else_is_asked_for() -> None:
    halted = board(state=TradingState.HALTED, stop_count=7)
    for wanted in (TradingState.ARMED, REDUCE):
        (asked,) = requests(halted, NOW_NS, wanted, SERVICES)
        assert isinstance(asked, HaltLiftRequested) and asked.stop_count == 7


def test_a_state_that_allows_less_is_reached_by_a_stop() -> None:
    (asked,) = requests(board(state=TradingState.ARMED), NOW_NS, REDUCE, SERVICES)
    assert isinstance(asked, StopRequested) and asked.target is REDUCE


def test_latches_are_lifted_before_the_state_is_asked_for() -> None:
    latched = board(latches=(Latch.UNPLANNED_DISCONNECT, Latch.REPEATED_ERRORS))
    asked = requests(latched, NOW_NS, REDUCE, SERVICES)
    assert all(isinstance(message, LatchClearRequested) for message in asked)
    assert {message.latch for message in asked if isinstance(message, LatchClearRequested)} == {
        Latch.UNPLANNED_DISCONNECT, Latch.REPEATED_ERRORS,
    }  # fmt: skip


def test_a_stranded_position_is_flattened_by_its_symbol() -> None:
    marked = ResidualMarked(
        pair_id="P1", symbol=SAMSUNG, qty_shares=1, cost_krw=1, reason=StrandReason.NO_QUOTE, detail=""
    )
    asked = requests(board(marked, latches=(Latch.RESIDUAL_STRANDED,)), NOW_NS, REDUCE, SERVICES)
    assert [type(message) for message in asked] == [FlattenRequested, LatchClearRequested]
    assert isinstance(asked[0], FlattenRequested) and asked[0].symbol == SAMSUNG


def test_nobody_acts_while_a_service_is_silent() -> None:
    assert requests(board(), NOW_NS + 60 * NS_PER_S, REDUCE, SERVICES) == ()
    assert requests(board(), NOW_NS, REDUCE, (*SERVICES, "notifier")) == ()


@pytest.mark.parametrize("state", [ConnectionState.DISCONNECTED, ConnectionState.SYNCHRONISING])
def test_nobody_acts_while_the_broker_is_away(state: ConnectionState) -> None:
    away = replace(board(), gateway=gateway_status(connection=state))
    assert requests(away, NOW_NS, REDUCE, SERVICES) == ()
