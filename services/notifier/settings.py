"""Settings of the notifier: `config/notifier.toml`, overridden by `ARB_NOTIFIER_*`."""

import re
from pathlib import Path
from typing import ClassVar, Final, Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from services.contracts.alert_text import Language
from services.contracts.limits import NS_PER_S
from services.contracts.messages.alerts import AlertKind
from services.contracts.terms import Severity
from services.notifier.policy import AlertPolicy
from services.runtime.settings import SectionSettings

WEBHOOK_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,30}")
MENTION: Final = r"^(<(!channel|!here|@[UW][A-Z0-9]+|!subteam\^[A-Z0-9]+)>)?$"


class NotifierSettings(SectionSettings):
    """How the journal is kept and who is told what.

    Raises:
        ValidationError: a key is unknown or out of range, or two contradict.
    """

    SECTION: ClassVar[str] = "notifier"
    model_config = SettingsConfigDict(env_prefix="ARB_NOTIFIER_")

    language: Language = Language.ENGLISH

    journal_dir: Path = Path("journal")
    journal_max_mb: int = Field(256, ge=1, le=10_240)
    journal_sync_ms: int = Field(1_000, ge=10, le=10_000)
    journal_poll_ms: int = Field(100, ge=10, le=1_000)
    journal_min_free_mb: int = Field(2_048, ge=0)
    keep_hours: int = Field(48, ge=1, le=2_400)
    retired_readers: tuple[str, ...] = ()

    immediate_severities: tuple[Severity, ...] = (Severity.CRITICAL,)
    immediate_kinds: tuple[AlertKind, ...] = ()
    digest_severities: tuple[Severity, ...] = (Severity.WARNING, Severity.INFO)
    muted_kinds: tuple[AlertKind, ...] = ()
    webhooks: dict[Severity, str] = Field(default_factory=dict)
    digest_interval_s: int = Field(300, ge=1, le=86_400)
    escalate_after_s: int = Field(300, ge=1, le=86_400)
    escalate_most_s: int = Field(3_600, ge=1, le=86_400)
    escalation_repeats: int = Field(2, ge=1, le=100)
    escalation_webhook: str = ""
    escalation_mention: str = Field("", pattern=MENTION)
    same_within_s: int = Field(600, ge=0, le=86_400)
    flap_hold_s: int = Field(60, ge=1, le=3_600)
    forget_after_s: int = Field(21_600, ge=60, le=604_800)

    post_timeout_s: int = Field(5, ge=1, le=30)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if Severity.CRITICAL not in self.immediate_severities:
            raise ValueError(
                'immediate_severities must hold "critical": what needs a person now is never quiet'
            )
        both = sorted(set(self.immediate_kinds) & set(self.muted_kinds))
        if both:
            raise ValueError(
                f"{', '.join(both)} is in immediate_kinds and in muted_kinds; take it out of one"
            )
        strange = sorted(name for name in self.webhook_names if name and not WEBHOOK_NAME.fullmatch(name))
        if strange:
            raise ValueError(
                f"{', '.join(strange)}: a webhook's name is small letters, digits and _; its address "
                "stands in SLACK_WEBHOOK_URL_<NAME>"
            )
        return self

    @property
    def webhook_names(self) -> tuple[str, ...]:
        """Every webhook that is spoken of; "" is the one that takes what no other does."""
        return tuple(dict.fromkeys(["", *self.webhooks.values(), self.escalation_webhook]))

    def policy(self, *, digests: bool) -> AlertPolicy:
        """Return what the core decides by; without `digests` nothing waits for one."""
        return AlertPolicy(
            immediate_severities=frozenset(self.immediate_severities),
            immediate_kinds=frozenset(self.immediate_kinds),
            digest_severities=frozenset(self.digest_severities),
            muted_kinds=frozenset(self.muted_kinds),
            digest_interval_ns=self.digest_interval_s * NS_PER_S,
            escalate_after_ns=self.escalate_after_s * NS_PER_S,
            escalate_most_ns=max(self.escalate_most_s, self.escalate_after_s) * NS_PER_S,
            webhooks=dict(self.webhooks),
            escalation_webhook=self.escalation_webhook,
            escalation_mention=self.escalation_mention,
            escalation_repeats=self.escalation_repeats,
            same_within_ns=self.same_within_s * NS_PER_S,
            flap_hold_ns=self.flap_hold_s * NS_PER_S,
            forget_after_ns=self.forget_after_s * NS_PER_S,
            digests=digests,
        )
