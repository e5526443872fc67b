"""The exchange's time stamps in whole days: only a clock that is off by seconds stops the desk."""

from pathlib import Path

import pytest

from services.contracts.limits import LEASE_MS, NS_PER_MS, NS_PER_S
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.control import LatchSet
from services.contracts.messages.status import Heartbeat
from services.contracts.terms import Latch, Severity
from services.simulator.virtual.day import VirtualDay
from services.simulator.virtual.desk import Desk, build_desk
from services.simulator.virtual.faults import CALM

PARTED = "gateway-exchange-time-"
BEHIND_NS = 8 * NS_PER_S


@pytest.fixture(scope="module")
def desk() -> Desk:
    return build_desk(Path(__file__).resolve().parents[2] / "config")


def messages(day: VirtualDay) -> list[object]:
    day.run()
    return [envelope.body for envelope in day.witness.kept.values()]


def alarms(said: list[object]) -> list[AlertRaised]:
    return [
        m for m in said if isinstance(m, AlertRaised) and m.alert_id.startswith(PARTED) and not m.resolved
    ]


@pytest.mark.parametrize("seed", range(1, 7))
def test_faults_that_are_not_the_clock_never_part_the_times(desk: Desk, seed: int) -> None:
    assert alarms(messages(VirtualDay(desk, seed))) == []


def test_time_stamps_seconds_behind_are_told_and_the_desk_is_latched(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = VirtualDay(desk, 1, CALM)
    monkeypatch.setattr(day.world.feed, "clock", lambda: day.plan.hhmmss(day.time.now_ns - BEHIND_NS))
    said = messages(day)
    assert {m.severity for m in alarms(said)} == {Severity.CRITICAL}
    beats = [m for m in said if isinstance(m, Heartbeat) and m.service == "gateway"]
    assert {m.clock_trusted for m in beats} == {True, False}
    assert Latch.CLOCKS in {m.latch for m in said if isinstance(m, LatchSet)}


def test_a_step_of_a_running_gateways_measure_costs_it_its_trust(desk: Desk) -> None:
    """As the real clock has it: time is slewed, the step is counted, and no lease is renewed meanwhile."""
    day = VirtualDay(desk, 1, CALM)
    day._heal = lambda: setattr(day.gateway, "clock_shift_ns", 120 * NS_PER_MS)  # type: ignore[method-assign]
    beats = [m for m in messages(day) if isinstance(m, Heartbeat) and m.service == "gateway"]
    assert [beats[0].clock_jumps, beats[-1].clock_jumps] == [0, 1]
    assert {beat.clock_trusted for beat in beats} == {True, False}
    assert max(sent.at_ns for sent in day.witness.entries) < day.heal_ns + LEASE_MS * NS_PER_MS
