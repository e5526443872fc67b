"""A Redis that is replaced by an older state of itself, or by another server behind the same address.

Nothing of this comes as an error by itself: an idle connection is replaced without one, and a number of the
last commit that is too low is the only trace.
"""

import shutil
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import redis

from services.contracts.messages.control import TradingStateRequested
from services.contracts.step import Event, Received, Step
from services.contracts.streams import COMMANDS, CONTROL, STOPS, state_key
from services.gateway.doubt import Doubt
from services.gateway.outbox import Batch, Outbox
from services.gateway.redis_reader import RedisReader
from services.gateway.redis_writer import RedisWriter
from services.runtime.bus import BusUnavailable, CommitsAhead, KeysLost, Write
from services.runtime.clock import RedisClock
from services.runtime.loop import ServiceLoop
from services.runtime.metrics import Exporter
from services.runtime.redis_bus import RedisBus, connect
from services.runtime.redis_server import RedisServer, find_redis
from services.runtime.service import LOCAL, Service
from tests.bus.test_outages import (
    Tally,
    alert_ids,
    answers,
    ask,
    loop_on,
    request,
    running,
    until,
)
from tests.unit.gateway.desk import fresh


class Blink:
    """A server that comes back at once, with what its file held when it was last marked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server: RedisServer = find_redis("", folder)
        self.client = redis.Redis.from_url(self.server.url)
        self.client.config_set("appendfsync", "always")

    @property
    def url(self) -> str:
        return self.server.url

    def mark(self) -> None:
        shutil.rmtree(self.folder / "kept", ignore_errors=True)
        shutil.copytree(self.folder / "appendonlydir", self.folder / "kept")

    def replace(self) -> None:
        assert self.server.process is not None
        self.server.process.kill()
        self.server.process.wait(10)
        shutil.rmtree(self.folder / "appendonlydir")
        shutil.copytree(self.folder / "kept", self.folder / "appendonlydir")
        (self.folder / "redis.sock").unlink(missing_ok=True)
        self.server = find_redis("", self.folder)


@pytest.fixture
def blink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Blink]:
    made = Blink(tmp_path_factory.mktemp("r"))
    yield made
    made.client.close()
    made.server.stop()


@pytest.mark.redis
def test_a_loop_goes_on_from_memory_and_writes_again_what_was_lost(blink: Blink) -> None:
    loop = loop_on(connect(blink.url))
    ask(blink.client, "before")
    loop.turn()
    blink.mark()
    ask(blink.client, "lost", "lost too")
    loop.turn()
    blink.replace()
    ask(blink.client, "after")
    with running(loop):
        until(lambda: answers(blink.client)[-1:] == ["after"])
    assert loop.state.seen == ("before", "lost", "lost too", "after")
    assert answers(blink.client) == ["before", "lost too", "after"], "of two states only the newer is told"
    again = loop_on(RedisBus(blink.client))
    again.turn()
    assert again.state.seen == loop.state.seen, "the whole of it is stored again"


@pytest.mark.redis
def test_a_loss_is_told_to_the_core_before_anything_is_decided_on_it(blink: Blink) -> None:
    order: list[str] = []

    def core(state: Tally, event: Event) -> Step[Tally]:
        if isinstance(event, Received) and event.stream_key in (LOCAL, CONTROL.key):
            order.append(event.envelope.type)
        return Step(state.but(seen=(*state.seen, "x")))

    bus = connect(blink.url)
    loop = ServiceLoop(Service("tally", core, Tally(), (CONTROL.key,)), bus, RedisClock(bus.time_ns))
    loop.turn()
    blink.mark()
    ask(blink.client, "lost")
    loop.turn()
    blink.replace()
    order.clear()
    ask(blink.client, "after")
    with running(loop):
        until(lambda: "TradingStateRequested" in order)
    assert order[0] == "KeysVanished"
    assert alert_ids(blink.client).count("rolled-back-tally") == 1


@pytest.mark.redis
def test_an_idle_connection_that_was_replaced_is_a_doubt(blink: Blink) -> None:
    """redis-py replaces it without an error; the service has nothing to write, and reads what is older."""
    bus = connect(blink.url)
    epoch = bus.take_over("tally").epoch
    bus.commit("tally", epoch, {"a": "1"}, {}, [])
    blink.mark()
    bus.commit("tally", epoch, {"a": "2"}, {}, [])
    blink.replace()
    with pytest.raises(BusUnavailable):
        bus.read({CONTROL.key: "0-0"}, count=1, block_ms=0)
    assert bus.take_over("tally", epoch).lost


def hears(state: Tally, event: Event) -> Step[Tally]:
    """Remembers what it was asked for, and says nothing."""
    if isinstance(event, Received) and isinstance(event.message, TradingStateRequested):
        return Step(state.but(seen=(*state.seen, event.message.reason)))
    return Step(state)


def test_entries_below_the_last_position_that_came_later_are_read_once(client: "redis.Redis") -> None:
    """The new server's clock may be behind: its ids begin below what was read of the old one."""
    bus = RedisBus(client)
    loop = ServiceLoop(Service("tally", hears, Tally(), (CONTROL.key,)), bus, RedisClock(bus.time_ns))
    client.xadd(CONTROL.key, {"m": request("old 5").encode()}, id="5-0")
    loop.turn()
    stored, stream = client.dump(state_key("tally")), client.dump(CONTROL.key)
    for number in (6, 7):
        client.xadd(CONTROL.key, {"m": request(f"old {number}").encode()}, id=f"{number}-0")
        loop.turn()
    client.restore(state_key("tally"), 0, stored, replace=True)
    client.restore(CONTROL.key, 0, stream, replace=True)
    client.xadd(CONTROL.key, {"m": request("new").encode()}, id="6-0")
    loop.reader.moved, loop._committer._committed_ns = True, 0
    with pytest.raises(KeysLost):
        loop.turn()
    loop._forget()
    loop.turn()
    loop.turn()
    assert loop.state.seen == ("old 5", "old 6", "old 7", "new")
    assert bus.positions("tally")[CONTROL.key] == "6-0"


def test_a_commit_is_refused_where_an_acknowledged_one_is_gone(client: "redis.Redis") -> None:
    bus = RedisBus(client)
    epoch = bus.take_over("tally").epoch
    stored = client.dump(state_key("tally"))
    bus.commit("tally", epoch, {"a": "1"}, {}, [])
    client.restore(state_key("tally"), 0, stored, replace=True)
    with pytest.raises(KeysLost):
        bus.commit("tally", epoch, {"a": "2"}, {}, [Write(CONTROL.key, request("x"))])
    assert not client.exists(CONTROL.key)
    taken = bus.take_over("tally", epoch)
    assert taken.lost and not taken.emptied


def test_commits_that_nobody_of_ours_made_end_the_process_and_are_told(client: "redis.Redis") -> None:
    bus = RedisBus(client)
    loop = loop_on(bus)
    loop.turn()
    client.hincrby(state_key("tally"), "commits", 1)
    ask(client, "one")
    with pytest.raises(CommitsAhead):
        loop.run(threading.Event())
    assert answers(client) == [] and alert_ids(client) == ["ahead-tally"]
    client.hincrby(state_key("tally"), "commits", 1)
    with pytest.raises(CommitsAhead):
        bus.take_over("tally", 1)


def test_a_commit_whose_reply_was_lost_is_no_loss_and_can_be_lost_afterwards(client: "redis.Redis") -> None:
    class ReplyLost(RedisBus):
        lose = False

        def commit(self, *args: object, **kwargs: object) -> Sequence[str]:
            before = dict(self._commits)
            left_out = super().commit(*args, **kwargs)  # type: ignore[arg-type]
            if self.lose:
                self.lose, self._commits = False, before
                raise BusUnavailable("the reply was lost")
            return left_out

    bus = ReplyLost(client)
    loop = loop_on(bus)
    loop.turn()
    loop.engine.careful = False
    stored = client.dump(state_key("tally"))
    ask(client, "one")
    bus.lose = True
    with pytest.raises(BusUnavailable):
        loop.turn()
    loop._forget()
    loop._recover()
    assert loop.state.seen == ("one",) and loop._committer._said.lost is None
    client.restore(state_key("tally"), 0, stored, replace=True)
    client.delete(CONTROL.key, STOPS.key)
    loop._forget()
    loop.turn()
    assert loop.state.seen == ("one",) and answers(client) == ["one"]


# -- another server behind one address -----------------------------------------------------------


class Address:
    """One address before several servers; lines that are open stay where they lead."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._server.getsockname()[1]}/0"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self.path)
            for pair in ((near, far), (far, near)):
                threading.Thread(target=_pump, args=pair, daemon=True).start()

    def close(self) -> None:
        self._server.close()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            sink.sendall(data)
    except OSError:
        pass
    finally:
        sink.close()


Failover = tuple[Address, Callable[[], None], "redis.Redis"]


@pytest.fixture
def failover(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Failover]:
    """An address, what moves it to a second server, and a line to that one."""
    servers = [find_redis("", tmp_path_factory.mktemp("r")) for _ in range(2)]
    first, second = (redis.Redis.from_url(server.url) for server in servers)
    address = Address(first.connection_pool.connection_kwargs["path"])

    def move() -> None:
        address.path = second.connection_pool.connection_kwargs["path"]
        first.execute_command("REPLICAOF", "127.0.0.1", "1")

    yield address, move, second
    address.close()
    for client, server in zip((first, second), servers, strict=True):
        client.close()
        server.stop()


@pytest.mark.redis
def test_the_gateways_threads_leave_a_demoted_server(failover: Failover) -> None:
    address, move, second = failover
    bus, outbox, key = connect(address.url), Outbox(), COMMANDS.key.replace("<name>", "main")
    epoch = bus.take_over("gateway").epoch
    writer = RedisWriter(bus, outbox, "gateway", epoch, None, Exporter("gateway"))
    reader = RedisReader(connect(address.url), {key: "0-0", STOPS.key: "0-0"}, writer.doubt)
    writer.measure()
    writer.start()
    reader.start()
    try:
        outbox.put(Batch((), {key: "0-0"}, fresh().state))
        until(lambda: not outbox.depths()["batches"])
        move()
        outbox.put(Batch((), {key: "1-0"}, fresh().state))
        until(lambda: second.hget(state_key("gateway"), "positions") is not None)
        assert writer.forgotten.is_set() and not writer.fenced
        second.xadd(key, {"m": request("after").encode()})
        until(lambda: reader.inbox.qsize() == 1)
    finally:
        reader.finish()
        writer.finish(1)


@pytest.mark.redis
def test_a_loop_leaves_a_demoted_server(failover: Failover) -> None:
    address, move, second = failover
    loop = loop_on(connect(address.url))
    with running(loop):
        until(lambda: loop.engine.handled >= 0 and loop.ready)
        move()
        until(
            lambda: second.exists(CONTROL.key) == 0 and second.hget(state_key("tally"), "epoch") is not None
        )
        ask(second, "after")
        until(lambda: answers(second) == ["after"])


@pytest.mark.redis
def test_a_line_that_only_appends_leaves_a_demoted_server(failover: Failover) -> None:
    """`arb`, the supervisor: they take over nothing, and a refusal is all they get."""
    address, move, second = failover
    bus = connect(address.url)
    bus.append([Write(CONTROL.key, request("before"))])
    move()
    with pytest.raises(BusUnavailable):
        bus.append([Write(CONTROL.key, request("refused"))])
    bus.append([Write(CONTROL.key, request("after"))])
    assert second.xlen(CONTROL.key) == 1


def test_a_reader_that_comes_to_another_server_hands_over_nothing_twice(client: "redis.Redis") -> None:
    doubt = Doubt()
    reader = RedisReader(RedisBus(client), {STOPS.key: "0-0", CONTROL.key: "0-0"}, doubt)
    ask(client, "one")
    reader.step(1)
    doubt.set()
    ask(client, "two")
    client.xadd(STOPS.key, {"m": request("stop").encode()})
    reader.step(1)
    assert reader.inbox.qsize() == 1 and doubt.is_set(), "nothing before the writer has looked"
    assert reader.stops.qsize() == 1, "but stops"
    doubt.settle(doubt.raised, emptied=False)
    for _ in range(3):
        reader.step(1)
    read = [reader.inbox.get().envelope for _ in range(reader.inbox.qsize())]
    assert [e.body.reason for e in read if e is not None and hasattr(e.body, "reason")] == ["one", "two"]
