"""PromQL from rows of the table of metrics: names, labels and label values are checked as it is built."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from services.contracts.metric import Kind, Metric, Unit

TARGET_LABELS: Final = ("job", "instance", "service", "group")
"""What the scrape's targets file adds to every series."""
REGEX: Final = ("~", "!~")
GRAFANA_WINDOW: Final = "$__rate_interval"


class BadQuery(ValueError):
    """A query that no process could answer: says which metric and which label."""


def of(metric: Metric, **labels: str) -> str:
    """Return the selector of a metric.

    A value is compared exactly; `!value` excludes it, `~value` is a regular expression, as is every
    value with a Grafana variable in it.

    Raises:
        BadQuery: a label the metric does not carry, or a value that it never takes.
    """
    return metric.name + _braces(metric, labels)


def rate(metric: Metric, by: Iterable[str] = (), window: str = GRAFANA_WINDOW, **labels: str) -> str:
    """Return the growth a second of a counter, summed `by` labels. Raises BadQuery."""
    return total(f"rate({_counted(metric)}{_braces(metric, labels)}[{window}])", _checked(metric, by))


def increase(metric: Metric, by: Iterable[str] = (), window: str = "$__range", **labels: str) -> str:
    """Return the growth of a counter over a window, summed `by` labels. Raises BadQuery."""
    return total(f"increase({_counted(metric)}{_braces(metric, labels)}[{window}])", _checked(metric, by))


def quantile(
    q: float, metric: Metric, by: Iterable[str] = (), window: str = GRAFANA_WINDOW, **labels: str
) -> str:
    """Return a quantile of a histogram, in its unit. Raises BadQuery."""
    buckets = _buckets(metric, by, window, labels)
    return f"histogram_quantile({q:g}, {buckets})"


def buckets(metric: Metric, window: str = GRAFANA_WINDOW, **labels: str) -> str:
    """Return a histogram's buckets as they grew, for a heat map. Raises BadQuery."""
    if metric.kind is not Kind.HISTOGRAM:
        raise BadQuery(f"{metric.name} is a {metric.kind}; only a histogram has buckets")
    return f"sum by (le) (increase({metric.name}_bucket{_braces(metric, labels)}[{window}]))"


def mean(metric: Metric, window: str = "$__range", **labels: str) -> str:
    """Return the mean of what a histogram observed, in its unit. Raises BadQuery."""
    if metric.kind is not Kind.HISTOGRAM:
        raise BadQuery(f"{metric.name} is a {metric.kind}; only a histogram has a mean")
    braces = _braces(metric, labels)
    return (
        f"sum(increase({metric.name}_sum{braces}[{window}]))"
        f" / (sum(increase({metric.name}_count{braces}[{window}])) > 0)"
    )


def total(expression: str, by: Iterable[str] = ()) -> str:
    return _aggregated("sum", expression, by)


def most(expression: str, by: Iterable[str] = ()) -> str:
    return _aggregated("max", expression, by)


def least(expression: str, by: Iterable[str] = ()) -> str:
    return _aggregated("min", expression, by)


def or_zero(expression: str) -> str:
    """Return a query that says 0 where it would say nothing: for what is rare, and for what is dead."""
    return f"({expression}) or vector(0)"


def or_other(expression: str, label: str, name: str) -> str:
    """Return a query with one more series of 0, called `name`, so that it is never empty."""
    return f'({expression}) or label_replace(vector(0), "{label}", "{name}", "", "")'


def code_of(metric: Metric, label: str, values: Iterable[StrEnum], keep: Iterable[str] = ()) -> str:
    """Return which value of an enumerated flag holds, as its place in `values` from 1; 0 for none.

    One line instead of one series for each value, so that a panel can map it to a word. Raises BadQuery.
    """
    if metric.unit is not Unit.FLAG:
        raise BadQuery(f"{metric.name} is no flag: its unit is {metric.unit.value}")
    keep = _checked(metric, keep)
    return " + ".join(
        total(f"{place} * {of(metric, **{label: value})}", keep) for place, value in enumerate(values, 1)
    )


def _counted(metric: Metric) -> str:
    if metric.kind is not Kind.COUNTER:
        raise BadQuery(f"{metric.name} is a {metric.kind}; only a counter has a rate")
    return metric.name


def _buckets(metric: Metric, by: Iterable[str], window: str, labels: dict[str, str]) -> str:
    if metric.kind is not Kind.HISTOGRAM:
        raise BadQuery(f"{metric.name} is a {metric.kind}; only a histogram has quantiles")
    grown = f"rate({metric.name}_bucket{_braces(metric, labels)}[{window}])"
    return total(grown, ("le", *_checked(metric, by)))


def _aggregated(operator: str, expression: str, by: Iterable[str]) -> str:
    names = ", ".join(by)
    return f"{operator} by ({names}) ({expression})" if names else f"{operator}({expression})"


def _checked(metric: Metric, names: Iterable[str]) -> tuple[str, ...]:
    names = tuple(names)
    for name in names:
        if name not in (*metric.label_names, *TARGET_LABELS):
            raise BadQuery(f"{metric.name} has no label {name}; it has {', '.join(metric.label_names)}")
    return names


def _braces(metric: Metric, labels: dict[str, str]) -> str:
    _checked(metric, labels)
    known = {label.name: label.values for label in metric.labels}
    parts = [f'{name}{_match(metric, name, text, known.get(name, ()))}"' for name, text in labels.items()]
    return f"{{{', '.join(parts)}}}" if parts else ""


def _match(metric: Metric, name: str, text: str, values: tuple[str, ...]) -> str:
    """Return the operator, the opening quote and the value."""
    operator = next((sign for sign in REGEX if text.startswith(sign)), "")
    if operator or "$" in text:
        return f'{"!~" if operator == "!~" else "=~"}"{text.removeprefix(operator)}'
    value = text.removeprefix("!")
    if values and value not in values:
        raise BadQuery(f"{metric.name}: {name} is never {value!r}; it is one of {', '.join(values)}")
    return f'{"!=" if text.startswith("!") else "="}"{value}'
