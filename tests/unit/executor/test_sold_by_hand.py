"""A stranded position is left to a sale by hand in its symbol only while that may be one of its shares."""

from typing import Any

import pytest

from services.contracts.messages.control import SymbolResumed
from services.contracts.messages.orders import AccountReported, ForeignOrderSeen
from services.contracts.terms import SessionPhase, Side, Venue

from .desk import BID, DATE, SYMBOL, Desk, fail_rungs, holding
from .test_tried_again import MORROW, next_try, tomorrow, wait


@pytest.fixture
def desk() -> Desk:
    """A stranded position of five shares, beside a sale by hand in its symbol."""
    desk = holding(stranded_interval_ms=10_000)
    fail_rungs(desk, 6)
    tell(desk)
    wait(desk, 20_000)
    assert len(desk.flattens) == 6 and "by hand" in next_try(desk)
    return desk


def tell(desk: Desk, sold: int = 0, **changes: Any) -> None:
    seen = {
        "broker_order_no": "9", "symbol": SYMBOL, "venue": Venue.KRX, "side": Side.SELL, "qty_shares": 5,
        "cum_qty_shares": sold, "cum_amount_krw": sold * BID, "closed": False, "trading_date": DATE,
    }  # fmt: skip
    desk.hear(ForeignOrderSeen.model_validate(seen | changes))


def report(desk: Desk, shares: int) -> None:
    desk.hear(AccountReported(
        cash_krw=0, orderable_krw=0, holdings={SYMBOL: shares}, trading_date=DATE,
    ))  # fmt: skip


def tried(desk: Desk) -> bool:
    wait(desk, 12_000)
    return len(desk.flattens) > 6


def test_it_goes_on_when_the_sale_ended_with_nothing_sold(desk: Desk) -> None:
    tell(desk, closed=True)
    assert tried(desk)


@pytest.mark.parametrize("state", [{"sold": 2}, {"sold": 5, "closed": True}])
def test_it_does_not_while_the_sale_may_have_been_of_its_shares(desk: Desk, state: dict[str, Any]) -> None:
    tell(desk, **state)
    desk.restart()
    desk.level(BID)
    assert not tried(desk)


def test_another_sale_of_two_still_bars(desk: Desk) -> None:
    tell(desk, broker_order_no="10")
    tell(desk, closed=True)
    assert not tried(desk)


@pytest.mark.parametrize(("shares", "goes_on"), [(5, True), (4, False), (0, False)])
def test_the_account_says_whether_its_shares_were_sold(desk: Desk, shares: int, goes_on: bool) -> None:
    tell(desk, sold=5, closed=True)
    report(desk, 5)
    assert not tried(desk), "it may have been asked for before the sale"
    report(desk, shares)
    assert tried(desk) is goes_on


def test_the_account_ends_no_sale_that_still_works(desk: Desk) -> None:
    report(desk, 5)
    assert not tried(desk)


def test_a_person_who_resumes_the_symbol_hands_it_back(desk: Desk) -> None:
    tell(desk, sold=1)
    desk.hear(SymbolResumed(symbol=SYMBOL, by="kim", reason="of another holding"))
    tell(desk, sold=2)
    assert tried(desk), "also when that sale is told again"
    sent = len(desk.flattens)
    tell(desk, broker_order_no="10")
    wait(desk, 20_000)
    assert len(desk.flattens) == sent, "a later one is another sale"


def test_a_new_date_ends_it(desk: Desk) -> None:
    tomorrow(desk)
    assert tried(desk)


@pytest.mark.parametrize("closed", [False, True])
def test_a_sale_of_an_earlier_date_bars_nothing(closed: bool) -> None:
    desk = holding(stranded_interval_ms=10_000)
    fail_rungs(desk, 6)
    for venue in Venue:
        desk.phase(venue, SessionPhase.CONTINUOUS, MORROW)
    tell(desk, sold=5, closed=closed)
    desk.level(BID)
    sent = len(desk.flattens)
    wait(desk, 12_000)
    assert len(desk.flattens) == sent + 1
