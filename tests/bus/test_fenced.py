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
from services.runtime.bus import BusUnavailable, Entry, Write
from services.runtime.fenced import OWNER_SILENT_S, Bystander
from services.runtime.parts import StateUnreadable
from services.runtime.redis_bus import RedisBus
from tests.bus.test_loop import loop_on

NEVER_S = 1_000.0
OURS, OWNER = "here-1", "there-2"
pytestmark = pytest.mark.redis


class Clock:
    """The time of the process that waits: a second passes each time it asks whether the wait is over."""

    now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def is_past(self, until_s: float) -> bool:
        self.now_s += 1
        return self.now_s > until_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(fenced, "time", made)
    monkeypatch.setattr(fenced, "READ_BLOCK_MS", 1)
    return made


@pytest.fixture
def real(redis_url: str) -> Iterator["redis.Redis"]:
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

    def __init__(self, client: "redis.Redis", clock: Clock, lives_s: float, told_s: float = NEVER_S) -> None:
        self._client, self._clock = client, clock
        self._lives_s, self._told_s = lives_s, told_s

    def __call__(self) -> bool:
        over = self._clock.is_past(self._told_s)
        if self._clock.now_s <= self._lives_s:
            beat(self._client, OWNER)
        return over


def alerts(client: "redis.Redis") -> list[AlertRaised]:
    bodies = [decode(entry.text).body for entry in RedisBus(client).tail(ALERTS.key, 100)]
    return [body for body in bodies if isinstance(body, AlertRaised)]


def test_it_waits_while_the_owner_lives_and_ends_when_it_has_been_silent(
    real: "redis.Redis", clock: Clock
) -> None:
    beat(real, OWNER)
    waiting = Bystander(RedisBus(real), "tally", OURS)
    waiting.wait(Beating(real, clock, lives_s=3 * OWNER_SILENT_S))
    assert clock.now_s == 4 * OWNER_SILENT_S
    assert waiting.owner == OWNER
    first, last = alerts(real)
    assert (first.code, first.resolved, last.resolved) == (AlertCode.SECOND_INSTANCE, False, True)
    assert first.alert_id == last.alert_id and OWNER in first.detail and OURS in first.detail
    written = (ALERTS.key, STATUS.key, SAID_KEY)
    assert sorted(real.keys()) == sorted(key.encode() for key in written), "and no state"


def test_only_the_owners_heartbeats_count(real: "redis.Redis", clock: Clock) -> None:
    waiting = Bystander(RedisBus(real), "tally", OURS)

    def over() -> bool:
        beat(real, OURS)
        beat(real, OWNER, service="risk")
        real.xadd(STATUS.key, {"m": "junk"})
        return clock.is_past(NEVER_S)

    waiting.wait(over)
    assert clock.now_s == OWNER_SILENT_S
    assert alerts(real) == [], "nobody holds: there is no second instance"


def test_being_told_to_stop_ends_the_wait_and_the_alert(real: "redis.Redis", clock: Clock) -> None:
    owner = Beating(real, clock, lives_s=NEVER_S, told_s=2 * OWNER_SILENT_S)
    Bystander(RedisBus(real), "tally", OURS).wait(owner)
    assert clock.now_s < NEVER_S
    assert [alert.resolved for alert in alerts(real)] == [False, True]


def test_while_redis_is_away_nobody_is_silent(real: "redis.Redis", clock: Clock) -> None:
    class Away(RedisBus):
        def read(self, cursors: Mapping[str, str], *, count: int, block_ms: int) -> list[Entry]:
            if clock.now_s < 3 * OWNER_SILENT_S:
                raise BusUnavailable("no answer")
            return super().read(cursors, count=count, block_ms=block_ms)

    Bystander(Away(real), "tally", OURS).wait(lambda: clock.is_past(NEVER_S))
    assert 3.9 * OWNER_SILENT_S < clock.now_s < NEVER_S


def test_a_start_that_cannot_read_the_state_fences_nobody(real: "redis.Redis") -> None:
    living = loop_on(real)
    living.turn()
    real.hset(state_key("tally"), "seen", "no json")
    before = real.hgetall(state_key("tally"))
    with pytest.raises(StateUnreadable):
        loop_on(real).turn()
    assert real.hgetall(state_key("tally")) == before
    living.turn()
