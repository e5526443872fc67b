"""The table of metrics keeps to the conventions, and every service's functions to the table."""

import re
from typing import Final

import pytest

from services.contracts.metric import Kind, Metric, Unit
from services.contracts.metrics import BY_NAME, EXPORTERS, TABLE, metrics_of
from services.contracts.streams import TABLE as STREAMS

MOST_LABELS: Final = 3
MOST_SERIES: Final = 120
"""Of the enumerated labels of one metric: a symbol would multiply them."""
OF_THE_TARGET: Final = ("job", "instance", "service", "group")
"""Labels that the scrape adds: a metric with one would show up as `exported_...`."""

each = pytest.mark.parametrize("metric", TABLE, ids=lambda metric: metric.name)


@each
def test_a_name_says_whose_it_is_and_its_unit(metric: Metric) -> None:
    assert re.fullmatch(r"arb_[a-z][a-z0-9]*(_[a-z0-9]+)*", metric.name)
    base = metric.name.removesuffix("_total")
    assert (base != metric.name) == (metric.kind is Kind.COUNTER)
    units = [unit for unit in Unit if unit.suffix and base.endswith(unit.suffix)]
    longest = max(units, key=lambda unit: len(unit.suffix), default=None)
    assert longest is (metric.unit if metric.unit.suffix else None)
    assert not re.search(r"_(ms|us|ns|minutes|percent|pct|kb|mb)(_|$)", metric.name), "not a base unit"


@each
def test_help_is_a_sentence(metric: Metric) -> None:
    assert metric.help.endswith(".") and metric.help[0].isupper() and "\n" not in metric.help
    assert len(metric.help) > 10


@each
def test_labels_are_few_and_none_is_the_targets(metric: Metric) -> None:
    names = metric.label_names
    assert len(names) <= MOST_LABELS and len(set(names)) == len(names)
    assert not set(names) & {*OF_THE_TARGET, "le", "quantile"}
    series = 1
    for label in metric.labels:
        assert re.fullmatch(r"[a-z][a-z_]*", label.name)
        series *= len(label.values) or 1
    assert series <= MOST_SERIES


@each
def test_buckets_rise_and_only_a_histogram_has_them(metric: Metric) -> None:
    assert bool(metric.buckets) == (metric.kind is Kind.HISTOGRAM)
    assert list(metric.buckets) == sorted(set(metric.buckets))


@each
def test_somebody_exports_it(metric: Metric) -> None:
    assert metric.services and set(metric.services) <= set(EXPORTERS)


def test_a_name_stands_for_one_thing() -> None:
    assert len(BY_NAME) == len(TABLE)
    endings = [f"{m.name}{end}" for m in TABLE for end in ("_bucket", "_sum", "_count") if m.buckets]
    assert not set(endings) & set(BY_NAME)


def test_a_service_that_is_not_there_exports_nothing() -> None:
    with pytest.raises(ValueError, match="'kettle' exports nothing; known are gateway"):
        metrics_of("kettle")


def test_stream_names_are_short_enough_for_a_label() -> None:
    assert all(re.fullmatch(r"[a-z]+", stream.name) for stream in STREAMS)
