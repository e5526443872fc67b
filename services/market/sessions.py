"""The dated timetable of both venues: what each is doing at any moment of a trading date.

Decides which windows a pair may be opened in: only where both venues trade continuously and both
sessions are enabled. Every rule is keyed by date (regimes, special days), so that a replay of an old
day stays right. Past `covered_through` the last regime goes on and the closed dates follow from the
yearly rules; what the exchanges have not announced yet is marked provisional (market rules 1 and 7).

A session that is modelled but not enabled (its order codes are unknown) counts as closed: it is seen
in `segments`, and nowhere else.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from services.contracts.reference import Checked, Frozen
from services.contracts.terms import SessionPhase, TradingDate, Venue
from services.market.confirmed import Confirmation, checked, refuse_strays
from services.market.dates import SECOND_NS, parse_trading_date, time_of_day_ns, to_trading_date
from services.market.errors import NotCovered
from services.market.yearly import SATURDAY, YearlyClosing, closed_weekdays, first_weekday_open

GUARD_AFTER_OPEN_S = 30
GUARD_BEFORE_PAUSE_S = 60


class DayKind(StrEnum):
    NORMAL = "normal"
    LATE_OPEN = "late_open"
    EXAM_SHIFT = "exam_shift"
    CUSTOM = "custom"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open span of the day, in nanoseconds since midnight in Korea."""

    start_ns: int
    end_ns: int

    def contains(self, market_ns: int) -> bool:
        return self.start_ns <= market_ns < self.end_ns


class Segment(Frozen):
    """One venue's phase from one time of day up to, and without, another."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    start: dt.time = Field(alias="from")
    end: dt.time = Field(alias="to")
    phase: SessionPhase
    enabled: bool = True

    @model_validator(mode="after")
    def _runs_forward(self) -> Self:
        if self.end <= self.start:
            raise ValueError(f"a segment ends after it starts, not at {self.end} after {self.start}")
        return self

    @cached_property
    def window(self) -> Window:
        return Window(time_of_day_ns(self.start), time_of_day_ns(self.end))

    @property
    def start_ns(self) -> int:
        return self.window.start_ns

    @property
    def end_ns(self) -> int:
        return self.window.end_ns


def _in_order(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
    for earlier, later in pairwise(segments):
        if later.start < earlier.end:
            raise ValueError(f"the segment from {later.start} starts before the one before it ends")
    return segments


Segments = Annotated[tuple[Segment, ...], AfterValidator(_in_order)]


class VenueSegments(Frozen):
    """The phases of one day on both venues; what no segment covers is closed."""

    KRX: Segments
    NXT: Segments


class Regime(Frozen):
    """The hours in force from a date on, for each kind of day."""

    effective_from: dt.date
    normal: VenueSegments
    late_open: VenueSegments
    exam_shift: VenueSegments

    def of_kind(self, kind: DayKind) -> VenueSegments:
        if kind is DayKind.LATE_OPEN:
            return self.late_open
        return self.exam_shift if kind is DayKind.EXAM_SHIFT else self.normal


class CustomDay(Frozen):
    """A single date whose hours fit no kind, with the reason."""

    date: dt.date
    why: Annotated[str, Field(min_length=1)]
    KRX: Segments
    NXT: Segments


@dataclass(frozen=True)
class DaySchedule:
    """The timetable of one date. A closed date has no segments and no windows."""

    trading_date: TradingDate
    kind: DayKind
    krx: tuple[Segment, ...]
    nxt: tuple[Segment, ...]
    checked: Checked | None = None

    @property
    def provisional(self) -> bool:
        """Whether the date is computed, because the exchanges have not announced it yet."""
        return self.checked is not None and self.trading_date > self.checked.through

    def segments(self, venue: Venue) -> tuple[Segment, ...]:
        """All segments of a venue, in order, those not enabled included."""
        return self.krx if venue is Venue.KRX else self.nxt

    def phase(self, venue: Venue, at: int | dt.time) -> SessionPhase:
        """The phase by the timetable at a time of day (or nanoseconds since midnight in Korea)."""
        market_ns = time_of_day_ns(at) if isinstance(at, dt.time) else at
        for segment in self._enabled(venue):
            if segment.window.contains(market_ns):
                return segment.phase
        return SessionPhase.CLOSED

    def overlaps(self) -> tuple[Window, ...]:
        """The windows in which both venues trade continuously and both sessions are enabled."""
        return self._overlaps

    @cached_property
    def _overlaps(self) -> tuple[Window, ...]:
        return tuple(
            Window(max(a.start_ns, b.start_ns), min(a.end_ns, b.end_ns))
            for a in self._continuous(Venue.KRX)
            for b in self._continuous(Venue.NXT)
            if max(a.start_ns, b.start_ns) < min(a.end_ns, b.end_ns)
        )

    def entry_windows(
        self,
        guard_after_open_s: int = GUARD_AFTER_OPEN_S,
        guard_before_pause_s: int = GUARD_BEFORE_PAUSE_S,
    ) -> tuple[Window, ...]:
        """The overlaps less a guard at both ends, for new pairs (market rules 9)."""
        narrowed = (
            Window(w.start_ns + guard_after_open_s * SECOND_NS, w.end_ns - guard_before_pause_s * SECOND_NS)
            for w in self.overlaps()
        )
        return tuple(window for window in narrowed if window.start_ns < window.end_ns)

    def sweep_times(self, guard_before_pause_s: int = GUARD_BEFORE_PAUSE_S) -> tuple[int, ...]:
        """When to cancel what rests on NXT, in nanoseconds since midnight: before its main and its
        after-market end, because an NXT limit order outlives the pause (market rules 4.3)."""
        lasting = (SessionPhase.CONTINUOUS, SessionPhase.AFTER_MARKET)
        return tuple(
            segment.end_ns - guard_before_pause_s * SECOND_NS
            for segment in self._enabled(Venue.NXT)
            if segment.phase in lasting
        )

    def boundaries_ns(self) -> tuple[int, ...]:
        """Every moment at which a segment of either venue starts or ends, ascending, each once."""
        edges = {edge for s in (*self.krx, *self.nxt) for edge in (s.start_ns, s.end_ns)}
        return tuple(sorted(edges))

    def _enabled(self, venue: Venue) -> Iterator[Segment]:
        return (segment for segment in self.segments(venue) if segment.enabled)

    def _continuous(self, venue: Venue) -> Iterator[Segment]:
        return (segment for segment in self._enabled(venue) if segment.phase.matches_continuously)


class Timetable(Frozen):
    """`sessions.toml`: regimes, closed and special dates, and how far they are listed and announced.

    `announced_through` is the last date that the exchanges' own notices speak of; without it, all that is
    listed counts as announced. `yearly` makes the closed dates of the years that are not listed.
    """

    covered_from: dt.date
    covered_through: dt.date
    announced_through: dt.date | None = None
    closed: tuple[dt.date, ...]
    late_open: tuple[dt.date, ...]
    exam_shift: tuple[dt.date, ...]
    yearly: tuple[YearlyClosing, ...] = ()
    custom: tuple[CustomDay, ...] = ()
    confirmed: tuple[Confirmation, ...] = ()
    regime: tuple[Regime, ...]

    @property
    def known_through(self) -> dt.date:
        """The last date that is announced: what is computed for a later one is provisional."""
        return self.announced_through or self.covered_through

    @model_validator(mode="after")
    def _dates_are_consistent(self) -> Self:
        self._check_regimes()
        if not self.covered_from <= self.known_through <= self.covered_through:
            raise ValueError("announced_through lies outside covered_from and covered_through")
        refuse_strays(self.confirmed, self.covered_from, self.known_through)
        special = [*self.closed, *self.late_open, *self.exam_shift, *(day.date for day in self.custom)]
        for day in special:
            if special.count(day) > 1:
                raise ValueError(f"{day} is listed more than once among closed and special days")
            if day.weekday() >= SATURDAY:
                raise ValueError(f"{day} is a weekend, closed without being listed")
            if not self.covered_from <= day <= self.covered_through:
                raise ValueError(f"{day} lies outside covered_from and covered_through")
        return self

    @model_validator(mode="after")
    def _covered_years_are_listed(self) -> Self:
        """A year that counts as listed has its closed dates: the yearly rules do not hold for it any more."""
        for year in range(self.covered_from.year, self.covered_through.year + 1):
            due = [
                d
                for d in closed_weekdays(self.yearly, year)
                if self.covered_from <= d <= self.covered_through
            ]
            if due and not any(day.year == year for day in self.closed):
                raise ValueError(
                    f"covered_through is {self.covered_through}, but no closed date of {year} is listed: "
                    f"list them ({min(due)} would be the first), or move covered_through back"
                )
        return self

    def _check_regimes(self) -> None:
        starts = [regime.effective_from for regime in self.regime]
        if not starts or starts[0] > self.covered_from:
            raise ValueError("the first regime must be in force on covered_from")
        if any(later <= earlier for earlier, later in pairwise(starts)):
            raise ValueError("regimes must be in ascending order of effective_from")

    def day(self, trading_date: TradingDate) -> DaySchedule:
        """The schedule of a date, closed dates included.

        Raises NotCovered before the table and ValueError for a misspelt date.
        """
        day = parse_trading_date(trading_date)
        if day < self.covered_from:
            raise NotCovered("sessions.toml", trading_date, str(self.covered_from))
        known = checked(day, self.known_through, self.confirmed)
        kind = self._kind(day)
        if kind is DayKind.CLOSED:
            return DaySchedule(trading_date, kind, (), (), known)
        hours = self._hours(day, kind)
        return DaySchedule(trading_date, kind, hours.KRX, hours.NXT, known)

    def is_trading_day(self, trading_date: TradingDate) -> bool:
        """Whether the exchanges open at all on that date. Raises NotCovered."""
        return self.day(trading_date).kind is not DayKind.CLOSED

    def next_trading_day(self, trading_date: TradingDate) -> TradingDate:
        """The first trading day after that date. Raises NotCovered before the table or past the last year."""
        following = trading_date
        while True:
            day = parse_trading_date(following)
            if day.year >= dt.MAXYEAR:
                raise NotCovered("sessions.toml", trading_date, str(self.covered_from))
            following = to_trading_date(day + dt.timedelta(days=1))
            if self.is_trading_day(following):
                return following

    def _kind(self, day: dt.date) -> DayKind:
        if day.weekday() >= SATURDAY or day in self.closed:
            return DayKind.CLOSED
        if day > self.covered_through:
            return self._kind_by_rule(day)
        if any(custom.date == day for custom in self.custom):
            return DayKind.CUSTOM
        if day in self.late_open:
            return DayKind.LATE_OPEN
        return DayKind.EXAM_SHIFT if day in self.exam_shift else DayKind.NORMAL

    def _kind_by_rule(self, day: dt.date) -> DayKind:
        closed = closed_weekdays(self.yearly, day.year)
        if day in closed:
            return DayKind.CLOSED
        return DayKind.LATE_OPEN if day == first_weekday_open(closed, day.year) else DayKind.NORMAL

    def _hours(self, day: dt.date, kind: DayKind) -> VenueSegments | CustomDay:
        if kind is DayKind.CUSTOM:
            return next(custom for custom in self.custom if custom.date == day)
        regime = next(r for r in reversed(self.regime) if r.effective_from <= day)
        return regime.of_kind(kind)
