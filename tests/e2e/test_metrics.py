"""What the processes of a running day export is what the table declares, both ways, and true."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from services.cli.fleet import FleetPlan, metrics_ports
from services.contracts.metric import Kind
from services.contracts.metrics import BY_NAME, metrics_of
from services.contracts.terms import TradingDate
from services.notifier.journal_record import read_date
from tests.e2e.test_demo import frozen, start

__all__ = ["frozen"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
GROUPS = ("g1", "g2")
SECONDS = 45


@dataclass
class Scrape:
    """One reading of one process: samples by name, each a list of (labels, value)."""

    samples: dict[str, list[tuple[dict[str, str], float]]] = field(default_factory=dict)
    families: set[str] = field(default_factory=set)

    def sum(self, name: str, **labels: str) -> float:
        found = [
            value for own, value in self.samples.get(name, []) if labels.items() <= own.items()
        ]  # fmt: skip
        return sum(found)


def scrape(port: int) -> Scrape:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as reply:
        text = reply.read().decode()
    taken = Scrape()
    for family in text_string_to_metric_families(text):
        taken.families.add(family.name + ("_total" if family.type == "counter" else ""))
        for sample in family.samples:
            taken.samples.setdefault(sample.name, []).append((dict(sample.labels), sample.value))
    return taken


def free_run_of_ports(count: int) -> int:
    """Return the first of so many ports in a row that nobody listens on."""
    for base in range(19_400, 29_000, count):
        try:
            for port in range(base, base + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return base
    raise AssertionError("no ports are free")


@dataclass
class Day:
    """The last scrape of each process while the day ran, and the report of its end."""

    scrapes: dict[str, Scrape]
    report: dict[str, Any]
    first_buys_commanded: int
    first_buys_sent: int


@pytest.fixture(scope="module")
def day(frozen: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    target = tmp_path_factory.mktemp("day") / "day.json"
    plan = FleetPlan(frozen, frozen, GROUPS, metrics_port=free_run_of_ports(7))
    ports, scrapes = metrics_ports(plan), dict[str, Scrape]()
    home = Path(tempfile.mkdtemp(prefix="day-"))
    demo = start(
        frozen, "--seconds", str(SECONDS), "--json", str(target), "--metrics-port", str(plan.metrics_port),
        "--keep", TMPDIR=str(home),
    )  # fmt: skip
    try:
        while demo.poll() is None:
            for name, port in ports.items():
                try:
                    scrapes[name] = scrape(port)
                except OSError:
                    continue  # it does not stand yet, or has ended
            time.sleep(0.5)
        output, _ = demo.communicate(timeout=30)
        assert demo.returncode == 0, output[-8_000:]
        report = json.loads(target.read_text())
        (journal,) = home.glob("arb-demo-*/journal")
        yield Day(scrapes, report, *first_buys(journal, report["trading_date"]))
    finally:
        if demo.poll() is None:
            demo.send_signal(signal.SIGTERM)
            demo.wait(60)
        shutil.rmtree(home, ignore_errors=True)


def first_buys(journal: Path, date: str) -> tuple[int, int]:
    """How many pairs' first buys the record of a date has: commanded, and sent."""
    orders = read_date(journal, TradingDate(date)).orders
    first = [order for order_id, order in orders.items() if order_id.endswith(".1.b.1")]
    return sum(o.command is not None for o in first), sum(o.facts is not None for o in first)


PROCESSES = ("gateway", "risk", "executor", "notifier", "simulator", "detector-g1", "detector-g2")


@pytest.mark.parametrize("name", PROCESSES)
def test_every_declared_metric_is_exported_and_nothing_else(day: Day, name: str) -> None:
    declared = {metric.name for metric in metrics_of(name.partition("-")[0])}
    assert day.scrapes[name].families == declared


@pytest.mark.parametrize("name", PROCESSES)
def test_labels_are_those_of_the_table(day: Day, name: str) -> None:
    for sample, series in day.scrapes[name].samples.items():
        base = sample
        for end in ("_bucket", "_sum", "_count"):
            if base not in BY_NAME:
                base = sample.removesuffix(end)
        row = BY_NAME[base]
        for labels, _ in series:
            own = set(labels) - ({"le"} if row.kind is Kind.HISTOGRAM else set())
            assert own == set(row.label_names), sample
            for label in row.labels:
                assert not label.values or labels[label.name] in label.values, (sample, labels)


@pytest.mark.parametrize("name", PROCESSES)
def test_no_figure_could_not_be_computed(day: Day, name: str) -> None:
    assert day.scrapes[name].sum("arb_readings_failed_total") == 0


def test_the_figures_are_those_of_the_days_report(day: Day) -> None:
    """The last scrape is from just before the end, when the day is over and flat."""
    report, scrapes = day.report, day.scrapes
    gateway, risk, executor = scrapes["gateway"], scrapes["risk"], scrapes["executor"]
    detectors = [scrapes[f"detector-{group}"] for group in GROUPS]
    assert risk.sum("arb_pairs_approved_total") == report["pairs_approved"]
    assert risk.sum("arb_intents_denied_total") == sum(report["denials"].values())
    assert sum(d.sum("arb_intents_total") for d in detectors) == report["intents"]
    assert executor.sum("arb_pairs_closed_total") == report["pairs_closed"]
    assert gateway.sum("arb_orders_sent_total") == report["orders_sent"]
    assert gateway.sum("arb_fills_total") == report["fills"]
    assert risk.sum("arb_realised_pnl_krw") == report["realised_pnl_krw"]
    assert risk.sum("arb_open_pairs") == executor.sum("arb_uncovered_shares") == 0
    assert risk.sum("arb_trading_state", state="armed") == 1
    books = scrapes["simulator"]
    assert books.sum("arb_simulator_held_shares") == 0


def test_what_an_order_cost_in_time_is_known_hop_by_hop(day: Day) -> None:
    """A pair whose spread is gone before its first clip commands nothing, a late entry is not sent."""
    whole = day.scrapes["risk"]
    assert day.report["pairs_approved"] >= day.first_buys_commanded >= day.first_buys_sent > 0
    assert whole.sum("arb_tick_to_order_seconds_count") == day.first_buys_sent
    commanded = day.scrapes["executor"].sum("arb_order_path_seconds_count", hop="command")
    assert commanded == day.first_buys_commanded
    for name, hop in (("detector-g1", "intent"), ("risk", "verdict"), ("gateway", "send")):
        assert day.scrapes[name].sum("arb_order_path_seconds_count", hop=hop) > 0


def test_a_port_that_is_taken_ends_the_start_with_how_to_choose_another(frozen: Path, tmp_path: Path) -> None:
    base = free_run_of_ports(7)
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", base + 1))
        taken.listen()
        demo = start(frozen, "--seconds", "45", "--metrics-port", str(base))
        output, _ = demo.communicate(timeout=120)
    assert demo.returncode == 1
    assert f"metrics_port {base + 1}" in output and "ARB_RUNTIME_METRICS_PORT" in output


def test_arb_up_leaves_a_file_that_prometheus_finds_everybody_by(frozen: Path, tmp_path: Path) -> None:
    base = free_run_of_ports(7)
    run, said = tmp_path / "run", tmp_path / "said"

    def arb(*args: str) -> int:
        command = [sys.executable, "-m", "services.cli", *args, "--run", str(run)]
        with said.open("ab") as out:  # a pipe would stay open as long as what it starts
            return subprocess.run(
                command, cwd=frozen, stdout=out, stderr=out, timeout=120, check=False
            ).returncode

    try:
        assert arb("up", "--metrics-port", str(base)) == 0, said.read_text()
        targets = json.loads((run / "prometheus-targets.json").read_text())
        assert len(targets) == len(PROCESSES)
        for target in targets:
            port = int(target["targets"][0].rpartition(":")[2])
            service = target["labels"]["service"]
            assert scrape(port).families == {metric.name for metric in metrics_of(service)}
    finally:
        ended = arb("down")
    assert ended == 0
    assert not (run / "prometheus-targets.json").exists()
