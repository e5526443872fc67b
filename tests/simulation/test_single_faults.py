"""One kind of fault at a time, at its highest rate: the day still breaks no invariant, and still trades.

Days that draw everything at once show that faults combine; these show which one it was.
"""

from pathlib import Path
from typing import Any

import pytest

from services.contracts.limits import NS_PER_S
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.control import LatchSet
from services.contracts.messages.venue_state import ConnectionChanged, ConnectionState
from services.contracts.terms import Severity
from services.lab.invariants import violations
from services.simulator.options import FaultOptions
from services.simulator.virtual.day import VirtualDay, run_day
from services.simulator.virtual.desk import Desk, build_desk
from services.simulator.virtual.faults import (
    BROKER_RATES,
    SERVICE_RATES,
    WORD_RATES,
    DayFaults,
    ServiceFaults,
)

pytestmark = pytest.mark.slow

BROKER: dict[str, float] = {**BROKER_RATES, **WORD_RATES, "duplicate_vi_rate": 1.0}
MARKET: dict[str, float] = {"vi_per_symbol_hour": 60.0, "halts_per_s": 0.1, "delistings_per_s": 0.2}
COUNTED_AS = {
    "halts_per_s": ("halt",),
    "delistings_per_s": ("delisting",),
    "crash_at_send": ("crash_before_send", "crash_within_send"),
}
SEED = 3


@pytest.fixture(scope="module")
def desk() -> Desk:
    return build_desk(Path(__file__).resolve().parents[2] / "config")


def only(broker: dict[str, Any], services: dict[str, Any], market: dict[str, Any]) -> DayFaults:
    return DayFaults(ServiceFaults(**services), FaultOptions(**broker), **market)


@pytest.mark.parametrize("fault", BROKER)
def test_a_fault_of_the_broker_alone_breaks_no_invariant(desk: Desk, fault: str) -> None:
    result = run_day(desk, SEED, faults=only({fault: BROKER[fault]}, {}, {}))
    assert result.violations == []
    assert result.trips


def test_a_build_without_venues_breaks_no_invariant(desk: Desk) -> None:
    result = run_day(desk, SEED, faults=only({"venue_fids": False}, {}, {}))
    assert result.violations == []
    assert result.trips


@pytest.mark.parametrize("fault", SERVICE_RATES)
def test_a_fault_of_a_service_alone_breaks_no_invariant(desk: Desk, fault: str) -> None:
    result = run_day(desk, SEED, faults=only({}, {fault: 3 * SERVICE_RATES[fault]}, {}))
    assert result.violations == []
    assert result.trips
    struck = sum(result.faults[kind] for kind in COUNTED_AS.get(fault, (fault,)))
    assert struck, "the fault never struck"


@pytest.mark.parametrize("fault", MARKET)
def test_a_stop_of_the_market_alone_breaks_no_invariant(desk: Desk, fault: str) -> None:
    result = run_day(desk, SEED, faults=only({}, {}, {fault: MARKET[fault]}))
    assert result.violations == []
    assert result.trips
    assert all(result.faults[kind] for kind in COUNTED_AS.get(fault, ()))


def test_the_brokers_night_alone_breaks_no_invariant_and_wakes_nobody(desk: Desk) -> None:
    day = VirtualDay(desk, SEED, only({}, {}, {"nightly_cut": True}))
    day.end_ns += NS_PER_S  # the night ends 160 ms before the day
    day.run()
    assert violations(day.witness) == []
    assert day.struck()["nightly_cut"] == day.struck()["disconnect"] == 1
    said = [envelope.body for envelope in day.witness.said.values()]
    states = [m for m in said if isinstance(m, ConnectionChanged)]
    closed = next(at for at, m in enumerate(states) if m.state is ConnectionState.CLOSED)
    assert states[closed].planned
    again = [m.state for m in states[closed + 1 :]]
    assert ConnectionState.CONNECTING in again, "it logs in when the night is over"
    raised = [m for m in said if isinstance(m, AlertRaised) and not m.resolved]
    assert not [m for m in raised if m.severity is Severity.CRITICAL]
    assert not [m for m in said if isinstance(m, LatchSet)]
