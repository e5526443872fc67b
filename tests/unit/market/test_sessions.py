import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.contracts.reference import Checked
from services.contracts.terms import SessionPhase, TradingDate, Venue
from services.market.dates import DAY_NS, time_of_day_ns
from services.market.errors import NotCovered
from services.market.files import MarketRules
from services.market.sessions import DayKind, DaySchedule, Timetable, Window
from services.market.yearly import Moved, YearlyClosing, closed_weekdays

KRX, NXT = Venue.KRX, Venue.NXT
P = SessionPhase
NORMAL, FIRST_DAY, EXAM_DAY = TradingDate("2026-11-23"), TradingDate("2027-01-04"), TradingDate("2026-11-19")

UNRULED = {
    2026: {"02-16", "02-17", "02-18", "05-25", "06-03", "09-24", "09-25"},
    2027: {"02-08", "02-09", "05-13", "09-14", "09-15", "09-16"},
}
"""Seollal, Buddha's birthday, an election and Chuseok of each year (market rules 1.5)."""
CONFIRMED = {"from": "2026-01-02", "through": "2027-06-30", "by": "Kim", "on": "2026-11-30"}


def at(clock: str) -> int:
    return time_of_day_ns(dt.time.fromisoformat(clock))


def window(start: str, end: str) -> Window:
    return Window(at(start), at(end))


def enabling_krx_after_market(timetable: Timetable) -> Timetable:
    content = timetable.model_dump(by_alias=True)
    for regime in content["regime"]:
        for kind in ("normal", "late_open", "exam_shift"):
            for segment in regime[kind]["KRX"]:
                segment["enabled"] = True
    return Timetable.model_validate(content)


class TestNormalDay:
    @pytest.mark.parametrize(
        ("clock", "krx", "nxt"),
        [
            ("00:00:00", P.CLOSED, P.CLOSED),
            ("07:59:59", P.CLOSED, P.CLOSED),
            ("08:00:00", P.CLOSED, P.PRE_MARKET),
            ("08:30:00", P.OPENING_AUCTION, P.PRE_MARKET),
            ("08:50:00", P.OPENING_AUCTION, P.PAUSE),
            ("09:00:00", P.CONTINUOUS, P.PAUSE),
            ("09:00:29", P.CONTINUOUS, P.PAUSE),
            ("09:00:30", P.CONTINUOUS, P.CONTINUOUS),
            ("15:19:59", P.CONTINUOUS, P.CONTINUOUS),
            ("15:20:00", P.CLOSING_AUCTION, P.PAUSE),
            ("15:30:00", P.PAUSE, P.AFTER_INTAKE),
            ("15:40:00", P.CLOSING_PRICE, P.AFTER_MARKET),
            ("16:00:00", P.CLOSED, P.AFTER_MARKET),
            ("19:59:59", P.CLOSED, P.AFTER_MARKET),
            ("20:00:00", P.CLOSED, P.CLOSED),
            ("23:59:59", P.CLOSED, P.CLOSED),
        ],
    )
    def test_phases(self, rules: MarketRules, clock: str, krx: P, nxt: P) -> None:
        day = rules.timetable.day(NORMAL)
        assert day.kind is DayKind.NORMAL
        assert day.phase(KRX, dt.time.fromisoformat(clock)) is krx
        assert day.phase(NXT, at(clock)) is nxt

    def test_windows(self, rules: MarketRules) -> None:
        day = rules.timetable.day(NORMAL)
        assert day.overlaps() == (window("09:00:30", "15:20:00"),)
        assert day.entry_windows() == (window("09:01:00", "15:19:00"),)
        assert day.entry_windows(0, 300) == (window("09:00:30", "15:15:00"),)
        assert day.entry_windows(guard_before_pause_s=8 * 3600) == ()
        assert day.sweep_times() == (at("15:19:00"), at("19:59:00"))
        assert day.sweep_times(0) == (at("15:20:00"), at("20:00:00"))

    def test_boundaries_of_both_venues(self, rules: MarketRules) -> None:
        clocks = ["08:00:00", "08:30:00", "08:50:00", "09:00:00", "09:00:30", "15:20:00", "15:30:00"]
        clocks += ["15:40:00", "16:00:00", "20:00:00"]
        assert rules.timetable.day(NORMAL).boundaries_ns() == tuple(at(clock) for clock in clocks)

    def test_the_krx_after_market_is_modelled_and_not_enabled(self, rules: MarketRules) -> None:
        last = rules.timetable.day(NORMAL).segments(KRX)[-1]
        assert (last.phase, last.enabled, last.window) == (
            P.AFTER_MARKET,
            False,
            window("16:00:00", "20:00:00"),
        )

    def test_once_enabled_the_evening_is_a_second_window(self, rules: MarketRules) -> None:
        day = enabling_krx_after_market(rules.timetable).day(NORMAL)
        assert day.phase(KRX, dt.time(16)) is P.AFTER_MARKET
        assert day.overlaps() == (window("09:00:30", "15:20:00"), window("16:00:00", "20:00:00"))
        assert day.entry_windows() == (window("09:01:00", "15:19:00"), window("16:00:30", "19:59:00"))


class TestRegimes:
    def test_before_2026_09_14_krx_had_no_after_market(self, rules: MarketRules) -> None:
        before, since = (rules.timetable.day(TradingDate(d)) for d in ("2026-09-11", "2026-09-14"))
        assert P.AFTER_MARKET not in {s.phase for s in before.segments(KRX)}
        assert P.AFTER_MARKET in {s.phase for s in since.segments(KRX)}
        assert before.overlaps() == since.overlaps()
        assert before.segments(NXT) == since.segments(NXT)

    def test_an_evening_window_never_reaches_back_before_the_regime(self, rules: MarketRules) -> None:
        enabled = enabling_krx_after_market(rules.timetable)
        assert len(enabled.day(TradingDate("2026-09-11")).overlaps()) == 1
        assert len(enabled.day(TradingDate("2026-09-14")).overlaps()) == 2


class TestSpecialDays:
    @pytest.mark.parametrize("date", ["2026-01-02", "2027-01-04"])
    def test_first_trading_day(self, rules: MarketRules, date: str) -> None:
        day = rules.timetable.day(TradingDate(date))
        assert day.kind is DayKind.LATE_OPEN
        assert day.overlaps() == (window("10:00:30", "15:20:00"),)
        assert day.phase(KRX, dt.time(9, 30)) is P.OPENING_AUCTION
        assert day.phase(KRX, dt.time(10)) is P.CONTINUOUS
        assert day.phase(KRX, dt.time(15, 20)) is P.CLOSING_AUCTION
        assert day.phase(NXT, dt.time(8, 30)) is P.CLOSED
        assert day.phase(NXT, dt.time(10, 0, 29)) is P.CLOSED
        assert day.sweep_times() == (at("15:19:00"), at("19:59:00"))

    @pytest.mark.parametrize("date", ["2025-11-13", "2026-11-19", "2027-11-18"])
    def test_exam_day(self, rules: MarketRules, date: str) -> None:
        day = rules.timetable.day(TradingDate(date))
        assert day.kind is DayKind.EXAM_SHIFT
        assert day.overlaps() == (window("10:00:30", "16:20:00"),)
        assert day.phase(NXT, dt.time(8, 30)) is P.CLOSED
        assert day.phase(KRX, dt.time(9, 30)) is P.OPENING_AUCTION
        assert day.phase(KRX, dt.time(15, 25)) is P.CONTINUOUS
        assert day.phase(KRX, dt.time(16, 25)) is P.CLOSING_AUCTION
        assert day.phase(KRX, dt.time(16, 45)) is P.CLOSING_PRICE
        assert day.phase(NXT, dt.time(16, 25)) is P.PAUSE
        assert day.phase(NXT, dt.time(16, 35)) is P.AFTER_INTAKE
        assert day.phase(NXT, dt.time(16, 40)) is P.AFTER_MARKET
        assert day.sweep_times() == (at("16:19:00"), at("19:59:00"))

    def test_an_exam_evening_starts_an_hour_late_once_enabled(self, rules: MarketRules) -> None:
        day = enabling_krx_after_market(rules.timetable).day(EXAM_DAY)
        assert day.overlaps()[1:] == (window("17:00:00", "20:00:00"),)

    def test_the_day_nxt_was_launched_has_hours_of_its_own(self, rules: MarketRules) -> None:
        day = rules.timetable.day(TradingDate("2025-03-04"))
        assert day.kind is DayKind.CUSTOM
        assert day.overlaps() == (window("10:00:00", "15:20:00"),)

    @pytest.mark.parametrize("date", ["2026-06-03", "2026-07-17", "2027-05-03", "2026-12-31", "2026-11-22"])
    def test_closed_days_have_no_session(self, rules: MarketRules, date: str) -> None:
        day = rules.timetable.day(TradingDate(date))
        assert day.kind is DayKind.CLOSED
        assert not rules.timetable.is_trading_day(TradingDate(date))
        assert (day.segments(KRX), day.segments(NXT)) == ((), ())
        assert (day.overlaps(), day.entry_windows(), day.sweep_times()) == ((), (), ())
        assert day.phase(KRX, dt.time(10)) is P.CLOSED

    @pytest.mark.parametrize(("year", "sessions"), [(2026, 244), (2027, 245)])
    def test_sessions_of_a_year(self, rules: MarketRules, year: int, sessions: int) -> None:
        assert len(trading_days(rules.timetable, year)) == sessions

    @pytest.mark.parametrize("year", [2026, 2027])
    def test_the_first_trading_day_of_a_year_opens_late(self, rules: MarketRules, year: int) -> None:
        assert rules.timetable.day(trading_days(rules.timetable, year)[0]).kind is DayKind.LATE_OPEN


class TestCoverage:
    def test_a_date_before_the_table_is_refused(self, rules: MarketRules) -> None:
        for ask in (rules.timetable.day, rules.timetable.is_trading_day):
            with pytest.raises(NotCovered, match=r"sessions\.toml begins on 2025-03-04 .* 2025-03-03"):
                ask(TradingDate("2025-03-03"))

    @pytest.mark.parametrize(
        ("date", "kind"),
        [
            ("2028-01-01", DayKind.CLOSED),
            ("2028-01-03", DayKind.LATE_OPEN),
            ("2028-01-04", DayKind.NORMAL),
            ("2028-03-01", DayKind.CLOSED),
            ("2028-12-29", DayKind.CLOSED),  # the weekday before a 31st on a Sunday
            ("2029-01-02", DayKind.LATE_OPEN),
            ("2029-05-07", DayKind.CLOSED),  # for a 5th on a Saturday
            ("2029-06-06", DayKind.CLOSED),
            ("2032-05-03", DayKind.CLOSED),  # for a 1st on a Saturday
            ("2038-10-04", DayKind.CLOSED),  # for a 3rd on a Sunday
            ("2038-10-11", DayKind.CLOSED),  # for a 9th on the Saturday after it
            ("2032-06-07", DayKind.NORMAL),  # Memorial Day moves nowhere
        ],
    )
    def test_years_that_are_not_listed_follow_the_yearly_rules(
        self, rules: MarketRules, date: str, kind: DayKind
    ) -> None:
        day = rules.timetable.day(TradingDate(date))
        assert (day.kind, day.provisional) == (kind, True)

    def test_a_holiday_of_a_weekend_goes_to_the_next_weekday_that_is_no_other_holiday(self) -> None:
        children = YearlyClosing(month=5, day=5, why="Children's Day", moved=Moved.ON)
        buddha = YearlyClosing(month=5, day=7, why="a fixed one on the Monday after")
        assert closed_weekdays((buddha, children), 2029) == {dt.date(2029, 5, 7), dt.date(2029, 5, 8)}

    def test_an_unlisted_day_has_the_last_known_hours(self, rules: MarketRules) -> None:
        for date, like in (("2028-01-04", "2026-11-23"), ("2028-01-03", "2027-01-04")):
            later, known = (rules.timetable.day(TradingDate(each)) for each in (date, like))
            assert (later.krx, later.nxt) == (known.krx, known.nxt) and later.overlaps()

    @pytest.mark.parametrize(
        ("date", "provisional"), [("2026-12-30", False), ("2026-12-31", False), ("2027-01-04", True)]
    )
    def test_what_the_exchange_has_not_announced_is_provisional(
        self, rules: MarketRules, date: str, provisional: bool
    ) -> None:
        assert rules.timetable.day(TradingDate(date)).provisional is provisional

    @pytest.mark.parametrize("year", [2026, 2027])
    def test_the_yearly_rules_make_every_listed_closing_but_those_of_the_moon_and_of_elections(
        self, rules: MarketRules, year: int
    ) -> None:
        listed = {day for day in rules.timetable.closed if day.year == year}
        by_rule = closed_weekdays(rules.timetable.yearly, year)
        assert by_rule <= listed
        assert {f"{day:%m-%d}" for day in listed - by_rule} == UNRULED[year]

    def test_a_named_person_is_told_with_the_dates_he_confirmed(self, rules: MarketRules) -> None:
        row = {"from": "2026-11-30", "through": "2026-12-31", "by": " Kim ", "on": "2026-11-29"}
        content = rules.timetable.model_dump(by_alias=True) | {"confirmed": [row]}
        table = Timetable.model_validate(content)
        assert table.day(TradingDate("2026-12-30")).checked == Checked(
            through=TradingDate("2026-12-31"), by="Kim", on="2026-11-29"
        )
        unnamed = table.day(TradingDate("2026-11-27")).checked
        assert unnamed is not None and unnamed.by == ""

    @pytest.mark.parametrize("text", ["20261123", "2026-W48-1", "23.11.2026", "2026-13-01", ""])
    def test_a_misspelt_date_is_refused(self, rules: MarketRules, text: str) -> None:
        with pytest.raises(ValueError, match=r"YYYY-MM-DD|[Ii]nvalid|month must be"):
            rules.timetable.day(TradingDate(text))

    @pytest.mark.parametrize(
        ("date", "following"),
        [
            ("2026-11-20", "2026-11-23"),
            ("2026-11-23", "2026-11-24"),
            ("2026-12-30", "2027-01-04"),
            ("2026-09-23", "2026-09-28"),
            ("2026-02-13", "2026-02-19"),
            ("2027-12-30", "2028-01-03"),
            ("2028-12-28", "2029-01-02"),
        ],
    )
    def test_next_trading_day(self, rules: MarketRules, date: str, following: str) -> None:
        assert rules.timetable.next_trading_day(TradingDate(date)) == following


class TestEveryDay:
    def test_windows_lie_where_both_venues_trade_continuously(self, rules: MarketRules) -> None:
        for year in (2026, 2027):
            for date in trading_days(rules.timetable, year):
                check_windows(rules.timetable.day(date))

    @given(st.integers(0, DAY_NS - 1), st.sampled_from([NORMAL, FIRST_DAY, EXAM_DAY]))
    def test_overlap_is_exactly_both_phases_continuous(
        self, rules: MarketRules, market_ns: int, date: TradingDate
    ) -> None:
        day = rules.timetable.day(date)
        both = all(day.phase(venue, market_ns).matches_continuously for venue in Venue)
        assert both == any(w.contains(market_ns) for w in day.overlaps())


class TestRefusedTables:
    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            ({"closed": ["2026-11-22"]}, "is a weekend"),
            ({"closed": ["2026-11-19"]}, "listed more than once"),
            ({"late_open": ["2028-01-03"]}, "outside covered_from"),
            ({"covered_from": "2025-03-03"}, "first regime must be in force"),
            ({"regime": []}, "first regime must be in force"),
            ({"announced_through": "2028-01-03"}, "announced_through lies outside"),
            ({"yearly": [{"month": 2, "day": 30, "why": "none"}]}, "2-30 is no date of every year"),
            ({"confirmed": [CONFIRMED]}, "Kim confirms .* to 2027-06-30, but the table knows"),
        ],
    )
    def test_dates(self, rules: MarketRules, change: dict[str, Any], complaint: str) -> None:
        with pytest.raises(ValidationError, match=complaint):
            Timetable.model_validate(rules.timetable.model_dump(by_alias=True) | change)

    @pytest.mark.parametrize(
        ("segments", "complaint"),
        [
            ([("10:00", "09:00")], "ends after it starts"),
            ([("09:00", "10:00"), ("09:59", "11:00")], "starts before the one before it ends"),
        ],
    )
    def test_segments(self, rules: MarketRules, segments: list[tuple[str, str]], complaint: str) -> None:
        content = rules.timetable.model_dump(by_alias=True)
        content["regime"][0]["normal"]["NXT"] = [
            {"from": start, "to": end, "phase": "continuous"} for start, end in segments
        ]
        with pytest.raises(ValidationError, match=complaint):
            Timetable.model_validate(content)


def trading_days(timetable: Timetable, year: int) -> list[TradingDate]:
    first = dt.date(year, 1, 1)
    days = (first + dt.timedelta(days=n) for n in range(366))
    dates = [TradingDate(str(day)) for day in days if day.year == year]
    return [date for date in dates if timetable.is_trading_day(date)]


def check_windows(day: DaySchedule) -> None:
    assert day.overlaps()
    for entry in day.entry_windows():
        assert any(o.start_ns < entry.start_ns < entry.end_ns < o.end_ns for o in day.overlaps())
    for window_ in day.overlaps():
        for moment in (window_.start_ns, window_.end_ns - 1):
            assert all(day.phase(venue, moment).matches_continuously for venue in Venue)
        assert not all(day.phase(venue, window_.end_ns).matches_continuously for venue in Venue)
    assert all(any(s - o.end_ns < 0 for o in day.overlaps()) for s in day.sweep_times()[:1])


def test_the_last_date_of_all_has_no_next_trading_day(rules: MarketRules) -> None:
    with pytest.raises(NotCovered):
        rules.timetable.next_trading_day(TradingDate("9999-12-31"))
