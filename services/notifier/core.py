"""What people are told, and when: the pure core of the notifier.

Decides for each alert whether it goes out at once, into the next digest, or only into the journal,
and raises what is wrong with the journal itself. Invariant: a notice leaves the outbox only when its
delivery was reported.
"""

from typing import Final

from services.contracts.alert_codes import AlertCode
from services.contracts.alert_text import WORDS, Language, raised
from services.contracts.limits import HEARTBEAT_MS, NS_PER_MS
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.control import AlertAcknowledged, ReferencePublished
from services.contracts.messages.status import NotifierStatus
from services.contracts.step import Event, Outgoing, Step, Tick
from services.contracts.terms import Severity
from services.notifier.echoes import unanswered
from services.notifier.outbox import close_digest
from services.notifier.reported import (
    DeliveryFailed,
    DigestHandedOver,
    JournalReported,
    NoticesDelivered,
    Trouble,
)
from services.notifier.state import NotifierState
from services.notifier.troubles import (
    forget_old,
    on_acknowledged,
    on_raised,
    on_resolved,
    repeat_unacknowledged,
    tell_what_was_put_off,
)

_SHOWN: Final = 20

StepOf = Step[NotifierState]


def decide(state: NotifierState, event: Event) -> StepOf:
    """Return what is to be told after `event`."""
    if isinstance(event, Tick):
        return _on_time(state, event.now_ns)
    match event.message:
        case AlertRaised(resolved=True) as alert:
            return Step(on_resolved(_counted(state), alert, event))
        case AlertRaised() as alert:
            return Step(on_raised(_counted(state), alert, event))
        case AlertAcknowledged() as acknowledged:
            return Step(on_acknowledged(state, acknowledged, event))
        case ReferencePublished(reference=reference):
            return Step(state.but(names={entry.krx_code: entry.name for entry in reference.symbols}))
        case JournalReported() as report:
            return _on_journal(state, report)
        case NoticesDelivered(notice_ids=ids):
            return Step(_on_delivered(state, frozenset(ids)))
        case DeliveryFailed():
            tally = state.tally.model_copy(update={"failed": state.tally.failed + 1})
            return Step(state.but(tally=tally))
        case DigestHandedOver(digest_id=done):
            left = tuple(digest for digest in state.handing_over if digest.digest_id != done)
            return Step(state.but(handing_over=left))
    return Step(state)


def _on_delivered(state: NotifierState, ids: frozenset[str]) -> NotifierState:
    left = tuple(notice for notice in state.outbox if notice.notice_id not in ids)
    count = len(state.outbox) - len(left)
    if count == 0:
        return state
    tally = state.tally.model_copy(update={"delivered": state.tally.delivered + count})
    return state.but(outbox=left, tally=tally)


def _counted(state: NotifierState) -> NotifierState:
    return state.but(tally=state.tally.model_copy(update={"alerts": state.tally.alerts + 1}))


# -- what the notifier itself has to say ---------------------------------------------------------


def _on_journal(state: NotifierState, report: JournalReported) -> StepOf:
    """Raise what is new, worse or more, resolve what is over; what the journal does not know stays."""
    now = {trouble.alert_id: trouble.severity for trouble in report.troubles}
    kept = {key: severity for key, severity in state.own.items() if key.startswith(report.unknown)}
    counts = {trouble.alert_id: trouble.count for trouble in state.journal.troubles}
    out = [
        _alert_of(trouble)
        for trouble in report.troubles
        if state.own.get(trouble.alert_id) != trouble.severity
        or trouble.count > counts.get(trouble.alert_id, 0)
    ]
    own = {**kept, **now}
    for alert_id, severity in state.own.items():
        if alert_id not in own:
            out += _all_clear(alert_id, severity, state)
    state = state.but(journal=report)
    return Step(state if own == state.own else state.but(own=own), tuple(Outgoing(alert) for alert in out))


def _alert_of(trouble: Trouble) -> AlertRaised:
    return raised(AlertCode(trouble.code), trouble.alert_id, trouble.severity, trouble.facts)


def _all_clear(alert_id: str, severity: Severity, state: NotifierState) -> tuple[AlertRaised, ...]:
    """Return that a trouble is over; nothing where it has no such words, or an earlier build told of it."""
    last = next((trouble for trouble in state.journal.troubles if trouble.alert_id == alert_id), None)
    known = state.open.get(alert_id)
    if last is not None:
        code, facts = AlertCode(last.code), last.facts
    elif known is not None:
        code, facts = AlertCode(known.alert.code), known.alert.facts
    else:
        return ()
    if not WORDS[Language.ENGLISH][code].after:
        return ()
    try:
        return (raised(code, alert_id, severity, facts, resolved=True),)
    except KeyError:
        return ()


# -- time ------------------------------------------------------------------------------------


def _on_time(state: NotifierState, now_ns: int) -> StepOf:
    state = tell_what_was_put_off(state, now_ns)
    state = repeat_unacknowledged(state, now_ns)
    state = forget_old(state, now_ns)
    state = close_digest(state, now_ns)
    if now_ns - state.status_ns < HEARTBEAT_MS * NS_PER_MS:
        return Step(state)
    return Step(state.but(status_ns=now_ns), (Outgoing(_status(state)),))


def _status(state: NotifierState) -> NotifierStatus:
    waiting = unanswered(state.open)
    taken = [(alert_id, e.acknowledged_by) for alert_id, e in state.open.items() if e.acknowledged_by]
    return NotifierStatus(
        journal_lines=state.journal.lines, journal_lag_ms=state.journal.lag_ms,
        alerts=state.tally.alerts, delivered=state.tally.delivered, failed=state.tally.failed,
        unacknowledged=tuple(waiting[-_SHOWN:]), acknowledged=dict(taken[-_SHOWN:]),
        channel="slack" if state.policy.digests else "terminal",
        longest_stream=state.journal.longest_stream,
        longest_stream_entries=state.journal.longest_stream_entries,
    )  # fmt: skip
