"""One service in virtual time: what `ServiceLoop` does, with crashes where a crash can happen.

A turn reads, decides and commits. It may die before the commit (nothing of the turn happened) or after
it (all of it did, and the memory is gone); it may be paused and come back to find a successor. Only the
durable fields of the committed state survive.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic

from services.contracts.envelope import Envelope, Message
from services.contracts.limits import HEARTBEAT_MS, NS_PER_MS, TICK_MS
from services.contracts.messages.status import Heartbeat
from services.contracts.step import Event, Outgoing, Received, State, StateT, Tick
from services.contracts.streams import STATUS, home_of, key_of
from services.runtime.service import LOCAL, Service
from services.simulator.virtual.bus import Overtaken, Unavailable, VirtualBus

BUILD: Final = "virtual"
"""The build id that all processes of a virtual day have in common."""


@dataclass
class VirtualProcess(Generic[StateT]):
    """One service, instance after instance. `clock_shift_ns` is how wrong its clock is."""

    make: Callable[[], Service[StateT]]
    bus: VirtualBus
    service: Service[StateT] = field(init=False)
    state: StateT = field(init=False)
    up: bool = False
    clock_shift_ns: int = 0
    paused_until_ns: int = 0
    epoch: int = 0
    positions: dict[str, int] = field(default_factory=dict)
    cursors: dict[str, int] = field(default_factory=dict)
    _ticked_ns: int = 0
    _last_ns: int = 0
    _beat_ns: int = 0
    _loaded: bool = False
    _losses: int = 0

    def __post_init__(self) -> None:
        self.service = self.make()
        self.state = self.service.initial

    @property
    def name(self) -> str:
        return self.service.name

    def start(self) -> None:
        """A new process begins; it recovers at its first turn."""
        self.service = self.make()
        self.up, self._loaded = True, False

    def kill(self) -> None:
        self.up = False

    def turn(self, now_ns: int, *, die: str = "") -> None:
        """One round. `die` is "before" or "after" the commit. Overtaken ends the process for good."""
        if not self.up or now_ns < self.paused_until_ns:
            return
        try:
            self._turn(now_ns, die)
        except Unavailable:
            self._loaded = False
        except Overtaken:
            self.kill()

    def _turn(self, now_ns: int, die: str) -> None:
        if not self._loaded:
            self._recover(now_ns)
        if self._losses != self.bus.losses:
            raise Unavailable("the server was restarted, and with it went the connection")
        own_ns = self._last_ns = max(self._last_ns, now_ns + self.clock_shift_ns)
        tick_due = own_ns - self._ticked_ns >= TICK_MS * NS_PER_MS
        if not (tick_due or die or self.bus.has_news(self.name)):
            return
        before, moved = self.state, False
        writes: list[tuple[str, Envelope]] = []
        for posted in self.bus.read(self.name, {**self.cursors, **self.positions}, now_ns):
            committed = posted.key in self.positions
            (self.positions if committed else self.cursors)[posted.key] = posted.number
            moved = moved or committed
            self._ask(Received(posted.envelope, posted.key, posted.entry_id, own_ns), writes)
        for ordinal, message in enumerate(self.service.observe(self.state, own_ns)):
            self._ask(self._local(message, own_ns, ordinal), writes)
        if tick_due:
            self._ticked_ns = own_ns
            self._ask(Tick(own_ns, self.epoch), writes)
        self._beat(own_ns, writes)
        if die == "before":
            self.kill()
            return
        if writes or moved or self._durable_changed(before):
            self.bus.commit(self.service.name, self.epoch, self.state, self.positions, writes, now_ns)
        if die == "after":
            self.kill()

    def _recover(self, now_ns: int) -> None:
        kept = self.bus.take_over(self.service.name, now_ns)
        initial = self.service.initial
        survived = {} if kept.state is None else {n: getattr(kept.state, n) for n in initial.DURABLE}
        self.state = initial.model_copy(update=survived)
        self.epoch, self._losses = kept.epoch, self.bus.losses
        self.positions = {key: kept.positions.get(key, 0) for key in self.service.committed}
        self.cursors = {key: self.bus.newest(key) for key in self.service.newest}
        self.bus.follow(self.name, {**self.positions, **self.cursors})
        self._ticked_ns = 0
        self._loaded = True

    def _ask(self, event: Event, writes: list[tuple[str, Envelope]]) -> None:
        step = self.service.decide(self.state, event)
        self.state = step.state
        writes.extend(envelopes(step.out, self.service.name, event))

    def _beat(self, now_ns: int, writes: list[tuple[str, Envelope]]) -> None:
        if now_ns - self._beat_ns < HEARTBEAT_MS * NS_PER_MS:
            return
        self._beat_ns = now_ns
        beat = Heartbeat.model_construct(
            service=self.name, instance=BUILD, epoch=self.epoch, build_id=BUILD, pid=0, started_at_ns=0,
            reference_hash=self.service.reference_hash_of(self.state), positions={}, handled=0,
            clock_offset_us=0,
        )  # fmt: skip
        cause = f"beat-{self.name}-{now_ns}"
        writes.append((STATUS.key, Envelope.wrap(beat, source=self.name, now_ns=now_ns, causation_id=cause)))

    def _local(self, message: Message, now_ns: int, ordinal: int) -> Received:
        cause = f"{LOCAL}-{now_ns}"
        seen = Envelope.wrap(
            message, source=self.service.name, now_ns=now_ns, causation_id=cause, ordinal=ordinal
        )
        return Received(seen, LOCAL, "", now_ns)

    def _durable_changed(self, before: State) -> bool:
        after = self.state
        return after is not before and any(
            getattr(before, name) is not getattr(after, name) for name in before.DURABLE
        )


def envelopes(out: Sequence[Outgoing], source: str, event: Event) -> list[tuple[str, Envelope]]:
    """Return (stream key, envelope) of what a core said, with ids derived as the loop derives them."""
    made = []
    for ordinal, said in enumerate(out):
        message = said.message
        envelope = Envelope.wrap(
            message, source=source, now_ns=event.now_ns, causation_id=event.cause_id, ordinal=ordinal,
            correlation_id=said.correlation_id, event_ns=said.event_ns,
        )  # fmt: skip
        made.append((key_of(home_of(type(message)), said.name), envelope))
    return made
