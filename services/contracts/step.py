"""What goes into a core and what comes out: the shape that all five services share.

A core is a pure function `decide(state, event) -> Step`. Time is `event.now_ns`, ids derive
from the event, and randomness is never needed. The same function runs in a service, in a
test and in the simulation.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from services.contracts.envelope import Envelope, Message
from services.contracts.limits import CLOCK_SKEW_MS, NS_PER_MS
from services.contracts.request_life import life_ms_of


class State(BaseModel):
    """Base of every service's state: frozen, with the fields that survive a restart named.

    Only fields in `DURABLE` are stored; the rest (books, ages, counters for a screen) is
    rebuilt from streams. A durable field is stored when it is another object than before, so
    a core replaces what it changes and never mutates.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    DURABLE: ClassVar[frozenset[str]] = frozenset()

    def but(self, **changes: Any) -> "Any":
        """Return a copy with `changes`. Not validated: cores write what they have just computed.

        What `model_copy` does, without asking at every step for extra and private attributes that no
        state has.
        """
        copy = self.__class__.__new__(self.__class__)
        object.__setattr__(copy, "__dict__", {**self.__dict__, **changes})
        object.__setattr__(copy, "__pydantic_fields_set__", self.__pydantic_fields_set__ | changes.keys())
        object.__setattr__(copy, "__pydantic_extra__", None)
        object.__setattr__(copy, "__pydantic_private__", None)
        return copy


StateT = TypeVar("StateT", bound=State)


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed. Every core gets one at least each `TICK_MS`, however much waits to be read.

    `epoch` is the fencing number of the process that asks, 0 where there is none. `behind`: the streams that
    decide (`BACKLOG_KEYS`) hold entries that are older than `BEHIND_MS` and not read yet, or the process has
    just begun to read. Time alone proves nothing then: no lease is renewed, and nothing is timed out.
    """

    now_ns: int
    epoch: int = 0
    behind: bool = False

    @property
    def cause_id(self) -> str:
        return f"tick-{self.now_ns}"


@dataclass(frozen=True, slots=True)
class Received:
    """A message that was read. `entry_id` is Redis's own, `now_ns` when the core is asked."""

    envelope: Envelope
    stream_key: str
    entry_id: str
    now_ns: int

    @property
    def message(self) -> Message:
        body = self.envelope.body
        assert isinstance(body, Message)
        return body

    @property
    def cause_id(self) -> str:
        return self.envelope.id

    @property
    def entered_ns(self) -> int:
        """When Redis took the entry (its id, whole milliseconds); when it was made where it has none."""
        ms, _, _ = self.entry_id.partition("-")
        return int(ms) * NS_PER_MS if ms.isdigit() else self.envelope.ts_init_ns

    @property
    def stamped_ns(self) -> int:
        """When Redis took the entry, to compare it with one of another stream (ns).

        The ids of a stream stay ahead where Redis's clock was set back: such an entry counts from its making.
        """
        ahead = self.entered_ns > self.now_ns + CLOCK_SKEW_MS * NS_PER_MS
        return self.envelope.ts_init_ns if ahead else self.entered_ns

    @property
    def deadline_ns(self) -> int:
        """Until when (Redis time) a request may be taken in, 0 for what never expires.

        The kind fixes the life. An entry that was written again holds no longer than the first one could. One
        that names no life only tightens, or is of a release that knew none.
        """
        life_ns = life_ms_of(self.envelope.type) * NS_PER_MS
        if not (life_ns and self.envelope.life_ms):
            return 0
        return min(self.entered_ns, self.envelope.ts_init_ns + life_ns) + life_ns

    @property
    def expired(self) -> bool:
        return 0 < self.deadline_ns <= self.now_ns


Event = Tick | Received


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to write. `name` picks the group or gateway where a stream has several keys.

    `cause_id` is the request that it answers, where the event that made it is another one.
    """

    message: Message
    correlation_id: str = ""
    name: str = ""
    event_ns: int | None = None
    cause_id: str = ""


@dataclass(frozen=True, slots=True)
class Step(Generic[StateT]):
    """The new state and what is to be written, in order."""

    state: StateT
    out: tuple[Outgoing, ...] = ()


class Decide(Protocol[StateT]):
    def __call__(self, state: StateT, event: Event) -> Step[StateT]: ...


@dataclass(frozen=True, slots=True)
class Positions:
    """How far each committed stream was read: stream key -> last entry id."""

    by_key: Mapping[str, str] = field(default_factory=dict)

    def after(self, key: str, entry_id: str) -> "Positions":
        return Positions({**self.by_key, key: entry_id})
