"""What the supervisor sees of the gateway at one moment."""

from dataclasses import dataclass
from enum import StrEnum

from services.gateway.halt_file import LaidBy
from services.gateway.pulse import Pulse


class Life(StrEnum):
    ABSENT = "absent"
    """No process: none was started, or its end has been told."""
    ALIVE = "alive"
    ENDED = "ended"
    """It has just ended: seen once."""


@dataclass(frozen=True, slots=True)
class Window:
    """A visible window of the gateway's process. `handle` is the system's own."""

    handle: int
    title: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """One look. `mono_ns` is this machine's monotonic clock.

    `exit_code` means something where the process has just ended; None: nobody knows (it was started by an
    earlier supervisor). `resting`: by the timetable the gateway is not to run now. `pulse` is the newest
    record of the process that is alive. `redis_away_s`: for how long Redis has not answered us. `halt_file`
    names what a person laid. `session_asked`: Windows asks whether its session may end. `hurried`: told to
    stop by a system that ends us within seconds.
    """

    mono_ns: int
    life: Life = Life.ABSENT
    pid: int = 0
    exit_code: int | None = None
    resting: bool = False
    pulse: Pulse | None = None
    memory_mb: int = 0
    windows: tuple[Window, ...] = ()
    halt: LaidBy = LaidBy.NOBODY
    told_to_stop: bool = False
    market_date: str = ""
    redis_away_s: int = 0
    halt_file: str = ""
    session_asked: bool = False
    hurried: bool = False
