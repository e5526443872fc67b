"""A backlog keeps no tick waiting: inside it a service beats, stops and alarms, and times nothing out."""

import time
from collections.abc import Callable

import pytest
import redis

from services.contracts.envelope import Envelope, Message
from services.contracts.limits import READ_COUNT, TICK_MS
from services.contracts.messages.control import ComparisonRequested, StopRequested
from services.contracts.step import Event, Received, State, Step, Tick
from services.contracts.streams import CONTROL, STATUS, STOPS
from services.contracts.terms import TradingState
from services.runtime.bus import Write
from services.runtime.clock import RedisClock
from services.runtime.loop import ServiceLoop
from services.runtime.redis_bus import RedisBus
from services.runtime.service import Service

WORK_S = 0.01
"""What one entry takes: 30 of them are three ticks."""


class Slow:
    """A core that works on each entry; what it was asked, in order, and the ticks with what they said."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.ticks: list[tuple[float, bool]] = []
        self.during: Callable[[], None] = lambda: None

    def __call__(self, state: State, event: Event) -> Step[State]:
        if isinstance(event, Tick):
            self.ticks.append((time.monotonic(), event.behind))
            self.asked.append("tick")
        elif isinstance(event, Received):
            self.asked.append(event.envelope.type)
            self.during()
            time.sleep(WORK_S)
        return Step(state)


def put(bus: RedisBus, key: str, message: Message, count: int = 1) -> None:
    writes = [
        Write(key, Envelope.wrap(message, source="x", now_ns=1, causation_id=str(n))) for n in range(count)
    ]
    bus.append(writes)


ASKED = ComparisonRequested(by="risk", reason="x")


def loop_on(bus: RedisBus, core: Slow) -> ServiceLoop[State]:
    loop = ServiceLoop(
        Service("tally", core, State(), (STOPS.key, CONTROL.key)), bus, RedisClock(bus.time_ns)
    )
    loop.turn()
    core.asked.clear()
    core.ticks.clear()
    return loop


def test_a_tick_and_a_heartbeat_come_in_the_middle_of_a_backlog(client: "redis.Redis") -> None:
    bus, core = RedisBus(client), Slow()
    loop = loop_on(bus, core)
    put(bus, CONTROL.key, ASKED, 30)
    loop.engine.beat_ns = 0
    beats = client.xlen(STATUS.key)
    began_s, seen = time.monotonic(), []
    core.during = lambda: seen.append(client.xlen(STATUS.key))
    assert loop.turn() == 30
    assert len(core.ticks) >= 2 and core.ticks[0][0] - began_s < 10 * TICK_MS / 1_000
    assert core.asked.index("tick") < 30 and max(seen) > beats


def test_a_stop_that_comes_in_a_backlog_is_taken_before_its_end(client: "redis.Redis") -> None:
    bus, core = RedisBus(client), Slow()
    loop = loop_on(bus, core)
    put(bus, CONTROL.key, ASKED, 30)

    def halt() -> None:
        core.during = lambda: None
        put(bus, STOPS.key, StopRequested(target=TradingState.HALTED, by="kim", reason="x"))

    core.during = halt
    loop.turn()
    assert core.asked.index("StopRequested") < 25


def test_stops_that_take_several_ticks_are_each_taken_once(client: "redis.Redis") -> None:
    bus, core = RedisBus(client), Slow()
    loop = loop_on(bus, core)
    put(bus, STOPS.key, StopRequested(target=TradingState.HALTED, by="kim", reason="x"), 30)
    loop.turn()
    assert "tick" in core.asked[:30]
    assert core.asked.count("StopRequested") == 30


@pytest.mark.parametrize(("age_ms", "behind"), [(2_000, True), (0, False)])
def test_a_tick_says_whether_old_entries_are_unread(client: "redis.Redis", age_ms: int, behind: bool) -> None:
    bus, core = RedisBus(client), Slow()
    loop = loop_on(bus, core)
    first_ms = bus.time_ns() // 1_000_000 - age_ms
    text = Envelope.wrap(ASKED, source="x", now_ns=1, causation_id="c").encode()
    for number in range(30):
        client.xadd(CONTROL.key, {"m": text}, id=f"{first_ms}-{number + 1}")
    loop.turn()
    assert core.ticks[0][1] is behind
    loop.engine.ticked_ns = 0
    loop.turn()
    assert core.ticks[-1][1] is False, "at the end all was read"


def test_a_full_reply_of_old_entries_leaves_the_service_behind(client: "redis.Redis") -> None:
    bus, core = RedisBus(client), Slow()
    loop = loop_on(bus, core)
    text = Envelope.wrap(ASKED, source="x", now_ns=1, causation_id="c").encode()
    pipeline = client.pipeline(transaction=False)
    for number in range(2 * READ_COUNT):
        pipeline.xadd(CONTROL.key, {"m": text}, id=f"5-{number + 1}")
    pipeline.execute()
    bus.portion.most = 4
    loop.engine.ticked_ns = 0
    loop.turn()
    assert core.ticks[-1][1] is True


def test_after_a_start_nothing_is_decided_by_time_before_all_was_read(client: "redis.Redis") -> None:
    bus, core = RedisBus(client), Slow()
    put(bus, CONTROL.key, ASKED, 30)
    loop = ServiceLoop(Service("tally", core, State(), (CONTROL.key,)), bus, RedisClock(bus.time_ns))
    loop.turn()
    loop.engine.ticked_ns = 0
    loop.turn()
    *between, last = [behind for _, behind in core.ticks]
    assert any(between) and last is False
