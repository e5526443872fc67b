"""Redis time on every machine: monotonic clock plus a slewed offset, never backwards.

Ages of messages compare across Windows and Linux only if all stamp in one clock. Redis's
`TIME` is that clock. A sample's error is half its round trip; the best of the last good samples
is the target, and the offset is slewed to it so that time neither jumps nor runs back. A sample
with a long round trip (Redis stood still, or this process was stopped meanwhile) says little: it
is no target and no distance, only "cannot be measured"; what it still shows is a step larger than
its own error.

A step is somebody's clock that was set, or a pause of this machine that its monotonic clock does not count.
At 5 ms a second it would be followed for hours. It is followed at once when it has stood for `FOLLOW_NS` and
two sources agree: Redis and this machine's own wall clock. Until then the clock is not trusted, and entries
wait. Time never runs back in a process: after a step back one begins anew (`set_back`).

Until the first good sample there is nothing to slew from, and the earliest time that the poor ones
allow is told: a stamp of then may be old, which fails closed, but never of the future. Otherwise
time would have to stand still after the first good measure, with every stamp ahead.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from services.contracts.limits import NS_PER_MS, NS_PER_S

mono_ns: Final = time.perf_counter_ns
"""This machine's monotonic clock. `time.monotonic_ns` moves in steps of 16 ms on Windows (before Python
3.13): a round trip would mostly measure as none, and the offset as exact while it is off by a step."""
WINDOW_NS: Final = 16 * NS_PER_S
"""A sample counts for so long: no crystal drifts by a millisecond meanwhile."""
SLEW_PPM: Final = 5_000
"""At most 5 ms a second: faster than any crystal drifts, slow enough for ages to stay true."""
JUMP_NS: Final = 50 * NS_PER_MS
"""A target this far off is a step of somebody's clock, not drift: the clock is not trusted."""
POOR_NS: Final = 20 * NS_PER_MS
"""With an error this large (half the round trip) the offset is too vague to compare ages by."""
FOLLOW_NS: Final = 10 * NS_PER_S
"""A step that has stood for so long is none of a moment."""
AGREE_NS: Final = NS_PER_S
"""So near are the wall clocks of two machines that somebody keeps."""
TRIES: Final = 10
"""A start takes so many samples for a good one before it goes on without."""


@dataclass(frozen=True, slots=True)
class Sample:
    """`offset_ns` is Redis time less monotonic time, true within `error_ns`, at `mono_ns`.

    `apart_ns` is Redis time less this machine's wall clock, None where that was not asked.
    """

    offset_ns: int
    error_ns: int
    mono_ns: int
    apart_ns: int | None = None

    @property
    def good(self) -> bool:
        """Whether ages may be compared by it."""
        return self.error_ns < POOR_NS


@dataclass(frozen=True, slots=True)
class ClockReading:
    """One moment's measure of Redis time less monotonic time, true within `error_ns`.

    `offset_us` is how far the offset in use is from it, 0 where it cannot be measured; `jumps` how often
    the measure has stepped.
    """

    offset_ns: int
    error_ns: int
    offset_us: int
    trusted: bool
    jumps: int = 0


class ClockSetBack(RuntimeError):
    """Redis time was set back: what was stamped before lies ahead, and the process begins anew."""


NEVER_MEASURED: Final = ClockReading(0, 0, 0, trusted=False)


class RedisClock:
    """`now_ns()` in Redis time. Feed it with `sample()` about once a second, or with `learn()` what another
    thread has sampled."""

    def __init__(
        self, redis_time_ns: Callable[[], int], monotonic_ns: Callable[[], int] = mono_ns,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:  # fmt: skip
        self._redis_time_ns = redis_time_ns
        self._monotonic_ns, self._wall_ns = monotonic_ns, wall_ns
        self._samples: deque[Sample] = deque()
        self._best: Sample | None = None
        self._offset_ns = 0
        self._slewed_at_ns = 0
        self._last_ns = 0
        self._settled = False
        self._stepped_ns = 0
        self.jumps = 0
        self.set_back = False
        """Whether Redis time was set back, and two sources agree: a process has to begin anew with it."""

    def settle(self) -> None:
        """Sample until there was a good measure, a few times at most. Raises what the call raises."""
        for _ in range(TRIES):
            self.sample()
            if self._settled:
                return

    def sample(self) -> Sample:
        """Ask Redis for its time once. Raises what the call raises."""
        before = self._monotonic_ns()
        redis_ns = self._redis_time_ns()
        after = self._monotonic_ns()
        apart_ns = redis_ns - self._wall_ns()
        taken = Sample(redis_ns - (before + after) // 2, (after - before) // 2 + 1_000, after, apart_ns)
        self.learn(taken)
        return taken

    def learn(self, taken: Sample) -> None:
        """Take over a sample of this machine's monotonic clock."""
        if self._samples:
            self._slew(taken.mono_ns)
            if self._jumped(taken):
                self.jumps += 1
                self._stepped_ns = taken.mono_ns
                self._samples.clear()
        self._samples.append(taken)
        while taken.mono_ns - self._samples[0].mono_ns > WINDOW_NS:
            self._samples.popleft()
        self._best = min(self._samples, key=lambda sample: sample.error_ns)
        if not self._settled:
            self._settled = taken.good
            earliest_ns = max(sample.offset_ns - sample.error_ns for sample in self._samples)
            self._offset_ns = taken.offset_ns if taken.good else earliest_ns
            self._slewed_at_ns = taken.mono_ns
        self._follow(taken)

    def _follow(self, taken: Sample) -> None:
        """Go to the measure at once where a step has stood for long enough, and two sources agree."""
        step_ns = self.best.offset_ns - self._offset_ns
        stood = taken.mono_ns - self._stepped_ns >= FOLLOW_NS
        agreed = taken.good and taken.apart_ns is not None and abs(taken.apart_ns) < AGREE_NS
        if not (self.jumps and stood and agreed and self.best.good and abs(step_ns) >= JUMP_NS):
            return
        if step_ns > 0:
            self._offset_ns = self.best.offset_ns
        else:
            self.set_back = True

    def begin_anew(self) -> None:
        """Tell time by the measure from now on, also where that runs back."""
        self._offset_ns, self._last_ns, self.set_back = self.best.offset_ns, 0, False

    def _jumped(self, taken: Sample) -> bool:
        """Whether two measures cannot both be of one offset: somebody's clock was set."""
        best = self.best
        return abs(taken.offset_ns - best.offset_ns) > JUMP_NS + taken.error_ns + best.error_ns

    @property
    def best(self) -> Sample:
        """The sample with the smallest error among the last ones.

        Raises:
            LookupError: never sampled.
        """
        if self._best is None:
            raise LookupError("the clock was never compared with Redis; call sample() first")
        return self._best

    @property
    def offset_us(self) -> int:
        """How far the offset in use is from the best measurement, microseconds; 0 without a good one."""
        if not self._samples or not self.best.good:
            return 0
        return (self.best.offset_ns - self._offset_ns) // 1_000

    @property
    def trusted(self) -> bool:
        """Whether ages may be compared: measured well, and no step pending."""
        return bool(self._samples) and self.best.good and abs(self.offset_us) * 1_000 < JUMP_NS

    @property
    def reading(self) -> ClockReading:
        """The measure as it stands. Raises LookupError: never sampled."""
        best = self.best
        return ClockReading(best.offset_ns, best.error_ns, self.offset_us, self.trusted, self.jumps)

    def mono_ns(self) -> int:
        """Return this machine's monotonic clock, ns."""
        return self._monotonic_ns()

    def now_ns(self) -> int:
        """Return Redis time in ns; never less than what was returned before."""
        if not self._samples:
            self.settle()
        mono = self._monotonic_ns()
        self._slew(mono)
        self._last_ns = max(self._last_ns, mono + self._offset_ns)
        return self._last_ns

    def mono_of(self, redis_ns: int) -> int:
        """Return the monotonic time at which Redis time was `redis_ns`, on the pessimistic side."""
        return redis_ns - self.best.offset_ns - self.best.error_ns

    def _slew(self, mono: int) -> None:
        """Go on to the target, as far as the time since the last slew allows; without one stay."""
        if mono <= self._slewed_at_ns:
            return
        best = self.best
        wanted = best.offset_ns - self._offset_ns if self._settled and best.good else 0
        allowed = (mono - self._slewed_at_ns) * SLEW_PPM // 1_000_000
        self._offset_ns += max(-allowed, min(allowed, wanted))
        self._slewed_at_ns = mono
