"""One protocol, two buses: what the loop relies on holds of Redis and of the memory of a virtual day."""

from collections.abc import Callable
from dataclasses import dataclass

import fakeredis
import pytest

from services.contracts.envelope import Envelope, Unreadable
from services.contracts.limits import NS_PER_MS, NS_PER_S
from services.contracts.messages.control import TradingStateChanged, TradingStateRequested
from services.contracts.messages.dead import EntryBuried
from services.contracts.messages.status import KeysVanished
from services.contracts.streams import CONTROL, DEAD, STATUS, STOPS
from services.contracts.terms import TradingState
from services.runtime.bus import Bus, BusUnavailable, CommitLate, Fenced, KeysLost, Write
from services.runtime.clock import RedisClock
from services.runtime.loop import ServiceLoop
from services.runtime.redis_bus import RedisBus
from services.runtime.service import Service
from services.runtime.tries import MAX_TRIES
from services.simulator.virtual.bus import Killed, VirtualBus, VirtualTime
from tests.bus.test_loop import Tally, tally


@dataclass
class Host:
    """A bus as its clients have it, and what befalls it."""

    connect: Callable[[], Bus]
    junk: Callable[[str], None]
    roll_back: Callable[[], None]
    """To what `marked` holds, as a server does that lost its last second."""
    mark: Callable[[], None]
    later: Callable[[], None]
    """A second passes, where time is not real."""


def redis_host(client: fakeredis.FakeRedis) -> Host:
    kept: dict[bytes, bytes] = {}

    def mark() -> None:
        kept.clear()
        kept.update({key: client.dump(key) for key in client.keys("*")})

    def roll_back() -> None:
        client.flushall()
        for key, value in kept.items():
            client.restore(key, 0, value)

    return Host(
        lambda: RedisBus(client), lambda key: client.xadd(key, {"m": "x"}), roll_back, mark, lambda: None
    )


def memory_host(*, coded: bool) -> Host:
    bus = VirtualBus(VirtualTime(1_800_000_000 * NS_PER_S), coded=coded)
    marked = [0]

    def mark() -> None:
        marked[0] = bus.time.now_ns
        later()

    def later() -> None:
        bus.time.now_ns += 100 * NS_PER_MS

    def roll_back() -> None:
        bus.forget_since(marked[0])

    return Host(lambda: bus.connect("tally"), lambda key: bus.post_text(key, b"x"), roll_back, mark, later)


@pytest.fixture(params=["redis", "memory", "memory, coded"])
def host(request: pytest.FixtureRequest) -> Host:
    if request.param == "redis":
        return redis_host(fakeredis.FakeRedis())
    return memory_host(coded="coded" in request.param)


def request_of(reason: str) -> Write:
    wish = TradingStateRequested(target=TradingState.PAUSE_ENTRY, by="kim", reason=reason)
    return Write(CONTROL.key, Envelope.wrap(wish, source="cli", now_ns=1, causation_id=reason))


def loop_over(bus: Bus) -> ServiceLoop[Tally]:
    service = Service("tally", tally, Tally(), committed=(CONTROL.key,))
    return ServiceLoop(service, bus, RedisClock(bus.time_ns))


def said(bus: Bus, key: str, kind: type) -> list[object]:
    bodies = [entry.decoded().body for entry in bus.tail(key, 1_000)]
    return [body for body in bodies if isinstance(body, kind)]


def test_commit_is_stored_with_parts_positions_and_outputs(host: Host) -> None:
    first = host.connect()
    state = Tally(seen=("a",))
    parts = first.codec.changed(None, state)
    first.commit("tally", first.take_over("tally").epoch, parts, {CONTROL.key: "1-0"}, [request_of("a")])
    second = host.connect()
    stored = second.take_over("tally")
    assert (stored.epoch, stored.commits, stored.lost) == (2, 1, False)
    assert stored.positions == {CONTROL.key: "1-0"}
    assert second.codec.restore(Tally(), stored.parts) == state
    entry = second.tail(CONTROL.key, 1)[0]
    assert second.standing([CONTROL.key]).last_ids == {CONTROL.key: entry.entry_id}
    found = second.entry(CONTROL.key, entry.entry_id)
    assert found is not None and found.decoded() == entry.decoded()


def test_older_instance_is_fenced_by_a_newer_one(host: Host) -> None:
    first, second = host.connect(), host.connect()
    epoch = first.take_over("tally").epoch
    second.take_over("tally")
    with pytest.raises(Fenced):
        first.commit("tally", epoch, {}, {}, [])
    with pytest.raises(Fenced):
        first.take_over("tally", epoch)


def test_commit_of_an_expired_request_writes_nothing(host: Host) -> None:
    bus = host.connect()
    epoch = bus.take_over("tally").epoch
    with pytest.raises(CommitLate) as late:
        bus.commit("tally", epoch, {}, {}, [request_of("a")], before_ms=1)
    assert abs(late.value.now_ns - bus.time_ns()) < 10 * NS_PER_S
    assert bus.tail(CONTROL.key, 1) == []


def test_read_gives_each_stream_in_order_from_its_cursor(host: Host) -> None:
    bus = host.connect()
    bus.append([request_of(reason) for reason in "abc"])
    first, *rest = bus.read({CONTROL.key: "0-0", STOPS.key: "0-0"}, count=2, block_ms=0)
    assert [entry.decoded().causation_id for entry in (first, *rest)] == ["a", "b"]
    assert [
        e.decoded().causation_id for e in bus.read({CONTROL.key: rest[-1].entry_id}, count=9, block_ms=0)
    ] == ["c"]


def test_junk_is_read_and_is_no_message(host: Host) -> None:
    bus = host.connect()
    host.junk(CONTROL.key)
    with pytest.raises(Unreadable):
        bus.read({CONTROL.key: "0-0"}, count=2, block_ms=0)[0].decoded()


def test_commit_and_epoch_that_were_lost_are_noticed(host: Host) -> None:
    bus = host.connect()
    bus.commit("tally", bus.take_over("tally").epoch, {}, {}, [])
    host.mark()
    epoch = bus.take_over("tally", 1).epoch
    bus.commit("tally", epoch, {}, {}, [])
    host.roll_back()
    with pytest.raises((KeysLost, BusUnavailable)):
        bus.commit("tally", epoch, {}, {}, [])
    stored = bus.take_over("tally", epoch)
    assert stored.lost and not stored.emptied and stored.epoch > epoch


def test_loop_writes_again_what_the_bus_lost(host: Host) -> None:
    bus = host.connect()
    loop, other = loop_over(bus), host.connect()
    loop.step(0)
    host.mark()
    other.append([request_of("a")])
    loop.step(0)
    assert loop.state.seen == ("a",)
    host.roll_back()
    host.later()
    other.append([request_of("b")])
    for _ in range(3):
        loop.step(0)
        host.later()
    assert loop.state.seen == ("a", "b")
    answers = [body.reason for body in said(other, STOPS.key, TradingStateChanged)]
    assert answers == ["a", "b"] and len(said(other, STATUS.key, KeysVanished)) == 1


def test_loop_buries_junk_and_what_the_core_fails_at(host: Host) -> None:
    loop, other = loop_over(host.connect()), host.connect()
    host.junk(CONTROL.key)
    other.append([request_of("poison"), request_of("after")])
    for _ in range(MAX_TRIES + 2):
        loop.step(0)
        host.later()
    assert loop.state.seen == ("after",)
    tries = [body.tries for body in said(other, DEAD.key, EntryBuried) if isinstance(body, EntryBuried)]
    assert tries == [1, MAX_TRIES]


# -- what only the memory does ---------------------------------------------------------------------


def virtual() -> tuple[VirtualBus, VirtualTime]:
    time = VirtualTime(1_800_000_000 * NS_PER_S)
    return VirtualBus(time), time


def test_reply_that_was_lost_leaves_a_doubt_that_the_loop_settles() -> None:
    bus, _ = virtual()
    line = bus.connect("tally")
    loop, other = loop_over(line), bus.connect("desk")
    loop.step(0)
    other.append([request_of("a")])
    bus.lose_reply("tally")
    assert loop.step(0) > 0, "it waits before it tries again"
    assert len(said(other, STOPS.key, TradingStateChanged)) == 1
    loop.step(0)
    assert loop.state.seen == ("a",) and len(said(other, STOPS.key, TradingStateChanged)) == 1


@pytest.mark.parametrize(("dies", "answers"), [("before", 0), ("after", 1)])
def test_death_at_a_commit_is_before_or_after_it(dies: str, answers: int) -> None:
    bus, _ = virtual()
    line = bus.connect("tally")
    loop, other = loop_over(line), bus.connect("desk")
    for _ in range(2):
        loop.step(0)
    other.append([request_of("a")])
    line.dies = dies
    with pytest.raises(Killed):
        loop.step(0)
    assert len(said(other, STOPS.key, TradingStateChanged)) == answers
    again = loop_over(bus.connect("tally"))
    for _ in range(2):
        again.step(0)
    assert again.state.seen == ("a",)
    assert len(said(other, STOPS.key, TradingStateChanged)) == 1


def test_entry_that_takes_the_process_down_each_time_is_buried() -> None:
    bus, _ = virtual()
    other = bus.connect("desk")
    other.append([request_of("deadly"), request_of("after")])

    def deadly(state: Tally, event: object) -> object:
        if getattr(getattr(event, "message", None), "reason", "") == "deadly":
            raise Killed
        return tally(state, event)  # type: ignore[arg-type]

    service = Service("tally", deadly, Tally(), committed=(CONTROL.key,))  # type: ignore[arg-type]
    for _ in range(MAX_TRIES):
        line = bus.connect("tally")
        with pytest.raises(Killed):
            ServiceLoop(service, line, RedisClock(line.time_ns)).step(0)
    line = bus.connect("tally")
    last = ServiceLoop(service, line, RedisClock(line.time_ns))
    last.step(0)
    assert last.state.seen == ("after",) and len(said(other, DEAD.key, EntryBuried)) == 1


def test_stream_that_was_deleted_is_read_from_its_new_start() -> None:
    bus, time = virtual()
    line = bus.connect("tally")
    mono = [5 * NS_PER_S]
    service = Service("tally", tally, Tally(), committed=(CONTROL.key,))
    loop = ServiceLoop(service, line, RedisClock(line.time_ns, lambda: mono[0], lambda: time.now_ns))
    other = bus.connect("desk")
    other.append([request_of("a")])
    loop.step(0)
    bus.delete(CONTROL.key)
    time.now_ns += NS_PER_S
    mono[0] += NS_PER_S
    loop.step(0)
    other.append([request_of("b")])
    loop.step(0)
    assert loop.state.seen == ("a", "b")
    assert [body.detail for body in said(other, STATUS.key, KeysVanished)]  # type: ignore[attr-defined]


def test_bus_that_came_back_empty_is_filled_from_memory() -> None:
    bus, _ = virtual()
    loop, other = loop_over(bus.connect("tally")), bus.connect("desk")
    other.append([request_of("a")])
    loop.step(0)
    bus.empty()
    for _ in range(3):
        loop.step(0)
    assert bus.kept["tally"].parts["seen"] == ("a",)
    assert [body.emptied for body in said(other, STATUS.key, KeysVanished)] == [True]  # type: ignore[attr-defined]
