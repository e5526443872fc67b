"""What a core fails at, or dies of: tried three times in all, buried with an alert, and the rest goes on."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
import redis

from services.contracts.envelope import Envelope, Message, decode
from services.contracts.messages.alerts import AlertKind, AlertRaised
from services.contracts.messages.control import TradingStateRequested
from services.contracts.messages.dead import EntryBuried
from services.contracts.messages.market_data import QuoteUpdated
from services.contracts.messages.status import Heartbeat
from services.contracts.step import Event, State, Step, Tick
from services.contracts.streams import ALERTS, CONTROL, DEAD, STATUS, TICKS, key_of
from services.contracts.terms import TradingState, Venue
from services.runtime.bus import BusUnavailable, Write
from services.runtime.clock import RedisClock
from services.runtime.loop import ServiceLoop
from services.runtime.redis_bus import RedisBus
from services.runtime.service import Service

TICKS_G1 = key_of(TICKS, "g1")
KILLED = -signal.SIGKILL


class Tally(State):
    """What was asked of it, in order. The words decide what goes wrong."""

    DURABLE: ClassVar[frozenset[str]] = frozenset({"seen", "buried"})
    seen: tuple[str, ...] = ()
    buried: tuple[tuple[str, int], ...] = ()
    quotes: tuple[int, ...] = ()


mended = False
"""Whether the cause of a failure was mended meanwhile."""


def tally(state: Tally, event: Event) -> Step[Tally]:
    if isinstance(event, Tick):
        if state.seen[-1:] == ("breaks ticks",):
            raise ZeroDivisionError("at every tick")
        return Step(state)
    match event.message:
        case TradingStateRequested(reason="fails") if not mended:
            raise ValueError("cannot be handled")
        case TradingStateRequested(reason="kills"):
            os.kill(os.getpid(), signal.SIGKILL)
        case TradingStateRequested(reason=reason):
            return Step(state.but(seen=(*state.seen, reason)))
        case EntryBuried(text=text) if "fails to hear" in text:
            raise ValueError("of no use")
        case EntryBuried(stream_key=key, tries=tries):
            return Step(state.but(buried=(*state.buried, (key, tries))))
        case QuoteUpdated(feed_seq=seq):
            return Step(state.but(quotes=(*state.quotes, seq)))
    return Step(state)


def loop_on(client: "redis.Redis", key: str = CONTROL.key) -> ServiceLoop[Tally]:
    bus = RedisBus(client)
    service = Service("tally", tally, Tally(), committed=(key,), newest=(TICKS_G1,))
    return ServiceLoop(service, bus, RedisClock(bus.time_ns))


def ask(client: "redis.Redis", *reasons: str) -> None:
    bus = RedisBus(client)
    for reason in reasons:
        message = TradingStateRequested(target=TradingState.HALTED, by="desk", reason=reason)
        envelope = Envelope.wrap(message, source="cli", now_ns=bus.time_ns(), causation_id=reason)
        bus.append([Write(CONTROL.key, envelope)])


def said(client: "redis.Redis", key: str, kind: type[Message]) -> list[Message]:
    bodies = [decode(entry.text).body for entry in RedisBus(client).tail(key, 1_000)]
    return [body for body in bodies if isinstance(body, kind)]


def buried(client: "redis.Redis") -> list[EntryBuried]:
    return [body for body in said(client, DEAD.key, EntryBuried) if isinstance(body, EntryBuried)]


def alerts(client: "redis.Redis", kind: AlertKind) -> list[AlertRaised]:
    found = said(client, ALERTS.key, AlertRaised)
    return [alert for alert in found if isinstance(alert, AlertRaised) and alert.kind is kind]


@pytest.fixture(autouse=True)
def cause_not_mended() -> Iterator[None]:
    global mended
    mended = False
    yield
    mended = False


def test_tries_are_counted_on_over_restarts(client: "redis.Redis") -> None:
    ask(client, "before", "fails", "after")
    for _ in range(2):
        loop_on(client).turn()
    assert buried(client) == []
    third = loop_on(client)
    third.turn()
    (only,) = buried(client)
    assert only.tries == 3 and "ValueError" in only.reason
    assert third.state.seen == ("before", "after")


def test_the_core_hears_of_what_was_buried_and_what_it_makes_of_it_is_stored(client: "redis.Redis") -> None:
    ask(client, "fails", "after")
    client.xadd(CONTROL.key, {"m": b"no JSON"})
    for _ in range(3):
        loop_on(client).turn()
    again = loop_on(client)
    again.turn()
    assert again.state.buried == ((CONTROL.key, 3), (CONTROL.key, 1))
    assert again.state.seen == ("after",)


def test_a_core_that_fails_at_hearing_of_it_stops_nothing(client: "redis.Redis") -> None:
    client.xadd(CONTROL.key, {"m": b"fails to hear"})
    ask(client, "after")
    loop = loop_on(client)
    loop.turn()
    assert loop.state.seen == ("after",) and len(buried(client)) == 1


def test_a_message_that_kills_the_process_is_buried_by_the_fourth(redis_url: str) -> None:
    """Nothing in memory outlives it: only a try that was stored before can be counted."""
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    ask(client, "before", "kills", "after")
    program = (
        "import sys, redis; sys.path.insert(0, sys.argv[2]); import test_poison as t;"
        "loop = t.loop_on(redis.Redis.from_url(sys.argv[1]));"
        "[loop.turn() for _ in range(3)]"
    )
    command = [sys.executable, "-c", program, redis_url, str(Path(__file__).parent)]
    ends = [
        subprocess.run(command, timeout=60, check=False, capture_output=True).returncode for _ in range(4)
    ]
    assert ends == [KILLED, KILLED, KILLED, 0]
    (only,) = buried(client)
    assert only.tries == 3 and "process ended" in only.reason
    assert len(alerts(client, AlertKind.DEAD_LETTER)) == 1
    again = loop_on(client)
    again.turn()
    assert again.state.seen == ("before", "after")


def test_a_lost_connection_is_not_held_against_the_entry_that_was_being_handled(
    client: "redis.Redis",
) -> None:
    """Redis refusing three times in a row must not bury what was never at fault."""
    loop = loop_on(client)
    loop.turn()
    ask(client, "innocent")
    real = loop._bus.commit  # type: ignore[attr-defined]
    refusals = iter([False, True] * 5)

    def commit(*args: object, **kwargs: object) -> object:
        if next(refusals, False):
            raise redis.exceptions.ConnectionError("cut")
        return real(*args, **kwargs)

    for _ in range(5):
        loop._bus.commit = commit  # type: ignore[attr-defined, method-assign]
        loop._forget()
        try:
            loop.turn()
        except redis.exceptions.ConnectionError:
            continue
    loop._bus.commit = real  # type: ignore[attr-defined, method-assign]
    loop._forget()
    loop.turn()
    assert buried(client) == []
    assert loop.state.seen == ("innocent",)


def test_what_was_buried_is_delivered_again_under_its_old_id_and_counted_anew(client: "redis.Redis") -> None:
    """As `arb dead retry` does it: the same envelope at the end of its stream."""
    global mended
    ask(client, "fails")
    loop = loop_on(client)
    for _ in range(4):
        loop.turn()
    (first,) = buried(client)
    bus = RedisBus(client)
    bus.append([Write(first.stream_key, decode(first.text))])
    for _ in range(4):
        loop.turn()
    second = buried(client)[-1]
    assert len(buried(client)) == 2 and second.tries == 3
    assert second.entry_id != first.entry_id and decode(second.text).id == decode(first.text).id
    mended = True
    bus.append([Write(first.stream_key, decode(first.text))])
    loop.turn()
    loop.turn()
    assert loop.state.seen == ("fails",), "delivered once, though three entries carry it"


def test_a_core_that_fails_at_each_tick_is_told_once_and_does_not_beat(client: "redis.Redis") -> None:
    """It ended the process at every start, before anything could be said."""
    ask(client, "breaks ticks")
    loop = loop_on(client)
    loop.turn()
    beats = len(said(client, STATUS.key, Heartbeat))
    for _ in range(3):
        loop.engine.ticked_ns = loop.engine.beat_ns = 0
        loop.turn()
    (alert,) = alerts(client, AlertKind.BUS)
    assert "ZeroDivisionError" in alert.detail and alert.next_step
    assert len(said(client, STATUS.key, Heartbeat)) == beats, "who fails does not say that all is well"
    ask(client, "mends ticks")
    loop.engine.ticked_ns = loop.engine.beat_ns = 0
    loop.turn()
    assert [told.resolved for told in alerts(client, AlertKind.BUS)] == [False, True]
    assert len(said(client, STATUS.key, Heartbeat)) == beats + 1


@pytest.mark.parametrize("lost", ["the alert", "its end"])
def test_what_a_failed_commit_took_with_it_of_a_failing_tick_is_told_again(
    client: "redis.Redis", lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An alert was never raised, or never ended, because the loop took it for told."""
    loop = loop_on(client)
    loop.turn()

    def turn(*, failing: bool = False) -> None:
        loop.engine.ticked_ns = loop.engine.beat_ns = 0
        with monkeypatch.context() as patch:
            if failing:
                patch.setattr(loop._bus, "commit", refuse)
            loop.turn()

    def refuse(*args: object) -> None:
        raise BusUnavailable("cut off")

    for number, word in enumerate(("breaks ticks", "mends ticks")):
        ask(client, word)
        if (lost == "the alert") is (number == 0):
            with pytest.raises(BusUnavailable):
                turn(failing=True)
            loop._forget()
        for _ in range(3):
            turn()
    assert [told.resolved for told in alerts(client, AlertKind.BUS)] == [False, True]


def test_quotes_behind_a_failing_entry_are_read_when_it_is_over(client: "redis.Redis") -> None:
    loop = loop_on(client)
    loop.turn()
    ask(client, "fails")
    quote = QuoteUpdated(
        symbol="005930", venue=Venue.KRX, bids=(), asks=(), exchange_time="", connection_epoch=1, feed_seq=7
    )
    envelope = Envelope.wrap(quote, source="gateway", now_ns=1, causation_id="q")
    RedisBus(client).append([Write(TICKS_G1, envelope, 100, "005930:KRX")])
    for _ in range(4):
        loop.turn()
    assert len(buried(client)) == 1
    assert loop.state.quotes == (7,)
