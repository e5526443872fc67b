"""What people are told."""

from enum import StrEnum

from pydantic import Field

from services.contracts.envelope import Message
from services.contracts.terms import Severity, Symbol


class AlertKind(StrEnum):
    RESIDUAL = "residual"
    STRANDED = "stranded"
    ORDER_UNKNOWN = "order_unknown"
    ORDER_REJECTED = "order_rejected"
    API_ERROR = "api_error"
    RATE_LIMIT = "rate_limit"
    SPREAD_ANOMALY = "spread_anomaly"
    DISCONNECT = "disconnect"
    STALE_FEED = "stale_feed"
    HALT = "halt"
    TRADING_STATE = "trading_state"
    LIMIT_BREACH = "limit_breach"
    LATCH = "latch"
    RECONCILIATION = "reconciliation"
    FOREIGN_ORDER = "foreign_order"
    REFERENCE = "reference"
    CLOCK = "clock"
    JOURNAL = "journal"
    DEAD_LETTER = "dead_letter"
    PAIR_CLOSED = "pair_closed"
    SESSION = "session"
    BUS = "bus"


Fact = int | str


class AlertRaised(Message):
    """One thing a person may need to know. `next_step` says what to do, in plain words.

    `code` (one of `AlertCode`) and `facts` are the same once more without words, for whoever
    speaks another language.

    `alert_id` is the same while the same trouble lasts, so that it is told once; `resolved`
    says that it is over.
    """

    alert_id: str
    kind: AlertKind
    severity: Severity
    title: str
    detail: str
    next_step: str
    symbol: Symbol | None = None
    pair_id: str = ""
    amount_krw: int | None = None
    age_ms: int | None = None
    resolved: bool = False
    code: str = ""
    facts: dict[str, Fact] = Field(default_factory=dict)
