"""What a cross is worth: the edge of a size that two books can fill, and what it has to reach.

The one arithmetic of detector, risk and executor (invariant I11): the same books, costs and limits
give the same figures to the won. A book side is its levels, best first, as `QuoteUpdated` carries
them; levels without quantity are passed over. Nothing here knows how old a book is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from services.contracts.reference import TradeCosts
from services.contracts.terms import Venue
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

    def threshold_krw(self, limits: TradingLimits) -> int:
        """What `net_krw` must reach. The sell price decides the tick: the wider one at a band's edge."""
        return threshold_krw(
            limits, self.sell_price_worst_krw, self.sell_tick_krw, self.qty_shares, self.cost_krw
        )

    def reaches(self, limits: TradingLimits) -> bool:
        return self.net_krw >= self.threshold_krw(limits)

    def beyond_ceiling(self, limits: TradingLimits) -> bool:
        """Whether it is too good to be true (`sanity_ceiling_bps` of what is paid)."""
        return self.net_krw * _BPS > limits.sanity_ceiling_bps * self.buy_amount_krw


def threshold_krw(
    limits: TradingLimits, price_krw: int, tick_krw: int, qty_shares: int, cost_krw: int
) -> int:
    """What the net edge of `qty_shares` at `price_krw` must reach, KRW; `cost_krw` is already taken off it.

    Both readings of the buffer rule speak of the gross edge; taken off the cost they become
    max(buffer, ticks - cost) and max(buffer, ticks). The buffer is rounded up.

    Raises:
        ValueError: the quantity is not positive.
    """
    if qty_shares < 1:
        raise ValueError(f"a size is at least 1 share, not {qty_shares}")
    buffer_krw = -(-price_krw * qty_shares * limits.buffer_bps // _BPS)
    ticks_krw = tick_krw * qty_shares
    if limits.buffer_rule is BufferRule.MAX_OF_COST_PLUS_BP_AND_TICK:
        return max(buffer_krw, ticks_krw - cost_krw)
    return max(buffer_krw, ticks_krw)


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


def best_edge(
    costs: TradeCosts,
    limits: TradingLimits,
    buy_venue: Venue,
    ask_levels: Levels,
    sell_venue: Venue,
    bid_levels: Levels,
) -> Edge | None:
    """The edge of the size that earns most within the limits, or None where the books do not cross.

    A size that reaches its threshold goes before a larger one that earns more in all but too little
    a share; where none reaches it, the best is returned all the same, to be shown and measured.
    Sizes tried are those at which a level of either book, or a limit, is used up: between two of
    them the edge is a straight line but for the won that each charge is rounded by.
    """
    if not ask_levels or not bid_levels or bid_levels[0][0] <= ask_levels[0][0]:
        return None
    asks = countable(ask_levels, limits.max_displayed_share_pct)
    bids = countable(bid_levels, limits.max_displayed_share_pct)
    best: Edge | None = None
    for qty_shares in sorted(_sizes(limits, asks, bids)):
        found = edge(costs, buy_venue, asks, sell_venue, bids, qty_shares)
        if found is None or (best is not None and found.net_krw <= best.net_krw):
            break
        allowed = qty_shares <= shares_allowed(limits, found.buy_price_worst_krw)
        if allowed and (best is None or found.reaches(limits) or not best.reaches(limits)):
            best = found
    return best


def countable(levels: Levels, share_pct: int) -> tuple[tuple[int, int], ...]:
    """The part of what is displayed that an intent may count on, whole shares, rounded down once."""
    if share_pct >= 100:
        return tuple(levels)
    sums = [total * share_pct // 100 for total in accumulate(qty for _, qty in levels)]
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


def _sizes(limits: TradingLimits, asks: Levels, bids: Levels) -> set[int]:
    """Every size at which a level is used up, or what is allowed at the price of an ask."""
    sizes = {min(size, limits.max_pair_shares) for side in (asks, bids) for size in _used_up(side)}
    allowed = {shares_allowed(limits, price_krw) for price_krw, _ in asks}
    return (sizes | allowed) - {0}


def _used_up(levels: Levels) -> Iterator[int]:
    return accumulate(qty for _, qty in levels)
