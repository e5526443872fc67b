"""Who may write, on fakeredis and on a real Redis: an epoch is one instance's own, also where it was lost."""

import pytest
import redis

from services.contracts.envelope import Envelope
from services.contracts.messages.control import TradingStateRequested
from services.contracts.streams import CONTROL, PAIRS, state_key
from services.contracts.terms import TradingState
from services.runtime.bus import BusUnavailable, Fenced, Write
from services.runtime.redis_bus import RedisBus

KEY = state_key("tally")


def word(reason: str) -> Envelope:
    message = TradingStateRequested(target=TradingState.HALTED, by="desk", reason=reason)
    return Envelope.wrap(message, source="tally", now_ns=1, causation_id=reason)


@pytest.fixture
def rivals(client: "redis.Redis") -> tuple[RedisBus, RedisBus]:
    """Two instances with the same epoch: Redis lost the first one's, and gave it once more."""
    first, second = RedisBus(client), RedisBus(client)
    first.take_over("tally")
    before = client.dump(KEY)
    assert first.take_over("tally").epoch == 2
    client.restore(KEY, 0, before, replace=True)
    assert second.take_over("tally").epoch == 2
    return first, second


def test_the_same_epoch_of_another_instance_writes_nothing(
    client: "redis.Redis", rivals: tuple[RedisBus, RedisBus]
) -> None:
    first, second = rivals
    with pytest.raises(Fenced):
        first.commit("tally", 2, {"seen": "first"}, {}, [Write(CONTROL.key, word("first"))])
    assert client.xlen(CONTROL.key) == 0
    second.commit("tally", 2, {"seen": "second"}, {}, [Write(CONTROL.key, word("second"))])
    assert second.part("tally", "seen") == "second"


def test_the_same_epoch_of_another_instance_is_not_taken_over_from(
    rivals: tuple[RedisBus, RedisBus],
) -> None:
    first, second = rivals
    with pytest.raises(Fenced):
        first.take_over("tally", 2)
    assert second.take_over("tally", 2).epoch == 3


def test_state_is_not_written_where_an_output_was_refused(client: "redis.Redis") -> None:
    """A script that fails is not rolled back: outputs come first, and a reader drops what it has seen."""
    bus = RedisBus(client)
    epoch = bus.take_over("tally").epoch
    bus.commit("tally", epoch, {"seen": "before"}, {CONTROL.key: "1-0"}, [])
    client.set(PAIRS.key, "no stream")
    writes = [Write(CONTROL.key, word("one")), Write(PAIRS.key, word("two"))]
    with pytest.raises(BusUnavailable):
        bus.commit("tally", epoch, {"seen": "after"}, {CONTROL.key: "2-0"}, writes)
    assert bus.part("tally", "seen") == "before"
    assert bus.positions("tally") == {CONTROL.key: "1-0"}
