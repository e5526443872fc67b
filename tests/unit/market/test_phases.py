import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.contracts.terms import SessionPhase, TradingDate, Venue
from services.market.dates import DAY_NS, time_of_day_ns
from services.market.files import MarketRules
from services.market.phases import (
    EffectivePhase,
    Fid215Map,
    PhaseSource,
    PhaseTracker,
    ReadingKind,
    combine,
)
from services.market.sessions import DaySchedule, Timetable

KRX, NXT = Venue.KRX, Venue.NXT
P = SessionPhase
TIMETABLE, FID215 = PhaseSource.TIMETABLE, PhaseSource.FID215

OPENNESS = {P.CLOSED: 0, P.PAUSE: 1} | dict.fromkeys((P.PRE_MARKET, P.CONTINUOUS, P.AFTER_MARKET), 3)


def at(clock: str) -> int:
    return time_of_day_ns(dt.time.fromisoformat(clock))


@pytest.fixture(scope="module")
def day(rules: MarketRules) -> DaySchedule:
    return rules.timetable.day(TradingDate("2026-11-23"))


@pytest.fixture
def fresh(rules: MarketRules) -> PhaseTracker:
    return PhaseTracker(rules.fid215)


def after(tracker: PhaseTracker, *values: tuple[str, str]) -> PhaseTracker:
    for clock, value in values:
        tracker, _ = tracker.observe(value, at(clock))
    return tracker


class TestANormalDay:
    def test_each_phase_is_confirmed_by_its_value(self, fresh: PhaseTracker, day: DaySchedule) -> None:
        story = [
            ("08:00:00", "P", NXT, P.PRE_MARKET),
            ("08:40:00", "0", KRX, P.OPENING_AUCTION),
            ("08:50:00", "Q", NXT, P.PAUSE),
            ("09:00:00", "3", KRX, P.CONTINUOUS),
            ("09:00:30", "R", NXT, P.CONTINUOUS),
            ("15:20:00", "2", KRX, P.CLOSING_AUCTION),
            ("15:20:00", "S", NXT, P.PAUSE),
            ("15:30:00", "4", KRX, P.PAUSE),
            ("15:30:00", "T", NXT, P.AFTER_INTAKE),
            ("15:40:00", "a", KRX, P.CLOSING_PRICE),
            ("15:40:00", "U", NXT, P.AFTER_MARKET),
            ("16:00:00", "b", KRX, P.CLOSED),
            ("20:00:00", "V", NXT, P.CLOSED),
        ]
        tracker = fresh
        for clock, value, venue, phase in story:
            tracker, reading = tracker.observe(value, at(clock))
            assert reading.kind is ReadingKind.APPLIED
            assert tracker.phase(day, venue, at(clock)) == EffectivePhase(phase, FID215)

    @pytest.mark.parametrize(
        ("date", "opening", "closing"),
        [("2026-11-19", 10, 16), ("2027-01-04", 10, 15), ("2026-11-23", 9, 15)],
    )
    def test_the_opening_and_closing_values_are_plausible_on_every_kind_of_day(
        self, rules: MarketRules, date: str, opening: int, closing: int
    ) -> None:
        schedule = rules.timetable.day(TradingDate(date))
        tracker = PhaseTracker(rules.fid215)
        story = [("3", opening, 0, 0), ("R", opening, 0, 30), ("2", closing, 20, 0), ("S", closing, 20, 0)]
        story += [("4", closing, 30, 0), ("T", closing, 30, 0), ("a", closing, 40, 0), ("U", closing, 40, 0)]
        for value, hour, minute, second in story:
            now = time_of_day_ns(dt.time(hour, minute, second))
            tracker, reading = tracker.observe(value, now)
            assert reading.kind is ReadingKind.APPLIED
            assert reading.code is not None
            assert reading.code.venue is not None
            assert tracker.phase(schedule, reading.code.venue, now).source is FID215


class TestNeverExtends:
    def test_an_early_open_waits_for_the_timetable(self, fresh: PhaseTracker, day: DaySchedule) -> None:
        tracker = after(fresh, ("08:59:45", "R"))
        assert tracker.phase(day, NXT, at("09:00:29")).phase is P.PAUSE
        assert tracker.phase(day, NXT, at("09:00:30")) == EffectivePhase(P.CONTINUOUS, FID215)

    def test_a_close_that_never_came_does_not_keep_a_venue_open(
        self, fresh: PhaseTracker, day: DaySchedule
    ) -> None:
        tracker = after(fresh, ("09:00:00", "3"), ("09:00:30", "R"))
        assert tracker.phase(day, KRX, at("15:20:00")).phase is P.CLOSING_AUCTION
        assert tracker.phase(day, NXT, at("15:20:00")) == EffectivePhase(P.PAUSE, TIMETABLE)

    @given(
        st.lists(
            st.tuples(
                st.integers(0, DAY_NS - 1), st.text(max_size=2) | st.sampled_from("0234889abcdPQRSTUVW")
            )
        ),
        st.integers(0, DAY_NS - 1),
        st.sampled_from(list(Venue)),
        st.sampled_from(["2026-11-23", "2026-11-19", "2027-01-04", "2026-11-22"]),
    )
    def test_no_history_of_values_opens_what_the_timetable_keeps_shut(
        self, rules: MarketRules, history: list[tuple[int, str]], now: int, venue: Venue, date: str
    ) -> None:
        schedule = rules.timetable.day(TradingDate(date))
        tracker = PhaseTracker(rules.fid215)
        for market_ns, value in history:
            tracker, _ = tracker.observe(value, market_ns)
        found = tracker.phase(schedule, venue, now)
        scheduled = schedule.phase(venue, now)
        assert OPENNESS.get(found.phase, 2) <= OPENNESS.get(scheduled, 2)
        assert not found.phase.matches_continuously or found.phase is scheduled


class TestShortens:
    def test_an_early_close_shuts_at_once(self, fresh: PhaseTracker, day: DaySchedule) -> None:
        tracker = after(fresh, ("09:00:00", "3"), ("09:00:30", "R"), ("15:19:50", "2"), ("15:19:50", "S"))
        krx, nxt = (tracker.phase(day, venue, at("15:19:55")) for venue in (KRX, NXT))
        assert krx == EffectivePhase(P.CLOSING_AUCTION, FID215)
        assert nxt == EffectivePhase(P.PAUSE, FID215)

    def test_a_late_open_is_waited_for(self, fresh: PhaseTracker, day: DaySchedule) -> None:
        """An exam day missing from the table: the countdown goes on past nine."""
        tracker = after(fresh, ("08:40:00", "0"), ("08:50:00", "Q"))
        assert tracker.phase(day, KRX, at("09:30:00")).phase is P.OPENING_AUCTION
        assert tracker.phase(day, NXT, at("09:30:00")).phase is P.PAUSE
        tracker = after(tracker, ("10:00:00", "3"), ("10:00:30", "R"))
        assert tracker.phase(day, KRX, at("10:00:30")).phase is P.CONTINUOUS
        assert tracker.phase(day, NXT, at("10:00:30")).phase is P.CONTINUOUS

    def test_an_earlier_continuous_phase_does_not_pass_for_a_later_one(
        self, fresh: PhaseTracker, day: DaySchedule
    ) -> None:
        tracker = after(fresh, ("08:00:00", "P"))
        assert tracker.phase(day, NXT, at("10:00:00")) == EffectivePhase(P.PAUSE, FID215)

    def test_a_close_at_an_odd_hour_is_believed_an_open_is_not(
        self, fresh: PhaseTracker, day: DaySchedule
    ) -> None:
        tracker, reading = after(fresh, ("09:00:00", "3")).observe("4", at("11:00:00"))
        assert reading.kind is ReadingKind.IMPLAUSIBLE
        assert tracker.phase(day, KRX, at("11:00:01")).phase is P.PAUSE
        tracker, reading = tracker.observe("3", at("12:00:00"))
        assert reading.kind is ReadingKind.IMPLAUSIBLE
        assert tracker.phase(day, KRX, at("12:00:01")).phase is P.PAUSE


class TestWithoutHistory:
    @pytest.mark.parametrize("clock", ["08:10:00", "09:30:00", "15:25:00", "17:00:00", "21:00:00"])
    def test_a_start_in_mid_day_goes_by_the_clock(
        self, fresh: PhaseTracker, day: DaySchedule, clock: str
    ) -> None:
        for venue in Venue:
            scheduled = day.phase(venue, at(clock))
            assert fresh.phase(day, venue, at(clock)) == EffectivePhase(scheduled, TIMETABLE)

    def test_one_venues_value_says_nothing_about_the_other(
        self, fresh: PhaseTracker, day: DaySchedule
    ) -> None:
        tracker = after(fresh, ("09:00:30", "R"))
        assert tracker.phase(day, KRX, at("09:30:00")).source is TIMETABLE
        assert tracker.phase(day, NXT, at("09:30:00")).source is FID215


class TestValues:
    @pytest.mark.parametrize("value", ["Z", "", "RR", "5", "p"])
    def test_an_unknown_value_changes_nothing(self, fresh: PhaseTracker, value: str) -> None:
        tracker, reading = fresh.observe(value, at("10:00:00"))
        assert tracker == fresh
        assert (reading.kind, reading.value, reading.code) == (ReadingKind.UNKNOWN, value, None)

    @pytest.mark.parametrize("value", ["c", "d", "s", "e", "f", "o"])
    def test_values_of_no_concern_are_known(self, fresh: PhaseTracker, value: str) -> None:
        tracker, reading = fresh.observe(value, at("16:00:00"))
        assert (tracker, reading.kind) == (fresh, ReadingKind.NOTICE)

    @pytest.mark.parametrize("value", ["V", "W"])
    def test_v_before_1955_is_not_the_end_of_the_after_market(
        self, fresh: PhaseTracker, day: DaySchedule, value: str
    ) -> None:
        tracker = after(fresh, ("15:40:00", "U"))
        tracker, reading = tracker.observe(value, at("16:00:00"))
        assert reading.kind is ReadingKind.NOTICE
        assert tracker.phase(day, NXT, at("16:00:01")) == EffectivePhase(P.AFTER_MARKET, FID215)
        tracker, reading = tracker.observe(value, at("19:55:00"))
        assert reading.kind is ReadingKind.APPLIED
        assert tracker.phase(day, NXT, at("19:55:01")).phase is P.CLOSED

    def test_the_krx_after_market_opens_by_the_clock_and_shuts_by_the_day_end(
        self, rules: MarketRules
    ) -> None:
        content = rules.timetable.model_dump(by_alias=True)
        content["regime"][-1]["normal"]["KRX"][-1]["enabled"] = True
        day = Timetable.model_validate(content).day(TradingDate("2026-11-23"))
        tracker = after(PhaseTracker(rules.fid215), ("16:00:01", "b"))
        assert tracker.phase(day, KRX, at("17:00:00")) == EffectivePhase(P.AFTER_MARKET, TIMETABLE)
        tracker = after(tracker, ("19:00:00", "9"))
        assert tracker.phase(day, KRX, at("19:00:01")).phase is P.CLOSED

    def test_every_value_of_the_sheet_is_known(self, rules: MarketRules) -> None:
        assert {code.value for code in rules.fid215.code} == set("0324898abcdsefoPQRSTUVW")


class TestCombine:
    def test_a_notice_without_a_phase_confirms_nothing(self, rules: MarketRules) -> None:
        (notice,) = rules.fid215.meanings("c")
        assert combine(P.CONTINUOUS, notice, frozenset()).source is TIMETABLE


class TestRefusedTables:
    @pytest.mark.parametrize(
        ("rows", "complaint"),
        [
            ([{"value": "R", "phase": "continuous"}], "names no venue"),
            ([{"value": "R", "earliest": "10:00", "latest": "09:00"}], "is not after"),
            ([{"value": "V"}, {"value": "V"}], "two meanings of value 'V' overlap"),
            ([{"value": "VV"}], "at most 1 character"),
            ([], "at least 1 item"),
        ],
    )
    def test_rows(self, rows: list[dict[str, Any]], complaint: str) -> None:
        whole_day = {"meaning": "x", "earliest": "00:00:00", "latest": "23:59:59"}
        with pytest.raises(ValidationError, match=complaint):
            Fid215Map.model_validate({"code": [whole_day | row for row in rows]})
