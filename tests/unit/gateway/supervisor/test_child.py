"""The process that is supervised, real: the gateway may be the started process or what that one starts."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from services.gateway.pulse import STOP_FILE, PulseFile
from services.gateway.supervisor.child import RECORD, VENV_VARIABLE, Child, Sample
from services.gateway.supervisor.looks import Life

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs sh")
PLAIN = ("sleep", "60")
LAUNCHER = ("sh", "-c", 'sleep 60 & wait "$!"')
"""What `python.exe` of a Windows venv is: the real one is its child, and it waits."""


class Bench:
    """Children that are ended with the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.children: list[Child] = []

    def child(self, *command: str) -> Child:
        child = Child(command, self.folder / "state", self.folder / "out", self.folder / "log")
        self.children.append(child)
        return child

    def started(self, *command: str) -> tuple[Child, int, int]:
        """A child, the pid that was started, and that of the process that sleeps."""
        child = self.child(*command)
        child.start()
        started = child.sample().pid
        if command[0] == "sleep":
            return child, started, started
        sleeper = until(lambda: [pid for pid in child.sample().pids if name_of(pid) == "sleep"])[0]
        return child, started, sleeper


def name_of(pid: int) -> str:
    try:
        return str(psutil.Process(pid).name())
    except psutil.Error:
        return ""


def until(found: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if value := found():
            return value
        time.sleep(0.005)
    raise AssertionError("never")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    for child in bench.children:
        child.kill()


def test_the_started_process_is_the_gateway(bench: Bench) -> None:
    child, started, _ = bench.started(*PLAIN)
    assert child.sample(started).pid == started
    os.kill(started, signal.SIGTERM)
    assert until(lambda: (s := child.sample()).life is Life.ENDED and s) == Sample(
        Life.ENDED, started, -signal.SIGTERM
    )
    assert child.sample().life is Life.ABSENT


def test_a_descendant_that_beats_is_the_gateway(bench: Bench) -> None:
    child, started, sleeper = bench.started(*LAUNCHER)
    assert sleeper != started
    seen = child.sample(sleeper)
    assert (seen.life, seen.pid) == (Life.ALIVE, sleeper) and {started, sleeper} <= seen.pids


def test_a_stranger_that_beats_is_not(bench: Bench) -> None:
    child, started, _ = bench.started(*LAUNCHER)
    assert child.sample(os.getpid()).pid == started


def test_memory_is_that_of_both(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    child, started, sleeper = bench.started(*LAUNCHER)
    sizes = {started: 7, sleeper: 900}
    monkeypatch.setattr("services.gateway.supervisor.child._memory_mb", lambda process: sizes[process.pid])
    assert child.sample().memory_mb == 7
    assert child.sample(sleeper).memory_mb == 907


@pytest.mark.parametrize("command", [PLAIN, LAUNCHER])
def test_the_one_that_beats_is_asked_to_stop(
    bench: Bench, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    child, _, sleeper = bench.started(*command)
    child.ask_to_stop()
    file = PulseFile(bench.folder / "state")
    assert not file.told_to_stop, "this process is no descendant"
    monkeypatch.setattr(os, "getpid", lambda: sleeper)
    assert file.told_to_stop
    file.close()


@pytest.mark.parametrize("command", [PLAIN, LAUNCHER])
def test_a_kill_ends_all_of_it(bench: Bench, command: tuple[str, ...]) -> None:
    child, started, sleeper = bench.started(*command)
    child.sample(sleeper)
    child.kill()
    until(lambda: child.sample().life is not Life.ALIVE)
    assert not name_of(started) and until(lambda: name_of(sleeper) != "sleep")


def test_a_gateway_outlives_its_launcher_and_is_found_when_it_ends(bench: Bench) -> None:
    """Else a second one would be started beside it."""
    child, started, sleeper = bench.started(*LAUNCHER)
    child.sample(sleeper)
    os.kill(started, signal.SIGKILL)
    until(lambda: not name_of(started) or psutil.Process(started).status() == psutil.STATUS_ZOMBIE)
    assert child.sample(sleeper).life is Life.ALIVE
    child.ask_to_stop()
    assert str(sleeper) in (bench.folder / "state" / STOP_FILE).read_text().split()
    child.kill()
    ended = until(lambda: (s := child.sample()).life is not Life.ALIVE and s)
    assert (ended.life, ended.pid, ended.exit_code) == (Life.ENDED, sleeper, None)


@pytest.mark.parametrize("launcher_lives", [True, False])
def test_the_next_supervisor_finds_it(bench: Bench, launcher_lives: bool) -> None:
    first, started, sleeper = bench.started(*LAUNCHER)
    first.sample(sleeper)
    if not launcher_lives:
        os.kill(started, signal.SIGKILL)
        until(lambda: psutil.Process(started).status() == psutil.STATUS_ZOMBIE)
    seen = bench.child(*LAUNCHER).sample(sleeper)
    assert (seen.life, seen.pid) == (Life.ALIVE, sleeper)
    assert (started in seen.pids) is launcher_lives


def test_a_record_of_the_form_before_is_read(bench: Bench) -> None:
    _, started, _ = bench.started(*PLAIN)
    record = {"pid": started, "created": psutil.Process(started).create_time()}
    (bench.folder / "state" / RECORD).write_text(json.dumps(record))
    assert bench.child(*PLAIN).sample(started).pid == started
    record["created"] -= 100
    (bench.folder / "state" / RECORD).write_text(json.dumps(record))
    assert bench.child(*PLAIN).sample(started).life is Life.ABSENT


def test_the_gateway_is_not_told_of_the_supervisors_venv(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VENV_VARIABLE, "elsewhere")
    child = bench.child("sh", "-c", f'echo "[${VENV_VARIABLE}][$ARB_RUNTIME_LOG_FILE]"')
    child.start()
    until(lambda: child.sample().life is Life.ENDED)
    assert (bench.folder / "out").read_text().strip() == f"[][{bench.folder / 'log'}]"


def test_what_cannot_be_started_has_ended(bench: Bench) -> None:
    child = bench.child(str(bench.folder / "nothing"))
    child.start()
    assert (child.sample().life, child.sample().life) == (Life.ENDED, Life.ABSENT)
