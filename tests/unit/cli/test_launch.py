"""What a demo or a stack refuses before anything is started."""

import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from rich.console import Console
from typer.testing import CliRunner

from services.cli.app import app
from services.cli.board import Board, seen
from services.cli.demo_view import PlainWatcher
from services.cli.doctor import examine
from services.cli.launch import _alone
from services.cli.link import Seen, open_link, with_database
from services.cli.preflight import Check
from services.cli.processes import running_in
from services.cli.stack import Program, Stack
from services.cli.system import living, starting_alone
from services.contracts.envelope import Envelope, Message
from services.contracts.limits import NS_PER_S
from services.contracts.messages.alerts import AlertRaised
from services.contracts.streams import ALERTS, START_KEY, SYSTEM_KEY
from services.contracts.system import SystemIdentity, SystemMode
from services.contracts.terms import GatewayMode, Severity
from services.runtime.redis_bus import RedisBus
from tests.unit.cli.builders import NOW_NS, alert, closed, envelope, gateway_status, heartbeat, risk_status

CONFIG = Path(__file__).parents[3] / "config"


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Folders of the test's own; run folders get a short path, because a socket's may not be long."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARB_CONFIG_DIR", str(CONFIG))
    with tempfile.TemporaryDirectory(prefix="arb") as short:
        monkeypatch.setattr(tempfile, "tempdir", short)
        yield


def arb(*args: str) -> Result:
    return CliRunner().invoke(app, list(args), prog_name="arb")


@pytest.mark.parametrize("command", ["demo", "up"])
@pytest.mark.parametrize("file", ["limits", "detector", "runtime", "costs"])
def test_files_that_cannot_be_used_are_refused_before_anything_starts(
    command: str, file: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "config"
    shutil.copytree(CONFIG, folder)
    path = folder / f"{file}.toml"
    path.write_text(path.read_text(encoding="utf-8") + "\nspout = 1\n", encoding="utf-8")
    monkeypatch.setenv("ARB_CONFIG_DIR", str(folder))
    result = arb(command)
    assert result.exit_code == 2
    assert f"{file}.toml" in result.stderr and "spout" in result.stderr
    assert result.stderr.count("Mend") <= 1, "how to mend it is said once"
    assert "started" not in result.output
    assert not list(tmp_path.glob("arb-demo-*"))


def test_a_group_of_the_map_that_no_service_reads_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "config"
    shutil.copytree(CONFIG, folder)
    monkeypatch.setenv("ARB_CONFIG_DIR", str(folder))
    runtime = folder / "runtime.toml"
    shipped = runtime.read_text(encoding="utf-8")
    runtime.write_text(shipped.replace('["g1", "g2"]', '["g1", "g2", "g3"]'))
    assert arb("symbols", "import", "--groups", "g1,g2,g3", "--yes").exit_code == 0
    runtime.write_text(shipped)
    result = arb("demo")
    assert result.exit_code == 2
    assert "g3" in result.stderr and "symbol_map.csv" in result.stderr


def test_a_group_that_runtime_toml_names_twice_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "config"
    shutil.copytree(CONFIG, folder)
    monkeypatch.setenv("ARB_CONFIG_DIR", str(folder))
    (folder / "runtime.toml").write_text('groups = ["g1", "g1"]')
    result = arb("demo")
    assert result.exit_code == 2
    assert "groups" in result.stderr and "twice" in result.stderr


def test_a_demo_refuses_a_database_that_is_in_use(redis_url: str) -> None:
    link = open_link(with_database(redis_url, 9))
    link.append(alert(), cause="c")
    result = arb("demo", "--redis", redis_url)
    assert result.exit_code == 2
    assert "already holds" in result.stderr
    assert link.own_keys(), "what was there must stay"
    link.erase()
    link.close()


@pytest.mark.parametrize("date", ["2026-11-22", "tomorrow", "2019-01-02"])
def test_a_demo_refuses_a_date_without_trading(date: str) -> None:
    assert arb("demo", "--date", date).exit_code == 2


def test_a_demo_names_what_can_be_killed(redis_url: str) -> None:
    result = arb("demo", "--redis", redis_url, "--kill", "everything")
    assert result.exit_code == 2
    assert "executor" in result.stderr


def test_a_report_that_could_not_be_written_is_refused_first(tmp_path: Path) -> None:
    result = arb("demo", "--json", str(tmp_path / "nowhere" / "day.json"))
    assert result.exit_code == 2
    assert "nowhere" in result.stderr


def test_a_second_stack_in_the_same_folder_is_refused(tmp_path: Path, redis_url: str) -> None:
    stack = Stack(tmp_path / "run", redis_url, cwd=tmp_path)
    stack.start(Program("risk", (sys.executable, "-S", "-c", "import time; time.sleep(60)")))
    try:
        result = arb("up", "--redis", redis_url)
        assert result.exit_code == 2
        assert "arb down" in result.stderr
        assert stack.processes["risk"].alive
        assert "Everything is stopped" in arb("down", "--wait", "0").output
        assert not stack.processes["risk"].alive
    finally:
        stack.stop_all()


def test_live_is_not_started_against_a_simulator() -> None:
    result = arb("up", "--mode", "live")
    assert result.exit_code == 2
    assert "--no-gateway" in result.stderr


def test_down_says_when_nothing_runs() -> None:
    result = arb("down")
    assert result.exit_code == 0
    assert "Nothing runs" in result.output


def test_without_a_configuration_folder_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ARB_CONFIG_DIR", str(tmp_path / "none"))
    result = arb("demo")
    assert result.exit_code == 2
    assert "ARB_CONFIG_DIR" in result.stderr


def lines_of(*messages: Message) -> str:
    board, fresh = Board(), []
    for message in messages:
        item = envelope(message)
        board = seen(board, item)
        fresh.append(Seen(item, "key", "1-0"))
    console = Console(width=100, color_system=None)
    with console.capture() as capture:
        PlainWatcher(console, summary_s=0).passed(board, NOW_NS, fresh)
    return capture.get()


def test_plain_lines_tell_trips_and_troubles_and_leave_out_the_rest() -> None:
    text = lines_of(
        closed("P1"), closed("P2", trip=False), alert("A1", title="loud"),
        alert("A2", severity=Severity.INFO, title="quiet"), gateway_status(), risk_status(),
    )  # fmt: skip
    assert "+140 KRW" in text
    assert "nothing filled" not in text
    assert "loud" in text
    assert "quiet" not in text
    assert "10:12:03 armed: quotes 4,321" in text


def test_plain_lines_say_who_is_awaited() -> None:
    assert "waiting for gateway and risk" in lines_of()


def test_a_day_plan_that_is_not_there_starts_nothing(redis_url: str, tmp_path: Path) -> None:
    result = arb("up", "--redis", redis_url, "--day-plan", str(tmp_path / "none.json"))
    assert result.exit_code == 2
    assert "none.json" in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_stack_that_lost_its_redis_is_told_apart_from_none(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "run", "unix:///nowhere/redis.sock", cwd=tmp_path)
    waits = (sys.executable, "-S", "-c", "import time; time.sleep(60)")
    stack.start(Program("redis", waits))
    stack.start(Program("risk", waits))
    try:
        assert "Start that server again" in arb("status").stderr
        stack.kill("redis")
        lost = arb("status").stderr
        assert "Its Redis ended" in lost and "arb down" in lost
    finally:
        stack.stop_all()
    assert "Start the stack with `arb up`" in arb("status", "--redis", "redis://127.0.0.1:1").stderr


@pytest.mark.parametrize(
    ("halt_file", "found"),
    [
        ("var/HALT", "var/halt.txt"),
        ("taken/HALT", "none can be laid"),
        ("/dev/null/HALT", "none can be laid"),
    ],
)
def test_the_doctor_tries_the_emergency_stop(
    halt_file: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check() -> Check:
        return next(c for c in examine(CONFIG, "redis://127.0.0.1:1", tmp_path) if c.name == "halt file")

    monkeypatch.setenv("ARB_GATEWAY_HALT_FILE", halt_file)
    (tmp_path / "taken").touch()
    if halt_file == "var/HALT":
        assert check().ok
        (tmp_path / "var").mkdir()
        (tmp_path / "var" / "halt.txt").touch()
    assert not check().ok and found in check().detail


def test_the_doctor_names_a_file_of_the_gateways_machine_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "config"
    shutil.copytree(CONFIG, folder)
    (folder / "supervisor.toml").write_text("[broken", encoding="utf-8")
    monkeypatch.setenv("ARB_CONFIG_DIR", str(folder))
    result = arb("doctor", "--redis", "redis://127.0.0.1:1")
    assert result.exit_code == 1
    assert "not ok  settings of gateway.supervisor" in result.output and "supervisor.toml" in result.output


def beat_for(url: str, service: str, lasts: Callable[[], bool]) -> None:
    link = open_link(url)
    while lasts():
        now_ns = link.bus.time_ns()
        beat = heartbeat(service).model_copy(update={"instance": "elsewhere-7", "started_at_ns": now_ns})
        link.append(beat, cause=f"beat-{now_ns}", source=service)
        time.sleep(0.1)
    link.close()


def test_a_redis_over_which_services_run_already_is_refused(redis_url: str, tmp_path: Path) -> None:
    open_link(redis_url).client.flushall()
    over = threading.Event()
    speaks = threading.Thread(target=beat_for, args=(redis_url, "executor", lambda: not over.is_set()))
    speaks.start()
    try:
        time.sleep(0.3)
        result = arb("up", "--redis", redis_url)
    finally:
        over.set()
        speaks.join()
    assert result.exit_code == 2
    assert "executor (elsewhere-7)" in result.stderr and "--redis" in result.stderr
    assert running_in(tmp_path / "run") == []


def test_a_service_lives_that_spoke_last_before_its_clock_was_set_back(redis_url: str) -> None:
    link = open_link(redis_url)
    link.client.flushall()
    ahead_ns = link.bus.time_ns() + 3_600 * NS_PER_S
    link.write(Envelope.wrap(heartbeat("risk"), source="risk", now_ns=ahead_ns, causation_id="ahead"))
    assert living(link) == {}
    begun = time.monotonic()
    speaks = threading.Thread(target=beat_for, args=(redis_url, "risk", lambda: time.monotonic() < begun + 1))
    speaks.start()
    assert living(link) == {"risk": "elsewhere-7"}
    speaks.join()


def test_a_redis_of_another_system_is_refused_until_it_is_adopted(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = open_link(redis_url)
    link.client.flushall()
    desk = SystemIdentity("desk-1", SystemMode.REAL, "/opt/arb", "host1", "2026-11-23T00:00:00Z")
    RedisBus(link.client, system=desk).claim()
    for command in (("up",), ("up", "--no-gateway")):
        result = arb(*command, "--redis", redis_url)
        assert result.exit_code == 2 and "desk-1 (real) of /opt/arb on host1" in result.stderr
    assert running_in(tmp_path / "run") == [] and not link.client.exists(START_KEY)
    adopt = ("system", "adopt", "--redis", redis_url, "--by", "kim")
    assert arb(*adopt).exit_code == 2, "a reason is needed"
    monkeypatch.setenv("ARB_RUNTIME_SYSTEM", "desk-2")
    moved = arb(*adopt, "--reason", "new name")
    assert moved.exit_code == 0 and "It belonged to desk-1 (real)" in moved.output
    assert "desk-2 (real)" in arb("system", "show", "--redis", redis_url).output
    told = [entry.decoded().body for entry in link.bus.tail(ALERTS.key, 1)]
    assert isinstance(told[0], AlertRaised) and "kim: new name" in told[0].detail
    result = arb("up", "--redis", redis_url)
    assert result.exit_code == 2 and "desk-2 (simulated)" in result.stderr, "a simulated one over a real one"
    link.erase()
    link.close()


def test_a_redis_is_not_adopted_while_services_run_over_it(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = open_link(redis_url)
    link.client.flushall()
    RedisBus(link.client, system=SystemIdentity("desk-1", SystemMode.REAL)).claim()
    monkeypatch.setattr("services.cli.system.living", lambda link, services=(): {"risk": "elsewhere-7"})
    result = arb("system", "adopt", "--redis", redis_url, "--reason", "r", "--by", "kim")
    assert result.exit_code == 2 and "risk (elsewhere-7)" in result.stderr
    assert link.client.hget(SYSTEM_KEY, "name") == b"desk-1"
    link.erase()
    link.close()


@pytest.mark.parametrize("age_s", [0, 36_000], ids=["just now", "by day"])
def test_a_simulated_system_does_not_claim_what_a_live_gateway_wrote(redis_url: str, age_s: int) -> None:
    link = open_link(redis_url)
    link.client.flushall()
    live = gateway_status().model_copy(update={"mode": GatewayMode.LIVE})
    said_ns = link.bus.time_ns() - age_s * NS_PER_S
    link.write(Envelope.wrap(live, source="gateway", now_ns=said_ns, causation_id="c"))
    result = arb("up", "--redis", redis_url)
    assert result.exit_code == 2 and "live gateway" in result.stderr
    assert not link.client.exists(SYSTEM_KEY)
    link.erase()
    link.close()


def test_two_starts_over_one_redis_at_the_same_moment_are_one(redis_url: str, tmp_path: Path) -> None:
    link = open_link(redis_url)
    link.client.flushall()
    with starting_alone(link, Path("/elsewhere/run")):
        result = arb("up", "--redis", redis_url)
        assert result.exit_code == 2 and "/elsewhere/run" in result.stderr
    assert running_in(tmp_path / "run") == [] and not link.client.exists(START_KEY)
    link.close()


def test_a_second_start_in_the_same_folder_at_the_same_moment_is_refused(
    redis_url: str, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    with _alone(tmp_path / "run"):
        result = arb("up", "--redis", redis_url)
    assert result.exit_code == 2
    assert "another command is starting" in result.stderr
    assert running_in(tmp_path / "run") == []
