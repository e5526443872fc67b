"""What the alerts core knows. The outbox is durable: what was not delivered survives a restart."""

from enum import StrEnum
from typing import Any, ClassVar, Final

from pydantic import Field

from services.contracts.alert_codes import AlertCode
from services.contracts.alert_text import WORDS, Language
from services.contracts.envelope import Part
from services.contracts.messages.alerts import AlertRaised
from services.contracts.step import State
from services.contracts.terms import Severity, Symbol
from services.notifier.policy import AlertPolicy
from services.notifier.reported import JournalReported

MAX_OPEN: Final = 600
MAX_RECENT: Final = 200
MAX_OUTBOX: Final = 600
MAX_QUIET_WAITING: Final = 30
"""Notices that are not critical and wait to be told at once: beyond it a storm goes by digest."""
MAX_DIGEST_LINES: Final = 60
MAX_DIGESTS_WAITING: Final = 20


class NoticeReason(StrEnum):
    RAISED = "raised"
    REPEATED = "repeated"
    RESOLVED = "resolved"
    ACKNOWLEDGED = "acknowledged"


class Notice(Part):
    """One thing to be told at once on `webhook`.

    `raised_ns` is when this occurrence began, `first_ns` when the first of `seen` did, `ended_ns` when it
    was over (Redis time; 0: not). `by` acknowledged it. `mention` names somebody to Slack.
    """

    notice_id: str
    reason: NoticeReason
    alert: AlertRaised
    raised_ns: int
    seen: int = 1
    first_ns: int = 0
    ended_ns: int = 0
    webhook: str = ""
    mention: str = ""
    by: str = ""

    @property
    def since_ns(self) -> int:
        return self.first_ns or self.raised_ns


class OpenAlert(Part):
    """A trouble that lasts. `told`: at once; unacknowledged it is repeated at `repeat_at_ns`.

    `first_ns` and `seen` go back over earlier occurrences shortly before, of which there were `flaps`;
    this one began at `began_ns`. `told_ns` is the last telling, `tell_at_ns` one that is put off.
    `echo_of` is the alert that told of the same event. An acknowledgement covers the count
    `covered_count`, and the streams and files `covered`.
    """

    alert: AlertRaised
    first_ns: int
    last_ns: int
    seen: int
    told: bool
    repeat_at_ns: int
    repeats: int = 0
    acknowledged_by: str = ""
    began_ns: int = 0
    flaps: int = 0
    told_ns: int = 0
    tell_at_ns: int = 0
    echo_of: str = ""
    covered_count: int = 0
    covered: tuple[str, ...] = ()

    @property
    def waits_for_a_person(self) -> bool:
        return self.told and not self.acknowledged_by and self.alert.severity is Severity.CRITICAL

    @property
    def has_an_end(self) -> bool:
        """Whether its end will be told: it lasts until then, however long that is."""
        try:
            return bool(WORDS[Language.ENGLISH][AlertCode(self.alert.code)].after)
        except ValueError:
            return False


class Recovered(Part):
    """A trouble that was over a short while ago. `tell_at_ns` is when that is told, if it was put off.

    Nobody had answered it where `repeat_at_ns` is not 0: if it comes back, its repetitions go on.
    """

    alert: AlertRaised
    first_ns: int
    began_ns: int
    over_ns: int
    seen: int
    flaps: int
    told_ns: int
    tell_at_ns: int = 0
    repeats: int = 0
    repeat_at_ns: int = 0


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
    webhook: str = ""


class Tally(Part):
    alerts: int = 0
    delivered: int = 0
    failed: int = 0


class NotifierState(State):
    """`open` and `recent` by alert id, `names` by symbol, `own` the severities of the notifier's troubles."""

    DURABLE: ClassVar[frozenset[str]] = frozenset(
        {"open", "recent", "outbox", "digest", "digest_more", "handing_over", "names", "tally", "own"}
    )

    policy: AlertPolicy = AlertPolicy()
    open: dict[str, OpenAlert] = Field(default_factory=dict)
    recent: dict[str, Recovered] = Field(default_factory=dict)
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
