"""What a simulated day is run in: its date, a copy of the configuration, and nothing of a real system."""

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from services.cli.faults import UsageFault
from services.contracts.terms import TradingDate
from services.market.dates import KST, to_trading_date
from services.market.files import load_market
from services.market.sessions import DaySchedule

SECRETS_FILE: Final = "slack.toml"


def schedule_for(date: str, config_dir: Path) -> DaySchedule:
    """Return the timetable of a date as a person wrote it; empty is the next trading day.

    Raises:
        UsageFault: not a date, or one on which the venues do not trade together.
    """
    timetable = load_market(config_dir).timetable
    if not date:
        today = to_trading_date(datetime.now(UTC).astimezone(KST).date())
        return timetable.day(timetable.next_trading_day(today))
    try:
        schedule = timetable.day(TradingDate(date))
    except ValueError as error:
        raise UsageFault(f"--date: {error}", "Write a date as YYYY-MM-DD.") from error
    if not schedule.overlaps():
        raise UsageFault(f"--date: the venues do not trade together on {date}", "Choose a trading day.")
    return schedule


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
