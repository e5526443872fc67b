"""The valid prices of one symbol on one day, numbered upwards.

Inside the core a price is an index on this ladder, so that a step of one tick is always 1 whatever
the tick size, and the daily limits are its two ends (market rules 2.1, 2.2).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable


class PriceLadder:
    """All prices from the lower to the upper limit, both included, on the tick grid."""

    __slots__ = ("_index", "base_krw", "prices")

    def __init__(
        self, base_krw: int, lower_krw: int, upper_krw: int, tick_size: Callable[[int], int]
    ) -> None:
        """Raises ValueError when the limits do not surround the base price."""
        if not 0 < lower_krw <= base_krw <= upper_krw:
            raise ValueError(f"base {base_krw} is not within limits {lower_krw}..{upper_krw}")
        prices: list[int] = []
        price = lower_krw
        while price <= upper_krw:
            prices.append(price)
            price += tick_size(price)
        self.base_krw = base_krw
        self.prices = prices
        self._index = {price: index for index, price in enumerate(prices)}

    @property
    def lower_krw(self) -> int:
        return self.prices[0]

    @property
    def upper_krw(self) -> int:
        return self.prices[-1]

    @property
    def top(self) -> int:
        """Index of the upper limit."""
        return len(self.prices) - 1

    def index_of(self, price_krw: int) -> int | None:
        """The index of a valid price, or None when it is off the grid or outside the limits."""
        return self._index.get(price_krw)

    def at_or_below(self, price_krw: int) -> int:
        """The index of the highest valid price not above `price_krw`, at least 0."""
        return max(0, bisect_right(self.prices, price_krw) - 1)

    def at_or_above(self, price_krw: int) -> int:
        """The index of the lowest valid price not below `price_krw`, at most the top."""
        return min(self.top, bisect_left(self.prices, price_krw))
