"""The thread that reads: what waits for the Qt thread keeps no stop from it."""

import fakeredis

from services.contracts.envelope import Envelope, Message
from services.contracts.messages.control import ComparisonRequested, StopRequested
from services.contracts.streams import CONTROL, LEASE, STOPS
from services.contracts.terms import TradingState
from services.gateway.doubt import Doubt
from services.gateway.redis_reader import INBOX_MOST, RedisReader
from services.runtime.bus import Write
from services.runtime.redis_bus import RedisBus


def test_a_stop_is_read_while_the_qt_thread_has_not_caught_up() -> None:
    bus = RedisBus(fakeredis.FakeRedis())

    def put(key: str, message: Message, count: int) -> None:
        writes = [
            Write(key, Envelope.wrap(message, source="cli", now_ns=1, causation_id=f"{key}{n}"))
            for n in range(count)
        ]
        bus.append(writes)

    put(CONTROL.key, ComparisonRequested(by="kim", reason="waits"), 2 * INBOX_MOST)
    start = {STOPS.key: "0-0", CONTROL.key: "0-0", LEASE.key: "0-0"}
    reader = RedisReader(bus, start, Doubt())
    for _ in range(2 * INBOX_MOST):
        reader.step(1)
        if reader.inbox.qsize() >= INBOX_MOST:
            break
    waiting = reader.inbox.qsize()
    assert waiting < 2 * INBOX_MOST
    put(STOPS.key, StopRequested(target=TradingState.HALTED, by="lee", reason="stop"), 1)
    reader.step(1)
    assert reader.stops.qsize() == 1 and reader.inbox.qsize() == waiting
    while not reader.inbox.empty():
        reader.inbox.get()
    reader.step(1)
    assert reader.inbox.qsize() > 0, "and goes on where it was"
