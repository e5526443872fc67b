"""A date whose rules are not published yet, with real processes: demo and observe go on, and say so.

The date is given to the commands, never to the clock of the machine.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.supervised import ROOT, until

pytestmark = [pytest.mark.slow, pytest.mark.redis, pytest.mark.timeout(240)]
DATES = ("2026-12-29", "2027-01-04", "2028-01-03")
SUBJECTS = {"costs", "calendar", "order codes", "eligibility"}


class Desk:
    """A run folder, and the command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def arb(self, *args: str) -> "subprocess.CompletedProcess[str]":
        env = {**os.environ, "PYTHONPATH": str(ROOT), "ARB_CONFIG_DIR": str(ROOT / "config")}
        return subprocess.run(
            [sys.executable, "-m", "services.cli", *args],
            env=env, cwd=self.folder, capture_output=True, text=True, timeout=200, check=False,
        )  # fmt: skip

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.arb("status", "--json").stdout)
        return found


@pytest.fixture
def desk() -> Iterator[Desk]:
    with tempfile.TemporaryDirectory(prefix="d") as name:
        desk = Desk(Path(name))
        yield desk
        desk.arb("down", "--wait", "0")


@pytest.mark.parametrize("date", DATES)
def test_a_demo_of_a_provisional_date_is_clean_and_marks_its_figures(desk: Desk, date: str) -> None:
    done = desk.arb("demo", "--plain", "--seconds", "45", "--date", date, "--json", "day.json")
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-4_000:]
    report = json.loads((desk.folder / "day.json").read_text())
    assert (report["trading_date"], report["errors"]) == (date, [])
    assert report["quotes"] > 0 and report["intents"] > 0
    assert any(date in words and "provisional" in words for words in report["provisional"])
    assert "Provisional: costs" in done.stdout


@pytest.mark.parametrize("date", DATES)
def test_observing_a_provisional_date_registers_symbols_and_stores_quotes(desk: Desk, date: str) -> None:
    doctor = json.loads(desk.arb("doctor", "--date", date, "--json").stdout)["checks"]
    of_doctor = {check["name"]: check for check in doctor if check["name"] in SUBJECTS}
    assert "provisional" in of_doctor["costs"]["detail"]
    started = desk.arb("up", "--mode", "observe", "--day", date, "--at", "11:00")
    assert started.returncode == 0, started.stdout + started.stderr
    assert "provisional" in started.stdout
    until("quotes are stored", lambda: (desk.status()["gateway"] or {}).get("quotes_published", 0) > 100)
    status = desk.status()
    assert status["gateway"]["trading_date"] == date and status["gateway"]["subscribed"] > 0
    assert status["gateway"]["market_time"].startswith("11:0")
    assert status["risk"]["provisional"] is True
    assert "PROVISIONAL" in desk.arb("status").stdout
    preflight = json.loads(desk.arb("preflight", "--json").stdout)["checks"]
    of_preflight = {check["name"]: check for check in preflight if check["name"] in SUBJECTS}
    assert set(of_preflight) == SUBJECTS
    for subject in SUBJECTS - {"eligibility"}:
        assert of_preflight[subject] == of_doctor[subject]


def test_a_day_at_any_hour_leaves_nothing_that_a_later_one_stumbles_over(desk: Desk) -> None:
    for date in ("2028-01-03", "2026-12-01"):
        started = desk.arb("up", "--day", date)
        assert started.returncode == 0, started.stdout + started.stderr
        until("the gateway says the date", lambda date=date: desk.status()["gateway"]["trading_date"] == date)
        until("it could be armed", lambda: desk.arb("preflight").returncode == 0)
        assert desk.arb("down", "--wait", "0").returncode == 0
