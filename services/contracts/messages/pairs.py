"""The life of a pair, from the verdict to flat."""

from enum import StrEnum

from pydantic import Field

from services.contracts.envelope import Message
from services.contracts.messages.intents import QuoteSeen
from services.contracts.reasons import DenialReason
from services.contracts.terms import Krw, MovedLast, Shares, Symbol, TradingDate, Venue


class PairApproved(Message):
    """Risk reserved both legs. `qty_shares` is the most that may be bought, in clips of `clip_shares`."""

    pair_id: str
    intent_id: str
    symbol: Symbol
    trading_date: TradingDate
    buy_venue: Venue
    sell_venue: Venue
    qty_shares: int = Field(gt=0)
    clip_shares: int = Field(gt=0)
    buy_limit_krw: int = Field(gt=0)
    sell_limit_krw: int = Field(gt=0)
    approved_at_ns: int
    expires_at_ns: int
    reference_hash: str


class PairDenied(Message):
    """Risk said no. `detail` holds `key=value` pairs of the figures that decided."""

    intent_id: str
    symbol: Symbol
    reason: DenialReason
    detail: str
    decided_at_ns: int
    reference_hash: str = ""


class ClipCompleted(Message):
    """One clip is over; amounts are KRW of fills, costs as the broker reported them."""

    pair_id: str
    symbol: Symbol
    clip: int
    bought_shares: Shares
    bought_krw: Krw
    sold_shares: Shares
    sold_krw: Krw
    residual_shares: int


class ResidualOpened(Message):
    """Bought and not sold in time: it is being flattened. `cost_krw` is what it was bought for."""

    pair_id: str
    symbol: Symbol
    qty_shares: int
    cost_krw: int
    opened_at_ns: int
    reason: str


class StrandReason(StrEnum):
    ATTEMPTS_SPENT = "attempts_spent"
    LOSS_BOUND = "loss_bound"
    NO_VENUE = "no_venue"
    NO_QUOTE = "no_quote"
    AFTER_HOURS = "after_hours"
    TRADING_STATE = "trading_state"
    """The trading state allowed no sell for too long."""
    DENIED = "denied"
    """The gateway refused every attempt."""
    AMBIGUOUS = "ambiguous"
    """Several broker orders match one of ours, more was sold than bought, or an event of its orders could not
    be taken in: what is held is not known."""
    SETTLED = "settled"
    """It was stranded as ambiguous, and what is held is certain again."""
    FAULT = "fault"
    """The program failed at deciding for this pair: a mistake of ours, and only this pair waits for it."""


class ResidualMarked(Message):
    """A residual that cannot be sold now became a named stranded position: a person is needed."""

    pair_id: str
    symbol: Symbol
    qty_shares: int
    cost_krw: int
    reason: StrandReason
    detail: str


class PairOutcome(StrEnum):
    FLAT = "flat"
    NOT_FILLED = "not_filled"
    EXPIRED = "expired"
    STOPPED = "stopped"
    CLAIMED = "claimed"


class PairClosed(Message):
    """The pair is over and holds nothing. Money in KRW; `realised_pnl_krw` is after all costs.

    `clips` are those that bought at least one share.

    `uncovered_krw_ms` is the integral of (bought and not yet sold) value over time,
    `neutral_ms` the longest time from a first fill to flat again. `trip` says whether it had
    a fill. A `claimed` pair was made flat by a person: `bought_shares` then exceeds `sold_shares`.
    A fill told later opens a pair again, and costs told later only correct its money: `closings` counts, and
    the last statement replaces those before.
    `provisional`: costs were computed by the last known rates, because those of the date are not published.
    """

    pair_id: str
    symbol: Symbol
    outcome: PairOutcome
    trip: bool
    clips: int
    bought_shares: Shares
    bought_krw: Krw
    sold_shares: Shares
    sold_krw: Krw
    commission_krw: Krw
    tax_krw: Krw
    realised_pnl_krw: int
    residual_shares_max: int
    neutral_ms: int
    uncovered_krw_ms: int
    opened_at_ns: int
    closed_at_ns: int
    closings: int = 1
    provisional: bool = False

    @property
    def sold_at_rich_shares(self) -> int:
        """Shares that the rich venue took from a clip: bought, and never a residual. The cross was true."""
        return max(0, self.bought_shares - self.residual_shares_max)


class ClipRecomputed(Message):
    """The executor looked at fresh quotes before a clip, and went on or stopped.

    `threshold_krw` is what the net edge of the clip had to reach, None where it was not computed.
    `cross_age_ms` is how long the cross had stood in the executor's own books, `moved_last` the quote that
    moved last there.
    """

    pair_id: str
    symbol: Symbol
    clip: int
    proceed: bool
    net_edge_krw: int
    quote_buy: QuoteSeen | None
    quote_sell: QuoteSeen | None
    decided_at_ns: int
    reason: str
    threshold_krw: int | None = None
    reference_hash: str = ""
    cross_age_ms: int = 0
    moved_last: MovedLast = MovedLast.UNKNOWN
