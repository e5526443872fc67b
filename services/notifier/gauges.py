"""What the notifier shows at a scrape: alerts that wait, and how the journal stands."""

from collections.abc import Iterable

from services.contracts.measures import notifier as m
from services.contracts.metric import Reading, seconds, seconds_of_ms
from services.contracts.terms import Severity
from services.notifier.echoes import unanswered
from services.notifier.state import NotifierState


def readings(state: NotifierState, now_ns: int) -> Iterable[Reading]:
    """Return what waits for a person, for the webhook and for the disk."""
    lasting = tuple(state.open.values())
    for severity in Severity:
        yield m.ALERTS_OPEN.at(sum(entry.alert.severity is severity for entry in lasting), severity)
    yield m.UNACKNOWLEDGED.at(len(unanswered(state.open)))
    yield m.OUTBOX.at(len(state.outbox))
    ages_ns = [now_ns - notice.raised_ns for notice in state.outbox]
    yield m.OUTBOX_AGE.at(max(0.0, seconds(max(ages_ns, default=0))))
    yield m.DIGEST_LINES.at(len(state.digest))
    yield m.JOURNAL_LINES.at(state.journal.lines)
    yield m.JOURNAL_LAG.at(seconds_of_ms(state.journal.lag_ms))
    yield m.JOURNAL_TROUBLES.at(len(state.journal.troubles))
