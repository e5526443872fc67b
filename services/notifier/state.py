"""What the alerts core knows. The outbox is durable: what was not delivered survives a restart."""

from enum import StrEnum
from typing import Any, ClassVar, Final

from pydantic import Field

from services.contracts.envelope import Part
from services.contracts.messages.alerts import AlertRaised
from services.contracts.step import State
from services.contracts.terms import Severity, Symbol
from services.notifier.policy import AlertPolicy
from services.notifier.reported import JournalReported

MAX_OPEN: Final = 200
MAX_OUTBOX: Final = 300
MAX_DIGEST_LINES: Final = 60
MAX_DIGESTS_WAITING: Final = 20


class NoticeReason(StrEnum):
    RAISED = "raised"
    REPEATED = "repeated"
    RESOLVED = "resolved"


class Notice(Part):
    """One thing to be told at once. `raised_ns` is when the alert was first raised (Redis time)."""

    notice_id: str
    reason: NoticeReason
    alert: AlertRaised
    raised_ns: int
    seen: int = 1


class OpenAlert(Part):
    """A trouble that lasts. `told`: at once; unacknowledged it is repeated at `repeat_at_ns`."""

    alert: AlertRaised
    first_ns: int
    last_ns: int
    seen: int
    told: bool
    repeat_at_ns: int
    repeats: int = 0
    acknowledged_by: str = ""

    @property
    def waits_for_a_person(self) -> bool:
        return self.told and not self.acknowledged_by and self.alert.severity is Severity.CRITICAL


class DigestLine(Part):
    """One alert of a digest, with how often it was raised since the last digest."""

    alert: AlertRaised
    at_ns: int
    seen: int = 1


class Digest(Part):
    """A finished digest on its way to the side jobs. `more` alerts found no room."""

    digest_id: str
    lines: tuple[DigestLine, ...]
    more: int = 0


class Tally(Part):
    alerts: int = 0
    delivered: int = 0
    failed: int = 0


class NotifierState(State):
    """`open` by alert id, `names` by symbol, `own` the severities of troubles the notifier itself raised."""

    DURABLE: ClassVar[frozenset[str]] = frozenset(
        {"open", "outbox", "digest", "digest_more", "handing_over", "names", "tally", "own"}
    )

    policy: AlertPolicy = AlertPolicy()
    open: dict[str, OpenAlert] = Field(default_factory=dict)
    outbox: tuple[Notice, ...] = ()
    digest: tuple[DigestLine, ...] = ()
    digest_more: int = 0
    handing_over: tuple[Digest, ...] = ()
    names: dict[Symbol, str] = Field(default_factory=dict)
    tally: Tally = Tally()
    own: dict[str, Severity] = Field(default_factory=dict)
    journal: JournalReported = JournalReported(lines=0, lag_ms=0)
    status_ns: int = 0

    def but(self, **changes: Any) -> "NotifierState":
        return self.model_copy(update=changes)
