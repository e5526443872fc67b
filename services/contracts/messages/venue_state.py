"""What the venues are doing: phases, halts, limits of the day, connection, liveness of the feed.

The timetable and FID 215 are combined once, in the gateway; all others read the result here.
"""

from enum import StrEnum

from services.contracts.envelope import Message, Part
from services.contracts.terms import Krw, OrderKind, SessionPhase, Symbol, TradingDate, Venue


class ConfirmedBy(StrEnum):
    TIMETABLE = "timetable"
    FID215 = "fid215"


class SessionPhaseChanged(Message):
    """A venue entered a phase. `market_time` is KST `HH:MM:SS`.

    `order_kinds` are those that the gateway can send there in that phase; None says nothing of them.
    """

    venue: Venue
    phase: SessionPhase
    trading_date: TradingDate
    market_time: str
    confirmed_by: ConfirmedBy
    order_kinds: tuple[OrderKind, ...] | None = None


class EntryWindowChanged(Message):
    """Whether entries are allowed by the clock: both venues continuous, guards taken off.

    `closes_at_ns` (Redis time) holds even if no further message comes. `sweep` asks for every
    order left on a venue to be cancelled before its pause. `barred` says that the date itself stands
    against entries until a person has seen to the dated tables: no hour of it opens the window.
    """

    open: bool
    reason: str
    trading_date: TradingDate
    market_time: str
    closes_at_ns: int
    sweep: bool = False
    barred: bool = False


class HaltKind(StrEnum):
    TRADING_HALT = "trading_halt"
    VOLATILITY_INTERRUPTION = "volatility_interruption"
    NOT_ELIGIBLE = "not_eligible"


class SymbolHaltChanged(Message):
    """A symbol stopped or resumed continuous trading on one venue; either blocks it on both."""

    symbol: Symbol
    venue: Venue
    kind: HaltKind
    halted: bool
    detail: str = ""


class PriceBand(Part):
    """The broker's own figures for the day, all KRW."""

    base_krw: Krw
    lower_krw: Krw
    upper_krw: Krw


class DayFactsPublished(Message):
    """What the broker says of the day: eligible symbols, price bands, symbols that raise a dialog.

    `bands` lacks a symbol until its figures are known; no band means no order.
    """

    trading_date: TradingDate
    nxt_eligible: tuple[Symbol, ...]
    order_warnings: tuple[Symbol, ...]
    bands: dict[Symbol, PriceBand]
    funds: tuple[Symbol, ...] | None = None
    """The symbols that the broker lists as funds; None while it has not said."""
    sessions_without_codes: tuple[str, ...] = ()
    """A sentence for each enabled session of the date in which a venue takes no order that can be sent."""


class ConnectionState(StrEnum):
    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    SYNCHRONISING = "synchronising"
    READY = "ready"
    CLOSED = "closed"


class ConnectionChanged(Message):
    """The gateway's connection to the broker. `closed` is the planned nightly cut: nobody is woken."""

    state: ConnectionState
    connection_epoch: int
    planned: bool
    detail: str = ""


class FeedLivenessChanged(Message):
    """Whether any book of a venue has moved lately while the venue trades."""

    venue: Venue
    alive: bool
    last_event_ns: int
