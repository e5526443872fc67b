"""A grid of prices: ticks by price band, and steps over the edges of bands.

Owns the invariant that the *order price* decides its tick, so a price that steps over a band's edge
goes on in the new band's steps (market rules 2.1). The grid is one ordered list of prices; a step is
a move along its ranks, which makes it right in both directions and over any number of bands.
"""

from functools import cached_property
from itertools import pairwise
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Band = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=1)]]
"""(lowest price of the band in KRW, tick in KRW)."""


class TickGrid(BaseModel):
    """The prices that an order may carry, from 1 KRW up. The bands ascend and the first starts at 0."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bands: Annotated[tuple[Band, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _bands_join(self) -> Self:
        if self.bands[0][0] != 0:
            raise ValueError(f"the first band starts at 0 KRW, not at {self.bands[0][0]}")
        for (low, tick), (high, next_tick) in pairwise(self.bands):
            if high <= low:
                raise ValueError(f"bands must ascend: {high} KRW follows {low}")
            if (high - low) % tick or high % next_tick:
                raise ValueError(f"the band from {high} KRW does not start on a price of both grids")
        return self

    def size(self, price_krw: int) -> int:
        """The price step in KRW at an order price. Raises ValueError for a price below 1."""
        if price_krw < 1:
            raise ValueError(f"a price is at least 1 KRW, not {price_krw}")
        return next(tick for lowest, tick in reversed(self.bands) if price_krw >= lowest)

    def is_on(self, price_krw: int) -> bool:
        """Whether an order may carry this price; False below 1 KRW."""
        return price_krw >= 1 and price_krw % self.size(price_krw) == 0

    def snap_down(self, price_krw: int) -> int:
        """The highest price on the grid that is not above `price_krw`."""
        return price_krw - price_krw % self.size(price_krw)

    def snap_up(self, price_krw: int) -> int:
        """The lowest price on the grid that is not below `price_krw`."""
        return price_krw + -price_krw % self.size(price_krw)

    def step(self, price_krw: int, n_ticks: int) -> int:
        """The price `n_ticks` up (or down, if negative) the grid.

        Raises ValueError when `price_krw` is off the grid or the step leaves it below 1 KRW.
        """
        rank = self._rank(price_krw) + n_ticks
        if rank < 1:
            raise ValueError(f"{n_ticks} ticks from {price_krw} KRW is below the lowest price, 1 KRW")
        return self._price_at(rank)

    def between(self, from_krw: int, to_krw: int) -> int:
        """How many ticks lead from one price on the grid to another; negative when `to_krw` is lower.

        Raises ValueError where one of them is off the grid.
        """
        return self._rank(to_krw) - self._rank(from_krw)

    @cached_property
    def _first_ranks(self) -> tuple[int, ...]:
        ranks = [0]
        for (low, tick), (high, _) in pairwise(self.bands):
            ranks.append(ranks[-1] + (high - low) // tick)
        return tuple(ranks)

    def _rank(self, price_krw: int) -> int:
        if not self.is_on(price_krw):
            raise ValueError(f"{price_krw} KRW is not on the tick grid")
        for (low, tick), first in zip(reversed(self.bands), reversed(self._first_ranks), strict=True):
            if price_krw >= low:
                return first + (price_krw - low) // tick
        raise AssertionError("the lowest band starts at zero")

    def _price_at(self, rank: int) -> int:
        for (low, tick), first in zip(reversed(self.bands), reversed(self._first_ranks), strict=True):
            if rank >= first:
                return low + (rank - first) * tick
        raise AssertionError("the lowest band starts at rank zero")


SHARE_TICKS = TickGrid(
    bands=(
        (0, 1), (2_000, 5), (5_000, 10), (20_000, 50), (50_000, 100), (200_000, 500), (500_000, 1_000),
    )
)  # fmt: skip
"""Shares on KRX since 2023-01-25, on NXT the same (market rules 2.1)."""
