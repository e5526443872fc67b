"""What writes, in a thread of its own: everything that goes out, in order, and the measure of Redis's clock.

A batch that failed is written again until Redis answers: nobody knows whether it took place, ids are
the same, and readers drop what they have seen. After an error, and on a new connection of either thread, the
writer takes over again first: that compares what Redis knows with what it had acknowledged. Fenced, it ends:
another gateway has taken over.
"""

import contextlib
import threading
from collections.abc import Callable, Sequence

import structlog

from services.contracts.envelope import Message
from services.contracts.limits import NS_PER_S
from services.contracts.measures.every import BUS_ERRORS, COMMIT, ORDER_PATH
from services.contracts.messages.status import Heartbeat
from services.contracts.metric import seconds
from services.contracts.step import Outgoing
from services.contracts.streams import TICKS, key_of
from services.gateway.doubt import Doubt
from services.gateway.outbox import WRITES_PER_COMMIT, Batch, Outbox, Quote, envelope_of
from services.gateway.redis_thread import RedisThread
from services.gateway.state import GatewayState
from services.runtime import complaints
from services.runtime.bus import Bus, BusUnavailable, Fenced, KeysLost, Unwritable, Write
from services.runtime.clock import ClockReading, ClockSetBack, RedisClock, Sample, mono_ns
from services.runtime.left_out import LeftOut
from services.runtime.logs import log_said
from services.runtime.meter import written
from services.runtime.metrics import Exporter
from services.runtime.parts import StateUnreadable
from services.runtime.service import book_of, write_of

WAIT_S = 0.02
RETRY_S = 0.1
LOG_EVERY = 50
"""In an outage a line each five seconds is enough."""


class RedisWriter:
    """`fenced` and `failed` are for the Qt thread to look at; it never waits for them.

    `start` gives it its thread; whoever has another way to wait calls `step`: the virtual day.
    """

    def __init__(
        self, bus: Bus, outbox: Outbox, service: str, epoch: int, stored: GatewayState | None,
        exporter: Exporter, clock: RedisClock | None = None,
    ):  # fmt: skip
        self._thread = RedisThread("redis-writer", lambda: self.step(WAIT_S))
        self._bus, self._outbox, self._service, self.epoch = bus, outbox, service, epoch
        self._stored = stored
        self._clock = clock or RedisClock(bus.time_ns)
        self._stop_ns: int | None = None
        self._sampled_ns: int | None = None
        self._waiting: list[list[Batch]] = []
        """What was taken of the outbox and is not committed, a commit each."""
        self._failures = 0
        self._log = structlog.get_logger(service=service)
        self._exporter = exporter
        self._observe_publish = exporter.histogram(ORDER_PATH, "publish")
        self.sample: Sample | None = None
        """The newest comparison of the clocks, for the Qt thread."""
        self.forgotten = threading.Event()
        """Set when Redis came back without our last commit or without a stream; the Qt thread clears it."""
        self.doubt = Doubt()
        """Nothing is read or written until the writer has looked at it."""
        self.unwritable = ""
        """Why Redis does not take what the gateway must write; empty while it does."""
        self._left_out = LeftOut(service)
        self.fenced = False
        self.failed = False
        self.published = 0
        self.beat_ns = 0
        """When the newest heartbeat that was committed was made, Redis time."""
        self.down_since_ns = 0
        """Since when Redis has taken nothing, monotonic; 0 while it does."""

    def measure(self) -> Sample:
        """Compare the clocks once; called before the thread starts too. Raises BusUnavailable."""
        self.sample = self._clock.sample()
        self._sampled_ns = self._clock.mono_ns()
        if self._clock.set_back:
            self._clock.begin_anew()
        return self.sample

    def finish(self, within_s: float) -> None:
        """Write what waits, for at most so long, and end."""
        self._stop_ns = self._clock.mono_ns() + int(within_s * NS_PER_S)
        self._thread.join(within_s + 1)

    def start(self) -> None:
        self._thread.start()

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def step(self, wait_s: float) -> float | None:
        """Write what waits, or what comes within `wait_s`. Returns the seconds to wait before the next step.

        None: there is no next one. All is written and it was told to finish, or could not be in time; it is
        fenced; or it failed.
        """
        try:
            return self._step(wait_s)
        except Fenced as error:
            self.fenced = True
            self._log.error("fenced", error=str(error))
        except Exception:
            self.failed = True
            self._log.exception("the writer failed")
        return None

    def _step(self, wait_s: float) -> float | None:
        self._measure_if_due()
        self._look_back_if_in_doubt()
        self._waiting = self._waiting or _portions(self._outbox.take(wait_s))
        had_work = bool(self._waiting)
        while self._waiting:
            retry_s = self._commit(self._waiting[0])
            if retry_s is not None:
                late = self._stop_ns is not None and self._clock.mono_ns() > self._stop_ns
                return None if late else retry_s
            del self._waiting[0]
        quotes, loose = self._outbox.take_ticks()
        retry_s = self._append(quotes, loose)
        return None if self._stop_ns is not None and not had_work and not quotes else retry_s

    def _measure_if_due(self) -> None:
        mono = self._clock.mono_ns()
        if self._sampled_ns is not None and mono - self._sampled_ns < NS_PER_S:
            return
        try:
            self.measure()
        except BusUnavailable:
            self.doubt.set()
            self._sampled_ns = mono
        if self._bus.replaced():
            self.doubt.set()

    def _look_back_if_in_doubt(self) -> None:
        """With nothing to write, too: what Redis lost has to be said again."""
        if self.doubt.is_set():
            try:
                self._look_back()
            except (Unwritable, StateUnreadable) as error:
                self._refused(str(error))
            except BusUnavailable as error:
                self._unavailable(error)

    def _unavailable(self, error: BusUnavailable) -> None:
        self._failed()
        if self._failures % LOG_EVERY == 0:
            self._log.warning("bus unavailable", error=str(error))
        self._failures += 1

    def _commit(self, batches: Sequence[Batch]) -> float | None:
        """Write these in one transaction. Returns the seconds to wait before it is tried again, None where
        it took place."""
        newest = batches[-1]
        writes = [write for batch in batches for write in batch.writes]
        if self.doubt.is_set():
            return RETRY_S
        began_ns = self._clock.mono_ns()
        try:
            parts = self._bus.codec.changed(self._stored, newest.state)
            left_out = self._bus.commit(self._service, self.epoch, parts, newest.positions, writes)
        except Unwritable as error:
            self._refused(str(error))
            return RETRY_S
        except BusUnavailable as error:
            self.doubt.set()
            self._unavailable(error)
            return RETRY_S
        except KeysLost as error:
            self._log.error("redis lost our keys", error=str(error))
            self.doubt.set()
            return 0.0
        self._failures = 0
        self._took_place(writes, seconds(self._clock.mono_ns() - began_ns), left_out)
        for write in writes:
            log_said(self._log, write.envelope)
        self._stored = newest.state
        return None

    def _refused(self, problem: str) -> None:
        """Redis does not take what must be written: people are told at once, and the Qt thread ends."""
        if not self.unwritable:
            self._log.critical("redis does not take what the gateway writes", problem=problem)
            self._tell(complaints.unwritable(self._service, problem, stops=True))
        self.unwritable = problem
        self._failed()

    def _tell(self, messages: Sequence[Message]) -> None:
        """Each by itself, where Redis takes it, beside what waits."""
        now_ns = self._clock.now_ns()
        for ordinal, message in enumerate(messages):
            write = write_of(Outgoing(message), self._service, f"writer-{now_ns}", ordinal, now_ns)
            with contextlib.suppress(BusUnavailable):
                self._bus.append([write])

    def _took_place(self, writes: Sequence[Write], commit_s: float, left_out: Sequence[str]) -> None:
        if left_out:
            self._log.error("outputs left out", streams=left_out)
        self._tell(self._left_out.after([write.key for write in writes], left_out))
        self.down_since_ns = 0
        beats = [w.envelope.ts_init_ns for w in writes if isinstance(w.envelope.body, Heartbeat)]
        self.beat_ns = max(beats, default=self.beat_ns)
        self._exporter.add(COMMIT.at(commit_s))
        self._exporter.add_all(lambda: written(writes, left_out))

    def _failed(self) -> None:
        self.down_since_ns = self.down_since_ns or self._clock.mono_ns()
        self._exporter.add(BUS_ERRORS.at(1))

    def _look_back(self) -> None:
        """Take over again; where Redis does not know our last commit, all is written, and said, once more.

        Raises:
            BusUnavailable: the doubt stays.
            Fenced: another gateway has taken over.
        """
        raised = self.doubt.raised
        stored = self._bus.take_over(self._service, self.epoch)
        self.epoch = stored.epoch
        if stored.lost:
            self._log.error("redis forgot", commits=stored.commits, emptied=stored.emptied)
            self._stored = None
        if self.doubt.settle(raised, emptied=stored.emptied) or stored.lost:
            self.forgotten.set()

    def _append(self, quotes: list[Quote], loose: list[Write]) -> float:
        """Publish ticks. Returns the seconds to wait before the next step."""
        if not quotes and not loose:
            return 0.0
        now_ns = self._clock.now_ns()
        writes = [
            Write(
                key_of(TICKS, q.group), envelope_of(q, self._service, now_ns), TICKS.kept, book_of(q.message)
            )
            for q in quotes
        ]
        try:
            self._bus.append([*writes, *loose])
        except Unwritable as error:
            self._failed()
            self._log.error("ticks not written", error=str(error), lost=len(writes))
            return RETRY_S
        except BusUnavailable as error:
            self.doubt.set()
            self._failed()
            self._log.warning("ticks not written", error=str(error), waiting=len(writes))
            self._outbox.put_back(quotes)
            return RETRY_S
        self.published += len(writes)
        done_ns = self._clock.now_ns()
        for quote in quotes:
            self._observe_publish(max(0.0, seconds(done_ns - quote.event_ns)))
        return 0.0


def _portions(batches: list[Batch]) -> list[list[Batch]]:
    """Return the batches in runs of at most so many writes: one commit each."""
    portions: list[list[Batch]] = []
    count = 0
    for batch in batches:
        if not portions or count + len(batch.writes) > WRITES_PER_COMMIT:
            portions.append([])
            count = 0
        portions[-1].append(batch)
        count += len(batch.writes)
    return portions


class QtClock:
    """Redis time on the Qt thread, from the writer's samples; never asks Redis itself."""

    def __init__(self, writer: RedisWriter, first: Sample, monotonic_ns: Callable[[], int] = mono_ns) -> None:
        self._writer, self._learnt = writer, first
        self._clock = RedisClock(_never, monotonic_ns)
        self._clock.learn(first)

    def refresh(self) -> None:
        """Take over the writer's newest sample, about once a second.

        Raises:
            ClockSetBack: the gateway has to be started again.
        """
        sample = self._writer.sample
        if sample is not None and sample is not self._learnt:
            self._learnt = sample
            self._clock.learn(sample)
            if self._clock.set_back:
                raise ClockSetBack("Redis time was set back: the gateway has to be started again")

    def now_ns(self) -> int:
        return self._clock.now_ns()

    def mono_ns(self) -> int:
        """Return this machine's monotonic clock: what the lease is counted on."""
        return self._clock.mono_ns()

    def mono_of(self, redis_ns: int) -> int:
        """Return the monotonic time of a past Redis time, on the pessimistic side; 0 where it cannot be told.

        Never of the future: what has been read was written before, whatever a Redis that was just replaced
        by another may say.
        """
        return min(self._clock.mono_of(redis_ns), self._clock.mono_ns()) if self._clock.trusted else 0

    @property
    def reading(self) -> ClockReading:
        """The measure, and how far the time told on this thread is from it."""
        return self._clock.reading


def _never() -> int:
    raise AssertionError("the Qt thread does not ask Redis")
