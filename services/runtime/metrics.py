"""From the table of metrics to what Prometheus scrapes, for one process.

Whoever measures names a value (`contracts.metric.Reading`); what is counted and observed is added at
once, what stands in a state is read at each scrape, in the thread of the scrape. A figure that cannot
be computed is counted and logged and disturbs nothing else: a service does not fail for a metric.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import product

import structlog
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    start_http_server,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from services.contracts.measures.every import READINGS_FAILED
from services.contracts.metric import Kind, Metric, Reading
from services.contracts.metrics import BY_NAME, metrics_of
from services.runtime.settings import LOOPBACK, SettingsError

Source = Callable[[], Iterable[Reading]]
"""Read at each scrape, in its thread: it may only look at what is replaced and never changed."""

disable_created_metrics()  # type: ignore[no-untyped-call]


class Undeclared(LookupError):
    """A reading of a metric that this service does not export, or with other labels than the table's."""


class Exporter(Collector):
    """All metrics of one process. `service` is its name in the table."""

    def __init__(self, service: str) -> None:
        self.registry = CollectorRegistry()
        self._service = service
        self._sources: list[Source] = []
        own = metrics_of(service)
        self._read = tuple(metric for metric in own if metric.read)
        self._added: dict[str, Counter | Histogram] = {
            metric.name: _collector(metric, self.registry) for metric in own if not metric.read
        }
        self._children: dict[tuple[str, tuple[str, ...]], Counter | Histogram] = {}
        self.registry.register(self)
        self._log = structlog.get_logger(service=service)

    def declares(self, metric: Metric) -> bool:
        return self._service in BY_NAME[metric.name].services

    def add(self, *readings: Reading) -> None:
        """Count or observe.

        Raises:
            Undeclared: not in the table for this service.
        """
        for reading in readings:
            key = (reading.metric.name, reading.labels)
            child = self._children.get(key) or self._child(reading)
            if isinstance(child, Histogram):
                child.observe(reading.value)
            else:
                child.inc(reading.value)

    def histogram(self, metric: Metric, *labels: str) -> Callable[[float], None]:
        """Return what observes one series directly: for what happens with every book. Raises Undeclared."""
        child = self._child(metric.at(0, *labels))
        assert isinstance(child, Histogram), f"{metric.name} is no histogram"
        observe: Callable[[float], None] = child.observe
        return observe

    def add_all(self, make: Callable[[], Iterable[Reading]]) -> None:
        """Add what `make` names; where it fails, only that is counted."""
        try:
            self.add(*make())
        except Exception:
            self._log.exception("figures not counted")
            self.add(READINGS_FAILED.at(1))

    def read_from(self, source: Source) -> None:
        """Ask `source` at each scrape."""
        self._sources.append(source)

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """Return what is read now, a family for each declared metric, in the order of the table."""
        families = {metric.name: _family(metric) for metric in self._read}
        for source in self._sources:
            try:
                for reading in source():
                    family = families.get(reading.metric.name)
                    if family is None or len(reading.labels) != len(reading.metric.labels):
                        raise Undeclared(f"{reading.metric.name} {reading.labels} of {self._service}")
                    family.add_metric(reading.labels, reading.value)
            except Exception:
                self._log.exception("figures not read")
                self.add(READINGS_FAILED.at(1))
        yield from families.values()

    def _child(self, reading: Reading) -> Counter | Histogram:
        metric, labels = reading.metric, reading.labels
        collector = self._added.get(metric.name)
        if collector is None or len(labels) != len(metric.labels):
            raise Undeclared(f"{metric.name} {labels} of {self._service}")
        child = collector.labels(*labels) if labels else collector
        self._children[metric.name, labels] = child
        return child


def _collector(metric: Metric, registry: CollectorRegistry) -> Counter | Histogram:
    made: Counter | Histogram
    if metric.kind is Kind.COUNTER:
        made = Counter(metric.name, metric.help, metric.label_names, registry=registry)
    else:
        made = Histogram(
            metric.name, metric.help, metric.label_names, registry=registry, buckets=metric.buckets
        )
    known = metric.from_start and all(label.values for label in metric.labels)
    for values in product(*(label.values for label in metric.labels)) if known and metric.labels else ():
        made.labels(*values)
    return made


def _family(metric: Metric) -> GaugeMetricFamily | CounterMetricFamily:
    made = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    return made(metric.name, metric.help, labels=metric.label_names)


def serve(exporter: Exporter, port: int, host: str = LOOPBACK) -> None:
    """Serve `/metrics` at `port` of the interface `host`, to whoever reaches it: 0 serves nothing.

    Raises:
        SettingsError: it cannot be listened on.
    """
    if not port:
        return
    try:
        start_http_server(port, addr=host, registry=exporter.registry)
    except OSError as error:
        raise SettingsError(
            f"metrics_port {port} of metrics_host {host}: {error.strerror}. "
            "Choose another port (ARB_RUNTIME_METRICS_PORT) or 0, an address of this machine "
            "(ARB_RUNTIME_METRICS_HOST), or 0.0.0.0 for all that it has."
        ) from error
