"""The day as the gateway publishes it: phases of both venues, the entry window, sweeps.

Timetable and FID 215 are combined here, once for everyone. All durations are market time, read
through the day's plan, so that a compressed day has them too.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final

from services.contracts.envelope import Message
from services.contracts.messages.venue_state import ConfirmedBy, EntryWindowChanged, SessionPhaseChanged
from services.contracts.terms import SessionPhase, TradingDate, Venue
from services.market.dates import DAY_NS, SECOND_NS
from services.market.errors import NotCovered
from services.market.files import MarketRules
from services.market.market_clock import MarketClock
from services.market.phases import PhaseTracker, Reading
from services.market.sessions import GUARD_AFTER_OPEN_S, GUARD_BEFORE_PAUSE_S, DayKind, DaySchedule, Window

NO_DATE: Final = TradingDate("")
USUAL_OPEN_NS: Final = 9 * 3600 * SECOND_NS
NEVER: Final = Window(0, 0)
SATURDAY: Final = 5


@dataclass(frozen=True, slots=True)
class WindowView:
    """Whether entries are allowed by the clock. `why` says why not."""

    open: bool = False
    why: str = "not yet known"
    closes_at_ns: int = 0
    sweep: bool = False
    barred: bool = False


@dataclass(frozen=True, slots=True)
class SessionDesk:
    """`now` recomputes everything from the clock; what changed becomes messages."""

    tracker: PhaseTracker
    guard_after_open_s: int = GUARD_AFTER_OPEN_S
    guard_before_pause_s: int = GUARD_BEFORE_PAUSE_S
    trading_date: TradingDate = NO_DATE
    schedule: DaySchedule | None = None
    problem: str = ""
    phases: Mapping[Venue, SessionPhase] = field(default_factory=dict)
    confirmed: Mapping[Venue, ConfirmedBy] = field(default_factory=dict)
    window: WindowView = WindowView()
    market_ns: int = 0
    refused: frozenset[tuple[Venue, SessionPhase]] = frozenset()
    """Phases of today in which the broker refused an order as out of session."""
    barred: str = ""
    """Why the date itself stands against entries, empty where it does not: see `date_desk`."""
    steady: Window = NEVER
    """The market time for which phases and window stay as they are, unless the broker says something."""

    @property
    def continuous(self) -> frozenset[Venue]:
        return frozenset(venue for venue, phase in self.phases.items() if phase.matches_continuously)

    @property
    def day_over(self) -> bool:
        """Whether nothing of the day is left on either venue."""
        if self.schedule is None:
            return True
        ends = [s.end_ns for venue in Venue for s in self.schedule.segments(venue) if s.enabled]
        return not ends or self.market_ns >= max(ends)

    def barred_by(self, why: str) -> "SessionDesk":
        """Return the desk of a date that bars entries for that reason; empty bars none."""
        return self if why == self.barred else replace(self, barred=why, steady=NEVER)

    @property
    def shut(self) -> frozenset[Venue]:
        """Venues that the timetable has in continuous trading and the broker's last word keeps shut."""
        schedule = self.schedule
        if schedule is None:
            return frozenset()
        due = {venue for venue in Venue if schedule.phase(venue, self.market_ns).matches_continuously}
        return frozenset(due - self.continuous)

    def without_word(self, venue: Venue) -> "SessionDesk":
        """Return the desk in which the timetable decides for a venue until the broker's next word."""
        return replace(self, tracker=self.tracker.without(venue), steady=NEVER)

    @property
    def opens_later_ns(self) -> int:
        """How much later than at 09:00 KRX begins to trade continuously today, ns of market time."""
        segments = () if self.schedule is None else self.schedule.segments(Venue.KRX)
        opens = [s.start_ns for s in segments if s.phase is SessionPhase.CONTINUOUS]
        return opens[0] - USUAL_OPEN_NS if opens else 0

    @property
    def sweeps(self) -> tuple[Window, ...]:
        """The spans before a pause in which what outlives it is cancelled; each ends with its session."""
        if self.schedule is None:
            return ()
        before_ns = self.guard_before_pause_s * SECOND_NS
        times = self.schedule.sweep_times(self.guard_before_pause_s)
        return tuple(Window(at_ns, at_ns + before_ns) for at_ns in times)

    def swept(self, sent_market_ns: int) -> bool:
        """Whether what was sent at that market time should be gone by a sweep that has begun."""
        return any(
            sweep.start_ns <= self.market_ns and sent_market_ns < sweep.end_ns for sweep in self.sweeps
        )

    def outlived(self, sent_market_ns: int) -> bool:
        """Whether the session in which it was sent has ended with a sweep."""
        return any(sent_market_ns < sweep.end_ns <= self.market_ns for sweep in self.sweeps)

    def rests_until_ns(self, clock: MarketClock, now_ns: int) -> int:
        """Return when (Redis time) the session ends that the next sweep belongs to; 0 where none is left."""
        ends_ns = [sweep.end_ns for sweep in self.sweeps if sweep.end_ns > self.market_ns]
        return clock.plan_at(now_ns).wall_ns(ends_ns[0]) if ends_ns else 0

    @property
    def closed_day(self) -> bool:
        """Whether no exchange opens on the date: the timetable says so, or it is a weekend of a year that the
        timetable does not have yet."""
        if self.schedule is None:
            return bool(self.trading_date) and dt.date.fromisoformat(self.trading_date).weekday() >= SATURDAY
        return self.schedule.kind is DayKind.CLOSED

    def connected_anew(self) -> "SessionDesk":
        """Return the desk of a new connection: FID 215 has no history (Kiwoom sheet 3)."""
        return replace(self, tracker=PhaseTracker(self.tracker.codes), steady=NEVER)

    def observe(self, value: str) -> tuple["SessionDesk", Reading]:
        """Return the desk after a value of FID 215 at the market time last seen, and what it was."""
        tracker, reading = self.tracker.observe(value, self.market_ns)
        return replace(self, tracker=tracker, steady=NEVER), reading

    def now(
        self, clock: MarketClock, rules: MarketRules, now_ns: int
    ) -> tuple["SessionDesk", tuple[Message, ...]]:
        """Return the desk at `now_ns` and what changed since it was last asked."""
        market_ns = clock.market_ns(now_ns)
        desk = self._dated(clock.trading_date_at(now_ns), rules)
        if desk is self and self.steady.contains(market_ns):
            return replace(self, market_ns=market_ns), ()
        return self._renewed(replace(desk, market_ns=market_ns), clock, now_ns)

    def _renewed(
        self, desk: "SessionDesk", clock: MarketClock, now_ns: int
    ) -> tuple["SessionDesk", tuple[Message, ...]]:
        """Return `desk` with all that its market time means, and what that changes."""
        phases, confirmed = desk._phases()
        window = desk._window(clock, phases, now_ns)
        after = replace(desk, phases=phases, confirmed=confirmed, window=window, steady=desk._stretch())
        time = clock.market_time(now_ns).strftime("%H:%M:%S")
        # A reader forgets the phases of the day before with the first word of a new one.
        known = self.phases if self.trading_date == after.trading_date else {}
        changed = [venue for venue in Venue if known.get(venue) is not phases[venue]]
        said: list[Message] = [after._phase_message(venue, time) for venue in changed]
        if (self.window, self.trading_date) != (window, after.trading_date):
            said.append(after._window_message(time))
        return after, tuple(said)

    def everything(self, time: str) -> tuple[Message, ...]:
        """Return the whole state, for readers who come new."""
        return (*(self._phase_message(venue, time) for venue in self.phases), self._window_message(time))

    # -- parts -------------------------------------------------------------------------

    def _dated(self, trading_date: TradingDate, rules: MarketRules) -> "SessionDesk":
        if trading_date == self.trading_date:
            return self
        try:
            schedule, problem = rules.timetable.day(trading_date), ""
        except NotCovered as error:
            schedule, problem = None, str(error)
        tracker = PhaseTracker(self.tracker.codes)
        return replace(
            self, trading_date=trading_date, schedule=schedule, problem=problem, tracker=tracker,
            refused=frozenset(),
        )  # fmt: skip

    def _stretch(self) -> Window:
        """The market time around now in which nothing of the timetable begins or ends."""
        schedule = self.schedule
        if schedule is None:
            return NEVER
        guards = (edge for window in self._entry_windows() for edge in (window.start_ns, window.end_ns))
        sweeps = (edge for sweep in self.sweeps for edge in (sweep.start_ns, sweep.end_ns))
        edges = sorted({0, DAY_NS, *schedule.boundaries_ns(), *guards, *sweeps})
        stretches = (Window(start_ns, end_ns) for start_ns, end_ns in pairwise(edges))
        return next((window for window in stretches if window.contains(self.market_ns)), NEVER)

    def _phases(self) -> tuple[dict[Venue, SessionPhase], dict[Venue, ConfirmedBy]]:
        if self.schedule is None:
            closed = dict.fromkeys(Venue, SessionPhase.CLOSED)
            return closed, dict.fromkeys(Venue, ConfirmedBy.TIMETABLE)
        effective = {venue: self.tracker.phase(self.schedule, venue, self.market_ns) for venue in Venue}
        phases = {venue: item.phase for venue, item in effective.items()}
        return phases, {venue: ConfirmedBy(item.source.value) for venue, item in effective.items()}

    def _window(self, clock: MarketClock, phases: Mapping[Venue, SessionPhase], now_ns: int) -> WindowView:
        if self.schedule is None:
            return WindowView(False, self.problem, barred=True)
        if self.barred:
            return WindowView(False, self.barred, 0, self._sweeping(), barred=True)
        windows = self._entry_windows()
        inside = next((window for window in windows if window.contains(self.market_ns)), None)
        if inside is None:
            return WindowView(False, self._closed_because(windows), 0, self._sweeping())
        shut = [venue for venue in Venue if not phases[venue].matches_continuously]
        if shut:
            why = ", ".join(f"{venue} is in {phases[venue]}" for venue in shut)
            return WindowView(False, why, 0, self._sweeping())
        refused = [venue for venue in Venue if (venue, phases[venue]) in self.refused]
        if refused:
            why = ", ".join(f"{venue} refused an order as out of session" for venue in refused)
            return WindowView(False, why, 0, self._sweeping())
        return WindowView(True, "both venues trade", clock.plan_at(now_ns).wall_ns(inside.end_ns))

    def _entry_windows(self) -> tuple[Window, ...]:
        if self.schedule is None:
            return ()
        return self.schedule.entry_windows(self.guard_after_open_s, self.guard_before_pause_s)

    def _closed_because(self, windows: tuple[Window, ...]) -> str:
        later = [window for window in windows if window.start_ns > self.market_ns]
        if not later:
            return "the day has no further entry window"
        return f"the next entry window opens at {_clock_text(later[0].start_ns)}"

    def _sweeping(self) -> bool:
        """From a sweep time until the session it belongs to has ended."""
        return any(sweep.contains(self.market_ns) for sweep in self.sweeps)

    def _phase_message(self, venue: Venue, time: str) -> SessionPhaseChanged:
        return SessionPhaseChanged(
            venue=venue, phase=self.phases[venue], trading_date=self.trading_date, market_time=time,
            confirmed_by=self.confirmed[venue],
        )  # fmt: skip

    def _window_message(self, time: str) -> EntryWindowChanged:
        window = self.window
        return EntryWindowChanged(
            open=window.open, reason=window.why, trading_date=self.trading_date, market_time=time,
            closes_at_ns=window.closes_at_ns, sweep=window.sweep, barred=window.barred,
        )  # fmt: skip


def _clock_text(market_ns: int) -> str:
    seconds = market_ns // SECOND_NS
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
