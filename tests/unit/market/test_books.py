"""What is no book: it replaces the book before it with nothing, and nobody trades on either."""

from collections.abc import Callable
from typing import Any

import pytest

from services.contracts.measures.every import BOOKS_REFUSED
from services.contracts.messages.market_data import BookTrouble, QuoteUpdated
from services.contracts.messages.venue_state import PriceBand
from services.contracts.step import Step, Tick
from services.contracts.terms import Venue
from services.contracts.tick_grid import SHARE_TICKS as TICKS
from services.contracts.tick_grid import TickGrid
from services.detector import counts as detector
from services.detector.state import DetectorState
from services.executor import counts as executor
from services.market.books import (
    BookFault,
    Books,
    fault_of,
    legs_of,
    refusal_counted,
    seen,
    sound,
    with_book,
)
from services.risk import counts as risk
from services.risk.state import RiskState
from tests.unit.detector import world
from tests.unit.detector.world import SAMSUNG, ms, received
from tests.unit.executor.desk import Desk

STATES: dict[str, Callable[[], Any]] = {
    "detector": lambda: DetectorState(group="g1"), "risk": RiskState, "executor": lambda: Desk().state,
}  # fmt: skip
COUNTED: dict[str, Any] = {
    "detector": detector.counted, "risk": risk.counted, "executor": executor.counted,
}  # fmt: skip
Side = tuple[tuple[int, int], ...]
BIDS: Side = ((69_900, 10), (69_800, 10))
ASKS: Side = ((70_000, 10), (70_100, 10))
BAND = PriceBand(base_krw=70_000, lower_krw=49_000, upper_krw=91_000)


def frame(bids: Side, asks: Side, venue: Venue = Venue.KRX, seq: int = 1) -> QuoteUpdated:
    return QuoteUpdated.model_construct(
        symbol=SAMSUNG, venue=venue, bids=bids, asks=asks, exchange_time="090100", connection_epoch=1,
        feed_seq=seq, conflated=0, refused=None,
    )  # fmt: skip


def heard(*frames: QuoteUpdated) -> Books:
    books: Books = {}
    for quote in frames:
        books = with_book(books, seen(received(quote, ms(0), event_ns=ms(0)), quote), TICKS, BAND)
    return books


@pytest.mark.parametrize(
    ("bids", "asks", "trouble"),
    [
        (((70_100, 10),), ASKS, BookTrouble.CROSSED),
        (((70_000, 10),), ASKS, BookTrouble.LOCKED),
        (((69_950, 10),), ASKS, BookTrouble.OFF_TICK),
        (BIDS, (*ASKS, (70_150, 10)), BookTrouble.OFF_TICK),
        (((0, 10),), ASKS, BookTrouble.OFF_TICK),
        (((-69_900, 10),), ASKS, BookTrouble.OFF_TICK),
        (((48_950, 10),), ASKS, BookTrouble.OUTSIDE_BAND),
        (BIDS, (*ASKS, (91_100, 10)), BookTrouble.OUTSIDE_BAND),
        (BIDS[::-1], ASKS, BookTrouble.UNSORTED),
        (BIDS, ASKS[::-1], BookTrouble.UNSORTED),
        ((BIDS[0], BIDS[0]), ASKS, BookTrouble.UNSORTED),
    ],
)
def test_a_frame_that_breaks_a_rule_is_no_book(bids: Side, asks: Side, trouble: BookTrouble) -> None:
    found = sound(frame(bids, asks), TICKS, BAND)
    assert found.refused is not None and found.refused.trouble is trouble
    assert (found.refused.bids, found.refused.asks) == (bids, asks)
    assert found.bids == found.asks == ()
    assert sound(found, TICKS, BAND) is found


@pytest.mark.parametrize("sides", [(BIDS, ASKS), (BIDS, ()), ((), ASKS), ((), ())])
def test_a_book_of_two_sides_one_or_none_is_sound(sides: tuple[Side, Side]) -> None:
    whole = frame(*sides)
    assert sound(whole, TICKS, BAND) is whole


def test_a_level_without_quantity_is_left_out_before_anything_is_compared() -> None:
    found = sound(frame(((71_000, 0), *BIDS), ASKS), TICKS, BAND)
    assert found.refused is None and (found.bids, found.asks) == (BIDS, ASKS)


def test_without_a_band_a_price_of_any_height_is_sound() -> None:
    assert sound(frame(((48_950, 10),), ASKS), TICKS).refused is None


@pytest.mark.parametrize(("bid_krw", "counts"), [(69_900, 0), (70_000, 1)])
def test_each_reader_counts_a_frame_that_it_refuses_once(bid_krw: int, counts: int) -> None:
    quote = frame(((bid_krw, 10),), ASKS)
    event = received(quote, ms(0))
    books = with_book({}, seen(event, quote), TICKS, BAND)
    told = tuple(refusal_counted(books, event))
    assert told == (BOOKS_REFUSED.at(1, Venue.KRX, BookTrouble.LOCKED),) * counts
    assert not tuple(refusal_counted(books, received(quote, ms(1))))
    assert not tuple(refusal_counted(books, Tick(ms(2))))
    for service in STATES:
        state = STATES[service]().but(books=books)
        assert tuple(COUNTED[service](state, event, Step(state))) == told


@pytest.mark.parametrize("venue", Venue)
def test_neither_a_refused_frame_nor_the_book_before_it_is_traded_on(venue: Venue) -> None:
    good = heard(frame(BIDS, ASKS, Venue.KRX), frame(BIDS, ASKS, Venue.NXT))
    refused = frame(((70_100, 10),), ASKS, venue, seq=2)
    books = with_book(good, seen(received(refused, ms(0)), refused), TICKS, BAND)
    for buy_venue in Venue:
        assert fault_of(legs_of(good, SAMSUNG, buy_venue), world.LIMITS, 1, ms(0)) is None
        assert fault_of(legs_of(books, SAMSUNG, buy_venue), world.LIMITS, 1, ms(0)) is BookFault.REFUSED
    back = frame(BIDS, ASKS, venue, seq=3)
    books = with_book(books, seen(received(back, ms(0), event_ns=ms(0)), back), TICKS, BAND)
    assert fault_of(legs_of(books, SAMSUNG, venue), world.LIMITS, 1, ms(0)) is None


def test_a_fund_book_is_sound_on_the_ticks_of_funds_alone() -> None:
    fund = frame(((68_995, 10),), ((69_005, 10),))
    assert sound(fund, TickGrid(bands=((0, 1), (2_000, 5))), BAND) is fund
    refused = sound(fund, TICKS, BAND).refused
    assert refused is not None and refused.trouble is BookTrouble.OFF_TICK
