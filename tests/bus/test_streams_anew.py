"""Streams that end before what was read of them: deleted, or of a server whose clock is behind."""

import socket
import threading
from collections.abc import Iterator

import pytest
import redis

from services.cli.link import Link
from services.contracts.envelope import decode
from services.contracts.messages.status import KeysVanished
from services.contracts.streams import CONTROL, STATUS, STOPS, state_key
from services.gateway.doubt import Doubt
from services.gateway.redis_reader import RedisReader
from services.runtime.bus import BusUnavailable
from services.runtime.redis_bus import RedisBus, connect
from services.runtime.redis_server import find_redis
from tests.bus.test_outages import alert_ids, ask, loop_on, request


def put(client: "redis.Redis", reason: str, entry_id: str) -> None:
    client.xadd(CONTROL.key, {"m": request(reason).encode()}, id=entry_id)


def test_a_loop_reads_a_stream_anew_and_handles_nothing_twice(client: "redis.Redis") -> None:
    bus = RedisBus(client)
    loop = loop_on(bus)
    put(client, "one", "5-0")
    loop.turn()
    before = client.dump(CONTROL.key)
    put(client, "two", "9000000000000-0")
    loop.turn()
    client.restore(CONTROL.key, 0, before, replace=True)
    put(client, "three", "6-0")
    loop.reader._comparison.begin()
    loop.turn()
    loop.turn()
    assert loop.state.seen == ("one", "two", "three")
    assert bus.positions("tally")[CONTROL.key] == "6-0"
    assert loop.state.vanished == 1 and alert_ids(client).count("anew-tally") == 1
    bodies = [decode(entry.text).body for entry in bus.tail(STATUS.key, 100)]
    assert [body.service for body in bodies if isinstance(body, KeysVanished)] == ["tally"]


def test_a_start_reads_a_stream_that_ends_before_its_stored_position(client: "redis.Redis") -> None:
    first = loop_on(RedisBus(client))
    put(client, "one", "9000000000000-0")
    first.turn()
    client.delete(CONTROL.key)
    put(client, "two", "5-0")
    second = loop_on(RedisBus(client))
    second.turn()
    assert second.state.seen == ("one", "two")


def test_a_stream_that_is_read_from_its_end_is_found_again(client: "redis.Redis") -> None:
    loop = loop_on(RedisBus(client))
    client.xadd(STATUS.key, {"m": "x"}, id="9000000000000-0")
    loop.turn()
    client.delete(STATUS.key)
    client.xadd(STATUS.key, {"m": "x"}, id="5-0")
    loop.reader._comparison.begin()
    loop.turn()
    assert loop.reader.cursors[STATUS.key] < "9000000000000-0"


def test_a_persons_view_reads_a_stream_anew(client: "redis.Redis") -> None:
    put(client, "one", "9000000000000-0")
    follower = Link("", RedisBus(client), client).follow([CONTROL.key], tail=1)
    follower.read()
    follower._comparison.begin()
    client.delete(CONTROL.key)
    put(client, "two", "5-0")
    assert [item.entry_id for item in follower.read()] == ["5-0"]


def test_a_bystander_hears_an_owner_whose_heartbeats_have_lower_ids(client: "redis.Redis") -> None:
    from services.runtime.fenced import Bystander
    from tests.bus.test_fenced import OURS, OWNER, beat

    client.xadd(STATUS.key, {"m": "x"}, id="9000000000000-0")
    waiting = Bystander(RedisBus(client), "tally", OURS)
    waiting._look()
    client.delete(STATUS.key)
    beat(client, OWNER)
    waiting._heard_s = 0.0
    for _ in range(2):
        waiting._look()
    assert waiting.owner == OWNER


# -- another server behind a line that stays --------------------------------------------------------


class Proxy:
    """One line to the client, and a server behind it that can be another one from request to request."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._server.getsockname()[1]}/0?protocol=2"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with near:
            while asked := near.recv(65_536):
                with socket.socket(socket.AF_UNIX) as far:
                    far.connect(self.path)
                    far.sendall(asked)
                    near.sendall(far.recv(65_536))

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def proxied(
    redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Proxy, str, "redis.Redis"]]:
    """A line, the path of a second server, and a client of that one."""
    first = redis.Redis.from_url(redis_url)
    first.flushall()
    server = find_redis("", tmp_path_factory.mktemp("r"))
    second = redis.Redis.from_url(server.url)
    proxy = Proxy(first.connection_pool.connection_kwargs["path"])
    yield proxy, second.connection_pool.connection_kwargs["path"], second
    proxy.close()
    server.stop()


@pytest.mark.redis
def test_another_server_behind_a_line_that_stays_is_a_doubt(
    proxied: tuple[Proxy, str, "redis.Redis"],
) -> None:
    proxy, other, second = proxied
    loop = loop_on(connect(proxy.url))
    loop.turn()
    doubt = Doubt()
    reader = RedisReader(connect(proxy.url), {STOPS.key: "0-0", CONTROL.key: "0-0"}, doubt)
    reader.step(1)
    assert not doubt.is_set()
    proxy.path = other
    loop.reader._comparison.begin()
    reader._comparison.begin()
    reader.step(1)
    assert doubt.is_set()
    with pytest.raises(BusUnavailable, match="another server"):
        loop.turn()
    loop._forget()
    ask(second, "after")
    loop.turn()
    assert loop.state.seen == ("after",)
    assert second.hget(state_key("tally"), "seen") is not None, "all is stored there too"
