"""The bus and the loop, on fakeredis and on a real Redis: one behaviour, two servers."""

import json
import threading
import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import ClassVar

import pytest
import redis

from services.contracts.envelope import Envelope, decode
from services.contracts.limits import NS_PER_MS, NS_PER_S
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.control import StopRequested, TradingStateChanged, TradingStateRequested
from services.contracts.messages.dead import EntryBuried
from services.contracts.messages.market_data import QuoteUpdated, TradePrinted
from services.contracts.messages.status import Heartbeat
from services.contracts.step import Event, Outgoing, Received, State, Step
from services.contracts.streams import ALERTS, CONTROL, DEAD, LEASE, STATUS, STOPS, TICKS, key_of, state_key
from services.contracts.terms import TradingState, Venue
from services.runtime.bus import BusUnavailable, Fenced, KeysLost, Write
from services.runtime.clock import POOR_NS, ClockSetBack, RedisClock
from services.runtime.loop import ServiceLoop
from services.runtime.redis_bus import RedisBus
from services.runtime.service import Service
from tests.contracts.examples import EXAMPLES

TICKS_G1 = key_of(TICKS, "g1")


class Tally(State):
    """Counts what it was told, answers each request once, and fails on demand."""

    DURABLE: ClassVar[frozenset[str]] = frozenset({"seen"})
    seen: tuple[str, ...] = ()
    quotes: int = 0
    epoch: int = 0


def tally(state: Tally, event: Event) -> Step[Tally]:
    if not isinstance(event, Received):
        return Step(state.but(epoch=event.epoch))
    match event.message:
        case TradingStateRequested(reason="poison"):
            raise ZeroDivisionError("poison")
        case StopRequested() as stop:
            return Step(state.but(seen=(*state.seen, stop.reason)))
        case TradingStateRequested() as request:
            answer = TradingStateChanged(
                state=request.target, by=request.by, reason=request.reason, latches=()
            )
            return Step(state.but(seen=(*state.seen, request.reason)), (Outgoing(answer),))
        case QuoteUpdated():
            return Step(state.but(quotes=state.quotes + 1))
    return Step(state)


def loop_on(client: "redis.Redis") -> ServiceLoop[Tally]:
    bus = RedisBus(client)
    service = Service("tally", tally, Tally(), committed=(CONTROL.key,), newest=(TICKS_G1,))
    return ServiceLoop(service, bus, RedisClock(bus.time_ns))


class Stall:
    """A Redis that stands still for a second or so at its first answers; both clocks go on meanwhile."""

    def __init__(self, bus: RedisBus, stalls: int) -> None:
        self._bus, self._stalls, self._passed_ns = bus, stalls, 0

    def monotonic_ns(self) -> int:
        return time.monotonic_ns() + self._passed_ns

    def true_ns(self) -> int:
        return self._bus.time_ns() + self._passed_ns

    def redis_time_ns(self) -> int:
        if self._stalls:
            self._stalls -= 1
            self._passed_ns += 1_040 * NS_PER_MS
        return self.true_ns()


def request(client: "redis.Redis", reason: str) -> None:
    message = TradingStateRequested(target=TradingState.HALTED, by="desk", reason=reason)
    bus = RedisBus(client)
    envelope = Envelope.wrap(message, source="cli", now_ns=bus.time_ns(), causation_id=reason)
    bus.append([Write(CONTROL.key, envelope)])


def quote(client: "redis.Redis", price_krw: int) -> None:
    message = QuoteUpdated(
        symbol="005930",
        venue=Venue.KRX,
        bids=((price_krw, 1),),
        asks=(),
        exchange_time="090100",
        connection_epoch=1,
        feed_seq=price_krw,
    )
    envelope = Envelope.wrap(message, source="gateway", now_ns=1, causation_id=str(price_krw))
    RedisBus(client).append([Write(TICKS_G1, envelope, 100, "005930:KRX")])


def answers(client: "redis.Redis") -> list[str]:
    bodies = [decode(entry.text).body for entry in RedisBus(client).tail(STOPS.key, 100)]
    return [body.reason for body in bodies if isinstance(body, TradingStateChanged)]


def test_each_request_is_answered_once_across_restarts(client: "redis.Redis") -> None:
    request(client, "one")
    loop_on(client).turn()
    request(client, "two")
    second = loop_on(client)
    second.turn()
    second.turn()
    assert second.state.seen == ("one", "two")
    assert answers(client) == ["one", "two"]


def test_state_positions_and_outputs_are_one_write(client: "redis.Redis") -> None:
    request(client, "one")
    loop = loop_on(client)
    loop.turn()
    bus = RedisBus(client)
    control = bus.tail(CONTROL.key, 10)
    assert bus.positions("tally")[CONTROL.key] == control[0].entry_id
    assert loop_on(client).turn() == 0 and bus.length(STOPS.key) == 1


def test_a_stop_is_handed_on_before_all_that_waits_elsewhere(client: "redis.Redis") -> None:
    """Twenty thousand entries of the control stream delayed a halt by seconds."""
    for number in range(600):
        request(client, f"waits {number}")
    service = Service("tally", tally, Tally(), committed=(CONTROL.key, STOPS.key))
    bus = RedisBus(client)
    loop = ServiceLoop(service, bus, RedisClock(bus.time_ns))
    handled = loop.turn()
    halt = StopRequested(target=TradingState.HALTED, by="desk", reason="stop")
    bus.append([Write(STOPS.key, Envelope.wrap(halt, source="cli", now_ns=1, causation_id="stop"))])
    before = len(loop.state.seen)
    loop.turn()
    assert loop.state.seen[before] == "stop" and before == handled, "its own words stand in that stream too"


def test_an_instance_that_was_overtaken_can_write_nothing_more(client: "redis.Redis") -> None:
    paused = loop_on(client)
    paused.turn()
    successor = loop_on(client)
    successor.turn()
    request(client, "one")
    with pytest.raises(Fenced):
        paused.turn()
    assert answers(client) == []
    successor.turn()
    assert answers(client) == ["one"]


def test_each_process_tells_its_core_an_epoch_of_its_own(client: "redis.Redis") -> None:
    epochs = []
    for _ in range(2):
        loop = loop_on(client)
        loop.turn()
        epochs.append(loop.state.epoch)
    assert 0 < epochs[0] < epochs[1]


def test_a_redis_that_forgot_the_newest_epoch_is_no_rival_and_the_older_instance_stays_out(
    client: "redis.Redis",
) -> None:
    """Its last second held the start of the newer one, which was taken for overtaken, and ended."""
    older = loop_on(client)
    older.turn()
    before = client.dump(state_key("tally"))
    newer = loop_on(client)
    newer.turn()
    client.restore(state_key("tally"), 0, before, replace=True)
    request(client, "one")
    with pytest.raises(KeysLost):
        newer.turn()
    newer._forget()
    newer.turn()
    assert answers(client) == ["one"]
    with pytest.raises(Fenced):
        older.turn()


def test_what_cannot_be_read_is_buried_with_its_reason_and_an_alert(client: "redis.Redis") -> None:
    client.xadd(CONTROL.key, {"m": '{"type": "Nonsense"}'})
    request(client, "after")
    loop = loop_on(client)
    loop.turn()
    buried = decode(RedisBus(client).tail(DEAD.key, 1)[0].text).body
    assert isinstance(buried, EntryBuried)
    assert buried.stream_key == CONTROL.key and "Nonsense" in buried.text
    assert isinstance(decode(RedisBus(client).tail(ALERTS.key, 1)[0].text).body, AlertRaised)
    assert loop.state.seen == ("after",)


def test_a_message_that_breaks_the_core_is_tried_three_times_then_buried(client: "redis.Redis") -> None:
    for reason in ("before", "poison", "after"):
        request(client, reason)
    loop = loop_on(client)
    turns = 0
    while "after" not in loop.state.seen:
        loop.turn()
        turns += 1
        assert turns < 10
    buried = decode(RedisBus(client).tail(DEAD.key, 1)[0].text).body
    assert isinstance(buried, EntryBuried)
    assert buried.tries == 3 and "ZeroDivisionError" in buried.reason
    assert loop.state.seen == ("before", "after")


def test_a_late_reader_takes_only_the_newest_of_each_book(client: "redis.Redis") -> None:
    loop = loop_on(client)
    loop.turn()
    for price_krw in range(100, 150):
        quote(client, price_krw)
    loop.turn()
    assert loop.state.quotes == 1


def test_a_start_knows_books_that_have_not_changed_since(client: "redis.Redis") -> None:
    quote(client, 100)
    first = loop_on(client)
    first.turn()
    assert first.state.quotes == 1
    quote(client, 101)
    second = loop_on(client)
    second.turn()
    assert second.state.quotes == 1, "the newest of the book, and only that"


@pytest.mark.parametrize("trades", [1, 300])
def test_a_start_knows_books_that_trades_lie_upon(client: "redis.Redis", trades: int) -> None:
    quote(client, 100)
    trade = TradePrinted(
        symbol="005930", venue=Venue.KRX, price_krw=100, qty_shares=1, aggressor=None, exchange_time="090101"
    )
    for number in range(trades):
        envelope = Envelope.wrap(trade, source="gateway", now_ns=1, causation_id=f"trade{number}")
        RedisBus(client).append([Write(TICKS_G1, envelope, 1_000)])
    loop = loop_on(client)
    for _ in range(2):
        loop.turn()
        assert loop.state.quotes == 1, "after a start, and after every hiccup of Redis"
        loop._forget()


def test_a_trouble_at_ticks_is_over_for_people_when_a_later_process_has_none(client: "redis.Redis") -> None:
    def failing(state: Tally, event: Event) -> Step[Tally]:
        if isinstance(event, Received):
            return Step(state)
        raise ZeroDivisionError("no row for today")

    def told() -> list[bool]:
        bodies = [decode(entry.text).body for entry in bus.tail(ALERTS.key, 10)]
        return [body.resolved for body in bodies if isinstance(body, AlertRaised)]

    bus = RedisBus(client)
    service = Service("tally", failing, Tally(), committed=(CONTROL.key,))
    for _ in range(2):
        ServiceLoop(service, bus, RedisClock(bus.time_ns)).turn()
    assert told() == [False], "once, however often the process is started again"
    for _ in range(2):
        loop_on(client).turn()
    assert told() == [False, True]


@pytest.mark.parametrize("kind", ["FilesRead", "PlaceOrder"])
def test_a_type_that_does_not_travel_on_its_stream_is_buried(client: "redis.Redis", kind: str) -> None:
    """A word that only a shell says to its own core, and one that travels elsewhere."""
    import services.risk.observed  # noqa: F401  # it registers what never travels

    envelope = json.loads(
        Envelope.wrap(EXAMPLES["PlaceOrder"], source="x", now_ns=1, causation_id="c").encode()
    )
    body = {"at_ns": 1} if kind == "FilesRead" else envelope["body"]
    client.xadd(CONTROL.key, {"m": json.dumps({**envelope, "type": kind, "body": body})})
    loop_on(client).turn()
    buried = decode(RedisBus(client).tail(DEAD.key, 1)[0].text).body
    assert isinstance(buried, EntryBuried)
    assert kind in buried.reason


def test_old_heartbeats_are_not_read_at_a_start(client: "redis.Redis") -> None:
    loop_on(client).turn()
    bus = RedisBus(client)
    watched: list[str] = []

    def watch(state: Tally, event: Event) -> Step[Tally]:
        if isinstance(event, Received):
            watched.append(event.envelope.type)
        return Step(state)

    service = Service("watcher", watch, Tally(), committed=(CONTROL.key,), newest=(STATUS.key,))
    ServiceLoop(service, bus, RedisClock(bus.time_ns)).turn()
    assert watched == []


def test_a_tick_alone_stores_nothing(client: "redis.Redis") -> None:
    loop = loop_on(client)
    loop.turn()
    before = client.hgetall("{arb}:state:tally")
    quote(client, 100)
    loop.turn()
    assert client.hgetall("{arb}:state:tally") == before


def test_a_heartbeat_says_what_was_read(client: "redis.Redis") -> None:
    request(client, "one")
    loop_on(client).turn()
    beat = decode(RedisBus(client).tail(STATUS.key, 1)[0].text).body
    assert isinstance(beat, Heartbeat)
    assert beat.service == "tally" and beat.epoch == 1 and CONTROL.key in beat.positions


def test_a_lost_reply_to_a_commit_does_not_double_it(client: "redis.Redis") -> None:
    class ReplyLost(RedisBus):
        lose = True

        def commit(self, *args: object, **kwargs: object) -> Sequence[str]:
            left_out = super().commit(*args, **kwargs)  # type: ignore[arg-type]
            if self.lose:
                self.lose = False
                raise BusUnavailable("the reply was lost")
            return left_out

    bus = ReplyLost(client)
    service = Service("tally", tally, Tally(), committed=(CONTROL.key,))
    loop = ServiceLoop(service, bus, RedisClock(bus.time_ns))
    request(client, "one")
    stop = threading.Event()
    runner = threading.Thread(target=loop.run, args=(stop,))
    runner.start()
    try:
        for _ in range(100):
            if loop.state.seen:
                break
            stop.wait(0.05)
        stop.wait(0.3)
    finally:
        stop.set()
        runner.join(5)
    assert loop.state.seen == ("one",)
    assert answers(client) == ["one"]


def test_a_capped_stream_stays_near_its_cap(client: "redis.Redis") -> None:
    bus = RedisBus(client)
    message = TradingStateChanged(state=TradingState.HALTED, by="x", reason="y", latches=())
    for number in range(3_000):
        envelope = Envelope.wrap(message, source="t", now_ns=1, causation_id=str(number))
        bus.append([Write(LEASE.key, envelope, 100)])
    assert bus.length(LEASE.key) < 400


@pytest.mark.parametrize("stalls", [1, 3, 30])
def test_a_start_while_redis_stands_still_stamps_no_heartbeat_ahead(
    client: "redis.Redis", stalls: int
) -> None:
    """A first measure over a second's round trip was half a second ahead, and time does not run back."""
    bus = RedisBus(client)
    world = Stall(bus, stalls)
    service = Service("tally", tally, Tally(), committed=(CONTROL.key,), newest=(TICKS_G1,))
    ServiceLoop(service, bus, RedisClock(world.redis_time_ns, world.monotonic_ns)).turn()
    (beat,) = [decode(entry.text) for entry in bus.tail(STATUS.key, 10)]
    assert isinstance(beat.body, Heartbeat)
    assert beat.ts_event_ns <= world.true_ns() + POOR_NS
    assert beat.body.clock_trusted is (stalls < 30) and abs(beat.body.clock_offset_us) * 1_000 <= POOR_NS


def test_a_loop_goes_on_after_redis_time_was_set_back(client: "redis.Redis") -> None:
    """Its time stood still until the old one was reached: no tick, no heartbeat, for ten minutes."""
    bus = RedisBus(client)
    host = SimpleNamespace(mono_ns=5 * NS_PER_S, redis_ns=10**18)
    clock = RedisClock(lambda: host.redis_ns, lambda: host.mono_ns, lambda: host.redis_ns)
    service = Service("tally", tally, Tally(), committed=(CONTROL.key,))
    loop = ServiceLoop(service, bus, clock)

    def run(seconds: int) -> None:
        for _ in range(seconds):
            host.mono_ns += NS_PER_S
            host.redis_ns += NS_PER_S
            loop._sampled_ns = 0
            loop.turn()

    run(12)
    host.redis_ns -= 600 * NS_PER_S
    with pytest.raises(ClockSetBack):
        run(20)
    loop._sampled_ns = 0
    stop = threading.Event()
    runner = threading.Thread(target=loop.run, args=(stop,))
    request(client, "after")
    runner.start()
    try:
        for _ in range(100):
            if loop.state.seen:
                break
            stop.wait(0.05)
    finally:
        stop.set()
        runner.join(5)
    assert loop.state.seen == ("after",)
    beat = decode(bus.tail(STATUS.key, 1)[0].text)
    assert abs(beat.ts_init_ns - host.redis_ns) < NS_PER_S and clock.trusted
