"""The day's price limits, computed where the broker's own figures are not at hand."""

from services.contracts.tick_grid import TickGrid

_LIMIT_PERCENT = 30


def price_limits(base_price_krw: int, grid: TickGrid) -> tuple[int, int]:
    """(lower, upper) limit of the day, computed from the base price (market rules 2.2).

    The width is 30 % of the base, cut to the base's tick; the bounds are snapped inwards. The
    broker's own figures win over these: the rounding is not confirmed by a primary source.
    """
    tick = grid.size(base_price_krw)
    width_krw = base_price_krw * _LIMIT_PERCENT // 100 // tick * tick
    return grid.snap_up(base_price_krw - width_krw), grid.snap_down(base_price_krw + width_krw)
