"""A real Prometheus beside a simulated day: every query of every panel and rule answers, and silence is told.

The deployed rules, alerts and routes run as they are; only addresses and intervals are the test's own.
"""

import json
import math
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from services.cli.targets import TARGETS_FILE
from services.contracts.metrics import SERVICES, TABLE
from tests.observability.panels import BOARDS, annotations_of, board, expressions, panels_of
from tests.support.monitoring_tools import Unavailable
from tests.support.prometheus import Mailbox, Prometheus, free_ports, mailbox, monitoring
from tests.support.promql_names import metric_of, selectors

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
ROOT: Final = Path(__file__).resolve().parents[2]
SECONDS: Final = 60
RANGE_S: Final = 120
WINDOWS: Final = {"$__rate_interval": "20s", "$__range": "5m"}
ALL_VALUES: Final = ".*"
SILENCE_TIMEOUT_S: Final = 45

RARE: Final = {
    "arb_dead_letters_total": "nothing is given up on a day without faults",
    "arb_send_order_refused_total": "the simulated broker refuses no call on such a day",
    "arb_broker_words_unknown_total": "the simulated broker uses no word that its guide lacks",
    "arb_symbol_exposure_krw": "only while a pair of a symbol is open",
    "arb_gate_closed": "only gates that are closed now",
    "arb_gateway_rests": "the gateway's supervisor says it, and a demo has none",
    "arb_supervisor_look_age_seconds": "the gateway's supervisor leaves the mark, and a demo has none",
}
"""Series that need an event or a process that a clean day may not have, each with why."""


@dataclass
class Question:
    """One query as Grafana would ask it. `finite`: a result of NaN alone is no answer."""

    where: str
    text: str
    instant: bool
    answered: bool = False
    problem: str = "no data"

    def ask(self, prometheus: Prometheus) -> None:
        try:
            if self.instant:
                values = [sample["value"][1] for sample in prometheus.instant(self.text)]
            else:
                series = prometheus.over(self.text, RANGE_S)
                values = [value for one in series for _, value in one["values"]]
        except Exception as error:
            self.problem = str(error)
            return
        self.answered = any(not math.isnan(float(value)) for value in values)
        self.problem = "only NaN" if values else "no data"


@dataclass
class Day:
    """What was seen while the day ran."""

    questions: list[Question]
    report: dict[str, Any] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    rules: list[dict[str, Any]] = field(default_factory=list)
    fired: set[str] = field(default_factory=set)
    variables: dict[str, list[str]] = field(default_factory=dict)
    targets: list[dict[str, Any]] = field(default_factory=list)
    after_end: set[str] = field(default_factory=set)
    box: Mailbox = field(default_factory=lambda: Mailbox(""))


def substituted(text: str, choice: str = ALL_VALUES) -> str:
    """Return a query as Grafana sends it, every variable set to one choice."""
    for name, value in WINDOWS.items():
        text = text.replace(name, value)
    return re.sub(r"\$[a-z]+\b", choice, text)


def panel_questions() -> list[Question]:
    return [
        Question(panel.id, substituted(text), panel.is_instant)
        for name in BOARDS
        for panel in panels_of(name)
        for text in panel.targets
    ]


def annotation_questions() -> list[Question]:
    return [
        Question(f"{name}: mark {mark['name']}", substituted(mark["expr"]), instant=False)
        for name in BOARDS
        for mark in annotations_of(name)
        if mark["name"] in ("Restarts", "Sessions")  # halts and latches are not of a clean day
    ]


def rule_questions() -> list[Question]:
    """Return each recording rule's result, and each series that an alert looks at."""
    asked = []
    for path in sorted((ROOT / "deploy" / "prometheus" / "rules").glob("*.yml")):
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]:
            for rule in group["rules"]:
                if "record" in rule:
                    asked.append(Question(rule["record"], rule["record"], instant=False))
                    continue
                for name in sorted({selector.name for selector in selectors(rule["expr"])}):
                    if name not in RARE:
                        asked.append(Question(f"alert {rule['alert']}: {name}", name, instant=False))
    return asked


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    """One simulated day, watched from its beginning to half a minute after its end."""
    folder = tmp_path_factory.mktemp("live")
    targets = folder / "targets.json"
    try:
        with mailbox() as box, monitoring(folder, targets, box) as prometheus:
            yield watched(folder, targets, prometheus, box)
    except Unavailable as error:
        pytest.skip(f"NOT CHECKED: no query of a dashboard or rule was run, because {error}")


def watched(folder: Path, targets: Path, prometheus: Prometheus, box: Mailbox) -> Day:
    seen = Day([*panel_questions(), *annotation_questions(), *rule_questions()], box=box)
    demo = start_demo(folder)
    try:
        deadline = time.monotonic() + SECONDS + 120
        while demo.poll() is None and time.monotonic() < deadline:
            for written in (folder / "tmp").glob(f"arb-demo-*/{TARGETS_FILE}"):
                copy_whole(written, targets)
            look(seen, prometheus)
            time.sleep(2)
        output, _ = demo.communicate(timeout=60)
    finally:
        demo.kill()
    assert demo.returncode == 0, output[-8_000:]
    seen.report = json.loads((folder / "day.json").read_text("utf-8"))
    await_silence(seen, prometheus)
    return seen


def start_demo(folder: Path) -> "subprocess.Popen[str]":
    """Run the day from a copy of the code: services of one build, also if a file is saved meanwhile."""
    code = folder / "code"
    for name in ("services", "config"):
        ignored = shutil.ignore_patterns("__pycache__", "slack.toml")
        shutil.copytree(ROOT / name, code / name, ignore=ignored)
    (folder / "tmp").mkdir()
    own = {"PYTHONPATH": str(code), "ARB_CONFIG_DIR": str(code / "config"), "TMPDIR": str(folder / "tmp")}
    port = consecutive_ports()
    return subprocess.Popen(
        [
            sys.executable, "-m", "services.cli", "demo", "--plain", "--seconds", str(SECONDS),
            "--json", str(folder / "day.json"), "--metrics-port", str(port),
        ],
        cwd=code, env={**os.environ, **own}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def copy_whole(source: Path, target: Path) -> None:
    """Copy what outlives the run folder; Prometheus never reads half of it."""
    if not target.exists():
        beside = target.with_suffix(".new")
        with suppress(FileNotFoundError):  # the day may be over this moment
            shutil.copy(source, beside)
            beside.rename(target)


def consecutive_ports(count: int = 10) -> int:
    """Return the first of some ports in a row, none of which is taken now."""
    for _ in range(50):
        (first,) = free_ports(1)
        if first + count < 65_000 and all(is_free(first + place) for place in range(count)):
            return first
    raise AssertionError("no free ports in a row")


def is_free(port: int) -> bool:
    with socket.socket() as one:
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def look(seen: Day, prometheus: Prometheus) -> None:
    """Ask what has no answer yet, and note what there is."""
    for question in seen.questions:
        if not question.answered:
            question.ask(prometheus)
    seen.names |= set(prometheus.label_values('{__name__=~"arb.*"}', "__name__"))
    seen.rules = prometheus.rules()
    seen.fired |= {rule["name"] for rule in seen.rules if rule.get("state") == "firing"}
    seen.targets = [t for t in prometheus.targets() if t["labels"]["job"] == "arb"] or seen.targets
    for name in BOARDS:
        for variable in board(name)["templating"]["list"]:
            selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"]).groups()
            found = prometheus.label_values(substituted(selector), label)
            seen.variables[f"{name}: {label}"] = found or seen.variables.get(f"{name}: {label}", [])


def await_silence(seen: Day, prometheus: Prometheus) -> None:
    """All processes are gone now: wait until that is told."""
    deadline = time.monotonic() + SILENCE_TIMEOUT_S
    while time.monotonic() < deadline and not posts_about(seen.box, "does not answer"):
        firing = {rule["name"] for rule in prometheus.rules() if rule.get("state") == "firing"}
        seen.after_end |= firing
        time.sleep(0.5)


def posts_about(box: Mailbox, words: str) -> list[dict[str, Any]]:
    return [post for post in box.at("/slack") if words in json.dumps(post, ensure_ascii=False)]


# -- what must hold ----------------------------------------------------------------------


def test_the_day_was_a_clean_one(day: Day) -> None:
    assert day.report["errors"] == []
    assert day.report["pairs_closed"] > 0
    assert {target["labels"]["service"] for target in day.targets} >= set(SERVICES)
    assert {target["labels"].get("group") for target in day.targets} >= {"g1", "g2"}


def test_every_panel_and_every_mark_has_data(day: Day) -> None:
    silent = [
        f"{question.where}: {question.problem}: {question.text}"
        for question in day.questions
        if not question.answered and not question.where.startswith(("alert ", "arb:"))
    ]
    assert silent == [], "\n".join(silent)


def test_every_rule_is_evaluated_on_data(day: Day) -> None:
    ill = [f"{rule['name']}: {rule.get('lastError')}" for rule in day.rules if rule["health"] != "ok"]
    assert ill == []
    silent = [
        f"{question.where}: {question.problem}"
        for question in day.questions
        if not question.answered and question.where.startswith(("alert ", "arb:"))
    ]
    assert silent == [], "\n".join(silent)


def test_every_choice_at_the_top_of_a_dashboard_has_values(day: Day) -> None:
    assert [name for name, values in day.variables.items() if not values] == []
    assert any(len(values) > 10 for name, values in day.variables.items() if name.endswith("symbol"))


def test_every_metric_that_a_dashboard_names_is_there(day: Day) -> None:
    named = {s.name for name in BOARDS for text in expressions(name) for s in selectors(text)}
    ours = {name for name in named if name.startswith("arb")}
    assert sorted(ours - day.names - RARE.keys()) == []


def test_nothing_is_exported_that_the_table_does_not_declare(day: Day) -> None:
    declared = {metric.name for metric in TABLE}
    strange = {
        name
        for name in day.names
        if name not in declared and metric_of(name) is None and not name.startswith("arb:")
    }
    assert strange == set()


def test_a_clean_day_wakes_nobody(day: Day) -> None:
    critical = {rule["name"] for rule in day.rules if rule.get("labels", {}).get("severity") == "critical"}
    assert day.fired & critical == set()
    assert {"Watchdog", "NotifierDelivers"} <= day.fired


def test_the_dead_mans_alert_calls_and_silence_is_told_with_what_to_do(day: Day) -> None:
    beats = [alert for post in day.box.at("/heartbeat") for alert in post["alerts"]]
    assert {alert["labels"]["alertname"] for alert in beats} == {"Watchdog"}
    assert "ServiceDown" in day.after_end
    told = posts_about(day.box, "does not answer")
    assert told, day.box.posted
    (attachment,) = told[0]["attachments"]
    assert attachment["title"].startswith("CRITICAL: ")
    assert attachment["color"] == "danger"
    assert "docs/runbook.md#servicedown" in attachment["text"]
