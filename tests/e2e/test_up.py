"""`arb up` as a person uses it: up, one service killed, shown, logged, down."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.supervised import ROOT, until

pytestmark = [pytest.mark.slow, pytest.mark.redis, pytest.mark.timeout(180)]


class Desk:
    """A run folder, and the command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def arb(self, *args: str) -> "subprocess.CompletedProcess[str]":
        env = {**os.environ, "PYTHONPATH": str(ROOT), "ARB_CONFIG_DIR": str(self.folder / "config")}
        return subprocess.run(
            [sys.executable, "-m", "services.cli", *args, "--run", str(self.folder / "run")],
            env=env, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def process(self, name: str) -> dict[str, Any]:
        found = json.loads(self.arb("status", "--json").stdout)["processes"]
        return next(process for process in found if process["name"] == name)


def is_running(pid: int) -> bool:
    """One that ended and that nobody has collected yet does not run."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with tempfile.TemporaryDirectory(prefix="up") as name:
        desk = Desk(Path(name))
        shutil.copytree(ROOT / "config", desk.folder / "config")
        try:
            started = desk.arb("up")
            assert started.returncode == 0, started.stdout + started.stderr
            yield desk
        finally:
            desk.arb("down", "--wait", "0", "--anyway", "--reason", "the test is over")


def test_a_killed_service_is_there_again_within_seconds_and_status_says_so(desk: Desk) -> None:
    time_up = 8
    until("it has been up for a while", lambda: desk.process("risk")["up_s"] > time_up)
    before = desk.process("risk")["pid"]
    os.kill(before, signal.SIGKILL)
    began = time.monotonic()
    until("another one runs", lambda: desk.process("risk")["pid"] not in (0, before))
    assert time.monotonic() - began < 20
    assert until("status says so", lambda: "risk was started again" in desk.arb("status").stdout)


def test_a_second_executor_for_some_seconds_leaves_the_desk_with_one(desk: Desk) -> None:
    before = desk.process("executor")["pid"]
    env = {
        **os.environ, "PYTHONPATH": str(ROOT), "ARB_CONFIG_DIR": str(ROOT / "config"),
        "ARB_RUNTIME_SYSTEM_MODE": "simulated",
        "ARB_RUNTIME_REDIS_URL": f"unix://{(desk.folder / 'run' / 'redis' / 'redis.sock').resolve()}",
    }  # fmt: skip
    second = subprocess.Popen([sys.executable, "-m", "services.executor"], env=env, cwd=desk.folder)
    try:
        until("it says so", lambda: "A second executor has taken over" in desk.arb("status").stdout)
        assert desk.process("executor")["pid"] == before, "the first waits"
    finally:
        second.send_signal(signal.SIGINT)
        assert second.wait(20) == 0
    until("the first was started again", lambda: desk.process("executor")["pid"] not in (0, before))
    until("it says so, too", lambda: "waits no longer" in desk.arb("status").stdout)
    assert "executor is down" not in desk.arb("status").stdout


def test_logs_of_all_processes_come_as_one(desk: Desk) -> None:
    rows = [json.loads(row) for row in desk.arb("logs", "--json", "-n", "500").stdout.splitlines()]
    assert {"risk", "executor", "gateway", "notifier"} <= {row["service"] for row in rows}
    assert [row["ts"] for row in rows] == sorted(row["ts"] for row in rows)


def test_a_service_whose_settings_cannot_be_used_is_given_up_and_its_log_says_why(desk: Desk) -> None:
    file = desk.folder / "config" / "notifier.toml"
    shipped = file.read_text(encoding="utf-8")
    file.write_text(shipped + "\nno_such_key = 1\n", encoding="utf-8")
    os.kill(desk.process("notifier")["pid"], signal.SIGKILL)
    until("it is given up", lambda: "notifier is down" in desk.arb("status").stdout)
    assert "its settings cannot be used" in desk.arb("status").stdout
    assert "no_such_key" in desk.arb("logs", "notifier", "-n", "30").stdout
    file.write_text(shipped, encoding="utf-8")


def test_down_leaves_nothing_running(desk: Desk) -> None:
    pids = [process["pid"] for process in json.loads(desk.arb("status", "--json").stdout)["processes"]]
    assert len(pids) > 5
    stopped = desk.arb("down")
    assert stopped.returncode == 0, stopped.stdout
    assert "nothing is open" in stopped.stdout and "Everything is stopped" in stopped.stdout
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
    assert "Nothing runs" in desk.arb("down").stdout


def test_without_its_manager_the_rest_is_named_refused_a_twin_and_stopped(desk: Desk) -> None:
    started = desk.arb("up")
    assert started.returncode == 0, started.stdout + started.stderr
    known = json.loads(desk.arb("status", "--json").stdout)
    assert known["unwatched"] == []
    pids = [process["pid"] for process in known["processes"]]
    os.kill(int((desk.folder / "run" / "supervisord.pid").read_text()), signal.SIGKILL)
    until("it is seen", lambda: "supervisord is gone" in desk.arb("status").stdout)
    seen = json.loads(desk.arb("status", "--json").stdout)
    assert {"gateway", "risk", "executor", "notifier", "simulator"} <= set(seen["unwatched"])
    again = desk.arb("up")
    assert again.returncode == 2
    assert "gateway" in again.stderr and "without supervisord" in again.stderr and "arb down" in again.stderr
    halted = desk.arb("halt", "--reason", "its manager is gone")
    assert halted.returncode == 0, halted.stdout + halted.stderr
    stopped = desk.arb("down")
    assert "Everything is stopped" in stopped.stdout
    assert not [pid for pid in pids if is_running(pid)]
    assert "Nothing runs" in desk.arb("down").stdout
