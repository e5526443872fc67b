"""Warm restarts: Redis has everything and nothing is open; each process is killed and started again.

Nothing is said twice, reading goes on where it stopped, and trading goes on without a person.
"""

from collections import Counter
from typing import Any

import pytest

from services.contracts.messages.commands import PlaceOrder
from services.contracts.messages.intents import TradeIntent
from services.contracts.messages.pairs import ClipCompleted, PairApproved, PairClosed, PairDenied
from services.contracts.messages.status import Heartbeat, RiskStatus
from services.contracts.terms import TradingState
from tests.support.live_desk import DETECTOR, GATEWAY, SERVICES, LiveDesk

pytestmark = [pytest.mark.slow, pytest.mark.redis, pytest.mark.timeout(150)]
DESK = LiveDesk
SAID_ONCE: dict[type[Any], str] = {
    TradeIntent: "intent_id", PairApproved: "pair_id", PairDenied: "intent_id", PairClosed: "pair_id",
    PlaceOrder: "order_id",
}  # fmt: skip


def assert_nothing_said_twice(desk: LiveDesk) -> None:
    desk.read()
    for kind, name in SAID_ONCE.items():
        times = Counter(getattr(message, name) for message in desk.since(0, kind))
        assert [what for what, count in times.items() if count > 1] == [], kind
    clips = Counter((m.pair_id, m.clip) for m in desk.since(0, ClipCompleted))
    assert [clip for clip, count in clips.items() if count > 1] == []


def last_beat(desk: LiveDesk, service: str) -> Heartbeat:
    desk.read()
    return next(m for m in reversed(desk.since(0, Heartbeat)) if m.service == service)


def order(entry_id: str) -> tuple[int, int]:
    ms, _, sequence = entry_id.partition("-")
    return int(ms), int(sequence or 0)


@pytest.mark.parametrize("service", SERVICES)
def test_a_killed_service_goes_on_where_it_was(desk: LiveDesk, service: str) -> None:
    desk.traded(desk.next_symbol())
    desk.settled()
    before = last_beat(desk, service)
    mark = desk.mark()
    desk.kill(service)
    desk.restart(service)
    after = desk.wait(Heartbeat, lambda m: m.service == service, mark)
    assert after.epoch == before.epoch + 1
    assert all(order(after.positions[key]) >= order(at) for key, at in before.positions.items())
    desk.traded(desk.next_symbol())
    assert_nothing_said_twice(desk)
    desk.assert_true_and_flat()


def test_all_killed_at_once_go_on_armed_with_the_days_money(desk: LiveDesk) -> None:
    first = desk.traded(desk.next_symbol())
    desk.settled()
    desk.wait(RiskStatus, lambda m: m.realised_pnl_krw == desk.realised_krw() and not m.open_pairs)
    desk.kill(*SERVICES)
    mark = desk.mark()
    desk.restart(GATEWAY, "risk", "executor", DETECTOR)
    status = desk.wait(RiskStatus, mark=mark)
    assert status.state is TradingState.ARMED
    assert status.realised_pnl_krw == desk.realised_krw()
    second = desk.traded(desk.next_symbol())
    assert second.pair_id != first.pair_id
    assert_nothing_said_twice(desk)
    desk.assert_true_and_flat()
