"""What a venue is doing now: the timetable, confirmed or shortened by FID 215.

Owns the invariant that a market-status value of the broker never opens a phase that the timetable
does not have at that moment; it only confirms the phase or keeps it shut (Kiwoom sheet 3, rule 1).

How a value shuts: a phase that some value announces, but another value was the last one seen, has
not been announced yet, and the venue stays in the less open phase of that last value. A phase that
no value announces (the KRX after-market) opens by the timetable alone and is shut only by a value
that says so (`ends`). Without any value, after a start or a reconnection, the timetable decides.
"""

import datetime as dt
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from services.contracts.reference import Frozen
from services.contracts.terms import SessionPhase, Venue
from services.market.dates import time_of_day_ns
from services.market.sessions import DaySchedule

_OPENNESS = {SessionPhase.CLOSED: 0, SessionPhase.PAUSE: 1}
_AUCTION = 2
_CONTINUOUS = 3


class PhaseSource(StrEnum):
    TIMETABLE = "timetable"
    FID215 = "fid215"


class ReadingKind(StrEnum):
    """What a value of FID 215 was good for."""

    APPLIED = "applied"
    NOTICE = "notice"
    IMPLAUSIBLE = "implausible"
    UNKNOWN = "unknown"


class MarketStatusCode(Frozen):
    """One meaning of one value: the phase it leads to on a venue, and when it can be believed.

    A value without venue or phase is known and changes nothing. Two meanings of one value are told
    apart by the clock, `earliest` up to `latest`, both included.
    """

    value: Annotated[str, Field(min_length=1, max_length=1)]
    meaning: Annotated[str, Field(min_length=1)]
    venue: Venue | None = None
    phase: SessionPhase | None = None
    ends: tuple[SessionPhase, ...] = ()
    earliest: dt.time
    latest: dt.time

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.venue is None) and (self.phase is not None or self.ends):
            raise ValueError(f"value {self.value!r} leads to a phase but names no venue")
        if self.latest <= self.earliest:
            raise ValueError(f"value {self.value!r}: latest {self.latest} is not after {self.earliest}")
        return self

    def believable_at(self, market_ns: int) -> bool:
        return time_of_day_ns(self.earliest) <= market_ns <= time_of_day_ns(self.latest)


class Fid215Map(Frozen):
    """`fid215.toml`: every known value of the broker's market status."""

    code: Annotated[tuple[MarketStatusCode, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _meanings_do_not_overlap(self) -> Self:
        for index, one in enumerate(self.code):
            for other in self.code[index + 1 :]:
                if one.value == other.value and one.earliest <= other.latest and other.earliest <= one.latest:
                    raise ValueError(f"two meanings of value {one.value!r} overlap in time")
        return self

    def meanings(self, value: str) -> tuple[MarketStatusCode, ...]:
        return tuple(code for code in self.code if code.value == value)

    def announced(self, venue: Venue) -> frozenset[SessionPhase]:
        """The phases of a venue that some value announces."""
        return frozenset(c.phase for c in self.code if c.venue is venue and c.phase is not None)


@dataclass(frozen=True, slots=True)
class Reading:
    """A value as it was understood; `UNKNOWN` and `IMPLAUSIBLE` deserve one alert each."""

    value: str
    kind: ReadingKind
    code: MarketStatusCode | None


@dataclass(frozen=True, slots=True)
class EffectivePhase:
    """The phase a venue is treated as being in, and what decided it."""

    phase: SessionPhase
    source: PhaseSource


@dataclass(frozen=True, slots=True)
class PhaseTracker:
    """The last telling value per venue since the connection began; a new connection, a new tracker."""

    codes: Fid215Map
    krx: MarketStatusCode | None = field(default=None)
    nxt: MarketStatusCode | None = field(default=None)

    def observe(self, value: str, market_ns: int) -> tuple["PhaseTracker", Reading]:
        """The tracker after a value was received at a market time, and what became of the value.

        A known value outside its hours is believed only where it makes the venue less open. One that belongs
        before the last telling value of its venue is that value told late or twice: it changes nothing.
        """
        meanings = self.codes.meanings(value)
        if not meanings:
            return self, Reading(value, ReadingKind.UNKNOWN, None)
        believed = [code for code in meanings if code.believable_at(market_ns)]
        if self._is_past((believed or meanings)[0]):
            return self, Reading(value, ReadingKind.IMPLAUSIBLE, (believed or meanings)[0])
        if not believed:
            return self._doubt(meanings[0])
        code = believed[0]
        if code.venue is None or code.phase is None:
            return self, Reading(value, ReadingKind.NOTICE, code)
        return self._with(code.venue, code), Reading(value, ReadingKind.APPLIED, code)

    def phase(self, schedule: DaySchedule, venue: Venue, market_ns: int) -> EffectivePhase:
        """The phase of a venue now, by timetable and by what FID 215 has said."""
        return combine(schedule.phase(venue, market_ns), self.last(venue), self.codes.announced(venue))

    def last(self, venue: Venue) -> MarketStatusCode | None:
        return self.krx if venue is Venue.KRX else self.nxt

    def without(self, venue: Venue) -> "PhaseTracker":
        """The tracker that has heard nothing of a venue: the timetable decides for it."""
        return self._with(venue, None)

    def _is_past(self, code: MarketStatusCode) -> bool:
        last = None if code.venue is None else self.last(code.venue)
        return last is not None and code.phase is not None and code.earliest < last.earliest

    def _doubt(self, code: MarketStatusCode) -> tuple["PhaseTracker", Reading]:
        reading = Reading(code.value, ReadingKind.IMPLAUSIBLE, code)
        if code.venue is None or code.phase is None or code.phase.matches_continuously:
            return self, reading
        return self._with(code.venue, code), reading

    def _with(self, venue: Venue, code: MarketStatusCode | None) -> "PhaseTracker":
        if venue is Venue.KRX:
            return PhaseTracker(self.codes, krx=code, nxt=self.nxt)
        return PhaseTracker(self.codes, krx=self.krx, nxt=code)


def combine(
    scheduled: SessionPhase, last: MarketStatusCode | None, announced: frozenset[SessionPhase]
) -> EffectivePhase:
    """The scheduled phase of one venue, confirmed or shortened by the last telling value for it.

    `announced` are the phases of that venue that some value announces.
    """
    if last is None or last.phase is None:
        return EffectivePhase(scheduled, PhaseSource.TIMETABLE)
    if last.phase is scheduled:
        return EffectivePhase(scheduled, PhaseSource.FID215)
    shuts = scheduled in announced or scheduled in last.ends
    if shuts and _openness(last.phase) < _openness(scheduled):
        return EffectivePhase(last.phase, PhaseSource.FID215)
    if shuts and scheduled.matches_continuously:
        return EffectivePhase(SessionPhase.PAUSE, PhaseSource.FID215)
    return EffectivePhase(scheduled, PhaseSource.TIMETABLE)


def _openness(phase: SessionPhase) -> int:
    return _OPENNESS.get(phase, _CONTINUOUS if phase.matches_continuously else _AUCTION)
