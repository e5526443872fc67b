"""The closed vocabularies that every message and every core shares.

Wire values are the enum values: short, upper or lower case as the field's own words
are, and never renamed once a message with them has been written.
"""

from enum import StrEnum
from typing import Annotated, NewType

from pydantic import Field

TradingDate = NewType("TradingDate", str)
"""A Korean trading date, `YYYY-MM-DD`."""

Symbol = NewType("Symbol", str)
"""The six-character KRX code, kept as text (`005930`, `0126Z0`)."""


Krw = Annotated[int, Field(ge=0)]
"""A price or an amount in whole won that cannot be negative: one that is, is refused at reading."""

Shares = Annotated[int, Field(ge=0)]
"""A number of shares that cannot be negative."""


class Venue(StrEnum):
    KRX = "KRX"
    NXT = "NXT"

    @property
    def other(self) -> "Venue":
        return Venue.NXT if self is Venue.KRX else Venue.KRX


class Market(StrEnum):
    """The listing market: it decides sell tax, ticks and venues. Preferred shares are listed as shares.

    `ETF` is a fund of domestic shares listed on KRX. No other fund is traded: the gains of all others
    are taxed, and the costs of this system do not know that tax (market rules 3.1).
    """

    KOSPI = "KOSPI"
    KOSDAQ = "KOSDAQ"
    ETF = "ETF"

    @property
    def is_fund(self) -> bool:
        return self is Market.ETF


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> "Side":
        return Side.SELL if self is Side.BUY else Side.BUY


class MovedLast(StrEnum):
    """The quote of a crossed market whose move last opened or widened it. The other quote may be stale.

    Where the ask moved last, we would sell into a bid that may be gone. Where the bid moved last, the ask may
    be gone, and then nothing is bought.
    """

    ASK = "ask"
    BID = "bid"
    UNKNOWN = "unknown"
    """Nobody saw the move. The stricter figures of the threshold table hold."""


class OrderKind(StrEnum):
    """How an order meets the book; `config/hoga.toml` maps it to a hoga code by venue and session."""

    LIMIT = "limit"
    LIMIT_IOC = "limit_ioc"
    MARKET = "market"


class Purpose(StrEnum):
    """Why an order exists. Only ENTRY adds exposure; all others take it away."""

    ENTRY = "entry"
    EXIT = "exit"
    FLATTEN = "flatten"

    @property
    def adds_exposure(self) -> bool:
        return self is Purpose.ENTRY


class SessionPhase(StrEnum):
    """What one venue is doing now (market rules, sections 1.1 to 1.4)."""

    CLOSED = "closed"
    PRE_MARKET = "pre_market"
    OPENING_AUCTION = "opening_auction"
    PAUSE = "pause"
    CONTINUOUS = "continuous"
    CLOSING_AUCTION = "closing_auction"
    CLOSING_PRICE = "closing_price"
    AFTER_INTAKE = "after_intake"
    AFTER_MARKET = "after_market"

    @property
    def matches_continuously(self) -> bool:
        return self in (SessionPhase.PRE_MARKET, SessionPhase.CONTINUOUS, SessionPhase.AFTER_MARKET)


class TradingState(StrEnum):
    """How much the desk allows, from nothing to everything."""

    DISARMED = "disarmed"
    HALTED = "halted"
    REDUCE_ONLY = "reduce_only"
    PAUSE_ENTRY = "pause_entry"
    ARMED = "armed"

    @property
    def allows_entries(self) -> bool:
        return self is TradingState.ARMED

    @property
    def allows_exits(self) -> bool:
        return self in (TradingState.ARMED, TradingState.PAUSE_ENTRY, TradingState.REDUCE_ONLY)

    def allows_more_than(self, other: "TradingState") -> bool:
        """Whether a change from `other` to this state loosens. A halt is the strictest: only its lifting
        ends it; reduce only is stricter than pause entry, because it takes back the entry that works."""
        return _STRICTEST_FIRST.index(self) > _STRICTEST_FIRST.index(other)

    def stricter(self, other: "TradingState | None") -> "TradingState":
        """Return the stricter of both; `other` may be none."""
        return other if other is not None and self.allows_more_than(other) else self


_STRICTEST_FIRST = (
    TradingState.HALTED, TradingState.DISARMED, TradingState.REDUCE_ONLY, TradingState.PAUSE_ENTRY,
    TradingState.ARMED,
)  # fmt: skip


class Latch(StrEnum):
    """A stop that only a person with a reason can lift."""

    UNPLANNED_DISCONNECT = "unplanned_disconnect"
    REPEATED_ERRORS = "repeated_errors"
    CUMULATIVE_LOSS = "cumulative_loss"
    PAIR_LOSS = "pair_loss"
    LOSING_STREAK = "losing_streak"
    DRAWDOWN = "drawdown"
    UNHEDGED = "unhedged"
    RESIDUAL_STRANDED = "residual_stranded"
    RECONCILIATION_DIFFERENCE = "reconciliation_difference"
    CLOCKS = "clocks"
    MIXED_BUILDS = "mixed_builds"


class GatewayMode(StrEnum):
    OBSERVE = "observe"
    SIMULATED = "simulated"
    LIVE = "live"


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"
