"""Processes are started, seen to die, killed, started again, and stopped last first."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.cli.doctor import examine
from services.cli.faults import Fault, UsageFault
from services.cli.launch import LaunchOptions, end, launch
from services.cli.processes import run_folders, running_in
from services.cli.stack import Program, Stack
from services.cli.stack_file import STACK_FILE, read_stack_file
from services.runtime.redis_server import NoRedis, find_redis
from services.runtime.stop_signals import StopFlag

REPO = Path(__file__).parents[3]
CONFIG = REPO / "config"

WAITS = "import sys,time; print('up', flush=True); time.sleep(60)"
TELLS_WHEN_STOPPED = """
import os, signal, sys, time
def stop(*_):
    open(sys.argv[1], 'a').write(sys.argv[2])
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
print('up', flush=True)
time.sleep(60)
"""


def program(name: str, code: str = WAITS, *args: str) -> Program:
    return Program(name, (sys.executable, "-S", "-c", code, *args))


def until(done: Callable[[], bool], timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    made = Stack(tmp_path, "unix:///nowhere")
    yield made
    made.stop_all()


def has_said(stack: Stack, name: str, words: str = "up") -> bool:
    return any(words in line for line in stack.last_lines(name))


def test_a_process_that_dies_is_named_with_its_code_and_last_words(stack: Stack) -> None:
    stack.start(program("well"))
    stack.start(program("ill", "import sys; print('cannot go on'); sys.exit(7)"))
    until(lambda: bool(stack.deaths()))
    (death,) = stack.deaths()
    assert (death.name, death.exit_code) == ("ill", 7)
    assert death.last_lines[-1] == "cannot go on"


def test_a_killed_process_says_which_signal(stack: Stack) -> None:
    stack.start(program("one"))
    stack.kill("one")
    assert "SIGKILL" in str(stack.deaths()[0])


def test_a_killed_process_can_be_started_again(stack: Stack) -> None:
    stack.start(program("one"))
    first = stack.processes["one"].record.pid
    stack.kill("one")
    stack.restart("one")
    assert not stack.deaths()
    assert stack.processes["one"].record.pid != first


def test_a_kill_takes_what_the_process_started_with_it(stack: Stack, tmp_path: Path) -> None:
    """A worker's own scheduler would else live on, and hold what its successor needs."""
    child = tmp_path / "child"
    code = (
        "import subprocess,sys,time;"
        "c=subprocess.Popen([sys.executable,'-S','-c','import time; time.sleep(60)']);"
        f"open({str(child)!r},'w').write(str(c.pid)); time.sleep(60)"
    )
    stack.start(program("parent", code))
    until(lambda: child.exists() and child.read_text().isdigit())
    stack.kill("parent")
    until(lambda: not Path(f"/proc/{child.read_text()}").exists() or _is_dead(int(child.read_text())))


def _is_dead(pid: int) -> bool:
    """Nobody may be there to collect it: then it stays as a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_the_last_started_is_stopped_first(stack: Stack, tmp_path: Path) -> None:
    told = tmp_path / "told"
    for name in ("a", "b", "c"):
        stack.start(program(name, TELLS_WHEN_STOPPED, str(told), name))
    until(lambda: all(has_said(stack, name) for name in ("a", "b", "c")))
    assert stack.stop_all() == []
    assert told.read_text() == "cba"
    assert not (tmp_path / STACK_FILE).exists()


def test_a_process_that_ends_badly_when_stopped_is_named(stack: Stack) -> None:
    code = TELLS_WHEN_STOPPED.replace("sys.exit(0)", "sys.exit(3)")
    stack.start(program("ill", code, "/dev/null", ""))
    stack.start(program("well"))
    until(lambda: has_said(stack, "ill") and has_said(stack, "well"))
    assert stack.stop_all() == ["ill ended with exit code 3 when it was stopped"]


def test_another_command_finds_and_stops_what_runs(stack: Stack, tmp_path: Path) -> None:
    stack.start(program("one"))
    found = Stack.attach(tmp_path)
    assert found is not None
    assert found.redis_url == "unix:///nowhere"
    assert found.processes["one"].alive
    found.stop_all()
    assert not stack.processes["one"].alive
    assert Stack.attach(tmp_path) is None


def test_a_reused_pid_is_not_taken_for_ours(stack: Stack, tmp_path: Path) -> None:
    stack.start(program("one"))
    with subprocess.Popen([sys.executable, "-S", "-c", WAITS], stdout=subprocess.DEVNULL) as foreign:
        path = tmp_path / STACK_FILE
        record = json.loads(path.read_text())
        record["processes"].append({"name": "two", "pid": foreign.pid, "born": "1"})
        path.write_text(json.dumps(record))
        found = Stack.attach(tmp_path)
        assert found is not None
        assert found.alive == ["one"]
        found.stop_all()
        assert foreign.poll() is None
        foreign.kill()


MANAGES = """
import os, subprocess, sys, time
logs = os.path.dirname(os.environ['ARB_RUNTIME_LOG_FILE'])
for name in ('first', 'second'):
    env = {**os.environ, 'ARB_RUNTIME_LOG_FILE': f'{logs}/{name}.log'}
    subprocess.Popen([sys.executable, '-S', '-c', sys.argv[1], sys.argv[2], name], env=env,
                     start_new_session=True)
    time.sleep(0.1)
time.sleep(60)
"""


def test_what_a_killed_manager_left_behind_is_found_and_stopped_last_first(
    stack: Stack, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    stack.start(program("manager", MANAGES, TELLS_WHEN_STOPPED, str(told)))
    until(lambda: stack.last_lines("manager").count("up") == 2)
    watched = Stack.attach(tmp_path)
    assert watched is not None and watched.alive == ["manager"]
    os.kill(stack.processes["manager"].record.pid, signal.SIGKILL)
    until(lambda: not stack.processes["manager"].alive)
    left = Stack.attach(tmp_path)
    assert left is not None and left.alive == ["first", "second"]
    assert left.redis_url == "unix:///nowhere"
    left.stop_all()
    assert told.read_text() == "secondfirst"
    assert Stack.attach(tmp_path) is None


def test_what_runs_without_any_record_is_found(stack: Stack, tmp_path: Path) -> None:
    stack.start(program("one"))
    (tmp_path / STACK_FILE).unlink()
    left = Stack.attach(tmp_path)
    assert left is not None and left.alive == ["one"]


def test_processes_get_their_redis_and_a_log_file_of_their_own(stack: Stack) -> None:
    names = ("ARB_RUNTIME_REDIS_URL", "ARB_RUNTIME_LOG_FILE")
    code = f"import os; print(*(os.environ[name] for name in {names}), flush=True)"
    stack.start(program("one", code))
    until(lambda: has_said(stack, "one", "logs/one.log"))
    assert has_said(stack, "one", "unix:///nowhere")


def test_the_record_is_for_its_owner_alone(stack: Stack, tmp_path: Path) -> None:
    stack.start(program("one"))
    assert (tmp_path / STACK_FILE).stat().st_mode & 0o077 == 0


def test_a_record_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / STACK_FILE).write_text('{"processes": "none"}')
    with pytest.raises(UsageFault, match=r"stack\.json"):
        read_stack_file(tmp_path)


def test_what_cannot_be_run_is_a_usage_fault(stack: Stack) -> None:
    with pytest.raises(UsageFault, match="cannot be started"):
        stack.start(Program("none", ("/nowhere/at/all",)))


STARTS_AGAIN = """
import subprocess, sys, time
logs, end = sys.argv[2], time.monotonic() + 60
while time.monotonic() < end:
    env = {'ARB_RUNTIME_LOG_FILE': f'{logs}/risk.log'}
    subprocess.run([sys.executable, '-S', '-c', sys.argv[1]], env=env)
"""


def test_a_manager_that_was_started_by_hand_is_stopped_with_what_it_starts(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    conf = tmp_path / "supervisord.conf"
    by_hand = subprocess.Popen(
        [sys.executable, "-S", "-c", STARTS_AGAIN, WAITS, str(logs), "supervisord", "-c", str(conf)],
        stdout=subprocess.DEVNULL,
    )
    try:
        until(lambda: len(running_in(tmp_path)) == 2)
        stack = Stack.attach(tmp_path)
        assert stack is not None and stack.alive == ["supervisord"]
        threading.Thread(target=by_hand.wait).start()
        assert end(stack) == []
        assert running_in(tmp_path) == []
    finally:
        by_hand.kill()


def test_what_cannot_be_stopped_is_named_and_not_called_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.cli.stack.Process.send", lambda process, number: None)
    monkeypatch.setattr("services.cli.stack.Process.kill", lambda process: None)
    monkeypatch.setattr("services.cli.stack.STOP_TIMEOUT_S", 0.01)
    monkeypatch.setattr("services.cli.launch.STOP_TIMEOUT_S", 0.01)
    stack = Stack(tmp_path, "unix:///nowhere")
    stack.start(program("one"))
    process = stack.processes["one"]
    try:
        with pytest.raises(Fault, match=rf"still runs: one \({process.record.pid}\)"):
            end(stack)
    finally:
        os.kill(process.record.pid, signal.SIGKILL)
        process.wait(10)


@pytest.mark.redis
def test_a_redis_without_record_and_folder_is_found_by_its_socket() -> None:
    with tempfile.TemporaryDirectory(prefix="arb") as name:
        folder = Path(name) / "run"
        server = find_redis("", folder / "redis")
        assert server.process is not None
        try:
            shutil.rmtree(folder)
            assert folder in run_folders()
            left = Stack.attach(folder)
            assert left is not None and left.alive == ["redis"]
            threading.Thread(target=server.process.wait).start()
            assert end(left) == [] and running_in(folder) == []
        finally:
            server.stop()


@pytest.mark.redis
@pytest.mark.parametrize("stands_still", [False, True])
def test_a_redis_that_was_left_over_is_found_and_gets_no_twin(stands_still: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="arb") as name:
        run = Path(name) / "run"
        server = find_redis("", run / "redis")
        assert server.process is not None
        try:
            if stands_still:
                server.process.send_signal(signal.SIGSTOP)
            with pytest.raises(NoRedis, match="still runs"):
                find_redis("", run / "redis")
            checks = {check.name: check for check in examine(CONFIG, "redis://127.0.0.1:1", run)}
            assert not checks["run folder"].ok and "redis" in checks["run folder"].detail
            with pytest.raises(UsageFault, match="already: redis"):
                launch(LaunchOptions(run, CONFIG), print, StopFlag())
        finally:
            server.process.send_signal(signal.SIGCONT)
            server.stop()


def test_what_has_no_record_is_asked_for_its_redis(stack: Stack, tmp_path: Path) -> None:
    stack.start(program("one"))
    (tmp_path / STACK_FILE).unlink()
    left = Stack.attach(tmp_path)
    assert left is not None and left.redis_url == "unix:///nowhere"


TIED = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from services.cli.stack import Program, Stack
stack = Stack(Path(sys.argv[2]), 'unix:///nowhere', tied=True)
stack.start(Program('one', (sys.executable, '-S', '-c', 'import time; time.sleep(60)')))
print('started', flush=True)
sys.stdin.read()
"""


def test_what_is_tied_ends_with_a_command_that_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", TIED, str(REPO), str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as command:  # fmt: skip
        assert command.stdout is not None and command.stdout.readline() == "started\n"
        assert [words.split()[0] for words in running_in(tmp_path)] == ["one"]
        command.kill()
    until(lambda: running_in(tmp_path) == [])
