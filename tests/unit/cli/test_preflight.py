"""Preflight is clean only when nothing that it can see is in the way."""

from pathlib import Path

import pytest

from services.cli.board import STALE_NS, Board, seen
from services.cli.preflight import is_clean, preflight
from services.cli.wording import sentence
from services.contracts.envelope import Message
from services.contracts.in_force import Reference
from services.contracts.messages.control import LatchSet, ReferencePublished
from services.contracts.messages.orders import AccountReported, ReconciliationCompleted
from services.contracts.messages.pairs import ResidualMarked, StrandReason
from services.contracts.messages.status import ExecutorStatus, GatewayStatus, RiskStatus
from services.contracts.messages.venue_state import ConnectionChanged, ConnectionState
from services.contracts.terms import GatewayMode, Latch, TradingState
from services.contracts.trading_limits import TradingLimits
from services.market.files import load_market, load_symbol_map
from tests.unit.cli.builders import (
    DATE,
    NOW_NS,
    SAMSUNG,
    envelope,
    executor_status,
    gateway_status,
    heartbeat,
    risk_status,
)

CONFIG = Path(__file__).parents[3] / "config"


@pytest.fixture(scope="module")
def reference() -> Reference:
    rules = load_market(CONFIG)
    return Reference(
        trading_date=DATE, symbols=load_symbol_map(CONFIG, ("g1", "g2")), limits=TradingLimits(),
        costs=rules.costs_by_market(DATE),
    )  # fmt: skip


def ready(reference: Reference) -> list[Message]:
    """Everything said that must be said before arming."""
    services = ("gateway", "risk", "executor", "notifier", "detector-g1")
    return [
        *(heartbeat(name, reference_hash="" if name == "gateway" else reference.hash) for name in services),
        gateway_status(),
        ConnectionChanged(state=ConnectionState.READY, connection_epoch=1, planned=True),
        ReconciliationCompleted(trading_date=DATE, connection_epoch=1, differences=()),
        AccountReported(cash_krw=100, orderable_krw=100, holdings={}, trading_date=DATE),
        ReferencePublished(reference=reference, reference_hash=reference.hash, by="risk", reason="start"),
    ]


def complete(reference: Reference) -> list[Message]:
    """The same of a desk whose every service speaks."""
    second = heartbeat("detector-g2", reference_hash=reference.hash)
    return [*ready(reference), second, risk_status(), executor_status()]


def board_of(messages: list[Message]) -> Board:
    board = Board()
    for message in messages:
        board = seen(board, envelope(message))
    return board


def failed(messages: list[Message], now_ns: int = NOW_NS) -> set[str]:
    return {check.name for check in preflight(board_of(messages), now_ns) if not check.ok}


def test_a_ready_system_is_clean(reference: Reference) -> None:
    checks = preflight(board_of(complete(reference)), NOW_NS)
    assert is_clean(checks)
    assert "detector-g1, detector-g2 are alive" in checks[0].detail


def test_nothing_said_is_not_clean() -> None:
    checks = preflight(Board(), NOW_NS)
    assert not is_clean(checks)
    assert all(check.mend for check in checks if not check.ok)


def test_each_trouble_is_named(reference: Reference) -> None:
    base = complete(reference)
    mark = ResidualMarked(
        pair_id="P1", symbol=SAMSUNG, qty_shares=1, cost_krw=1, reason=StrandReason.NO_QUOTE, detail=""
    )
    lost = ConnectionChanged(state=ConnectionState.DISCONNECTED, connection_epoch=1, planned=False)
    differs = ReconciliationCompleted(trading_date=DATE, connection_epoch=1, differences=("one share",))
    assert failed([*base, gateway_status(mode=GatewayMode.OBSERVE)]) == {"mode"}
    assert failed([*base, gateway_status(halt_file="var/HALT.txt")]) == {"halt file"}
    assert failed([*base, risk_status(state=TradingState.HALTED)]) == {"halt"}
    assert failed([*base, lost]) == {"broker connection"}
    assert failed([*base, differs]) == {"reconciliation"}
    assert failed([*base, LatchSet(latch=Latch.CLOCKS, detail="")]) == {"latches"}
    assert failed([*base, mark]) == {"stranded positions"}
    assert failed([*base, heartbeat("executor", build="other")]) == {"one build"}
    assert failed([*base, heartbeat("executor", reference_hash="old")]) == {"reference data"}


def test_silence_of_any_service_is_named(reference: Reference) -> None:
    assert "services" in failed(ready(reference), NOW_NS + STALE_NS + 1)
    without = [m for m in ready(reference) if getattr(m, "service", "") != "detector-g1"]
    assert "services" in failed(without)


@pytest.mark.parametrize("group", ["g1", "g2"])
def test_each_detector_that_the_symbols_need_is_required(reference: Reference, group: str) -> None:
    without = [m for m in complete(reference) if getattr(m, "service", "") != f"detector-{group}"]
    (check,) = [check for check in preflight(board_of(without), NOW_NS) if not check.ok]
    assert check.detail == f"silent: detector-{group}"


@pytest.mark.parametrize(
    ("kind", "checks"),
    [
        (RiskStatus, {"halt", "latches"}), (ExecutorStatus, {"stranded positions"}),
        (GatewayStatus, {"mode", "halt file"}),
    ],
)  # fmt: skip
def test_what_nobody_said_is_unknown_and_not_none(
    reference: Reference, kind: type[Message], checks: set[str]
) -> None:
    without = [message for message in complete(reference) if not isinstance(message, kind)]
    found = {check.name: check for check in preflight(board_of(without), NOW_NS)}
    assert checks <= {name for name, check in found.items() if not check.ok}
    assert not any(check.detail.startswith("none") for name, check in found.items() if name in checks)


def test_a_reload_says_what_of_the_files_is_not_in_force(reference: Reference) -> None:
    note = "threshold.toml, default: 100 -> 50 allows more; the table waits until the desk is disarmed"
    published = ReferencePublished(
        reference=reference, reference_hash=reference.hash, by="kim", reason="r", notes=(note,)
    )
    assert note in sentence(published)
