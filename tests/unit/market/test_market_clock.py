import datetime as dt
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.contracts.terms import TradingDate, Venue
from services.market.dates import DAY_NS, SECOND_NS, midnight_wall_ns, time_of_day_ns
from services.market.errors import ConfigError
from services.market.files import MarketRules, read_day_plan, write_day_plan
from services.market.market_clock import (
    COMPRESSED_END_NS,
    COMPRESSED_START_NS,
    REAL_TIME,
    DayPlan,
    compressed_day,
    real_day,
)
from services.market.sessions import GUARD_BEFORE_PAUSE_S

DAY = TradingDate("2026-11-23")
ANCHOR = 1_795_000_000_123_456_789


@st.composite
def day_plans(draw: st.DrawFn) -> DayPlan:
    count = draw(st.integers(2, 6))
    walls = draw(st.lists(st.integers(0, 10**12), min_size=count, max_size=count, unique=True))
    markets = draw(st.lists(st.integers(0, DAY_NS), min_size=count, max_size=count, unique=True))
    points = tuple(zip(sorted(walls), sorted(markets), strict=True))
    return DayPlan(trading_date=DAY, anchor_wall_ns=ANCHOR, breakpoints=points)


walls = st.integers(ANCHOR - 10**12, ANCHOR + 2 * 10**12)
markets = st.integers(0, DAY_NS)


class TestDayPlan:
    @given(day_plans(), walls, walls)
    def test_market_time_never_runs_backwards(self, plan: DayPlan, one: int, other: int) -> None:
        assert plan.market_ns(min(one, other)) <= plan.market_ns(max(one, other))

    @given(day_plans())
    def test_breakpoints_are_met_exactly(self, plan: DayPlan) -> None:
        for offset, market in plan.breakpoints:
            assert plan.market_ns(ANCHOR + offset) == market

    @given(day_plans(), markets)
    def test_wall_time_is_the_first_moment_market_time_has_come(self, plan: DayPlan, market: int) -> None:
        first, last = plan.breakpoints[0][1], plan.breakpoints[-1][1]
        wall = plan.wall_ns(market)
        if market <= first:
            assert wall == ANCHOR + plan.breakpoints[0][0]
        elif market > last:
            assert wall == ANCHOR + plan.breakpoints[-1][0]
        else:
            assert plan.market_ns(wall) >= market > plan.market_ns(wall - 1)

    @given(day_plans(), walls)
    def test_outside_the_plan_market_time_stands_still(self, plan: DayPlan, wall: int) -> None:
        first, last = plan.breakpoints[0], plan.breakpoints[-1]
        if wall <= ANCHOR + first[0]:
            assert plan.market_ns(wall) == first[1]
        if wall >= ANCHOR + last[0]:
            assert plan.market_ns(wall) == last[1]

    @given(day_plans())
    def test_a_plan_survives_its_file(self, plan: DayPlan) -> None:
        assert DayPlan.model_validate_json(plan.model_dump_json()) == plan

    @pytest.mark.parametrize(
        "points", [((0, 0),), ((0, 0), (0, 5)), ((0, 5), (5, 5)), ((5, 0), (0, 5)), ((0, 0), (5, DAY_NS + 1))]
    )
    def test_points_that_do_not_increase_are_refused(self, points: tuple[tuple[int, int], ...]) -> None:
        with pytest.raises(ValidationError):
            DayPlan(trading_date=DAY, anchor_wall_ns=0, breakpoints=points)

    def test_times_are_spelt_in_korea(self) -> None:
        plan = DayPlan(
            trading_date=DAY,
            anchor_wall_ns=ANCHOR,
            breakpoints=((0, time_of_day_ns(dt.time(9))), (SECOND_NS, time_of_day_ns(dt.time(9, 1)))),
        )
        assert plan.hhmmss(ANCHOR + SECOND_NS // 2) == "090030"
        assert plan.market_time(ANCHOR + SECOND_NS // 2).isoformat() == "2026-11-23T09:00:30+09:00"
        assert plan.trading_date_at(ANCHOR) == DAY
        assert plan.plan_at(ANCHOR) is plan


class TestRealTime:
    @pytest.mark.parametrize(
        ("utc", "date", "hhmmss"),
        [
            ("2026-11-23T00:00:30+00:00", "2026-11-23", "090030"),
            ("2026-11-22T15:00:00+00:00", "2026-11-23", "000000"),
            ("2026-11-22T14:59:59+00:00", "2026-11-22", "235959"),
        ],
    )
    def test_the_wall_clock_is_read_in_korea(self, utc: str, date: str, hhmmss: str) -> None:
        wall_ns = int(dt.datetime.fromisoformat(utc).timestamp()) * SECOND_NS
        assert REAL_TIME.trading_date_at(wall_ns) == date
        assert REAL_TIME.hhmmss(wall_ns) == hhmmss
        assert REAL_TIME.market_time(wall_ns) == dt.datetime.fromisoformat(utc)

    @given(st.integers(1_500_000_000, 2_000_000_000), st.integers(0, SECOND_NS - 1))
    def test_it_agrees_with_the_plan_of_its_date(self, seconds: int, rest: int) -> None:
        wall_ns = seconds * SECOND_NS + rest
        plan = REAL_TIME.plan_at(wall_ns)
        assert plan == real_day(REAL_TIME.trading_date_at(wall_ns))
        assert plan.market_ns(wall_ns) == REAL_TIME.market_ns(wall_ns)
        assert plan.wall_ns(plan.market_ns(wall_ns)) == wall_ns
        assert 0 <= REAL_TIME.market_ns(wall_ns) < DAY_NS

    def test_a_real_day_starts_at_midnight_in_korea(self) -> None:
        assert real_day(DAY).market_ns(midnight_wall_ns(DAY)) == 0


class TestCompressedDay:
    @pytest.mark.parametrize("date", ["2026-11-23", "2026-11-19", "2027-01-04", "2025-03-04"])
    @pytest.mark.parametrize("seconds", [1, 60, 600, 43_800])
    def test_every_stretch_has_its_share(self, rules: MarketRules, date: str, seconds: int) -> None:
        schedule = rules.timetable.day(TradingDate(date))
        plan = compressed_day(schedule, ANCHOR, seconds)
        assert plan.breakpoints[0] == (0, COMPRESSED_START_NS)
        assert plan.breakpoints[-1] == (seconds * SECOND_NS, COMPRESSED_END_NS)
        assert {market for _, market in plan.breakpoints} >= set(schedule.boundaries_ns())
        stretches = [after - before for (before, _), (after, _) in pairwise(plan.breakpoints)]
        assert min(stretches) >= seconds * SECOND_NS // 100

    @pytest.mark.parametrize("date", ["2026-11-23", "2026-11-19", "2027-01-04"])
    def test_trading_on_both_venues_gets_most_of_it(self, rules: MarketRules, date: str) -> None:
        schedule = rules.timetable.day(TradingDate(date))
        plan = compressed_day(schedule, ANCHOR, 600)
        both = sum(plan.wall_ns(w.end_ns) - plan.wall_ns(w.start_ns) for w in schedule.overlaps())
        assert abs(both - 360 * SECOND_NS) < SECOND_NS // 10

    @pytest.mark.parametrize("date", ["2026-11-23", "2026-11-19", "2027-01-04"])
    def test_the_last_minute_of_trading_can_have_a_share_of_its_own(
        self, rules: MarketRules, date: str
    ) -> None:
        schedule = rules.timetable.day(TradingDate(date))
        plan = compressed_day(schedule, ANCHOR, 20, Fraction(14, 20), Fraction(2, 20))
        ends_ns = schedule.overlaps()[-1].end_ns
        guard_ns = plan.wall_ns(ends_ns) - plan.wall_ns(ends_ns - GUARD_BEFORE_PAUSE_S * SECOND_NS)
        both_ns = sum(plan.wall_ns(w.end_ns) - plan.wall_ns(w.start_ns) for w in schedule.overlaps())
        assert abs(guard_ns - 2 * SECOND_NS) < SECOND_NS // 100
        assert abs(both_ns - 14 * SECOND_NS) < SECOND_NS // 100

    @given(st.integers(1, 100_000), st.integers(0, 100_000 * SECOND_NS))
    def test_the_phase_read_through_the_plan_is_the_timetables(
        self, rules: MarketRules, seconds: int, offset: int
    ) -> None:
        schedule = rules.timetable.day(DAY)
        plan = compressed_day(schedule, ANCHOR, seconds)
        for segment in schedule.segments(Venue.NXT):
            assert schedule.phase(Venue.NXT, plan.market_ns(plan.wall_ns(segment.start_ns))) is segment.phase
            assert (
                schedule.phase(Venue.NXT, plan.market_ns(plan.wall_ns(segment.end_ns) - 1)) is segment.phase
            )
        assert COMPRESSED_START_NS <= plan.market_ns(ANCHOR + offset) <= COMPRESSED_END_NS

    def test_a_day_without_trading_cannot_be_compressed(self, rules: MarketRules) -> None:
        with pytest.raises(ValueError, match="no window in which both venues trade"):
            compressed_day(rules.timetable.day(TradingDate("2026-11-22")), ANCHOR, 600)

    @pytest.mark.parametrize("seconds", [0, -1])
    def test_no_time_is_too_little(self, rules: MarketRules, seconds: int) -> None:
        with pytest.raises(ValueError, match="at least one second"):
            compressed_day(rules.timetable.day(DAY), ANCHOR, seconds)


class TestPlanFile:
    def test_written_and_read_back(self, rules: MarketRules, tmp_path: Path) -> None:
        plan = compressed_day(rules.timetable.day(DAY), ANCHOR, 120)
        path = tmp_path / "day.json"
        write_day_plan(path, real_day(DAY))
        write_day_plan(path, plan)
        assert read_day_plan(path) == plan
        assert [p.name for p in tmp_path.iterdir()] == ["day.json"]

    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            ("{", "Invalid JSON"),
            ("{}", "key trading_date: this key is missing"),
            (
                '{"trading_date":"2026-11-23","anchor_wall_ns":0,"breakpoints":[[0,5],[1,5]]}',
                "increase strictly",
            ),
            ('{"trading_date":"x","anchor_wall_ns":1.5,"breakpoints":[[0,5],[1,6]]}', "key anchor_wall_ns"),
        ],
    )
    def test_a_spoilt_file_is_refused(self, tmp_path: Path, text: str, complaint: str) -> None:
        path = tmp_path / "day.json"
        path.write_text(text)
        with pytest.raises(ConfigError, match=complaint) as caught:
            read_day_plan(path)
        assert all(problem.file == "day.json" for problem in caught.value.problems)
