"""Readings as tests look at them: by name and labels."""

from collections.abc import Iterable

from services.contracts.metric import Kind, Metric, Reading
from services.contracts.metrics import BY_NAME
from services.runtime.metrics import Exporter


class Figures:
    """What was read or counted. Refuses what the service does not declare, or names twice."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.values: dict[tuple[str, tuple[str, ...]], list[float]] = {}

    def take(self, readings: Iterable[Reading]) -> "Figures":
        seen: set[tuple[str, tuple[str, ...]]] = set()
        for reading in readings:
            row = BY_NAME[reading.metric.name]
            key = (row.name, reading.labels)
            assert self.service in row.services, f"{row.name} is not exported by {self.service}"
            assert len(reading.labels) == len(row.labels), f"{row.name} {reading.labels}"
            for label, value in zip(row.labels, reading.labels, strict=True):
                assert not label.values or value in label.values, f"{row.name}: {label.name}={value}"
            assert not (row.read and key in seen), f"{key} was named twice"
            seen.add(key)
            self.values.setdefault(key, []).append(float(reading.value))
        return self

    def of(self, metric: Metric, *labels: str) -> float:
        """The value of a gauge or `read` counter, the sum of what was counted; 0 where nothing was."""
        found = self.values.get((metric.name, labels), [])
        return sum(found) if metric.kind is not Kind.GAUGE else found[-1]

    def each(self, metric: Metric, *labels: str) -> list[float]:
        """Every observation of a histogram."""
        return self.values.get((metric.name, labels), [])

    def has(self, metric: Metric, *labels: str) -> bool:
        return (metric.name, labels) in self.values

    def labels(self, metric: Metric) -> set[tuple[str, ...]]:
        return {labels for name, labels in self.values if name == metric.name}


def scraped(exporter: Exporter) -> dict[str, float]:
    """What a scrape of an exporter shows: `name|label=value|...` -> value."""
    samples = [sample for family in exporter.registry.collect() for sample in family.samples]
    return {
        "|".join((s.name, *(f"{name}={value}" for name, value in sorted(s.labels.items())))): s.value
        for s in samples
    }
