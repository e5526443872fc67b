"""What a start of the gateway tries before it takes the epoch: a start that fails fences nobody."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from services.contracts.streams import state_key
from services.contracts.system import SystemIdentity, SystemMode
from services.contracts.terms import GatewayMode, TradingDate
from services.gateway import intention_log
from services.gateway.intention_log import IntentionLog, LogDamaged
from services.gateway.settings import GatewaySettings, system_of
from services.gateway.shell import SOURCE
from services.gateway.start import rehearsed
from services.gateway.state import GatewayState
from services.runtime.parts import StateUnreadable
from services.runtime.process import EXIT_FOREIGN
from services.runtime.redis_bus import RedisBus
from services.runtime.settings import RuntimeSettings, SettingsError

from .desk import fresh

REPO = Path(__file__).parents[3]
pytestmark = pytest.mark.redis


@pytest.fixture
def held(redis_url: str) -> Iterator["redis.Redis"]:
    """A Redis in which a gateway holds the epoch."""
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    RedisBus(client).take_over(SOURCE)
    yield client
    client.close()


@pytest.fixture
def first() -> GatewayState:
    return fresh().state


def today_of(client: "redis.Redis", first: GatewayState) -> TradingDate:
    return first.clock.trading_date_at(RedisBus(client).time_ns())


def test_without_a_control_the_gateway_that_runs_stays(
    held: "redis.Redis", redis_url: str, tmp_path: Path
) -> None:
    before = held.hgetall(state_key(SOURCE))
    known = {name: value for name, value in os.environ.items() if not name.startswith("ARB_")}
    ended = subprocess.run(
        [sys.executable, "-m", "services.gateway"], cwd=REPO, text=True, capture_output=True, timeout=60,
        env={
            **known, "ARB_RUNTIME_REDIS_URL": redis_url, "ARB_GATEWAY_STATE_DIR": str(tmp_path),
            "QT_QPA_PLATFORM": "offscreen",
        },
    )  # fmt: skip
    assert ended.returncode == 2 and "cannot be created" in ended.stderr
    assert held.hgetall(state_key(SOURCE)) == before


@pytest.mark.parametrize("day", ["today", "earlier"])
def test_a_log_that_is_damaged_takes_nothing(
    held: "redis.Redis", first: GatewayState, tmp_path: Path, day: str
) -> None:
    log = IntentionLog(tmp_path)
    date = today_of(held, first) if day == "today" else TradingDate("2026-01-02")
    log.path(date).write_bytes(b"no line of ours\n")
    before = held.hgetall(state_key(SOURCE))
    with pytest.raises(LogDamaged):
        rehearsed(RedisBus(held), log, first, SOURCE)
    assert held.hgetall(state_key(SOURCE)) == before


def test_a_line_that_a_live_gateway_is_writing_stays(
    held: "redis.Redis", first: GatewayState, tmp_path: Path
) -> None:
    log = IntentionLog(tmp_path)
    today = today_of(held, first)
    log.append(today, intention_log.claimed("P1"), sync=True)
    path = log.path(today)
    torn = path.read_bytes() + b'{"k": "inte'
    path.write_bytes(torn)
    assert rehearsed(RedisBus(held), log, first, SOURCE) is not None
    assert path.read_bytes() == torn


def test_a_stored_state_of_another_build_takes_nothing(
    held: "redis.Redis", first: GatewayState, tmp_path: Path
) -> None:
    held.hset(state_key(SOURCE), "working", "no json")
    before = held.hgetall(state_key(SOURCE))
    with pytest.raises(StateUnreadable):
        rehearsed(RedisBus(held), IntentionLog(tmp_path), first, SOURCE)
    assert held.hgetall(state_key(SOURCE)) == before


def test_live_trading_needs_a_system_of_a_name_of_its_own() -> None:
    live = GatewaySettings(_env_file=None, mode="live", live_account="1234567811")
    named = RuntimeSettings(_env_file=None, system="desk-1")
    assert str(system_of(named, live)) == "desk-1 (real)"
    with pytest.raises(SettingsError, match="shipped name"):
        system_of(RuntimeSettings(_env_file=None, system="arb"), live)
    with pytest.raises(SettingsError, match="simulated"):
        system_of(named.model_copy(update={"system_mode": SystemMode.SIMULATED}), live)
    simulated = live.model_copy(update={"mode": GatewayMode.SIMULATED})
    assert str(system_of(named, simulated)) == "desk-1 (simulated)"


def test_a_gateway_of_another_system_takes_no_epoch(redis_url: str, tmp_path: Path) -> None:
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    RedisBus(client, system=SystemIdentity("desk-1", SystemMode.REAL)).claim()
    known = {name: value for name, value in os.environ.items() if not name.startswith("ARB_")}
    ended = subprocess.run(
        [sys.executable, "-m", "services.simulator.host", "services.gateway"], cwd=REPO, text=True,
        capture_output=True, timeout=60, env={
            **known, "ARB_RUNTIME_REDIS_URL": redis_url, "ARB_GATEWAY_STATE_DIR": str(tmp_path),
            "ARB_GATEWAY_HALT_FILE": str(tmp_path / "HALT"), "ARB_RUNTIME_SYSTEM": "desk-1",
            "QT_QPA_PLATFORM": "offscreen",
        },
    )  # fmt: skip
    assert ended.returncode == EXIT_FOREIGN and "desk-1 (simulated)" in ended.stderr
    assert not client.exists(state_key(SOURCE))
    client.flushall()
