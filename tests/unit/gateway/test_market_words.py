"""What the broker's words about the market's status do to the phases of the day."""

from typing import Any

import pytest

from services.contracts.alert_codes import AlertCode
from services.contracts.messages.alerts import AlertRaised
from services.contracts.terms import Venue
from services.gateway.facts import Clocked, SessionSignalled

from .desk import Desk, S, at, fresh, ready


class TestShutByAWord:
    """A value of the market's status that came late, twice or not at all shuts no venue for the day."""

    def desk(self, *words: tuple[int, int, int, str]) -> Desk:
        desk = ready(fresh(now_ns=at(8, 49)))
        for hour, minute, second, value in words:
            desk.now_ns = at(hour, minute, second)
            desk.feed(SessionSignalled(value))
            desk.run(0.3)
        return desk

    def told(self, desk: Desk) -> list[bool]:
        found = [m for m in desk.told(AlertRaised) if m.code == AlertCode.VENUE_SHUT]
        return [bool(m.resolved) for m in found]

    @pytest.mark.parametrize(
        "words",
        [
            [(9, 0, 0, "3"), (9, 0, 2, "0"), (9, 0, 30, "R")],
            [(9, 0, 0, "3"), (9, 0, 30, "R"), (9, 0, 31, "Q")],
            [(9, 0, 0, "3"), (9, 0, 30, "R"), (11, 0, 0, "0"), (11, 0, 1, "P")],
        ],
        ids=["0 after 3", "Q after R", "long after"],
    )
    def test_one_that_belongs_before_the_last_changes_nothing(self, words: list[Any]) -> None:
        desk = self.desk(*words)
        desk.now_ns = max(desk.now_ns, at(9, 2))
        desk.run(2)
        assert set(desk.state.session.continuous) == set(Venue)
        assert desk.state.session.window.open

    def test_a_word_that_is_lost_is_told_and_the_moving_book_opens_its_venue(self) -> None:
        desk = self.desk((8, 50, 0, "Q"), (9, 0, 0, "3"))
        desk.now_ns = at(9, 0, 31)
        desk.run(50)
        assert (self.told(desk), Venue.NXT in desk.state.session.continuous) == ([], False)
        desk.run(20)
        assert (self.told(desk), Venue.NXT in desk.state.session.continuous) == ([False], False)
        for _ in range(300):
            desk.lease()
            desk.tick(1)
        assert (self.told(desk), Venue.NXT in desk.state.session.continuous) == ([False, True], True)

    def test_a_venue_whose_books_stand_still_stays_shut(self) -> None:
        desk = self.desk((8, 50, 0, "Q"), (9, 0, 0, "3"))
        for second in range(0, 3600, 10):
            desk.now_ns = at(9, 1) + second * S
            desk.feed(Clocked(last_book_ns={Venue.KRX: desk.now_ns}))
        assert Venue.NXT not in desk.state.session.continuous
        assert self.told(desk) == [False]

    def test_a_word_that_shuts_again_is_believed(self) -> None:
        desk = self.desk((9, 0, 0, "3"), (9, 0, 30, "R"), (15, 18, 0, "S"))
        assert Venue.NXT not in desk.state.session.continuous
