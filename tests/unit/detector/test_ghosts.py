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


def test_a_bid_that_left_and_came_back_is_believed_later() -> None:
    detector = lost()
    assert detector.see([quote(Venue.NXT, 69_900, 70_000)], 1_000) == []
    assert detector.see(world.crossing(), 10_800) == []
    assert detector.see(world.crossing(), 10_900) != []


def test_a_new_connection_shows_other_books_than_those_that_failed() -> None:
    detector = lost()
    assert detector.see(world.crossing(epoch=2), 10_900) != []


def test_a_ghost_in_one_direction_bars_nothing_in_the_other() -> None:
    detector = lost()
    other_way = (quote(Venue.NXT, 69_900, 70_000), quote(Venue.KRX, 70_500, 70_600))
    assert detector.see(other_way, 1_000) != []


def test_a_ghost_is_still_barred_after_a_restart() -> None:
    detector = lost()
    reborn = Detector()
    reborn.state = restore(DetectorState(group="g1"), changed_parts(None, detector.state))
    assert reborn.see(world.crossing(), 20_000) == []
    assert reborn.see([quote(Venue.NXT, 70_600, 70_700)], 20_100) != []


def test_a_close_that_is_read_before_any_book_bars_the_first_bid_that_is_seen() -> None:
    detector = Detector().morning(world.published(world.reference(world.limits(cooldown_ms=0))))
    detector.tell(*world.events([approved("i1", 0), closed(900, residual=1)], ms(900)))
    assert detector.see(world.crossing(), 20_000) == []
    assert detector.see([quote(Venue.NXT, 70_600, 70_700)], 20_100) != []


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


FLICKERS = {"down a tick": 70_400, "up a tick": 70_600, "away": 69_900}
STEP_MS = 500


def traded_and_lost(detector: Detector, seconds: int, bid_krw: int = 70_400) -> list[int]:
    """When (ms) pairs were lost, while the bid is another for a moment again and again."""
    spoken: list[int] = []
    for now_ms in range(0, seconds * 1_000, STEP_MS):
        said = detector.see(world.crossing(), now_ms)
        if said:
            spoken.append(now_ms)
            told = [approved(said[0].intent_id, now_ms), closed(now_ms, residual=1)]
            detector.tell(*world.events(told, ms(now_ms)))
        detector.see([quote(Venue.NXT, bid_krw, bid_krw + 100)], now_ms + STEP_MS // 2)
    return spoken


@pytest.mark.parametrize("bid_krw", FLICKERS.values(), ids=FLICKERS.keys())
def test_each_loss_on_a_bid_that_flickers_bars_it_for_twice_as_long(bid_krw: int) -> None:
    limits = world.limits(cooldown_ms=0, max_cross_ms=3_600_000)
    detector = Detector().morning(world.published(world.reference(limits)))
    spoken = traded_and_lost(detector, 160, bid_krw)
    assert [at_ms // 10_000 for at_ms in spoken] == [0, 1, 3, 7, 15]


def test_a_bar_and_the_losses_of_the_day_outlast_a_restart() -> None:
    detector = Detector().morning(world.published(world.reference(world.limits(cooldown_ms=0))))
    assert traded_and_lost(detector, 20) == [0, 10_000]
    reborn = Detector()
    reborn.state = restore(DetectorState(group="g1"), changed_parts(None, detector.state))
    reborn.see([quote(Venue.NXT, 70_400, 70_500)], 29_500)
    assert reborn.see(world.crossing(), 29_900) == []
    assert reborn.see(world.crossing(), 30_000) != []


def test_a_pair_that_sold_there_ends_the_count_of_losses() -> None:
    detector = Detector().morning(world.published(world.reference(world.limits(cooldown_ms=0))))
    assert traded_and_lost(detector, 20) == [0, 10_000]
    (intent,) = detector.see(world.crossing(), 30_000)
    detector.tell(*world.events([approved(intent.intent_id, 30_000), closed(30_500)], ms(30_500)))
    (intent,) = detector.see(world.crossing(), 31_000)
    told = [approved(intent.intent_id, 31_000), closed(31_500, residual=1)]
    detector.tell(*world.events(told, ms(31_500)))
    detector.see([quote(Venue.NXT, 70_400, 70_500)], 32_000)
    assert detector.see(world.crossing(), 41_400) == []
    assert detector.see(world.crossing(), 41_500) != []


def test_the_third_loss_of_a_day_on_a_flickering_bid_is_told_once() -> None:
    """Three pairs were lost within 40 s, and nobody heard of it."""
    limits = world.limits(cooldown_ms=0, max_cross_ms=3_600_000)
    detector = Detector().morning(world.published(world.reference(limits)))
    assert traded_and_lost(detector, 40) == [0, 10_000, 30_000]
    told = [alert for alert in detector.said if isinstance(alert, AlertRaised)]
    assert [(alert.code, alert.facts["count"], alert.facts["limit"]) for alert in told] == [
        ("bid_fails", 3, 40_000)
    ]
