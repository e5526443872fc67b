"""One trouble from its first word to its last: told, counted, repeated, acknowledged, over. Pure.

It is told once while it lasts, and again where it becomes more severe, or where a count in it has grown that
nobody has acknowledged. An acknowledgement covers what its person could see: the count until then, and the
streams and files that were named. What goes far beyond is told again, and waits for a person again. A
repetition tells its newest words. One that comes back shortly after it was over is the same trouble: it goes
on counting, and from the third time on it is told at most once in `flap_hold_ns`. A critical one that
nobody acknowledged is repeated, at growing intervals, and from some repetition on also to the second
webhook, whether or not it was away in between. One that was acknowledged and comes after a silence of
`same_within_ns` is a new one. One whose end will be told is known until then.
"""

from typing import Final

from services.contracts.alert_codes import AlertCode
from services.contracts.ids import derive_id
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.control import AlertAcknowledged
from services.contracts.step import Received
from services.contracts.terms import Severity
from services.notifier.echoes import cause_of, unanswered
from services.notifier.outbox import (
    bounded_open,
    has_room,
    with_digest_line,
    with_notice,
    without_repetitions,
)
from services.notifier.policy import LOUDNESS, Route
from services.notifier.state import MAX_RECENT, Notice, NoticeReason, NotifierState, OpenAlert, Recovered

FLAPS_TOLD: Final = 3
COUNTED: Final = frozenset(
    {AlertCode.DEAD_LETTER, AlertCode.JOB_REFUSED, AlertCode.JOURNAL_HOLE, AlertCode.JOURNAL_RESTARTED,
     AlertCode.JOURNAL_TAKEN}
)  # fmt: skip
"""One alert for many: whoever raises it says a growing count ever less often."""
FAR_TIMES: Final = 2
FAR_MORE: Final = 10
"""A count is far beyond an acknowledged one where it is both: so many times it, and so many more."""


def on_raised(state: NotifierState, alert: AlertRaised, event: Received) -> NotifierState:
    """Tell a new trouble or one that got worse; count one that is known."""
    known = state.open.get(alert.alert_id)
    if known is None or (known.acknowledged_by and _was_silent(state, known, event.now_ns)):
        return _begun(state, alert, event)
    if _count(alert) < _count(known.alert):
        known = known.model_copy(update={"covered_count": 0})  # another process counts from its start
    if LOUDNESS[alert.severity] > LOUDNESS[known.alert.severity] or _is_uncovered(known, alert):
        return _worse(state, known, alert, event)
    newest = alert if alert.severity is known.alert.severity else known.alert
    again = known.model_copy(update={"alert": newest, "last_ns": event.now_ns, "seen": known.seen + 1})
    grown = known.told and not known.acknowledged_by and 0 < _count(alert) != _count(known.alert) > 0
    if grown:
        again = again.model_copy(update={"told_ns": event.now_ns, "tell_at_ns": 0})
    state = state.but(open={**state.open, alert.alert_id: again})
    if grown:
        return with_notice(state, _notice(event.envelope.id, NoticeReason.RAISED, again))
    return state if known.told else with_digest_line(state, alert, event.now_ns)


def _count(alert: AlertRaised) -> int:
    """Return how many of what comes one by one an alert tells of; 0 where it tells of no such."""
    count = alert.facts.get("count")
    return count if alert.code in COUNTED and isinstance(count, int) else 0


def _about(alert: AlertRaised) -> str:
    """Return the stream or file that one of many is about."""
    return str(alert.facts.get("stream", alert.facts.get("path", "")))


def _is_uncovered(known: OpenAlert, alert: AlertRaised) -> bool:
    """Whether an acknowledged alert has grown far beyond what its person could see."""
    count, seen = _count(alert), known.covered_count
    if not (known.acknowledged_by and count and alert.severity is known.alert.severity):
        return False
    another = bool(known.covered) and _about(alert) not in known.covered
    return another or (count >= FAR_TIMES * seen and count >= seen + FAR_MORE)


def _was_silent(state: NotifierState, known: OpenAlert, now_ns: int) -> bool:
    return now_ns - known.last_ns >= state.policy.same_within_ns


def _begun(state: NotifierState, alert: AlertRaised, event: Received) -> NotifierState:
    before, now_ns, at_ns = state.recent.get(alert.alert_id), event.now_ns, event.envelope.ts_event_ns
    cause, critical = cause_of(alert, state.open, now_ns), alert.severity is Severity.CRITICAL
    entry = OpenAlert(
        alert=alert, first_ns=at_ns, began_ns=at_ns, last_ns=now_ns, seen=1, echo_of=cause,
        told=_at_once(state, alert) and (critical or not cause), told_ns=now_ns,
        repeat_at_ns=now_ns + state.policy.repeat_after_ns(0),
    )  # fmt: skip
    silent = bool(cause)
    if before is not None:
        left = {key: value for key, value in state.recent.items() if key != alert.alert_id}
        state = state.but(recent=left)
        entry = entry.model_copy(
            update={"first_ns": before.first_ns, "seen": before.seen + 1, "flaps": before.flaps + 1}
        )
        if entry.told and before.repeat_at_ns:
            entry = entry.model_copy(update={"repeats": before.repeats, "repeat_at_ns": before.repeat_at_ns})
        free_ns = before.told_ns + state.policy.flap_hold_ns
        if entry.told and not silent and entry.flaps >= FLAPS_TOLD and now_ns < free_ns:
            silent = True
            tell_at_ns = 0 if before.tell_at_ns else free_ns
            entry = entry.model_copy(update={"told_ns": before.told_ns, "tell_at_ns": tell_at_ns})
    state = state.but(open=bounded_open({**state.open, alert.alert_id: entry}))
    if not entry.told:
        return with_digest_line(state, alert, now_ns)
    return state if silent else with_notice(state, _notice(event.envelope.id, NoticeReason.RAISED, entry))


def _worse(state: NotifierState, known: OpenAlert, alert: AlertRaised, event: Received) -> NotifierState:
    told = _at_once(state, alert)
    entry = known.model_copy(
        update={
            "alert": alert, "last_ns": event.now_ns, "seen": known.seen + 1, "told": told, "repeats": 0,
            "repeat_at_ns": event.now_ns + state.policy.repeat_after_ns(0), "acknowledged_by": "",
            "told_ns": event.now_ns, "tell_at_ns": 0, "echo_of": "",
        }
    )  # fmt: skip
    state = state.but(open={**state.open, alert.alert_id: entry})
    if not told:
        return with_digest_line(state, alert, event.now_ns)
    return with_notice(state, _notice(event.envelope.id, NoticeReason.RAISED, entry))


def _at_once(state: NotifierState, alert: AlertRaised) -> bool:
    return state.policy.route(alert) is Route.AT_ONCE and has_room(state, alert.severity)


def on_resolved(state: NotifierState, alert: AlertRaised, event: Received) -> NotifierState:
    """Tell that a trouble is over where it was told that there is one."""
    known, now_ns = state.open.get(alert.alert_id), event.now_ns
    if known is None:
        return state
    left = {key: value for key, value in state.open.items() if key != alert.alert_id}
    state = without_repetitions(state.but(open=left), alert.alert_id)
    over = Recovered(
        alert=alert.model_copy(update={"severity": known.alert.severity}), first_ns=known.first_ns,
        began_ns=known.began_ns, over_ns=event.envelope.ts_event_ns, seen=known.seen, flaps=known.flaps,
        told_ns=known.told_ns, repeats=known.repeats,
        repeat_at_ns=known.repeat_at_ns if known.waits_for_a_person else 0,
    )  # fmt: skip
    if not known.told or known.tell_at_ns:
        return with_digest_line(_remember(state, over), alert, now_ns)
    free_ns = known.told_ns + state.policy.flap_hold_ns
    if known.flaps >= FLAPS_TOLD and now_ns < free_ns:
        return _remember(state, over.model_copy(update={"tell_at_ns": free_ns}))
    state = _remember(state, over.model_copy(update={"told_ns": now_ns}))
    return with_notice(state, _recovery(event.envelope.id, over))


def _remember(state: NotifierState, over: Recovered) -> NotifierState:
    recent = {**state.recent, over.alert.alert_id: over}
    while len(recent) > MAX_RECENT:
        recent.pop(next(iter(recent)))
    return state.but(recent=recent)


def on_acknowledged(state: NotifierState, acknowledged: AlertAcknowledged, event: Received) -> NotifierState:
    """Somebody has it: it is repeated no more, nor are its echoes, and the others are told who."""
    known = state.open.get(acknowledged.alert_id)
    if known is None or known.acknowledged_by:
        return state
    for alert_id, each in state.open.items():
        if alert_id == acknowledged.alert_id or each.echo_of == acknowledged.alert_id:
            by = each.acknowledged_by or acknowledged.by
            taken = each.model_copy(
                update={
                    "acknowledged_by": by, "tell_at_ns": 0, "covered_count": _count(each.alert),
                    "covered": tuple(sorted({*each.covered, _about(each.alert)})),
                }
            )  # fmt: skip
            state = without_repetitions(state.but(open={**state.open, alert_id: taken}), alert_id)
    entry = state.open[acknowledged.alert_id]
    if not known.told:
        return state
    by = f"{acknowledged.by}: {acknowledged.reason}" if acknowledged.reason else acknowledged.by
    notice = _notice(event.envelope.id, NoticeReason.ACKNOWLEDGED, entry).model_copy(update={"by": by})
    return with_notice(state, notice)


# -- time ------------------------------------------------------------------------------------


def tell_what_was_put_off(state: NotifierState, now_ns: int) -> NotifierState:
    """Tell how troubles that come and go stand now, and forget what has been over for long."""
    for alert_id, entry in state.open.items():
        if entry.tell_at_ns and entry.tell_at_ns <= now_ns:
            told = entry.model_copy(update={"told_ns": now_ns, "tell_at_ns": 0})
            notice_id = derive_id("put-off", alert_id, entry.began_ns)
            state = with_notice(
                state.but(open={**state.open, alert_id: told}), _notice(notice_id, NoticeReason.RAISED, told)
            )
    for alert_id, over in state.recent.items():
        if over.tell_at_ns and over.tell_at_ns <= now_ns:
            told_over = over.model_copy(update={"told_ns": now_ns, "tell_at_ns": 0})
            state = state.but(recent={**state.recent, alert_id: told_over})
            state = with_notice(state, _recovery(derive_id("put-off", alert_id, over.over_ns), over))
    lasting = {
        key: over
        for key, over in state.recent.items()
        if over.tell_at_ns or now_ns - over.over_ns < state.policy.same_within_ns
    }
    return state if len(lasting) == len(state.recent) else state.but(recent=lasting)


def repeat_unacknowledged(state: NotifierState, now_ns: int) -> NotifierState:
    """Remind of what waits for a person; from some repetition on, of the second webhook too.

    Where the first webhook has not even taken the first word, only the second is asked.
    """
    waiting = (state.open[alert_id] for alert_id in unanswered(state.open))
    due = [entry for entry in waiting if entry.repeat_at_ns <= now_ns]
    for entry in due:
        alert_id, repeats = entry.alert.alert_id, entry.repeats + 1
        later = entry.model_copy(
            update={"repeats": repeats, "repeat_at_ns": now_ns + state.policy.repeat_after_ns(repeats)}
        )
        state = state.but(open={**state.open, alert_id: later})
        for webhook in _reminded(state, repeats):
            waits = any(n.alert.alert_id == alert_id and n.webhook == webhook for n in state.outbox)
            if not waits:
                notice = _notice(
                    derive_id("repeat", alert_id, entry.began_ns, repeats, webhook),
                    NoticeReason.REPEATED,
                    later,
                )
                mention = state.policy.escalation_mention if state.policy.escalates(repeats) else ""
                state = with_notice(state, notice.model_copy(update={"webhook": webhook, "mention": mention}))
    return state


def _reminded(state: NotifierState, repeats: int) -> tuple[str, ...]:
    first, second = state.policy.webhook(Severity.CRITICAL), state.policy.escalation_webhook
    return (first, second) if state.policy.escalates(repeats) and second not in ("", first) else (first,)


def forget_old(state: NotifierState, now_ns: int) -> NotifierState:
    """Drop what was not raised again for long, unless it waits for a person or its end will be told."""
    old = [
        alert_id
        for alert_id, entry in state.open.items()
        if now_ns - entry.last_ns >= state.policy.forget_after_ns
        and not (entry.waits_for_a_person or entry.has_an_end)
    ]
    if not old:
        return state
    return state.but(open={key: value for key, value in state.open.items() if key not in old})


def _notice(notice_id: str, reason: NoticeReason, entry: OpenAlert) -> Notice:
    return Notice(
        notice_id=notice_id, reason=reason, alert=entry.alert, raised_ns=entry.began_ns, seen=entry.seen,
        first_ns=entry.first_ns,
    )  # fmt: skip


def _recovery(notice_id: str, over: Recovered) -> Notice:
    return Notice(
        notice_id=notice_id, reason=NoticeReason.RESOLVED, alert=over.alert, raised_ns=over.began_ns,
        seen=over.seen, first_ns=over.first_ns, ended_ns=over.over_ns,
    )  # fmt: skip
