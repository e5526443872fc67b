"""What a step of the notifier adds: alerts heard, deliveries and how long they took, escalations."""

from collections.abc import Iterable

from services.contracts.measures import notifier as m
from services.contracts.messages.alerts import AlertRaised
from services.contracts.metric import Reading, seconds
from services.contracts.step import Event, Received, Step
from services.notifier.reported import DeliveryFailed, NoticesDelivered
from services.notifier.state import NoticeReason, NotifierState


def counted(before: NotifierState, event: Event, step: Step[NotifierState]) -> Iterable[Reading]:
    """Return what one step adds. A delivery that is reported again adds nothing."""
    after = step.state
    if after.outbox is not before.outbox:
        waited = {notice.notice_id for notice in before.outbox}
        for notice in after.outbox:
            if notice.reason is NoticeReason.REPEATED and notice.notice_id not in waited:
                yield m.ESCALATIONS.at(1)
    if not isinstance(event, Received):
        return
    match event.message:
        case AlertRaised(resolved=False, severity=severity):
            yield m.ALERTS_HEARD.at(1, severity)
        case NoticesDelivered(notice_ids=ids):
            yield from _delivered(before, frozenset(ids), event.now_ns)
        case DeliveryFailed():
            yield m.DELIVERIES.at(1, "failed")


def _delivered(before: NotifierState, ids: frozenset[str], now_ns: int) -> Iterable[Reading]:
    taken = [notice for notice in before.outbox if notice.notice_id in ids]
    if taken:
        yield m.DELIVERIES.at(1, "delivered")
    for notice in taken:
        if notice.reason is NoticeReason.RAISED:
            took_s = max(0.0, seconds(now_ns - notice.raised_ns))
            yield m.DELIVERY_DELAY.at(took_s, notice.alert.severity)
