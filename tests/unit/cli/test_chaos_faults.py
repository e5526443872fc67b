"""Faults struck at real processes, small ones that stand in for services."""

import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.cli.chaos_faults import FaultDesk
from services.cli.chaos_plan import REDIS, Fault, FaultKind
from services.cli.chaos_redis import FragileRedis
from services.cli.stack import Process, Program, Stack
from services.runtime.process import EXIT_FENCED
from tests.unit.cli.test_stack import until

SLEEPER = (sys.executable, "-c", "import time; time.sleep(60)")
ENDS_FENCED_WHEN_TOLD = (
    sys.executable,
    "-c",
    f"import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit({EXIT_FENCED})); "
    "print('up', flush=True); time.sleep(60)",
)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    running = Stack(tmp_path, "redis://none")
    yield running
    for process in running.processes.values():
        process.send(signal.SIGCONT)
    running.stop_all()


def desk_of(
    stack: Stack, *plan: Fault, kills: int = 99, waits: Callable[[int], bool] = lambda pid: False
) -> FaultDesk:
    return FaultDesk(
        stack,
        FragileRedis(stack.folder),
        "unix:/nowhere",
        deque(plan),
        kills,
        lambda cut: None,
        lambda t: None,
        waits,
    )


def fault(kind: FaultKind, hold_ms: int = 0, at_ms: int = 0, patience_ms: int = 0) -> Fault:
    return Fault(at_ms, kind, "risk", hold_ms, patience_ms)


def turned(desk: FaultDesk, done: Callable[[], bool]) -> None:
    """Let the desk go on until something holds."""

    def turn() -> bool:
        desk.turn(0, False)
        return done()

    until(turn)


def state_of(process: Process) -> str:
    stat = Path(f"/proc/{process.record.pid}/stat").read_text(encoding="ascii")
    return stat.rpartition(")")[2].split()[0]


def test_a_killed_process_is_started_again(stack: Stack) -> None:
    stack.start(Program("risk", SLEEPER))
    first = stack.processes["risk"]
    desk = desk_of(stack, fault(FaultKind.KILL, hold_ms=50))
    turned(desk, lambda: desk.kills == 1)
    assert not first.alive
    turned(desk, lambda: desk.healed)
    assert stack.processes["risk"].alive
    assert stack.processes["risk"].record.pid != first.record.pid
    assert desk.troubles == []


@pytest.mark.parametrize("pair_open", [True, False])
def test_a_kill_with_an_open_pair_is_told_apart(stack: Stack, pair_open: bool) -> None:
    stack.start(Program("risk", SLEEPER))
    desk = desk_of(stack, fault(FaultKind.KILL, hold_ms=50))
    desk.turn(0, pair_open)
    assert (desk.kills, desk.kills_with_open_pair) == (1, int(pair_open))


def test_a_paused_process_stands_still_and_goes_on(stack: Stack) -> None:
    stack.start(Program("risk", SLEEPER))
    process = stack.processes["risk"]
    desk = desk_of(stack, fault(FaultKind.PAUSE, hold_ms=200))
    turned(desk, lambda: state_of(process) == "T")
    turned(desk, lambda: desk.healed and state_of(process) != "T")
    assert (desk.kills, desk.troubles) == (0, [])


@pytest.mark.parametrize("fenced", ["the old one", "its successor"])
def test_the_instance_that_waits_behind_the_other_is_ended_alone(stack: Stack, fenced: str) -> None:
    waiting: set[int] = set()
    stack.start(Program("risk", ENDS_FENCED_WHEN_TOLD))
    old = stack.processes["risk"]
    until(lambda: stack.last_lines("risk") == ("up",))
    desk = desk_of(stack, fault(FaultKind.REPLACE, hold_ms=300), waits=waiting.__contains__)
    turned(desk, lambda: stack.last_lines("risk") == ("up", "up"))
    new = stack.processes["risk"]
    waits, holds = (old, new) if fenced == "the old one" else (new, old)
    waiting.add(waits.record.pid)
    turned(desk, lambda: desk.healed)
    assert not waits.alive and holds.alive and stack.processes["risk"] is holds
    assert (desk.fenced, desk.troubles) == (1, [])


def test_two_instances_that_both_live_on_are_a_trouble(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.cli.chaos_faults.RIVAL_S", 0.1)
    stack.start(Program("risk", SLEEPER))
    desk = desk_of(stack, fault(FaultKind.REPLACE, hold_ms=50))
    turned(desk, lambda: bool(desk.troubles))
    assert "two instances of risk" in desk.troubles[0]
    turned(desk, lambda: desk.healed)


def test_a_fenced_process_is_started_again_and_is_no_trouble(stack: Stack) -> None:
    stack.start(Program("risk", (sys.executable, "-c", f"raise SystemExit({EXIT_FENCED})")))
    desk = desk_of(stack)
    turned(desk, lambda: desk.fenced > 0)
    assert desk.troubles == []


def test_a_process_that_ends_by_itself_is_a_trouble_with_its_last_words(stack: Stack) -> None:
    stack.start(Program("risk", (sys.executable, "-c", "raise SystemExit('no more')")))
    desk = desk_of(stack)
    turned(desk, lambda: bool(desk.troubles))
    assert "risk ended by itself with exit code 1" in desk.troubles[0]
    assert "no more" in desk.troubles[0]


def test_a_fault_waits_for_its_moment_and_for_an_open_pair(stack: Stack) -> None:
    stack.start(Program("risk", SLEEPER))
    desk = desk_of(stack, fault(FaultKind.KILL, at_ms=1_000, patience_ms=500))
    desk.turn(999, True)
    desk.turn(1_499, False)
    assert desk.kills == 0
    desk.turn(1_000, True)
    assert desk.kills == 1


def test_a_fault_that_found_no_open_pair_strikes_when_its_patience_is_over(stack: Stack) -> None:
    stack.start(Program("risk", SLEEPER))
    desk = desk_of(stack, fault(FaultKind.KILL, at_ms=1_000, patience_ms=500))
    desk.turn(1_500, False)
    assert desk.kills == 1


def test_no_more_are_killed_than_were_asked_for(stack: Stack) -> None:
    stack.start(Program("risk", SLEEPER))
    desk = desk_of(stack, fault(FaultKind.KILL), fault(FaultKind.KILL), kills=1)
    turned(desk, lambda: desk.healed and desk.kills == 1)
    assert desk.spent
    desk.turn(10_000, True)
    assert desk.kills == 1


@pytest.mark.redis
def test_a_service_is_killed_in_the_moment_in_which_redis_is(stack: Stack) -> None:
    stack.start(Program("risk", SLEEPER))
    first = stack.processes["risk"]
    desk = desk_of(stack, Fault(0, FaultKind.KILL, REDIS, 30, 0, 500, "risk"))
    before = desk.redis.start().process
    try:
        turned(desk, lambda: desk.kills == 1)
        assert not first.alive and before is not None and before.poll() is not None
        turned(desk, lambda: desk.healed)
        assert stack.processes["risk"].alive and desk.redis.server.process is not before
        assert desk.troubles == []
    finally:
        desk.redis.stop()
