"""Old entries that are not read yet: time alone proves nothing."""

import pytest

from .desk import Desk


@pytest.fixture
def desk() -> Desk:
    return Desk().open_day()


def test_with_old_entries_unread_no_order_is_timed_out(desk: Desk) -> None:
    """Its acceptance may stand among them."""
    desk.approve()
    given = len(desk.orders)
    desk.tick(20_000, behind=True)
    assert len(desk.orders) == given
    desk.accept(desk.orders[0])
    desk.tick(1_000)
    assert len(desk.orders) == given, "it did"


def test_a_start_decides_nothing_before_what_is_old_was_read(desk: Desk) -> None:
    desk.approve()
    desk.state = desk.state.but(caught_up=False)
    desk.tick(200, behind=True)
    assert not desk.state.caught_up
    desk.tick(100)
    assert desk.state.caught_up
