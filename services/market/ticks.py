"""The price grid of both venues: ticks, steps across bands, and the day's limits.

Owns the invariant that the *order price* decides its tick, so a price that steps over a band's edge
goes on in the new band's steps (market rules 2.1). The grid is one ordered list of prices; a step is
a move along its ranks, which makes it right in both directions and over any number of bands.
"""

from itertools import pairwise

from services.contracts.reference import TICK_BANDS, tick_size

__all__ = [
    "is_on_tick",
    "price_limits",
    "snap_down",
    "snap_up",
    "step",
    "tick_size",
    "ticks_between",
]

_LIMIT_PERCENT = 30


def is_on_tick(price_krw: int) -> bool:
    """Whether an order may carry this price; False below 1 KRW."""
    return price_krw >= 1 and price_krw % tick_size(price_krw) == 0


def snap_down(price_krw: int) -> int:
    """The highest price on the grid that is not above `price_krw`."""
    return price_krw - price_krw % tick_size(price_krw)


def snap_up(price_krw: int) -> int:
    """The lowest price on the grid that is not below `price_krw`."""
    return price_krw + -price_krw % tick_size(price_krw)


def step(price_krw: int, n_ticks: int) -> int:
    """The price `n_ticks` up (or down, if negative) the grid.

    Raises ValueError when `price_krw` is off the grid or the step leaves it below 1 KRW.
    """
    rank = _rank(price_krw) + n_ticks
    if rank < 1:
        raise ValueError(f"{n_ticks} ticks from {price_krw} KRW is below the lowest price, 1 KRW")
    return _price_at(rank)


def ticks_between(from_krw: int, to_krw: int) -> int:
    """How many ticks lead from one price on the grid to another; negative when `to_krw` is lower."""
    return _rank(to_krw) - _rank(from_krw)


def price_limits(base_price_krw: int) -> tuple[int, int]:
    """(lower, upper) limit of the day, computed from the base price (market rules 2.2).

    The width is 30 % of the base, cut to the base's tick; the bounds are snapped inwards. The
    broker's own figures win over these: the rounding is not confirmed by a primary source.
    """
    tick = tick_size(base_price_krw)
    width_krw = base_price_krw * _LIMIT_PERCENT // 100 // tick * tick
    return snap_up(base_price_krw - width_krw), snap_down(base_price_krw + width_krw)


def _first_ranks() -> tuple[int, ...]:
    ranks = [0]
    for (low, tick), (high, _) in pairwise(TICK_BANDS):
        ranks.append(ranks[-1] + (high - low) // tick)
    return tuple(ranks)


_FIRST_RANKS = _first_ranks()


def _rank(price_krw: int) -> int:
    if not is_on_tick(price_krw):
        raise ValueError(f"{price_krw} KRW is not on the tick grid")
    for (low, tick), first in zip(reversed(TICK_BANDS), reversed(_FIRST_RANKS), strict=True):
        if price_krw >= low:
            return first + (price_krw - low) // tick
    raise AssertionError("the lowest band starts at zero")


def _price_at(rank: int) -> int:
    for (low, tick), first in zip(reversed(TICK_BANDS), reversed(_FIRST_RANKS), strict=True):
        if rank >= first:
            return low + (rank - first) * tick
    raise AssertionError("the lowest band starts at rank zero")
