"""Redis time on every machine: monotonic clock plus a slewed offset, never backwards.

Ages of messages compare across Windows and Linux only if all stamp in one clock. Redis's
`TIME` is that clock. A sample's error is half its round trip; the best of the last samples
is the target, and the offset is slewed to it so that time neither jumps nor runs back. Until the
first good sample there is nothing to slew from: a process that starts while Redis stands still
measures seconds wrong, and takes the first good measure as it is.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from services.contracts.limits import NS_PER_MS

SAMPLES: Final = 16
SLEW_PPM: Final = 5_000
"""At most 5 ms a second: faster than any crystal drifts, slow enough for ages to stay true."""
JUMP_NS: Final = 50 * NS_PER_MS
"""A target this far off is a step of somebody's clock, not drift: the clock is not trusted."""
POOR_NS: Final = 20 * NS_PER_MS
"""With a round trip this long the offset is too vague to compare ages by."""


@dataclass(frozen=True, slots=True)
class Sample:
    """`offset_ns` is Redis time less monotonic time, true within `error_ns`."""

    offset_ns: int
    error_ns: int
    mono_ns: int


@dataclass(frozen=True, slots=True)
class ClockReading:
    """One moment's measure of Redis time less monotonic time, true within `error_ns`.

    `offset_us` is how far the offset in use is from it, `jumps` how often the offset has jumped.
    """

    offset_ns: int
    error_ns: int
    offset_us: int
    trusted: bool
    jumps: int = 0


NEVER_MEASURED: Final = ClockReading(0, 0, 0, trusted=False)


class RedisClock:
    """`now_ns()` in Redis time. Feed it with `sample(redis_time_ns)` about once a second."""

    def __init__(
        self, redis_time_ns: Callable[[], int], monotonic_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._redis_time_ns = redis_time_ns
        self._monotonic_ns = monotonic_ns
        self._samples: deque[Sample] = deque(maxlen=SAMPLES)
        self._offset_ns: int | None = None
        self._slewed_at_ns = 0
        self._last_ns = 0
        self._settled = False
        self.jumps = 0

    def sample(self) -> Sample:
        """Ask Redis for its time once. Raises what the call raises."""
        before = self._monotonic_ns()
        redis_ns = self._redis_time_ns()
        after = self._monotonic_ns()
        taken = Sample(redis_ns - (before + after) // 2, (after - before) // 2 + 1_000, after)
        if self._settled and self._jumped(taken):
            self.jumps += 1
            self._samples.clear()
        self._samples.append(taken)
        if not self._settled:
            self._offset_ns, self._slewed_at_ns = self.best.offset_ns, after
            self._settled = self.best.error_ns < POOR_NS
        return taken

    def _jumped(self, taken: Sample) -> bool:
        assert self._offset_ns is not None, "settled by a sample"
        return abs(taken.offset_ns - self._offset_ns) > JUMP_NS + taken.error_ns

    @property
    def best(self) -> Sample:
        """The sample with the smallest error among the last ones.

        Raises:
            LookupError: never sampled.
        """
        if not self._samples:
            raise LookupError("the clock was never compared with Redis; call sample() first")
        return min(self._samples, key=lambda sample: sample.error_ns)

    @property
    def offset_us(self) -> int:
        """How far the offset in use is from the best measurement, microseconds."""
        return 0 if self._offset_ns is None else (self.best.offset_ns - self._offset_ns) // 1_000

    @property
    def trusted(self) -> bool:
        """Whether ages may be compared: measured well, and no step pending."""
        return bool(self._samples) and self.best.error_ns < POOR_NS and abs(self.offset_us) * 1_000 < JUMP_NS

    @property
    def reading(self) -> ClockReading:
        """The measure as it stands. Raises LookupError: never sampled."""
        best = self.best
        return ClockReading(best.offset_ns, best.error_ns, self.offset_us, self.trusted, self.jumps)

    def now_ns(self) -> int:
        """Return Redis time in ns; never less than what was returned before."""
        mono = self._monotonic_ns()
        self._slew(mono)
        assert self._offset_ns is not None, "sample() comes first"
        self._last_ns = max(self._last_ns, mono + self._offset_ns)
        return self._last_ns

    def mono_of(self, redis_ns: int) -> int:
        """Return the monotonic time at which Redis time was `redis_ns`, on the pessimistic side."""
        return redis_ns - self.best.offset_ns - self.best.error_ns

    def _slew(self, mono: int) -> None:
        if self._offset_ns is None:
            self.sample()
            return
        wanted = self.best.offset_ns - self._offset_ns
        allowed = max(0, mono - self._slewed_at_ns) * SLEW_PPM // 1_000_000
        self._offset_ns += max(-allowed, min(allowed, wanted))
        self._slewed_at_ns = mono
