"""The trading day as the exchanges live it: market time and the phase of each venue.

The exchange's own timetable counts here, sessions that our configuration has not enabled included:
an NXT order that is forgotten does fill in the evening (market rules 4.3).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from services.contracts.terms import SessionPhase, Venue

SECOND_NS = 1_000_000_000


class Segment(Protocol):
    """One venue's phase over a half-open span, in nanoseconds since midnight in Korea."""

    @property
    def start_ns(self) -> int: ...

    @property
    def end_ns(self) -> int: ...

    @property
    def phase(self) -> SessionPhase: ...


class Schedule(Protocol):
    """`services.market.sessions.DaySchedule`, or any timetable of one date."""

    def segments(self, venue: Venue) -> Iterable[Segment]: ...


def hhmmss(market_ns: int) -> str:
    """Nanoseconds since midnight as `HHmmss`, the one-second resolution of the feed."""
    seconds = market_ns // SECOND_NS
    return f"{seconds // 3600:02d}{seconds // 60 % 60:02d}{seconds % 60:02d}"


@dataclass(frozen=True)
class TradingDay:
    """`market_ns` maps the core's clock to nanoseconds since midnight in Korea (compressed or not)."""

    schedule: Schedule
    market_ns: Callable[[int], int]
    date: str = "2026-11-23"

    def phase(self, venue: Venue, market_ns: int) -> SessionPhase:
        for segment in self.schedule.segments(venue):
            if segment.start_ns <= market_ns < segment.end_ns:
                return segment.phase
        return SessionPhase.CLOSED

    def is_over(self, venue: Venue, market_ns: int) -> bool:
        """Whether nothing of this venue's day is left."""
        return all(segment.end_ns <= market_ns for segment in self.schedule.segments(venue))

    def time_left(self, venue: Venue, market_ns: int) -> str:
        """`HHmmss` to the end of the phase, FID 214."""
        for segment in self.schedule.segments(venue):
            if segment.start_ns <= market_ns < segment.end_ns:
                return hhmmss(segment.end_ns - market_ns)
        return "000000"


def announcements(venue: Venue, old: SessionPhase, new: SessionPhase) -> list[str]:
    """The values of FID 215 that a change of phase is announced with (Kiwoom sheet 3)."""
    ends, starts = _KRX if venue is Venue.KRX else _NXT
    return list(ends.get(old, "")) + list(starts.get(new, ""))


_KRX: tuple[dict[SessionPhase, str], dict[SessionPhase, str]] = (
    {SessionPhase.CLOSING_AUCTION: "48", SessionPhase.CLOSING_PRICE: "b", SessionPhase.AFTER_MARKET: "9"},
    {
        SessionPhase.OPENING_AUCTION: "0",
        SessionPhase.CONTINUOUS: "3",
        SessionPhase.CLOSING_AUCTION: "2",
        SessionPhase.CLOSING_PRICE: "a",
    },
)
_NXT: tuple[dict[SessionPhase, str], dict[SessionPhase, str]] = (
    {SessionPhase.PRE_MARKET: "Q", SessionPhase.CONTINUOUS: "S", SessionPhase.AFTER_MARKET: "V"},
    {
        SessionPhase.PRE_MARKET: "P",
        SessionPhase.CONTINUOUS: "R",
        SessionPhase.AFTER_INTAKE: "T",
        SessionPhase.AFTER_MARKET: "U",
    },
)
