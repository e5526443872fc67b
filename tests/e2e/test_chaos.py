"""The drill through real processes: killed, paused and cut off, the day still comes out right."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.redis, pytest.mark.timeout(420)]
ROOT = Path(__file__).parents[2]
ARB = (sys.executable, "-m", "services.cli")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report of a short drill, which must have ended with 0."""
    target = tmp_path_factory.mktemp("chaos") / "chaos.json"
    done = subprocess.run(
        [*ARB, "chaos", "--plain", "--kills", "8", "--seed", "7", "--json", str(target)],
        cwd=ROOT, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-3_000:]
    found: dict[str, Any] = json.loads(target.read_text())
    return found


def test_nothing_is_lost_doubled_or_held(report: dict[str, Any]) -> None:
    assert report["violations"] == []
    assert (report["doubled_orders"], report["lost_fills"], report["net_position_shares"]) == (0, 0, 0)
    assert report["realised_pnl_krw"] == report["account_cash_change_krw"]
    assert report["max_orders_in_any_second"] <= 5


def test_the_drill_truly_killed_and_truly_traded(report: dict[str, Any]) -> None:
    assert report["kills"] == sum(report["kills_by_target"].values()) == 8
    assert report["pairs_closed"] > 0
    assert report["trips"] > 0


def test_an_unwritable_report_is_refused_before_anything_is_killed(tmp_path: Path) -> None:
    done = subprocess.run(
        [*ARB, "chaos", "--json", str(tmp_path / "none" / "chaos.json")],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "there is no folder" in done.stderr
