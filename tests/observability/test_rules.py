"""Rules: valid, tested by promtool, on metrics that exist, and each alert with its entry in the runbook."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import typer
import yaml

from deploy.dashboards import recorded
from deploy.dashboards.__main__ import dashboards
from services.cli.app import app
from services.contracts.terms import Severity
from tests.support.monitoring_tools import or_skip
from tests.support.promql_names import TARGET_LABELS, metric_of, selectors

ROOT: Final = Path(__file__).resolve().parents[2]
PROMETHEUS: Final = ROOT / "deploy" / "prometheus"
RULES: Final = tuple(sorted((PROMETHEUS / "rules").glob("*.yml")))
RULE_TESTS: Final = tuple(sorted((PROMETHEUS / "tests").glob("*.yml")))
RUNBOOK: Final = (ROOT / "docs" / "runbook.md").read_text("utf-8")
NO_SEVERITY: Final = "none"
FOREIGN: Final = frozenset({
    "up", "prometheus_config_last_reload_successful", "prometheus_rule_evaluation_failures_total",
    "alertmanager_config_last_reload_successful", "alertmanager_notifications_failed_total",
})  # fmt: skip
"""What Prometheus and Alertmanager say of themselves."""


def rules() -> list[dict[str, Any]]:
    return [
        rule
        for path in RULES
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]
        for rule in group["rules"]
    ]


ALERTS: Final = {rule["alert"]: rule for rule in rules() if "alert" in rule}


def test_promtool_takes_the_rules_and_the_configuration() -> None:
    run(str(or_skip("promtool")), "check", "config", "prometheus.yml")


@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_not_before(path: Path) -> None:
    run(str(or_skip("promtool")), "test", "rules", str(path.relative_to(PROMETHEUS)))


def test_every_alert_is_tested_quiet_and_firing() -> None:
    text = "".join(path.read_text("utf-8") for path in RULE_TESTS)
    untested = [
        name for name in ALERTS if not re.search(rf'alertname(: {name}\b|=~?\\?"[^"]*\b{name}\b)', text)
    ]
    assert untested == []


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_what_is_wrong_how_bad_and_what_to_do(name: str) -> None:
    alert = ALERTS[name]
    assert alert["labels"]["severity"] in {*Severity, NO_SEVERITY}
    assert alert["labels"].get("told_by", "notifier") == "notifier"
    said = alert["annotations"]
    assert said["summary"] and len(said["description"]) > 20
    assert said["runbook_url"] == f"{{{{ $externalLabels.runbook }}}}#{name.lower()}"
    if "dashboard_url" in said:
        uid = re.search(r"/d/([a-z-]+)", said["dashboard_url"])
        assert uid and uid[1] in {board.uid for board in dashboards().values()}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_names_only_metrics_and_labels_that_exist(rule: dict[str, Any]) -> None:
    inside = re.findall(r'query \\?"([^"]*)\\?"', rule.get("annotations", {}).get("description", ""))
    for expression in (rule["expr"], *inside):
        for selector in selectors(expression):
            if selector.name in FOREIGN or selector.name in recorded.ALL:
                continue
            metric = metric_of(selector.name)
            assert metric is not None, f"{selector.name} is no metric of the table"
            labels = {label.name: label.values for label in metric.labels}
            assert set(selector.labels) <= labels.keys() | TARGET_LABELS
            assert all(not labels.get(label) or value in labels[label] for label, value in selector.exact)


def test_the_runbook_has_one_entry_for_each_alert_and_no_other() -> None:
    entries = re.findall(r"^### (\w+)\n\nSeverity: (\w+)\.", RUNBOOK, re.MULTILINE)
    assert len(entries) == len(dict(entries)) == len(re.findall(r"^### ", RUNBOOK, re.MULTILINE))
    assert dict(entries) == {name: alert["labels"]["severity"] for name, alert in ALERTS.items()}


@pytest.mark.parametrize("name", ALERTS)
def test_an_entry_says_what_it_means_where_to_look_and_what_to_do(name: str) -> None:
    entry = re.search(rf"^### {name}\n(.*?)(?=^##|\Z)", RUNBOOK, re.MULTILINE | re.DOTALL)
    assert entry is not None
    assert [word for word in ("**Means**", "**Look**", "**Do**") if word not in entry[1]] == []


def test_links_within_the_runbook_lead_somewhere() -> None:
    anchors = {name.lower() for name in ALERTS}
    assert set(re.findall(r"\]\(#([a-z]+)\)", RUNBOOK)) <= anchors


def test_the_commands_of_the_runbook_exist() -> None:
    known = set(commands())
    wrong = [
        quoted
        for quoted in re.findall(r"`arb ([^`]+)`", RUNBOOK.replace("\n", " "))
        if not any(quoted == name or quoted.startswith(f"{name} ") for name in known)
    ]
    assert wrong == []


def commands() -> Iterator[str]:
    """Yield every command of `arb` that does something, groups by their commands."""
    yield from leaves(typer.main.get_command(app), ())


def leaves(command: Any, path: tuple[str, ...]) -> Iterator[str]:
    below = getattr(command, "commands", None)
    if below is None:
        yield " ".join(path)
    else:
        for name, part in below.items():
            yield from leaves(part, (*path, name))


def run(*command: str) -> None:
    done = subprocess.run(command, cwd=PROMETHEUS, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
