"""The body of every service's loop: entries and time go in, what is to be committed comes out.

No I/O and no clock. Whoever drives it reads, passes the time, commits what `commit()` returns, and says
whether that took place (`committed`) or what is known is to be loaded again (`forget`, then `begin`).

An entry that cannot be read, or at which the core fails `MAX_TRIES` times, is buried. The tries count on over
a restart: after a start and after a failure entries are taken carefully, each try stored before the core is
asked (`must_note`), so that one which takes the whole process down is buried too. A core that fails at a tick
is told by an alert, and no heartbeat is made until it succeeds again.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic

import structlog

from services.contracts.envelope import Envelope, Message, Unreadable
from services.contracts.limits import HEARTBEAT_MS, NS_PER_MS, TICK_MS
from services.contracts.messages.status import Heartbeat
from services.contracts.request_life import is_owner
from services.contracts.step import Event, Outgoing, Received, StateT, Tick
from services.runtime import complaints, retries
from services.runtime.burials import Burials, burial, junk_of
from services.runtime.bus import Entry, Write
from services.runtime.clock import ClockReading
from services.runtime.logs import about
from services.runtime.meter import Unmetered
from services.runtime.parts import PartsCodec
from services.runtime.service import LOCAL, Service, write_of
from services.runtime.tries import FAILING, MAX_TRIES, NEVER_TRIED, TRYING, Trying, trying_of


@dataclass(frozen=True, slots=True)
class Commit(Generic[StateT]):
    """What one transaction is to hold: the state, what is stored beside it, and the outputs.

    `before_ms` is when a request that it takes in has expired (Redis time), 0 where it takes in none.
    """

    state: StateT
    fields: Mapping[str, str]
    writes: tuple[Write, ...]
    before_ms: int = 0


class Engine(Generic[StateT]):
    """One instance of one service. Times are Redis time, ns."""

    def __init__(self, service: Service[StateT], meter: Unmetered[StateT]) -> None:
        self.service, self._meter = service, meter
        self.state: StateT = service.initial
        self.epoch = 0
        self.handled = 0
        self.careful = True
        self.late_ns = 0
        """What Redis said of its time when a commit came too late: no request is taken as earlier."""
        self.started_ns = self.ticked_ns = self.beat_ns = 0
        self.burials = self._burials_told = Burials(service.name)
        self._writes: list[Write] = []
        self._before_ns = 0
        self._trying = NEVER_TRIED
        self._to_note: Trying | None = None
        self._failing = self._failing_told = ""
        """Why the core fails at ticks, empty where it does not."""
        self._log = structlog.get_logger(service=service.name)

    # -- start and error -------------------------------------------------------------

    def rehearse(self, codec: PartsCodec, stored: Mapping[str, Any]) -> None:
        """Raises StateUnreadable where what is stored does not fit this build."""
        codec.restore(self.service.initial, stored)
        trying_of(stored.get(TRYING, ""))

    def begin(self, codec: PartsCodec, stored: Mapping[str, Any]) -> bool:
        """Take the state from what is stored. Returns whether anything was. Raises StateUnreadable."""
        parts = dict(stored)
        tried, told = trying_of(parts.pop(TRYING, "")), parts.pop(FAILING, "")
        if not self.started_ns:
            # The process before told of it, and only a tick that succeeds tells that it is over.
            self._failing = self._failing_told = told
            self._trying = tried
        self.state = codec.restore(self.service.initial, parts)
        return bool(parts)

    def hold(self, epoch: int, now_ns: int) -> None:
        """The epoch was taken, and the state is what counts from now on."""
        self.epoch, self.careful = epoch, True
        self.started_ns = self.started_ns or now_ns
        self.ticked_ns = self.beat_ns = 0

    def forget(self) -> None:
        """Nobody knows what became of what was not committed: it is decided again."""
        self._writes = []
        self._before_ns = 0
        self._failing, self.burials = self._failing_told, self._burials_told
        self._meter.dropped()

    # -- entries ---------------------------------------------------------------------

    def must_note(self, entry: Entry) -> bool:
        """Whether it is to be stored that this entry is tried, before it is handled; `note` it then."""
        return self.careful and entry.key in self.service.committed and not self._junk_of_flood(entry)

    def note(self, entry: Entry) -> None:
        """Let the next commit store that this entry is tried."""
        self._to_note = Trying(entry.name, self._trying.of(entry.name))

    def handle(self, entry: Entry, now_ns: int) -> bool:
        """Ask the core for one entry, or give it up. False: it is to be tried again in the next turn."""
        junk = self._junk_of_flood(entry)
        if junk:
            self.burials = self.burials.counted(entry.key, entry.entry_id, junk, now_ns)
            return self._passed(entry)
        tries = self._trying.of(entry.name)
        if tries > MAX_TRIES:
            return self._bury(entry, "the process ended each time it was handled", MAX_TRIES, now_ns)
        try:
            event = Received(entry.decoded(), entry.key, entry.entry_id, max(now_ns, self.late_ns))
        except Unreadable as reason:
            return self._bury(entry, str(reason), 1, now_ns)
        try:
            self._ask(event)
        except Exception as error:
            whom = about(event.envelope)
            self._log.exception("core failed", entry=entry.entry_id, stream=entry.key, tries=tries, **whom)
            self._meter.core_failed()
            if tries < MAX_TRIES and entry.key in self.service.committed:
                self._trying = self._to_note = Trying(entry.name, tries)
                self.careful = True
                return False
            return self._bury(entry, f"{type(error).__name__}: {error}", tries, now_ns)
        self._holds_for(event)
        return self._passed(entry)

    def _junk_of_flood(self, entry: Entry) -> str:
        return junk_of(entry) if self.burials.is_flooded(entry) else ""

    def _holds_for(self, event: Received) -> None:
        """Let the next commit see to it that a request which is decided here has not expired by then."""
        if event.deadline_ns and not event.expired and is_owner(self.service.name, event.envelope.type):
            self._before_ns = min(self._before_ns or event.deadline_ns, event.deadline_ns)

    def _passed(self, entry: Entry) -> bool:
        self.handled += 1
        self._meter.passed(entry.key)
        return True

    def _bury(self, entry: Entry, reason: str, tries: int, now_ns: int) -> bool:
        """Give an entry up, and let the core hear that it was."""
        buried = burial(self.service.name, entry, reason, tries)
        self.burials = self.burials.after(buried, now_ns)
        self.hear(self.tell((buried,), entry.name, now_ns)[0], now_ns)
        return self._passed(entry)

    # -- what no entry causes ----------------------------------------------------------

    def look_around(self, now_ns: int, behind: Callable[[], bool], beat: Callable[[int], Heartbeat]) -> None:
        """What the shell saw, time, the heartbeat, burials. A failure is told, not passed on."""
        try:
            self._observe(now_ns)
            if self.tick_is_due(now_ns):
                self.ticked_ns = now_ns
                self._ask(Tick(now_ns, self.epoch, behind()))
                self._tell_failing("", now_ns)
        except Exception as error:
            self._tell_failing(f"{type(error).__name__}: {error}", now_ns)
        else:
            if not self._failing and now_ns - self.beat_ns >= HEARTBEAT_MS * NS_PER_MS:
                self.beat_ns = now_ns
                self.tell((beat(now_ns),), f"beat-{now_ns}", now_ns)
        self.burials, alerts = self.burials.told(now_ns)
        self.tell(alerts, f"buried-{self.service.name}-{now_ns}", now_ns)

    def tick_is_due(self, now_ns: int) -> bool:
        return now_ns - self.ticked_ns >= TICK_MS * NS_PER_MS

    def _observe(self, now_ns: int) -> None:
        for ordinal, message in enumerate(self.service.observe(self.state, now_ns)):
            seen = Envelope.wrap(
                message, source=self.service.name, now_ns=now_ns, causation_id=f"{LOCAL}-{now_ns}",
                ordinal=ordinal,
            )  # fmt: skip
            self._ask(Received(seen, LOCAL, "", now_ns))

    def _tell_failing(self, problem: str, now_ns: int) -> None:
        """Raise the alert once for as long as it lasts; an empty `problem` says that it is over."""
        if bool(problem) is bool(self._failing):
            return
        if problem:
            self._log.exception("core failed at a tick")
            self._meter.core_failed()
        name = self.service.name
        told = complaints.tick_failing(name, problem or self._failing, over=not problem)
        self.tell(told, f"tick-{name}-{now_ns}", now_ns)
        self._failing = problem

    def heartbeat(
        self, clock: ClockReading, positions: Mapping[str, str], cursors: Mapping[str, str]
    ) -> Heartbeat:
        service = self.service
        return Heartbeat(
            service=service.name, instance=service.instance, epoch=self.epoch, build_id=service.build_id,
            pid=os.getpid(), started_at_ns=self.started_ns,
            reference_hash=service.reference_hash_of(self.state), positions=positions, handled=self.handled,
            clock_offset_us=clock.offset_us, clock_trusted=clock.trusted,
            clock_error_us=clock.error_ns // 1_000, clock_jumps=clock.jumps, cursors=cursors,
        )  # fmt: skip

    # -- deciding ------------------------------------------------------------------------

    def _ask(self, event: Event) -> None:
        before, name = self.state, self.service.name
        step = retries.decided(self.service, before, event)
        made = [
            write_of(out, name, event.cause_id, ordinal, event.now_ns) for ordinal, out in enumerate(step.out)
        ]
        self.state = step.state
        self._meter.asked(before, event, step)
        self._writes += made

    def tell(self, messages: Sequence[Message], cause_id: str, now_ns: int) -> list[Write]:
        """Write what the loop has to say itself."""
        told = self.own(messages, cause_id, now_ns)
        self._writes += told
        return told

    def own(self, messages: Sequence[Message], cause_id: str, now_ns: int) -> list[Write]:
        """Return what the loop says, written by nobody yet."""
        name = self.service.name
        return [
            write_of(Outgoing(message), name, cause_id, at, now_ns) for at, message in enumerate(messages)
        ]

    def hear(self, told: Write, now_ns: int) -> None:
        """Let the core hear at once what the loop says: it may know what hangs on it."""
        try:
            self._ask(Received(told.envelope, LOCAL, "", now_ns))
        except Exception:
            self._log.exception("core failed at what the loop said", type=told.envelope.type)
            self._meter.core_failed()

    def tell_again(self, writes: Sequence[Write]) -> None:
        """Write once more what Redis lost."""
        self._writes += writes

    # -- commits -------------------------------------------------------------------------

    def commit(self) -> Commit[StateT]:
        """Return what is to be committed now."""
        fields = {} if self._to_note is None else {TRYING: self._to_note.stored()}
        if self._failing != self._failing_told:
            fields[FAILING] = self._failing
        return Commit(self.state, fields, tuple(self._writes), self._before_ns // NS_PER_MS)

    def committed(self) -> None:
        """What `commit` returned last has taken place, or held nothing."""
        self._writes = []
        self._before_ns = 0
        self._failing_told, self._burials_told = self._failing, self.burials
        self._to_note = None
