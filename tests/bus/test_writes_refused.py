"""A Redis that answers and takes no writes is told as that: a replica, a full one, one without a disk."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from services.cli.doctor import examine
from services.runtime.redis_writes import refusal_of_writes

pytestmark = pytest.mark.redis
CONFIG = Path(__file__).parents[2] / "config"
RUN = Path("run")


@pytest.fixture
def real(redis_url: str) -> Iterator["redis.Redis"]:
    client = redis.Redis.from_url(redis_url)
    yield client
    client.execute_command("REPLICAOF", "NO", "ONE")
    client.config_set("maxmemory", 0)


def as_replica(client: "redis.Redis") -> None:
    client.execute_command("REPLICAOF", "127.0.0.1", "1")


def as_full(client: "redis.Redis") -> None:
    client.config_set("maxmemory", 1)


CASES = [(as_replica, "replica"), (as_full, "memory is full")]


def test_one_that_takes_writes_is_left_as_it_was(real: "redis.Redis") -> None:
    before = real.dbsize()
    assert refusal_of_writes(real) == ""
    assert real.dbsize() == before


@pytest.mark.parametrize(("turned", "said"), CASES)
def test_doctor_and_worker_say_why(
    real: "redis.Redis", redis_url: str, turned: object, said: str, tmp_path: object
) -> None:
    turned(real)  # type: ignore[operator]
    assert said in refusal_of_writes(real)
    (check,) = [c for c in examine(CONFIG, redis_url, RUN) if c.name == "redis writes"]
    assert not check.ok and said in check.detail and check.mend
    env = {**os.environ, "ARB_RUNTIME_REDIS_URL": redis_url, "ARB_CONFIG_DIR": str(CONFIG)}
    done = subprocess.run(
        [sys.executable, "-m", "services.notifier.worker", "--burst"], env=env, capture_output=True,
        text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and said in done.stderr and "Traceback" not in done.stderr


def test_a_disk_that_takes_nothing_is_named() -> None:
    class Stuck:
        def execute_command(self, name: str) -> list[bytes]:
            return [b"master"]

        def set(self, *args: object, **more: object) -> None:
            raise redis.exceptions.ResponseError("MISCONF Redis is configured to save RDB snapshots")

    assert "cannot save to its disk" in refusal_of_writes(Stuck())  # type: ignore[arg-type]
