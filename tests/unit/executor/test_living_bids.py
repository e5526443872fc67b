"""What is held is sold into bids that live: of this connection, of a feed that moves, and not old."""

import pytest

from services.contracts.limits import CLOCK_SKEW_MS
from services.contracts.messages.pairs import ResidualMarked, StrandReason
from services.contracts.messages.venue_state import (
    ConnectionChanged,
    ConnectionState,
    DayFactsPublished,
    FeedLivenessChanged,
)
from services.contracts.terms import OrderKind, Purpose, Venue

from .desk import BID, DATE, SYMBOL, Desk, fail_rungs, holding


def silence(desk: Desk, venue: Venue, how: str) -> None:
    """Let the book of a venue stand as it is, for one reason or another."""
    if how == "dead":
        desk.hear(FeedLivenessChanged(venue=venue, alive=False, last_event_ns=desk.now_ns))
    if how == "epoch":
        desk.hear(ConnectionChanged(state=ConnectionState.READY, connection_epoch=2, planned=False))


def die(desk: Desk) -> None:
    """Let every rung that is out find nothing."""
    for order in desk.flattens:
        if desk.pair.order(order.order_id).open:  # type: ignore[union-attr]
            desk.close(order)


@pytest.fixture
def desk() -> Desk:
    """NXT bids half a percent more than KRX, and the first rung has met that bid in vain."""
    desk = holding()
    desk.book(Venue.NXT, BID + 500, BID + 600)
    desk.close(desk.flattens[-1])
    return desk


@pytest.mark.parametrize("how", ["dead", "epoch", "quiet"])
def test_the_bid_of_a_silent_book_is_never_the_better_one(desk: Desk, how: str) -> None:
    """Also not as the quiet bid of a living feed, where another venue's book is fresh."""
    silence(desk, Venue.NXT, how)
    if how == "quiet":
        desk.tick(2_000)
    told = len(desk.flattens)
    for _ in range(6):
        desk.book(Venue.KRX, BID, BID + 100, epoch=2 if how == "epoch" else 1)
        desk.tick(500)
        die(desk)
    assert len(desk.flattens) > told
    assert {order.venue for order in desk.flattens[told:]} == {Venue.KRX}


@pytest.mark.parametrize("how", ["dead", "epoch"])
def test_without_a_living_bid_it_waits_and_strands_by_name(desk: Desk, how: str) -> None:
    sent = len(desk.flattens)
    for venue in Venue:
        silence(desk, venue, how)
    desk.tick(4_800)
    assert not desk.all(ResidualMarked)
    desk.tick(300)
    assert desk.last(ResidualMarked).reason is StrandReason.NO_QUOTE
    assert len(desk.flattens) == sent


def test_a_quiet_bid_of_a_living_feed_is_sold_into_while_it_is_not_old(desk: Desk) -> None:
    desk.limit(flatten_interval_ms=2_000)
    for _ in range(110):
        die(desk)
        desk.tick(100)
    assert len(desk.flattens) == 3
    assert desk.last(ResidualMarked).reason is StrandReason.NO_QUOTE


def test_a_market_order_needs_a_fresh_book() -> None:
    desk = holding()
    desk.book(Venue.KRX, BID + 100, BID + 200)
    fail_rungs(desk, 4)
    desk.close(desk.flattens[-1])
    desk.hear(ConnectionChanged(state=ConnectionState.DISCONNECTED, connection_epoch=1, planned=False))
    desk.tick(1_500)
    desk.hear(ConnectionChanged(state=ConnectionState.READY, connection_epoch=1, planned=False))
    assert len(desk.flattens) == 6
    assert desk.flattens[-1].kind is OrderKind.LIMIT_IOC


def test_a_dead_rich_venue_is_not_waited_for_longer_than_a_sell_may_take() -> None:
    desk = Desk().open_day()
    desk.approve()
    silence(desk, Venue.NXT, "dead")
    desk.fill(desk.orders[0])
    assert not desk.sells
    desk.live(1_500)
    assert {(sell.purpose, sell.venue) for sell in desk.sells} == {(Purpose.FLATTEN, Venue.KRX)}


def test_a_bid_below_the_floor_on_a_fresh_book_does_not_hide_a_quiet_one_that_pays() -> None:
    desk = holding()
    desk.close(desk.flattens[-1])
    desk.tick(1_200)
    desk.close(desk.flattens[-1])
    desk.book(Venue.KRX, 90_000, 90_100)
    desk.tick(600)
    assert (desk.flattens[-1].venue, desk.flattens[-1].reference_price_krw) == (Venue.NXT, BID)


@pytest.mark.parametrize("ahead_ms", [CLOCK_SKEW_MS + 1, 600_000])
def test_a_book_stamped_ahead_of_the_clock_is_no_living_bid(desk: Desk, ahead_ms: int) -> None:
    nxt = desk.state.books[SYMBOL, Venue.NXT].quote
    desk.hear(nxt.model_copy(update={"feed_seq": desk.seq + 1}), age_ms=-ahead_ms)
    view = desk.state.view(SYMBOL, desk.now_ns)
    assert view.bids(Venue.NXT) == () and not view.fresh(Venue.NXT)
    desk.book(Venue.KRX, BID, BID + 100)
    desk.tick(600)
    if ahead_ms > 1_000:
        assert desk.flattens[-1].venue is Venue.KRX and len(desk.flattens) == 2


def test_clocks_may_disagree_a_little(desk: Desk) -> None:
    nxt = desk.state.books[SYMBOL, Venue.NXT].quote
    desk.hear(nxt.model_copy(update={"feed_seq": desk.seq + 1}), age_ms=-CLOCK_SKEW_MS)
    assert desk.state.view(SYMBOL, desk.now_ns).bids(Venue.NXT)


def test_a_day_without_a_known_band_bars_no_sale(desk: Desk) -> None:
    desk.hear(DayFactsPublished(trading_date=DATE, nxt_eligible=(SYMBOL,), order_warnings=(), bands={}))
    desk.live(500)
    desk.tick(100)
    assert len(desk.flattens) == 2
    desk.close(desk.flattens[-1])
    desk.level(96_900)
    desk.live(6_000)
    assert len(desk.flattens) == 2, "the loss bound holds as ever"
    assert desk.last(ResidualMarked).reason is StrandReason.LOSS_BOUND
