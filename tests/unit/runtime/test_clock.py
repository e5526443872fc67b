"""Redis time: never backwards, slewed, and honest about when it is not to be trusted."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.limits import NS_PER_MS, NS_PER_S
from services.runtime.clock import JUMP_NS, POOR_NS, SLEW_PPM, WINDOW_NS, RedisClock


class World:
    """A monotonic clock and a Redis whose time stands `offset_ns` ahead, `trip_ns` away."""

    def __init__(self, offset_ns: int = 1_000 * NS_PER_S, trip_ns: int = NS_PER_MS) -> None:
        self.mono_ns, self.offset_ns, self.trip_ns = 5 * NS_PER_S, offset_ns, trip_ns
        self.still_ns = 4 * NS_PER_S

    def monotonic_ns(self) -> int:
        return self.mono_ns

    def redis_time_ns(self) -> int:
        self.mono_ns += self.trip_ns // 2
        answer = self.mono_ns + self.offset_ns
        self.mono_ns += self.trip_ns - self.trip_ns // 2
        return answer

    def stalled_time_ns(self) -> int:
        """Redis stood still for a while, then answered at once."""
        self.mono_ns += self.still_ns
        return self.mono_ns + self.offset_ns

    def held_time_ns(self) -> int:
        """Redis answered at once; this process was stopped for a while before it looked."""
        answer = self.mono_ns + self.offset_ns
        self.mono_ns += self.still_ns
        return answer

    @property
    def true_ns(self) -> int:
        return self.mono_ns + self.offset_ns


def clock_in(world: World) -> RedisClock:
    clock = RedisClock(world.redis_time_ns, world.monotonic_ns)
    clock.sample()
    return clock


def test_it_tells_redis_time_within_half_a_round_trip() -> None:
    world = World()
    clock = clock_in(world)
    assert abs(clock.now_ns() - (world.mono_ns + world.offset_ns)) <= world.trip_ns // 2
    assert clock.trusted


@given(st.lists(st.tuples(st.integers(0, 3 * NS_PER_S), st.integers(-200, 200)), max_size=40))
def test_it_never_runs_back_whatever_redis_says(steps: list[tuple[int, int]]) -> None:
    world = World()
    clock = clock_in(world)
    last = clock.now_ns()
    for passed_ns, shift_ms in steps:
        world.mono_ns += passed_ns
        world.offset_ns += shift_ms * NS_PER_MS
        clock.sample()
        now = clock.now_ns()
        assert now >= last
        last = now


@given(st.integers(1, 40))
def test_drift_is_slewed_not_stepped(shift_ms: int) -> None:
    world = World(trip_ns=100_000)
    clock = clock_in(world)
    before = clock.now_ns()
    world.offset_ns += shift_ms * NS_PER_MS
    world.mono_ns += NS_PER_S
    for _ in range(20):
        clock.sample()
    passed = world.mono_ns - 5 * NS_PER_S
    assert clock.now_ns() - before <= passed + passed * SLEW_PPM // 1_000_000 + world.trip_ns


def test_a_jump_of_the_host_is_seen_and_not_trusted_until_slewed() -> None:
    world = World()
    clock = clock_in(world)
    world.offset_ns += 10 * JUMP_NS
    clock.sample()
    assert clock.jumps == 1 and not clock.trusted


def test_a_slow_link_is_not_trusted() -> None:
    assert not clock_in(World(trip_ns=100 * NS_PER_MS)).trusted


def test_the_monotonic_moment_of_a_redis_time_is_never_later_than_true() -> None:
    world = World(trip_ns=4 * NS_PER_MS)
    clock = clock_in(world)
    redis_ns = world.mono_ns + world.offset_ns
    assert clock.mono_of(redis_ns) <= world.mono_ns


def test_a_start_while_redis_stands_still_is_mended_by_the_first_good_measure() -> None:
    """Slewing away the two seconds that half a stalled round trip is wrong by would take minutes."""
    world = World()
    clock = RedisClock(world.stalled_time_ns, world.monotonic_ns)
    clock.sample()
    assert not clock.trusted
    clock._redis_time_ns = world.redis_time_ns
    clock.sample()
    assert clock.trusted
    assert abs(clock.now_ns() - (world.mono_ns + world.offset_ns)) <= world.trip_ns
    assert clock.jumps == 0


def test_after_the_first_good_measure_a_poor_one_moves_nothing() -> None:
    world = World()
    clock = clock_in(world)
    clock._redis_time_ns = world.stalled_time_ns
    clock.sample()
    assert abs(clock.now_ns() - (world.mono_ns + world.offset_ns)) <= world.trip_ns


@given(st.lists(st.booleans(), max_size=8))
def test_time_does_not_run_back_when_a_poor_start_is_mended(stalls: list[bool]) -> None:
    world = World()
    clock = RedisClock(world.stalled_time_ns, world.monotonic_ns)
    clock.sample()
    last = clock.now_ns()
    for stalled in stalls:
        clock._redis_time_ns = world.stalled_time_ns if stalled else world.redis_time_ns
        clock.sample()
        assert clock.now_ns() >= last
        last = clock.now_ns()


Stand = Callable[[World], int]
POOR: st.SearchStrategy[Stand] = st.sampled_from([World.stalled_time_ns, World.held_time_ns])


@given(st.lists(POOR, min_size=1, max_size=6))
def test_nothing_is_stamped_ahead_after_a_start_while_redis_or_this_process_stood_still(
    poor: list[Stand],
) -> None:
    """A stamp ahead stays ahead, because time does not run back: a service that began so looked off."""
    world = World()
    clock = RedisClock(lambda: poor.pop()(world) if poor else world.redis_time_ns(), world.monotonic_ns)
    while poor:
        clock.sample()
        assert clock.now_ns() <= world.true_ns and not clock.trusted
    clock.sample()
    assert clock.trusted
    assert abs(clock.now_ns() - world.true_ns) <= world.trip_ns


def test_a_start_asks_again_until_it_has_a_good_measure() -> None:
    world = World()
    answers = [World.stalled_time_ns, World.held_time_ns, World.redis_time_ns]
    clock = RedisClock(lambda: answers.pop(0)(world), world.monotonic_ns)
    clock.settle()
    assert clock.trusted and answers == []


def test_a_start_on_a_line_that_is_always_slow_goes_on_untrusted() -> None:
    world = World(trip_ns=100 * NS_PER_MS)
    clock = RedisClock(world.redis_time_ns, world.monotonic_ns)
    clock.settle()
    assert not clock.trusted and clock.now_ns() <= world.true_ns


@given(st.lists(POOR, min_size=1, max_size=30))
def test_what_cannot_be_measured_is_no_distance(poor: list[Stand]) -> None:
    """For longer than a good measure counts: no trust then, but no offset, no step, and the same time."""
    world = World()
    clock = clock_in(world)
    for taken in poor:
        clock._redis_time_ns = lambda taken=taken: taken(world)
        clock.sample()
        assert clock.offset_us == 0 and clock.jumps == 0
        assert abs(clock.now_ns() - world.true_ns) <= world.trip_ns
    assert clock.trusted is (len(poor) * world.still_ns <= WINDOW_NS)


@given(
    step_ms=st.integers(-3_000, 3_000).filter(lambda ms: abs(ms) * NS_PER_MS > JUMP_NS + 2 * NS_PER_MS),
    poor=st.sets(st.integers(0, 700), max_size=200),
)
def test_trust_returns_once_a_step_is_slewed_away(step_ms: int, poor: set[int]) -> None:
    """Whatever is measured badly on the way: one step is counted once, and time comes to the new offset."""
    world = World()
    world.still_ns = 3 * POOR_NS
    clock = clock_in(world)
    last_ns = clock.now_ns()
    world.offset_ns += step_ms * NS_PER_MS
    clock.sample()
    assert clock.jumps == 1 and not clock.trusted
    for second in range(abs(step_ms) // 5 + 2):
        world.mono_ns += NS_PER_S
        bad = second in poor and second + 1 < abs(step_ms) // 5
        clock._redis_time_ns = world.held_time_ns if bad else world.redis_time_ns
        clock.sample()
        now_ns = clock.now_ns()
        assert now_ns >= last_ns and clock.jumps == 1
        last_ns = now_ns
        away_ns = abs(now_ns - world.true_ns)
        assert clock.trusted is (away_ns < JUMP_NS) or abs(away_ns - JUMP_NS) <= 2 * world.trip_ns
    assert clock.trusted and clock.offset_us == 0
    assert abs(now_ns - world.true_ns) <= world.trip_ns


def test_a_long_pause_is_no_licence_to_step() -> None:
    """The way to a target begins when the target is known, not when time was last told."""
    world = World()
    clock = clock_in(world)
    before_ns = clock.now_ns() - world.mono_ns
    world.mono_ns += 100 * NS_PER_S
    world.offset_ns += 400 * NS_PER_MS
    clock.sample()
    assert not clock.trusted and clock.now_ns() - world.mono_ns - before_ns <= world.trip_ns


# -- steps that two sources agree on ----------------------------------------------------------------


class Host:
    """This machine's clocks and Redis's, a second from sample to sample."""

    def __init__(self) -> None:
        self.mono_ns, self.redis_ns, self.wall_ns = 5 * NS_PER_S, 10**18, 10**18
        self.clock = RedisClock(lambda: self.redis_ns, lambda: self.mono_ns, lambda: self.wall_ns)
        self.run(30)

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            self.mono_ns, self.redis_ns = self.mono_ns + NS_PER_S, self.redis_ns + NS_PER_S
            self.wall_ns += NS_PER_S
            self.clock.sample()


@pytest.mark.parametrize("step_s", [3, 600])
def test_a_pause_that_the_monotonic_clock_did_not_count_is_followed_within_a_minute(step_s: int) -> None:
    """Ten minutes took 33 hours, and only a restart ended it."""
    host = Host()
    host.redis_ns += step_s * NS_PER_S
    host.wall_ns += step_s * NS_PER_S
    host.run(3)
    assert not host.clock.trusted, "entries wait meanwhile"
    host.run(57)
    assert host.clock.trusted and abs(host.clock.now_ns() - host.redis_ns) < NS_PER_MS


def test_a_step_that_the_wall_clock_denies_is_not_followed() -> None:
    host = Host()
    host.redis_ns += 600 * NS_PER_S
    host.run(120)
    assert not host.clock.trusted and host.redis_ns - host.clock.now_ns() > 500 * NS_PER_S


def test_a_step_back_asks_for_a_new_beginning_and_time_runs_back_only_there() -> None:
    host = Host()
    host.redis_ns += 600 * NS_PER_S
    host.wall_ns += 600 * NS_PER_S
    host.run(30)
    host.redis_ns -= 600 * NS_PER_S
    host.wall_ns -= 600 * NS_PER_S
    before_ns = host.clock.now_ns()
    host.run(5)
    assert not host.clock.set_back and not host.clock.trusted
    host.run(55)
    assert host.clock.set_back and host.clock.now_ns() >= before_ns
    host.clock.begin_anew()
    assert abs(host.clock.now_ns() - host.redis_ns) < NS_PER_MS and host.clock.trusted
