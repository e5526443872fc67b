"""Prices and sizes of sells: the rich bid, break-even, and the ladder's steps, all on the tick grid.

Owns the invariant that a flatten never sells below what was paid less `max_loss_per_share_bps`, that
no price leaves the day's band, and that no order is larger than the last gate lets through.
"""

from services.contracts.limits import HARD_CLIP_SHARES, HARD_EXIT_KRW
from services.contracts.messages.venue_state import PriceBand
from services.contracts.tick_grid import TickGrid
from services.contracts.trading_limits import TradingLimits
from services.market.edge import Levels

_BPS = 10_000


def order_shares(qty_shares: int, price_krw: int) -> int:
    """How much of `qty_shares` one sell may carry at about `price_krw`; the rest goes with the next one."""
    return min(qty_shares, HARD_CLIP_SHARES, max(1, HARD_EXIT_KRW // price_krw))


def sell_limit(
    floor_krw: int, bids: Levels, qty_shares: int, collar_ticks: int, ticks: TickGrid
) -> int | None:
    """The limit of an exit: the bid that fills the whole quantity, not below `floor_krw` (break-even).

    None where even the best bid is below it: the spread is gone. No further from the best bid than the
    collar, or the last gate would refuse it.
    """
    if not bids or bids[0][0] < floor_krw:
        return None
    return max(reach(bids, qty_shares), floor_krw, _step_down(ticks, bids[0][0], collar_ticks))


def buy_limit(price_krw: int, asks: Levels, collar_ticks: int, ticks: TickGrid) -> int:
    """The limit of an entry: `price_krw`, but no further above the best ask than the collar."""
    if not asks:
        return price_krw
    return min(price_krw, ticks.step(ticks.snap_down(asks[0][0]), collar_ticks))


def reach(bids: Levels, qty_shares: int) -> int:
    """The price of the bid at which `qty_shares` are displayed, or of the last one.

    Raises IndexError where there is no bid.
    """
    left = qty_shares
    for price_krw, displayed in bids:
        left -= displayed
        if left <= 0:
            return price_krw
    return bids[-1][0]


def loss_floor(limits: TradingLimits, buy_price_krw: int) -> int:
    """The lowest price a flatten may sell at, on the grid or not: what was paid less the loss bound."""
    return max(1, -(-buy_price_krw * (_BPS - limits.max_loss_per_share_bps) // _BPS))


def rung_price(
    limits: TradingLimits,
    bid_krw: int,
    attempt: int,
    floor_krw: int,
    band: PriceBand | None,
    ticks: TickGrid,
) -> int:
    """The limit of the ladder's `attempt`: so many steps through the bid, within collar, floor and band."""
    through = min(limits.flatten_step_ticks * attempt, limits.collar_ticks)
    lowest_krw = ticks.snap_up(max(floor_krw, band.lower_krw if band else 1))
    return max(_step_down(ticks, ticks.snap_down(bid_krw), through), lowest_krw)


def _step_down(ticks: TickGrid, price_krw: int, n_ticks: int) -> int:
    """The price `n_ticks` down the grid, 1 KRW where it ends before that."""
    return ticks.step(price_krw, -min(n_ticks, ticks.between(1, price_krw)))
