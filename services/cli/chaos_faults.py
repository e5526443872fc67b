"""Strikes the planned faults at running processes, and starts again what a supervisor would.

Every process is killed and started through the same `Stack` that `arb up` uses. An instance that was fenced
waits behind its successor; it is told to end then, and its exit code must say that it was fenced. Any other
end that was not our doing is a trouble.
"""

import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

import redis

from services.cli.chaos_plan import BROKER, REDIS, Fault, FaultKind
from services.cli.chaos_redis import FragileRedis, TailCut
from services.cli.stack import Process, Stack
from services.runtime.process import EXIT_FENCED
from services.simulator.admin import Admin, SimulatorRefused

RESTART_S: Final = 0.3
RIVAL_S: Final = 20.0
"""A paused instance that came back, or its successor, must have been fenced by then."""


@dataclass(slots=True)
class Rival:
    """An instance whose successor has been started."""

    name: str
    process: Process
    back_at_s: float = 0.0
    told: bool = False


@dataclass
class FaultDesk:
    """Strikes one day's faults. `turn` is called many times a second.

    `lost` is told what a killed Redis has lost once it answers again; `say` what is being done; `waits` is
    asked whether the process of a pid has said that it waits behind another instance.
    """

    stack: Stack
    redis: FragileRedis
    simulator: str
    plan: deque[Fault]
    kills_left: int
    lost: Callable[[TailCut], None]
    say: Callable[[str], None]
    waits: Callable[[int], bool]
    struck: Counter[str] = field(default_factory=Counter)
    kills_with_open_pair: int = 0
    fenced: int = 0
    troubles: list[str] = field(default_factory=list)
    _due: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    _busy: set[str] = field(default_factory=set)
    _rivals: list[Rival] = field(default_factory=list)

    @property
    def kills(self) -> int:
        return sum(count for name, count in self.struck.items() if name.startswith(f"{FaultKind.KILL}:"))

    @property
    def spent(self) -> bool:
        """Whether nothing more will strike."""
        return not self.plan or self.kills >= self.kills_left

    @property
    def healed(self) -> bool:
        """Whether everything that was struck stands again, alone."""
        return not (self._due or self._busy or self._rivals)

    def turn(self, elapsed_ms: int, pairs_open: bool) -> None:
        """Do what is due, start again what ended, and strike the next fault if its moment has come."""
        self.redis.watch()
        self._do_due()
        self._supervise()
        if self.spent:
            return
        fault = self.plan[0]
        ready = elapsed_ms >= fault.at_ms and fault.target not in self._busy
        if ready and (pairs_open or elapsed_ms >= fault.at_ms + fault.patience_ms):
            self.plan.popleft()
            self._strike(fault, pairs_open)

    def stop(self) -> None:
        """Strike no more; what is under way goes on until it is healed."""
        self.plan.clear()

    def release(self) -> None:
        """Let everything run, so that it can be told to stop, and end what should have ended."""
        self.redis.signal(signal.SIGCONT)
        for process in self.stack.processes.values():
            process.send(signal.SIGCONT)
        for rival in self._rivals:
            rival.process.kill()

    # -- striking ------------------------------------------------------------------------

    def _strike(self, fault: Fault, pairs_open: bool) -> None:
        self.struck[fault.name] += 1
        self.kills_with_open_pair += fault.kills and pairs_open
        words = f"{fault.name} for {fault.hold_ms} ms" if fault.hold_ms else fault.name
        words += f" with {fault.with_it}" if fault.with_it else ""
        self.say(f"{words}{' with an open pair' if pairs_open else ''}")
        match fault.kind:
            case FaultKind.DISCONNECT:
                self._disconnect(fault.target)
            case FaultKind.KILL if fault.target == REDIS:
                self._kill_redis(fault)
            case FaultKind.KILL:
                self._kill(fault)
            case FaultKind.PAUSE:
                self._signal(fault.target, signal.SIGSTOP)
                self._then(fault, lambda: self._signal(fault.target, signal.SIGCONT))
            case FaultKind.REPLACE:
                self._replace(fault)

    def _kill(self, fault: Fault) -> None:
        self.stack.kill(fault.target)
        self._then(fault, lambda: self.stack.restart(fault.target))

    def _kill_redis(self, fault: Fault) -> None:
        if fault.with_it and fault.with_it not in self._busy:
            self._kill(replace(fault, target=fault.with_it))
        cut = self.redis.kill(fault.tail_permille)
        self.say(f"Redis lost the last {cut.cut_bytes} bytes of {cut.path}")

        def back() -> None:
            self.redis.start()
            self.lost(cut)

        self._then(fault, back)

    def _replace(self, fault: Fault) -> None:
        rival = Rival(fault.target, self.stack.processes[fault.target])
        rival.process.send(signal.SIGSTOP)
        self._rivals.append(rival)

        def back() -> None:
            rival.back_at_s = time.monotonic()
            rival.process.send(signal.SIGCONT)

        self._later(fault.hold_ms // 2, lambda: self.stack.restart(fault.target))
        self._then(fault, back)

    def _disconnect(self, target: str) -> None:
        if target == BROKER:
            with suppress(OSError, SimulatorRefused), Admin(self.simulator) as admin:
                admin.inject("disconnect")
            return
        with (
            suppress(redis.exceptions.RedisError),
            redis.Redis.from_url(self.redis.server.url, socket_timeout=1) as client,
        ):
            client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    def _signal(self, target: str, number: int) -> None:
        if target == REDIS:
            self.redis.signal(number)
        else:
            self.stack.processes[target].send(number)

    # -- healing -------------------------------------------------------------------------

    def _then(self, fault: Fault, undo: Callable[[], None]) -> None:
        """Undo a fault after its time; until then its target is left alone."""
        self._busy.add(fault.target)

        def done() -> None:
            undo()
            self._busy.discard(fault.target)

        self._later(fault.hold_ms, done)

    def _later(self, wait_ms: int, action: Callable[[], None]) -> None:
        self._due.append((time.monotonic() + wait_ms / 1_000, action))

    def _do_due(self) -> None:
        now_s = time.monotonic()
        due = [item for item in self._due if item[0] <= now_s]
        self._due = [item for item in self._due if item[0] > now_s]
        for _, action in sorted(due, key=lambda item: item[0]):
            action()

    def _supervise(self) -> None:
        self._rivals = list(self._still_rivals())
        for name, process in list(self.stack.processes.items()):
            if process.alive or name in self._busy:
                continue
            self._judge_end(name, process)
            self._busy.add(name)
            self._later(round(RESTART_S * 1_000), lambda name=name: self._again(name))  # type: ignore[misc]

    def _again(self, name: str) -> None:
        self.stack.restart(name)
        self._busy.discard(name)

    def _judge_end(self, name: str, process: Process) -> None:
        if process.exit_code == EXIT_FENCED:
            self.fenced += 1
            self.say(f"an instance of {name} was fenced")
            return
        last = " / ".join(self.stack.last_lines(name, 3))
        self.troubles.append(f"{name} ended by itself with exit code {process.exit_code}: {last}")

    def _still_rivals(self) -> Iterable[Rival]:
        for rival in self._rivals:
            now = self.stack.processes[rival.name]
            if rival.back_at_s and now.alive and self.waits(now.record.pid):
                self.stack.processes[rival.name], rival.process = rival.process, now
            if not rival.process.alive:
                self._judge_end(rival.name, rival.process)
                continue
            if not rival.told and self.waits(rival.process.record.pid):
                rival.told = True
                rival.process.send(signal.SIGTERM)
            if rival.back_at_s and time.monotonic() - rival.back_at_s > RIVAL_S:
                self.troubles.append(f"two instances of {rival.name} were running {RIVAL_S:g} s later")
                rival.process.kill()
            else:
                yield rival
