"""Prometheus metrics of the loop, and the port they are served on."""

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server

from services.runtime.settings import SettingsError

REGISTRY = CollectorRegistry()
_LABELS = ("service",)
_HANDLED = Counter("arb_messages_handled_total", "Messages a core has handled.", _LABELS, registry=REGISTRY)
_SKIPPED = Counter("arb_ticks_skipped_total", "Book updates that a late reader replaced by newer ones.",
                   _LABELS, registry=REGISTRY)  # fmt: skip
_BUS_ERRORS = Counter(
    "arb_bus_errors_total", "Times Redis did not answer or refused.", _LABELS, registry=REGISTRY
)
_COMMIT = Histogram("arb_commit_seconds", "Time of one commit.", _LABELS, registry=REGISTRY,
                    buckets=(.0002, .0005, .001, .002, .005, .01, .05, .25, 1))  # fmt: skip


class LoopMetrics:
    """The loop's own counters for one service."""

    def __init__(self, service: str) -> None:
        self.handled = _HANDLED.labels(service)
        self.ticks_skipped = _SKIPPED.labels(service)
        self.bus_errors = _BUS_ERRORS.labels(service)
        self.commit_seconds = _COMMIT.labels(service)
        self.seen = 0


def serve(port: int) -> None:
    """Serve `/metrics` on loopback and all interfaces at `port`; 0 serves nothing.

    Raises:
        SettingsError: the port cannot be listened on.
    """
    if not port:
        return
    try:
        start_http_server(port, registry=REGISTRY)
    except OSError as error:
        raise SettingsError(
            f"metrics_port {port}: {error.strerror}. Choose another (ARB_RUNTIME_METRICS_PORT), or 0."
        ) from error
