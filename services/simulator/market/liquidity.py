"""Background liquidity: what stands at each level of a venue's book, and how it changes.

Levels keep their shares while the book's centre stands still or moves by a few ticks; a level that
was traded away comes back only with the next update. Random numbers come from the caller's source.
"""

from random import Random

from services.simulator.options import WorldOptions


class Liquidity:
    """Shapes the background of one venue's book of one symbol."""

    __slots__ = ("_high", "_levels", "_low", "_rng")

    def __init__(self, options: WorldOptions, depth_share: float, base_krw: int, rng: Random) -> None:
        low_krw, high_krw = options.level_value_krw
        self._levels = options.levels
        self._low = max(1, int(low_krw * depth_share) // base_krw)
        self._high = max(self._low + 1, int(high_krw * depth_share) // base_krw)
        self._rng = rng

    def side(self, best: int, down: bool, old: dict[int, int], best_shares: int | None) -> dict[int, int]:
        """Levels from `best` away (`down`: towards lower prices), kept from `old` where they stood.

        `best_shares` fixes the shares at the best level.
        """
        rng, low, span = self._rng, self._low, self._high - self._low
        step = -1 if down else 1
        levels: dict[int, int] = {}
        index = best
        for _ in range(self._levels):
            kept = old.get(index, 0)
            levels[index] = kept if kept else low + int(span * rng.random() ** 2)
            index += step
        touched = best + step * int(self._levels * rng.random())
        levels[touched] = low + int(span * rng.random() ** 2)
        if best_shares is not None:
            levels[best] = best_shares
        return levels
