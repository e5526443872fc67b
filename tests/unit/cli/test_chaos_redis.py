"""A real Redis that is killed and comes back without the end of its file."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from services.cli.chaos_redis import FragileRedis, newest_aof
from tests.unit.cli.test_stack import until

pytestmark = pytest.mark.redis
UNSYNCED_S = 0.05


@pytest.fixture
def fragile(tmp_path: Path) -> Iterator[FragileRedis]:
    server = FragileRedis(tmp_path, unsynced_s=UNSYNCED_S)
    server.start()
    yield server
    server.stop()


def client_of(fragile: FragileRedis) -> "redis.Redis":
    return redis.Redis.from_url(fragile.server.url, decode_responses=True)


def written(fragile: FragileRedis, *names: str) -> None:
    """Add the names, and wait for the file: Redis answers before it writes while its disk is slow."""
    with client_of(fragile) as client:
        for name in names:
            client.xadd("s", {"name": name})
    in_file(fragile, names[-1])


def in_file(fragile: FragileRedis, word: str) -> None:
    def there() -> bool:
        path = newest_aof(fragile.folder)
        return path is not None and f"\r\n{word}\r\n".encode() in path.read_bytes()

    until(there)


def synced(fragile: FragileRedis) -> None:
    """Watch for longer than anything stays unsynced."""
    began_s = time.monotonic()

    def long_enough() -> bool:
        fragile.watch()
        return time.monotonic() - began_s > 2 * UNSYNCED_S

    until(long_enough)


def names(fragile: FragileRedis) -> list[str]:
    with client_of(fragile) as client:
        return [fields["name"] for _, fields in client.xrange("s")]


def test_without_a_cut_nothing_is_lost(fragile: FragileRedis) -> None:
    written(fragile, "a", "b")
    cut = fragile.kill(0)
    fragile.start()
    assert cut.cut_bytes == 0
    assert names(fragile) == ["a", "b"]


def test_what_was_not_watched_for_a_second_counts_as_synced(fragile: FragileRedis) -> None:
    written(fragile, "a", "b")
    assert fragile.kill(1_000).cut_bytes == 0
    fragile.start()
    assert names(fragile) == ["a", "b"]


def test_only_what_the_last_second_wrote_can_be_lost(fragile: FragileRedis) -> None:
    written(fragile, "old")
    synced(fragile)
    written(fragile, "new")
    cut = fragile.kill(1_000)
    fragile.start()
    assert cut.cut_bytes > 0
    assert names(fragile) == ["old"]


def test_a_command_torn_in_the_middle_is_lost_whole(fragile: FragileRedis) -> None:
    written(fragile, "old")
    synced(fragile)
    written(fragile, "torn")
    assert fragile.kill(300).cut_bytes > 0
    fragile.start()
    assert names(fragile) == ["old"]


def test_a_file_that_the_server_shortened_at_its_start_is_never_made_longer(fragile: FragileRedis) -> None:
    """Found by a long run: the size seen while Redis was down became a cut of less than nothing."""
    written(fragile, "old")
    synced(fragile)
    written(fragile, "torn")
    fragile.kill(300)
    synced(fragile)
    fragile.start()
    assert fragile.kill(1_000).cut_bytes == 0
    fragile.start()
    assert names(fragile) == ["old"]


def test_the_newest_file_is_found_by_its_number_not_by_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "appendonlydir"
    folder.mkdir()
    for name in ("appendonly.aof.9.incr.aof", "appendonly.aof.10.incr.aof", "appendonly.aof.11.base.rdb"):
        (folder / name).touch()
    found = newest_aof(tmp_path)
    assert found is not None and found.name == "appendonly.aof.10.incr.aof"
    assert newest_aof(folder) is None
