"""Whose an order is: other accounts of the login, other dates, and what a person does beside us."""

from typing import Any

import pytest

from services.contracts.alert_codes import AlertCode
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.commands import CancelOrder
from services.contracts.messages.orders import (
    CancelRejected,
    CommandDenied,
    ForeignOrderSeen,
    OrderClosed,
    OrderFilled,
    OrderRejected,
    ReconciliationCompleted,
)
from services.contracts.reasons import GateReason
from services.contracts.terms import OrderKind, Purpose, Side, Symbol, Venue
from services.gateway.effects import Query, Send
from services.gateway.exchange_time import Doubt
from services.gateway.order_table import OrderTable

from .desk import ACCOUNT, Desk, at, chejan, exit_order, fresh, order, ready
from .test_order_truth import NO, facts_of, row, sent

HAND_NO = "0000777"


def hand(desk: Desk, *, sell: bool = False, price: int = 199_500, number: str = HAND_NO, status: str = "접수",
         remaining: int = 5, account: str = ACCOUNT, cum: int = 0, **more: str) -> None:  # fmt: skip
    """A frame of an order that a person placed at another terminal."""
    by_hand = Send(
        "h", ("h", "0345", account, 2 if sell else 1, "005930", 5, price, "00", ""), {}, "2026-11-23"
    )
    frame = chejan(by_hand, number, status, remaining=remaining, cum=cum, amount=cum * price)
    desk.frame(**{**frame, **more})


def holding(desk: Desk, qty: int = 10) -> Desk:
    desk.state = desk.state.but(orders=OrderTable(carried={"P1": qty}), carried={"P1": qty})
    return desk


def sell(desk: Desk, **changes: Any) -> GateReason | None:
    """Try to sell on KRX, and return why not."""
    desk.said.clear()
    name = f"P1.9.s.{desk.now_ns}"
    desk.lease()
    desk.hear(exit_order(desk.now_ns, order_id=name, venue=Venue.KRX, **changes), name)
    return next((m.reason for m in desk.told(CommandDenied) if m.order_id == name), None)


class TestAccounts:
    def test_a_frame_of_another_account_of_the_login_is_not_ours(self) -> None:
        desk = holding(ready(fresh(account=ACCOUNT)))
        hand(desk, account="8055555511")
        hand(desk, account="8055555511", status="체결", remaining=0, cum=5)
        desk.run(5)
        assert not desk.told(ForeignOrderSeen)
        assert sell(desk) is None
        desk.run(200)
        assert {m.differences for m in desk.told(ReconciliationCompleted)} <= {()}

    def test_one_that_bears_the_number_of_an_order_of_ours_changes_nothing(self) -> None:
        desk = ready(fresh(account=ACCOUNT))
        send = sent(desk)
        desk.answer(send, NO)
        frame = chejan(send, NO, "체결", remaining=0, cum=10, amount=1_995_000)
        desk.frame(**{**frame, "f9201": "8055555511"})
        assert not desk.told(OrderFilled)

    def test_one_that_names_no_account_is_asked_after(self) -> None:
        desk = ready(fresh())
        send = sent(desk)
        desk.answer(send, NO)
        desk.broker.rows = [row(send, NO, cum=10, amount=1_995_000, remaining=0)]
        desk.frame(**{**chejan(send, NO, "체결", remaining=0, cum=10, amount=1_995_000), "f9201": ""})
        assert not desk.told(OrderFilled)
        desk.run(1)
        assert sum(m.last_qty_shares for m in desk.told(OrderFilled)) == 10

    def test_a_row_of_another_account_is_left_out(self) -> None:
        desk = ready(fresh())
        by_hand = Send("h", ("h", "0345", ACCOUNT, 1, "005930", 5, 199_500, "00", ""), {}, "2026-11-23")
        desk.broker.rows = [row(by_hand, HAND_NO, cum=0, amount=0, remaining=5, 계좌번호="8055555511")]
        sent(desk, kind=OrderKind.LIMIT)
        desk.run(20)
        assert not desk.told(ForeignOrderSeen)

    @pytest.mark.parametrize("change", [{"f2134": "2"}, {"f9001": "A000660"}, {"f905": "-매도", "f907": "1"}])
    def test_a_frame_that_contradicts_our_order_is_not_believed(self, change: dict[str, str]) -> None:
        desk = ready(fresh())
        send = sent(desk)
        desk.answer(send, NO)
        desk.broker.answers = False
        desk.frame(**{**chejan(send, NO, "체결", remaining=0, cum=10, amount=1_995_000), **change})
        assert not desk.told(OrderFilled)
        assert AlertCode.ORDER_DATA_UNREADABLE in [m.code for m in desk.told(AlertRaised)]

    def test_a_frame_of_the_evening_before_is_of_another_date(self) -> None:
        desk = ready(fresh(now_ns=at(8, 0, 30)))
        hand(desk, f908="195959")
        assert not desk.told(ForeignOrderSeen)

    @pytest.mark.parametrize(("stamp", "filled"), [("095400", 0), ("095900", 10), ("100000", 10)])
    @pytest.mark.parametrize("by_query", [False, True])
    def test_what_is_stamped_long_before_our_order_of_its_number_is_of_another_date(
        self, stamp: str, filled: int, by_query: bool
    ) -> None:
        desk = ready(fresh())
        send = sent(desk)
        desk.answer(send, NO)
        if by_query:
            desk.broker.rows = [row(send, NO, cum=10, amount=1_995_000, remaining=0, 시간=stamp)]
            desk.feed_forgotten()
        else:
            desk.frame(**chejan(send, NO, "체결", remaining=0, cum=10, amount=1_995_000, f908=stamp))
        assert sum(m.last_qty_shares for m in desk.told(OrderFilled)) == filled

    def test_where_the_exchanges_time_is_doubtful_an_earlier_stamp_is_believed(self) -> None:
        desk = ready(fresh())
        send = sent(desk)
        desk.answer(send, NO)
        desk.state = desk.state.but(doubts={Venue.KRX: Doubt(1, 1, certain=True)})
        desk.frame(**chejan(send, NO, "체결", remaining=0, cum=10, amount=1_995_000, f908="095000"))
        assert sum(m.last_qty_shares for m in desk.told(OrderFilled)) == 10


class TestHandOrders:
    def test_one_bars_an_entry_that_could_meet_it_at_once(self) -> None:
        desk = ready(fresh())
        hand(desk, sell=True)
        desk.hear(order(desk.now_ns), "o")
        assert [m.reason for m in desk.told(CommandDenied)] == [GateReason.SELF_CROSS]

    def test_one_whose_rest_is_blank_may_still_work(self) -> None:
        desk = ready(fresh())
        hand(desk, sell=True, f902="")
        desk.hear(order(desk.now_ns), "o")
        assert [m.reason for m in desk.told(CommandDenied)] == [GateReason.SELF_CROSS]
        assert not any(m.closed for m in desk.told(ForeignOrderSeen))

    def test_one_that_may_be_ours_bars_while_it_waits_to_be_told_apart(self) -> None:
        desk = ready(fresh())
        send = sent(desk)
        desk.frame(**chejan(send, HAND_NO, "접수", remaining=10, screen="0345"))
        assert HAND_NO in desk.state.orders.parked
        assert desk.state.orders.works_against(Symbol("005930"), Venue.KRX, Side.SELL)

    @pytest.mark.parametrize(
        ("bid", "why"),
        [(199_200, None), (199_300, GateReason.SELF_CROSS), (199_500, GateReason.SELF_CROSS),
         (0, GateReason.SELF_CROSS)],
    )  # fmt: skip
    def test_one_bars_an_exit_only_where_they_would_meet(self, bid: int, why: GateReason | None) -> None:
        desk = holding(ready(fresh()))
        hand(desk, price=bid)
        assert sell(desk, price_krw=199_300) is why

    def test_one_below_our_exit_bars_an_entry_all_the_same(self) -> None:
        desk = ready(fresh())
        hand(desk, sell=True, price=200_000)
        desk.hear(order(desk.now_ns), "o")
        assert [m.reason for m in desk.told(CommandDenied)] == [GateReason.SELF_CROSS]

    def test_an_exit_that_one_bars_has_the_broker_asked(self) -> None:
        """Its last frame may be lost: the broker lists it as over."""
        desk = holding(ready(fresh()))
        hand(desk)
        desk.run(4)
        by_hand = Send("h", ("h", "0345", ACCOUNT, 1, "005930", 5, 199_500, "00", ""), {}, "2026-11-23")
        desk.broker.rows = [row(by_hand, HAND_NO, cum=0, amount=0, remaining=0)]
        assert sell(desk) is GateReason.SELF_CROSS
        desk.run(1)
        assert sell(desk) is None

    def test_one_is_looked_at_though_nothing_of_ours_works(self) -> None:
        desk = ready(fresh())
        hand(desk)
        before = len(desk.effects)
        desk.run(90)
        assert "OPT10075" in [e.trcode for e in desk.effects[before:] if isinstance(e, Query)]

    @pytest.mark.parametrize("side", ["매수취소", "매수정정"])
    def test_one_that_was_cancelled_or_amended_by_hand_ends(self, side: str) -> None:
        desk = holding(ready(fresh()))
        hand(desk)
        amends = side == "매수정정"
        hand(desk, number="0000778", status="확인", remaining=5 if amends else 0, f905=side, f904=HAND_NO)
        if amends:
            hand(desk, number="0000778", status="체결", remaining=0, cum=5, f905=side, f904=HAND_NO)
        assert sell(desk) is GateReason.SELF_CROSS
        desk.run(6)
        assert sell(desk) is None

    def test_one_that_the_exchange_refused_bars_nothing(self) -> None:
        desk = holding(ready(fresh()))
        hand(desk, status="거부")
        assert sell(desk) is None


class TestRefusals:
    def test_a_cancel_refused_by_frame_is_not_confirmed(self) -> None:
        desk = ready(fresh())
        send = sent(desk)
        desk.answer(send, NO)
        desk.hear(CancelOrder(order_id="c", target_order_id="P1.1.b.1", pair_id="P1", reason="t"), "c")
        cancel = desk.sends[-1]
        desk.answer(cancel, "0000124")
        refused = chejan(
            cancel, "0000124", "거부", remaining=0, f905="매수취소", f919="취소할 수량이 없습니다"
        )
        desk.frame(**refused)
        assert [m.text for m in desk.told(CancelRejected)] == ["취소할 수량이 없습니다"]
        assert not self.confirmed(desk)
        desk.frame(**chejan(send, NO, "체결", remaining=0, cum=6, amount=6 * 199_500))
        assert [m.reason for m in desk.told(OrderClosed)] == ["ioc_remainder"]

    def test_a_refusal_that_bears_the_orders_number_is_of_its_cancel(self) -> None:
        desk = ready(fresh())
        send = sent(desk)
        desk.answer(send, NO)
        desk.hear(CancelOrder(order_id="c", target_order_id="P1.1.b.1", pair_id="P1", reason="t"), "c")
        desk.frame(**chejan(send, NO, "거부", remaining=10, f905="매수취소", f919="장종료"))
        assert len(desk.told(CancelRejected)) == 1
        assert not facts_of(desk).closed

    def test_that_a_cancel_was_received_confirms_nothing(self) -> None:
        desk = ready(fresh())
        send = sent(desk)
        desk.answer(send, NO)
        desk.hear(CancelOrder(order_id="c", target_order_id="P1.1.b.1", pair_id="P1", reason="t"), "c")
        cancel = desk.sends[-1]
        desk.answer(cancel, "0000124")
        desk.frame(**chejan(cancel, "0000124", "접수", remaining=10, f905="매수취소"))
        assert not self.confirmed(desk)
        desk.frame(**chejan(cancel, "0000124", "확인", remaining=0, f905="매수취소"))
        assert self.confirmed(desk)

    @pytest.mark.parametrize("remaining", ["10", "0", ""])
    def test_an_order_refused_by_frame_is_rejected_whatever_is_left(self, remaining: str) -> None:
        desk = ready(fresh())
        send = sent(desk)
        desk.answer(send, NO)
        desk.frame(**{**chejan(send, NO, "거부", remaining=10, f919="주문가능수량 부족"), "f902": remaining})
        assert [m.text for m in desk.told(OrderRejected)] == ["주문가능수량 부족"]
        assert facts_of(desk).closed

    def test_a_refusal_of_what_has_filled_is_asked_after(self) -> None:
        desk = ready(fresh())
        send = sent(desk, kind=OrderKind.LIMIT)
        desk.answer(send, NO)
        desk.frame(**chejan(send, NO, "체결", remaining=6, cum=4, amount=798_000))
        desk.frame(**chejan(send, NO, "거부", remaining=6, amount=798_000))
        assert not desk.told(OrderRejected)
        assert not facts_of(desk).closed

    @staticmethod
    def confirmed(desk: Desk) -> bool:
        record = desk.state.orders.get("P1.1.b.1")
        assert record is not None
        return record.cancel_confirmed


def test_a_flatten_at_the_market_meets_whatever_a_person_bids() -> None:
    desk = holding(ready(fresh()))
    hand(desk, price=150_000)
    changes = {"kind": OrderKind.MARKET, "price_krw": 0, "purpose": Purpose.FLATTEN}
    assert sell(desk, **changes) is GateReason.SELF_CROSS
