"""What a detector shows and counts: spreads with their sign, crosses, intents."""

from services.contracts.measures import detector as m
from services.contracts.measures.every import ORDER_PATH
from services.contracts.messages.market_data import QuoteUpdated
from services.contracts.terms import MovedLast, Venue
from services.detector.core import decide
from services.detector.counts import counted
from services.detector.gauges import readings
from services.detector.state import DetectorState
from tests.support.figures import Figures
from tests.unit.detector import world
from tests.unit.detector.world import HYNIX, SAMSUNG, T0, ms, quote


class Desk:
    """A core with its figures counted as the loop does."""

    def __init__(self) -> None:
        self.state = DetectorState(group="g1")
        self.counted = Figures("detector")
        for event in world.events([world.published(world.reference()), *world.morning()], T0):
            self.state = decide(self.state, event).state

    def see(self, *quotes: QuoteUpdated, at_ms: int, event_ms: int | None = None) -> None:
        for book in quotes:
            event = world.received(book, ms(at_ms), event_ns=None if event_ms is None else ms(event_ms))
            before, step = self.state, decide(self.state, event)
            self.counted.take(counted(before, event, step))
            self.state = step.state

    def shown(self, at_ms: int) -> Figures:
        return Figures("detector").take(readings(self.state, ms(at_ms)))


def test_a_detector_that_knows_nothing_shows_no_spread() -> None:
    shown = Figures("detector").take(readings(DetectorState(group="g1"), T0))
    assert shown.of(m.SYMBOLS) == 0
    assert not shown.labels(m.NET_EDGE)


def test_a_cross_has_a_positive_edge_and_its_age() -> None:
    desk = Desk()
    desk.see(*world.crossing(), at_ms=10)
    shown = desk.shown(510)
    assert shown.of(m.NET_EDGE, SAMSUNG) > 0
    assert shown.of(m.SPREAD_AGE, SAMSUNG) == 0.5
    assert (shown.of(m.SYMBOLS), shown.of(m.QUOTED)) == (2, 1)
    assert shown.of(m.CROSSES_OPEN) == 1
    assert shown.of(m.QUOTES_HANDLED) == 2


def test_books_that_agree_have_a_negative_edge_about_the_cost_of_a_round_trip() -> None:
    desk = Desk()
    desk.see(*(quote(venue, 70_000, 70_100, symbol=HYNIX) for venue in Venue), at_ms=10)
    assert -50 < desk.shown(10).of(m.NET_EDGE, HYNIX) < -20


def test_an_intent_is_counted_with_its_way_from_the_newer_quote() -> None:
    desk = Desk()
    krx, nxt = world.crossing()
    desk.see(krx, at_ms=0)
    desk.see(nxt, at_ms=30, event_ms=10)
    assert desk.counted.of(m.INTENTS, SAMSUNG) == 1
    assert desk.counted.each(ORDER_PATH, "intent") == [0.02]


def test_a_cross_that_ended_is_counted_with_how_long_and_how_much() -> None:
    desk = Desk()
    desk.see(*world.crossing(), at_ms=0)
    desk.see(quote(Venue.NXT, 69_900, 70_000), at_ms=1_500)
    assert desk.counted.of(m.CROSSES, SAMSUNG, Venue.KRX) == 1
    assert desk.counted.each(m.CROSS_DURATION, MovedLast.UNKNOWN) == [1.5]
    assert desk.counted.of(m.CROSS_PEAK) > 0
    assert desk.counted.of(m.CROSS_SIZE) > 0
    assert desk.shown(1_500).of(m.CROSSES_OPEN) == 0


def test_books_that_were_never_looked_at_are_counted() -> None:
    desk = Desk()
    desk.see(quote(Venue.KRX, 69_900, 70_000, seq=10_001), at_ms=0)
    desk.see(quote(Venue.KRX, 69_900, 70_000, seq=10_005, conflated=1), at_ms=1)
    assert desk.shown(1).of(m.QUOTES_MISSED) == 2
