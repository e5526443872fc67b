"""From wall time to market time, so that a simulated day can pass in minutes.

Wall time is what messages are stamped with (Redis time, Unix nanoseconds); market time is
nanoseconds since midnight in Korea, on one trading date. A `DayPlan` joins the two by straight
lines between breakpoints. Invariants: market time never runs backwards, stands still outside the
plan, and `wall_ns(m)` is the first wall moment at which market time has reached `m`.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Protocol, Self

from pydantic import Field, model_validator

from services.contracts.reference import Frozen
from services.contracts.terms import TradingDate
from services.market.dates import (
    DAY_NS,
    KST,
    SECOND_NS,
    midnight_wall_ns,
    parse_trading_date,
    time_of_day_ns,
    to_trading_date,
)
from services.market.sessions import GUARD_BEFORE_PAUSE_S, DaySchedule, Window

COMPRESSED_START_NS = time_of_day_ns(dt.time(7, 55))
COMPRESSED_END_NS = time_of_day_ns(dt.time(20, 5))
_SHARES = 1_000_000
OVERLAP_SHARE = Fraction(3, 5)
"""The part of a compressed day in which both venues trade, unless asked otherwise."""

Breakpoint = tuple[
    Annotated[int, Field(strict=True, ge=0)], Annotated[int, Field(strict=True, ge=0, le=DAY_NS)]
]
"""(wall offset from the anchor in ns, market time in ns since midnight)."""


class MarketClock(Protocol):
    """Reads market time off a wall time; a `DayPlan` and `REAL_TIME` are the two there are."""

    def plan_at(self, wall_ns: int) -> "DayPlan": ...
    def trading_date_at(self, wall_ns: int) -> TradingDate: ...
    def market_ns(self, wall_ns: int) -> int: ...
    def market_time(self, wall_ns: int) -> dt.datetime: ...
    def hhmmss(self, wall_ns: int) -> str: ...


class DayPlan(Frozen):
    """One trading date laid out over wall time. Written to and read from a JSON file."""

    trading_date: TradingDate
    anchor_wall_ns: Annotated[int, Field(strict=True, ge=0)]
    breakpoints: Annotated[tuple[Breakpoint, ...], Field(min_length=2)]

    @model_validator(mode="after")
    def _strictly_increasing(self) -> Self:
        parse_trading_date(self.trading_date)
        for (wall, market), (next_wall, next_market) in pairwise(self.breakpoints):
            if next_wall <= wall or next_market <= market:
                raise ValueError("breakpoints must increase strictly in wall and in market time")
        return self

    def plan_at(self, wall_ns: int) -> "DayPlan":
        return self

    def trading_date_at(self, wall_ns: int) -> TradingDate:
        return self.trading_date

    def market_ns(self, wall_ns: int) -> int:
        """Nanoseconds since midnight in Korea; the plan's first or last moment outside it."""
        offset = wall_ns - self.anchor_wall_ns
        if offset <= self.breakpoints[0][0]:
            return self.breakpoints[0][1]
        for (wall, market), (next_wall, next_market) in pairwise(self.breakpoints):
            if offset < next_wall:
                return market + (offset - wall) * (next_market - market) // (next_wall - wall)
        return self.breakpoints[-1][1]

    def wall_ns(self, market_ns: int) -> int:
        """The first wall time at which market time is `market_ns`; the plan's ends outside it."""
        if market_ns <= self.breakpoints[0][1]:
            return self.anchor_wall_ns + self.breakpoints[0][0]
        for (wall, market), (next_wall, next_market) in pairwise(self.breakpoints):
            if market_ns <= next_market:
                passed = -(-(market_ns - market) * (next_wall - wall) // (next_market - market))
                return self.anchor_wall_ns + wall + passed
        return self.anchor_wall_ns + self.breakpoints[-1][0]

    def market_time(self, wall_ns: int) -> dt.datetime:
        """The market's date and time of day in Korea, to the microsecond."""
        midnight = dt.datetime.combine(parse_trading_date(self.trading_date), dt.time(), KST)
        return midnight + dt.timedelta(microseconds=self.market_ns(wall_ns) // 1000)

    def hhmmss(self, wall_ns: int) -> str:
        """Market time as the broker writes it, `090030`."""
        return f"{self.market_time(wall_ns):%H%M%S}"


class _RealTime:
    """Market time is Korean time: every wall moment lies on the Korean date it falls on."""

    def plan_at(self, wall_ns: int) -> DayPlan:
        return real_day(self.trading_date_at(wall_ns))

    def trading_date_at(self, wall_ns: int) -> TradingDate:
        return to_trading_date(dt.datetime.fromtimestamp(wall_ns // SECOND_NS, KST).date())

    def market_ns(self, wall_ns: int) -> int:
        return wall_ns - midnight_wall_ns(self.trading_date_at(wall_ns))

    def market_time(self, wall_ns: int) -> dt.datetime:
        return self.plan_at(wall_ns).market_time(wall_ns)

    def hhmmss(self, wall_ns: int) -> str:
        return f"{self.market_time(wall_ns):%H%M%S}"


REAL_TIME: MarketClock = _RealTime()


def real_day(trading_date: TradingDate) -> DayPlan:
    """The plan of a date that passes at its own pace, from midnight to midnight in Korea."""
    return DayPlan(
        trading_date=trading_date,
        anchor_wall_ns=midnight_wall_ns(trading_date),
        breakpoints=((0, 0), (DAY_NS, DAY_NS)),
    )


def day_from(trading_date: TradingDate, market_ns: int, anchor_wall_ns: int) -> DayPlan:
    """The rest of a date from `market_ns` on at its own pace, begun at any wall time.

    Raises ValueError where nothing of the date is left.
    """
    left_ns = DAY_NS - market_ns
    return DayPlan(
        trading_date=trading_date,
        anchor_wall_ns=anchor_wall_ns,
        breakpoints=((0, market_ns), (left_ns, DAY_NS)),
    )


def compressed_day(
    schedule: DaySchedule,
    anchor_wall_ns: int,
    seconds: int,
    overlap_share: Fraction = OVERLAP_SHARE,
    guard_share: Fraction = Fraction(0),
) -> DayPlan:
    """The day from 07:55 to 20:05, squeezed into `seconds` that begin at `anchor_wall_ns`.

    `overlap_share` of the seconds goes to the windows in which both venues trade continuously, by length;
    half of the rest evenly to every other stretch between two boundaries, so that none is too short to
    see; the other half to those by length. `guard_share` of the seconds, taken from the `overlap_share`, goes
    to their last minutes, in which all that rests is taken back: the broker's orders a second are as few in
    a compressed day. Without one they pass as fast as the rest. Raises ValueError for a date on which the
    venues never trade together, or for less than a second.
    """
    overlaps = schedule.overlaps()
    if not overlaps:
        raise ValueError(f"{schedule.trading_date} has no window in which both venues trade")
    if seconds < 1:
        raise ValueError(f"a compressed day takes at least one second, not {seconds}")
    guards = {o.end_ns - GUARD_BEFORE_PAUSE_S * SECOND_NS for o in overlaps} if guard_share else set()
    edges = _edges(schedule, guards)
    stretches = [Window(start, end) for start, end in pairwise(edges)]
    kinds = [_kind(stretch, overlaps, guards) for stretch in stretches]
    shares = {"guard": guard_share, "both": overlap_share - guard_share}
    offsets = _cumulative(list(_weights(stretches, kinds, shares)), seconds * SECOND_NS)
    return DayPlan(
        trading_date=schedule.trading_date,
        anchor_wall_ns=anchor_wall_ns,
        breakpoints=tuple(zip(offsets, edges, strict=True)),
    )


def _edges(schedule: DaySchedule, guards: set[int]) -> tuple[int, ...]:
    boundaries = sorted({*schedule.boundaries_ns(), *guards})
    inner = (edge for edge in boundaries if COMPRESSED_START_NS < edge < COMPRESSED_END_NS)
    return (COMPRESSED_START_NS, *inner, COMPRESSED_END_NS)


def _kind(stretch: Window, overlaps: Sequence[Window], guards: set[int]) -> str:
    if stretch.start_ns in guards:
        return "guard"
    return "both" if any(overlap.contains(stretch.start_ns) for overlap in overlaps) else "other"


def _weights(
    stretches: Sequence[Window], kinds: Sequence[str], shares: Mapping[str, Fraction]
) -> Iterator[int]:
    """Each stretch's part of the wall time, in millionths (rounded down); "other" has what is left over."""
    parts = {kind: int(share * _SHARES) for kind, share in shares.items()}
    half = (_SHARES - sum(parts.values())) // 2
    lengths = [stretch.end_ns - stretch.start_ns for stretch in stretches]
    sums = Counter[str]()
    for kind, length in zip(kinds, lengths, strict=True):
        sums[kind] += length
    for kind, length in zip(kinds, lengths, strict=True):
        if kind == "other":
            yield half // kinds.count(kind) + half * length // sums[kind]
        else:
            yield parts[kind] * length // sums[kind]


def _cumulative(weights: list[int], total: int) -> tuple[int, ...]:
    """The offsets at which the stretches begin, ending exactly at `total`."""
    sums = [sum(weights[:count]) for count in range(len(weights) + 1)]
    return tuple(total * passed // sums[-1] for passed in sums)
