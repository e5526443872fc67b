"""A whole simulated day through real processes: it must end flat, and true to the won."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from services.lab.journal_audit import audit
from services.notifier.journal_record import read_date

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code as it is now: services of one build, also if a file is saved in mid-day."""
    copy = tmp_path_factory.mktemp("code")
    for name in ("services", "config"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "slack.toml"))
    return copy


def start(code: Path, *args: str, **more: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": str(code), "ARB_CONFIG_DIR": str(code / "config"), **more}
    return subprocess.Popen(
        [sys.executable, "-m", "services.cli", "demo", "--plain", *args],
        cwd=code, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def run_demo(code: Path, tmp_path: Path, *args: str, **more: str) -> dict[str, Any]:
    """Run the command as a person would; fails with its output unless it ended with 0."""
    target = tmp_path / "day.json"
    demo = start(code, "--json", str(target), *args, **more)
    output, _ = demo.communicate(timeout=280)
    assert demo.returncode == 0, output[-8_000:]
    report: dict[str, Any] = json.loads(target.read_text())
    return report


def assert_true_and_flat(report: dict[str, Any]) -> None:
    assert report["errors"] == []
    assert report["net_position_shares"] == 0
    assert report["realised_pnl_krw"] == report["account_cash_change_krw"]
    assert report["pairs_closed"] == report["pairs_approved"] > 0
    assert report["fills"] > 0
    assert report["max_orders_in_any_second"] <= 5
    assert report["max_queries_in_any_second"] <= 5


def test_a_day_ends_flat_and_the_money_agrees(frozen: Path, tmp_path: Path) -> None:
    report = run_demo(frozen, tmp_path, "--seconds", "45")
    assert_true_and_flat(report)
    assert report["phases_missed"] == []
    assert {"KRX:continuous", "NXT:pre_market", "NXT:after_market"} <= set(report["phases_seen"])
    assert report["quotes"] > report["intents"] > 0


def test_a_killed_executor_changes_nothing_about_that(frozen: Path, tmp_path: Path) -> None:
    report = run_demo(
        frozen, tmp_path, "--seconds", "45", "--kill", "executor", "--keep", TMPDIR=str(tmp_path)
    )
    assert report["killed"] == "executor"
    assert_true_and_flat(report)
    (journal,) = tmp_path.glob("arb-demo-*/journal")
    record = audit(read_date(journal, report["trading_date"]))
    assert record.findings == (), "every order of the day is explained by its record"
    assert len(record.orders) >= report["orders_sent"] > 0 and all(row.end for row in record.orders)


def test_ctrl_c_leaves_nothing_running(frozen: Path, tmp_path: Path) -> None:
    demo = start(frozen, TMPDIR=str(tmp_path))
    assert demo.stdout is not None
    for line in demo.stdout:
        if "started" in line:
            break
    (record,) = tmp_path.glob("arb-demo-*/stack.json")
    pids = [process["pid"] for process in json.loads(record.read_text())["processes"]]
    demo.send_signal(signal.SIGINT)
    demo.stdout.read()
    assert demo.wait(60) == 130
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < deadline, "a process outlived the demo"
        time.sleep(0.05)
