"""The gateway in virtual time: its own shell, core, slots and calls; only Qt, Redis and the disk are others.

A kill forgets what was not yet committed, the Qt thread's memory and the session with the broker. What
stays is what would stay: the log of intentions, the stream positions and durable state on the bus, and
the world.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Event
from typing import Any

from services.contracts.messages.commands import PlaceOrder
from services.contracts.streams import COMMANDS, CONTROL, LEASE, STOPS, TICKS, key_of
from services.gateway.adapters.ocx import Ocx
from services.gateway.control_calls import Calls, OrderPort, Slots
from services.gateway.core import recovered
from services.gateway.halt_file import HaltFile
from services.gateway.intention_log import IntentionLog, Line
from services.gateway.outbox import Batch, Outbox, envelope_of
from services.gateway.recovery import whole_log
from services.gateway.redis_reader import Read
from services.gateway.shell import SOURCE, Identity, Shell
from services.gateway.state import GatewayState
from services.runtime.bus import Entry
from services.runtime.clock import JUMP_NS, SLEW_PPM, ClockReading
from services.simulator.events import Event as BrokerEvent
from services.simulator.virtual.bus import Overtaken, Unavailable, VirtualBus
from services.simulator.virtual.process import BUILD
from services.simulator.virtual_control import VirtualControl
from services.simulator.world import World

MONO_BEHIND_NS = 1_000_000_000_000
"""Any distance between wall and monotonic time will do, but none may be assumed."""


@dataclass
class VirtualTime:
    """The one clock of a virtual day; what each machine reads of it may be wrong by its own shift."""

    now_ns: int


class GatewayClock:
    """What `QtClock` is to the shell: a measure that is wrong by `measured_ns`, and a time that is slewed to
    it. A process that runs sees a step of the measure as the real one does: it trusts its clock no more, and
    holds no lease, until its time has come near."""

    jumps = 0

    def __init__(self, time: VirtualTime, measured_ns: Callable[[], int]) -> None:
        self._time, self._measure = time, measured_ns
        self.shift_ns = self._measured_ns = measured_ns()
        self._slewed_ns = time.now_ns
        self._last_ns = 0

    def refresh(self) -> None:
        """Take over the newest measure, and let time go on to it."""
        measured_ns = self._measure()
        if measured_ns != self._measured_ns and abs(measured_ns - self.shift_ns) > JUMP_NS:
            self.jumps += 1
        self._measured_ns = measured_ns
        allowed = (self._time.now_ns - self._slewed_ns) * SLEW_PPM // 1_000_000
        self.shift_ns += max(-allowed, min(allowed, measured_ns - self.shift_ns))
        self._slewed_ns = self._time.now_ns

    def now_ns(self) -> int:
        self._last_ns = max(self._last_ns, self._time.now_ns + self.shift_ns)
        return self._last_ns

    def mono_ns(self) -> int:
        return self._time.now_ns - MONO_BEHIND_NS

    def mono_of(self, redis_ns: int) -> int:
        if not self.reading.trusted:
            return 0
        return redis_ns - MONO_BEHIND_NS - abs(self._measured_ns)

    @property
    def offset_us(self) -> int:
        return (self._measured_ns - self.shift_ns) // 1_000

    @property
    def reading(self) -> ClockReading:
        trusted = abs(self._measured_ns - self.shift_ns) < JUMP_NS
        return ClockReading(0, 0, self.offset_us, trusted, self.jumps)


class MemoryLog(IntentionLog):
    """The log of intentions of one machine. Its lines go through JSON, as a file's do."""

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = {}
        self.lost = ""

    def keep(self, trading_date: str) -> str:
        """Nobody takes a file away that is in memory."""
        return ""

    def read(self, trading_date: str, *, mend: bool = True) -> list[Line]:
        return [json.loads(line) for line in self._lines.get(trading_date, ())]

    def read_before(self, trading_date: str, *, mend: bool = True) -> list[Line]:
        earlier = max((date for date in self._lines if date < trading_date), default="")
        return self.read(earlier)

    def append(self, trading_date: str, line: Line, sync: bool) -> None:
        self._lines.setdefault(trading_date, []).append(json.dumps(line))

    def written_twice(self, trading_date: str, order_id: str) -> bool:
        """A virtual gateway that was replaced is gone before it could write."""
        return False

    def close(self) -> None:
        """There is no file."""


@dataclass
class _Inbox:
    """The reader's side that the shell knows."""

    stops: "SimpleQueue[Read]" = field(default_factory=SimpleQueue)
    inbox: "SimpleQueue[Read]" = field(default_factory=SimpleQueue)
    failed: bool = False
    unreadable: str = ""


@dataclass
class _Pen:
    """The writer's side that the shell knows."""

    fenced: bool = False
    failed: bool = False
    unwritable: str = ""
    published: int = 0
    forgotten: Event = field(default_factory=Event)


RATE_EXCEEDED = -308
NOT_SENT = (-106, -300, -302, -303, -304, -308, -500)
"""Codes of SendOrder that mean that nothing left (Kiwoom sheet 6). -307 is not among them."""


class Killed(BaseException):
    """The process is gone in the middle of a call. No handler of the product may catch it."""


class DyingLine:
    """The control as the order port has it, with a process that may die around SendOrder."""

    def __init__(
        self, ocx: Ocx, dies: Callable[[], str], may_have_left: Callable[[str], None],
        rate_refused: Callable[[], None],
    ) -> None:  # fmt: skip
        self._ocx, self._dies, self._may_have_left = ocx, dies, may_have_left
        self._rate_refused = rate_refused

    def send_order(self, args: list[Any]) -> int:
        """`dies` says "before" (nothing left the machine), "within" (it left, nobody heard) or neither."""
        death = self._dies()
        if death == "before":
            raise Killed
        code = self._ocx.send_order(args)
        if code == RATE_EXCEEDED:
            self._rate_refused()
        if code not in NOT_SENT:
            self._may_have_left(args[0])
        if death == "within":
            raise Killed
        return code


class WatchedPort(OrderPort):
    """The order port, with somebody who sees each order just before it is sent."""

    def __init__(self, ocx: Ocx, log: IntentionLog, mono_ns: Callable[[], int], seen: Callable[[Any], None]):
        super().__init__(ocx, log, lambda: False, mono_ns)
        self._seen = seen

    def send(self, effect: Any) -> Any:
        self._seen(effect)
        return super().send(effect)


class VirtualOcx(Ocx):
    """The gateway's own adapter. Texts of an event, most of all calls, are read past the prototypes."""

    def __init__(self, control: VirtualControl) -> None:
        super().__init__(control)
        self._reading = control.reading

    def comm_data(self, trcode: str, record: str, row: int, field: str) -> str:
        return self._reading.comm_data(trcode, record, row, field)

    def real_data(self, code: str, fid: int) -> str:
        return self._reading.real_data(code, fid)

    def chejan_data(self, fid: int) -> str:
        return self._reading.chejan_data(fid)


class VirtualGateway:
    """One gateway process after another, on one bus, one log and one world."""

    def __init__(
        self,
        initial: GatewayState,
        bus: VirtualBus,
        world: World,
        time: VirtualTime,
        log: MemoryLog,
        sending: Callable[[GatewayState, Any], None],
    ) -> None:
        self._initial, self._bus, self._world, self._time, self._log = initial, bus, world, time, log
        self._sending = sending
        self._keys = (STOPS.key, CONTROL.key, key_of(COMMANDS, initial.settings.name))
        self.dies_at_send: Callable[[], str] = lambda: ""
        self.may_have_left: Callable[[str], None] = lambda order_id: None
        self.rate_refused: Callable[[], None] = lambda: None
        self.clock_shift_ns = 0
        self.paused_until_ns = 0
        self.up = False
        self.life = 0
        """Which process it is, counted from 1."""
        self.exit_code: int | None = None
        self._shell: Shell | None = None
        self._control: VirtualControl | None = None
        self._cursors: dict[str, int] = {}
        self._batches: list[Batch] = []
        self.read_ns: dict[str, int] = {}
        """When each order's command was last read."""

    @property
    def name(self) -> str:
        return SOURCE

    @property
    def clock_error_ns(self) -> int:
        """How wrong this process reads Redis time."""
        return 0 if self._shell is None else self._clock.shift_ns

    @property
    def recovered(self) -> bool:
        """Whether a process runs that has taken in what it knew."""
        return self._shell is not None

    @property
    def state(self) -> GatewayState:
        return self._initial if self._shell is None else self._shell.state

    def start(self) -> None:
        """The process begins; it takes over as soon as the bus answers."""
        self.up, self.exit_code = True, None
        self.life += 1

    def kill(self) -> None:
        """The process and its control are gone; orders that were sent are not."""
        self.up = False
        if self._control is not None:
            self._control.clear()
        self._shell = self._control = None
        self._batches = []

    def deliver(self, events: Mapping[int, list[BrokerEvent]]) -> None:
        """What the world sent, by session."""
        if self._control is not None:
            self._control.deliver(events.get(self._control.session.number, ()))

    def turn(self, now_ns: int, *, die: str = "") -> None:
        """One round of the Qt timer and of both Redis threads."""
        if not self.up or now_ns < self.paused_until_ns:
            return
        try:
            self._turn(now_ns, die)
        except (Overtaken, Killed):
            self.kill()

    def _turn(self, now_ns: int, die: str) -> None:
        if self._shell is None:
            try:
                self._shell = self._recover(now_ns)
            except Unavailable:
                return None
            self._shell.start()
        shell, control = self._shell, self._control
        assert control is not None
        self._read(now_ns)
        control.pump()
        shell.turn()
        if die == "before":
            return self.kill()
        self._write(shell, now_ns)
        if die == "after" or self.exit_code is not None:
            self.kill()
        return None

    def _recover(self, now_ns: int) -> Shell:
        kept = self._bus.take_over(SOURCE, now_ns)
        first = self._initial
        stored = {} if kept.state is None else {name: getattr(kept.state, name) for name in first.DURABLE}
        state = first.model_copy(update=stored)
        date = first.clock.trading_date_at(now_ns)
        lines = self._log.read(date)
        state = recovered(whole_log(state, lines, date, "memory"), lines, date, self._log.read_before(date))
        clock = GatewayClock(self._time, lambda: self.clock_shift_ns)
        control = self._control = VirtualControl(self._world, lambda: self._time.now_ns)
        ocx = VirtualOcx(control)
        self._epoch, self._commits, self._losses = kept.epoch, kept.commits, self._bus.losses
        self._positions = {key: kept.positions.get(key, 0) for key in self._keys}
        self._cursors = {**self._positions, LEASE.key: self._bus.newest(LEASE.key)}
        self._bus.follow(SOURCE, self._cursors)
        self._inbox, self._pen, self._outbox, self._clock = _Inbox(), _Pen(), Outbox(), clock
        self._doubtful = False
        self._number_of: dict[str, int] = {}
        anything: Any = self
        line: Any = DyingLine(
            ocx, lambda: self.dies_at_send(), lambda order_id: self.may_have_left(order_id),
            lambda: self.rate_refused(),
        )  # fmt: skip
        port = WatchedPort(line, self._log, clock.mono_ns, lambda effect: self._sending(self.state, effect))
        shell = Shell(
            state, dict.fromkeys(self._keys, ""), Identity(BUILD, kept.epoch, BUILD, now_ns),
            reader=anything._inbox, writer=anything._pen, outbox=self._outbox, clock=anything._clock,
            log=self._log, calls=Calls(ocx), port=port, end=self._ended, halt=HaltFile,
        )  # fmt: skip
        shell.slots = Slots(ocx, shell.on_book, shell.on_trade)
        return shell

    def _ended(self, code: int) -> None:
        self.exit_code = code

    # -- the two threads -------------------------------------------------------------------

    def _read(self, now_ns: int) -> None:
        """In doubt nothing but stops, as the reader does."""
        wanted = {STOPS.key: self._cursors[STOPS.key]} if self.in_doubt else self._cursors
        try:
            found = self._bus.read(SOURCE, wanted, now_ns)
        except Unavailable:
            return
        for posted in found:
            self._cursors[posted.key] = posted.number
            self._number_of[posted.entry_id] = posted.number
            if isinstance(posted.envelope.body, PlaceOrder):
                self.read_ns[posted.envelope.body.order_id] = now_ns
            way = self._inbox.stops if posted.key == STOPS.key else self._inbox.inbox
            way.put(Read(Entry(posted.key, posted.entry_id, b""), posted.envelope))

    def _write(self, shell: Shell, now_ns: int) -> None:
        """Commit what waits, and publish books. What is not answered is written again next time."""
        self._batches += self._outbox.take(0)
        try:
            self._look_back(now_ns)
            if self._batches:
                newest = self._batches[-1]
                writes = [(write.key, write.envelope) for batch in self._batches for write in batch.writes]
                self._move_positions(newest.positions)
                self._doubtful = True
                self._bus.commit(
                    SOURCE, self._epoch, self._commits, newest.state, self._positions, writes, now_ns
                )
                self._commits += 1
                self._doubtful = False
                self._batches = []
            quotes, _ = self._outbox.take_ticks()
            books = [(key_of(TICKS, q.group), envelope_of(q, SOURCE, now_ns)) for q in quotes]
            if books:
                self._bus.append(books, now_ns)
        except Unavailable:
            return

    @property
    def in_doubt(self) -> bool:
        """Whether the bus may have lost something since it was last looked at."""
        return self._doubtful or self._bus.losses != self._losses

    def _look_back(self, now_ns: int) -> None:
        """After an error and on a new connection: what the bus knows is compared, as the writer does."""
        if not self.in_doubt:
            return
        kept = self._bus.take_over(SOURCE, now_ns, self._epoch)
        if kept.commits < self._commits:
            self._pen.forgotten.set()
        self._epoch, self._commits, self._losses = kept.epoch, kept.commits, self._bus.losses
        self._doubtful = False

    def _move_positions(self, entry_ids: Mapping[str, str]) -> None:
        """From the entry ids that the shell keeps to the numbers that this bus keeps."""
        for key, entry_id in entry_ids.items():
            if entry_id in self._number_of:
                self._positions[key] = self._number_of[entry_id]
