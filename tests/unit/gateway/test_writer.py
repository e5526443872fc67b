"""What the writer thread does when Redis comes back with less than it was told."""

import fakeredis
import pytest

from services.contracts.streams import state_key
from services.gateway.outbox import Batch, Outbox
from services.gateway.redis_writer import RedisWriter
from services.gateway.shell import SOURCE
from services.runtime.bus import Fenced
from services.runtime.metrics import Exporter
from services.runtime.parts import changed_parts
from services.runtime.redis_bus import RedisBus

from .desk import Desk


@pytest.fixture
def client() -> fakeredis.FakeRedis:
    return fakeredis.FakeRedis()


def writer_on(client: fakeredis.FakeRedis, desk: Desk) -> tuple[RedisWriter, RedisBus]:
    """A gateway that has just started again over what it had stored."""
    first = RedisBus(client)
    first.commit(SOURCE, first.take_over(SOURCE).epoch, changed_parts(None, desk.state), {}, [])
    bus = RedisBus(client)
    epoch = bus.take_over(SOURCE).epoch
    return RedisWriter(bus, Outbox(), SOURCE, epoch, desk.state, Exporter(SOURCE)), bus


def committed(writer: RedisWriter, desk: Desk) -> bool:
    """Have a batch written, however often that has to be tried."""
    writer._outbox.put(Batch((), {}, desk.state))
    for _ in range(5):
        writer.step(0)
        if not writer._waiting and not writer._outbox.depths()["batches"]:
            return True
    return False


def test_emptied_before_the_first_commit_the_whole_state_is_stored_and_said_again(
    client: fakeredis.FakeRedis, desk: Desk
) -> None:
    """Only what had changed since the start was stored: the next start knew half of it."""
    writer, bus = writer_on(client, desk)
    client.flushall()
    assert committed(writer, desk)
    kept = bus.take_over(SOURCE).parts
    assert {name: kept[name] for name in changed_parts(None, desk.state)} == changed_parts(None, desk.state)
    assert writer.forgotten.is_set()


def test_a_redis_that_forgot_our_start_is_written_anew_and_nobody_is_taken_for_a_rival(
    client: fakeredis.FakeRedis, desk: Desk
) -> None:
    """A gateway that ended as overtaken would be given up by its supervisor."""
    first = RedisBus(client)
    first.commit(SOURCE, first.take_over(SOURCE).epoch, changed_parts(None, desk.state), {}, [])
    before = client.dump(state_key(SOURCE))
    bus = RedisBus(client)
    writer = RedisWriter(bus, Outbox(), SOURCE, bus.take_over(SOURCE).epoch, desk.state, Exporter(SOURCE))
    assert committed(writer, desk)
    client.restore(state_key(SOURCE), 0, before, replace=True)
    assert committed(writer, desk)
    assert writer.forgotten.is_set() and int(bus.part(SOURCE, "epoch")) == writer.epoch
    with pytest.raises(Fenced):
        first.commit(SOURCE, 1, {}, {}, [])
