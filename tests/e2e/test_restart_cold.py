"""Cold restarts: Redis is empty, while the gateway's log of intentions and the broker's books are not.

What can be found again is found by query: orders, fills, holdings. Nothing is armed; what is held is named
and sold only when a person says so; what no order explains is a difference, which latches and is shown.
"""

from functools import partial

import pytest

from services.contracts.messages.control import ArmRefused, LatchSet, TradingStateRequested
from services.contracts.messages.orders import (
    AccountReported,
    ForeignOrderSeen,
    OrderFilled,
    OrderSent,
    OrderUnknown,
    ReconciliationCompleted,
)
from services.contracts.messages.pairs import PairApproved, PairClosed, ResidualOpened
from services.contracts.messages.status import RiskStatus
from services.contracts.terms import Latch, Side, TradingState
from tests.support.live_desk import SERVICES, SLOW_BROKER, SYMBOLS, LiveDesk

pytestmark = [pytest.mark.slow, pytest.mark.redis, pytest.mark.timeout(150)]
DESK = partial(LiveDesk, latency=SLOW_BROKER)


def restarted_cold(desk: LiveDesk) -> int:
    """Kill everything, forget everything, start again; returns the mark of the new beginning."""
    desk.kill(*SERVICES)
    desk.empty_redis()
    mark = desk.mark()
    desk.restart(*SERVICES)
    return mark


def test_a_flat_book_comes_back_disarmed_and_trades_again_when_armed(desk: LiveDesk) -> None:
    desk.traded(SYMBOLS[0])
    desk.settled()
    mark = restarted_cold(desk)
    assert desk.wait(ReconciliationCompleted, mark=mark).differences == ()
    assert desk.wait(AccountReported, mark=mark).holdings == {}
    assert desk.wait(RiskStatus, mark=mark).state is TradingState.DISARMED
    assert desk.status()["state"] == "disarmed"
    desk.inject("cross", code=SYMBOLS[1], venue="NXT", bps=60, ms=1_000, shares=500)
    desk.armed()
    desk.traded(SYMBOLS[2])
    assert {m.symbol for m in desk.since(mark, PairApproved)} <= {SYMBOLS[1], SYMBOLS[2]}
    desk.settled()
    desk.wait(RiskStatus, lambda m: not m.open_pairs and m.realised_pnl_krw == desk.realised_krw(), mark)
    desk.assert_true_and_flat()


def test_an_order_in_flight_is_resolved_and_its_pair_brought_back(desk: LiveDesk) -> None:
    symbol = SYMBOLS[3]
    approved = desk.pair(symbol)
    sent = desk.wait(OrderSent, lambda m: m.facts.pair_id == approved.pair_id and m.facts.side is Side.BUY)
    order_id = sent.facts.order_id
    mark = restarted_cold(desk)
    desk.wait(OrderUnknown, lambda m: m.facts.order_id == order_id, mark)
    filled = desk.wait(OrderFilled, lambda m: m.facts.order_id == order_id, mark)
    assert filled.by_query
    assert filled.facts.cum_qty_shares == desk.books()["holdings"][symbol]
    desk.wait(ResidualOpened, lambda m: m.pair_id == approved.pair_id, mark)
    status = desk.status()
    assert status["state"] == "disarmed"
    assert any(alert["pair_id"] == approved.pair_id for alert in status["alerts"])
    assert desk.books()["holdings"][symbol]
    desk.arb("flatten", symbol, "--reason", "Redis was lost")
    desk.wait(PairClosed, lambda m: m.pair_id == approved.pair_id, mark)
    desk.armed()
    desk.traded(SYMBOLS[0])
    desk.settled()
    desk.wait(RiskStatus, lambda m: not m.open_pairs and m.realised_pnl_krw == desk.realised_krw(), mark)
    desk.assert_true_and_flat()


def test_an_order_of_a_person_is_known_as_foreign_again(desk: LiveDesk) -> None:
    symbol, before = SYMBOLS[2], desk.cash_krw()
    desk.inject("hand_order", code=symbol, order_type=1, qty_shares=1)
    first = desk.wait(ForeignOrderSeen, lambda m: m.symbol == symbol and m.closed)
    mark = restarted_cold(desk)
    again = desk.wait(ForeignOrderSeen, lambda m: m.symbol == symbol, mark)
    assert again.broker_order_no == first.broker_order_no
    assert again.cum_qty_shares == 1
    assert desk.wait(ReconciliationCompleted, mark=mark).differences == ()
    desk.sold_by_hand(symbol, 1)
    desk.by_hand_krw += desk.cash_krw() - before
    desk.arb("symbols", "resume", symbol, "--reason", "both were mine")
    desk.armed()
    desk.traded(symbol)
    desk.assert_true_and_flat()


def test_shares_that_no_order_explains_latch_until_a_person_accepts_them(desk: LiveDesk) -> None:
    """Last of its module: from here on the account holds what it did not hold at its start."""
    symbol = SYMBOLS[1]
    desk.traded(symbol)
    desk.settled()
    desk.kill(*SERVICES)
    desk.inject("transfer", code=symbol, qty_shares=3)
    mark = restarted_cold(desk)
    (difference,) = desk.wait(ReconciliationCompleted, lambda m: m.differences, mark).differences
    assert symbol in difference and "3" in difference
    latch = desk.wait(LatchSet, mark=mark)
    assert latch.latch is Latch.RECONCILIATION_DIFFERENCE
    desk.wait(RiskStatus, lambda m: Latch.RECONCILIATION_DIFFERENCE in m.latches, mark)
    status = desk.status()
    assert (status["state"], status["latches"]) == ("disarmed", ["reconciliation_difference"])
    assert status["reconciled"]["differences"] == [difference]
    assert any(difference in alert["detail"] for alert in status["alerts"])
    count = desk.stop_count()
    desk.say(TradingStateRequested(target=TradingState.ARMED, by="test", reason="test", stop_count=count))
    assert any("reconciliation_difference" in p for p in desk.wait(ArmRefused, mark=mark).problems)
    accepted = desk.mark()
    desk.arb("latch", "clear", "reconciliation_difference", "--reason", "a transfer")
    assert desk.wait(ReconciliationCompleted, mark=accepted).differences == ()
    desk.armed()
    desk.traded(symbol)
    desk.settled()
    assert desk.books()["holdings"] == {symbol: 3}
