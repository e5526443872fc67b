"""What a cross is worth: the edge of a size that two books can fill, and what it has to reach.

The one arithmetic of detector, risk and executor (invariant I11): the same books, costs, limits and
threshold give the same figures to the won. A book side is its levels, best first, as `QuoteUpdated`
carries them; levels without quantity are passed over. Nothing here knows how old a book is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from itertools import accumulate

from services.contracts.reference import TradeCosts
from services.contracts.terms import Venue
from services.contracts.threshold import Threshold
from services.contracts.trading_limits import BufferRule, TradingLimits

Levels = Sequence[tuple[int, int]]
"""(price_krw, qty_shares), best level first."""

_BPS = 10_000


@dataclass(frozen=True, slots=True)
class Walk:
    """What `qty_shares` cost when levels are taken in turn: the sum, and the worst price touched."""

    qty_shares: int
    worst_price_krw: int
    amount_krw: int


@dataclass(frozen=True, slots=True)
class Edge:
    """Buying and selling `qty_shares` at once from two books; all money is KRW for the whole size.

    The worst prices are the limits at which the whole size is executable, the amounts what it
    costs and brings level by level, `cost_krw` every commission and tax, `net_krw` what is left.
    """

    qty_shares: int
    buy_price_worst_krw: int
    sell_price_worst_krw: int
    buy_amount_krw: int
    sell_amount_krw: int
    cost_krw: int
    net_krw: int
    sell_tick_krw: int
    """The price step at the worst sell price."""

    @property
    def gross_krw(self) -> int:
        return self.sell_amount_krw - self.buy_amount_krw

    @property
    def net_bps(self) -> int:
        """The net edge in basis points of what is paid, rounded down."""
        return self.net_krw * _BPS // self.buy_amount_krw

    def threshold_krw(self, limits: TradingLimits, threshold: Threshold) -> int:
        """What `net_krw` must reach. The sell price decides the tick: the wider one at a band's edge."""
        return threshold_krw(
            limits,
            self.sell_price_worst_krw,
            self.sell_tick_krw,
            self.qty_shares,
            self.cost_krw,
            threshold,
        )

    def reaches(self, limits: TradingLimits, threshold: Threshold) -> bool:
        return self.net_krw >= self.threshold_krw(limits, threshold)

    def beyond_ceiling(self, limits: TradingLimits) -> bool:
        """Whether it is too good to be true (`sanity_ceiling_bps` of what is paid)."""
        return self.net_krw * _BPS > limits.sanity_ceiling_bps * self.buy_amount_krw


def threshold_krw(
    limits: TradingLimits,
    price_krw: int,
    tick_krw: int,
    qty_shares: int,
    cost_krw: int,
    threshold: Threshold,
) -> int:
    """What the net edge of `qty_shares` at `price_krw` must reach, KRW; `cost_krw` is already taken off it.

    Both plain readings of the buffer rule speak of the gross edge; taken off the cost they become
    max(buffer, ticks - cost) and max(buffer, ticks). The third is max(first + P(miss) x loss, floor) with
    the figures of `threshold`. The exact sum is rounded up once.

    Raises:
        ValueError: the quantity is not positive.
    """
    if qty_shares < 1:
        raise ValueError(f"a size is at least 1 share, not {qty_shares}")
    amount_krw, ticks_krw = price_krw * qty_shares, tick_krw * qty_shares
    buffer_krw = Decimal(amount_krw * limits.buffer_bps).scaleb(-4)
    if limits.buffer_rule is BufferRule.COST_PLUS_MAX_OF_BP_AND_TICK:
        return _up(max(buffer_krw, Decimal(ticks_krw)))
    plain_krw = max(buffer_krw, Decimal(ticks_krw - cost_krw))
    if limits.buffer_rule is BufferRule.MAX_OF_COST_PLUS_BP_AND_TICK:
        return _up(plain_krw)
    return max(_up(plain_krw + threshold.expected_krw(amount_krw)), threshold.floor_krw)


def _up(amount_krw: Decimal) -> int:
    return int(amount_krw.to_integral_value(ROUND_CEILING))


def walk(levels: Levels, qty_shares: int) -> Walk | None:
    """Take `qty_shares` from one side of a book, best level first; None where it holds less, or for none.

    >>> walk(((100, 3), (101, 5)), 4)
    Walk(qty_shares=4, worst_price_krw=101, amount_krw=401)
    """
    if qty_shares < 1:
        return None
    left, amount_krw = qty_shares, 0
    for price_krw, displayed in levels:
        if displayed >= left:
            return Walk(qty_shares, price_krw, amount_krw + price_krw * left)
        left -= displayed
        amount_krw += price_krw * displayed
    return None


def edge(
    costs: TradeCosts,
    buy_venue: Venue,
    ask_levels: Levels,
    sell_venue: Venue,
    bid_levels: Levels,
    qty_shares: int,
) -> Edge | None:
    """The edge of exactly `qty_shares`, or None where either book side does not hold that many."""
    bought, sold = walk(ask_levels, qty_shares), walk(bid_levels, qty_shares)
    if bought is None or sold is None:
        return None
    cost_krw = costs.round_trip_krw(buy_venue, bought.amount_krw, sell_venue, sold.amount_krw)
    return Edge(
        qty_shares=qty_shares,
        buy_price_worst_krw=bought.worst_price_krw,
        sell_price_worst_krw=sold.worst_price_krw,
        buy_amount_krw=bought.amount_krw,
        sell_amount_krw=sold.amount_krw,
        cost_krw=cost_krw,
        net_krw=sold.amount_krw - bought.amount_krw - cost_krw,
        sell_tick_krw=costs.ticks(sell_venue).size(sold.worst_price_krw),
    )


def executable_edge(
    costs: TradeCosts,
    limits: TradingLimits,
    buy_venue: Venue,
    ask_levels: Levels,
    sell_venue: Venue,
    bid_levels: Levels,
    qty_shares: int,
) -> Edge | None:
    """The edge of `qty_shares` at what may be counted on of both books; None where that is less."""
    asks = countable(ask_levels, limits.max_displayed_share_pct)
    bids = countable(bid_levels, limits.max_displayed_share_pct)
    return edge(costs, buy_venue, asks, sell_venue, bids, qty_shares)


def best_edge(
    costs: TradeCosts,
    limits: TradingLimits,
    buy_venue: Venue,
    ask_levels: Levels,
    sell_venue: Venue,
    bid_levels: Levels,
    threshold: Threshold,
) -> Edge | None:
    """The edge of the size that earns most within the limits, or None where the books do not cross.

    A size that reaches its threshold goes before a larger one that earns more in all but too little
    a share; where none reaches it, the best is returned all the same, to be shown and measured.
    Every size is tried up to the one whose last share earns nothing gross: each charge is floored by
    itself, so the net edge by size is a saw, and the floor of the threshold asks for many shares.
    """
    if not ask_levels or not bid_levels or bid_levels[0][0] <= ask_levels[0][0]:
        return None
    asks = countable(ask_levels, limits.max_displayed_share_pct)
    bids = countable(bid_levels, limits.max_displayed_share_pct)
    best: Edge | None = None
    pays = False
    for qty_shares in range(1, limits.max_pair_shares + 1):
        found = edge(costs, buy_venue, asks, sell_venue, bids, qty_shares)
        if found is None or found.sell_price_worst_krw <= found.buy_price_worst_krw:
            break
        if qty_shares > shares_allowed(limits, found.buy_price_worst_krw):
            break
        if best is None or found.net_krw > best.net_krw or not pays:
            reaches = found.reaches(limits, threshold)
            if best is None or (reaches, found.net_krw) > (pays, best.net_krw):
                best, pays = found, reaches
    return best


def countable(levels: Levels, share_pct: int) -> tuple[tuple[int, int], ...]:
    """The part of what is displayed that an intent may count on, whole shares, rounded down once.

    Where anything is displayed it is at least the first share: a share cannot be traded in part.
    """
    if share_pct >= 100:
        return tuple(levels)
    sums = [min(total, max(1, total * share_pct // 100)) for total in accumulate(qty for _, qty in levels)]
    parts = (now - before for before, now in zip((0, *sums), sums, strict=False))
    return tuple((price_krw, qty) for (price_krw, _), qty in zip(levels, parts, strict=True))


def shares_allowed(limits: TradingLimits, price_krw: int) -> int:
    """The most shares that one pair may be of at a buy price; 0 where one share is too dear.

    Raises:
        ValueError: the price is not positive.
    """
    if price_krw < 1:
        raise ValueError(f"a price is at least 1 KRW, not {price_krw}")
    if price_krw > limits.max_order_krw:
        return 0
    return min(limits.max_pair_shares, limits.max_exposure_symbol_krw // price_krw)


def clip_allowed(limits: TradingLimits, price_krw: int, qty_shares: int) -> int:
    """The clip size of a pair of `qty_shares` at a buy price: no order above `max_order_krw`; 0 is none."""
    return min(limits.clip_shares, qty_shares, limits.max_order_krw // price_krw)
