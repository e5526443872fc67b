"""Commission and tax may come in a frame or row of their own: they are told as soon as they are known."""

import pytest

from services.contracts.messages.orders import OrderClosed, OrderFilled
from services.gateway.core import recovered
from services.gateway.effects import Note, Send
from services.gateway.facts import Connected

from .desk import DATE, Desk, FakeBroker, chejan, fresh, ready
from .test_order_truth import NO, facts_of, row, sent


def filled(desk: Desk, **costs: str) -> None:
    send = desk.sends[-1]
    desk.frame(**chejan(send, NO, "체결", remaining=0, cum=10, amount=1_995_000) | costs)


def test_each_growth_is_told_once_with_all_that_is_known(desk: Desk) -> None:
    sent(desk)
    for costs in (
        {"f938": "", "f939": ""},
        {"f938": "299"},
        {"f938": ""},
        {"f938": "299"},
        {"f938": "300"},
    ):
        filled(desk, **costs)
    told = [m for m in desk.told(OrderFilled) if not m.last_qty_shares]
    assert [m.facts.commission_krw for m in told] == [299, 300]
    assert all(m.last_amount_krw == 0 and m.facts.closed for m in told)
    assert len(desk.told(OrderClosed)) == 1


@pytest.mark.parametrize("fid", ["f938", "f939"])
def test_the_cost_of_an_earlier_fill_that_comes_later_is_not_taken(desk: Desk, fid: str) -> None:
    send = sent(desk)
    filled(desk, **{fid: "2000"})
    desk.frame(**chejan(send, NO, "체결", remaining=6, cum=4, amount=798_000) | {fid: "800"})
    facts = facts_of(desk)
    assert (facts.commission_krw, facts.tax_krw)[fid == "f939"] == 2_000


def test_a_row_of_the_brokers_list_tells_them_too(desk: Desk) -> None:
    send = sent(desk)
    filled(desk, f938="", f939="")
    desk.broker.rows = [row(send, NO, cum=10, amount=1_995_000, remaining=0)]
    desk.broker.holdings = {"005930": 10}
    desk.feed(Connected(-106))
    desk.run(1)
    desk.feed(Connected(0))
    desk.run(60)
    assert [m.facts.commission_krw for m in desk.told(OrderFilled)] == [0, 299]


def test_costs_are_told_after_a_restart_too(desk: Desk) -> None:
    """The log was written when the order closed, and knows of no costs."""
    send = sent(desk)
    filled(desk, f938="", f939="")
    lines = [
        e.intention if isinstance(e, Send) else e.line for e in desk.effects if isinstance(e, Send | Note)
    ]
    rows = [row(send, NO, cum=10, amount=1_995_000, remaining=0)]
    again = Desk(recovered(fresh().state, lines, DATE), desk.now_ns, FakeBroker(rows, {"005930": 10}))
    ready(again)
    again.run(10)
    assert [m.facts.commission_krw for m in again.told(OrderFilled)] == [299]


def test_costs_of_an_order_that_filled_nothing_are_told_to_nobody(desk: Desk) -> None:
    send = sent(desk)
    desk.frame(**chejan(send, NO, "접수", remaining=10))
    desk.frame(**chejan(send, NO, "접수", remaining=10) | {"f938": "299"})
    assert not desk.told(OrderFilled)
