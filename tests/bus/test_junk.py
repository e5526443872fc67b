"""Somebody writes what nobody can read: many entries, or large ones. A stop behind them is soon read."""

from collections.abc import Sequence

import pytest
import redis

from services.contracts.envelope import MAX_MESSAGE_BYTES, Envelope, Unreadable, decode
from services.contracts.limits import BURIED_TEXT_BYTES, READ_COUNT
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.control import TradingStateRequested
from services.contracts.messages.dead import EntryBuried
from services.contracts.streams import ALERTS, CONTROL, DEAD, STOPS
from services.contracts.terms import TradingState
from services.runtime.burials import SAMPLES
from services.runtime.bus import BusUnavailable, Write
from services.runtime.loop import ServiceLoop
from services.runtime.redis_bus import RedisBus
from tests.bus.test_poison import Tally, loop_on, said

JUNK = 1_500


def flood(client: "redis.Redis", entries: Sequence[bytes], key: str = CONTROL.key) -> None:
    pipeline = client.pipeline(transaction=False)
    for text in entries:
        pipeline.xadd(key, {"m": text})
    pipeline.execute()


def halt(client: "redis.Redis") -> None:
    message = TradingStateRequested(target=TradingState.HALTED, by="desk", reason="halt")
    bus = RedisBus(client)
    bus.append([Write(CONTROL.key, Envelope.wrap(message, source="cli", now_ns=1, causation_id="halt"))])


def alerts_of(client: "redis.Redis") -> list[AlertRaised]:
    return [m for m in said(client, ALERTS.key, AlertRaised) if isinstance(m, AlertRaised)]


def until_halted(loop: ServiceLoop[Tally], turns: int) -> None:
    for _ in range(turns):
        if loop.state.seen == ("halt",):
            return
        loop.turn()
    raise AssertionError(f"the halt was not read in {turns} turns")


def test_many_entries_cost_few_commits_and_one_alert(
    client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = loop_on(client)
    for _ in range(4):
        loop.turn()
    flood(client, [b"junk"] * JUNK)
    halt(client)
    commits = []
    real = loop._bus.commit
    monkeypatch.setattr(loop._bus, "commit", lambda *args: (commits.append(1), real(*args))[1])
    until_halted(loop, turns=JUNK // READ_COUNT + 2)
    assert len(commits) <= JUNK // READ_COUNT + 2
    assert len(alerts_of(client)) <= 2 and len({alert.alert_id for alert in alerts_of(client)}) == 1
    assert len(loop.state.buried) == SAMPLES, "the core hears of what may name something"


def test_junk_before_a_start_costs_a_commit_for_each_one_that_is_kept(
    client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = loop_on(client, STOPS.key)
    flood(client, [b"junk"] * JUNK, STOPS.key)
    commits = []
    real = loop._bus.commit
    monkeypatch.setattr(loop._bus, "commit", lambda *args: (commits.append(1), real(*args))[1])
    for _ in range(4):
        loop.turn()
    assert loop.engine.burials.count(STOPS.key) == JUNK
    assert len(commits) <= 3 * SAMPLES


def test_of_torn_stops_each_is_heard_and_other_junk_among_them_counted(client: "redis.Redis") -> None:
    loop = loop_on(client, STOPS.key)
    flood(client, [b'{"a": 1}'] * JUNK, STOPS.key)
    flood(client, [b'{"type": "StopRequested", torn'] * 50, STOPS.key)
    flood(client, [b'{"type": "SymbolPauseRequested", torn'] * 50, STOPS.key)
    for _ in range(8):
        loop.turn()
    assert len(loop.state.buried) == SAMPLES + 100
    assert len({alert.alert_id for alert in alerts_of(client)}) == 1


def test_the_core_hears_of_each_entry_that_may_name_something(client: "redis.Redis") -> None:
    loop = loop_on(client)
    flood(client, [b'{"pair_id": "P%d", torn' % number for number in range(SAMPLES + 50)])
    halt(client)
    until_halted(loop, turns=12)
    assert len(loop.state.buried) == len(said(client, DEAD.key, EntryBuried)) == SAMPLES + 50


def test_a_large_entry_is_carried_on_as_its_beginning_and_its_hash(client: "redis.Redis") -> None:
    flood(client, [b"\xff" * 2_000_000])
    halt(client)
    until_halted(loop_on(client), turns=4)
    (buried,) = said(client, DEAD.key, EntryBuried)
    assert isinstance(buried, EntryBuried)
    assert len(buried.text) == BURIED_TEXT_BYTES and buried.whole_bytes == 2_000_000
    assert len(client.xrevrange(DEAD.key, count=1)[0][1][b"m"]) < 4 * BURIED_TEXT_BYTES


def test_what_is_readable_by_its_beginning_alone_is_too_large_all_the_same(client: "redis.Redis") -> None:
    halt(client)
    text = client.xrange(CONTROL.key)[0][1][b"m"]
    flood(client, [text + b" " * MAX_MESSAGE_BYTES])
    entry = RedisBus(client).tail(CONTROL.key, 1)[0]
    assert decode(entry.text) and len(entry.text) == BURIED_TEXT_BYTES
    with pytest.raises(Unreadable, match="more than"):
        entry.decoded()


def test_after_a_large_entry_few_are_asked_for(client: "redis.Redis") -> None:
    bus = RedisBus(client)
    for _ in range(4):
        bus.read({CONTROL.key: "0-0"}, count=READ_COUNT, block_ms=0)
    flood(client, [b"\xff" * 6_000_000])
    cursor = bus.read({CONTROL.key: "0-0"}, count=READ_COUNT, block_ms=0)[-1].entry_id
    flood(client, [b"\xff" * 6_000_000] * 4)
    read = bus.read({CONTROL.key: cursor}, count=READ_COUNT, block_ms=0)
    assert len(read) == 2


def test_a_commit_that_failed_counts_nothing_twice(
    client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = loop_on(client)
    loop.turn()
    flood(client, [b"junk"] * 3)

    def refuse(*args: object) -> None:
        raise BusUnavailable("cut off")

    with monkeypatch.context() as patch:
        patch.setattr(loop._bus, "commit", refuse)
        for _ in range(2):
            with pytest.raises(BusUnavailable):
                loop.turn()
            loop._forget()
    loop.turn()
    assert [alert.facts["count"] for alert in alerts_of(client)] == [3]
