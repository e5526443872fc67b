"""How old a cross is by the times of its frames, what ends its age, and which quote moved last."""

from collections.abc import Callable

import pytest

from services.contracts.envelope import Message
from services.contracts.messages.market_data import QuoteUpdated
from services.contracts.messages.venue_state import ConnectionState, HaltKind, SymbolHaltChanged
from services.contracts.terms import MovedLast, SessionPhase, Venue
from services.contracts.tick_grid import SHARE_TICKS
from services.market.books import Books, seen, with_book
from services.market.crossed_markets import CrossedMarkets, after_book, age_and_mover, while_trading
from services.market.venue_view import VenueView
from tests.unit.detector import world
from tests.unit.detector.world import SAMSUNG, ms, quote, received

KRX, NXT = Venue.KRX, Venue.NXT
BUY_KRX = (SAMSUNG, KRX)


class Market:
    """The crosses of a reader that hears frames; `at_ms` is when a frame happened, `late_ms` its way here."""

    def __init__(self) -> None:
        self.reference = world.reference()
        self.books: Books = {}
        self.crossed: CrossedMarkets = {}
        self.venues = VenueView()
        for message in world.morning():
            self.venues = self.venues.after(message)

    def see(self, frame: QuoteUpdated, at_ms: int, late_ms: int = 0) -> "Market":
        event = received(frame, ms(at_ms + late_ms), event_ns=ms(at_ms))
        books = with_book(self.books, seen(event, frame), SHARE_TICKS)
        changed = (frame.symbol, frame.venue)
        self.crossed = after_book(
            self.crossed, self.books, books, changed, self.reference, self.venues, event.now_ns
        )
        self.books = books
        return self

    def hear(self, *messages: Message) -> "Market":
        for message in messages:
            self.venues = self.venues.after(message)
            self.crossed = while_trading(self.crossed, self.reference, self.venues)
        return self

    def at(self, at_ms: int) -> tuple[int, MovedLast]:
        return age_and_mover(self.crossed, BUY_KRX, ms(at_ms))


def level(at_ms: int = 0) -> Market:
    """Both books are known and do not cross."""
    return Market().see(quote(KRX, 69_900, 70_000), at_ms).see(quote(NXT, 69_900, 70_000), at_ms)


def crossed() -> Market:
    """The bid of NXT rose to 70,500 at 100 ms."""
    return level().see(quote(NXT, 70_500, 70_600), 100)


def test_age_counts_from_the_event_time_of_the_frame_that_opened_the_cross() -> None:
    market = level().see(quote(NXT, 70_500, 70_600), 100, late_ms=250)
    assert market.at(350) == (250, MovedLast.BID)
    assert market.at(700) == (600, MovedLast.BID)
    assert level().see(quote(KRX, 69_000, 69_100), 100).at(400) == (300, MovedLast.ASK)


def test_frame_that_leaves_the_cross_above_break_even_ends_no_age() -> None:
    market = crossed().see(quote(NXT, 70_400, 70_500), 300).see(quote(KRX, 69_900, 70_000, qty=3), 500)
    assert market.at(600) == (500, MovedLast.BID)


def test_cross_below_break_even_has_no_age() -> None:
    """At 70,100 the bid lies above the ask and pays less than the costs of 161 KRW."""
    market = crossed().see(quote(NXT, 70_100, 70_200), 300)
    assert market.at(300) == (0, MovedLast.UNKNOWN)
    assert market.see(quote(NXT, 70_500, 70_600), 400).at(500) == (100, MovedLast.BID)


def test_late_frame_does_not_open_a_cross_before_the_other_quote_was_there() -> None:
    """The bid is stamped before the ask that it crosses: which one moved last is not known."""
    market = Market().see(quote(NXT, 69_900, 70_000), 0).see(quote(KRX, 69_900, 70_000), 90)
    assert market.see(quote(NXT, 70_500, 70_600), 60, late_ms=40).at(190) == (100, MovedLast.UNKNOWN)


@pytest.mark.parametrize(
    ("venue", "ask_krw", "mover"),
    [(KRX, 69_800, MovedLast.ASK), (NXT, 70_700, MovedLast.BID), (KRX, 70_100, MovedLast.BID)],
    ids=["the ask widens it", "the bid widens it", "the ask follows the bid up"],
)
def test_quote_that_widened_the_cross_last_has_moved_last(
    venue: Venue, ask_krw: int, mover: MovedLast
) -> None:
    assert crossed().see(quote(venue, ask_krw - 100, ask_krw), 300).at(300) == (200, mover)


def test_bid_that_follows_the_ask_down_has_not_moved_last() -> None:
    """The stale side retreats: it leads nothing, and the dearer figures hold on."""
    market = level().see(quote(KRX, 69_000, 69_100), 100).see(quote(NXT, 69_800, 69_900), 300)
    assert market.at(300) == (200, MovedLast.ASK)


def test_quote_that_is_told_again_at_the_same_time_has_not_moved() -> None:
    market = level().see(quote(KRX, 69_900, 70_000), 100).see(quote(NXT, 70_500, 70_600), 100)
    assert market.at(400) == (300, MovedLast.BID)
    both = level().see(quote(KRX, 69_800, 69_900), 100).see(quote(NXT, 70_500, 70_600), 100)
    assert both.at(400) == (300, MovedLast.UNKNOWN)


def test_two_quotes_that_move_at_one_time_leave_the_mover_unknown() -> None:
    market = crossed().see(quote(KRX, 69_700, 69_800), 100)
    assert market.at(400) == (300, MovedLast.UNKNOWN)
    assert market.see(quote(KRX, 69_600, 69_700), 500).at(500) == (400, MovedLast.ASK)


def halt(*, over: bool = False) -> SymbolHaltChanged:
    kind = HaltKind.VOLATILITY_INTERRUPTION
    return SymbolHaltChanged(symbol=SAMSUNG, venue=NXT, kind=kind, halted=not over)


# -- what nobody saw counts from now ---------------------------------------------------------


def test_cross_that_the_first_books_show_counts_from_now() -> None:
    market = Market().see(quote(KRX, 69_900, 70_000), 0).see(quote(NXT, 70_500, 70_600), 0, late_ms=200)
    assert market.at(200) == (0, MovedLast.UNKNOWN)
    assert market.at(500) == (300, MovedLast.UNKNOWN)


def test_reconnected_feed_counts_from_now() -> None:
    market = crossed().hear(world.connection(epoch=2))
    market.see(quote(KRX, 69_900, 70_000, epoch=2), 300)
    assert market.at(300) == (0, MovedLast.UNKNOWN)
    assert market.see(quote(NXT, 70_500, 70_600, epoch=2), 400).at(450) == (50, MovedLast.UNKNOWN)


@pytest.mark.parametrize("venue", Venue)
def test_stale_quote_counts_from_now(venue: Venue) -> None:
    """A sell book may be a second old, a buy book two: what happened meanwhile nobody knows."""
    market, frames = crossed(), {KRX: quote(KRX, 69_900, 70_000), NXT: quote(NXT, 70_500, 70_600)}
    for at_ms in range(500, 2_500, 500):
        market.see(frames[venue.other].model_copy(update={"feed_seq": 10**6 + at_ms}), at_ms)
    assert market.at(2_400) == (0, MovedLast.UNKNOWN), "it is stale, so that nothing stands"
    back = frames[venue].model_copy(update={"feed_seq": 10**6})
    assert market.see(back, 2_400).at(2_500) == (100, MovedLast.UNKNOWN)


def test_gap_between_two_frames_of_one_book_counts_from_now() -> None:
    """Each frame is fresh when it comes; between them the book was stale."""
    market = crossed().see(quote(KRX, 69_900, 70_000), 800).see(quote(NXT, 70_500, 70_600), 1_150)
    assert market.at(1_200) == (50, MovedLast.UNKNOWN)


@pytest.mark.parametrize(
    "stop",
    [
        lambda: halt(),
        lambda: world.feed(NXT, alive=False),
        lambda: world.phase(KRX, SessionPhase.CLOSED),
        lambda: world.connection(ConnectionState.DISCONNECTED),
    ],
    ids=["halt", "dead feed", "closed venue", "no connection"],
)
def test_interruption_of_trading_ends_the_age(stop: Callable[[], Message]) -> None:
    market = crossed().hear(stop())
    assert market.at(300) == (0, MovedLast.UNKNOWN)
    resumed = SymbolHaltChanged(
        symbol=SAMSUNG, venue=NXT, kind=HaltKind.VOLATILITY_INTERRUPTION, halted=False
    )
    market.hear(resumed, world.feed(NXT), world.phase(KRX), world.connection())
    assert market.at(400) == (0, MovedLast.UNKNOWN)
    assert market.see(quote(NXT, 70_500, 70_600), 500).at(600) == (100, MovedLast.UNKNOWN)


def test_frame_that_is_no_book_ends_the_age() -> None:
    market = crossed().see(quote(NXT, 70_600, 70_600), 200).see(quote(NXT, 70_500, 70_600), 300)
    assert market.at(400) == (100, MovedLast.UNKNOWN)
