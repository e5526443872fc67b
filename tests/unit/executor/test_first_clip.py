"""The first clip is bought by fresh quotes, like any other: an approval may be taken in late."""

import pytest

from services.contracts.messages.pairs import ClipRecomputed, PairClosed, PairOutcome
from services.contracts.messages.venue_state import FeedLivenessChanged
from services.contracts.terms import Side, TradingState, Venue

from .desk import Desk


@pytest.fixture
def desk() -> Desk:
    return Desk().open_day()


def bought(desk: Desk) -> list[int]:
    return [order.price_krw for order in desk.orders if order.side is Side.BUY]


def test_a_spread_that_is_gone_buys_nothing(desk: Desk) -> None:
    desk.level()
    desk.approve()
    assert not desk.orders
    assert desk.last(PairClosed).outcome is PairOutcome.STOPPED
    looked = desk.last(ClipRecomputed)
    assert (looked.clip, looked.proceed) == (1, False) and looked.quote_sell is not None


def test_old_books_are_waited_for_while_the_approval_is_good(desk: Desk) -> None:
    desk.tick(600_000)
    desk.approve()
    desk.tick(1_000)
    assert not desk.orders
    desk.crossed()
    assert bought(desk) == [100_000]


def test_books_that_stay_old_let_the_approval_expire(desk: Desk) -> None:
    desk.tick(600_000)
    desk.approve()
    desk.tick(1_600)
    assert not desk.orders and desk.last(PairClosed).outcome is PairOutcome.EXPIRED


def test_it_pays_what_the_fresh_book_asks_and_no_more(desk: Desk) -> None:
    desk.book(Venue.KRX, 99_700, 99_800)
    desk.approve()
    assert bought(desk) == [99_800]


def test_an_ask_above_the_approved_limit_buys_nothing(desk: Desk) -> None:
    desk.book(Venue.KRX, 100_000, 100_100)
    desk.book(Venue.NXT, 100_900, 101_000)
    desk.approve()
    assert not desk.orders and desk.last(PairClosed).outcome is PairOutcome.STOPPED


def test_a_dead_feed_buys_nothing(desk: Desk) -> None:
    desk.hear(FeedLivenessChanged(venue=Venue.NXT, alive=False, last_event_ns=desk.now_ns))
    desk.approve()
    assert not desk.orders and not desk.state.pairs


def test_a_stop_while_books_are_waited_for_ends_it(desk: Desk) -> None:
    desk.tick(600_000)
    desk.approve()
    desk.trading(TradingState.PAUSE_ENTRY)
    desk.crossed()
    assert not desk.orders and desk.last(PairClosed).outcome is PairOutcome.STOPPED
