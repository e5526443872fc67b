"""Redis has no memory left and evicts nothing: nothing is taken, nothing more is sent, and nothing is lost.

What has to be written waits where it is, in the gateway and in the streams; with memory given back all of it
is written once. All processes are real, and so is the server's own refusal.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from typer.testing import CliRunner

from services.cli.app import app
from services.contracts.limits import LEASE_MS
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.pairs import PairApproved, PairClosed
from services.contracts.messages.status import Heartbeat, RiskStatus
from services.contracts.terms import Symbol, TradingState
from services.runtime.loop import OUTAGE_TOLD_S
from tests.support.live_desk import (
    CROSS_AGAIN_S,
    CROSS_BPS,
    CROSS_MS,
    DETECTOR,
    HEARD_STREAMS,
    SERVICES,
    SLOW_BROKER,
    SYMBOLS,
    LiveDesk,
)

pytestmark = [pytest.mark.slow, pytest.mark.redis, pytest.mark.timeout(200)]
NOTIFIER = "notifier"
DESK = partial(LiveDesk, latency=SLOW_BROKER, services=(*SERVICES, NOTIFIER))
ON_THE_LOOP = ("risk", "executor", DETECTOR, NOTIFIER)
ROOM_BYTES = 60_000
FLAPS = 20
OUTAGE_S = OUTAGE_TOLD_S + 2


def allow(desk: LiveDesk, memory_bytes: int) -> None:
    """Set what Redis may use; 0: as much as there is."""
    desk.link.client.config_set("maxmemory", memory_bytes)


def used_bytes(desk: LiveDesk) -> int:
    info: Any = desk.link.client.info("memory")
    return int(info["used_memory"])


def refusals(desk: LiveDesk) -> int:
    """How often Redis has refused a command for want of memory."""
    stats: Any = desk.link.client.info("errorstats")
    return int(stats.get("errorstat_OOM", {"count": 0})["count"])


def lengths(desk: LiveDesk) -> dict[str, int]:
    return {key: desk.link.bus.length(key) for key in HEARD_STREAMS}


def sent(desk: LiveDesk) -> list[str]:
    return [arrival["rqname"] for arrival in desk.books()["arrivals"]]


def crosses(desk: LiveDesk, for_s: float, symbol: Symbol = SYMBOLS[2]) -> None:
    """Have a share cross, again and again for so long."""
    until_s = time.monotonic() + for_s
    while True:
        desk.inject("cross", code=symbol, venue="NXT", bps=CROSS_BPS, ms=CROSS_MS, shares=500)
        over_s = time.monotonic() + CROSS_AGAIN_S
        desk.until(partial(has_come, over_s), "the cross is over")
        if has_come(until_s):
            return


def has_come(at_s: float) -> bool:
    return time.monotonic() >= at_s


def of_bus(service: str) -> Callable[[AlertRaised], bool]:
    """Picks what a service tells after an outage."""
    return lambda alert: alert.alert_id.startswith(f"bus-{service}-")


def beat_of(service: str) -> Callable[[Heartbeat], bool]:
    return lambda beat: beat.service == service


def told_why(desk: LiveDesk, name: str) -> bool:
    """Whether a service left in its log what Redis said."""
    return "maxmemory" in (desk.folder / "logs" / f"{name}.log").read_text(encoding="utf-8")


def healed(desk: LiveDesk) -> None:
    """Every service is heard again, risk renews the lease, nothing stands in the way, and all is flat."""
    mark = desk.mark()
    for name in desk.services:
        desk.wait(Heartbeat, beat_of(name), mark)
    desk.until(desk.lease_is_new, "risk renews again")
    status = desk.wait(RiskStatus, lambda m: not m.gates, mark)
    assert (status.state, status.latches) == (TradingState.ARMED, ()), desk.last_words()


@pytest.fixture
def small(desk: LiveDesk) -> Iterator[LiveDesk]:
    """The desk, on a Redis that has its memory back afterwards, whatever a test left there."""
    try:
        yield desk
    finally:
        allow(desk, 0)


def test_nothing_is_sent_lost_or_doubled_and_a_pair_goes_on_where_it_stood(small: LiveDesk) -> None:
    desk = small
    desk.traded(SYMBOLS[0])
    approved = desk.pair(SYMBOLS[1])
    desk.until(lambda: any(name.startswith(approved.pair_id) for name in sent(desk)), "the buy has left")
    allow(desk, 1)
    full_s, mark, written = time.monotonic(), desk.mark(), lengths(desk)
    desk.until(lambda: desk.books()["holdings"].get(SYMBOLS[1], 0) > 0, "the broker fills the buy")
    desk.until(lambda: time.monotonic() - full_s > LEASE_MS / 1_000 + 1, "the lease lapses")
    before = sent(desk)
    crosses(desk, OUTAGE_S)
    assert sent(desk) == before
    assert lengths(desk) == written and desk.since(mark, PairApproved) == []
    assert [name for name in desk.services if not desk.stack.processes[name].alive] == []
    assert [name for name in desk.services if not told_why(desk, name)] == []
    assert [name for name, said in desk.status()["services"].items() if not said["stale"]] == []
    mark = desk.mark()
    allow(desk, 0)
    desk.wait(PairClosed, lambda m: m.pair_id == approved.pair_id, mark)
    for name in ON_THE_LOOP:
        desk.wait(AlertRaised, of_bus(name), mark)
    healed(desk)
    desk.traded(SYMBOLS[3])
    desk.assert_true_and_flat()


def test_a_memory_that_fills_while_pairs_go_on_takes_each_step_wholly_or_not_at_all(small: LiveDesk) -> None:
    """At the edge some commands are taken and others refused, between the steps of one service too."""
    desk = small
    desk.made_whole()
    refused = refusals(desk)
    for symbol in SYMBOLS:
        allow(desk, used_bytes(desk) + ROOM_BYTES)
        crosses(desk, 0, symbol)
    desk.until(lambda: refusals(desk) > refused + FLAPS, "its memory is full")
    allow(desk, 0)
    healed(desk)
    desk.traded(SYMBOLS[0])
    desk.assert_true_and_flat()


def test_a_halt_that_redis_does_not_take_lays_the_file(small: LiveDesk) -> None:
    desk = small
    desk.made_whole()
    allow(desk, 1)
    refused = CliRunner().invoke(app, ["halt", "--by", "test", "--reason", "test", "--redis", desk.redis.url])
    assert refused.exit_code == 1 and "maxmemory" in refused.output
    assert (desk.folder / "HALT").exists()
    allow(desk, 0)
    desk.wait(RiskStatus, lambda m: m.state is TradingState.DISARMED, desk.mark())
    desk.made_whole()
    desk.traded(SYMBOLS[0])
    desk.assert_true_and_flat()
