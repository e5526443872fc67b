"""The gateway in virtual time: its own shell, core, reader, writer, slots and calls.

Only Qt, the threads, Redis and the disk are others.

A kill forgets what was not yet committed, the Qt thread's memory and the session with the broker. What
stays is what would stay: the log of intentions, the stream positions and durable state on the bus, and
the world.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from services.contracts.limits import NS_PER_MS, NS_PER_S, READ_BLOCK_MS
from services.contracts.messages.commands import PlaceOrder
from services.contracts.streams import CONTROL, LEASE, STOPS
from services.gateway.adapters.ocx import Ocx
from services.gateway.control_calls import Calls, OrderPort, Slots
from services.gateway.halt_file import HaltFile
from services.gateway.intention_log import IntentionLog, Line
from services.gateway.outbox import Outbox
from services.gateway.redis_reader import RedisReader
from services.gateway.redis_writer import QtClock, RedisWriter
from services.gateway.shell import EXIT_FAILED, SOURCE, Identity, Shell
from services.gateway.start import joined, positions_of, rehearsed
from services.gateway.state import GatewayState
from services.runtime.bus import BusUnavailable, Entry
from services.runtime.clock import ClockSetBack, Sample
from services.runtime.metrics import Exporter
from services.simulator.events import Event as BrokerEvent
from services.simulator.virtual.bus import Connection, Killed, VirtualBus, VirtualTime
from services.simulator.virtual.process import BUILD, MONO_BEHIND_NS, clock_of
from services.simulator.virtual_control import VirtualControl
from services.simulator.world import World

_NO_COMMANDS: Final = (STOPS.key, CONTROL.key, LEASE.key)
START_AGAIN_NS: Final = 500 * NS_PER_MS
"""A start that Redis does not answer is tried again so often (`gateway/app.py`)."""


class VirtualClock(QtClock):
    """The Qt thread's clock over a measure that may be wrong. A real measure knows how wrong it may be, and
    the lease is counted on the pessimistic side of it."""

    def __init__(self, writer: RedisWriter, first: Sample, time: VirtualTime) -> None:
        super().__init__(writer, first, lambda: time.now_ns - MONO_BEHIND_NS)
        self.set_back = False
        """Whether Redis time was set back: the process ends then, to be started again."""

    def refresh(self) -> None:
        try:
            super().refresh()
        except ClockSetBack:
            self.set_back = True
            raise

    def mono_of(self, redis_ns: int) -> int:
        found = super().mono_of(redis_ns)
        return found - abs(self.reading.offset_ns - MONO_BEHIND_NS) if found else 0


class MemoryLog(IntentionLog):
    """The log of intentions of one machine, as one of its processes has it. Lines go through JSON, as a
    file's do."""

    def __init__(self, lines: dict[str, list[str]] | None = None) -> None:
        super().__init__(Path("memory"))
        self._lines: dict[str, list[str]] = {} if lines is None else lines
        self._known: Counter[str] = Counter()
        """Intentions by order that this process has found at its start, or written."""

    def opened(self) -> "MemoryLog":
        """Return the same log for another process of the machine."""
        return MemoryLog(self._lines)

    def keep(self, trading_date: str) -> str:
        """Nobody takes a file away that is in memory."""
        return ""

    def read(self, trading_date: str, *, mend: bool = True) -> list[Line]:
        lines = [json.loads(line) for line in self._lines.get(trading_date, ())]
        if mend:
            self._known.update(_intents(lines))
        return lines

    def read_before(self, trading_date: str, *, mend: bool = True) -> list[Line]:
        earlier = max((date for date in self._lines if date < trading_date), default="")
        return self.read(earlier, mend=mend)

    def append(self, trading_date: str, line: Line, sync: bool) -> None:
        self._lines.setdefault(trading_date, []).append(json.dumps(line))
        self._known.update(_intents([line]))

    def written_twice(self, trading_date: str, order_id: str) -> bool:
        lines = (json.loads(line) for line in self._lines.get(trading_date, ()) if order_id in line)
        return _intents(lines).count(order_id) > self._known[order_id]

    def close(self) -> None:
        """There is no file."""


RATE_EXCEEDED = -308
NOT_SENT = (-106, -300, -302, -303, -304, -308, -500)
"""Codes of SendOrder that mean that nothing left (Kiwoom sheet 6). -307 is not among them."""


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


class WatchedReader(RedisReader):
    """The reader, with somebody who sees each entry as it is handed over."""

    def __init__(
        self, line: Connection, positions: Mapping[str, str], writer: RedisWriter, time: VirtualTime,
        seen: Callable[[Entry], None],
    ) -> None:  # fmt: skip
        super().__init__(line, positions, writer.doubt, lambda: time.now_ns - MONO_BEHIND_NS)
        self._seen = seen

    def _hand_over(self, entry: Entry) -> None:
        self._seen(entry)
        super()._hand_over(entry)


class Instance:
    """One process of the gateway: a control of its own, both sides of Redis, and the shell between them."""

    def __init__(self, gateway: "VirtualGateway", number: int) -> None:
        self._gateway, self._number = gateway, number
        self._time = gateway.bus.time
        self.line, self._reading = (gateway.bus.connect(SOURCE, gateway.wrong_ns) for _ in range(2))
        self._log = gateway.log.opened()
        self.control: VirtualControl | None = None
        self.shell: Shell | None = None
        self.up = True
        self.exit_code: int | None = None
        self.failure = ""
        self._reads_from_ns = self._writes_from_ns = self._read_ns = self._starts_from_ns = 0

    def turn(self, now_ns: int, die: str) -> None:
        """One round of the Qt timer, and what both threads do meanwhile."""
        self.line.dies = die
        try:
            if self._has_begun(now_ns):
                self._turn(now_ns)
        except Killed:
            self.end()
        except Exception as error:
            self.failure = f"{type(error).__name__}: {error}"
            self.end()
        if die or self.exit_code is not None:
            self.end()

    def _has_begun(self, now_ns: int) -> bool:
        """Whether the start is done. One that Redis does not answer is tried again."""
        if self.shell is None and now_ns >= self._starts_from_ns:
            try:
                self.shell = self._started(now_ns)
            except BusUnavailable:
                self._starts_from_ns = now_ns + START_AGAIN_NS
                return False
            self.shell.start()
        return self.shell is not None

    def _turn(self, now_ns: int) -> None:
        assert self.shell is not None and self.control is not None
        self._read(now_ns)
        self.control.pump()
        self.shell.turn()
        if now_ns >= self._writes_from_ns:
            self._writes_from_ns = now_ns + int((self.writer.step(0.0) or 0.0) * NS_PER_S)

    def _read(self, now_ns: int) -> None:
        """What the blocking reader would have done by now."""
        due = bool(self._reading.news) or now_ns - self._read_ns >= READ_BLOCK_MS * NS_PER_MS
        if due and now_ns >= self._reads_from_ns:
            self._read_ns = now_ns
            self._reads_from_ns = now_ns + int((self.reader.step(0) or 0.0) * NS_PER_S)

    def _started(self, now_ns: int) -> Shell:
        """As `gateway/app.py` starts it."""
        gateway, time, log, line = self._gateway, self._time, self._log, self.line
        first = gateway.initial
        rehearsed(line, log, first, SOURCE)
        stored = line.take_over(SOURCE)
        outbox, state = Outbox(), line.codec.restore(first, stored.parts)
        self.writer = RedisWriter(
            line, outbox, SOURCE, stored.epoch, state if stored.parts else None, _exporter(),
            clock_of(line, time),
        )  # fmt: skip
        self.clock = VirtualClock(self.writer, self.writer.measure(), time)
        today = first.clock.trading_date_at(self.clock.now_ns())
        state = joined(state, log, today, mend=True)
        positions = positions_of(stored.positions, first.settings.name)
        self.reader = WatchedReader(self._reading, positions, self.writer, time, gateway.reads)
        control = self.control = VirtualControl(gateway.world, lambda: time.now_ns)
        ocx = VirtualOcx(control)
        dying: Any = DyingLine(
            ocx, lambda: gateway.dies_at_send(), lambda order_id: gateway.may_have_left(order_id),
            lambda: gateway.rate_refused(),
        )  # fmt: skip
        mono_ns = self.clock.mono_ns
        port = WatchedPort(dying, log, mono_ns, lambda effect: gateway.sending(shell.state, effect))
        who = Identity(f"{SOURCE}-{self._number}", stored.epoch, BUILD, self.clock.now_ns())
        shell = Shell(
            state, positions, who, reader=self.reader, writer=self.writer, outbox=outbox, clock=self.clock,
            log=log, calls=Calls(ocx), port=port, end=self._ended, halt=HaltFile,
        )  # fmt: skip
        shell.slots = Slots(ocx, shell.on_book, shell.on_trade)
        return shell

    def _ended(self, code: int) -> None:
        self.exit_code = code
        if code == EXIT_FAILED and not self.clock.set_back:
            self.failure = "it ended by a failure of its own"

    def end(self) -> None:
        """The process and its control are gone; orders that were sent are not."""
        if not self.up:
            return
        self.up = False
        for line in (self.line, self._reading):
            line.close()
        if self.control is not None:
            self.control.clear()

    @property
    def in_doubt(self) -> bool:
        """Whether the bus may have lost something since it was last looked at."""
        return self.shell is not None and (self.line.stale or self.writer.doubt.is_set())


class VirtualGateway:
    """The gateway as its supervisor has it, one process after another, on one bus, one log and one world.

    A process that is started while another runs goes on beside it, with a session of its own, until the older
    is fenced.
    """

    def __init__(
        self, initial: GatewayState, bus: VirtualBus, world: World, log: MemoryLog,
        sending: Callable[[GatewayState, Any], None],
    ) -> None:  # fmt: skip
        self.initial, self.bus, self.world, self.log, self.sending = initial, bus, world, log, sending
        self.dies_at_send: Callable[[], str] = lambda: ""
        self.may_have_left: Callable[[str], None] = lambda order_id: None
        self.rate_refused: Callable[[], None] = lambda: None
        self.clock_shift_ns = 0
        self.paused_until_ns = 0
        self.life = 0
        """Which process it is, counted from 1."""
        self.failures: list[str] = []
        """Why processes ended by a failure of their own."""
        self.read_ns: dict[str, int] = {}
        """When each order's command was last read."""
        self._current: Instance | None = None
        self._older: list[Instance] = []

    @property
    def name(self) -> str:
        return SOURCE

    @property
    def up(self) -> bool:
        return self._current is not None and self._current.up

    @property
    def exit_code(self) -> int | None:
        return None if self._current is None else self._current.exit_code

    @property
    def in_doubt(self) -> bool:
        """Whether the bus may have lost something that the gateway has not looked for."""
        return self._current is not None and self._current.in_doubt

    @property
    def state(self) -> GatewayState:
        shell = self._shell
        return self.initial if shell is None else shell.state

    @property
    def recovered(self) -> bool:
        """Whether a process runs that has taken in what it knew."""
        return self._shell is not None

    @property
    def _shell(self) -> Shell | None:
        """Of a process that runs."""
        return self._current.shell if self._current is not None and self._current.up else None

    @property
    def clock_error_ns(self) -> int:
        """How wrong this process reads Redis time."""
        if self._shell is None or self._current is None:
            return 0
        return self._current.clock.now_ns() - self.bus.time.now_ns

    @property
    def instances(self) -> int:
        """How many processes run now."""
        return self.up + len(self._older)

    def wrong_ns(self) -> int:
        """How wrong the time of the bus is measured."""
        return self.clock_shift_ns

    def reads(self, entry: Entry) -> None:
        """An entry is handed to the Qt thread."""
        body = entry.decoded().body if entry.key not in _NO_COMMANDS else None
        if isinstance(body, PlaceOrder):
            self.read_ns[body.order_id] = self.bus.time.now_ns

    def start(self) -> None:
        """A process begins; it takes over as soon as the bus answers. One that runs goes on beside it."""
        if self._current is not None and self._current.up:
            self._older.append(self._current)
        self.life += 1
        self._current = Instance(self, self.life)

    def kill(self) -> None:
        """The newest process and its control are gone; orders that were sent are not."""
        if self._current is not None:
            self._current.end()

    def deliver(self, events: Mapping[int, list[BrokerEvent]]) -> None:
        """What the world sent, by session."""
        for instance in (*self._older, self._current):
            if instance is not None and instance.up and instance.control is not None:
                instance.control.deliver(events.get(instance.control.session.number, ()))

    def turn(self, now_ns: int, *, die: str = "") -> None:
        """One round of each process. `die` is "before" or "after" the newest one's commit."""
        for instance in self._older:
            self._turn(instance, now_ns, "")
        self._older = [instance for instance in self._older if instance.up]
        if self._current is not None and self._current.up and now_ns >= self.paused_until_ns:
            self._turn(self._current, now_ns, die)

    def _turn(self, instance: Instance, now_ns: int, die: str) -> None:
        instance.turn(now_ns, die)
        if instance.failure:
            self.failures.append(f"{SOURCE}: {instance.failure}")


@cache
def _exporter() -> Exporter:
    """One for all days of this process: nobody reads it."""
    return Exporter(SOURCE)


def _intents(lines: Iterable[Line]) -> list[str]:
    """Return the order of each intention."""
    return [line["record"]["facts"]["order_id"] for line in lines if line["k"] == "intent"]
