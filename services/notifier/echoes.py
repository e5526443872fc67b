"""One event wakes a person once: what follows from a trouble just told is its echo. Pure.

An alert is an echo where the table names a cause of it that was told within the last minute, is at least as
loud, and that nobody has answered. What is critical then rings no bell of its own, but it is open as any
other: it is acknowledged with its cause, and goes on in its place, until somebody answers, where the cause
ends first. A quieter echo goes by digest. What comes later, or again after a person has answered, rings.
"""

from collections.abc import Mapping
from typing import Final

from services.contracts.alert_codes import AlertCode as C
from services.contracts.limits import NS_PER_S
from services.contracts.messages.alerts import AlertRaised
from services.contracts.terms import Latch
from services.notifier.policy import LOUDNESS
from services.notifier.state import OpenAlert

ECHO_WITHIN_NS: Final = 60 * NS_PER_S
"""Risk follows within a second or two. What comes later is news, or comes twice: that does less harm."""

CAUSES: Final[Mapping[C, frozenset[C]]] = {
    C.BUS_EMPTIED: frozenset({C.BUS_EMPTIED}),
    C.BUS_ROLLED_BACK: frozenset({C.BUS_ROLLED_BACK}),
    C.GATEWAY_DOWN: frozenset({C.DISCONNECTED}),
    C.GATE_FEED: frozenset({C.FEED_SILENT}),
    C.GATE_CLOCK: frozenset({C.EXCHANGE_TIME_APART}),
    C.GATE_RECONCILIATION: frozenset({C.BOOKS_DIFFER, C.DISCONNECTED}),
}
CAUSES_OF_LATCH: Final[Mapping[Latch, frozenset[C]]] = {
    Latch.UNPLANNED_DISCONNECT: frozenset({C.DISCONNECTED}),
    Latch.RECONCILIATION_DIFFERENCE: frozenset({C.BOOKS_DIFFER, C.BUS_EMPTIED}),
    Latch.RESIDUAL_STRANDED: frozenset({C.STRANDED, C.STRANDED_UNCERTAIN}),
    Latch.CLOCKS: frozenset({C.EXCHANGE_TIME_APART}),
}
"""Every one of these says itself that the latch is to be lifted."""


def cause_of(alert: AlertRaised, lasting: Mapping[str, OpenAlert], now_ns: int) -> str:
    """Return the id of the open alert that `alert` is an echo of, "" where it speaks for itself."""
    codes = _causes(alert)
    found = (
        alert_id
        for alert_id, entry in lasting.items()
        if entry.alert.code in codes and alert_id != alert.alert_id and _was_just_told(entry, now_ns)
        and LOUDNESS[entry.alert.severity] >= LOUDNESS[alert.severity]
    )  # fmt: skip
    return next(found, "")


def _is_spoken_for(entry: OpenAlert, lasting: Mapping[str, OpenAlert]) -> bool:
    """Whether the cause of an echo is still open and repeated itself."""
    cause = lasting.get(entry.echo_of)
    return cause is not None and cause.waits_for_a_person


def unanswered(lasting: Mapping[str, OpenAlert]) -> list[str]:
    """Return the ids of what waits for a person: one of each event."""
    return [
        alert_id
        for alert_id, entry in lasting.items()
        if entry.waits_for_a_person and not _is_spoken_for(entry, lasting)
    ]


def _causes(alert: AlertRaised) -> frozenset[C]:
    try:
        code = C(alert.code)
        if code is C.LATCHED:
            return CAUSES_OF_LATCH.get(Latch(str(alert.facts.get("latch"))), frozenset())
    except ValueError:
        return frozenset()
    return CAUSES.get(code, frozenset())


def _was_just_told(entry: OpenAlert, now_ns: int) -> bool:
    heard = entry.told and not (entry.echo_of or entry.tell_at_ns or entry.acknowledged_by)
    return heard and now_ns - entry.told_ns <= ECHO_WITHIN_NS
