"""Killed around SendOrder, and started anew: what the log of intentions and the stored state still hold."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from services.contracts.messages.control import StopRequested
from services.contracts.messages.orders import CommandDenied, OrderResolved, Resolution
from services.contracts.reasons import GateReason
from services.contracts.terms import TradingState
from services.gateway.core import recovered
from services.gateway.intention_log import IntentionLog
from services.gateway.order_table import Stage
from services.runtime.parts import changed_parts, restore

from .desk import DATE, Desk, exit_order, fresh, order, ready

ROOT = Path(__file__).parents[3]


@pytest.fixture(params=["before", "within"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> IntentionLog:
    """The log of a process that died with the intention written, before or within the call."""
    program = [sys.executable, "-m", "tests.unit.gateway.dying_port", str(tmp_path), request.param]
    done = subprocess.run(program, cwd=ROOT, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    return IntentionLog(tmp_path)


def test_an_order_whose_process_died_around_the_call_is_unknown_and_never_sent_again(
    log: IntentionLog,
) -> None:
    state = recovered(fresh().state, log.read(DATE), DATE)
    assert state.orders.working["P1.1.b.1"].stage is Stage.UNKNOWN
    again = Desk(state, fresh().now_ns)
    again.broker.answers = False
    again = ready(again)
    again.hear(order(again.now_ns), "read once more")
    again.broker.answers = True
    again.run(12)
    assert again.sends == []
    assert [m.resolution for m in again.told(OrderResolved)] == [Resolution.NEVER_ARRIVED]


def test_a_halt_holds_over_a_restart_of_the_gateway(desk: Desk) -> None:
    first = fresh().state
    desk.hear(StopRequested(target=TradingState.HALTED, by="t", reason="t"), "h")
    state = recovered(restore(first, changed_parts(None, desk.state)), (), DATE)
    again = Desk(state, desk.now_ns)
    again.hear(exit_order(again.now_ns, pair_id="P9"), "x")
    assert [m.reason for m in again.told(CommandDenied)] == [GateReason.HALTED]
