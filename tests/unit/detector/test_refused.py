"""A book that has been none for seconds is told, once, and when it is over; entries wait meanwhile."""

from collections.abc import Callable

import pytest

from services.contracts.alert_codes import AlertCode
from services.contracts.envelope import Message
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.intents import CrossEnded
from services.contracts.messages.venue_state import HaltKind, SymbolHaltChanged
from services.contracts.terms import SessionPhase, Venue
from services.detector.state import DetectorState
from services.runtime.parts import changed_parts, restore
from tests.unit.detector import world
from tests.unit.detector.test_core import Detector, only
from tests.unit.detector.world import SAMSUNG, ms, quote


def refusing(venue: Venue = Venue.NXT) -> Detector:
    """A cross that is open, until the book of one venue locks at 1 s."""
    detector = Detector().morning()
    assert detector.see(world.crossing(), 0) != []
    assert detector.see([locked(venue)], 1_000) == []
    detector.tell(world.tick(ms(1_000)))
    return detector


def locked(venue: Venue = Venue.NXT) -> world.QuoteUpdated:
    return quote(venue, 70_500, 70_500)


def told(messages: list[Message]) -> list[bool]:
    """For each alert of a refused book, whether it says that it is over."""
    alerts = [message for message in messages if isinstance(message, AlertRaised)]
    return [alert.resolved for alert in alerts if alert.code == AlertCode.BOOK_REFUSED]


@pytest.mark.parametrize("venue", Venue)
def test_a_book_locked_in_itself_ends_the_cross_and_is_told_after_five_seconds(venue: Venue) -> None:
    detector = refusing(venue)
    assert len(only(detector.said, CrossEnded)) == 1
    assert told(detector.tell(world.tick(ms(5_999)))) == []
    detector.see([locked(venue)], 6_000)
    assert told(detector.tell(world.tick(ms(6_000)))) == [False]
    assert told(detector.tell(world.tick(ms(9_000)))) == []
    assert detector.see(world.crossing(), 9_100) != []
    assert told(detector.tell(world.tick(ms(9_200)))) == [True]


def test_a_book_that_comes_back_in_time_is_not_told() -> None:
    detector = refusing()
    detector.see(world.crossing(), 5_000)
    assert told(detector.tell(world.tick(ms(5_100)))) == []
    detector.see([locked()], 5_200)
    assert told(detector.tell(world.tick(ms(6_500)))) == []


def _vi(venue: Venue, *, halted: bool) -> Message:
    kind = HaltKind.VOLATILITY_INTERRUPTION
    return SymbolHaltChanged(symbol=SAMSUNG, venue=venue, kind=kind, halted=halted)


@pytest.mark.parametrize(
    "known",
    [
        lambda: _vi(Venue.NXT, halted=True),
        lambda: world.phase(Venue.NXT, SessionPhase.CLOSING_AUCTION),
        lambda: world.published(world.reference(symbols=world.SYMBOLS[1:])),
    ],
    ids=["a VI", "an auction of the timetable", "no longer ours"],
)
def test_an_auction_that_was_announced_is_nobodys_news(known: Callable[[], Message]) -> None:
    detector = refusing()
    detector.tell(*world.events([known()], ms(2_000)))
    assert told(detector.tell(world.tick(ms(9_000)))) == []
    late = refusing()
    assert told(late.tell(world.tick(ms(6_000)))) == [False]
    late.tell(*world.events([known()], ms(6_100)))
    assert told(late.tell(world.tick(ms(6_200)))) == [True]


def test_the_time_of_an_announced_auction_does_not_count() -> None:
    detector = refusing()
    detector.tell(*world.events([_vi(Venue.NXT, halted=True)], ms(2_000)))
    detector.tell(world.tick(ms(60_000)))
    detector.tell(*world.events([_vi(Venue.NXT, halted=False)], ms(61_000)))
    detector.tell(world.tick(ms(61_000)))
    assert told(detector.tell(world.tick(ms(65_999)))) == []
    assert told(detector.tell(world.tick(ms(66_000)))) == [False]


def test_a_detector_that_was_restarted_meanwhile_tells_the_end() -> None:
    detector = refusing()
    detector.tell(world.tick(ms(6_000)))
    reborn = Detector()
    reborn.state = restore(DetectorState(group="g1"), changed_parts(None, detector.state))
    assert told(reborn.tell(world.tick(ms(7_000)))) == []
    reborn.see([locked()], 7_100)
    assert told(reborn.tell(world.tick(ms(7_200)))) == []
    reborn.see(world.crossing(), 7_300)
    assert told(reborn.tell(world.tick(ms(7_400)))) == [True]
