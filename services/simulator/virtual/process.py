"""One service in virtual time: what `ServiceLoop` does, with crashes where a crash can happen.

A turn reads, decides and commits. It may die before the commit (nothing of the turn happened) or after
it (all of it did, and the memory is gone); it may be paused and come back to find a successor. Only the
durable fields of the committed state survive. A process that lives on while the bus loses its last second
goes on from memory, as `ServiceLoop` does.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic

from services.contracts.envelope import Envelope, Message
from services.contracts.limits import BEHIND_MS, HEARTBEAT_MS, NS_PER_MS, READ_COUNT, TICK_MS
from services.contracts.messages.status import Heartbeat
from services.contracts.request_life import is_owner
from services.contracts.step import Event, Outgoing, Received, State, StateT, Tick
from services.contracts.streams import BACKLOG_KEYS, STATUS, STOPS, home_of, key_of
from services.contracts.superseded import newest
from services.runtime.complaints import bus_lost
from services.runtime.lately import Said
from services.runtime.service import LOCAL, Service
from services.simulator.virtual.bus import Forgot, Kept, Late, Overtaken, Posted, Unavailable, VirtualBus

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
    _confirmed: tuple[StateT, dict[str, int]] | None = None
    """State and positions of the last acknowledged commit; None in a process that has loaded nothing."""
    _said: Said[tuple[str, Envelope]] = field(default_factory=Said)
    _started_ns: int = 0
    _late_ns: int = 0
    _before_ns: int = 0
    """When a request that the next commit takes in expires; 0 where none does."""

    def __post_init__(self) -> None:
        self.service = self.make()
        self.state = self.service.initial

    @property
    def name(self) -> str:
        return self.service.name

    @property
    def loaded(self) -> bool:
        """Whether its state is what it goes by, and not what it is about to load again."""
        return self._loaded

    def start(self) -> None:
        """A new process begins; it recovers at its first turn."""
        self.service = self.make()
        self.up, self._loaded = True, False
        self.epoch = self._started_ns = 0
        self._confirmed, self._said = None, Said()

    def kill(self) -> None:
        self.up = False

    def turn(self, now_ns: int, *, die: str = "") -> None:
        """One round. `die` is "before" or "after" the commit. Overtaken ends the process for good."""
        if not self.up or now_ns < self.paused_until_ns:
            return
        try:
            self._turn(now_ns, die)
        except Late as late:
            self._loaded, self._late_ns = False, late.now_ns
        except (Unavailable, Forgot):
            self._loaded = False
        except Overtaken:
            self.kill()

    def _turn(self, now_ns: int, die: str) -> None:
        if not self._loaded:
            self._recover(now_ns)
        if self._losses != self.bus.losses:
            raise Unavailable("the connection is a new one: what the bus knows has to be compared first")
        own_ns = self._last_ns = max(self._last_ns, now_ns + self.clock_shift_ns)
        tick_due = own_ns - self._ticked_ns >= TICK_MS * NS_PER_MS
        if not (tick_due or die or self._said.lost is not None or self.bus.has_news(self.name)):
            return
        before, moved, self._before_ns = self.state, False, 0
        writes: list[tuple[str, Envelope]] = []
        self._tell_lost(own_ns, writes)
        found = self.bus.read(self.name, {**self.cursors, **self.positions}, now_ns)
        for posted in sorted(found, key=lambda posted: posted.key != STOPS.key):
            committed = posted.key in self.positions
            (self.positions if committed else self.cursors)[posted.key] = posted.number
            moved = moved or committed
            event = Received(posted.envelope, posted.key, posted.entry_id, max(own_ns, self._late_ns))
            self._ask(event, writes)
            self._holds_for(event)
        for ordinal, message in enumerate(self.service.observe(self.state, own_ns)):
            self._ask(self._local(message, own_ns, ordinal), writes)
        if tick_due:
            self._ticked_ns = own_ns
            self._ask(Tick(own_ns, self.epoch, self._is_behind(found, own_ns)), writes)
        self._beat(own_ns, writes)
        if die == "before":
            self.kill()
            return
        if writes or moved or self._durable_changed(before):
            self._commit(writes, now_ns)
        if die == "after":
            self.kill()

    def _holds_for(self, event: Received) -> None:
        """As the loop does: the commit compares the bus's time with the end of what is decided here."""
        if event.deadline_ns and not event.expired and is_owner(self.name, event.envelope.type):
            self._before_ns = min(self._before_ns or event.deadline_ns, event.deadline_ns)

    def _is_behind(self, found: Sequence[Posted], own_ns: int) -> bool:
        """As the loop: a reply that was full, and is old, may not have held everything."""
        counts = Counter(posted.key for posted in found if posted.key in BACKLOG_KEYS)
        newest_ns = {posted.key: posted.taken_ns for posted in found}
        old_ns = own_ns - BEHIND_MS * NS_PER_MS
        return any(count >= READ_COUNT and newest_ns[key] < old_ns for key, count in counts.items())

    def _commit(self, writes: list[tuple[str, Envelope]], now_ns: int) -> None:
        self._said.trying(item for item in writes if home_of(type(item[1].body)).kept is None)
        self.bus.commit(
            self.name, self.epoch, self._said.commits, self.state, self.positions, writes, now_ns,
            self._before_ns,
        )  # fmt: skip
        self._said.took_place()
        self._confirmed = (self.state, dict(self.positions))

    def _recover(self, now_ns: int) -> None:
        kept = self.bus.take_over(self.service.name, now_ns, self.epoch)
        self.epoch, self._losses = kept.epoch, self.bus.losses
        self._started_ns = self._started_ns or now_ns
        self._said.settle(kept.commits, lost=kept.commits < self._said.commits)
        if self._said.lost is None or self._confirmed is None:
            self._reload(kept)
        else:
            self.state, self.positions = self._confirmed[0], dict(self._confirmed[1])
        self.cursors = {key: self.bus.newest(key) for key in self.service.newest}
        self.bus.follow(self.name, {**self.positions, **self.cursors})
        self._ticked_ns = 0
        self._loaded = True

    def _reload(self, kept: Kept) -> None:
        initial = self.service.initial
        survived = {} if kept.state is None else {n: getattr(kept.state, n) for n in initial.DURABLE}
        self.state = initial.model_copy(update=survived)
        self.positions = {key: kept.positions.get(key, 0) for key in self.service.committed}
        self._confirmed = (self.state, dict(self.positions))

    def _tell_lost(self, now_ns: int, writes: list[tuple[str, Envelope]]) -> None:
        """Write again what the bus lost of ours, and tell everyone that it has."""
        if self._said.lost is None:
            return
        writes += newest(self._said.lost, lambda item: item[1].body)
        cause = f"lost-{self.name}-{self.epoch}"
        for ordinal, message in enumerate(bus_lost(self.name, emptied=False)):
            told = Envelope.wrap(
                message, source=self.name, now_ns=now_ns, causation_id=cause, ordinal=ordinal
            )
            writes.append((key_of(home_of(type(message))), told))
        self._ask(Received(writes[-1][1], LOCAL, "", now_ns), writes)

    def _ask(self, event: Event, writes: list[tuple[str, Envelope]]) -> None:
        step = self.service.decide(self.state, event)
        self.state = step.state
        writes.extend(envelopes(step.out, self.service.name, event))

    def _beat(self, now_ns: int, writes: list[tuple[str, Envelope]]) -> None:
        if now_ns - self._beat_ns < HEARTBEAT_MS * NS_PER_MS:
            return
        self._beat_ns = now_ns
        beat = Heartbeat.model_construct(
            service=self.name, instance=BUILD, epoch=self.epoch, build_id=BUILD, pid=0,
            started_at_ns=self._started_ns, reference_hash=self.service.reference_hash_of(self.state),
            positions={}, handled=0, clock_offset_us=0,
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
            message, source=source, now_ns=event.now_ns, causation_id=said.cause_id or event.cause_id,
            ordinal=ordinal, correlation_id=said.correlation_id, event_ns=said.event_ns,
        )  # fmt: skip
        made.append((key_of(home_of(type(message)), said.name), envelope))
    return made
