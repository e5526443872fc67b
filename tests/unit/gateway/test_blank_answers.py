"""Blank is no evidence: a failed, blank or empty answer counts after two equal ones, 2 s apart."""

from typing import Any, ClassVar

import pytest

from services.contracts.alert_codes import AlertCode
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.orders import (
    AccountReported,
    ForeignOrderSeen,
    OrderClosed,
    OrderFilled,
    OrderRejected,
    OrderResolved,
    OrderUnknown,
    ReconciliationCompleted,
    Resolution,
)
from services.contracts.messages.venue_state import ConnectionState
from services.contracts.terms import OrderKind, Venue
from services.gateway.control_calls import Slots
from services.gateway.effects import Query
from services.gateway.evidence import Blank, Unusable, from_chejan, from_row
from services.gateway.facts import Answered, Connected, Garbled, Told
from services.gateway.order_table import Stage
from services.gateway.replies import FIELDS, cash, holdings

from .desk import Desk, FakeBroker, chejan, fresh, ready
from .test_order_truth import NO, facts_of, row, sent

BLANK_ROW = dict.fromkeys(FIELDS["OPT10075"].rows, "")


class Scripted(FakeBroker):
    """Gives some answers of its own, first to last, then those of a well-behaved broker."""

    script: dict[str, list[list[dict[str, str]]]]

    def reply(self, query: Query) -> Answered:
        answer = super().reply(query)
        waiting = getattr(self, "script", {}).get(query.trcode)
        if not waiting:
            return answer
        rows = tuple(waiting.pop(0))
        return Answered(answer.screen, answer.rqname, answer.trcode, False, answer.single, rows)


def scripted(desk: Desk, **script: list[list[dict[str, str]]]) -> Desk:
    desk.broker = Scripted(desk.broker.rows, desk.broker.holdings)
    desk.broker.script = script
    return desk


def log_in_again(desk: Desk, seconds: float) -> None:
    desk.said.clear()
    desk.feed(Connected(-106))
    desk.run(0.5)
    desk.feed(Connected(0))
    desk.run(seconds)


def differences(desk: Desk) -> list[tuple[str, ...]]:
    return [m.differences for m in desk.told(ReconciliationCompleted)]


class TestClosing:
    @pytest.mark.parametrize(
        "words", [{"f903": ""}, {"f903": "", "f913": "체결"}, {"f903": "0", "f913": "체결"}]
    )
    def test_a_last_frame_without_an_amount_closes_nothing(self, words: dict[str, str]) -> None:
        desk = ready(fresh())
        send = sent(desk)
        desk.answer(send, NO)
        desk.broker.answers = False
        desk.frame(**{**chejan(send, NO, "취소", remaining=0), **words})
        assert not facts_of(desk).closed
        assert not desk.told(OrderClosed)
        desk.frame(**chejan(send, NO, "체결", remaining=0, cum=4, amount=798_000))
        assert (facts_of(desk).cum_qty_shares, facts_of(desk).closed) == (4, True)

    def test_the_broker_is_asked_at_once_for_what_a_frame_leaves_out(self) -> None:
        desk = ready(fresh())
        send = sent(desk, kind=OrderKind.LIMIT)
        desk.answer(send, NO)
        desk.broker.rows = [row(send, NO, cum=4, amount=798_000, remaining=0)]
        desk.frame(**{**chejan(send, NO, "취소", remaining=0), "f903": ""})
        desk.run(1)
        assert (facts_of(desk).cum_qty_shares, facts_of(desk).closed) == (4, True)

    def test_a_row_without_an_amount_does_not_close_what_the_other_list_shows_open(self) -> None:
        """OPT10076 has no cumulative amount, and an order may fill between the two queries of a round."""
        desk = ready(fresh())
        send = sent(desk)
        desk.answer(send, NO)
        still_open = row(send, NO, cum=0, amount=0, remaining=10)
        filled = {**row(send, NO, cum=10, amount=1_995_000, remaining=0), "체결누계금액": ""}
        whole = row(send, NO, cum=10, amount=1_995_000, remaining=0)
        desk.broker.rows = [whole]
        scripted(desk, OPT10075=[[still_open]], OPT10076=[[filled], [filled]])
        desk.run(2)
        assert not [m for m in desk.told(OrderClosed) if m.facts.cum_qty_shares == 0]
        desk.run(5)
        assert (facts_of(desk).cum_qty_shares, facts_of(desk).closed) == (10, True)

    def test_what_both_lists_show_of_an_unknown_order_counts_at_once(self) -> None:
        """Of the two rows the last one, which has no amount, was all that an order without a number got."""
        desk = ready(fresh())
        desk.broker.answers = False
        send = sent(desk)
        desk.broker.rows = [row(send, NO, cum=10, amount=1_995_000, remaining=0)]
        desk.run(1.5)
        desk.broker.answers = True
        desk.feed(Connected(-106))
        desk.run(0.5)
        desk.said.clear()
        desk.feed(Connected(0))
        desk.run(1)
        rounds = [e.trcode for e in desk.effects if isinstance(e, Query)].count("OPT10076")
        assert rounds == 2, "one of the login before, one of this"
        assert (facts_of(desk).cum_qty_shares, facts_of(desk).closed) == (10, True)

    def test_a_row_without_its_venue_waits_where_two_orders_may_be_it(self) -> None:
        """The first of both kept the number, and its own next row contradicted it for ever."""
        desk = ready(fresh())
        desk.send_code = -307
        sent(desk)
        other = sent(desk, order_id="P2.1.b.1", pair_id="P2", venue=Venue.NXT)
        whole = row(other, NO, cum=10, amount=1_995_000, remaining=0)
        blank = [{**whole, "거래소구분": ""}]
        desk.broker.rows = [whole]
        scripted(desk, OPT10075=[blank], OPT10076=[blank])
        desk.run(1)
        assert not desk.state.orders.numbers
        desk.run(10)
        assert facts_of(desk, "P2.1.b.1").cum_qty_shares == 10
        assert (facts_of(desk).closed, facts_of(desk).cum_qty_shares) == (True, 0)

    def test_two_orders_that_only_a_venue_tells_apart_are_a_persons_to_tell(self) -> None:
        desk = ready(fresh())
        desk.send_code = -307
        sent(desk)
        other = sent(desk, order_id="P2.1.b.1", pair_id="P2", venue=Venue.NXT)
        desk.broker.rows = [row(other, NO, cum=10, amount=1_995_000, remaining=0, 거래소구분="")]
        desk.run(15)
        assert not desk.state.orders.numbers
        assert {m.resolution for m in desk.told(OrderResolved)} == {Resolution.AMBIGUOUS}

    def test_two_lists_apart_that_name_no_amount_end_an_order_as_it_is_known(self) -> None:
        desk = ready(fresh())
        send = sent(desk)
        desk.answer(send, NO)
        blank = row(send, NO, cum=0, amount=0, remaining=0, 체결누계금액="", 주문상태="취소")
        desk.broker.rows = [blank]
        desk.run(2.5)
        assert not facts_of(desk).closed
        desk.run(8)
        assert facts_of(desk).closed


class TestRows:
    @pytest.mark.parametrize(
        "kept", [{}, {"주문번호": "0000900"}, {"주문번호": "0000900", "주문구분": "+매수"}]
    )
    def test_one_blank_row_is_no_difference(self, kept: dict[str, str]) -> None:
        desk = ready(fresh())
        log_in_again(scripted(desk, OPT10075=[[{**BLANK_ROW, **kept}]]), 6)
        assert set(differences(desk)) == {()}
        assert desk.state.link.state is ConnectionState.READY

    def test_a_blank_row_that_stays_is_one_after_two_seconds(self) -> None:
        desk = ready(fresh())
        desk.broker.rows = [dict(BLANK_ROW)]
        log_in_again(desk, 1)
        assert differences(desk) == []
        assert not desk.state.link.reconciled
        desk.run(3)
        assert differences(desk)
        assert differences(desk)[-1] != ()
        assert desk.state.link.reconciled

    def test_a_blank_row_may_be_the_order_that_nobody_has_seen_arrive(self) -> None:
        desk = ready(fresh())
        desk.send_code = -307
        send = sent(desk)
        desk.broker.rows = [row(send, NO, cum=10, amount=1_995_000, remaining=0, 주문수량="")]
        desk.run(12)
        assert not [m for m in desk.told(OrderResolved) if m.resolution is Resolution.NEVER_ARRIVED]

    def test_an_absence_before_the_session_is_ready_counts_for_nothing(self) -> None:
        desk = ready(fresh())
        desk.send_code = -307
        send = sent(desk)
        desk.broker.answers = False
        desk.run(1)
        desk.feed(Connected(-106))
        desk.run(0.5)
        desk.broker.answers = True
        scripted(desk, OPT10075=[[], []], OPT10076=[[], []])
        desk.broker.rows = [row(send, NO, cum=0, amount=0, remaining=10)]
        desk.feed(Connected(0))
        desk.run(8)
        assert [m.resolution for m in desk.told(OrderResolved)] == [Resolution.FOUND]

    def test_a_row_without_its_quantity_or_side_says_nothing(self) -> None:
        send = sent(ready(fresh()))
        for name in ("주문수량", "주문구분", "종목코드", "주문번호"):
            with pytest.raises(Blank):
                from_row(row(send, NO, cum=0, amount=0, remaining=10, **{name: " "}))


class TestAccount:
    def test_one_empty_list_of_holdings_is_no_difference(self) -> None:
        desk = fresh()
        desk.broker.holdings = {"005930": 7}
        desk = ready(desk)
        log_in_again(scripted(desk, OPW00018=[[]]), 6)
        assert set(differences(desk)) == {()}
        assert {} not in [m.holdings for m in desk.told(AccountReported)]

    def test_a_list_of_holdings_that_stays_empty_is_one(self) -> None:
        desk = fresh()
        desk.broker.holdings = {"005930": 7}
        desk = ready(desk)
        desk.broker.holdings = {}
        log_in_again(desk, 6)
        assert any("005930" in text for each in differences(desk) for text in each)

    def test_the_deposit_of_today_never_stands_in_for_the_settled_one(self) -> None:
        with pytest.raises(Blank):
            cash(
                {"예수금": "000000100000000", "d+2추정예수금": "", "100%종목주문가능금액": "000000090000000"}
            )

    def test_a_holding_of_blank_quantity_is_not_none(self) -> None:
        with pytest.raises(Blank):
            holdings([{"종목번호": "A005930", "보유수량": " "}])


class TestFrames:
    def frame(self, **changes: str) -> dict[int, str]:
        send = sent(ready(fresh()))
        values = {**chejan(send, NO, "접수", remaining=10), **changes}
        return {int(name[1:]): value for name, value in values.items()}

    @pytest.mark.parametrize("name", ["f9203", "f9001", "f905"])
    def test_one_that_does_not_say_what_it_is_of_cannot_be_used(self, name: str) -> None:
        with pytest.raises(Blank):
            from_chejan(self.frame(**{name: " "}))

    @pytest.mark.parametrize("changes", [{"f905": "+매도"}, {"f907": "1"}, {"f905": "신용매수"}])
    def test_a_side_that_is_contradicted_or_unknown_is_no_purchase(self, changes: dict[str, str]) -> None:
        with pytest.raises(Unusable):
            from_chejan(self.frame(**changes))

    @pytest.mark.parametrize("fid", [900, 901, 902, 903, 911])
    def test_a_blank_figure_is_none_and_not_nothing(self, fid: int) -> None:
        seen = from_chejan(self.frame(**{f"f{fid}": "  "}))
        names = {900: "qty_shares", 901: "price_krw", 902: "remaining_shares", 903: "cum_amount_krw",
                 911: "cum_qty_shares"}  # fmt: skip
        assert getattr(seen, names[fid]) is None


class TestAnswers:
    @pytest.mark.parametrize("text", ["0000000", "12a", "１２"])
    def test_an_answer_that_is_no_number_refuses_nothing(self, text: str) -> None:
        desk = ready(fresh())
        send = sent(desk)
        desk.feed(Told(send.args[0], "[100000] done"))
        desk.answer(send, text)
        assert not desk.told(OrderRejected)
        assert len(desk.told(OrderUnknown)) == 1

    def test_an_event_in_a_word_that_no_list_has_is_no_answer(self) -> None:
        slots = Slots(Silent(), lambda code, read: None, lambda code, read: None)  # type: ignore[arg-type]
        for event, args in (
            ("OnReceiveTrData", ("6000", "q1", "OPT10075", "", "7")), ("OnReceiveChejanData", ("9", 0, "")),
        ):  # fmt: skip
            Silent.slots[event](*args)
        assert [type(fact) for fact in slots.facts] == [Garbled, Garbled]


class Silent:
    """A control whose events a test makes."""

    slots: ClassVar[dict[str, Any]] = {}

    def on(self, event: str, slot: Any) -> None:
        self.slots[event] = slot


class TestWords:
    def strange(self, desk: Desk) -> list[Any]:
        return [m for m in desk.told(AlertRaised) if m.code == AlertCode.BROKER_WORD_UNKNOWN]

    def test_a_state_that_no_list_has_is_counted_told_once_and_asked_after(self) -> None:
        desk = ready(fresh())
        send = sent(desk, kind=OrderKind.LIMIT)
        desk.answer(send, NO)
        before = len(desk.effects)
        for _ in range(2):
            desk.frame(**{**chejan(send, NO, "접수", remaining=10), "f913": "정지"})
        desk.run(0.5)
        assert "OPT10075" in [e.trcode for e in desk.effects[before:] if isinstance(e, Query)]
        assert len(self.strange(desk)) == 1
        assert desk.state.strange_words["order_state", "정지"] == 2
        record = desk.state.orders.get("P1.1.b.1")
        assert record is not None
        assert record.stage is Stage.ACCEPTED

    def test_a_return_code_that_no_list_has_leaves_the_order_unknown(self) -> None:
        desk = ready(fresh())
        desk.send_code = -999
        desk.broker.answers = False
        sent(desk)
        assert len(desk.told(OrderUnknown)) == 1
        assert len(self.strange(desk)) == 1

    def test_a_strange_venue_may_be_either(self) -> None:
        desk = ready(fresh())
        send = sent(desk)
        desk.answer(send, NO)
        desk.frame(**{**chejan(send, NO, "체결", remaining=0, cum=10, amount=1_995_000), "f2134": "7"})
        assert sum(m.last_qty_shares for m in desk.told(OrderFilled)) == 10
        assert len(self.strange(desk)) == 1
        assert not desk.told(ForeignOrderSeen)
