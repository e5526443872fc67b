"""A feed that stays away is told: fallen silent, not back after a pause, or never come."""

import pytest

from services.contracts.alert_codes import AlertCode
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.venue_state import HaltKind
from services.contracts.terms import Symbol, Venue
from services.gateway.effects import Register
from services.gateway.facts import Clocked, Connected
from services.gateway.feed_liveness import UNHEARD_NS

from .desk import SYMBOL, Desk, S, at, fresh, log_in, ready


def rung(desk: Desk) -> list[tuple[str, bool]]:
    """Each alert of a feed, and whether it says that it is over."""
    told = [m for m in desk.told(AlertRaised) if m.code == AlertCode.FEED_SILENT]
    return [(m.alert_id, m.resolved) for m in told]


def of_nxt(desk: Desk) -> list[tuple[str, bool]]:
    return [told for told in rung(desk) if told[0].endswith("NXT")]


def pass_time(desk: Desk, seconds: float, *moving: Venue) -> None:
    """Let time pass with books of `moving` alone."""
    last = {} if desk.now_ns == 0 else dict(getattr(desk, "last", {}))
    for _ in range(int(seconds * 5)):
        desk.now_ns += S // 5
        desk.lease()
        last.update(dict.fromkeys(moving, desk.now_ns))
        desk.feed(Clocked(last_book_ns=last))
    desk.last = last  # type: ignore[attr-defined]


@pytest.fixture
def before_open() -> Desk:
    desk = ready(fresh(now_ns=at(8, 58)))
    pass_time(desk, 5)
    desk.said.clear()
    return desk


def test_a_feed_that_does_not_come_back_after_a_pause_rings_once(before_open: Desk) -> None:
    desk = before_open
    pass_time(desk, at(9, 0, 29) // S - desk.now_ns // S, Venue.KRX)
    assert of_nxt(desk) == []
    pass_time(desk, 40, Venue.KRX)
    pass_time(desk, 120, Venue.KRX)
    assert of_nxt(desk) == [("gateway-feed-NXT", False)]
    pass_time(desk, 1, *Venue)
    assert of_nxt(desk) == [("gateway-feed-NXT", False), ("gateway-feed-NXT", True)]


def test_a_feed_that_never_came_rings_in_a_session_that_is_ready() -> None:
    plain = fresh()
    desk = ready(Desk(plain.state, plain.now_ns))
    desk.said.clear()
    desk.state = desk.state.but(rhythm=type(desk.state.rhythm)())
    pass_time(desk, 29, Venue.NXT)
    assert rung(desk)[1:] == []
    pass_time(desk, 3, Venue.NXT)
    assert ("gateway-feed-KRX", False) in rung(desk)


def test_a_venue_that_is_paused_or_a_lost_connection_rings_nothing(before_open: Desk) -> None:
    pass_time(before_open, 60)
    assert rung(before_open) == []
    lost = ready(fresh(reconnect="in_process"))
    pass_time(lost, 2, *Venue)
    lost.said.clear()
    lost.feed(Connected(-106))
    lost.broker.answers = False
    pass_time(lost, 90)
    assert rung(lost) == []


def test_a_new_connection_has_its_time_for_the_first_book() -> None:
    desk = log_in(ready(fresh()))
    desk.said.clear()
    pass_time(desk, 3, *Venue)
    pass_time(desk, 8, Venue.KRX)
    assert rung(desk) == [("gateway-feed-NXT", False)], "one that moved rings after the usual silence"


SILENT = (SYMBOL, Venue.NXT)
"""The one book of which no frame comes."""


def hear_all_but(desk: Desk, seconds: float, silent: tuple[Symbol, Venue] | None) -> None:
    """Let time pass in which every registered book but one moves."""
    for _ in range(int(seconds * 2)):
        desk.now_ns += S // 2
        desk.lease()
        books = [(entry.krx_code, venue) for entry in desk.state.reference.symbols for venue in Venue]  # type: ignore[union-attr]
        heard = {book: desk.now_ns for book in books if book != silent}
        desk.feed(Clocked(last_book_ns=dict.fromkeys(Venue, desk.now_ns), heard_ns=heard))


def added(desk: Desk) -> list[tuple[str, ...]]:
    return [effect.codes for effect in desk.effects if isinstance(effect, Register) and effect.adds]


def silent_books(desk: Desk) -> list[tuple[str, bool]]:
    told = [m for m in desk.told(AlertRaised) if m.code == AlertCode.BOOKS_SILENT]
    return [(m.alert_id, m.resolved) for m in told if m.facts["codes"] or not m.resolved]


def test_a_code_without_a_frame_is_registered_again_ever_less_often() -> None:
    desk = ready(fresh())
    hear_all_but(desk, 4, SILENT)
    assert added(desk) == []
    hear_all_but(desk, 4, SILENT)
    assert added(desk) == [(f"{SYMBOL}_NX",)]
    hear_all_but(desk, 60, SILENT)
    assert 3 <= len(added(desk)) <= 5
    hear_all_but(desk, 30, None)
    before = len(added(desk))
    hear_all_but(desk, 30, None)
    assert len(added(desk)) == before


def test_a_code_that_stays_silent_is_told_once_and_when_it_is_heard() -> None:
    desk = ready(fresh())
    hear_all_but(desk, UNHEARD_NS // S - 5, SILENT)
    assert silent_books(desk) == []
    hear_all_but(desk, 60, SILENT)
    assert silent_books(desk) == [("gateway-books-NXT", False)]
    hear_all_but(desk, 2, None)
    over = [m for m in desk.told(AlertRaised) if m.code == AlertCode.BOOKS_SILENT][-1]
    assert over.alert_id == "gateway-books-NXT" and over.resolved


def test_a_book_that_is_halted_may_be_silent() -> None:
    desk = ready(fresh())
    halts, _ = desk.state.halts.set(*SILENT, HaltKind.VOLATILITY_INTERRUPTION, True, "test")
    desk.state = desk.state.but(halts=halts)
    hear_all_but(desk, 90, SILENT)
    assert added(desk) == [] and silent_books(desk) == []
