"""Dates beyond the tables at the command line: one wording, a warning and no lock."""

import json
from fractions import Fraction
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from rich.console import Console
from typer.testing import CliRunner

from services.cli import date_checks
from services.cli.app import app
from services.cli.board import Board, seen
from services.cli.board_view import render
from services.cli.chaos_report import report_of as chaos_report_of
from services.cli.chaos_report import report_view as chaos_report_view
from services.cli.date_checks import findings_in, provisional_in, warnings_of
from services.cli.demo_view import report_view
from services.cli.doctor import examine
from services.cli.faults import UsageFault
from services.cli.launch import LaunchOptions, launch
from services.cli.preflight import checks_of, preflight
from services.cli.report import DayReport
from services.cli.surroundings import copy_configuration, day_at_any_hour, schedule_for
from services.cli.wording import sentence
from services.contracts.dated import DateSubject
from services.contracts.terms import GatewayMode, TradingDate
from services.market.dates import DAY_NS, SECOND_NS
from services.market.files import load_market
from services.market.market_clock import compressed_day
from services.runtime.stop_signals import StopFlag
from tests.unit.cli.builders import DATE, NOW_NS, closed, envelope, gateway_status
from tests.unit.cli.test_report import a_day, books, reported

CONFIG = Path(__file__).parents[3] / "config"
DATES = ("2026-12-29", "2027-01-04", "2028-01-03")
SUBJECTS = [subject.value for subject in DateSubject]


@pytest.fixture(autouse=True)
def _shipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARB_CONFIG_DIR", str(CONFIG))


def arb(*args: str) -> Result:
    return CliRunner().invoke(app, list(args), prog_name="arb")


def doctor(date: str) -> dict[str, dict[str, Any]]:
    """The checks of a date by name."""
    result = arb("doctor", "--date", date, "--json", "--redis", "redis://127.0.0.1:1")
    return {check["name"]: check for check in json.loads(result.stdout)["checks"]}


def text(view: Any) -> str:
    console = Console(width=240, record=True, file=StringIO())
    console.print(view)
    return console.export_text()


def a_report() -> DayReport:
    schedule = load_market(CONFIG).timetable.day(DATE)
    return reported(a_day(schedule), books(), schedule)


@pytest.mark.parametrize("date", DATES)
def test_the_doctor_speaks_of_all_four_subjects_and_warns_of_what_is_only_computed(date: str) -> None:
    checks = doctor(date)
    assert set(SUBJECTS) <= set(checks)
    assert all(checks[name]["ok"] and date in checks[name]["detail"] for name in SUBJECTS)
    assert checks["costs"]["warns"] and "provisional" in checks["costs"]["detail"]
    assert checks["costs"]["mend"]
    assert checks["calendar"]["warns"] is (date > "2026-12-31")


def test_the_doctor_of_a_live_machine_refuses_such_a_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARB_GATEWAY_MODE", "live")
    monkeypatch.setenv("ARB_GATEWAY_LIVE_ACCOUNT", "8012345611")
    for date in ("2026-12-28", *DATES):
        assert not doctor(date)["costs"]["ok"]
    assert "nobody has confirmed it" in doctor("2026-12-28")["costs"]["detail"]


def test_a_closed_date_is_called_closed_with_the_next_one() -> None:
    assert "closed, the next trading day is 2028-01-03" in doctor("2027-12-31")["calendar"]["detail"]


def test_the_doctor_names_an_enabled_fund_that_is_switched_off(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert "funds" not in doctor("2026-11-23"), "the shipped map has none"
    config = copy_configuration(CONFIG, tmp_path / "config")
    monkeypatch.setenv("ARB_CONFIG_DIR", str(config))
    with (config / "symbol_map.csv").open("a", encoding="utf-8") as file:
        file.write("069500,069500_NX,KODEX 200,ETF,g1,true\n102110,102110_NX,TIGER 200,ETF,g1,false\n")
    funds = doctor("2026-11-23")["funds"]
    assert funds["ok"] and funds["warns"], "shares are traded all the same"
    assert "069500 KODEX 200" in funds["detail"] and "102110" not in funds["detail"]
    assert "instruments.toml keeps funds on NXT switched off" in funds["detail"]


@pytest.mark.parametrize("date", ["tomorrow", "2020-01-02"])
def test_a_date_that_is_none_or_lies_before_the_tables_is_refused(date: str) -> None:
    result = arb("doctor", "--date", date, "--redis", "redis://127.0.0.1:1")
    assert result.exit_code == 2 and "--date" in result.stderr


@pytest.mark.parametrize("date", DATES)
def test_doctor_preflight_and_observe_use_the_same_words(date: str) -> None:
    found = findings_in(CONFIG, date)
    board = seen(Board(), envelope(gateway_status(trading_date=date, dates=found)))
    of_preflight = [check for check in preflight(board, NOW_NS) if check.name in SUBJECTS]
    of_doctor = [check for check in examine(CONFIG, "redis://127.0.0.1:1", Path("run"), date)
                 if check.name in SUBJECTS]  # fmt: skip
    assert of_preflight == of_doctor == list(checks_of(found, GatewayMode.SIMULATED))
    said = warnings_of(found)
    assert said and set(said) <= {f"{check.name}: {check.detail}" for check in of_preflight}


def test_preflight_refuses_a_live_gateway_whose_date_nobody_confirmed() -> None:
    found = findings_in(CONFIG, "2026-12-28")
    board = seen(Board(), envelope(gateway_status(mode=GatewayMode.LIVE, dates=found)))
    failed = {check.name for check in preflight(board, NOW_NS) if not check.ok}
    assert {"costs", "calendar"} <= failed and "order codes" not in failed


@pytest.mark.parametrize("date", DATES)
def test_every_figure_of_such_a_date_is_marked(date: str) -> None:
    found = findings_in(CONFIG, date)
    words = provisional_in(found)
    assert words
    report = a_report().model_copy(update={"provisional": words})
    assert report.is_clean and "Provisional: costs" in text(report_view(report))
    assert json.loads(report.model_dump_json())["provisional"] == list(words)
    assert "Provisional: costs" in text(chaos_report_view(chaos_report_of([], 1, "", words)))
    board = seen(Board(), envelope(gateway_status(trading_date=date, dates=found)))
    assert "PROVISIONAL" in text(render(board, NOW_NS))
    assert sentence(closed(provisional=True)).endswith("(provisional)")


def test_a_known_date_is_not_marked() -> None:
    found = findings_in(CONFIG, "2026-12-28")
    assert provisional_in(found) == () and warnings_of(found) == []
    assert "PROVISIONAL" not in text(render(seen(Board(), envelope(gateway_status(dates=found))), NOW_NS))
    assert "Provisional" not in text(report_view(a_report()))
    assert "provisional" not in sentence(closed())


@pytest.mark.parametrize("today", ["2026-11-30", "2026-12-24", "2026-12-28", "2027-12-31", "2031-02-02"])
def test_there_is_a_next_trading_day_on_every_date(today: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(date_checks, "today", lambda: TradingDate(today))
    monkeypatch.setattr("services.cli.surroundings.today", lambda: TradingDate(today))
    schedule = schedule_for("", CONFIG)
    assert schedule.trading_date > today
    assert compressed_day(schedule, NOW_NS, 90, Fraction(3, 5)).trading_date == schedule.trading_date
    assert len(findings_in(CONFIG)) == len(SUBJECTS)


@pytest.mark.parametrize(
    ("day", "at", "began"),
    [
        ("2026-12-29", "10:00", "10:00:00"),
        ("2027-01-04", "", "10:15:30"),
        ("2026-12-01", "", "09:15:30"),
        ("2028-01-03", "19:30", "19:30:00"),
    ],
)
def test_a_simulated_day_begins_now_at_the_hour_that_is_asked_for(day: str, at: str, began: str) -> None:
    plan = day_at_any_hour(day, at, CONFIG, NOW_NS)
    assert plan.trading_date == day
    assert f"{plan.market_time(NOW_NS):%H:%M:%S}" == began
    assert plan.market_ns(NOW_NS + 60 * SECOND_NS) - plan.market_ns(NOW_NS) == 60 * SECOND_NS
    assert plan.market_ns(NOW_NS + DAY_NS) == DAY_NS


@pytest.mark.parametrize(
    ("day", "at", "complaint"),
    [
        ("2026-12-25", "10:00", "--day: the venues do not trade together on 2026-12-25"),
        ("someday", "", "--day"),
        ("", "10 o'clock", "--at"),
        ("", "25:00", "--at"),
    ],
)
def test_a_day_or_an_hour_that_is_none_is_refused(day: str, at: str, complaint: str) -> None:
    with pytest.raises(UsageFault, match=complaint):
        day_at_any_hour(day, at, CONFIG, NOW_NS)


def test_a_day_at_any_hour_needs_the_simulated_gateway_and_no_other_plan(tmp_path: Path) -> None:
    for more in ({"gateway": False}, {"day_plan": tmp_path / "plan.json"}):
        with pytest.raises(UsageFault, match="--day and --at"):
            launch(LaunchOptions(tmp_path / "run", CONFIG, at="10:00", **more), print, StopFlag())
    assert not (tmp_path / "run").exists()
