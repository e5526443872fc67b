"""The limits a desk tunes, published by risk with a hash and read by everyone from the control stream."""

from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.contracts.limits import (
    HARD_CLIP_SHARES,
    HARD_FLATTEN_ATTEMPTS,
    HARD_OPEN_PAIRS,
    HARD_ORDER_KRW,
    HARD_TRIPS_PER_SYMBOL,
)


class BufferRule(StrEnum):
    """What the net edge must reach beyond costs: 0.01 % of the price or one tick."""

    MAX_OF_COST_PLUS_BP_AND_TICK = "max(cost+1bp,1tick)"
    """The gross edge reaches the larger of (cost + 1 bp) and one tick: the default."""
    COST_PLUS_MAX_OF_BP_AND_TICK = "cost+max(1bp,1tick)"
    """The gross edge reaches cost plus the larger of 1 bp and one tick."""


class TradingLimits(BaseModel):
    """Bounds of trading. `_krw` whole won, `_ms` milliseconds, `_bps` hundredths of a percent.

    Raises:
        ValidationError: unknown key, out of range, or two limits that contradict.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    buffer_rule: BufferRule = BufferRule.MAX_OF_COST_PLUS_BP_AND_TICK
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
    cooldown_ms: int = Field(1_000, ge=0, le=600_000)
    """After a verdict or a closed pair, no intent of that symbol for this long."""
    max_trips_per_symbol: int = Field(20, ge=0, le=HARD_TRIPS_PER_SYMBOL)
    max_pairs_per_symbol_window: int = Field(4, ge=1, le=20)
    repeat_window_ms: int = Field(10_000, ge=1_000, le=3_600_000)
    max_open_pairs: int = Field(2, ge=1, le=HARD_OPEN_PAIRS)
    max_order_krw: int = Field(10_000_000, ge=1_000, le=HARD_ORDER_KRW)
    max_exposure_symbol_krw: int = Field(15_000_000, ge=1_000)
    max_exposure_total_krw: int = Field(30_000_000, ge=1_000)
    max_daily_loss_krw: int = Field(300_000, ge=0)
    max_errors_per_minute: int = Field(10, ge=1, le=1_000)
    buy_timeout_ms: int = Field(1_000, ge=100, le=10_000)
    """An entry IOC that has not closed by then is cancelled and asked after."""
    sell_after_first_fill_ms: int = Field(150, ge=0, le=5_000)
    """The sell starts when the buy closed, or this long after its first fill."""
    sell_timeout_ms: int = Field(1_000, ge=100, le=10_000)
    max_sells_per_clip: int = Field(2, ge=1, le=5)
    flatten_step_ticks: int = Field(1, ge=1, le=10)
    flatten_attempts: int = Field(6, ge=1, le=HARD_FLATTEN_ATTEMPTS)
    flatten_interval_ms: int = Field(500, ge=100, le=60_000)
    max_loss_per_share_bps: int = Field(300, ge=10, le=2_900)
    """A flatten never sells below what was paid less this; what is left strands."""

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
        return self
