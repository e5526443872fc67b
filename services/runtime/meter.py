"""What the loop measures of itself and of the steps of its core.

A step is counted when it has taken place: with the next commit, which comes within a second. What a failed
commit drops is not counted; one whose reply was lost may be missing. Gauges are read from what
the last round left, so that a loop that stands still shows ages that grow.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic

from services.contracts.limits import NS_PER_S
from services.contracts.measures import every
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.dead import EntryBuried
from services.contracts.messages.market_data import QuoteUpdated
from services.contracts.metric import Reading, seconds
from services.contracts.step import Event, Received, StateT, Step
from services.contracts.streams import stream_of
from services.runtime.bus import Write
from services.runtime.clock import NEVER_MEASURED, ClockReading, mono_ns
from services.runtime.metrics import Exporter

ROUND_S: Final = 0.1
"""What a scrape looks at is renewed so often: not with every book."""

Readings = Callable[[StateT, int], Iterable[Reading]]
"""(state, now in ns of Redis time) -> what the state shows; pure."""
Counted = Callable[[StateT, Event, Step[StateT]], Iterable[Reading]]
"""(state before, event, step) -> what the step adds to counters and histograms; pure."""


@dataclass(frozen=True, slots=True)
class Round(Generic[StateT]):
    """What one round of a loop left. Times in ns: `now_ns` Redis time, `mono_ns` monotonic.

    `down_since_ns` (monotonic) is 0 while Redis takes what is written.
    """

    state: StateT
    now_ns: int
    mono_ns: int
    reference_hash: str = ""
    epoch: int = 0
    beat_ns: int = 0
    clock: ClockReading = NEVER_MEASURED
    down_since_ns: int = 0

    def now_at(self, mono_ns: int) -> int:
        """Return Redis time at a monotonic time after this round."""
        return self.now_ns + mono_ns - self.mono_ns


class Unmetered(Generic[StateT]):
    """What a loop tells as it goes round; told to nobody."""

    def passed(self, key: str) -> None:
        """An entry of a stream was handled."""

    def asked(self, before: StateT, event: Event, step: Step[StateT]) -> None:
        """A core decided; it counts when that has taken place."""

    def dropped(self) -> None:
        """What was decided did not take place."""

    def took_place(self, writes: Sequence[Write], commit_s: float, left_out: Collection[str] = ()) -> None:
        """What was decided since the last commit took place with it, without what Redis did not take of some
        streams; `commit_s` is how long that took."""

    def skipped_tick(self) -> None:
        """A book was passed over for a newer one."""

    def bus_failed(self) -> None:
        """Redis did not answer, or refused."""

    def core_failed(self) -> None:
        """A core raised."""

    def turned(self, ended_s: float, done: Callable[[], Round[StateT]], worked_s: float | None) -> None:
        """A round is over (monotonic); `worked_s` is how long it worked, None where it failed."""


class Meter(Unmetered[StateT]):
    """Between a loop (one thread) and the exporter, which is read by another."""

    def __init__(
        self, exporter: Exporter, readings: Readings[StateT] | None, counted: Counted[StateT] | None
    ) -> None:
        self._exporter = exporter
        self._readings, self._counted = readings, counted
        reads_ticks = exporter.declares(every.QUOTE_DELAY)
        self._observe_delay = exporter.histogram(every.QUOTE_DELAY) if reads_ticks else None
        self._observe_turn = exporter.histogram(every.TURN)
        self._delays_ns: list[int] = []
        self._round_s = 0.0
        self._steps: list[tuple[StateT, Event, Step[StateT]]] = []
        self._handled: Counter[str] = Counter()
        self._round: Round[StateT] | None = None
        exporter.read_from(self._read)

    # -- called by the loop --------------------------------------------------------------

    def passed(self, key: str) -> None:
        self._handled[key] += 1

    def asked(self, before: StateT, event: Event, step: Step[StateT]) -> None:
        if type(event) is Received and type(event.envelope.body) is QuoteUpdated:
            self._delays_ns.append(event.now_ns - event.envelope.ts_init_ns)
            if not step.out:  # a book that nothing follows from is most of what comes: no more than this
                return
        self._steps.append((before, event, step))

    def dropped(self) -> None:
        self._steps.clear()
        self._handled.clear()
        self._delays_ns.clear()

    def took_place(self, writes: Sequence[Write], commit_s: float, left_out: Collection[str] = ()) -> None:
        steps, handled, delays_ns = self._steps, self._handled, self._delays_ns
        self._steps, self._handled, self._delays_ns = [], Counter(), []
        self._exporter.add_all(lambda: self._all(steps, handled, writes, commit_s, left_out))
        if self._observe_delay is not None:
            for delay_ns in delays_ns:
                self._observe_delay(max(0, delay_ns) / NS_PER_S)

    def skipped_tick(self) -> None:
        self._exporter.add(every.TICKS_SKIPPED.at(1))

    def bus_failed(self) -> None:
        self._exporter.add(every.BUS_ERRORS.at(1))

    def core_failed(self) -> None:
        self._exporter.add(every.CORE_FAILURES.at(1))

    def turned(self, ended_s: float, done: Callable[[], Round[StateT]], worked_s: float | None) -> None:
        if worked_s is None or ended_s - self._round_s >= ROUND_S:
            self._round, self._round_s = done(), 0.0 if worked_s is None else ended_s
        if worked_s is not None:
            self._observe_turn(worked_s)

    # -- figures -----------------------------------------------------------------------------

    def _all(
        self, steps: Iterable[tuple[StateT, Event, Step[StateT]]], handled: Counter[str],
        writes: Sequence[Write], commit_s: float, left_out: Collection[str],
    ) -> Iterable[Reading]:  # fmt: skip
        for key, count in handled.items():
            yield every.HANDLED.at(count, stream_name(key))
        yield from written(writes, left_out)
        yield every.COMMIT.at(commit_s)
        if self._counted is None:
            return
        for before, event, step in steps:
            yield from self._counted(before, event, step)

    def _read(self) -> Iterable[Reading]:
        done = self._round
        if done is None:
            return
        at_ns = mono_ns()
        yield from loop_readings(done, at_ns)
        if self._readings is not None:
            yield from self._readings(done.state, done.now_at(at_ns))


def loop_readings(done: Round[StateT], mono_ns: int) -> Iterable[Reading]:
    """Return what every loop shows, at a monotonic time."""
    if done.reference_hash:
        yield every.REFERENCE.at(1, done.reference_hash)
    yield every.EPOCH.at(done.epoch)
    yield every.HEARTBEAT_TIME.at(seconds(done.beat_ns))
    yield every.BUS_DOWN.at(seconds(mono_ns - done.down_since_ns) if done.down_since_ns else 0)
    yield every.CLOCK_OFFSET.at(seconds(done.clock.offset_us * 1_000))
    yield every.CLOCK_ERROR.at(seconds(done.clock.error_ns))
    yield every.CLOCK_TRUSTED.at(done.clock.trusted)
    yield every.CLOCK_JUMPS.at(done.clock.jumps)


def written(writes: Iterable[Write], left_out: Collection[str] = ()) -> Iterable[Reading]:
    """Return what a commit of `writes` adds: messages by stream, alerts, dead letters."""
    streams = Counter(write.key for write in writes)
    for key, count in streams.items():
        yield (every.LEFT_OUT if key in left_out else every.WRITTEN).at(count, stream_name(key))
    for write in writes:
        body = write.envelope.body
        if isinstance(body, AlertRaised) and not body.resolved:
            yield every.ALERTS_RAISED.at(1, body.kind, body.severity, body.code)
        elif isinstance(body, EntryBuried):
            yield every.DEAD_LETTERS.at(1, stream_name(body.stream_key))


def stream_name(key: str) -> str:
    """Return the name of a key's stream in the streams table, or the key where there is none."""
    found = stream_of(key)
    return key if found is None else found[0].name


__all__ = ["Counted", "Meter", "Readings", "Round", "loop_readings", "stream_name", "written"]
