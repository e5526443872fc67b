"""Who is told at once, who in a digest, on which webhook, and what is only written down.

Invariant: a critical alert is always told at once, whatever its kind.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from services.contracts.limits import NS_PER_S
from services.contracts.messages.alerts import AlertKind, AlertRaised
from services.contracts.terms import Severity

LOUDNESS: Final = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}


class Route(StrEnum):
    AT_ONCE = "at_once"
    DIGEST = "digest"
    JOURNAL_ONLY = "journal_only"


@dataclass(frozen=True, slots=True)
class AlertPolicy:
    """What the desk configured. Without `digests` (no webhook) a terminal shows each alert at once.

    `webhooks` names the webhook of a severity; one that is not in it goes to the only one, "".
    """

    immediate_severities: frozenset[Severity] = frozenset({Severity.CRITICAL})
    immediate_kinds: frozenset[AlertKind] = frozenset()
    digest_severities: frozenset[Severity] = frozenset({Severity.WARNING, Severity.INFO})
    muted_kinds: frozenset[AlertKind] = frozenset()
    webhooks: Mapping[Severity, str] = field(default_factory=dict)
    escalation_webhook: str = ""
    escalation_mention: str = ""
    escalation_repeats: int = 2
    digest_interval_ns: int = 300 * NS_PER_S
    escalate_after_ns: int = 300 * NS_PER_S
    escalate_most_ns: int = 3_600 * NS_PER_S
    same_within_ns: int = 600 * NS_PER_S
    flap_hold_ns: int = 60 * NS_PER_S
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

    def webhook(self, severity: Severity) -> str:
        """Return the name of the webhook that takes alerts of `severity`."""
        return self.webhooks.get(severity, "")

    def escalates(self, repeats: int) -> bool:
        """Whether the repetition number `repeats` (from 1) calls the second webhook or names somebody."""
        return repeats >= self.escalation_repeats

    def repeat_after_ns(self, repeats: int) -> int:
        """Return how long after the repetition number `repeats` (0: the first telling) the next one comes.

        >>> [AlertPolicy().repeat_after_ns(n) // NS_PER_S for n in range(5)]
        [300, 600, 1200, 2400, 3600]
        """
        return min(self.escalate_after_ns << min(repeats, 20), self.escalate_most_ns)
