"""The dashboards: current, understood whole by Grafana's SDK, and built on metrics that exist."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.dashboards import addresses, promql, recorded
from deploy.dashboards.__main__ import FOLDER, stale, texts
from deploy.dashboards.board import PANEL_COLUMNS
from services.contracts.measures import detector, every, gateway, risk
from services.contracts.metrics import TABLE
from services.contracts.terms import TradingState
from tests.observability.panels import BOARDS, Panel, annotations_of, board, expressions, panels_of
from tests.support.promql_names import TARGET_LABELS, metric_of, selectors

ROOT: Final = Path(__file__).resolve().parents[2]
SCHEMA_VERSION: Final = 42
"""The last of the classic dashboards; Grafana knows it since 12.3."""
KNOWN_SINCE: Final = (12, 3)
PANEL_TYPES: Final = {
    "row", "stat", "timeseries", "table", "bargauge", "state-timeline", "heatmap",
}  # fmt: skip
FOREIGN: Final = frozenset({"up", "ALERTS"})
"""What Prometheus makes by itself."""
ALL: Final = [pytest.param(panel, id=panel.id) for name in BOARDS for panel in panels_of(name)]


def test_the_files_are_what_the_code_makes() -> None:
    assert stale(texts()) == []


@pytest.mark.parametrize("name", BOARDS)
def test_the_sdk_reads_every_field_of_a_dashboard(name: str) -> None:
    register_default_plugins()
    encoder = JSONEncoder(sort_keys=True)
    read = json.loads(encoder.encode(Dashboard.from_json(board(name))))
    for link in read["links"]:
        assert link.pop("placement") == "inControlsMenu"  # the SDK's own addition
    assert read == board(name)


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_is_of_a_schema_that_the_pinned_grafana_knows(name: str) -> None:
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text("utf-8"))
    image = compose["services"]["grafana"]["image"]
    version = tuple(int(part) for part in re.fullmatch(r"grafana/grafana:([\d.]+)", image)[1].split("."))
    assert board(name)["schemaVersion"] == SCHEMA_VERSION
    assert version >= KNOWN_SINCE
    assert {panel["type"] for panel in board(name)["panels"]} <= PANEL_TYPES


def test_ids_and_addresses_lead_somewhere() -> None:
    uids = [board(name)["uid"] for name in BOARDS]
    assert len(set(uids)) == len(uids)
    links = set(re.findall(r"/d/([a-z-]+)", "".join(json.dumps(board(name)) for name in BOARDS)))
    assert links <= set(uids)
    assert {addresses.SYMBOL, addresses.TRADING_DAY} <= set(uids)
    for name in BOARDS:
        assert board(name)["timezone"] == "Asia/Seoul"
        assert board(name)["refresh"] == "5s"


@pytest.mark.parametrize("name", BOARDS)
def test_panels_do_not_lie_on_one_another(name: str) -> None:
    panels = board(name)["panels"]
    assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))
    places = [panel["gridPos"] for panel in panels]
    assert [place for place in places if place["x"] + place["w"] > PANEL_COLUMNS] == []
    for one, other in combinations(places, 2):
        apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_x or apart_y, f"{name}: {one} and {other}"


@pytest.mark.parametrize("panel", ALL)
def test_a_panel_says_what_it_shows(panel: Panel) -> None:
    assert panel.body["title"] and len(panel.body["description"]) >= 10
    assert panel.body["datasource"] == {"type": "prometheus", "uid": provisioned_uid()}
    if panel.body["type"] not in ("state-timeline", "table", "heatmap"):
        assert panel.body["fieldConfig"]["defaults"]["unit"]
    assert panel.targets


@pytest.mark.parametrize("panel", ALL)
def test_a_panel_names_only_metrics_and_labels_that_exist(panel: Panel) -> None:
    for expression in panel.targets:
        assert_names_exist(expression)


@pytest.mark.parametrize("name", BOARDS)
def test_annotations_and_variables_name_only_what_exists(name: str) -> None:
    declared = {variable["name"] for variable in board(name)["templating"]["list"]}
    for variable in board(name)["templating"]["list"]:
        assert_names_exist(variable["definition"].removeprefix("label_values(").rpartition(",")[0])
    marks = annotations_of(name)
    assert {"Halts", "Restarts", "Sessions"} <= {mark["name"] for mark in marks}
    for mark in marks:
        assert_names_exist(mark["expr"])
    used = {found for text in expressions(name) for found in re.findall(r"\$([a-z]+)\b", text)}
    assert used <= declared


def test_every_metric_is_on_a_dashboard_or_says_why_not() -> None:
    shown = {
        metric.name
        for name in BOARDS
        for expression in (*expressions(name), *recording_rules().values())
        for selector in selectors(expression)
        if (metric := metric_of(selector.name)) is not None
    }
    assert sorted(m.name for m in TABLE if m.name not in shown and not m.left_out) == []
    assert sorted(m.name for m in TABLE if m.name in shown and m.left_out) == []


def test_recording_rules_and_their_names_agree() -> None:
    assert set(recording_rules()) == set(recorded.ALL)


def test_a_person_on_call_reads_the_first_row_in_words() -> None:
    first = [panel for panel in panels_of("trading-day.json") if panel.body["gridPos"]["y"] == 1]
    titles = ["Trading", "Lease", "Feed", "Services down", "Uncovered", "Stranded", "Loss of limit"]
    assert [panel.body["title"] for panel in first] == [*titles, "Alerts firing"]
    assert {panel.body["type"] for panel in first} == {"stat"}
    trading = json.dumps(first[0].body["fieldConfig"]["defaults"]["mappings"])
    for state in TradingState:
        assert state.value.replace("_", " ").upper() in trading
    assert all("vector(0)" in text for panel in first for text in panel.targets)


def test_a_query_that_no_process_could_answer_cannot_be_written() -> None:
    with pytest.raises(promql.BadQuery, match="has no label colour"):
        promql.of(detector.NET_EDGE, colour="red")
    with pytest.raises(promql.BadQuery, match="never 'asleep'"):
        promql.of(risk.STATE, state="asleep")
    with pytest.raises(promql.BadQuery, match="only a counter has a rate"):
        promql.rate(gateway.LEASE_LEFT)
    with pytest.raises(promql.BadQuery, match="only a histogram"):
        promql.quantile(0.5, every.UPTIME)
    with pytest.raises(promql.BadQuery, match="has no label hop"):
        promql.rate(detector.INTENTS, ("hop",))


def recording_rules() -> dict[str, str]:
    text = (ROOT / "deploy" / "prometheus" / "rules" / "recording.yml").read_text("utf-8")
    return {
        rule["record"]: rule["expr"] for group in yaml.safe_load(text)["groups"] for rule in group["rules"]
    }


def provisioned_uid() -> str:
    folder = FOLDER.parent / "provisioning" / "datasources"
    sources: list[dict[str, Any]] = yaml.safe_load((folder / "prometheus.yaml").read_text("utf-8"))[
        "datasources"
    ]
    return next(str(source["uid"]) for source in sources if source["type"] == "prometheus")


def assert_names_exist(expression: str) -> None:
    for selector in selectors(expression):
        if selector.name in FOREIGN or selector.name in recorded.ALL:
            continue
        metric = metric_of(selector.name)
        assert metric is not None, f"{selector.name} is no metric of the table: {expression}"
        labels = {label.name: label.values for label in metric.labels}
        strange = set(selector.labels) - labels.keys() - TARGET_LABELS - {"le"}
        assert not strange, f"{selector.name} has no label {', '.join(strange)}: {expression}"
        for label, value in selector.exact:
            assert not labels.get(label) or value in labels[label], f"{label} is never {value}: {expression}"
