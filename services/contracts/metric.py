"""What a metric is, as data: its name, kind, unit, labels and one sentence of help.

The table of all metrics is `contracts.metrics`. Pure code names a value by `Metric.at`, which gives a
`Reading`; only the runtime knows how a reading gets to Prometheus. A gauge's reading says what it is
now, a counter's by how much it grew, a histogram's what was measured once. A counter that is `read`
is counted in the service's own state: its reading says how far it stands.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from services.contracts.limits import NS_PER_MS, NS_PER_S
from services.contracts.terms import Purpose, Severity, Side, Venue


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Unit(StrEnum):
    """Base units. The value is what a name ends in (before `_total`), empty where it ends in a noun."""

    SECONDS = "seconds"
    KRW = "krw"
    SHARES = "shares"
    KRW_SECONDS = "krw_seconds"
    """Whole won that stood open, times how long."""
    BPS = "bps"
    """Hundredths of a percent of the price."""
    RATIO = "ratio"
    BYTES = "bytes"
    INFO = "info"
    """Always 1: the labels carry the news."""
    FLAG = "flag"
    """1 where it holds, 0 where not; with an enumerated label, one series of it for each value."""
    COUNT = "count"
    """A number of things: the name ends in their noun."""

    @property
    def suffix(self) -> str:
        return "" if self in (Unit.FLAG, Unit.COUNT) else f"_{self.value}"


@dataclass(frozen=True, slots=True)
class Label:
    """One label. `values` are all that it takes, empty where they are not known beforehand."""

    name: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the table.

    `services` are those that export it. `from_start`: a counter or histogram all of whose labels are
    enumerated shows every series from the start, at zero. `left_out` says why it is on no dashboard.
    """

    name: str
    kind: Kind
    unit: Unit
    help: str
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()
    read: bool = False
    from_start: bool = True
    left_out: str = ""
    services: tuple[str, ...] = ()

    @property
    def label_names(self) -> tuple[str, ...]:
        return tuple(label.name for label in self.labels)

    def at(self, value: float, *labels: str) -> "Reading":
        """Return a reading of this metric; `labels` in the order of the table."""
        return Reading(self, value, labels)


@dataclass(frozen=True, slots=True)
class Reading:
    """One value: of a gauge or a `read` counter where it stands, else what is added or observed."""

    metric: Metric
    value: float
    labels: tuple[str, ...] = ()


# -- rows --------------------------------------------------------------------------------


def counter(
    name: str, help_: str, *labels: Label, unit: Unit = Unit.COUNT, read: bool = False,
    from_start: bool = True, left_out: str = "",
) -> Metric:  # fmt: skip
    """Return a counter. `read`: the state itself counts, and is asked at each scrape."""
    return Metric(
        name, Kind.COUNTER, unit, help_, labels, read=read, from_start=from_start, left_out=left_out
    )


def gauge(name: str, unit: Unit, help_: str, *labels: Label, left_out: str = "") -> Metric:
    """Return a gauge: asked at each scrape."""
    return Metric(name, Kind.GAUGE, unit, help_, labels, read=True, left_out=left_out)


def histogram(
    name: str, unit: Unit, buckets: tuple[float, ...], help_: str, *labels: Label,
    from_start: bool = True, left_out: str = "",
) -> Metric:  # fmt: skip
    """Return a histogram with the upper bounds `buckets`, in its unit."""
    return Metric(
        name, Kind.HISTOGRAM, unit, help_, labels, buckets, from_start=from_start, left_out=left_out
    )


# -- readings of several values ----------------------------------------------------------


def states(metric: Metric, values: Iterable[str], now: str | None, *labels: str) -> Iterable[Reading]:
    """Return one 0/1 reading for each value of an enumerated label, 1 for the one that holds now."""
    for value in values:
        yield metric.at(1 if value == now else 0, *labels, value)


def seconds(ns: int) -> float:
    """Return nanoseconds as Prometheus counts time."""
    return ns / NS_PER_S


def seconds_of_ms(ms: int) -> float:
    """Return milliseconds as Prometheus counts time."""
    return ms * NS_PER_MS / NS_PER_S


# -- labels that several services use ----------------------------------------------------

VENUE: Final = Label("venue", tuple(Venue))
SIDE: Final = Label("side", tuple(Side))
PURPOSE: Final = Label("purpose", tuple(Purpose))
SEVERITY: Final = Label("severity", tuple(Severity))
SYMBOL: Final = Label("symbol")
"""At most the symbols of the map (about 200)."""
STREAM: Final = Label("stream")
"""A row of the streams table by its name."""
PART: Final = Label("part")
"""The group or gateway of a stream that has one key for each, empty elsewhere."""
HOP: Final = Label("hop", ("publish", "intent", "verdict", "command", "send", "acknowledge"))
"""A stretch of the way from a quote to the broker's answer, named by what ends it."""

# -- buckets -----------------------------------------------------------------------------

LATENCY_S: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""From half a millisecond, a hop on one machine, to seconds, where everything has expired."""
COMMIT_S: Final = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25, 1.0)
LIFETIME_S: Final = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0)
"""How long a position stands: a clip takes about a second, a VI two minutes."""
