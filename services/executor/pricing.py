"""Prices of sells: the rich bid, break-even, and the ladder's steps, all on the tick grid.

Owns the invariant that a flatten never sells below what was paid less `max_loss_per_share_bps`, and
that no price leaves the day's band.
"""

from services.contracts.messages.venue_state import PriceBand
from services.contracts.reference import TradeCosts
from services.contracts.terms import Venue
from services.contracts.trading_limits import TradingLimits
from services.market import ticks
from services.market.edge import Levels

_BPS = 10_000


def sell_limit(
    costs: TradeCosts, buy_venue: Venue, buy_price_krw: int, sell_venue: Venue, bids: Levels, qty_shares: int
) -> int | None:
    """The limit of an exit: the bid that fills the whole quantity, not below break-even.

    None where even the best bid is below break-even: the spread is gone.
    """
    floor_krw = costs.break_even_sell_price_krw(buy_venue, buy_price_krw, sell_venue, qty_shares)
    if not bids or bids[0][0] < floor_krw:
        return None
    return max(reach(bids, qty_shares), floor_krw)


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
    """The lowest price a flatten may sell at: what was paid less the loss bound, on the grid."""
    kept_krw = -(-buy_price_krw * (_BPS - limits.max_loss_per_share_bps) // _BPS)
    return ticks.snap_up(max(1, kept_krw))


def rung_price(
    limits: TradingLimits, bid_krw: int, attempt: int, floor_krw: int, band: PriceBand | None
) -> int:
    """The limit of the ladder's `attempt`: so many steps through the bid, within collar, floor and band."""
    through = min(limits.flatten_step_ticks * attempt, limits.collar_ticks)
    start_krw = ticks.snap_down(bid_krw)
    lowest_krw = max(floor_krw, ticks.snap_up(band.lower_krw) if band else 1)
    if through >= ticks.ticks_between(1, start_krw):
        return lowest_krw
    return max(ticks.step(start_krw, -through), lowest_krw)
