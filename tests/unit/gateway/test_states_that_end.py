"""No state lasts for ever: a cancel, a stranger's order and an order that no list shows come to an end."""

import pytest

from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.commands import CancelOrder
from services.contracts.messages.control import ResidualClaimed
from services.contracts.messages.orders import OrderClosed
from services.contracts.terms import OrderKind, Venue
from services.gateway.effects import Query, Send
from services.gateway.order_table import Stage

from .desk import Desk, chejan, exit_order, fresh, order, ready
from .test_order_truth import row
from .test_whose_order import HAND_NO, hand

NO, CANCEL_NO = "0000101", "0000102"


def resting() -> tuple[Desk, Send]:
    """An entry that rests on NXT."""
    desk = ready(fresh())
    desk.hear(order(desk.now_ns, venue=Venue.NXT, kind=OrderKind.LIMIT), "o")
    send = desk.sends[-1]
    desk.answer(send, NO)
    desk.frame(**chejan(send, NO, "접수", remaining=10))
    return desk, send


def cancel(desk: Desk, order_id: str = "c") -> None:
    desk.hear(CancelOrder(order_id=order_id, target_order_id="P1.1.b.1", pair_id="P1", reason="t"), order_id)


def cancel_row(send: Send, number: str, status: str, **more: str) -> dict[str, str]:
    words = {"주문구분": "매수취소", "주문상태": status, "원주문번호": NO, "시간": "", **more}
    return row(send, number, cum=0, amount=0, remaining=0, **words)


def sells(desk: Desk) -> bool:
    desk.lease()
    count = len(desk.sends)
    desk.hear(exit_order(desk.now_ns, venue=Venue.KRX), "sell")
    return len(desk.sends) > count


@pytest.mark.parametrize("status", ["", "접수", "대기", "체결"])
@pytest.mark.parametrize("amount", ["", "0"])
def test_a_cancel_ends_with_its_order_whatever_its_row_says(status: str, amount: str) -> None:
    desk, send = resting()
    cancel(desk)
    desk.answer(desk.sends[-1], CANCEL_NO)
    over = row(send, NO, cum=0, amount=0, remaining=0, 주문상태="확인")
    desk.broker.rows = [over, cancel_row(send, CANCEL_NO, status, 체결누계금액=amount)]
    desk.run(20)
    assert not desk.state.orders.working
    before = len(desk.effects)
    desk.run(120)
    asked = [e.trcode for e in desk.effects[before:] if isinstance(e, Query)]
    assert asked.count("OPT10075") == 0 and "OPW00018" in asked


def test_a_cancel_of_what_works_goes_on() -> None:
    desk, send = resting()
    cancel(desk)
    desk.answer(desk.sends[-1], CANCEL_NO)
    desk.broker.rows = [row(send, NO, cum=0, amount=0, remaining=10), cancel_row(send, CANCEL_NO, "접수")]
    desk.run(20)
    assert set(desk.state.orders.working) == {"P1.1.b.1", "c"}


@pytest.mark.parametrize("remaining", [0, 10])
def test_two_cancels_without_answers_are_no_question(remaining: int) -> None:
    desk, send = resting()
    for order_id in ("c1", "c2"):
        cancel(desk, order_id)
        desk.run(0.5)
    desk.broker.rows = [
        row(send, NO, cum=0, amount=0, remaining=remaining),
        cancel_row(send, CANCEL_NO, "확인"), cancel_row(send, "0000103", "거부"),
    ]  # fmt: skip
    desk.run(30)
    assert set(desk.state.orders.working) == ({"P1.1.b.1"} if remaining else set())
    assert not [a for a in desk.told(AlertRaised) if "unknown" in a.alert_id]


@pytest.mark.parametrize(
    ("word", "cum"), [("체결", 5), ("취소", 2)], ids=["all of it filled", "the rest was cancelled"]
)
def test_a_strangers_order_without_a_remainder_ends(word: str, cum: int) -> None:
    desk, send = resting()
    desk.frame(**chejan(send, NO, "체결", remaining=0, cum=10, amount=1_995_000))
    hand(desk)
    hand(desk, status=word, cum=cum, f902="")
    assert sells(desk) is (cum == 5)
    by_hand = row(send, HAND_NO, cum=cum, amount=cum * 199_500, remaining=0)
    desk.broker.rows = [
        row(send, NO, cum=10, amount=1_995_000, remaining=0),
        {**by_hand, "주문상태": word, "주문수량": "5", "미체결수량": "", "거래소구분": "1"},
    ]
    desk.run(60)
    assert not list(desk.state.orders.others_working())


def test_a_person_ends_an_order_that_no_list_shows() -> None:
    desk, send = resting()
    desk.frame(**chejan(send, NO, "체결", remaining=0, cum=10, amount=1_995_000))
    desk.broker.rows = [row(send, NO, cum=10, amount=1_995_000, remaining=0)]
    desk.hear(exit_order(desk.now_ns, kind=OrderKind.LIMIT), "s")
    desk.answer(desk.sends[-1], "0000201")
    claimed = ResidualClaimed(pair_id="P1", qty_shares=10, amount_krw=1, by="kim", reason="sold by hand")
    desk.hear(claimed, "too early")
    assert not desk.state.claimed
    desk.run(60)
    desk.hear(claimed, "claimed")
    record = desk.state.orders.get("P1.1.s.1")
    assert record is not None and record.stage is Stage.CLOSED and desk.state.claimed == {"P1"}
    assert "P1.1.s.1" in [m.facts.order_id for m in desk.told(OrderClosed)]
