"""How long things are on their way: each way has random numbers of its own, whatever else is sent.

A delay is written [lowest, median, highest] in ms and drawn lognormal on either side of the median; the
outer two are the 1st and the 99th percentile, at which draws are cut off. The shipped values are mild. Those
of a real desk are `ASSUMED` until they are measured.
"""

from dataclasses import dataclass
from functools import cache
from math import exp, log
from statistics import NormalDist

from services.simulator.market.streams import stream

MS, SECOND_NS = 1_000_000, 1_000_000_000
Delay = tuple[int, int, int]
"""Lowest, median and highest, in ms; all three equal: always that."""
_STEPS = 512
_OUTERMOST = NormalDist().inv_cdf(0.99)


@dataclass(frozen=True)
class LatencyOptions:
    """How long each way takes, in wall time. All are assumed: none has been measured at the broker."""

    feed_ms: Delay = (1, 2, 5)
    """From a venue's book to the broker's server: book, trade, VI and session frames."""
    order_ms: Delay = (5, 12, 25)
    """From SendOrder to the venue."""
    report_ms: Delay = (1, 2, 5)
    """From the venue to the broker's server: what became of an order."""
    line_ms: Delay = (2, 5, 10)
    """From the server to the control. Everything of a session takes this one line, in order."""
    query_ms: Delay = (10, 25, 50)
    login_ms: Delay = (20, 45, 80)
    frames_per_s: float = 3.6
    """How often a code's newest book, best prices and trade leave a venue (the figure of the broker's
    WebSocket; of the control nothing is known). What changes between is not seen. 0: every change leaves."""
    feed_load: float = 0.0
    """A frame takes as long as the longest of 1 + feed_load x n draws, n the trades of its venue in the last
    second by symbol: a venue's feed is later the more it trades."""

    @property
    def slowest_ms(self) -> int:
        """The most that a frame, a buy, its report and a sell are on their way, one after another."""
        held_ms = int(1_000 / self.frames_per_s) if self.frames_per_s else 0
        ways_ms = self.feed_ms[2] + 2 * self.order_ms[2] + self.report_ms[2] + 2 * self.line_ms[2]
        return held_ms + ways_ms


ASSUMED = LatencyOptions(
    feed_ms=(80, 150, 400), order_ms=(80, 150, 400), report_ms=(80, 150, 400), line_ms=(2, 5, 15),
    query_ms=(160, 300, 800), feed_load=0.5,
)  # fmt: skip
"""A desk at home beside two venues in one city, as the broker's users tell of it. No figure is measured."""


class Way:
    """Draws of one delay, from random numbers that nothing else uses."""

    __slots__ = ("_draw", "_table")

    def __init__(self, delay: Delay, seed: int, *names: str) -> None:
        self._table = _quantiles(delay)
        self._draw = stream(seed, "latency", *names).random

    def ns(self, load: float = 0.0) -> int:
        """One draw in ns; with `load` as long as the longest of 1 + load draws."""
        chance = self._draw()
        return self._table[int((chance if not load else chance ** (1 / (1 + load))) * _STEPS)]


@cache
def _quantiles(delay: Delay) -> tuple[int, ...]:
    """Equally likely values, in ns, ascending."""
    low_ms, median_ms, high_ms = delay
    if low_ms == high_ms:
        return (low_ms * MS,) * _STEPS
    below, above = log(max(low_ms, 1) / median_ms), log(high_ms / median_ms)
    scores = (NormalDist().inv_cdf((step + 0.5) / _STEPS) / _OUTERMOST for step in range(_STEPS))
    parts = (max(-1.0, min(1.0, score)) for score in scores)
    return tuple(int(median_ms * MS * exp(above * part if part > 0 else -below * part)) for part in parts)


def longest_ms(*delays: Delay) -> int:
    """The 99th percentile of several ways one after another, in ms, of 20,000 draws."""
    ways = [Way(delay, 0, str(place)) for place, delay in enumerate(delays)]
    sums = sorted(sum(way.ns() for way in ways) for _ in range(20_000))
    return sums[int(0.99 * len(sums))] // MS


class Load:
    """How much a venue trades: a count of its last second that fades, by symbol."""

    __slots__ = ("_at_ns", "_level", "_share")

    def __init__(self, symbols: int) -> None:
        self._at_ns, self._level, self._share = 0, 0.0, 1 / max(1, symbols)

    def add(self, now_ns: int) -> None:
        """One trade more."""
        self._level = self.at(now_ns) + self._share
        self._at_ns = now_ns

    def at(self, now_ns: int) -> float:
        """Trades of a symbol in the last second."""
        return self._level * exp((self._at_ns - now_ns) / SECOND_NS)
