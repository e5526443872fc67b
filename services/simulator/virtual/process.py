"""One service in virtual time: production's own loop, over the bus in memory.

Every instance has a connection and a clock of its own. It may die before a commit (nothing of the turn
happened) or after it (all of it did, and the memory is gone): a killed instance is a loop that is dropped.
It may be paused and come back to find a successor; or a second one is started beside it, and both go on
until the older is fenced.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Generic

from services.contracts.limits import NS_PER_MS, NS_PER_S, READ_BLOCK_MS
from services.contracts.step import StateT
from services.runtime.bus import CommitsAhead, Fenced
from services.runtime.clock import RedisClock
from services.runtime.loop import ServiceLoop
from services.runtime.service import Service
from services.simulator.virtual.bus import Connection, Killed, VirtualBus, VirtualTime

BUILD: Final = "virtual"
"""The build id that all processes of a virtual day have in common."""
MONO_BEHIND_NS: Final = 1_000 * NS_PER_S
"""Any distance between wall and monotonic time will do, but none may be assumed."""


def clock_of(line: Connection, time: VirtualTime) -> RedisClock:
    """Return what a process measures of the bus's time by its own monotonic clock."""
    return RedisClock(line.time_ns, lambda: time.now_ns - MONO_BEHIND_NS, lambda: time.now_ns)


class Instance(Generic[StateT]):
    """One process of a service, from its start to its end. `failure` is why it ended by itself."""

    def __init__(
        self, service: Service[StateT], number: int, bus: VirtualBus, wrong_ns: Callable[[], int]
    ) -> None:
        self._time, self.line = bus.time, bus.connect(service.name, wrong_ns)
        self.clock = clock_of(self.line, bus.time)
        named = replace(service, instance=f"{service.name}-{number}", build_id=BUILD)
        self.loop = ServiceLoop(named, self.line, self.clock)
        self.up, self.failure = True, ""
        self._turned_ns = self._waits_until_ns = 0

    def turn(self, now_ns: int, die: str) -> None:
        """Do what the blocking loop would have done by now: wait after an error, read what is new."""
        if now_ns < self._waits_until_ns or not (die or self._is_due(now_ns)):
            return
        self._turned_ns, self.line.dies = now_ns, die
        try:
            wait_s = self.loop.step(0)
            self._waits_until_ns = now_ns + int(wait_s * NS_PER_S)
        except Killed:
            self.end()
        except Fenced as error:
            self.end(str(error) if isinstance(error, CommitsAhead) else "")
        except Exception as error:
            self.end(f"{type(error).__name__}: {error}")
        if die:
            self.end()

    def _is_due(self, now_ns: int) -> bool:
        waited = now_ns - self._turned_ns >= READ_BLOCK_MS * NS_PER_MS
        return waited or not self.loop.ready or bool(self.line.news)

    def end(self, failure: str = "") -> None:
        """The process is gone; `failure` is why it ended by itself."""
        if self.up:
            self.up, self.failure = False, failure
            self.line.close()


@dataclass
class VirtualProcess(Generic[StateT]):
    """One service as a supervisor has it, instance after instance.

    `clock_shift_ns` is how wrong it measures the time of the bus.
    """

    make: Callable[[], Service[StateT]]
    bus: VirtualBus
    name: str = field(init=False)
    clock_shift_ns: int = 0
    paused_until_ns: int = 0
    failures: list[str] = field(default_factory=list)
    """Why instances ended by a failure of their own."""
    _initial: StateT = field(init=False)
    _current: Instance[StateT] | None = None
    _older: list[Instance[StateT]] = field(default_factory=list)
    _starts: int = 0

    def __post_init__(self) -> None:
        service = self.make()
        self.name, self._initial = service.name, service.initial

    @property
    def up(self) -> bool:
        return self._current is not None and self._current.up

    @property
    def loaded(self) -> bool:
        """Whether its state is what it goes by, and not what it is about to load again."""
        return self._current is not None and self._current.loop.ready

    @property
    def state(self) -> StateT:
        return self._initial if self._current is None else self._current.loop.state

    @property
    def positions(self) -> Mapping[str, str]:
        return {} if self._current is None else self._current.loop.reader.positions

    @property
    def clock_error_ns(self) -> int:
        """How wrong the time is that it goes by."""
        return self._current.clock.now_ns() - self.bus.time.now_ns if self.loaded and self._current else 0

    @property
    def instances(self) -> int:
        """How many run now."""
        return self.up + len(self._older)

    def start(self) -> None:
        """Begin an instance, which recovers at its first turn. One that runs goes on beside it."""
        if self._current is not None and self._current.up:
            self._older.append(self._current)
        self._starts += 1
        self._current = Instance(self.make(), self._starts, self.bus, lambda: self.clock_shift_ns)

    def kill(self) -> None:
        """The newest instance is gone."""
        if self._current is not None:
            self._current.end()

    def turn(self, now_ns: int, *, die: str = "") -> None:
        """One round of each instance. `die` is "before" or "after" the newest one's commit."""
        for instance in self._older:
            self._turn(instance, now_ns, "")
        self._older = [instance for instance in self._older if instance.up]
        if self._current is not None and self._current.up and now_ns >= self.paused_until_ns:
            self._turn(self._current, now_ns, die)

    def _turn(self, instance: Instance[StateT], now_ns: int, die: str) -> None:
        instance.turn(now_ns, die)
        if instance.failure:
            self.failures.append(f"{self.name}: {instance.failure}")
