"""A real simulator process in an hour of continuous trading, for tests of the socket and the control."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from services.market.files import write_day_plan
from services.market.market_clock import DayPlan
from services.simulator.admin import Admin

from .harness import CONFIG, DATE

REPO = CONFIG.parent
DAY_NS = 24 * 3600 * 10**9
QUIET_OPTIONS: dict[str, Any] = {
    "world": {"crosses_per_symbol_min": 0.0, "drift_rate": 0.0, "lag_rate": 0.0, "wide_rate": 0.0},
}


@dataclass
class Simulator:
    """A running process; `address` is where it listens, `truth_file` what it leaves behind."""

    process: "subprocess.Popen[str]"
    address: str
    truth_file: Path

    def admin(self) -> Admin:
        return Admin(self.address)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(20)


def wait_for(what: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Poll until `what` gives something true; fails the test after the deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := what():
            return value
        time.sleep(0.01)
    raise AssertionError("nothing came before the deadline")


def start_simulator(folder: Path, listen: str = "", options: dict[str, Any] | None = None) -> Simulator:
    plan = folder / "day.json"
    anchor = time.time_ns() - 11 * 3600 * 10**9
    write_day_plan(
        plan, DayPlan(trading_date=DATE, anchor_wall_ns=anchor, breakpoints=((0, 0), (DAY_NS, DAY_NS)))
    )
    chosen = folder / "options.json"
    chosen.write_text(json.dumps(QUIET_OPTIONS if options is None else options), encoding="utf-8")
    truth = folder / "truth.json"
    command = [sys.executable, "-m", "services.simulator", "--listen", listen or f"unix:{folder}/sim.sock"]
    command += ["--config-dir", str(CONFIG), "--seed", "5", "--day-plan", str(plan)]
    command += ["--options", str(chosen), "--truth", str(truth)]
    process = subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = json.loads(process.stdout.readline())["listening"]
    return Simulator(process, address, truth)


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    running = start_simulator(tmp_path)
    yield running
    running.stop()


@pytest.fixture
def qt(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A Qt application without a screen, and nothing else of Qt than its core."""
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    core = pytest.importorskip("PyQt5.QtCore")
    return core.QCoreApplication.instance() or core.QCoreApplication([])


def run_program(source: str, folder: Path, address: str) -> "subprocess.CompletedProcess[str]":
    """Run a Windows program's source under the host, from `folder`."""
    (folder / "desk_program.py").write_text(source, encoding="utf-8")
    environment = os.environ | {
        "ARB_SIMULATOR": address,
        "PYTHONPATH": f"{REPO}{os.pathsep}{folder}",
        "QT_QPA_PLATFORM": "offscreen",
        "PYTHONIOENCODING": "utf-8",
    }
    command = [sys.executable, "-m", "services.simulator.host", "desk_program"]
    return subprocess.run(
        command, cwd=folder, env=environment, text=True, capture_output=True, timeout=60, check=False
    )
