"""What a simulated day is run in: its date, a copy of the configuration, and nothing of a real system."""

import datetime as dt
import os
import shutil
from pathlib import Path
from typing import Final

from services.cli.date_checks import next_to_trade, today
from services.cli.faults import UsageFault
from services.contracts.terms import TradingDate
from services.market.dates import SECOND_NS, time_of_day_ns
from services.market.errors import NotCovered
from services.market.files import load_market
from services.market.market_clock import DayPlan, day_from
from services.market.sessions import DaySchedule

SECRETS_FILE: Final = "slack.toml"
AFTER_OPEN_NS: Final = 15 * 60 * SECOND_NS
"""By then the broker's registrations may change again, and both venues trade."""


def schedule_for(date: str, config_dir: Path, option: str = "--date") -> DaySchedule:
    """Return the timetable of a date as a person wrote it; empty is the next trading day.

    Raises:
        UsageFault: not a date, or one on which the venues do not trade together.
    """
    timetable = load_market(config_dir).timetable
    if not date:
        return timetable.day(timetable.next_trading_day(today()))
    try:
        schedule = timetable.day(TradingDate(date))
    except (ValueError, NotCovered) as error:
        raise UsageFault(f"{option}: {error}", "Write a date as YYYY-MM-DD that the tables reach.") from error
    if not schedule.overlaps():
        raise UsageFault(f"{option}: the venues do not trade together on {date}", "Choose a trading day.")
    return schedule


def day_at_any_hour(date: str, at: str, config_dir: Path, now_ns: int) -> DayPlan:
    """Return the plan of a simulated day that begins now, at its own pace.

    `date` empty is today or the next trading day, `at` empty a quarter of an hour after both venues opened.

    Raises:
        UsageFault: not a date or a time, or one on which the venues do not trade together.
    """
    rules = load_market(config_dir)
    schedule = schedule_for(date or next_to_trade(rules), config_dir, "--day")
    if not at:
        return day_from(schedule.trading_date, schedule.overlaps()[0].start_ns + AFTER_OPEN_NS, now_ns)
    try:
        return day_from(schedule.trading_date, time_of_day_ns(dt.time.fromisoformat(at)), now_ns)
    except ValueError as error:
        raise UsageFault(f"--at: {error}", "Write a time of day as HH:MM.") from error


def copy_configuration(source: Path, target: Path) -> Path:
    """Copy what the day is run with, so that an edit in mid-day changes nothing; secrets stay behind."""
    target.mkdir()
    for path in sorted(source.iterdir()):
        if path.suffix in (".toml", ".csv") and path.name != SECRETS_FILE:
            shutil.copy(path, target / path.name)
    return target


def clean_environment() -> dict[str, str]:
    """The environment without settings of a real system: a demo reaches no account and no Slack.

    The children run the code that starts them, wherever they run: another checkout that is installed
    would mix builds.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith(("ARB_", "SLACK_"))}
    return {**own, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
