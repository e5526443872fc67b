"""A Redis that begins with a file torn within a transaction loses nothing that it takes afterwards."""

import time
from pathlib import Path

import pytest
import redis

from services.notifier.bus_watch import BusWatch
from services.runtime.redis_server import RedisServer, find_redis


def patiently(client: "redis.Redis", section: str, name: str, wanted: object) -> None:
    deadline = time.monotonic() + 20
    while client.info(section)[name] != wanted:
        assert time.monotonic() < deadline, f"{name} is not {wanted!r}"
        time.sleep(0.02)


def killed(server: RedisServer) -> None:
    assert server.process is not None
    server.process.kill()
    server.process.wait()


def begun_with_a_torn_file(folder: Path) -> RedisServer:
    server = find_redis("", folder)
    client = redis.Redis.from_url(server.url)
    client.config_set("appendfsync", "always")
    client.set("first", 1)
    transaction = client.pipeline(transaction=True)
    for number in range(5):
        transaction.set(f"torn{number}", "x" * 50)
    transaction.execute()
    killed(server)
    (file,) = folder.glob("appendonlydir/*.incr.aof")
    file.write_bytes(file.read_bytes()[:-100])
    return find_redis("", folder)


@pytest.mark.redis
def test_what_is_written_behind_a_torn_transaction_is_there_after_the_next_start(tmp_path: Path) -> None:
    server = begun_with_a_torn_file(tmp_path)
    client = redis.Redis.from_url(server.url)
    watch = BusWatch(lambda: client)
    watch.look()
    patiently(client, "persistence", "aof_rewrite_in_progress", 0)
    patiently(client, "persistence", "aof_last_bgrewrite_status", "ok")
    client.config_set("appendfsync", "always")
    client.set("later", 2)
    killed(server)
    server = find_redis("", tmp_path)
    again = redis.Redis.from_url(server.url)
    assert (again.get("first"), again.get("later")) == (b"1", b"2")
    server.stop()


@pytest.mark.redis
def test_the_file_is_written_anew_once_for_each_redis(tmp_path: Path) -> None:
    server = find_redis("", tmp_path)
    client = redis.Redis.from_url(server.url)
    watch = BusWatch(lambda: client)
    for _ in range(3):
        watch.look()
        patiently(client, "persistence", "aof_rewrite_in_progress", 0)
    assert len(list(tmp_path.glob("appendonlydir/*.base.*"))) == 1
    assert client.info("commandstats")["cmdstat_bgrewriteaof"]["calls"] == 1
    server.stop()
