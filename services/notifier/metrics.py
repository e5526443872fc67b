"""What Prometheus sees of the journal and of alerts, beside the loop's own figures."""

from prometheus_client import Gauge

from services.notifier.state import NotifierState
from services.runtime.metrics import REGISTRY

_LINES = Gauge("arb_journal_lines", "Entries journalled since the start.", registry=REGISTRY)
_LAG = Gauge(
    "arb_journal_lag_seconds", "Age of the newest journalled entry while more wait.", registry=REGISTRY
)
_TROUBLES = Gauge("arb_journal_troubles", "Things wrong with the journal or a stream now.", registry=REGISTRY)
_OUTBOX = Gauge("arb_alerts_undelivered", "Notices that the webhook has not taken yet.", registry=REGISTRY)
_WAITING = Gauge("arb_alerts_unacknowledged", "Critical alerts that nobody acknowledged.", registry=REGISTRY)
_DELIVERED = Gauge("arb_alerts_delivered", "Notices delivered, over restarts.", registry=REGISTRY)
_FAILED = Gauge(
    "arb_alerts_failed_attempts", "Attempts to post that failed, over restarts.", registry=REGISTRY
)


def show(state: NotifierState) -> None:
    """Set every figure from the core's state."""
    _LINES.set(state.journal.lines)
    _LAG.set(state.journal.lag_ms / 1_000)
    _TROUBLES.set(len(state.journal.troubles))
    _OUTBOX.set(len(state.outbox))
    _WAITING.set(sum(entry.waits_for_a_person for entry in state.open.values()))
    _DELIVERED.set(state.tally.delivered)
    _FAILED.set(state.tally.failed)
