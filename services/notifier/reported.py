"""What the notifier's own threads tell its core. These messages travel on no stream."""

from services.contracts.envelope import Message, Part
from services.contracts.messages.alerts import Fact
from services.contracts.terms import Severity


class Trouble(Part):
    """Something wrong with the journal or a stream: an `AlertCode` and its facts, told once.

    `count` is of what comes one by one: told again where it has grown.
    """

    alert_id: str
    severity: Severity
    code: str
    facts: dict[str, Fact]
    count: int = 0


class JournalReported(Message):
    """How the journal stands. `lag_ms` is 0 when it is up to date, else how far it is behind.

    Behind is the age of the newest line while more entries wait, or how long nothing could be
    read or written at all. Of alerts whose ids begin as one of `unknown` nothing is known yet: they are
    neither wrong nor over.
    """

    lines: int
    lag_ms: int
    troubles: tuple[Trouble, ...] = ()
    unknown: tuple[str, ...] = ()
    longest_stream: str = ""
    longest_stream_entries: int = 0


class NoticesDelivered(Message):
    """The webhook (or the terminal) took these notices."""

    notice_ids: tuple[str, ...]


class DeliveryFailed(Message):
    """An attempt came to nothing; the notices stay in the outbox."""

    notice_ids: tuple[str, ...]
    problem: str


class DigestHandedOver(Message):
    """The digest lies in the queue of side jobs."""

    digest_id: str
