"""Redis time: never backwards, slewed, and honest about when it is not to be trusted."""

from hypothesis import given
from hypothesis import strategies as st

from services.contracts.limits import NS_PER_MS, NS_PER_S
from services.runtime.clock import JUMP_NS, SLEW_PPM, RedisClock


class World:
    """A monotonic clock and a Redis whose time stands `offset_ns` ahead, `trip_ns` away."""

    def __init__(self, offset_ns: int = 1_000 * NS_PER_S, trip_ns: int = NS_PER_MS) -> None:
        self.mono_ns, self.offset_ns, self.trip_ns = 5 * NS_PER_S, offset_ns, trip_ns

    def monotonic_ns(self) -> int:
        return self.mono_ns

    def redis_time_ns(self) -> int:
        self.mono_ns += self.trip_ns // 2
        answer = self.mono_ns + self.offset_ns
        self.mono_ns += self.trip_ns - self.trip_ns // 2
        return answer

    def stalled_time_ns(self) -> int:
        """Redis stood still for four seconds, then answered at once."""
        self.mono_ns += 4 * NS_PER_S
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
