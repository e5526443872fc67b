"""What waits to be told, at once or in the next digest, kept bounded: pure.

Invariants: nothing critical gives way to anything quieter, and what gives way stands in the digest.
"""

from services.contracts.ids import derive_id
from services.contracts.messages.alerts import AlertRaised
from services.contracts.terms import Severity
from services.notifier.policy import LOUDNESS, Route
from services.notifier.state import (
    MAX_DIGEST_LINES,
    MAX_DIGESTS_WAITING,
    MAX_OPEN,
    MAX_OUTBOX,
    MAX_QUIET_WAITING,
    Digest,
    DigestLine,
    Notice,
    NoticeReason,
    NotifierState,
    OpenAlert,
)


def with_notice(state: NotifierState, notice: Notice) -> NotifierState:
    """Add a notice; a full outbox gives up a repetition first, then its quietest, into the digest."""
    if any(waiting.notice_id == notice.notice_id for waiting in state.outbox):
        return state
    if not notice.webhook:
        notice = notice.model_copy(update={"webhook": state.policy.webhook(notice.alert.severity)})
    outbox = [*state.outbox, notice]
    if len(outbox) > MAX_OUTBOX:
        given_up = outbox.pop(min(range(len(outbox)), key=lambda place: _worth(outbox[place])))
        state = with_digest_line(state, given_up.alert, given_up.raised_ns)
    return state.but(outbox=tuple(outbox))


def _worth(notice: Notice) -> tuple[bool, int]:
    return notice.reason is not NoticeReason.REPEATED, LOUDNESS[notice.alert.severity]


def without_repetitions(state: NotifierState, alert_id: str) -> NotifierState:
    """Drop what only reminds of an alert that was acknowledged or is over."""
    left = tuple(
        notice
        for notice in state.outbox
        if notice.alert.alert_id != alert_id or notice.reason is not NoticeReason.REPEATED
    )
    return state if len(left) == len(state.outbox) else state.but(outbox=left)


def has_room(state: NotifierState, severity: Severity) -> bool:
    """Whether one more may be told at once; what is critical always may."""
    if severity is Severity.CRITICAL:
        return True
    return sum(n.alert.severity is not Severity.CRITICAL for n in state.outbox) < MAX_QUIET_WAITING


def with_digest_line(state: NotifierState, alert: AlertRaised, now_ns: int) -> NotifierState:
    """Add an alert to the digest that is being collected, or count it where it stands there."""
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


def close_digest(state: NotifierState, now_ns: int) -> NotifierState:
    """Hand a digest over when its time has come, one for each webhook that its lines go to."""
    if not state.digest or len(state.handing_over) >= MAX_DIGESTS_WAITING:
        return state
    if now_ns - state.digest[0].at_ns < state.policy.digest_interval_ns:
        return state
    by_webhook: dict[str, list[DigestLine]] = {}
    for line in state.digest:
        by_webhook.setdefault(state.policy.webhook(line.alert.severity), []).append(line)
    digests = [
        Digest(
            digest_id=derive_id("digest", webhook, lines[0].alert.alert_id, lines[0].at_ns),
            lines=tuple(lines), webhook=webhook, more=0 if place else state.digest_more,
        )
        for place, (webhook, lines) in enumerate(by_webhook.items())
    ]  # fmt: skip
    return state.but(digest=(), digest_more=0, handing_over=(*state.handing_over, *digests))


def bounded_open(alerts: dict[str, OpenAlert]) -> dict[str, OpenAlert]:
    """Drop the oldest beyond the bound: first what has no end to be told, last what waits for a person."""
    while len(alerts) > MAX_OPEN:
        alerts.pop(min(alerts, key=lambda key: (alerts[key].waits_for_a_person, alerts[key].has_an_end)))
    return alerts
