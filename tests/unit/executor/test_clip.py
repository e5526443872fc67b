"""A clip: buy the cheap leg, sell what was bought, look again, go on or stop."""

import pytest
from .desk import COSTS, Desk

from services.contracts.messages.alerts import AlertKind, AlertRaised
from services.contracts.messages.commands import PlaceOrder
from services.contracts.messages.pairs import (
    PairClosed,
    PairOutcome,
)
from services.contracts.terms import OrderKind, Purpose, Side, Venue


@pytest.fixture
def desk() -> Desk:
    return Desk().open_day()


def test_one_clip_is_bought_and_sold_and_the_pair_closes_with_exact_money(desk: Desk) -> None:
    desk.approve(qty=5, clip=5)
    buy = desk.last(PlaceOrder)
    assert (buy.side, buy.venue, buy.kind, buy.purpose) == (
        Side.BUY, Venue.KRX, OrderKind.LIMIT_IOC, Purpose.ENTRY,
    )  # fmt: skip
    assert (buy.qty_shares, buy.price_krw, buy.order_id) == (5, 100_000, "P1.1.b.1")
    desk.fill(buy)
    sell = desk.last(PlaceOrder)
    assert (sell.side, sell.venue, sell.kind, sell.purpose) == (
        Side.SELL, Venue.NXT, OrderKind.LIMIT_IOC, Purpose.EXIT,
    )  # fmt: skip
    assert (sell.qty_shares, sell.price_krw, sell.order_id) == (5, 100_500, "P1.1.s.1")
    desk.now_ns += 40_000_000
    desk.fill(sell)
    closed = desk.last(PairClosed)
    commission = COSTS.commission_krw(Venue.KRX, 500_000) + COSTS.commission_krw(Venue.NXT, 502_500)
    tax = COSTS.sell_tax_krw(502_500)
    assert closed.outcome is PairOutcome.FLAT and closed.trip and closed.clips == 1
    assert (closed.bought_krw, closed.sold_krw) == (500_000, 502_500)
    assert (closed.commission_krw, closed.tax_krw) == (commission, tax)
    assert closed.realised_pnl_krw == 2_500 - commission - tax
    assert (closed.neutral_ms, closed.uncovered_krw_ms, closed.residual_shares_max) == (40, 500_000 * 40, 0)
    assert not desk.state.pairs and len(desk.all(PairClosed)) == 1
    assert desk.last(AlertRaised).kind is AlertKind.PAIR_CLOSED
