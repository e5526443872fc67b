"""Keys that Redis takes nothing for: a step takes place as a whole, or not at all."""

import threading
from dataclasses import replace

import pytest
import redis

from services.contracts.alert_codes import AlertCode
from services.contracts.envelope import decode
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.control import StopRequested
from services.contracts.streams import ALERTS, CONTROL, DEAD, LEASE, ORDERS, STATUS, STOPS, Stream, state_key
from services.contracts.terms import TradingState
from services.runtime.bus import BusUnavailable, Unwritable, Write
from services.runtime.clock import RedisClock
from services.runtime.loop import ServiceLoop
from services.runtime.meter import Unmetered
from services.runtime.parts import StateUnreadable
from services.runtime.redis_bus import RedisBus
from services.runtime.service import Service
from tests.bus.test_outages import Tally, answers, ask, request, tally

SPENT = "18446744073709551615-18446744073709551615"
HOW = ["another type", "spent ids"]


def spoil(client: "redis.Redis", key: str, how: str) -> None:
    client.delete(key)
    if how == "another type":
        client.set(key, "x")
    else:
        client.xadd(key, {"m": "x"}, id=SPENT)


def loop_on(client: "redis.Redis", meter: Unmetered[Tally] | None = None) -> ServiceLoop[Tally]:
    """A service that trades; the stream of its answers is that of stops."""
    bus = RedisBus(client)
    service = Service("tally", tally, Tally(), committed=(CONTROL.key,), trades=True)
    return ServiceLoop(service, bus, RedisClock(bus.time_ns), meter)


def bodies(client: "redis.Redis", key: str) -> list[object]:
    return [decode(entry.text).body for entry in RedisBus(client).tail(key, 100)]


def codes(client: "redis.Redis") -> list[tuple[str, bool]]:
    return [(a.code, a.resolved) for a in bodies(client, ALERTS.key) if isinstance(a, AlertRaised)]


class Counting(Unmetered[Tally]):
    def __init__(self) -> None:
        self.left_out: list[str] = []

    def took_place(self, writes: object, commit_s: float, left_out: object = ()) -> None:
        self.left_out += list(left_out)  # type: ignore[call-overload]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("stream", [STATUS, ALERTS, DEAD, LEASE], ids=lambda stream: stream.name)
def test_a_commit_takes_place_without_what_only_tells(
    client: "redis.Redis", stream: Stream, how: str
) -> None:
    key = stream.key
    bus = RedisBus(client)
    epoch = bus.take_over("tally").epoch
    spoil(client, key, how)
    before = client.dump(key)
    writes = [Write(name, request(name)) for name in (CONTROL.key, key, ORDERS.key)]
    assert bus.commit("tally", epoch, {"seen": "1"}, {}, writes) == [key]
    assert client.xlen(CONTROL.key) == client.xlen(ORDERS.key) == 1 and bus.part("tally", "seen") == "1"
    assert client.dump(key) == before
    assert bus.append([Write(key, request("told"))]) == [key]


@pytest.mark.parametrize("how", HOW)
def test_a_service_goes_on_without_a_status_and_tells_it_once(client: "redis.Redis", how: str) -> None:
    counting = Counting()
    loop = loop_on(client, counting)
    loop.turn()
    spoil(client, STATUS.key, how)
    for reason in ("one", "two", "three"):
        ask(client, reason)
        loop.engine.beat_ns = 0
        loop.turn()
    assert answers(client) == ["one", "two", "three"] and counting.left_out == [STATUS.key] * 3
    assert codes(client) == [(AlertCode.OUTPUT_LEFT_OUT, False)]
    client.delete(STATUS.key)
    for _ in range(2):
        loop.engine.beat_ns = 0
        loop.turn()
    assert codes(client)[1:] == [(AlertCode.OUTPUT_LEFT_OUT, True)]


@pytest.mark.parametrize("how", HOW)
def test_nothing_of_a_commit_is_written_where_one_stream_takes_nothing(
    client: "redis.Redis", how: str
) -> None:
    bus = RedisBus(client)
    epoch = bus.take_over("tally").epoch
    bus.commit("tally", epoch, {"seen": "before"}, {CONTROL.key: "1-0"}, [])
    spoil(client, ORDERS.key, how)
    writes = [Write(CONTROL.key, request("first")), Write(ORDERS.key, request("x"))]
    for _ in range(3):
        with pytest.raises(Unwritable, match="orders"):
            bus.commit("tally", epoch, {"seen": "after"}, {CONTROL.key: "2-0"}, writes)
    assert client.xlen(CONTROL.key) == 0 and bus.part("tally", "seen") == "before"
    assert bus.positions("tally") == {CONTROL.key: "1-0"}
    with pytest.raises(Unwritable, match="orders"):
        bus.append(writes)


def test_a_service_that_trades_halts_the_desk_and_ends_where_its_output_is_not_taken(
    client: "redis.Redis",
) -> None:
    def also_on_orders(state: Tally, event: object) -> object:
        step = tally(state, event)  # type: ignore[arg-type]
        return replace(step, out=tuple(replace(out, message=refused) for out in step.out))

    loop = loop_on(client)
    refused = bodies_example()
    loop.engine.service = replace(loop.engine.service, decide=also_on_orders)  # type: ignore[arg-type]
    loop.turn()
    spoil(client, ORDERS.key, "another type")
    ask(client, "one")
    with pytest.raises(Unwritable, match="orders"):
        loop.run(threading.Event())
    (halt,) = [body for body in bodies(client, STOPS.key) if isinstance(body, StopRequested)]
    assert (halt.target, halt.by) == (TradingState.HALTED, "tally")
    assert codes(client) == [(AlertCode.UNWRITABLE, False)]
    assert RedisBus(client).part("tally", "seen") in ("", "[]"), "it is asked again by the next start"


def bodies_example() -> object:
    from tests.contracts.examples import EXAMPLES

    return EXAMPLES["OrderClosed"]


@pytest.mark.parametrize("key", [CONTROL.key, state_key("tally")])
def test_what_must_be_read_or_stored_and_is_of_another_type_halts_the_desk(
    client: "redis.Redis", key: str
) -> None:
    loop = loop_on(client)
    loop.turn()
    spoil(client, key, "another type")
    loop.reader._comparison.begin()
    loop.engine.beat_ns = 0
    with pytest.raises((Unwritable, StateUnreadable)):
        loop.run(threading.Event())
    assert [type(body) for body in bodies(client, STOPS.key)] == [StopRequested]
    assert (AlertCode.UNWRITABLE, False) in codes(client)


@pytest.mark.redis
def test_a_reader_reads_on_beside_a_key_that_is_no_stream(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    ask(client, "one")
    client.set(STATUS.key, "x")
    bus = RedisBus(client)
    entries = bus.read({STATUS.key: "0-0", CONTROL.key: "0-0"}, count=10, block_ms=0)
    assert [entry.key for entry in entries] == [CONTROL.key] and bus.tail(STATUS.key, 1) == []


@pytest.mark.redis
def test_a_server_that_is_full_takes_nothing_of_a_commit(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    bus = RedisBus(client)
    epoch = bus.take_over("tally").epoch
    client.config_set("maxmemory", "1kb")
    try:
        with pytest.raises(BusUnavailable, match="maxmemory"):
            bus.commit("tally", epoch, {"seen": "1"}, {}, [Write(CONTROL.key, request("x"))])
        assert client.xlen(CONTROL.key) == 0
    finally:
        client.config_set("maxmemory", "0")
