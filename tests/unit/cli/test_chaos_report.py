"""Days added up, and shown."""

from typing import Any

from rich.console import Console

from services.cli.chaos_command import day_lines
from services.cli.chaos_judge import DayVerdict
from services.cli.chaos_report import ChaosDayReport, report_of, report_view
from services.simulator.promptness import Spread


def day(number: int, faults: dict[str, int], **changes: Any) -> ChaosDayReport:
    values: dict[str, Any] = {
        "pairs_closed": 2, "trips": 1, "doubled_orders": 0, "lost_fills": 0, "net_position_shares": 0,
        "realised_pnl_krw": 140, "account_cash_change_krw": 140, "stranded": (), "strandings": 0,
        "neutral_ms": (100,), "uncovered_krw_ms": 1_500, "orders_unknown": 1, "max_orders_in_any_second": 3,
        "max_queries_in_any_second": 2, "latches": {"unplanned_disconnect": 1}, "violations": (),
    }  # fmt: skip
    verdict = DayVerdict(**{**values, **changes})
    return ChaosDayReport(
        day=number, faults=faults, kills_with_open_pair=1, fenced=1, entries_lost=2, to_rest_s=3 * number,
        account_compared=number == 1, verdict=verdict,
    )  # fmt: skip


DAYS = (
    day(
        1,
        {"kill:redis": 2, "kill:risk": 1, "pause:gateway": 1},
        neutral_ms=(100, 900),
        entries_denied_late=1,
        first_sell_waits_ms=(0,),
    ),
    day(
        2,
        {"kill:risk": 1},
        neutral_ms=(200,),
        max_orders_in_any_second=5,
        uncovered_krw_ms=500,
        first_sell_waits_ms=(0, 40),
        entries_denied_late=2,
    ),
)


def test_kills_are_counted_by_target_and_other_faults_apart() -> None:
    report = report_of(DAYS, 7, "")
    assert (report.kills, report.kills_by_target) == (4, {"redis": 2, "risk": 2})
    assert report.faults == {"kill:redis": 2, "kill:risk": 2, "pause:gateway": 1}
    assert (report.days, report.seed, report.fenced, report.entries_lost) == (2, 7, 2, 4)
    assert report.kills_with_open_pair == 2


def test_what_a_day_was_let_off_is_told() -> None:
    report = report_of(DAYS, 7, "")
    assert (report.to_rest_s_max, report.days_not_compared) == (6, 1)


def test_money_pairs_and_rates_are_those_of_all_days() -> None:
    report = report_of(DAYS, 7, "")
    assert (report.pairs_closed, report.trips, report.orders_unknown) == (4, 2, 2)
    assert report.realised_pnl_krw == report.account_cash_change_krw == 280
    assert (report.neutral_ms_p50, report.neutral_ms_max, report.unhedged_krw_s) == (200, 900, 2)
    assert report.max_orders_in_any_second == 5
    assert report.first_sell_wait_ms == Spread(p50=0, p95=40, max=40)
    assert report.entries_denied_late == 3
    assert report.latches == {"unplanned_disconnect": 2}


def test_a_violation_names_its_day_and_spoils_the_report() -> None:
    report = report_of((*DAYS, day(3, {}, violations=("pair P1 is still open",))), 7, "/tmp/x")
    assert report.violations == ("day 3: pair P1 is still open",)
    assert not report.is_clean
    assert report_of(DAYS, 7, "").is_clean


def test_no_trip_at_all_has_no_time_to_neutral() -> None:
    report = report_of((day(1, {}, neutral_ms=()),), 7, "")
    assert (report.neutral_ms_p50, report.neutral_ms_max) == (0, 0)


def test_the_view_says_the_verdict_and_where_the_evidence_is() -> None:
    console = Console(width=200)
    with console.capture() as clean:
        console.print(report_view(report_of(DAYS, 7, "")))
    with console.capture() as spoilt:
        console.print(report_view(report_of((day(1, {}, violations=("lost",)),), 7, "/tmp/x")))
    assert "agrees to the won" in clean.get()
    assert "day 1: lost" in spoilt.get() and "/tmp/x" in spoilt.get()


def test_a_day_is_told_in_a_line_and_a_line_for_each_violation() -> None:
    (line,) = day_lines(DAYS[0])
    assert "4 faults" in line and line.endswith("clean")
    assert day_lines(day(2, {}, violations=("a", "b")))[1:] == ("  a", "  b")


def test_a_drill_on_which_nothing_was_traded_is_not_clean() -> None:
    idle = day(1, {"kill:risk": 1}, pairs_closed=0, trips=0)
    assert report_of((idle,), 7, "").violations == ("no pair was traded on any day",)
    assert report_of((idle, day(2, {})), 7, "").is_clean
