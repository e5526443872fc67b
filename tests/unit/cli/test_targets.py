"""Where Prometheus finds each process of a stack."""

import json
from pathlib import Path

from services.cli.fleet import FleetPlan, metrics_ports, programs
from services.cli.targets import TARGETS_FILE, targets, write_targets


def plan(folder: Path, **changes: object) -> FleetPlan:
    values: dict[str, object] = {"groups": ("g1", "g2"), "metrics_port": 9101, **changes}
    return FleetPlan(folder, folder, **values)  # type: ignore[arg-type]


def test_every_process_has_a_port_of_its_own_and_is_told_it(tmp_path: Path) -> None:
    ports = metrics_ports(plan(tmp_path))
    assert sorted(ports.values()) == list(range(9101, 9101 + len(ports)))
    for program in programs(plan(tmp_path)):
        told = program.env.get("ARB_RUNTIME_METRICS_PORT")
        if program.name == "simulator":
            told = program.argv[program.argv.index("--metrics-port") + 1]
        assert told == (str(ports[program.name]) if program.name in ports else None)


def test_the_file_names_each_target_with_its_labels(tmp_path: Path) -> None:
    path = write_targets(plan(tmp_path))
    assert path == tmp_path / TARGETS_FILE
    found = {entry["labels"]["instance"]: entry for entry in json.loads(path.read_text())}
    assert set(found) == {
        "gateway",
        "risk",
        "executor",
        "notifier",
        "simulator",
        "detector-g1",
        "detector-g2",
    }
    assert found["risk"]["labels"] == {"instance": "risk", "service": "risk"}
    assert found["detector-g2"]["labels"] == {"instance": "detector-g2", "service": "detector", "group": "g2"}
    assert found["gateway"]["targets"] == ["127.0.0.1:9101"]


def test_a_gateway_elsewhere_is_no_target_here(tmp_path: Path) -> None:
    names = {entry["labels"]["instance"] for entry in targets(plan(tmp_path, simulator_seed=None))}
    assert not names & {"gateway", "simulator"}
    assert "risk" in names


def test_without_a_port_nothing_is_exported_and_no_file_written(tmp_path: Path) -> None:
    assert write_targets(plan(tmp_path, metrics_port=0)) is None
    assert list(tmp_path.iterdir()) == []
