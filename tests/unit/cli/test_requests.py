"""A request and its answer stand in two streams, which are read together in any order."""

import json
from itertools import permutations
from types import SimpleNamespace
from typing import Any

import fakeredis
import pytest

from services.cli.link import Link, Seen
from services.cli.requests import ask
from services.contracts.envelope import Envelope, Message
from services.contracts.messages.control import FlattenRequested, HaltLiftRequested, TradingStateChanged
from services.contracts.streams import CONTROL, STOPS, state_key
from services.contracts.terms import TradingState
from services.runtime.bus import RedisBus
from services.runtime.standing import Standing
from tests.unit.cli.builders import NOW_NS

LIFT = HaltLiftRequested(by="kim", reason="over", stop_count=7)
DISARMED = TradingStateChanged(state=TradingState.DISARMED, by="kim", reason="over", latches=())


class Redis:
    """What is read is the request, its answer and a stranger's, all at once and in a given order."""

    def __init__(self, order: tuple[int, ...]) -> None:
        self.order = order
        self.bus = SimpleNamespace(positions=lambda name: {}, standing=lambda keys: Standing("", {}))
        self.found: list[Seen] = []

    def append(self, message: Message, cause: str, **_: Any) -> Envelope:
        request = Envelope.wrap(message, source="cli", now_ns=NOW_NS, causation_id=cause)
        answer = Envelope.wrap(DISARMED, source="risk", now_ns=NOW_NS, causation_id=request.id)
        other = Envelope.wrap(
            DISARMED.model_copy(update={"by": "lee"}), source="risk", now_ns=NOW_NS, causation_id="lee"
        )
        entries = [
            Seen(request, CONTROL.key, "1-0"),
            Seen(answer, STOPS.key, "2-0"),
            Seen(other, STOPS.key, "3-0"),
        ]
        self.found = [entries[at] for at in self.order]
        return request

    def follow(self, *_: Any, **__: Any) -> "Redis":
        return self

    def read(self, block_ms: int) -> list[Seen]:
        found, self.found = self.found, []
        return found


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_an_answer_counts_wherever_it_is_read(order: tuple[int, ...]) -> None:
    link: Any = Redis(order)
    outcome = ask(link, LIFT, wait_s=0.0)
    assert outcome.done and outcome.answers == (DISARMED,)


def test_a_position_beyond_the_end_of_its_stream_took_nothing_in() -> None:
    """Redis came back empty, and the executor still stores how far it had read before."""
    client = fakeredis.FakeRedis()
    link = Link("", RedisBus(client), client)
    client.hset(state_key("executor"), "positions", json.dumps({CONTROL.key: "9999999999999-0"}))
    assert ask(link, FlattenRequested(by="kim", reason="x"), wait_s=0.0).taken_by == ()
