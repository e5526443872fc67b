"""A Redis serves one system: who starts over another's is refused, who runs claims an emptied one again."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from services.contracts.streams import SYSTEM_KEY, state_key
from services.contracts.system import SystemIdentity, SystemMode
from services.runtime.bus import BusUnavailable
from services.runtime.clock import RedisClock
from services.runtime.loop import ServiceLoop
from services.runtime.process import EXIT_FOREIGN
from services.runtime.redis_bus import RedisBus
from services.runtime.service import Service
from services.runtime.system import ForeignSystem
from tests.bus.test_loop import Tally, tally

ROOT = Path(__file__).parents[2]
DESK = SystemIdentity("desk-1", SystemMode.REAL, "/opt/arb", "host1", "2026-11-23T00:00:00Z")
OTHERS = (replace(DESK, name="desk-2"), replace(DESK, mode=SystemMode.SIMULATED))


def loop_of(client: "redis.Redis", system: SystemIdentity) -> ServiceLoop[Tally]:
    bus = RedisBus(client, system=system)
    return ServiceLoop(Service("tally", tally, Tally(), committed=()), bus, RedisClock(bus.time_ns))


@pytest.mark.parametrize("other", OTHERS, ids=str)
def test_a_service_of_another_system_takes_no_epoch(client: "redis.Redis", other: SystemIdentity) -> None:
    loop_of(client, DESK).turn()
    before = client.hgetall(state_key("tally"))
    with pytest.raises(ForeignSystem, match=r"desk-1 \(real\) of /opt/arb on host1"):
        loop_of(client, other).turn()
    assert client.hgetall(state_key("tally")) == before
    loop_of(client, replace(DESK, folder="/elsewhere", host="host2")).turn()


def test_a_service_that_runs_claims_an_emptied_redis_again(client: "redis.Redis") -> None:
    loop_of(client, replace(DESK, since="2020-01-01T00:00:00Z", by="kim", reason="moved")).turn()
    loop = loop_of(client, DESK)
    loop.turn()
    before = client.hgetall(SYSTEM_KEY)
    client.flushall()
    loop._forget()
    loop.turn()
    assert client.hgetall(SYSTEM_KEY) == before, "as it was, with who adopted it"


def test_a_service_that_runs_waits_where_its_redis_became_anothers(client: "redis.Redis") -> None:
    loop = loop_of(client, DESK)
    loop.turn()
    client.flushall()
    loop_of(client, OTHERS[0]).turn()
    loop._forget()
    with pytest.raises(BusUnavailable, match="desk-2"):
        loop.turn()
    client.flushall()
    loop.turn()
    assert client.hget(SYSTEM_KEY, "name") == b"desk-1"


@pytest.mark.redis
@pytest.mark.parametrize("module", ["services.notifier", "services.notifier.worker"])
def test_a_process_of_another_system_ends_before_it_does_anything(
    redis_url: str, tmp_path: Path, module: str
) -> None:
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    RedisBus(client, system=DESK).claim()
    ended = subprocess.run(
        [sys.executable, "-m", module], cwd=ROOT, text=True, capture_output=True, timeout=60,
        env={
            **os.environ, "ARB_RUNTIME_REDIS_URL": redis_url, "ARB_RUNTIME_SYSTEM": "desk-2",
            "ARB_NOTIFIER_JOURNAL_DIR": str(tmp_path / "journal"),
        },
    )  # fmt: skip
    assert ended.returncode == EXIT_FOREIGN and "desk-1 (real)" in ended.stderr
    assert client.keys() == [SYSTEM_KEY.encode()]
    assert not (tmp_path / "journal").exists()
    client.flushall()
