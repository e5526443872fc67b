"""The lease says which trading state holds: an entry goes by whatever stream was read first."""

import pytest

from services.contracts.messages.lease import LeaseRenewed
from services.contracts.messages.orders import CommandDenied
from services.contracts.reasons import GateReason
from services.contracts.terms import TradingState
from services.gateway.facts import LeaseSeen
from services.risk.core import decide
from tests.unit.detector import world
from tests.unit.risk import desk as risk_desk

from .desk import Desk, S, chejan, exit_order, order

STOPPED = [state for state in TradingState if not state.allows_entries]


def renewed(desk: Desk, state: TradingState) -> None:
    desk.feed(LeaseSeen(desk.now_ns + 2 * S, "hash", state))


@pytest.mark.parametrize("state", STOPPED)
def test_no_entry_leaves_while_the_lease_names_a_state_that_allows_none(
    desk: Desk, state: TradingState
) -> None:
    renewed(desk, state)
    desk.hear(order(desk.now_ns))
    assert desk.sends == [] and desk.told(CommandDenied)[-1].reason is GateReason.LEASE
    renewed(desk, TradingState.ARMED)
    desk.hear(order(desk.now_ns, order_id="P1.2.b.1"))
    assert [send.order_id for send in desk.sends] == ["P1.2.b.1"]


def test_what_sells_needs_no_word_of_the_lease(desk: Desk) -> None:
    desk.hear(order(desk.now_ns))
    desk.answer(desk.sends[-1], "101")
    desk.frame(**filled(desk))
    renewed(desk, TradingState.REDUCE_ONLY)
    desk.hear(exit_order(desk.now_ns))
    assert len(desk.sends) == 2


def filled(desk: Desk) -> dict[str, str]:
    return chejan(desk.sends[-1], "101", "체결", remaining=0, cum=10, amount=1_995_000)


@pytest.mark.parametrize("state", [TradingState.HALTED, TradingState.REDUCE_ONLY, TradingState.ARMED])
def test_risk_renews_the_lease_in_the_step_that_changes_the_state(state: TradingState) -> None:
    desk = risk_desk.armed() if state is not TradingState.ARMED else risk_desk.ready()
    (request,) = world.events([risk_desk.ask(state)], world.ms(risk_desk.NOW))
    said = [out.message for out in decide(desk.state, request).out]
    assert [m.state for m in said if isinstance(m, LeaseRenewed)] == [state]
