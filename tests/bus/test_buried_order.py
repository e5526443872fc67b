"""An order event that nobody can read: the shares it speaks of are named, whatever they are."""

import redis

from services.contracts.envelope import Message, decode
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.pairs import ResidualMarked, StrandReason
from services.contracts.streams import ALERTS, ORDERS, PAIRS, Stream, key_of
from services.executor.core import decide
from services.executor.phases import PairPhase
from services.executor.state import ExecutorState
from services.runtime.clock import RedisClock
from services.runtime.loop import ServiceLoop
from services.runtime.redis_bus import RedisBus
from services.runtime.service import Service
from tests.unit.executor.desk import OTHER, Desk


def bodies(bus: RedisBus, stream: Stream) -> list[Message]:
    return [decode(entry.text).body for entry in bus.tail(key_of(stream), 10)]


def test_a_fill_that_cannot_be_read_strands_its_pair_and_only_it(client: "redis.Redis") -> None:
    desk = Desk().open_day()
    desk.crossed(OTHER)
    desk.approve("P1")
    desk.approve("P2", symbol=OTHER)
    bus = RedisBus(client)
    orders = key_of(ORDERS)
    service: Service[ExecutorState] = Service("executor", decide, desk.state, committed=(orders,))
    client.xadd(orders, {"m": '{"type":"OrderFilled","version":99,"body":{"facts":{"pair_id":"P1"}}}'})
    loop = ServiceLoop(service, bus, RedisClock(bus.time_ns))
    loop.turn()
    (alert,) = [m for m in bodies(bus, ALERTS) if isinstance(m, AlertRaised) and m.code == "dead_letter"]
    assert alert.pair_id == "P1"
    told = bodies(bus, PAIRS)
    (marked,) = [message for message in told if isinstance(message, ResidualMarked)]
    assert (marked.pair_id, marked.reason) == ("P1", StrandReason.AMBIGUOUS)
    assert {pair_id: pair.phase for pair_id, pair in loop.state.pairs.items()} == {
        "P1": PairPhase.STRANDED, "P2": PairPhase.BUYING,
    }  # fmt: skip
