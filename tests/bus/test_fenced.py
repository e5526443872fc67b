"""A process whose epoch was taken waits behind the instance that took it, and writes nothing of its own."""

import time
from collections.abc import Iterator, Mapping

import pytest
import redis

from services.contracts.alert_codes import AlertCode
from services.contracts.envelope import Envelope, decode
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.status import Heartbeat
from services.contracts.streams import ALERTS, SAID_KEY, STATUS, state_key
from services.runtime import fenced
from services.runtime.bus import BusUnavailable, Entry, RedisBus, Write
from services.runtime.fenced import Bystander
from services.runtime.parts import StateUnreadable
from tests.bus.test_loop import loop_on

SILENT_S = 0.4
OURS, OWNER = "here-1", "there-2"
pytestmark = pytest.mark.redis


@pytest.fixture
def real(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator["redis.Redis"]:
    monkeypatch.setattr(fenced, "OWNER_SILENT_S", SILENT_S)
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    yield client
    client.close()


def beat(client: "redis.Redis", instance: str, service: str = "tally") -> None:
    message = Heartbeat(
        service=service, instance=instance, epoch=2, build_id="b", pid=1, started_at_ns=1, reference_hash="",
        positions={}, handled=0, clock_offset_us=0,
    )  # fmt: skip
    envelope = Envelope.wrap(message, source=service, now_ns=1, causation_id=f"{instance}-{time.time_ns()}")
    RedisBus(client).append([Write(STATUS.key, envelope)])


class Beating:
    """The owner lives for so long, seen from the loop that waits; `over` after `told_s`."""

    def __init__(self, client: "redis.Redis", lives_s: float, told_s: float = 30.0) -> None:
        self._client, self._began_s = client, time.monotonic()
        self._lives_s, self._told_s = lives_s, told_s

    @property
    def passed_s(self) -> float:
        return time.monotonic() - self._began_s

    def __call__(self) -> bool:
        if self.passed_s < self._lives_s:
            beat(self._client, OWNER)
        return self.passed_s > self._told_s


def alerts(client: "redis.Redis") -> list[AlertRaised]:
    bodies = [decode(entry.text).body for entry in RedisBus(client).tail(ALERTS.key, 100)]
    return [body for body in bodies if isinstance(body, AlertRaised)]


def test_it_waits_while_the_owner_lives_and_ends_when_it_has_been_silent(real: "redis.Redis") -> None:
    beat(real, OWNER)
    waiting, owner = Bystander(RedisBus(real), "tally", OURS), Beating(real, lives_s=3 * SILENT_S)
    waiting.wait(owner)
    assert 4 * SILENT_S <= owner.passed_s < 30
    assert waiting.owner == OWNER
    first, last = alerts(real)
    assert (first.code, first.resolved, last.resolved) == (AlertCode.SECOND_INSTANCE, False, True)
    assert first.alert_id == last.alert_id and OWNER in first.detail and OURS in first.detail
    written = (ALERTS.key, STATUS.key, SAID_KEY)
    assert sorted(real.keys()) == sorted(key.encode() for key in written), "and no state"


def test_only_the_owners_heartbeats_count(real: "redis.Redis") -> None:
    waiting, began_s = Bystander(RedisBus(real), "tally", OURS), time.monotonic()

    def over() -> bool:
        beat(real, OURS)
        beat(real, OWNER, service="risk")
        real.xadd(STATUS.key, {"m": "junk"})
        return time.monotonic() - began_s > 30

    waiting.wait(over)
    assert time.monotonic() - began_s < 30
    assert alerts(real) == [], "nobody holds: there is no second instance"


def test_being_told_to_stop_ends_the_wait_and_the_alert(real: "redis.Redis") -> None:
    owner = Beating(real, lives_s=60, told_s=2 * SILENT_S)
    Bystander(RedisBus(real), "tally", OURS).wait(owner)
    assert owner.passed_s < 30
    assert [alert.resolved for alert in alerts(real)] == [False, True]


def test_while_redis_is_away_nobody_is_silent(real: "redis.Redis") -> None:
    class Away(RedisBus):
        until_s = time.monotonic() + 3 * SILENT_S

        def read(self, cursors: Mapping[str, str], *, count: int, block_ms: int) -> list[Entry]:
            if time.monotonic() < self.until_s:
                raise BusUnavailable("no answer")
            return super().read(cursors, count=count, block_ms=block_ms)

    bus, began_s = Away(real), time.monotonic()
    Bystander(bus, "tally", OURS).wait(lambda: time.monotonic() - began_s > 30)
    assert 3 * SILENT_S <= time.monotonic() - began_s < 30


def test_a_start_that_cannot_read_the_state_fences_nobody(real: "redis.Redis") -> None:
    living = loop_on(real)
    living.turn()
    real.hset(state_key("tally"), "seen", "no json")
    before = real.hgetall(state_key("tally"))
    with pytest.raises(StateUnreadable):
        loop_on(real).turn()
    assert real.hgetall(state_key("tally")) == before
    living.turn()
