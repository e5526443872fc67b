"""The loop that every service on Redis is driven by.

One turn: read what is new, ask the pure core for each entry, then write outputs, changed
state and positions in one transaction. Start is recovery: take the epoch, load the state,
read on from its positions. After any error of the bus the memory is dropped and loaded
again, because nobody knows whether the write took place; ids derive from their cause, so
that doing it again writes nothing new.

An entry that cannot be read, or at which the core fails `MAX_TRIES` times, is buried in the
dead stream with the reason, with an alert, and the loop goes on. The tries count on over a
restart: after a start and after a failure entries are taken carefully, each try stored before
the core is asked, so that one which takes the whole process down is buried too. A core that
fails at a tick is told by an alert, and the service does not beat until it succeeds again.

Redis may come back without what it took last, or empty. The take-over sees that by the number of our last
commit. Then the state goes on from memory and is stored whole, what we wrote and Redis lost is written again,
and core, people and risk are told; what others wrote and nobody read is gone. A stream that ends before what
was read of it begins anew: it is read from its start, without what was handled, and told in the same way.
"""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Generic

import structlog

from services.contracts.envelope import Envelope, Message, Unreadable
from services.contracts.limits import HEARTBEAT_MS, NS_PER_MS, NS_PER_S, READ_BLOCK_MS, TICK_MS
from services.contracts.messages.status import Heartbeat
from services.contracts.request_life import is_owner
from services.contracts.step import Event, Outgoing, Received, StateT, Tick
from services.contracts.streams import STOPS
from services.contracts.superseded import newest
from services.runtime import complaints, retries
from services.runtime.burials import Burials, burial, junk_of
from services.runtime.bus import (
    Bus,
    BusUnavailable,
    CommitLate,
    CommitsAhead,
    Entry,
    KeysLost,
    Stored,
    Unwritable,
    Write,
)
from services.runtime.clock import NEVER_MEASURED, ClockSetBack, RedisClock
from services.runtime.lately import Said
from services.runtime.left_out import LeftOut
from services.runtime.logs import about, log_said
from services.runtime.meter import Round, Unmetered
from services.runtime.parts import StateUnreadable, changed_parts, restore
from services.runtime.service import LOCAL, Service, write_of
from services.runtime.stop_signals import Stop
from services.runtime.stream_reader import StreamReader
from services.runtime.tries import FAILING, MAX_TRIES, NEVER_TRIED, TRYING, Trying, trying_of

COMMIT_IDLE_NS: Final = 1_000 * NS_PER_MS
"""Positions that moved without any effect are written at least this often."""
CLOCK_SAMPLE_NS: Final = 1_000 * NS_PER_MS
OUTAGE_TOLD_S: Final = 3.0
"""An outage shorter than this wakes nobody: a failover, a slow disk."""
RETRY_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0)


class ServiceLoop(Generic[StateT]):
    """Runs one service. `turn()` is one round; `run(stop)` goes on until told to stop."""

    def __init__(
        self, service: Service[StateT], bus: Bus, clock: RedisClock, meter: Unmetered[StateT] | None = None
    ) -> None:
        self._service = service
        self._bus = bus
        self._clock = clock
        self._meter = meter or Unmetered[StateT]()
        self._log = structlog.get_logger(service=service.name)
        self._ready = False
        self.state: StateT = service.initial
        self._stored: StateT | None = None
        self._confirmed: StateT = service.initial
        self._epoch = 0
        self._reader = StreamReader(bus, service.committed, service.newest, self._meter.skipped_tick)
        self._careful = True
        self._trying = NEVER_TRIED
        self._to_note: Trying | None = None
        self._failing = self._failing_told = ""
        self._burials = self._burials_told = Burials(service.name)
        self._said = Said[Write]()
        self._emptied = False
        self._left_out = LeftOut(service.name)
        self._to_tell: list[Message] = []
        """What the next commit says of the last one."""
        self._down: complaints.Outage | None = None
        self._handled = 0
        self._before_ns = 0
        """When a request that the next commit takes in expires, Redis time; 0 where none does."""
        self._late_ns = 0
        """What Redis said of its time when a commit came too late: no request is read earlier."""
        self._started_ns = 0
        self._ticked_ns = self._committed_ns = self._beat_ns = self._sampled_ns = 0
        self._beaten_ns = 0
        self._reading = NEVER_MEASURED

    def run(self, stop: Stop) -> None:
        """Turn until `stop` is set.

        Raises:
            Fenced: another instance took over; nothing more may be written.
            StateUnreadable: what is stored does not fit this build.
            Unwritable: Redis does not take what the service must write; the desk was told to halt.
            TooOld: this Redis is older than 7.
        """
        failures = 0
        while not stop.is_set():
            try:
                self.turn(READ_BLOCK_MS)
                failures = 0
            except CommitsAhead:
                self._tell_at_once(complaints.commits_ahead(self._service.name))
                raise
            except Unwritable as error:
                self._end_unwritable(str(error))
                raise
            except StateUnreadable as error:
                if self._epoch:
                    self._end_unwritable(str(error))
                raise
            except CommitLate as late:
                self._forget()
                self._late_ns = late.now_ns
            except ClockSetBack as error:
                self._log.error("beginning anew", error=str(error))
                self._clock.begin_anew()
                self._forget()
                self._committed_ns = self._started_ns = 0
            except (BusUnavailable, KeysLost) as error:
                self._forget()
                self._down = self._down or complaints.Outage(time.monotonic(), str(error))
                self._meter.bus_failed()
                self._meter.turned(time.monotonic(), self._round, None)
                self._log.warning("bus unavailable", error=str(error), failures=failures)
                stop.wait(RETRY_S[min(failures, len(RETRY_S) - 1)])
                failures += 1

    def turn(self, block_ms: int = 0) -> int:
        """Read, decide, commit once; returns how many entries were handled."""
        if not self._ready:
            self._recover()
        self._sample_clock()
        self._reader.compare()
        entries = self._reader.read(block_ms)
        began_s = time.monotonic()
        writes: list[Write] = []
        self._tell_outage(writes)
        self._tell_lost(writes)
        left: Sequence[Entry] = ()
        for at, entry in enumerate(entries):
            if self._tick_is_overdue(began_s):
                writes = self._tick_between(entries[at:], writes)
            if not self._handle(entry, writes):
                left = entries[at:]
                break
        else:
            self._careful = False
        self._end(writes, left)
        ended_s = time.monotonic()
        self._meter.turned(ended_s, self._round, ended_s - began_s)
        return len(entries)

    def _tick_is_overdue(self, began_s: float) -> bool:
        """In the middle of a turn, so that a backlog keeps no heartbeat, stop or alarm waiting."""
        since_ns = self._clock.now_ns() - self._ticked_ns
        return since_ns >= TICK_MS * NS_PER_MS and time.monotonic() - began_s >= TICK_MS / 1_000

    def _tick_between(self, left: Sequence[Entry], writes: list[Write]) -> list[Write]:
        """Do what ends a turn while entries are `left`, and take the stops that came since."""
        self._end(writes, left)
        writes = []
        if left[0].key == STOPS.key:
            # Stops come first in a turn: those that came since stand behind these.
            return writes
        for entry in self._reader.new_stops():
            if not self._handle(entry, writes):
                break
        return writes

    def _end(self, writes: list[Write], left: Sequence[Entry]) -> None:
        """What no entry causes, and the commit."""
        self._look_around(writes, left)
        self._tell_burials(writes)
        self._tell_left_out(writes)
        self._commit(writes)

    def _round(self) -> Round[StateT]:
        """What this round leaves for whoever looks at the figures."""
        now_ns = self._clock.now_ns() if self._reading is not NEVER_MEASURED else 0
        return Round(
            self.state, now_ns, time.monotonic_ns(), self._service.reference_hash_of(self.state),
            self._epoch, self._beaten_ns, self._reading,
            0 if self._down is None else int(self._down.since_s * NS_PER_S),
        )  # fmt: skip

    # -- start and error -------------------------------------------------------------

    def _recover(self) -> None:
        self._clock.settle()
        if not self._epoch:
            self._bus.refuse_old()
            # What cannot be read must be found out before a live instance is fenced.
            found = self._bus.parts(self._service.name)
            restore(self._service.initial, found)
            trying_of(found.get(TRYING, ""))
        stored = self._bus.take_over(self._service.name, self._epoch)
        self._epoch = stored.epoch
        self._settle_doubt(stored)
        if self._said.lost is None:
            self._reload(stored)
        else:
            self.state, self._stored = self._confirmed, None
            self._reader.go_back(to_the_start=self._emptied)
        self._careful = True
        self._reader.follow()
        self._started_ns = self._started_ns or self._clock.now_ns()
        self._ticked_ns = self._beat_ns = 0
        self._ready = True
        self._log.info("recovered", epoch=self._epoch, positions=self._reader.positions)

    def _settle_doubt(self, stored: Stored) -> None:
        """Find out whether the last commit took place, and what Redis does not know any more."""
        if stored.lost:
            self._log.error("redis forgot", commits=stored.commits, acknowledged=self._said.commits)
        self._reader.settle(took_place=self._said.settle(stored.commits, lost=stored.lost))
        self._emptied = self._said.lost is not None and (self._emptied or stored.emptied)

    def _reload(self, stored: Stored) -> None:
        parts = dict(stored.parts)
        tried = trying_of(parts.pop(TRYING, ""))
        told = parts.pop(FAILING, "")
        if self._started_ns == 0:
            # The process before told of it, and only a tick that succeeds tells that it is over.
            self._failing = self._failing_told = told
        self._trying = tried if self._started_ns == 0 else self._trying
        self.state = restore(self._service.initial, parts)
        self._stored = self._confirmed = self.state
        if not parts:
            self._stored = None
        self._reader.begin_at(stored.positions)

    def _forget(self) -> None:
        self._ready = False
        self._before_ns = 0
        self._failing = self._failing_told
        self._burials = self._burials_told
        self._meter.dropped()

    # -- handling --------------------------------------------------------------------

    def _note_try(self, entry: Entry, writes: list[Write]) -> None:
        """Store what is done so far and that this entry is being tried; afterwards there are no writes."""
        self._to_note = Trying(entry.name, self._trying.of(entry.name))
        self._commit(writes)
        writes.clear()

    def _handle(self, entry: Entry, writes: list[Write]) -> bool:
        """Ask the core for one entry. False: stop here and try this entry again in the next turn."""
        if self._burials.is_flooded(entry) and (problem := junk_of(entry)):
            self._burials = self._burials.counted(entry.key, entry.entry_id, problem, self._clock.now_ns())
            self._passed(entry)
            return True
        if self._careful and entry.key in self._reader.positions:
            self._note_try(entry, writes)
        tries = self._trying.of(entry.name)
        if tries > MAX_TRIES:
            self._bury(entry, "the process ended each time it was handled", MAX_TRIES, writes)
            return True
        try:
            now_ns = max(self._clock.now_ns(), self._late_ns)
            event = Received(entry.decoded(), entry.key, entry.entry_id, now_ns)
        except Unreadable as reason:
            self._bury(entry, str(reason), 1, writes)
            return True
        try:
            self._ask(event, writes)
        except Exception as error:
            whom = about(event.envelope)
            self._log.exception("core failed", entry=entry.entry_id, stream=entry.key, tries=tries, **whom)
            self._meter.core_failed()
            if tries < MAX_TRIES and entry.key in self._reader.positions:
                self._trying = self._to_note = Trying(entry.name, tries)
                self._careful = True
                return False
            self._bury(entry, f"{type(error).__name__}: {error}", tries, writes)
            return True
        self._holds_for(event)
        self._passed(entry)
        return True

    def _holds_for(self, event: Received) -> None:
        """Let the next commit see to it that a request which is decided here has not expired by then."""
        if event.deadline_ns and not event.expired and is_owner(self._service.name, event.envelope.type):
            self._before_ns = min(self._before_ns or event.deadline_ns, event.deadline_ns)

    def _passed(self, entry: Entry) -> None:
        self._handled += 1
        self._meter.passed(entry.key)
        self._reader.passed(entry)

    def _bury(self, entry: Entry, reason: str, tries: int, writes: list[Write]) -> None:
        """Give an entry up, and let the core hear that it was."""
        buried = burial(self._service.name, entry, reason, tries)
        told = self._own((buried,), entry.name)
        writes += told
        self._burials = self._burials.after(buried, self._clock.now_ns())
        self._passed(entry)
        self._hear(told[0], writes)

    # -- deciding and writing ----------------------------------------------------------

    def _ask(self, event: Event, writes: list[Write]) -> None:
        before = self.state
        step = retries.decided(self._service, before, event)
        name = self._service.name
        made = [
            write_of(out, name, event.cause_id, ordinal, event.now_ns) for ordinal, out in enumerate(step.out)
        ]
        self.state = step.state
        self._meter.asked(before, event, step)
        writes.extend(made)

    def _own(self, messages: Sequence[Message], cause_id: str) -> list[Write]:
        """What the loop has to say itself."""
        now_ns = self._clock.now_ns()
        return [
            write_of(Outgoing(message), self._service.name, cause_id, ordinal, now_ns)
            for ordinal, message in enumerate(messages)
        ]

    def _look_around(self, writes: list[Write], left: Sequence[Entry]) -> None:
        """What no entry causes: time, what the shell saw, the heartbeat. A failure is told, not passed on."""
        try:
            self._observe(writes)
            self._tick(writes, left)
        except BusUnavailable:
            raise
        except Exception as error:
            self._tell_failing(f"{type(error).__name__}: {error}", writes)
            return
        self._beat(writes)

    def _tell_failing(self, problem: str, writes: list[Write]) -> None:
        """Raise the alert once for as long as it lasts; an empty `problem` says that it is over."""
        if bool(problem) is bool(self._failing):
            return
        if problem:
            self._log.exception("core failed at a tick")
            self._meter.core_failed()
        name = self._service.name
        told = complaints.tick_failing(name, problem or self._failing, over=not problem)
        writes += self._own(told, f"tick-{name}-{self._clock.now_ns()}")
        self._failing = problem

    def _tell_burials(self, writes: list[Write]) -> None:
        """Tell how many entries of a stream were given up: one alert, however many there are."""
        now_ns = self._clock.now_ns()
        self._burials, alerts = self._burials.told(now_ns)
        writes += self._own(alerts, f"buried-{self._service.name}-{now_ns}")

    def _tell_left_out(self, writes: list[Write]) -> None:
        """Once: an alert that is not taken either is left out, and counted."""
        told, self._to_tell = self._to_tell, []
        writes += self._own(told, f"left-out-{self._service.name}-{self._clock.now_ns()}")

    def _tell_outage(self, writes: list[Write]) -> None:
        """Tell that for a while nothing could be read or written; until a commit has taken place."""
        if self._down is None:
            return
        seconds = time.monotonic() - self._down.since_s
        if seconds >= OUTAGE_TOLD_S:
            name = self._service.name
            told = complaints.bus_outage(name, self._epoch, seconds, self._down.because)
            writes += self._own(told, f"bus-{name}-{self._epoch}")

    def _tell_lost(self, writes: list[Write]) -> None:
        """Write again what Redis lost of ours, and tell core, people and risk that it has."""
        name, lost = self._service.name, self._said.lost
        if lost is not None:
            writes += newest(lost, lambda write: write.envelope.body)
            said = complaints.bus_lost(name, emptied=self._emptied)
        elif self._reader.anew:
            said = complaints.streams_anew(name, self._reader.anew)
        else:
            return
        told = self._own(said, f"lost-{name}-{self._epoch}-{self._clock.now_ns()}")
        writes += told
        self._hear(told[-1], writes)

    def _hear(self, told: Write, writes: list[Write]) -> None:
        """Let the core hear at once what the loop says: it may know what hangs on it."""
        try:
            self._ask(Received(told.envelope, LOCAL, "", self._clock.now_ns()), writes)
        except Exception:
            self._log.exception("core failed at what the loop said", type=told.envelope.type)
            self._meter.core_failed()

    def _tell_at_once(self, messages: Sequence[Message]) -> None:
        """Nothing may be committed any more: each goes out by itself, where Redis takes it."""
        for write in self._own(messages, f"at-once-{self._service.name}-{self._epoch}"):
            with suppress(BusUnavailable):
                self._bus.append([write])

    def _end_unwritable(self, problem: str) -> None:
        self._log.critical("redis does not take what this service writes", problem=problem)
        service = self._service
        self._tell_at_once(complaints.unwritable(service.name, problem, stops=service.trades))

    def _observe(self, writes: list[Write]) -> None:
        now_ns = self._clock.now_ns()
        for ordinal, message in enumerate(self._service.observe(self.state, now_ns)):
            seen = Envelope.wrap(
                message,
                source=self._service.name,
                now_ns=now_ns,
                causation_id=f"{LOCAL}-{now_ns}",
                ordinal=ordinal,
            )
            self._ask(Received(seen, LOCAL, "", now_ns), writes)

    def _tick(self, writes: list[Write], left: Sequence[Entry]) -> None:
        now_ns = self._clock.now_ns()
        if now_ns - self._ticked_ns >= TICK_MS * NS_PER_MS:
            self._ticked_ns = now_ns
            behind = bool(left and self._careful) or self._reader.is_behind(left, now_ns)
            self._ask(Tick(now_ns, self._epoch, behind), writes)
            self._tell_failing("", writes)

    def _beat(self, writes: list[Write]) -> None:
        now_ns = self._clock.now_ns()
        if self._failing:
            return
        if now_ns - self._beat_ns >= HEARTBEAT_MS * NS_PER_MS:
            self._beat_ns = now_ns
            writes += self._own((self._heartbeat(),), f"beat-{now_ns}")

    def _heartbeat(self) -> Heartbeat:
        return Heartbeat(
            service=self._service.name, instance=self._service.instance, epoch=self._epoch,
            build_id=self._service.build_id, pid=os.getpid(), started_at_ns=self._started_ns,
            reference_hash=self._service.reference_hash_of(self.state), positions=self._reader.positions,
            handled=self._handled, clock_offset_us=self._clock.offset_us,
            clock_trusted=self._clock.trusted, clock_error_us=self._clock.best.error_ns // 1_000,
            clock_jumps=self._clock.jumps, cursors=self._reader.cursors,
        )  # fmt: skip

    def _commit(self, writes: Sequence[Write]) -> None:
        parts = changed_parts(self._stored, self.state)
        if self._to_note is not None:
            parts[TRYING] = self._to_note.stored()
        if self._failing != self._failing_told:
            parts[FAILING] = self._failing
        now_ns = self._clock.now_ns()
        idle = self._reader.moved and now_ns - self._committed_ns >= COMMIT_IDLE_NS
        if not (parts or writes or idle):
            return
        started = time.monotonic()
        self._said.trying(write for write in writes if write.kept is None)
        service, before_ms = self._service.name, self._before_ns // NS_PER_MS
        left_out = self._bus.commit(service, self._epoch, parts, self._reader.positions, writes, before_ms)
        self._said.took_place()
        self._reader.committed()
        self._meter.took_place(writes, time.monotonic() - started, left_out)
        self._to_tell += self._left_out.after([write.key for write in writes], left_out)
        if left_out:
            self._log.error("outputs left out", streams=left_out)
        for write in writes:
            log_said(self._log, write.envelope)
        self._stored = self._confirmed = self.state
        self._committed_ns = now_ns
        self._emptied, self._before_ns = False, 0
        self._beaten_ns = self._beat_ns
        self._failing_told = self._failing
        self._burials_told = self._burials
        self._down = None
        self._to_note = None

    def _sample_clock(self) -> None:
        mono = time.monotonic_ns()
        if mono - self._sampled_ns >= CLOCK_SAMPLE_NS:
            self._sampled_ns = mono
            self._clock.sample()
            self._reading = self._clock.reading
            if self._clock.set_back:
                raise ClockSetBack("Redis time was set back")
