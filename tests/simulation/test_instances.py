"""Processes of a virtual day are production's own: a second one beside the first, and a core that fails."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.pairs import PairApproved
from services.contracts.messages.status import Heartbeat
from services.contracts.messages.venue_state import ConnectionState
from services.contracts.step import Event, Received, Step
from services.lab.invariants import violations
from services.runtime.service import Service
from services.simulator.virtual.day import CODED_EVERY, VirtualDay
from services.simulator.virtual.desk import Desk, build_desk
from services.simulator.virtual.faults import CALM

from .scripted import Scripted


@pytest.fixture(scope="module")
def desk() -> Desk:
    return build_desk(Path(__file__).resolve().parents[2] / "config")


def test_second_instance_runs_beside_the_first_until_that_is_fenced(desk: Desk) -> None:
    """Each has a connection, a clock, and the gateway a session with the broker, of its own."""
    beside: dict[str, int] = {}

    def script(day: Scripted, now_ns: int) -> None:
        for process in day.everyone:
            idle = day.gateway.state.link.state is ConnectionState.READY and not day.sends
            if process.name not in beside and (idle if process is day.gateway else day.sends):
                process.start()
                beside[process.name] = process.instances

    day = Scripted(desk, script)
    day.run()
    assert violations(day.witness) == []
    assert set(beside.values()) == {2}
    assert {process.instances for process in day.everyone} == {1}
    beats = {m.instance for m in day.messages(Heartbeat)}
    assert {"gateway-1", "gateway-2", "risk-1", "risk-2"} <= beats
    assert day.messages(PairApproved), "and the desk goes on"


def test_core_that_fails_is_buried_as_in_production_and_is_a_violation(desk: Desk) -> None:
    day = VirtualDay(desk, 2, CALM)
    executor = next(process for process in day.processes if process.name == "executor")
    make = executor.make

    def failing(service: Service[Any]) -> Service[Any]:
        def decide(state: Any, event: Event) -> Step[Any]:
            if isinstance(event, Received) and isinstance(event.message, PairApproved):
                raise ZeroDivisionError("planted")
            return service.decide(state, event)

        return replace(service, decide=decide)

    executor.make = lambda: failing(make())
    day.run()
    found = violations(day.witness)
    assert any("EntryBuried" in sentence and "planted" in sentence for sentence in found)
    assert day.witness.ever(AlertRaised), "and people are told"


def test_day_is_the_same_whether_messages_and_states_go_through_json(desk: Desk) -> None:
    said = []
    for coded in (True, False):
        day = VirtualDay(desk, CODED_EVERY, CALM)
        assert day.bus.coded, "the seeds that say so go through JSON"
        day.bus.coded = coded
        day.run()
        said.append(list(day.witness.said.values()))
    assert said[0] and said[0] == said[1]
