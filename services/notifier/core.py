"""What people are told, and when: the pure core of the notifier.

Decides for each alert whether it goes out at once, into the next digest, or only into the
journal. One trouble is told once: while it lasts, the same `alert_id` is counted and not told
again, unless it became more severe. A critical alert that nobody acknowledged is repeated.
Invariant: a notice leaves the outbox only when its delivery was reported.
"""

from typing import Final

from services.contracts.ids import derive_id
from services.contracts.limits import HEARTBEAT_MS, NS_PER_MS
from services.contracts.messages.alerts import AlertKind, AlertRaised
from services.contracts.messages.control import AlertAcknowledged, ReferencePublished
from services.contracts.messages.status import NotifierStatus
from services.contracts.step import Event, Outgoing, Received, Step, Tick
from services.contracts.terms import Severity
from services.notifier.policy import Route
from services.notifier.reported import (
    DeliveryFailed,
    DigestHandedOver,
    JournalReported,
    NoticesDelivered,
    Trouble,
)
from services.notifier.state import (
    MAX_DIGEST_LINES,
    MAX_DIGESTS_WAITING,
    MAX_OPEN,
    MAX_OUTBOX,
    Digest,
    DigestLine,
    Notice,
    NoticeReason,
    NotifierState,
    OpenAlert,
)

_LOUDNESS: Final = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}
_SHOWN_UNACKNOWLEDGED: Final = 20

StepOf = Step[NotifierState]


def decide(state: NotifierState, event: Event) -> StepOf:
    """Return what is to be told after `event`."""
    if isinstance(event, Tick):
        return _on_time(state, event.now_ns)
    match event.message:
        case AlertRaised(resolved=True) as alert:
            return Step(_on_resolved(state, alert, event))
        case AlertRaised() as alert:
            return Step(_on_raised(state, alert, event))
        case AlertAcknowledged() as acknowledged:
            return Step(_on_acknowledged(state, acknowledged))
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


# -- alerts --------------------------------------------------------------------------------


def _on_raised(state: NotifierState, alert: AlertRaised, event: Received) -> NotifierState:
    known = state.open.get(alert.alert_id)
    route = state.policy.route(alert)
    state = _counted(state)
    worse = known is not None and _LOUDNESS[alert.severity] > _LOUDNESS[known.alert.severity]
    first_ns = event.envelope.ts_event_ns if known is None else known.first_ns
    seen = 1 if known is None else known.seen + 1
    at_once = route is Route.AT_ONCE
    if known is not None and not worse:
        again = known.model_copy(update={"last_ns": event.now_ns, "seen": seen})
        state = state.but(open={**state.open, alert.alert_id: again})
        return _with_digest_line(state, alert, event.now_ns) if not known.told else state
    entry = OpenAlert(
        alert=alert, first_ns=first_ns, last_ns=event.now_ns, seen=seen, told=at_once,
        repeat_at_ns=event.now_ns + state.policy.escalate_after_ns,
    )  # fmt: skip
    state = state.but(open=_bounded_open({**state.open, alert.alert_id: entry}))
    if at_once:
        notice = Notice(
            notice_id=event.envelope.id,
            reason=NoticeReason.RAISED,
            alert=alert,
            raised_ns=first_ns,
            seen=seen,
        )
        return _with_notice(state, notice)
    return _with_digest_line(state, alert, event.now_ns)


def _on_resolved(state: NotifierState, alert: AlertRaised, event: Received) -> NotifierState:
    known = state.open.get(alert.alert_id)
    state = _counted(state)
    if known is None:
        return state
    left = {key: value for key, value in state.open.items() if key != alert.alert_id}
    outbox = tuple(
        notice
        for notice in state.outbox
        if notice.alert.alert_id != alert.alert_id or notice.reason is not NoticeReason.REPEATED
    )
    state = state.but(open=left, outbox=outbox)
    if not known.told:
        return _with_digest_line(state, alert, event.now_ns)
    told = alert.model_copy(update={"severity": known.alert.severity})
    notice = Notice(
        notice_id=event.envelope.id, reason=NoticeReason.RESOLVED, alert=told,
        raised_ns=known.first_ns, seen=known.seen,
    )  # fmt: skip
    return _with_notice(state, notice)


def _on_acknowledged(state: NotifierState, acknowledged: AlertAcknowledged) -> NotifierState:
    known = state.open.get(acknowledged.alert_id)
    if known is None or known.acknowledged_by:
        return state
    entry = known.model_copy(update={"acknowledged_by": acknowledged.by})
    outbox = tuple(
        notice
        for notice in state.outbox
        if notice.alert.alert_id != acknowledged.alert_id or notice.reason is not NoticeReason.REPEATED
    )
    return state.but(open={**state.open, acknowledged.alert_id: entry}, outbox=outbox)


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
    """Raise what is new or worse, resolve what is over; a gap is a fact and stays told."""
    now = {trouble.alert_id: trouble for trouble in report.troubles}
    own = {alert_id: trouble.severity for alert_id, trouble in now.items()}
    out = [
        _alert_of(trouble)
        for trouble in report.troubles
        if state.own.get(trouble.alert_id) != trouble.severity
    ]
    out += [
        _all_clear(alert_id, severity, state)
        for alert_id, severity in state.own.items()
        if alert_id not in now
    ]
    state = state.but(journal=report)
    return Step(state if own == state.own else state.but(own=own), tuple(Outgoing(alert) for alert in out))


def _alert_of(trouble: Trouble) -> AlertRaised:
    return AlertRaised(**trouble.model_dump())


def _all_clear(alert_id: str, severity: Severity, state: NotifierState) -> AlertRaised:
    known = state.open.get(alert_id)
    return AlertRaised(
        alert_id=alert_id, kind=known.alert.kind if known else AlertKind.JOURNAL, severity=severity,
        title=known.alert.title if known else alert_id,
        detail="It is over.", next_step="", resolved=True,
    )  # fmt: skip


# -- time ------------------------------------------------------------------------------------


def _on_time(state: NotifierState, now_ns: int) -> StepOf:
    state = _repeat_unacknowledged(state, now_ns)
    state = _forget_old(state, now_ns)
    state = _close_digest(state, now_ns)
    if now_ns - state.status_ns < HEARTBEAT_MS * NS_PER_MS:
        return Step(state)
    return Step(state.but(status_ns=now_ns), (Outgoing(_status(state)),))


def _repeat_unacknowledged(state: NotifierState, now_ns: int) -> NotifierState:
    waiting = {notice.alert.alert_id for notice in state.outbox}
    due = [
        (alert_id, entry)
        for alert_id, entry in state.open.items()
        if entry.waits_for_a_person and entry.repeat_at_ns <= now_ns and alert_id not in waiting
    ]
    for alert_id, entry in due:
        repeats = entry.repeats + 1
        later = entry.model_copy(
            update={"repeats": repeats, "repeat_at_ns": now_ns + state.policy.escalate_after_ns}
        )
        notice = Notice(
            notice_id=derive_id("repeat", alert_id, entry.first_ns, repeats), reason=NoticeReason.REPEATED,
            alert=entry.alert, raised_ns=entry.first_ns, seen=entry.seen,
        )  # fmt: skip
        state = _with_notice(state.but(open={**state.open, alert_id: later}), notice)
    return state


def _forget_old(state: NotifierState, now_ns: int) -> NotifierState:
    """Drop what was not raised again for long; what waits for a person is never forgotten."""
    old = [
        alert_id
        for alert_id, entry in state.open.items()
        if not entry.waits_for_a_person and now_ns - entry.last_ns >= state.policy.forget_after_ns
    ]
    if not old:
        return state
    return state.but(open={key: value for key, value in state.open.items() if key not in old})


def _close_digest(state: NotifierState, now_ns: int) -> NotifierState:
    if not state.digest or len(state.handing_over) >= MAX_DIGESTS_WAITING:
        return state
    if now_ns - state.digest[0].at_ns < state.policy.digest_interval_ns:
        return state
    first = state.digest[0]
    digest = Digest(
        digest_id=derive_id("digest", first.alert.alert_id, first.at_ns),
        lines=state.digest, more=state.digest_more,
    )  # fmt: skip
    return state.but(digest=(), digest_more=0, handing_over=(*state.handing_over, digest))


def _status(state: NotifierState) -> NotifierStatus:
    waiting = [alert_id for alert_id, entry in state.open.items() if entry.waits_for_a_person]
    return NotifierStatus(
        journal_lines=state.journal.lines, journal_lag_ms=state.journal.lag_ms,
        alerts=state.tally.alerts, delivered=state.tally.delivered, failed=state.tally.failed,
        unacknowledged=tuple(waiting[-_SHOWN_UNACKNOWLEDGED:]),
        channel="slack" if state.policy.digests else "terminal",
        longest_stream=state.journal.longest_stream,
        longest_stream_entries=state.journal.longest_stream_entries,
    )  # fmt: skip


# -- keeping things bounded --------------------------------------------------------------------


def _with_notice(state: NotifierState, notice: Notice) -> NotifierState:
    """Add a notice; a full outbox gives up a repetition first, and its oldest only into the digest."""
    if any(waiting.notice_id == notice.notice_id for waiting in state.outbox):
        return state
    outbox = [*state.outbox, notice]
    if len(outbox) > MAX_OUTBOX:
        repeated = (n for n, item in enumerate(outbox) if item.reason is NoticeReason.REPEATED)
        given_up = outbox.pop(next(repeated, 0))
        state = _with_digest_line(state, given_up.alert, given_up.raised_ns)
    return state.but(outbox=tuple(outbox))


def _with_digest_line(state: NotifierState, alert: AlertRaised, now_ns: int) -> NotifierState:
    if alert.severity is not Severity.CRITICAL and state.policy.route(alert) is Route.JOURNAL_ONLY:
        return state
    lines = list(state.digest)
    for number, line in enumerate(lines):
        if line.alert.alert_id == alert.alert_id:
            lines[number] = line.model_copy(update={"alert": alert, "seen": line.seen + 1})
            break
    else:
        if len(lines) >= MAX_DIGEST_LINES:
            return state.but(digest_more=state.digest_more + 1)
        lines.append(DigestLine(alert=alert, at_ns=now_ns))
    return state.but(digest=tuple(lines))


def _bounded_open(alerts: dict[str, OpenAlert]) -> dict[str, OpenAlert]:
    while len(alerts) > MAX_OPEN:
        quiet = (key for key, entry in alerts.items() if not entry.waits_for_a_person)
        alerts.pop(next(quiet, next(iter(alerts))))
    return alerts
