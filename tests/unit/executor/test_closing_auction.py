"""What is held joins the KRX closing auction by what its frames show."""

import pytest

from services.contracts.messages.venue_state import DayFactsPublished
from services.contracts.terms import SessionPhase, Venue
from services.contracts.tick_grid import SHARE_TICKS

from .desk import DATE, SYMBOL, Desk, holding


@pytest.fixture
def desk() -> Desk:
    """A desk that bought at 100,000 and whose first rung found nothing before the auction began."""
    desk = holding()
    desk.close(desk.flattens[-1])
    desk.phase(Venue.NXT, SessionPhase.PAUSE)
    desk.phase(Venue.KRX, SessionPhase.CLOSING_AUCTION)
    return desk


@pytest.mark.parametrize("ask", [98_500, 98_700, 98_800])
def test_it_goes_by_the_bid_also_of_a_crossed_or_locked_frame(desk: Desk, ask: int) -> None:
    desk.book(Venue.KRX, 98_700, ask)
    desk.tick(600)
    order = desk.flattens[-1]
    assert (len(desk.flattens), order.venue, order.reference_price_krw) == (2, Venue.KRX, 98_700)
    assert order.price_krw == SHARE_TICKS.step(98_700, -desk.limits.collar_ticks)


@pytest.mark.parametrize(("bid", "ask"), [(98_750, 98_500), (130_100, 98_500), (69_900, 69_800)])
def test_a_bid_that_no_order_may_carry_is_none(desk: Desk, bid: int, ask: int) -> None:
    desk.book(Venue.KRX, bid, ask)
    desk.tick(600)
    assert desk.flattens[-1].reference_price_krw == 100_000


def test_a_crossed_frame_that_is_old_is_none(desk: Desk) -> None:
    desk.restart()
    desk.book(Venue.KRX, 98_700, 98_500)
    desk.now_ns += (desk.limits.quote_wait_ms + 1) * 10**6
    desk.tick()
    assert desk.flattens[-1].reference_price_krw == 100_000


def test_a_crossed_frame_is_sold_into_nowhere_else() -> None:
    desk = holding()
    desk.close(desk.flattens[-1])
    desk.restart()
    desk.book(Venue.KRX, 98_700, 98_500)
    desk.tick(2_000)
    assert len(desk.flattens) == 1


def test_it_joins_on_a_day_whose_band_is_not_known(desk: Desk) -> None:
    desk.hear(DayFactsPublished(trading_date=DATE, nxt_eligible=(SYMBOL,), order_warnings=(), bands={}))
    desk.book(Venue.KRX, 98_700, 98_800)
    desk.tick(600)
    assert desk.flattens[-1].reference_price_krw == 98_700
