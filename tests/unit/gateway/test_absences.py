"""An order that no query shows never arrived only where two looks say so, apart, and none came too early."""

import pytest

from services.contracts.messages.orders import OrderResolved, Resolution
from services.contracts.terms import Venue
from services.gateway.effects import Query

from .desk import Desk, S
from .test_order_truth import NO, row, sent


def looks(desk: Desk) -> int:
    """How often the broker was asked for all orders."""
    return sum(isinstance(effect, Query) and effect.trcode == "OPT10075" for effect in desk.effects)


def found(desk: Desk, order_id: str = "P1.1.b.1") -> list[Resolution]:
    return [m.resolution for m in desk.told(OrderResolved) if m.facts.order_id == order_id]


@pytest.fixture
def unknown(desk: Desk) -> Desk:
    """An order of which nobody knows whether it left."""
    desk.send_code = -307
    sent(desk)
    return desk


def test_a_look_while_it_may_still_be_on_its_way_is_none(unknown: Desk) -> None:
    sent_ns = unknown.now_ns
    unknown.tick(0.1)
    assert looks(unknown) > 0, "the first look comes at once"
    seen = looks(unknown)
    while looks(unknown) < seen + 1:
        unknown.tick(0.1)
    assert unknown.now_ns - sent_ns >= 2 * S, "the second is the first that counts"
    assert found(unknown) == []
    unknown.broker.rows = [row(unknown.sends[0], NO, cum=10, amount=1_995_000, remaining=0)]
    unknown.run(8)
    assert found(unknown) == [Resolution.FOUND]


def test_two_looks_close_together_are_one(unknown: Desk) -> None:
    """Another order in question has the broker asked at once, in the moment in which the first arrives."""
    unknown.run(2.5)
    record = unknown.state.orders.get("P1.1.b.1")
    assert record is not None and record.absences == 1
    seen = looks(unknown)
    sent(unknown, order_id="P2.1.b.1", pair_id="P2", venue=Venue.NXT)
    unknown.run(0.5)
    assert looks(unknown) > seen, "it was looked for again"
    assert found(unknown) == []
    unknown.broker.rows = [row(unknown.sends[0], NO, cum=10, amount=1_995_000, remaining=0)]
    unknown.run(8)
    assert found(unknown) == [Resolution.FOUND]
