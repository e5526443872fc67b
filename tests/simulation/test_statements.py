"""What judges every statement of a day, against statements that are false."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.contracts.envelope import Envelope, Message
from services.contracts.messages.orders import (
    OrderClosed,
    OrderFacts,
    OrderFilled,
    OrderResolved,
    Resolution,
)
from services.contracts.messages.pairs import PairClosed
from services.contracts.streams import ORDERS, PAIRS
from services.contracts.terms import Side
from services.risk.core import SERVICE as RISK
from services.simulator.orders import Action, Order
from services.simulator.virtual.bus import VirtualBus
from services.simulator.virtual.day import VirtualDay
from services.simulator.virtual.desk import build_desk
from services.simulator.virtual.faults import CALM
from services.simulator.virtual.process import VirtualProcess
from services.simulator.virtual.statements import Statements


@pytest.fixture(scope="module")
def day() -> VirtualDay:
    day = VirtualDay(build_desk(Path(__file__).resolve().parents[2] / "config"), 1, CALM)
    day.run()
    return day


def orders(day: VirtualDay, side: Side = Side.BUY) -> list[Order]:
    """Our orders of a side that filled."""
    return [
        order
        for order in day.world.broker.orders.values()
        if order.action is Action.NEW and order.side is side and order.fills and not order.request.by_hand
    ]


def facts_of(day: VirtualDay, order: Order) -> OrderFacts:
    record = day.gateway.state.orders.get(order.request.rqname)
    assert record is not None
    return record.facts


def told(message: Message, order: Order | None) -> list[str]:
    """What is found untrue in one message, where the broker has that order."""
    found = Statements(VirtualBus())
    if order is not None:
        found.arrived(order)
    found.said(wrapped(message), 1)
    return found.untrue


def wrapped(message: Message) -> Envelope:
    return Envelope.wrap(message, source="gateway", now_ns=1, causation_id="x")


def filled(facts: OrderFacts, **changes: Any) -> OrderFilled:
    return OrderFilled(facts=facts.model_copy(update=changes), last_qty_shares=1, last_amount_krw=1)


def test_what_is_so_is_not_found(day: VirtualDay) -> None:
    for side in Side:
        order = orders(day, side)[0]
        assert told(filled(facts_of(day, order)), order) == []


@pytest.mark.parametrize("field", ["cum_qty_shares", "cum_amount_krw", "commission_krw", "tax_krw"])
def test_one_more_than_the_broker_has_is_found(day: VirtualDay, field: str) -> None:
    order = orders(day, Side.SELL)[0]
    facts = facts_of(day, order)
    assert told(filled(facts, **{field: getattr(facts, field) + 1}), order)


def test_fills_of_an_order_that_the_broker_does_not_have_are_found(day: VirtualDay) -> None:
    assert told(filled(facts_of(day, orders(day)[0])), None)


def test_an_end_before_the_last_fill_is_found(day: VirtualDay) -> None:
    order = orders(day)[0]
    facts = facts_of(day, order)
    early = {"cum_qty_shares": 0, "cum_amount_krw": 0, "closed": True}
    assert told(OrderClosed(facts=facts.model_copy(update=early), reason="filled"), order)


def test_an_end_of_what_still_works_is_found(day: VirtualDay) -> None:
    order = orders(day)[0]
    closed = OrderClosed(facts=facts_of(day, order), reason="filled")
    assert told(closed, order) == []
    assert told(closed, replace(order, closed=""))


def test_an_order_that_is_there_and_never_arrived_is_found(day: VirtualDay) -> None:
    order = orders(day)[0]
    facts = facts_of(day, order).model_copy(update={"cum_qty_shares": 0, "cum_amount_krw": 0})
    message = OrderResolved(facts=facts, resolution=Resolution.NEVER_ARRIVED, evidence="two queries")
    assert told(message, order)
    assert told(message, None) == []


@pytest.mark.parametrize(("life", "found"), [(1, 1), (2, 0)])
def test_less_than_the_same_gateway_told_before_is_found(day: VirtualDay, life: int, found: int) -> None:
    order = orders(day)[0]
    facts = facts_of(day, order)
    statements = Statements(day.bus)
    statements.arrived(order)
    statements.said(wrapped(filled(facts)), 1)
    statements.said(wrapped(filled(facts, commission_krw=facts.commission_krw - 1)), life)
    assert len(statements.untrue) == found


# -- risk's books ----------------------------------------------------------------------------------


def risk_of(day: VirtualDay) -> "VirtualProcess[Any]":
    return next(process for process in day.processes if process.name == RISK)


def step(
    day: VirtualDay, change: Callable[[Any], Any] = lambda state: state, behind: int = 0, last: Any = None
) -> list[str]:
    """What is found where risk has another state, or has not heard the newest of what was told. `last` was
    said after all else, and lost."""
    statements = Statements(day.bus)
    for order in day.world.broker.orders.values():
        if not order.request.by_hand:
            statements.arrived(order)
    for key in (ORDERS.key, PAIRS.key):
        for posted in day.bus.streams[key]:
            statements.said(posted.envelope, 1)
    if last is not None:
        statements.said(last, 1)
    risk = risk_of(day)
    heard = {**risk.positions, **({ORDERS.key: "0-0"} if behind else {})}
    statements.step(day.time.now_ns, [], change(risk.state), heard)
    return statements.untrue


def one_won_more(state: Any) -> Any:
    pair_id, krw = next(iter(state.settled_krw.items()))
    return state.but(settled_krw={**state.settled_krw, pair_id: krw + 1})


def one_trip_more(state: Any) -> Any:
    symbol, count = next(iter(state.day.trips.items()))
    trips = {**state.day.trips, symbol: count + 1}
    return state.but(day=state.day.model_copy(update={"trips": trips}))


def test_right_books_are_not_found(day: VirtualDay) -> None:
    assert risk_of(day).state.settled_krw and risk_of(day).state.day.trips
    assert step(day) == []


def test_an_end_without_the_shares_that_were_forgotten_takes_no_trip_back(day: VirtualDay) -> None:
    """Seed 2322: an executor that lost a pair ended it once more, and risk was told to count too many."""
    ends = (posted.envelope for posted in day.bus.streams[PAIRS.key])
    end = next(each for each in ends if isinstance(each.body, PairClosed) and each.body.trip)
    empty = end.model_copy(update={"body": end.body.model_copy(update={"bought_shares": 0, "trip": False})})
    assert step(day, last=empty) == []


@pytest.mark.parametrize("change", [one_won_more, one_trip_more])
def test_a_won_and_a_trip_in_the_books_of_risk_are_found(day: VirtualDay, change: Any) -> None:
    assert len(step(day, change)) == 1
    assert step(day, change, behind=1) == [], "it has not heard all yet"


def test_an_order_that_arrives_after_it_was_told_as_never_arrived_is_found(day: VirtualDay) -> None:
    order = orders(day)[0]
    facts = facts_of(day, order).model_copy(update={"cum_qty_shares": 0, "cum_amount_krw": 0})
    found = Statements(VirtualBus())
    found.said(wrapped(OrderResolved(facts=facts, resolution=Resolution.NEVER_ARRIVED, evidence="x")), 1)
    assert found.untrue == []
    found.arrived(order)
    assert found.untrue
