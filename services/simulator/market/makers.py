"""The makers of one venue: what they quote around the price that they see.

Shares that were taken are gone until a maker comes: at each of their moments one empty level of a side is
filled again, the nearest to the price, or all of them when the makers have moved their quotes.
"""

from services.simulator.options import WorldOptions

GOLDEN = 0.6180339887
"""Spreads one chance over the levels of a side without drawing one for each."""


class Makers:
    """How many shares stand at each level of one venue's book of one symbol."""

    __slots__ = ("_low", "_span", "_top", "levels")

    def __init__(self, options: WorldOptions, depth_share: float, base_krw: int, top: int) -> None:
        """`top` is the index of the highest price of the day."""
        low_krw, high_krw = options.level_value_krw
        self.levels, self._top = options.levels, top
        self._low = max(1, int(low_krw * depth_share) // base_krw)
        self._span = max(1, int(high_krw * depth_share) // base_krw - self._low)

    def shares(self, chance: float) -> int:
        """The shares of a level that `chance` (0.0 to 1.0) gives."""
        return self._low + int(self._span * chance * chance)

    def side(self, best: int, step: int, old: dict[int, int], chance: float, moved: bool) -> dict[int, int]:
        """Quotes from the index `best` away (`step` -1: bids, +1: asks); levels of `old` keep their shares.

        Prices beyond the day's limits are not quoted: at the limit a side is empty.
        """
        quotes: dict[int, int] = {}
        may_fill, index = True, best
        for _ in range(self.levels):
            if 0 <= index <= self._top:
                shares = old.get(index, 0)
                if not shares and may_fill:
                    shares, may_fill = self.shares(chance), moved
                    chance = (chance + GOLDEN) % 1.0
                if shares:
                    quotes[index] = shares
            index += step
        return quotes
