"""What is started, in which order, and with what in its environment."""

from itertools import pairwise
from pathlib import Path

from services.cli.fleet import SIMULATOR, FleetPlan, heartbeats_of, metrics_ports, programs
from services.cli.stack import Program
from services.contracts.terms import GatewayMode

PLAN = FleetPlan(Path("/run/x"), Path("/config"), ("g1", "g2"), day_plan=Path("/run/x/day.json"))


def test_the_world_comes_first_and_each_group_has_a_detector() -> None:
    names = [program.name for program in programs(PLAN)]
    assert names[:2] == ["simulator", "gateway"]
    assert names[-2:] == ["detector-g1", "detector-g2"]
    assert {"risk", "executor", "notifier", "notifier-worker"} < set(names)


def test_every_service_of_a_compressed_day_has_its_plan() -> None:
    for program in programs(PLAN):
        plan = program.env.get("ARB_RUNTIME_DAY_PLAN") or " ".join(program.argv)
        assert "/run/x/day.json" in plan, program.name


def test_without_a_gateway_here_there_is_no_simulator_either() -> None:
    elsewhere = FleetPlan(Path("/run/x"), Path("/config"), ("g1",), simulator_seed=None)
    assert {"simulator", "gateway"}.isdisjoint(program.name for program in programs(elsewhere))
    assert "gateway" not in heartbeats_of(elsewhere)


def test_the_mode_reaches_the_gateway_alone() -> None:
    observing = FleetPlan(Path("/run/x"), Path("/config"), ("g1",), mode=GatewayMode.OBSERVE)
    modes = {program.name: program.env.get("ARB_GATEWAY_MODE") for program in programs(observing)}
    assert modes.pop("gateway") == "observe"
    assert set(modes.values()) == {None}


def test_each_service_serves_metrics_on_a_port_of_its_own() -> None:
    plan = FleetPlan(Path("/run/x"), Path("/config"), ("g1", "g2"), metrics_port=9_100)
    ports = {p.name: int(told) for p in programs(plan) if (told := port_told_to(p))}
    assert ports == metrics_ports(plan)
    assert set(ports) == {SIMULATOR, *heartbeats_of(plan)}
    assert sorted(ports.values()) == list(range(9_100, 9_100 + len(ports)))
    assert not any("ARB_RUNTIME_METRICS_PORT" in program.env for program in programs(PLAN))


def port_told_to(program: Program) -> str:
    """By its environment, or by its command line."""
    words = dict(pairwise(program.argv))
    return program.env.get("ARB_RUNTIME_METRICS_PORT") or words.get("--metrics-port", "")
