"""Redis time on the Qt thread: as honest as the writer's samples are good."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from services.contracts.limits import NS_PER_MS, NS_PER_S
from services.gateway import redis_writer
from services.gateway.redis_writer import QtClock
from services.runtime.clock import JUMP_NS, ClockSetBack, Sample, mono_ns

OFFSET_NS = 1_000 * NS_PER_S


def sample(offset_ns: int = OFFSET_NS, error_ns: int = NS_PER_MS) -> Sample:
    return Sample(offset_ns, error_ns, mono_ns())


def clock_with(first: Sample) -> tuple[Any, QtClock]:
    writer: Any = SimpleNamespace(sample=first)
    return writer, QtClock(writer, first)


def away_ns(clock: QtClock) -> int:
    return clock.now_ns() - mono_ns() - OFFSET_NS


def test_a_poor_first_sample_is_mended_by_the_first_good_one() -> None:
    """It was taken as good and slewed away from for minutes, while the beat said that all was well."""
    writer, clock = clock_with(sample(OFFSET_NS + 2 * NS_PER_S, 2 * NS_PER_S))
    assert not clock.reading.trusted and away_ns(clock) <= 0
    writer.sample = sample()
    clock.refresh()
    assert clock.reading.trusted and abs(away_ns(clock)) <= 2 * NS_PER_MS and clock.reading.jumps == 0


def test_a_step_is_told_as_far_as_this_thread_is_from_it() -> None:
    writer, clock = clock_with(sample())
    writer.sample = sample(OFFSET_NS + 4 * JUMP_NS)
    clock.refresh()
    assert not clock.reading.trusted and clock.reading.jumps == 1
    assert clock.reading.offset_us == pytest.approx(4 * JUMP_NS / 1_000, abs=1_000)


def test_a_step_back_that_two_sources_agree_on_has_the_gateway_started_again() -> None:
    writer, clock = clock_with(sample())
    now = mono_ns()
    for second in range(12):
        at_ns = now + second * NS_PER_S
        writer.sample = Sample(OFFSET_NS - 600 * NS_PER_S, NS_PER_MS, at_ns, apart_ns=NS_PER_MS)
        if second < 10:
            clock.refresh()
    with pytest.raises(ClockSetBack):
        clock.refresh()


def test_one_sample_is_learnt_once() -> None:
    _, clock = clock_with(sample())
    for _ in range(3):
        clock.refresh()
    assert clock.reading.jumps == 0 and clock.reading.trusted


def test_what_was_read_was_not_written_in_the_future() -> None:
    """Another Redis, ten seconds ahead, before the first measure of it: a renewal is no older than now."""
    _, clock = clock_with(sample())
    assert clock.mono_of(clock.now_ns() + 10 * NS_PER_S) <= mono_ns()


def test_a_moment_is_told_on_the_pessimistic_side_or_not_at_all() -> None:
    _, clock = clock_with(sample(error_ns=5 * NS_PER_MS))
    now_ns = mono_ns()
    assert clock.mono_of(now_ns + OFFSET_NS - NS_PER_S) == now_ns - NS_PER_S - 5 * NS_PER_MS
    _, poor = clock_with(sample(error_ns=NS_PER_S))
    assert poor.mono_of(now_ns + OFFSET_NS) == 0


def test_the_gateway_counts_on_one_clock_and_that_one_is_fine_enough() -> None:
    """On Windows `time.monotonic_ns` stands still for 16 ms; ages of two different clocks mean nothing."""
    own = Path(redis_writer.__file__).parent
    assert [
        path.name for path in own.glob("*.py") if "monotonic_ns()" in path.read_text(encoding="utf-8")
    ] == []
    steps = {mono_ns() for _ in range(1_000)}
    assert len(steps) > 500 and max(steps) - min(steps) < NS_PER_S
