"""What anybody may have written into a state hash is refused by key and field, before anything is fenced."""

import pytest
import redis

from services.cli.link import open_link
from services.cli.snapshot import board_now
from services.contracts.envelope import decode
from services.contracts.messages.alerts import AlertRaised
from services.contracts.streams import ALERTS, SAID_KEY, state_key
from services.runtime.bus import KeysLost
from services.runtime.parts import StateUnreadable
from services.runtime.process import tell_unreadable
from services.runtime.redis_bus import RedisBus
from services.runtime.tries import TRYING
from tests.bus.test_loop import loop_on, request

pytestmark = pytest.mark.redis
KEY = state_key("tally")


@pytest.fixture
def real(redis_url: str) -> "redis.Redis":
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    return client


JUNK = {
    "epoch": ("junk", "1e300", str(2**60)),
    "commits": ("-1", b"\xff"),
    "positions": ("junk", "[]", "[" * 50_000, '{"a": "b-1"}', f'{{"a": "{2**64}-0"}}'),
    TRYING: ("{", '["entry"]'),
    "seen": ("\\ud800",),
}


@pytest.mark.parametrize(("field", "text"), [(field, text) for field in JUNK for text in JUNK[field]])
def test_a_start_names_field_and_value_and_fences_nobody(
    real: "redis.Redis", field: str, text: str | bytes
) -> None:
    loop_on(real).turn()
    real.hset(KEY, field, text)
    before = real.hgetall(KEY)
    with pytest.raises(StateUnreadable, match=field):
        loop_on(real).turn()
    assert real.hgetall(KEY) == before


def test_a_key_of_another_type_is_named(real: "redis.Redis") -> None:
    real.rpush(KEY, "junk")
    with pytest.raises(StateUnreadable, match=KEY):
        loop_on(real).turn()


def test_an_epoch_that_is_overwritten_under_a_running_service_is_written_again(real: "redis.Redis") -> None:
    loop = loop_on(real)
    loop.turn()
    real.hset(KEY, "epoch", "junk")
    request(real, "r")
    with pytest.raises(KeysLost):
        loop.turn()
    loop._forget()
    loop.turn()
    assert int(real.hget(KEY, "epoch") or 0) == 2  # type: ignore[arg-type]


def test_people_hear_why_a_service_does_not_start(real: "redis.Redis") -> None:
    tell_unreadable(RedisBus(real), "tally", StateUnreadable(f"{KEY}: field 'epoch' holds 'junk'"))
    told = decode(RedisBus(real).tail(ALERTS.key, 1)[0].text).body
    assert isinstance(told, AlertRaised) and KEY in told.detail


def test_the_board_is_shown_beside_junk(real: "redis.Redis", redis_url: str) -> None:
    loop_on(real).turn()
    real.set(state_key("other"), "junk")
    real.set(SAID_KEY, "junk")
    real.xadd("ticks:{\udcff}".encode("utf-8", "surrogateescape"), {"m": "junk"})
    link = open_link(redis_url)
    board, _ = board_now(link)
    assert "tally" in board.services and len(link.tick_keys()) == 1
