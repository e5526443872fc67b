"""Orders that are not ours: what is known of them survives a restart, and hears what comes later."""

import json
from typing import Any

import pytest

from services.contracts.messages.orders import ForeignOrderSeen
from services.contracts.reasons import GateReason
from services.contracts.terms import OrderKind, TradingDate
from services.gateway.core import recovered
from services.gateway.effects import Note, Query, Send
from services.gateway.facts import Told
from services.gateway.order_table import Stage
from services.gateway.recovery import of_new_date
from services.runtime.parts import changed_parts, restore

from .desk import ACCOUNT, DATE, Desk, chejan, exit_order, fresh, log_in, ready
from .test_order_truth import facts_of, row
from .test_whose_order import HAND_NO, hand, holding, sell

OURS, THEIRS = "P1.1.s.1", "0000555"


def restarted_with_log(desk: Desk) -> Desk:
    """The next process, with all that the one before had stored and logged, as text."""
    told = [effect for effect in desk.effects if isinstance(effect, Send | Note)]
    logged = [each.intention if isinstance(each, Send) else each.line for each in told]
    lines = [json.loads(json.dumps(line)) for line in logged]
    state = recovered(restore(fresh().state, changed_parts(None, desk.state)), lines, DATE)
    return log_in(Desk(state, desk.now_ns, desk.broker))


class TestRestart:
    @pytest.mark.parametrize("refused", [True, False])
    def test_an_order_like_one_of_ours_that_is_over_stays_a_strangers(self, refused: bool) -> None:
        desk = holding(ready(fresh()))
        desk.hear(exit_order(desk.now_ns, kind=OrderKind.LIMIT), "s")
        send = desk.sends[-1]
        if refused:
            desk.feed(Told(OURS, "잔고 부족"))
            desk.answer(send, "")
        desk.run(20)
        now = desk.state.clock.hhmmss(desk.now_ns)
        desk.frame(**chejan(send, THEIRS, "접수", remaining=10, screen="0101", f906="보통", f908=now))
        desk.run(4)
        desk.broker.rows = [row(send, THEIRS, cum=0, amount=0, remaining=10, 시간=now)]
        after = restarted_with_log(desk)
        after.run(8)
        record = after.state.orders.get(OURS)
        assert record is not None
        assert record.stage is Stage.CLOSED
        assert THEIRS in after.state.orders.foreign
        assert not after.sends

    def test_an_order_that_was_refused_lives_on_no_row_alone(self) -> None:
        desk = holding(ready(fresh()))
        desk.hear(exit_order(desk.now_ns, kind=OrderKind.LIMIT), "s")
        send = desk.sends[-1]
        desk.feed(Told(OURS, "잔고 부족"))
        desk.answer(send, "")
        desk.broker.rows = [row(send, THEIRS, cum=0, amount=0, remaining=10)]
        after = restarted_with_log(desk)
        after.run(8)
        record = after.state.orders.get(OURS)
        assert record is not None
        assert record.rejected
        assert THEIRS in after.state.orders.foreign

    def test_whether_the_broker_echoes_screens_is_known_after_it(self) -> None:
        desk = holding(ready(fresh()))
        desk.hear(exit_order(desk.now_ns, kind=OrderKind.LIMIT), "s")
        desk.answer(desk.sends[-1], "0000201")
        desk.frame(**chejan(desk.sends[-1], "0000201", "접수", remaining=10, screen="0000"))
        assert restarted_with_log(desk).state.orders.screens_echoed is False

    def test_what_became_ours_is_no_strangers_after_it(self) -> None:
        desk = holding(ready(fresh()))
        desk.hear(exit_order(desk.now_ns, kind=OrderKind.LIMIT), "s")
        send = desk.sends[-1]
        desk.run(20)
        desk.frame(**chejan(send, THEIRS, "접수", remaining=10, screen="0101"))
        desk.answer(send, THEIRS)
        after = restarted_with_log(desk)
        assert THEIRS not in after.state.orders.foreign
        assert after.state.orders.by_number(THEIRS) is not None


class TestLaterEvidence:
    @pytest.mark.parametrize("names", [HAND_NO, "0000000"])
    def test_a_refused_amendment_ends_no_order_whose_number_it_bears(self, names: str) -> None:
        desk = holding(ready(fresh()))
        hand(desk)
        before = len(desk.effects)
        hand(desk, status="거부", f905="매수정정", f904=names)
        assert desk.state.orders.foreign[HAND_NO].works
        desk.run(1)
        assert "OPT10075" in [e.trcode for e in desk.effects[before:] if isinstance(e, Query)]

    def test_a_refusal_of_what_has_filled_ends_nothing(self) -> None:
        desk = holding(ready(fresh()))
        hand(desk, status="체결", remaining=3, cum=2)
        hand(desk, status="거부", remaining=0)
        assert desk.state.orders.foreign[HAND_NO].works

    @pytest.mark.parametrize(
        "later", [{"status": "접수"}, {"status": "체결", "cum": 2, "remaining": 3},
                  {"status": "체결", "cum": 2, "f902": ""}],
    )  # fmt: skip
    def test_one_that_two_lists_left_out_lives_on_a_frame(self, later: dict[str, Any]) -> None:
        desk = holding(ready(fresh()))
        hand(desk)
        desk.run(120)
        assert not desk.state.orders.foreign[HAND_NO].works
        hand(desk, **later)
        assert sell(desk) is GateReason.SELF_CROSS
        assert desk.state.orders.foreign[HAND_NO].works

    def test_one_that_two_lists_left_out_lives_on_a_row(self) -> None:
        desk = holding(ready(fresh()))
        hand(desk)
        desk.run(120)
        by_hand = Send("h", ("h", "0345", ACCOUNT, 1, "005930", 5, 199_500, "00", ""), {}, "2026-11-23")
        desk.broker.rows = [row(by_hand, HAND_NO, cum=0, amount=0, remaining=5)]
        desk.feed_forgotten()
        assert [m.closed for m in desk.told(ForeignOrderSeen)][-1] is False

    def test_a_frame_that_the_fills_have_overtaken_opens_nothing(self) -> None:
        desk = holding(ready(fresh()))
        hand(desk, status="체결", remaining=0, cum=5)
        hand(desk)
        hand(desk, status="체결", remaining=2, cum=3)
        assert not desk.state.orders.foreign[HAND_NO].works
        assert sell(desk) is None


class TestAmendmentsOfOurs:
    """A person amends our resting sell: the broker ends our number, and another sells on."""

    @staticmethod
    def resting(filled: int = 0) -> tuple[Desk, Send]:
        desk = holding(ready(fresh()))
        desk.hear(exit_order(desk.now_ns, kind=OrderKind.LIMIT), "s")
        send = desk.sends[-1]
        desk.answer(send, "0000201")
        desk.frame(**chejan(send, "0000201", "접수", remaining=10, f906="보통"))
        if filled:
            part = {"remaining": 10 - filled, "cum": filled, "amount": filled * 199_300}
            desk.frame(**chejan(send, "0000201", "체결", **part, f906="보통"))
        return desk, send

    def amended(self, filled: int = 0) -> Desk:
        desk, send = self.resting(filled)
        left = str(10 - filled)
        hand(desk, sell=True, number=THEIRS, status="확인", price=199_000, remaining=10 - filled, f900=left,
             f905="-매도정정", f904="0000201", f2134="2")  # fmt: skip
        amount = filled * 199_300
        desk.frame(**chejan(send, "0000201", "확인", remaining=0, amount=amount, f906="보통"))
        assert facts_of(desk, OURS).closed
        return desk

    @pytest.mark.parametrize("filled", [0, 6])
    def test_what_it_may_sell_is_not_sold_again(self, filled: int) -> None:
        desk = self.amended(filled)
        assert desk.state.orders.sellable_shares("P1") == 0
        assert sell(desk, qty_shares=10 - filled) is GateReason.OVERSELL
        assert restarted_with_log(desk).state.orders.sellable_shares("P1") == 0

    def test_what_it_sold_is_the_pairs_and_what_it_left_is_free(self) -> None:
        desk = self.amended()
        hand(desk, sell=True, number=THEIRS, status="체결", cum=3, remaining=7, f900="10", f2134="2")
        hand(desk, sell=True, number="0000556", status="확인", remaining=7, f900="7", f905="-매도정정",
             f904=THEIRS, f2134="2")  # fmt: skip
        hand(desk, sell=True, number=THEIRS, status="확인", remaining=0, f900="10", f2134="2")
        assert desk.state.orders.sellable_shares("P1") == 0
        hand(desk, sell=True, number="0000556", status="체결", cum=5, remaining=2, f900="7", f2134="2")
        hand(desk, sell=True, number="0000556", status="취소", remaining=0, f900="7", f2134="2")
        assert desk.state.orders.sellable_shares("P1") == 2

    def test_what_it_may_still_sell_is_in_doubt_on_the_next_date(self) -> None:
        state = self.amended().state
        begun = of_new_date(state, TradingDate("2026-11-24"), {**state.orders.done})
        assert begun.over_night.doubtful == {"P1": 10}
        assert not begun.carried

    @pytest.mark.parametrize(("side", "rest"), [("매도취소", 0), ("-매도정정", 10)])
    def test_a_change_of_ours_by_hand_has_the_broker_asked_at_once(self, side: str, rest: int) -> None:
        desk, send = self.resting()
        desk.broker.rows = [row(send, "0000201", cum=0, amount=0, remaining=0)]
        hand(
            desk,
            sell=True,
            number=THEIRS,
            status="확인",
            remaining=rest,
            f905=side,
            f904="0000201",
            f2134="2",
        )
        desk.run(1)
        assert facts_of(desk, OURS).closed

    @pytest.mark.parametrize("amended", [True, False])
    @pytest.mark.parametrize("status", ["접수", "확인"])
    def test_an_end_whose_amendment_was_lost_frees_nothing_before_the_list(
        self, status: str, amended: bool
    ) -> None:
        """Ten shares were for sale twice: by the person's order, and by the pair's next one."""
        desk, send = self.resting()
        desk.frame(**chejan(send, "0000201", status, remaining=0, f906="보통"))
        assert sell(desk) is GateReason.OVERSELL
        over = row(send, "0000201", cum=0, amount=0, remaining=0)
        theirs = row(send, THEIRS, cum=0, amount=0, remaining=10, 주문구분="-매도정정", 원주문번호="0000201")
        desk.broker.rows = [theirs, over] if amended else [over]
        desk.run(1)
        assert facts_of(desk, OURS).closed
        assert desk.state.orders.sellable_shares("P1") == (0 if amended else 10)

    def test_an_end_of_what_a_person_made_of_it_frees_nothing_before_the_list(self) -> None:
        desk = self.amended()
        hand(desk, sell=True, number=THEIRS, remaining=0, f900="10", f2134="2")
        assert desk.state.orders.sellable_shares("P1") == 0
        by_hand = Send("h", ("h", "", ACCOUNT, 22, "005930", 10, 199_000, "00", ""), {}, DATE)
        desk.broker.rows = [row(by_hand, THEIRS, cum=0, amount=0, remaining=0)]
        desk.run(1)
        assert desk.state.orders.sellable_shares("P1") == 10
