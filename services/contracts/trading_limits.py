"""The limits a desk tunes, published by risk with a hash and read by everyone from the control stream."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from services.contracts.limits import (
    HARD_CLIP_SHARES,
    HARD_FLATTEN_ATTEMPTS,
    HARD_OPEN_PAIRS,
    HARD_ORDER_KRW,
    HARD_ORDERS_PER_DAY,
    HARD_STRANDED_ATTEMPTS,
    HARD_TRIPS_PER_SYMBOL,
)


class BufferRule(StrEnum):
    """What the net edge must reach beyond costs: 0.01 % of the price or one tick, and what misses cost."""

    MAX_OF_COST_PLUS_BP_AND_TICK = "max(cost+1bp,1tick)"
    """The gross edge reaches the larger of (cost + 1 bp) and one tick."""
    COST_PLUS_MAX_OF_BP_AND_TICK = "cost+max(1bp,1tick)"
    """The gross edge reaches cost plus the larger of 1 bp and one tick."""
    PLUS_EXPECTED_MISS = "max(cost+1bp,1tick)+miss"
    """The first of these plus what missed sales cost on average, and at least a floor: the default. The
    figures stand in the threshold table."""


class TradingLimits(BaseModel):
    """Bounds of trading. `_krw` whole won, `_ms` milliseconds, `_bps` hundredths of a percent.

    The defaults are the shipped ones. Neither a file nor a message is filled up from them: `limits.toml`
    names every limit (`market/files`), and one that a message of an older build lacks is at its strictest.

    Raises:
        ValidationError: unknown key, out of range, or two limits that contradict.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    buffer_rule: BufferRule = BufferRule.PLUS_EXPECTED_MISS
    buffer_bps: int = Field(1, ge=0, le=100)
    sanity_ceiling_bps: int = Field(300, ge=30, le=2_900)
    """A net edge above this is bad data, not luck."""
    clip_shares: int = Field(1, ge=1, le=HARD_CLIP_SHARES)
    max_pair_shares: int = Field(5, ge=1, le=500)
    max_displayed_share_pct: int = Field(50, ge=1, le=100)
    """How much of the displayed size an intent may count on."""
    max_quote_age_buy_ms: int = Field(2_000, ge=100, le=10_000)
    max_quote_age_sell_ms: int = Field(1_000, ge=100, le=10_000)
    max_quote_skew_ms: int = Field(1_500, ge=100, le=10_000)
    collar_ticks: int = Field(10, ge=1, le=50)
    """How far an order's price may lie from the fresh reference, in ticks."""
    max_cross_ms: int = Field(60_000, ge=1_000, le=3_600_000)
    """A cross that stands longer while nobody takes it is a stale feed until a person has looked."""
    cooldown_ms: int = Field(1_000, ge=0, le=600_000)
    """After a verdict or a closed pair, no intent of that symbol for this long."""
    ghost_bar_ms: int = Field(10_000, ge=1_000, le=3_600_000)
    """After a pair that had to be liquidated, no intent of that symbol and direction for this long; each
    further loss of the day doubles it, a pair that sold there ends it. The bid has to move as well."""
    max_trips_per_symbol: int = Field(20, ge=0, le=HARD_TRIPS_PER_SYMBOL)
    max_pairs_per_symbol_window: int = Field(4, ge=1, le=20)
    """The next pair of a symbol within `repeat_window_ms` pauses it until a person resumes it."""
    repeat_window_ms: int = Field(10_000, ge=1_000, le=3_600_000)
    max_open_pairs: int = Field(2, ge=1, le=HARD_OPEN_PAIRS)
    max_order_krw: int = Field(10_000_000, ge=1_000, le=HARD_ORDER_KRW)
    max_exposure_symbol_krw: int = Field(15_000_000, ge=1_000)
    max_exposure_total_krw: int = Field(30_000_000, ge=1_000)
    max_unhedged_krw: int = Field(20_000_000, ge=1_000)
    """What may be bought and not yet sold at one moment, over all pairs, at cost."""
    max_unhedged_ms: int = Field(60_000, ge=1_000, le=3_600_000)
    """How long one pair may hold shares before a person is called; the exits go on."""
    max_orders_per_day: int = Field(5_000, ge=10, le=HARD_ORDERS_PER_DAY)
    """Orders of one trading date after which no new pair begins."""
    max_daily_loss_krw: int = Field(300_000, ge=0)
    max_pair_loss_krw: int = Field(100_000, ge=0)
    """What one pair may lose, realised and marked, before a person is called."""
    max_losing_pairs_in_a_row: int = Field(5, ge=1, le=100)
    max_drawdown_krw: int = Field(300_000, ge=0)
    """How far the day's result may fall below the best it was."""
    max_errors_per_minute: int = Field(10, ge=1, le=1_000)
    """Orders and cancels that the broker refused."""
    max_denials_per_minute: int = Field(10, ge=1, le=1_000)
    """Commands that the last gate refused for what they were, not for when they came."""
    max_unknowns_per_minute: int = Field(3, ge=1, le=1_000)
    """Orders whose outcome nobody knew."""
    buy_timeout_ms: int = Field(1_000, ge=100, le=10_000)
    """An entry IOC that has not closed by then is cancelled and asked after."""
    sell_after_first_fill_ms: int = Field(150, ge=0, le=5_000)
    """The sell starts when the buy closed, or this long after its first fill."""
    sell_timeout_ms: int = Field(1_000, ge=100, le=10_000)
    max_sells_per_clip: int = Field(2, ge=1, le=5)
    flatten_step_ticks: int = Field(1, ge=1, le=10)
    flatten_attempts: int = Field(6, ge=1, le=HARD_FLATTEN_ATTEMPTS)
    flatten_interval_ms: int = Field(500, ge=100, le=60_000)
    market_attempts: int = Field(1, ge=0, le=4)
    """How many of the last attempts to flatten are market orders, where KRX takes one and bids more."""
    flatten_wait_ms: int = Field(180_000, ge=1_000, le=3_600_000)
    """How long a residual waits for a venue (a VI lasts two minutes) before it is a stranded position."""
    quote_wait_ms: int = Field(5_000, ge=500, le=600_000)
    """How long a residual waits for a bid before it strands. A bid that is older than this is none."""
    max_loss_per_share_bps: int = Field(300, ge=10, le=2_900)
    """A flatten never sells below what was paid less this; what is left strands."""
    stranded_attempts: int = Field(6, ge=0, le=HARD_STRANDED_ATTEMPTS)
    """Orders of one session with which a stranded position is tried again by itself; 0: only by a person.
    They lose at most `max_pair_loss_krw` a day."""
    stranded_interval_ms: int = Field(60_000, ge=1_000, le=3_600_000)
    """The time between two such orders while the bid neither goes nor returns."""

    @field_validator("*", mode="before")
    @classmethod
    def _no_flag(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError("true and false are no limits; write a number")
        return value

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.clip_shares > self.max_pair_shares:
            raise ValueError(
                f"clip_shares {self.clip_shares} is more than max_pair_shares {self.max_pair_shares}; "
                "raise max_pair_shares or shrink the clip"
            )
        if self.max_exposure_symbol_krw > self.max_exposure_total_krw:
            raise ValueError("max_exposure_symbol_krw is more than max_exposure_total_krw; lower it")
        if self.max_order_krw > self.max_exposure_symbol_krw:
            raise ValueError("max_order_krw is more than max_exposure_symbol_krw; lower it")
        if self.quote_wait_ms > self.flatten_wait_ms:
            raise ValueError("quote_wait_ms is more than flatten_wait_ms; lower it")
        return self


SMALLER_IS_TIGHTER: Final = frozenset(
    {name for name in TradingLimits.model_fields if name.startswith("max_")} - {"max_sells_per_clip"}
    | {"sanity_ceiling_bps", "clip_shares", "collar_ticks"}
)
LARGER_IS_TIGHTER: Final = frozenset({"buffer_bps", "cooldown_ms", "ghost_bar_ms", "repeat_window_ms"})


def tightens(name: str, before: TradingLimits, after: TradingLimits) -> bool:
    """Whether a change of limit `name` only takes away from what was allowed.

    A limit that is neither (how a clip is worked, how a residual is sold) never tightens: nobody can say
    of a timeout alone which way is safer. Each other buffer rule asks for no less than the plain one; of
    those two neither asks for more at every price.
    """
    old, new = getattr(before, name), getattr(after, name)
    if old == new:
        return True
    if name == "buffer_rule":
        return bool(old is BufferRule.MAX_OF_COST_PLUS_BP_AND_TICK)
    return (name in SMALLER_IS_TIGHTER and new < old) or (name in LARGER_IS_TIGHTER and new > old)


_NO_SIDE: Final = frozenset(TradingLimits.model_fields) - SMALLER_IS_TIGHTER - LARGER_IS_TIGHTER
EXITS_GO_BY: Final = _NO_SIDE - {"buffer_rule"} | {
    "collar_ticks",
    "max_quote_age_sell_ms",
    "max_pair_loss_krw",
    "max_loss_per_share_bps",
}
"""What sells by: at its strictest it would keep what is held, so an unknown one is the shipped one."""
_NO_MORE_THAN: Final = (
    ("max_exposure_symbol_krw", "max_exposure_total_krw"),
    ("max_order_krw", "max_exposure_symbol_krw"),
    ("clip_shares", "max_pair_shares"),
    ("quote_wait_ms", "flatten_wait_ms"),
)
"""What `_agree` holds the first of each to."""


def _strictest_of(name: str) -> Any:
    field = TradingLimits.model_fields[name]
    if name == "buffer_rule":
        return BufferRule.PLUS_EXPECTED_MISS
    if name in EXITS_GO_BY:
        return field.default
    side = "ge" if name in SMALLER_IS_TIGHTER else "le"
    return next(getattr(bound, side) for bound in field.metadata if hasattr(bound, side))


STRICTEST: Final = TradingLimits.model_validate(
    {name: _strictest_of(name) for name in TradingLimits.model_fields}
)
"""What holds where nobody has said any limit: entries at their lowest, exits as shipped."""


def completed(known: Mapping[str, Any]) -> TradingLimits:
    """Return the limits with those that `known` does not name at their strictest; others give way to them.

    Raises:
        ValidationError: a value that is named is out of its bounds.
    """
    values = {**STRICTEST.model_dump(), **known}
    try:
        return TradingLimits.model_validate(values)
    except ValidationError as error:
        if any(detail["loc"] for detail in error.errors()):
            raise
    for name, most in _NO_MORE_THAN:
        values[name] = min(values[name], values[most], key=int)
    return TradingLimits.model_validate(values)


def unnamed(known: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the limits that are not named, in their own order."""
    return tuple(name for name in TradingLimits.model_fields if name not in known)


def _filled_up(content: Any) -> Any:
    return completed(content) if isinstance(content, Mapping) and unnamed(content) else content


PublishedLimits = Annotated[TradingLimits, BeforeValidator(_filled_up)]
"""Limits in a message or a stored state: a build that did not know one of them has not allowed anything."""


def limit_line(name: str, limits: TradingLimits) -> str:
    """Return the line of `limits.toml` that says one limit.

    >>> limit_line("max_daily_loss_krw", TradingLimits())
    'max_daily_loss_krw = 300_000'
    """
    value = getattr(limits, name)
    return f"{name} = {value:_}" if isinstance(value, int) else f'{name} = "{value}"'


def limits_text(limits: TradingLimits) -> str:
    """Return a whole `limits.toml`."""
    return "".join(f"{limit_line(name, limits)}\n" for name in TradingLimits.model_fields)
