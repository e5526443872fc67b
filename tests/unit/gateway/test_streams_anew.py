"""Streams that were deleted under a living gateway begin anew, with ids below those that it has read."""

from types import SimpleNamespace
from typing import Any

import fakeredis
import pytest

from services.contracts.alert_codes import AlertCode
from services.contracts.envelope import Envelope, Message
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.control import StopRequested, StopTaken, TradingStateChanged
from services.contracts.messages.venue_state import ConnectionChanged
from services.contracts.streams import ALERTS, COMMANDS, CONTROL, ORDERS, STOPS, VENUE, key_of, state_key
from services.contracts.terms import TradingState
from services.gateway.halt_file import HaltFile
from services.gateway.outbox import Outbox
from services.gateway.redis_reader import RedisReader
from services.gateway.redis_writer import RedisWriter
from services.gateway.shell import SOURCE, Identity, Shell
from services.runtime.bus import Write
from services.runtime.clock import ClockReading
from services.runtime.metrics import Exporter
from services.runtime.process import EXIT_STATE
from services.runtime.redis_bus import RedisBus
from services.runtime.standing import entry_order
from tests.contracts.examples import EXAMPLES

from .desk import Desk, S
from .test_lease_state import Clock

FUTURE = "253402300799999-0"
KEYS = (STOPS.key, CONTROL.key, key_of(COMMANDS, "main"))


class Gateway:
    """Both Redis threads and the Qt thread, a turn of each at a time."""

    def __init__(self, client: fakeredis.FakeRedis, desk: Desk) -> None:
        self.client, bus, outbox = client, RedisBus(client), Outbox()
        self.ended: list[int] = []
        positions = {**dict.fromkeys(KEYS, "0-0"), **bus.positions(SOURCE)}
        epoch = bus.take_over(SOURCE).epoch
        self.writer = RedisWriter(bus, outbox, SOURCE, epoch, None, Exporter(SOURCE))
        self.reader = RedisReader(RedisBus(client), positions, self.writer.doubt)
        self.writer.measure()
        clock, anything = Clock(desk.now_ns, reading=ClockReading(0, 0, 0, trusted=True)), SimpleNamespace
        nothing: Any = anything(register=_no, drop_screen=_no, query=_no, read_master=_no)
        self.shell = Shell(
            desk.state, positions, Identity("g", epoch, "b", clock.now), reader=self.reader,
            writer=self.writer, outbox=outbox, clock=clock,  # type: ignore[arg-type]
            log=anything(append=_no, keep=lambda _: "", lost=""), calls=nothing,  # type: ignore[arg-type]
            port=None, end=self.ended.append, halt=HaltFile,
        )  # fmt: skip
        self._clock = clock

    def run(self, turns: int = 4) -> None:
        for _ in range(turns):
            self.reader._comparison.begin()
            self.reader.step(1)
            self._clock.now += S
            self.shell.turn()
            self.writer.step(0)

    @property
    def state(self) -> TradingState:
        return self.shell.state.control.in_force

    def stored(self, key: str = STOPS.key) -> str:
        return RedisBus(self.client).positions(SOURCE)[key]


def _no(*_: object, **__: object) -> None:
    return None


def put(client: fakeredis.FakeRedis, message: Message, entry_id: str) -> None:
    text = Envelope.wrap(message, source="cli", now_ns=1, causation_id=entry_id).encode()
    client.xadd(STOPS.key, {"m": text}, id=entry_id)


def word(state: TradingState) -> TradingStateChanged:
    return TradingStateChanged(state=state, by="kim", reason="x", latches=())


HALT = StopRequested(target=TradingState.HALTED, by="kim", reason="x")


@pytest.fixture
def client() -> fakeredis.FakeRedis:
    return fakeredis.FakeRedis()


@pytest.mark.parametrize("lost", ["every key", "the stream alone"])
def test_a_halt_below_what_was_read_is_obeyed_and_its_position_is_stored(
    client: fakeredis.FakeRedis, desk: Desk, lost: str
) -> None:
    gateway = Gateway(client, desk)
    put(client, word(TradingState.ARMED), FUTURE)
    gateway.run()
    assert gateway.state is TradingState.ARMED and gateway.stored() == FUTURE
    if lost == "every key":
        client.flushall()
    else:
        client.delete(STOPS.key)
    gateway.run()
    assert gateway.stored() == "0-0", "nothing of the new stream was read yet"
    put(client, HALT, "5-0")
    gateway.run()
    assert gateway.state is TradingState.HALTED and entry_order(gateway.stored()) >= (5, 0)


def test_all_is_said_again_where_a_stream_was_lost(client: fakeredis.FakeRedis, desk: Desk) -> None:
    gateway = Gateway(client, desk)
    put(client, HALT, "7-0")
    gateway.run()
    said = client.xlen(VENUE.key)
    client.delete(STOPS.key)
    gateway.run()
    bodies = [entry.decoded().body for entry in RedisBus(client).tail(VENUE.key, 100)]
    assert any(isinstance(body, ConnectionChanged) for body in bodies[said:])
    stops = [entry.decoded().body for entry in RedisBus(client).tail(STOPS.key, 100)]
    assert [type(body) for body in stops] == [StopRequested, StopTaken], "the halt that was lost too"


def test_what_is_still_there_of_a_stream_allows_nothing_twice(
    client: fakeredis.FakeRedis, desk: Desk
) -> None:
    gateway = Gateway(client, desk)
    put(client, word(TradingState.ARMED), "5-0")
    gateway.run()
    before = client.dump(STOPS.key)
    put(client, word(TradingState.REDUCE_ONLY), "6-0")
    gateway.run()
    client.restore(STOPS.key, 0, before, replace=True)
    gateway.run()
    assert gateway.state is TradingState.REDUCE_ONLY
    assert gateway.stored() == RedisBus(client).tail(STOPS.key, 1)[0].entry_id


def test_a_start_over_streams_that_end_before_its_positions_reads_them(
    client: fakeredis.FakeRedis, desk: Desk
) -> None:
    before = Gateway(client, desk)
    put(client, word(TradingState.ARMED), FUTURE)
    before.run()
    client.delete(STOPS.key)
    put(client, HALT, "5-0")
    gateway = Gateway(client, desk)
    gateway.run()
    assert gateway.state is TradingState.HALTED


@pytest.mark.parametrize("key", [ORDERS.key, state_key(SOURCE)])
def test_a_gateway_whose_writes_redis_does_not_take_halts_and_ends(
    client: fakeredis.FakeRedis, desk: Desk, key: str
) -> None:
    """It cannot say what became of orders: nothing enters, what works is cancelled, and it ends."""
    gateway = Gateway(client, desk)
    put(client, word(TradingState.ARMED), "5-0")
    gateway.run()
    client.delete(key)
    client.set(key, "x")
    if key == ORDERS.key:
        envelope = Envelope.wrap(EXAMPLES["OrderClosed"], source=SOURCE, now_ns=1, causation_id="c")
        gateway.shell._put([Write(ORDERS.key, envelope)])
    gateway.writer._stop_ns = 0
    for _ in range(6):
        gateway.run(1)
    assert gateway.ended == [EXIT_STATE] and gateway.state is TradingState.HALTED
    bus = RedisBus(client)
    assert any(isinstance(entry.decoded().body, StopRequested) for entry in bus.tail(STOPS.key, 10))
    alerts = [entry.decoded().body for entry in bus.tail(ALERTS.key, 10)]
    assert AlertCode.UNWRITABLE in [body.code for body in alerts if isinstance(body, AlertRaised)]
