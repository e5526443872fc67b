"""What waits while Redis is away: all that is news, and of the rest the newest word."""

import pickle

from services.contracts.envelope import Envelope, Message
from services.contracts.messages.orders import OrderSent
from services.contracts.messages.status import GatewayStatus, Heartbeat
from services.contracts.streams import ORDERS, home_of, key_of
from services.contracts.terms import Symbol
from services.gateway.outbox import PRINTS_KEPT, WRITES_PER_COMMIT, Batch, Outbox
from services.runtime.bus import Write

from .desk import Desk, fresh, order, ready


def written(messages: list[Message], now_ns: int) -> tuple[Write, ...]:
    return tuple(
        Write(
            key_of(home_of(type(message))),
            Envelope.wrap(message, source="gateway", now_ns=now_ns, causation_id=f"{now_ns}", ordinal=at),
        )
        for at, message in enumerate(messages)
    )


def pass_seconds(desk: Desk, outbox: Outbox, seconds: int) -> None:
    """Let time go by as the shell does, a status and a heartbeat each second among it."""
    for _ in range(seconds):
        desk.said.clear()
        desk.tick(1.0)
        outbox.put(Batch(written([*desk.said, beat(desk.now_ns)], desk.now_ns), {}, desk.state))


def beat(now_ns: int) -> Heartbeat:
    return Heartbeat(
        service="gateway", instance="", epoch=1, build_id="", pid=1, started_at_ns=0, reference_hash="",
        positions={}, handled=now_ns, clock_offset_us=0,
    )  # fmt: skip


def test_an_hour_without_redis_on_a_quiet_desk_adds_nothing_that_the_next_second_replaces() -> None:
    """It was 108 MB an hour in a 32-bit process."""
    desk, outbox = ready(fresh()), Outbox()
    pass_seconds(desk, outbox, 3_600)
    assert outbox.depths()["batches"] == 1
    (batch,) = outbox.take(0)
    bodies = [write.envelope.body for write in batch.writes]
    assert [b.handled for b in bodies if isinstance(b, Heartbeat)] == [desk.now_ns]
    assert len([b for b in bodies if isinstance(b, GatewayStatus)]) == 1
    assert batch.state is desk.state
    assert len(pickle.dumps(batch.writes)) < 50_000


def test_nothing_that_was_said_of_an_order_is_lost_and_all_keeps_its_order() -> None:
    desk, outbox = ready(fresh()), Outbox()
    said: list[Message] = []
    for number, symbol in enumerate(("005930", "000660", "005380")):
        fields = {"order_id": f"P{number}.1.b.1", "pair_id": f"P{number}", "symbol": Symbol(symbol)}
        desk.lease()
        desk.said.clear()
        desk.hear(order(desk.now_ns, **fields), f"e{number}")
        desk.answer(desk.sends[-1], f"000040{number}")
        said += desk.said
        outbox.put(Batch(written(list(desk.said), desk.now_ns), {ORDERS.key: f"{number}-0"}, desk.state))
        pass_seconds(desk, outbox, 2)
    (batch,) = outbox.take(0)
    kept = [write.envelope.body for write in batch.writes]
    assert [m for m in kept if m in said] == said and len([m for m in said if isinstance(m, OrderSent)]) == 3
    stamps = [write.envelope.ts_init_ns for write in batch.writes]
    assert stamps == sorted(stamps)


def test_a_batch_holds_no_more_than_one_commit_takes() -> None:
    outbox, desk = Outbox(), ready(fresh())
    desk.hear(order(desk.now_ns), "e")
    (accepted,) = [m for m in desk.said if isinstance(m, OrderSent)][:1]
    for number in range(2 * WRITES_PER_COMMIT):
        outbox.put(Batch(written([accepted], number), {}, desk.state))
    batches = outbox.take(0)
    assert [len(batch.writes) for batch in batches] == [WRITES_PER_COMMIT] * 2


def test_trade_prints_that_wait_are_bounded_and_what_goes_is_counted() -> None:
    outbox = Outbox()
    (write,) = written([beat(1)], 1)
    for _ in range(PRINTS_KEPT + 5):
        outbox.put_loose(write)
    _, loose = outbox.take_ticks()
    assert len(loose) == PRINTS_KEPT and outbox.conflated == 5
