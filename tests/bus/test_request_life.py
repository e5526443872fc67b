"""The commit that takes a request in compares Redis's own time: a service that hung over it obeys nothing."""

import time
from typing import ClassVar

import pytest
import redis

from services.contracts.envelope import Envelope
from services.contracts.limits import NS_PER_MS
from services.contracts.messages.control import HaltLiftRequested
from services.contracts.request_life import life_ms_of
from services.contracts.step import Event, Received, State, Step
from services.contracts.streams import CONTROL, state_key
from services.runtime.bus import KeysLost
from services.runtime.clock import RedisClock
from services.runtime.loop import ServiceLoop
from services.runtime.redis_bus import RedisBus
from services.runtime.service import Service

LEFT_MS, HANGS_MS = 300, 400
LIFE_MS = life_ms_of("HaltLiftRequested")


class Lifted(State):
    DURABLE: ClassVar[frozenset[str]] = frozenset({"obeyed", "refused"})
    obeyed: int = 0
    refused: int = 0


def hanging(state: Lifted, event: Event) -> Step[Lifted]:
    """Obey what has not expired, and hang once that is decided."""
    if not (isinstance(event, Received) and isinstance(event.message, HaltLiftRequested)):
        return Step(state)
    if event.expired:
        return Step(state.but(refused=state.refused + 1))
    time.sleep(HANGS_MS / 1_000 * (state.obeyed == 0))
    return Step(state.but(obeyed=state.obeyed + 1))


def ask(client: "redis.Redis", left_ms: int) -> None:
    """Write a request that holds for so long from now on."""
    now_ms = RedisBus(client).time_ns() // NS_PER_MS
    lift = HaltLiftRequested(by="kim", reason="t", stop_count=1)
    taken_ms = now_ms - LIFE_MS + left_ms
    envelope = Envelope.wrap(lift, source="cli", now_ns=taken_ms * NS_PER_MS, causation_id="c")
    client.xadd(CONTROL.key, {"m": envelope.encode()}, id=f"{taken_ms}-0")


def loop_on(client: "redis.Redis", service: str) -> ServiceLoop[Lifted]:
    bus = RedisBus(client)
    return ServiceLoop(
        Service(service, hanging, Lifted(), committed=(CONTROL.key,)), bus, RedisClock(bus.time_ns)
    )


def test_a_service_that_hung_over_a_request_refuses_it_and_goes_on(client: "redis.Redis") -> None:
    ask(client, LEFT_MS)

    class Twice:
        """Told to stop after two turns, the first of which comes too late."""

        turns = 0

        def is_set(self) -> bool:
            self.turns += 1
            return self.turns > 2

        def wait(self, timeout: float) -> bool:
            return False

    loop = loop_on(client, "risk")
    loop.run(Twice())
    assert (loop.state.obeyed, loop.state.refused) == (0, 1)
    ask(client, LIFE_MS)
    loop.turn()
    assert loop.state.obeyed == 1


def test_who_only_reads_a_request_is_not_held_to_its_life(client: "redis.Redis") -> None:
    ask(client, LEFT_MS)
    loop = loop_on(client, "notifier")
    loop.turn()
    assert loop.state.obeyed == 1


def test_a_state_that_is_lost_alone_brings_no_past_again(client: "redis.Redis") -> None:
    """The streams are there still: what was handled before is not handled a second time."""
    for _ in range(3):
        ask(client, LIFE_MS)
        time.sleep(0.002)
    loop_on(client, "notifier").turn()
    loop = loop_on(client, "notifier")
    ask(client, LIFE_MS)
    loop.turn()
    client.delete(state_key("notifier"))
    ask(client, LIFE_MS)
    with pytest.raises(KeysLost):
        loop.turn()
    loop._forget()
    loop.turn()
    assert loop.state.obeyed == 5
