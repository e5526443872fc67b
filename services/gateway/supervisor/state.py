"""What the supervisor knows; it survives nothing: a new supervisor finds the gateway and looks again."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from services.gateway.pulse import Vitals
from services.gateway.supervisor.effects import Effect
from services.gateway.supervisor.looks import Window
from services.gateway.supervisor.settings import SupervisorSettings


class Phase(StrEnum):
    RESTING = "resting"
    WAITING = "waiting"
    RUNNING = "running"
    STOPPING = "stopping"
    GAVE_UP = "gave_up"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Stop:
    """Why it is being stopped and what comes then. `hard`: it cannot be asked. Times are monotonic."""

    why: str
    then: Phase
    since_ns: int
    planned: bool = False
    hard: bool = False
    asked_ns: int = 0
    killed_ns: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """A window that is open; `date` is the market's, for the rules in force."""

    window: Window
    since_ns: int
    closed_ns: int = 0
    tries: int = 0
    date: str = ""


@dataclass(frozen=True, slots=True)
class SupervisorState:
    """`ready`: the gateway was ready since it was started. `quiet_since`: by feed, since when it is to speak.

    `down_ns`: since when it should be ready and is not; 0 where it is, or need not be. `ends` are the
    moments of unplanned ends within the window. `told` are the alerts that stand.
    """

    settings: SupervisorSettings
    phase: Phase = Phase.WAITING
    since_ns: int = 0
    looked_ns: int = 0
    next_start_ns: int = 0
    number: int = -1
    pulse_ns: int = 0
    vitals: Vitals | None = None
    ready: bool = False
    unready_ns: int = 0
    down_ns: int = 0
    quiet_since: Mapping[str, int] = field(default_factory=dict)
    stop: Stop | None = None
    ends: tuple[int, ...] = ()
    starts: int = 0
    last_end: str = ""
    windows: Mapping[int, Seen] = field(default_factory=dict)
    told: frozenset[str] = frozenset()
    reported: frozenset[str] = frozenset()
    unhalted_ns: int = 0

    def but(self, **changes: Any) -> "SupervisorState":
        return replace(self, **changes)


@dataclass(frozen=True, slots=True)
class SupervisorStep:
    """The new state, and what is to be done."""

    state: SupervisorState
    effects: tuple[Effect, ...] = ()
