"""A cross is taken where the rich venue bought; a bid that failed a pair is believed once it has moved."""

import pytest

from services.contracts.messages.alerts import AlertKind, AlertRaised
from services.contracts.terms import Venue
from services.detector.state import DetectorState
from services.runtime.parts import changed_parts, restore
from tests.unit.detector import world
from tests.unit.detector.test_core import Detector, approved, closed, only
from tests.unit.detector.world import ms, quote


def lost(*, qty_left: int = 1) -> Detector:
    """A pair was liquidated at 900 ms; both books stand as they stood when it was spoken of."""
    detector = Detector().morning(world.published(world.reference(world.limits(cooldown_ms=0))))
    (intent,) = detector.see(world.crossing(), 0)
    told = [approved(intent.intent_id, 100), closed(900, residual=qty_left)]
    detector.tell(*world.events(told, ms(900)))
    return detector


def test_a_cross_whose_sale_found_nothing_is_a_ghost_and_not_taken() -> None:
    limits = world.limits(max_cross_ms=1_000, cooldown_ms=0)
    detector = Detector().morning(world.published(world.reference(limits)))
    (intent,) = detector.see(world.crossing(), 0)
    detector.tell(*world.events([approved(intent.intent_id, 100), closed(900, residual=1)], ms(900)))
    (alert,) = only(detector.tell(world.tick(ms(1_100))), AlertRaised)
    assert isinstance(alert, AlertRaised) and alert.kind is AlertKind.SPREAD_ANOMALY


@pytest.mark.parametrize(
    "told",
    [
        [(Venue.KRX, 69_900, 70_000, 10), (Venue.NXT, 70_500, 70_600, 10)],
        [(Venue.KRX, 69_800, 69_900, 10)],
        [(Venue.NXT, 70_500, 70_700, 20)],
        [(Venue.KRX, 69_900, 70_500, 10), (Venue.KRX, 69_900, 70_000, 10)],
        [(Venue.NXT, 70_500, 70_400, 10), (Venue.NXT, 70_500, 70_600, 10)],
    ],
    ids=["the same", "the ask moves", "the size moves", "the cross ends and comes back", "a refused frame"],
)
def test_a_bid_that_failed_a_pair_is_not_believed_again_until_it_moves(
    told: list[tuple[Venue, int, int, int]],
) -> None:
    detector = lost()
    for at_ms, (venue, bid_krw, ask_krw, qty) in enumerate(told, start=1_000):
        assert detector.see([quote(venue, bid_krw, ask_krw, qty=qty)], at_ms) == []
    assert detector.see(world.crossing(), 20_000) == []
    assert detector.see([quote(Venue.NXT, 70_600, 70_700)], 20_100) != []


def test_a_bid_that_left_and_came_back_is_believed() -> None:
    detector = lost()
    assert detector.see([quote(Venue.NXT, 69_900, 70_000)], 1_000) == []
    assert detector.see(world.crossing(), 1_100) != []


def test_a_new_connection_shows_other_books_than_those_that_failed() -> None:
    detector = lost()
    assert detector.see(world.crossing(epoch=2), 1_100) != []


def test_a_ghost_in_one_direction_bars_nothing_in_the_other() -> None:
    detector = lost()
    other_way = (quote(Venue.NXT, 69_900, 70_000), quote(Venue.KRX, 70_500, 70_600))
    assert detector.see(other_way, 1_000) != []


def test_a_ghost_is_still_barred_after_a_restart() -> None:
    detector = lost()
    reborn = Detector()
    reborn.state = restore(DetectorState(group="g1"), changed_parts(None, detector.state))
    assert reborn.see(world.crossing(), 1_000) == []
    assert reborn.see([quote(Venue.NXT, 70_600, 70_700)], 1_100) != []


def test_a_close_that_is_read_before_any_book_bars_the_first_bid_that_is_seen() -> None:
    detector = Detector().morning(world.published(world.reference(world.limits(cooldown_ms=0))))
    detector.tell(*world.events([approved("i1", 0), closed(900, residual=1)], ms(900)))
    assert detector.see(world.crossing(), 1_000) == []
    assert detector.see([quote(Venue.NXT, 70_600, 70_700)], 1_100) != []


def test_what_was_taken_in_one_direction_makes_no_cross_of_the_other_new() -> None:
    """A pair that sold on NXT says nothing of a bid on KRX that stands there untouched."""
    limits = world.limits(max_cross_ms=1_000, cooldown_ms=0)
    detector = Detector().morning(world.published(world.reference(limits)))
    detector.tell(*world.events([approved("i1", 0)], ms(0)))
    other_way = (quote(Venue.NXT, 69_900, 70_000), quote(Venue.KRX, 70_500, 70_600))
    detector.see(other_way, 10)
    detector.tell(*world.events([closed(900)], ms(900)))
    (alert,) = only(detector.tell(world.tick(ms(1_100))), AlertRaised)
    assert isinstance(alert, AlertRaised) and alert.kind is AlertKind.SPREAD_ANOMALY
