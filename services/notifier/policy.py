"""Who is told at once, who in a digest, and what is only written down.

Invariant: a critical alert is always told at once, whatever its kind.
"""

from dataclasses import dataclass
from enum import StrEnum

from services.contracts.limits import NS_PER_S
from services.contracts.messages.alerts import AlertKind, AlertRaised
from services.contracts.terms import Severity


class Route(StrEnum):
    AT_ONCE = "at_once"
    DIGEST = "digest"
    JOURNAL_ONLY = "journal_only"


@dataclass(frozen=True, slots=True)
class AlertPolicy:
    """What the desk configured. Without `digests` (no webhook) a terminal shows each alert at once."""

    immediate_severities: frozenset[Severity] = frozenset({Severity.CRITICAL})
    immediate_kinds: frozenset[AlertKind] = frozenset()
    digest_severities: frozenset[Severity] = frozenset({Severity.WARNING, Severity.INFO})
    muted_kinds: frozenset[AlertKind] = frozenset()
    digest_interval_ns: int = 300 * NS_PER_S
    escalate_after_ns: int = 300 * NS_PER_S
    forget_after_ns: int = 21_600 * NS_PER_S
    digests: bool = True

    def route(self, alert: AlertRaised) -> Route:
        if alert.severity is Severity.CRITICAL:
            return Route.AT_ONCE
        if alert.kind in self.muted_kinds:
            return Route.JOURNAL_ONLY
        if alert.severity in self.immediate_severities or alert.kind in self.immediate_kinds:
            return Route.AT_ONCE
        if alert.severity not in self.digest_severities:
            return Route.JOURNAL_ONLY
        return Route.DIGEST if self.digests else Route.AT_ONCE
