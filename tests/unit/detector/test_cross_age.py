"""An intent is spoken of a cross that has stood long enough, also where no new quote comes."""

from decimal import Decimal

import pytest

from services.contracts.in_force import Reference
from services.contracts.measures import detector as m
from services.contracts.messages.intents import CrossEnded, TradeIntent
from services.contracts.terms import MovedLast, Venue
from services.contracts.threshold import MissFigures, ThresholdTable
from services.detector.core import decide
from services.detector.counts import counted
from services.detector.state import DetectorState
from services.runtime.parts import changed_parts, restore
from tests.support.figures import Figures
from tests.unit.detector import world
from tests.unit.detector.test_core import Detector, intents, only
from tests.unit.detector.world import SAMSUNG, ms, quote, received


def in_force(min_cross_ms: int = 300, *, ask: str = "0", bid: str = "0") -> Reference:
    """Rows of 100 bps a miss: `ask` and `bid` are the rates by the quote that moved last."""
    sides = {
        f"{side}_moved_last": MissFigures(miss_rate=Decimal(rate), loss_bps=Decimal(100))
        for side, rate in (("ask", ask), ("bid", bid))
    }
    row = world.AT_ONCE.default.model_copy(update={"min_cross_ms": min_cross_ms, **sides})
    return world.reference(threshold=ThresholdTable(default=row))


def level(reference: Reference) -> Detector:
    """Both books are known at 0 ms and do not cross."""
    detector = Detector().morning(world.published(reference))
    detector.see([quote(venue, 69_900, 70_000) for venue in Venue], 0)
    return detector


def rise(detector: Detector, at_ms: int, event_ms: int | None = None) -> list[TradeIntent]:
    """The bid of NXT rises to 70,500: the cross earns 48 bps."""
    event_ns = None if event_ms is None else ms(event_ms)
    return intents(detector.tell(received(quote(Venue.NXT, 70_500, 70_600), ms(at_ms), event_ns=event_ns)))


def ticks(detector: Detector, first_ms: int, last_ms: int) -> list[TradeIntent]:
    return intents(detector.tell(*(world.tick(ms(at)) for at in range(first_ms, last_ms + 1, 100))))


def test_intent_is_spoken_at_the_tick_at_which_the_cross_is_old_enough() -> None:
    detector = level(in_force())
    assert rise(detector, 100) == []
    assert ticks(detector, 200, 300) == []
    (intent,) = ticks(detector, 400, 600)
    assert (intent.cross_age_ms, intent.moved_last) == (300, MovedLast.BID)
    assert intent.decided_at_ns == ms(400)


def test_age_counts_from_the_frame_and_not_from_when_it_was_read() -> None:
    detector = level(in_force())
    rise(detector, 350, event_ms=100)
    (intent,) = ticks(detector, 400, 400)
    assert intent.cross_age_ms == 300


def test_frame_that_is_read_late_proves_no_age_by_itself() -> None:
    """What ended the cross meanwhile may be the next entry: only the time of its frames counts."""
    detector = level(in_force())
    assert rise(detector, 900, event_ms=100) == []
    fallen = received(quote(Venue.NXT, 69_900, 70_000), ms(900), event_ns=ms(200))
    assert intents(detector.tell(fallen)) == [] and ticks(detector, 1_000, 1_300) == []


def test_interrupted_cross_begins_anew() -> None:
    detector = level(in_force())
    rise(detector, 100)
    detector.see([quote(Venue.NXT, 70_100, 70_200)], 300)
    assert rise(detector, 350) == [] and ticks(detector, 400, 600) == []
    (intent,) = ticks(detector, 700, 700)
    assert intent.cross_age_ms == 350


def test_age_is_not_stored_so_that_a_restart_counts_from_now() -> None:
    detector = level(in_force())
    rise(detector, 100)
    detector.state = restore(DetectorState(group="g1"), changed_parts(None, detector.state))
    assert not detector.state.crossed and detector.state.crosses
    detector.see([quote(Venue.KRX, 69_900, 70_000), quote(Venue.NXT, 70_500, 70_600)], 500)
    assert ticks(detector, 600, 700) == []
    (intent,) = ticks(detector, 800, 800)
    assert (intent.cross_age_ms, intent.moved_last) == (300, MovedLast.UNKNOWN)


@pytest.mark.parametrize(
    ("rates", "speaks"),
    [({"ask": "0.9"}, True), ({"bid": "0.9"}, False), ({"ask": "0.4", "bid": "0.4"}, True)],
)
def test_side_that_moved_last_decides_the_threshold(rates: dict[str, str], speaks: bool) -> None:
    detector = level(in_force(0, **rates))
    assert bool(rise(detector, 100)) is speaks


def test_mover_that_nobody_saw_has_the_dearer_threshold() -> None:
    for rates in ({"ask": "0.9"}, {"bid": "0.9"}):
        detector = Detector().morning(world.published(in_force(0, **rates)))
        assert detector.see(world.crossing(), 0) == []


def test_cross_that_ends_too_young_is_told_and_counted() -> None:
    detector, figures = level(in_force()), Figures("detector")
    rise(detector, 100)
    before, event = detector.state, received(quote(Venue.NXT, 69_900, 70_000), ms(300))
    figures.take(counted(before, event, decide(before, event)))
    (ended,) = only(detector.tell(event), CrossEnded)
    assert isinstance(ended, CrossEnded)
    assert (ended.too_young, ended.moved_last, ended.duration_ms) == (True, MovedLast.BID, 200)
    assert figures.of(m.CROSSES_TOO_YOUNG, MovedLast.BID) == 1
    assert figures.each(m.CROSS_DURATION, MovedLast.BID) == [0.2]


def test_cross_that_was_spoken_of_did_not_end_too_young() -> None:
    detector = level(in_force())
    rise(detector, 100)
    (intent,) = ticks(detector, 200, 400)
    assert intent.symbol == SAMSUNG
    (ended,) = only(detector.tell(*world.events([quote(Venue.NXT, 69_900, 70_000)], ms(500))), CrossEnded)
    assert isinstance(ended, CrossEnded) and not ended.too_young
