"""The loop that every service on Redis is driven by.

One turn: read what is new, ask the engine for each entry, then write outputs, changed state and positions in
one transaction. Start is recovery: take the epoch, load the state, read on from its positions. After any
error of the bus the memory is dropped and loaded again, because nobody knows whether the write took place;
ids derive from their cause, so that doing it again writes nothing new.

Redis may come back without what it took last, or empty (`committer`). Then core, people and risk are told;
what others wrote and nobody read is gone. A stream that ends before what was read of it begins anew: it is
read from its start, without what was handled, and told in the same way.

`run` blocks. Whoever has another way to wait calls `step`, and comes again when it says: the virtual day.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Generic

import structlog

from services.contracts.envelope import Message
from services.contracts.limits import NS_PER_MS, NS_PER_S, READ_BLOCK_MS, TICK_MS
from services.contracts.messages.status import Heartbeat
from services.contracts.step import StateT
from services.contracts.streams import STOPS
from services.contracts.superseded import newest
from services.runtime import complaints
from services.runtime.bus import Bus, BusUnavailable, CommitLate, CommitsAhead, Entry, KeysLost, Unwritable
from services.runtime.clock import NEVER_MEASURED, ClockSetBack, RedisClock
from services.runtime.committer import Committer
from services.runtime.engine import Engine
from services.runtime.meter import Round, Unmetered
from services.runtime.parts import StateUnreadable
from services.runtime.service import Service
from services.runtime.stop_signals import Stop
from services.runtime.stream_reader import StreamReader

CLOCK_SAMPLE_NS: Final = 1_000 * NS_PER_MS
OUTAGE_TOLD_S: Final = 3.0
"""An outage shorter than this wakes nobody: a failover, a slow disk."""
RETRY_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0)


class ServiceLoop(Generic[StateT]):
    """Runs one service. `turn()` is one round, `step()` one with its errors; `run(stop)` goes on until told.

    Both times come from `clock`: Redis's, and this machine's monotonic one.
    """

    def __init__(
        self, service: Service[StateT], bus: Bus, clock: RedisClock, meter: Unmetered[StateT] | None = None
    ) -> None:
        self._service = service
        self._bus = bus
        self._clock = clock
        self._meter = meter or Unmetered[StateT]()
        self._log = structlog.get_logger(service=service.name)
        self.ready = False
        """Whether the state is what it goes by, and not what it is about to load again."""
        self.engine = Engine(service, self._meter)
        self._committer = Committer(bus, service.name, service.initial)
        self.reader = StreamReader(
            bus, service.committed, service.newest, self._meter.skipped_tick, clock.mono_ns
        )
        self._to_tell: list[Message] = []
        """What the next commit says of the last one."""
        self._down: complaints.Outage | None = None
        self._failures = 0
        self._beaten_ns = self._sampled_ns = 0
        self._reading = NEVER_MEASURED

    @property
    def state(self) -> StateT:
        return self.engine.state

    def run(self, stop: Stop) -> None:
        """Turn until `stop` is set. Raises what `step` raises."""
        while not stop.is_set():
            wait_s = self.step(READ_BLOCK_MS)
            if wait_s:
                stop.wait(wait_s)

    def step(self, block_ms: int) -> float:
        """Turn once, and take an error of the bus as what it is. Returns the seconds to wait before the next.

        Raises:
            Fenced: another instance took over; nothing more may be written.
            StateUnreadable: what is stored does not fit this build.
            Unwritable: Redis does not take what the service must write; the desk was told to halt.
            TooOld: this Redis is older than 7.
        """
        try:
            self.turn(block_ms)
            self._failures = 0
        except CommitsAhead:
            self._tell_at_once(complaints.commits_ahead(self._service.name))
            raise
        except Unwritable as error:
            self._end_unwritable(str(error))
            raise
        except StateUnreadable as error:
            if self.engine.epoch:
                self._end_unwritable(str(error))
            raise
        except CommitLate as late:
            self._forget()
            self.engine.late_ns = late.now_ns
        except ClockSetBack as error:
            self._log.error("beginning anew", error=str(error))
            self._clock.begin_anew()
            self._forget()
            self._committer.begin_anew()
            self.engine.started_ns = 0
        except (BusUnavailable, KeysLost) as error:
            return self._failed(error)
        return 0.0

    def _failed(self, error: Exception) -> float:
        self._forget()
        mono_s = self._mono_s()
        self._down = self._down or complaints.Outage(mono_s, str(error))
        self._meter.bus_failed()
        self._meter.turned(mono_s, self._round, None)
        self._log.warning("bus unavailable", error=str(error), failures=self._failures)
        self._failures += 1
        return RETRY_S[min(self._failures, len(RETRY_S)) - 1]

    def turn(self, block_ms: int = 0) -> int:
        """Read, decide, commit once; returns how many entries were handled."""
        if not self.ready:
            self._recover()
        self._sample_clock()
        self.reader.compare()
        entries = self.reader.read(block_ms)
        began_ns = self._clock.mono_ns()
        self._tell_outage()
        self._tell_lost()
        left: Sequence[Entry] = ()
        for at, entry in enumerate(entries):
            if self._tick_is_overdue(began_ns):
                self._tick_between(entries[at:])
            if not self._handle(entry):
                left = entries[at:]
                break
        else:
            self.engine.careful = False
        self._end(left)
        ended_s = self._mono_s()
        self._meter.turned(ended_s, self._round, ended_s - began_ns / NS_PER_S)
        return len(entries)

    def _mono_s(self) -> float:
        return self._clock.mono_ns() / NS_PER_S

    def _tick_is_overdue(self, began_ns: int) -> bool:
        """In the middle of a turn, so that a backlog keeps no heartbeat, stop or alarm waiting."""
        worked_ns = self._clock.mono_ns() - began_ns
        return worked_ns >= TICK_MS * NS_PER_MS and self.engine.tick_is_due(self._clock.now_ns())

    def _tick_between(self, left: Sequence[Entry]) -> None:
        """Do what ends a turn while entries are `left`, and take the stops that came since."""
        self._end(left)
        if left[0].key == STOPS.key:
            return  # Stops come first in a turn: those that came since stand behind these.
        for entry in self.reader.new_stops():
            if not self._handle(entry):
                break

    def _handle(self, entry: Entry) -> bool:
        """Have one entry handled. False: stop here and try this entry again in the next turn."""
        if self.engine.must_note(entry):
            self.engine.note(entry)
            self._commit()
        if not self.engine.handle(entry, self._clock.now_ns()):
            return False
        self.reader.passed(entry)
        return True

    def _end(self, left: Sequence[Entry]) -> None:
        """What no entry causes, and the commit."""
        engine, now_ns = self.engine, self._clock.now_ns()

        def behind() -> bool:
            return bool(left and engine.careful) or self.reader.is_behind(left, now_ns)

        engine.look_around(now_ns, behind, self._heartbeat)
        told, self._to_tell = self._to_tell, []
        # Once: an alert that is not taken either is left out, and counted.
        engine.tell(told, f"left-out-{self._service.name}-{now_ns}", now_ns)
        self._commit()

    def _heartbeat(self, now_ns: int) -> Heartbeat:
        return self.engine.heartbeat(self._clock.reading, self.reader.positions, self.reader.cursors)

    def _round(self) -> Round[StateT]:
        """What this round leaves for whoever looks at the figures."""
        now_ns = self._clock.now_ns() if self._reading is not NEVER_MEASURED else 0
        return Round(
            self.state, now_ns, self._clock.mono_ns(), self._service.reference_hash_of(self.state),
            self.engine.epoch, self._beaten_ns, self._reading,
            0 if self._down is None else int(self._down.since_s * NS_PER_S),
        )  # fmt: skip

    # -- start and error -------------------------------------------------------------

    def _recover(self) -> None:
        self._clock.settle()
        if not self.engine.epoch:
            self._bus.refuse_old()
            # What cannot be read must be found out before a live instance is fenced.
            self.engine.rehearse(self._bus.codec, self._bus.parts(self._service.name))
        committer, engine = self._committer, self.engine
        stored, took_place = committer.take_over()
        engine.epoch = stored.epoch
        self.reader.settle(took_place=took_place)
        if committer.lost is None:
            found = engine.begin(self._bus.codec, stored.parts)
            committer.go_on_from(engine.state, stored=found)
            self.reader.begin_at(stored.positions)
        else:
            engine.state = committer.confirmed
            committer.go_on_from(engine.state, stored=False)
            self.reader.go_back(to_the_start=committer.emptied)
        self.reader.follow()
        engine.hold(stored.epoch, self._clock.now_ns())
        self.ready = True
        self._log.info("recovered", epoch=stored.epoch, positions=self.reader.positions)

    def _forget(self) -> None:
        self.ready = False
        self.engine.forget()

    # -- what the loop says itself -----------------------------------------------------

    def _tell_outage(self) -> None:
        """Tell that for a while nothing could be read or written; until a commit has taken place."""
        if self._down is None:
            return
        seconds, engine = self._mono_s() - self._down.since_s, self.engine
        if seconds >= OUTAGE_TOLD_S:
            name = self._service.name
            told = complaints.bus_outage(name, engine.epoch, seconds, self._down.because)
            engine.tell(told, f"bus-{name}-{engine.epoch}", self._clock.now_ns())

    def _tell_lost(self) -> None:
        """Write again what Redis lost of ours, and tell core, people and risk that it has."""
        name, lost, engine = self._service.name, self._committer.lost, self.engine
        if lost is not None:
            engine.tell_again(newest(lost, lambda write: write.envelope.body))
            said = complaints.bus_lost(name, emptied=self._committer.emptied)
        elif self.reader.anew:
            said = complaints.streams_anew(name, self.reader.anew)
        else:
            return
        now_ns = self._clock.now_ns()
        told = engine.tell(said, f"lost-{name}-{engine.epoch}-{now_ns}", now_ns)
        engine.hear(told[-1], now_ns)

    def _tell_at_once(self, messages: Sequence[Message]) -> None:
        """Nothing may be committed any more: each goes out by itself, where Redis takes it."""
        name, epoch = self._service.name, self.engine.epoch
        for write in self.engine.own(messages, f"at-once-{name}-{epoch}", self._clock.now_ns()):
            with suppress(BusUnavailable):
                self._bus.append([write])

    def _end_unwritable(self, problem: str) -> None:
        self._log.critical("redis does not take what this service writes", problem=problem)
        service = self._service
        self._tell_at_once(complaints.unwritable(service.name, problem, stops=service.trades))

    def _commit(self) -> None:
        commit, began_s = self.engine.commit(), self._mono_s()
        left_out = self._committer.commit(
            commit, self.reader.positions, moved=self.reader.moved, now_ns=self._clock.now_ns()
        )
        if left_out is None:
            return
        self.engine.committed()
        self.reader.committed()
        self._meter.took_place(commit.writes, self._mono_s() - began_s, left_out)
        self._to_tell += self._committer.complaints(commit, left_out)
        self._beaten_ns, self._down = self.engine.beat_ns, None

    def _sample_clock(self) -> None:
        mono = self._clock.mono_ns()
        if mono - self._sampled_ns >= CLOCK_SAMPLE_NS:
            self._sampled_ns = mono
            self._clock.sample()
            self._reading = self._clock.reading
            if self._clock.set_back:
                raise ClockSetBack("Redis time was set back")
