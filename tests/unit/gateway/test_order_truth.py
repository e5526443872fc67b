"""Evidence in any order, any number of times, from any source, leads to the same facts."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.contracts.messages.orders import (
    ForeignOrderSeen,
    OrderAccepted,
    OrderClosed,
    OrderFilled,
    OrderRejected,
    OrderResolved,
    OrderUnknown,
    ReconciliationCompleted,
    Resolution,
)
from services.contracts.terms import Side
from services.gateway.core import recovered
from services.gateway.effects import Note, Send
from services.gateway.evidence import Unusable, from_chejan, from_row, number, order_no
from services.gateway.facts import Connected, Started, Told
from services.gateway.intention_log import replay
from services.gateway.order_table import Stage
from services.gateway.truth import PARKED_NS

from .desk import ACCOUNT, Desk, FakeBroker, S, chejan, exit_order, fresh, order, ready, restarted

NO = "0000123"


def sent(desk: Desk, **changes: Any) -> Send:
    desk.hear(order(desk.now_ns, **changes), changes.get("order_id", "P1.1.b.1"))
    assert desk.sends, desk.said[-3:]
    return desk.sends[-1]


def row(send: Send, number_: str, *, cum: int, amount: int, remaining: int, **more: str) -> dict[str, str]:
    sell = send.args[3] in (2, 22)
    return {
        "주문번호": number_, "종목코드": send.args[4], "주문상태": "체결" if cum else "접수",
        "주문수량": f" {send.args[5]}", "주문가격": f" {send.args[6]}", "미체결수량": f" {remaining}",
        "체결누계금액": f" {amount}", "원주문번호": "0000000", "주문구분": "-매도" if sell else "+매수",
        "시간": "100000", "체결량": f" {cum}" if cum else "", "당일매매수수료": f" {amount * 15 // 100_000}",
        "당일매매세금": " 0", "거래소구분": "2" if send.args[3] > 20 else "1", **more,
    }  # fmt: skip


def facts_of(desk: Desk, order_id: str = "P1.1.b.1") -> Any:
    record = desk.state.orders.get(order_id)
    assert record is not None
    return record.facts


def life(send: Send, fills: list[int], price: int, killed: bool) -> list[tuple[str, Any]]:
    """The broker's evidence of an order that fills in these pieces and then dies or is full."""
    steps: list[tuple[str, Any]] = [("answer", NO), ("frame", chejan(send, NO, "접수", remaining=10))]
    cum = 0
    for piece in fills:
        cum += piece
        steps.append(("frame", chejan(send, NO, "체결", remaining=10 - cum, cum=cum, amount=cum * price)))
    if killed and cum < 10:
        steps.append(("frame", chejan(send, NO, "취소", remaining=0, amount=cum * price)))
    steps.append(("query", (cum, cum * price, 0 if cum == 10 or killed else 10 - cum)))
    return steps


def deliver(desk: Desk, send: Send, step: tuple[str, Any]) -> None:
    kind, value = step
    if kind == "answer":
        desk.answer(send, value)
    elif kind == "frame":
        desk.frame(**value)
    else:
        cum, amount, remaining = value
        desk.broker.rows = [row(send, NO, cum=cum, amount=amount, remaining=remaining)]


_READY = ready(fresh())


def copy_of_ready() -> Desk:
    return Desk(_READY.state, _READY.now_ns)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.integers(1, 4), max_size=4).filter(lambda p: sum(p) <= 10),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_any_order_and_doubling_of_evidence_gives_the_same_facts(
    fills: list[int], killed: bool, random: Any
) -> None:
    desk = copy_of_ready()
    send = sent(desk)
    steps = [step for step in life(send, fills, 199_500, killed) if step[0] != "query"]
    doubled = steps + random.sample(steps, random.randint(0, len(steps)))
    random.shuffle(doubled)
    for step in doubled:
        deliver(desk, send, step)
    facts, cum = facts_of(desk), sum(fills)
    assert (facts.cum_qty_shares, facts.cum_amount_krw) == (cum, cum * 199_500)
    assert facts.commission_krw == cum * 199_500 * 15 // 100_000
    assert facts.closed is (killed or cum == 10)
    assert facts.broker_order_no == NO
    told = desk.told(OrderFilled)
    assert sum(m.last_qty_shares for m in told) == cum
    assert sum(m.last_amount_krw for m in told) == cum * 199_500
    assert len(desk.told(OrderAccepted)) == 1
    assert len(desk.told(OrderClosed)) == int(facts.closed)


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.integers(1, 4), max_size=4).filter(lambda p: sum(p) <= 10),
    st.sets(st.integers(0, 7)),
    st.randoms(use_true_random=False),
)
def test_what_was_lost_on_the_way_a_query_brings_back(fills: list[int], lost: set[int], random: Any) -> None:
    desk = copy_of_ready()
    send = sent(desk)
    steps = life(send, fills, 199_500, killed=True)
    query = steps.pop()
    kept = [step for at, step in enumerate(steps) if at not in lost]
    random.shuffle(kept)
    for step in kept:
        deliver(desk, send, step)
    deliver(desk, send, query)
    desk.run(12)
    facts, cum = facts_of(desk), sum(fills)
    assert (facts.cum_qty_shares, facts.cum_amount_krw, facts.closed) == (cum, cum * 199_500, True)


def test_a_closing_frame_that_overtakes_the_last_fill_waits_for_it(desk: Desk) -> None:
    send = sent(desk)
    desk.answer(send, NO)
    desk.frame(**chejan(send, NO, "취소", remaining=0, amount=4 * 199_500))
    assert not desk.told(OrderClosed)
    desk.frame(**chejan(send, NO, "체결", remaining=6, cum=4, amount=4 * 199_500))
    assert [m.facts.cum_qty_shares for m in desk.told(OrderClosed)] == [4]


def test_an_ioc_that_found_nothing_closes_with_nothing(desk: Desk) -> None:
    send = sent(desk)
    desk.answer(send, NO)
    desk.frame(**chejan(send, NO, "취소", remaining=0))
    (closed,) = desk.told(OrderClosed)
    assert (closed.reason, closed.facts.cum_qty_shares) == ("ioc_remainder", 0)


def test_a_blank_number_is_a_rejection_in_the_brokers_words(desk: Desk) -> None:
    send = sent(desk)
    desk.answer(send, "       ")
    assert not desk.told(OrderRejected)
    desk.feed(Told(send.args[0], "[RC4025] 주문가능금액이 부족합니다"))
    (rejected,) = desk.told(OrderRejected)
    assert "RC4025" in rejected.text
    assert rejected.facts.closed


def test_an_answer_without_number_and_words_is_asked_after(desk: Desk) -> None:
    desk.answer(sent(desk), "")
    desk.run(1)
    assert [len(desk.told(kind)) for kind in (OrderUnknown, OrderRejected)] == [1, 0]
    desk.run(5)
    assert [m.resolution for m in desk.told(OrderResolved)] == [Resolution.NEVER_ARRIVED]


def test_words_that_come_late_still_end_a_rejection(desk: Desk) -> None:
    desk.answer(send := sent(desk), "")
    desk.run(1)
    desk.feed(Told(send.args[0], "[571489] no"))
    assert [m.text for m in desk.told(OrderRejected)] == ["[571489] no"]


def test_a_late_refusal_by_frame_rejects(desk: Desk) -> None:
    send = sent(desk)
    desk.answer(send, NO)
    desk.frame(**chejan(send, NO, "거부", remaining=0, f919="호가단위 오류"))
    (rejected,) = desk.told(OrderRejected)
    assert rejected.text == "호가단위 오류"
    assert not desk.told(OrderClosed)


class TestUnknown:
    def test_307_is_unknown_and_never_sent_again(self, desk: Desk) -> None:
        desk.broker.answers = False
        desk.send_code = -307
        sent(desk)
        assert len(desk.told(OrderUnknown)) == 1
        desk.hear(order(desk.now_ns), "again")
        desk.run(5)
        assert len(desk.sends) == 1

    def test_no_answer_in_time_is_unknown(self, desk: Desk) -> None:
        sent(desk)
        desk.broker.answers = False
        desk.run(3.5)
        assert len(desk.told(OrderUnknown)) == 1

    def test_two_queries_apart_without_it_prove_that_it_never_arrived(self, desk: Desk) -> None:
        desk.send_code = -307
        sent(desk)
        desk.run(0.4)
        assert not desk.told(OrderResolved)
        desk.run(8)
        (resolved,) = desk.told(OrderResolved)
        assert resolved.resolution is Resolution.NEVER_ARRIVED
        assert resolved.facts.closed

    def test_one_that_is_two_seconds_on_its_way_is_found_and_not_given_up(self, desk: Desk) -> None:
        """Its first queries begin at once and cannot show it yet: an order so young may still arrive."""
        desk.send_code = -307
        send = sent(desk)
        desk.run(2.1)
        assert not desk.told(OrderResolved)
        desk.broker.rows = [row(send, NO, cum=10, amount=10 * 199_500, remaining=0)]
        desk.run(8)
        assert [m.resolution for m in desk.told(OrderResolved)] == [Resolution.FOUND]
        assert sum(m.last_qty_shares for m in desk.told(OrderFilled)) == 10

    def test_one_row_that_fits_is_ours_with_its_fills(self, desk: Desk) -> None:
        desk.send_code = -307
        desk.broker.answers = False
        send = sent(desk)
        desk.broker.rows = [row(send, NO, cum=4, amount=4 * 199_500, remaining=0)]
        desk.broker.answers = True
        desk.run(10)
        (resolved,) = desk.told(OrderResolved)
        assert resolved.resolution is Resolution.FOUND
        assert sum(m.last_qty_shares for m in desk.told(OrderFilled)) == 4
        assert facts_of(desk).closed
        assert not desk.told(ForeignOrderSeen)

    def test_two_rows_that_fit_need_a_person(self, desk: Desk) -> None:
        desk.send_code = -307
        desk.broker.answers = False
        send = sent(desk)
        desk.broker.rows = [row(send, no, cum=0, amount=0, remaining=10) for no in ("0000124", "0000125")]
        desk.broker.answers = True
        desk.run(12)
        assert [m.resolution for m in desk.told(OrderResolved)] == [Resolution.AMBIGUOUS]
        assert not facts_of(desk).closed

    @pytest.mark.parametrize(
        "change",
        [
            {"주문수량": " 9"},
            {"주문가격": " 199600"},
            {"거래소구분": "2"},
            {"주문구분": "-매도"},
            {"시간": "095900"},
            {"매매구분": "보통"},
            {"매매구분": "최유리(IOC)"},
        ],
    )
    def test_a_row_that_differs_is_somebody_elses(self, desk: Desk, change: dict[str, str]) -> None:
        desk.send_code = -307
        desk.broker.answers = False
        send = sent(desk)
        desk.broker.rows = [row(send, NO, cum=0, amount=0, remaining=10, **change)]
        desk.broker.answers = True
        desk.run(12)
        assert [m.resolution for m in desk.told(OrderResolved)] == [Resolution.NEVER_ARRIVED]
        assert [m.broker_order_no for m in desk.told(ForeignOrderSeen)] == [NO]

    def test_what_was_seen_before_ours_was_sent_is_somebody_elses(self, desk: Desk) -> None:
        """Found by a virtual day: a hand order just like ours had come a moment earlier."""
        by_hand = Send("x", ("x", "9999", ACCOUNT, 1, "005930", 10, 199_500, "10", ""), {}, "2026-11-23")
        desk.frame(**chejan(by_hand, NO, "접수", remaining=10))
        desk.frame(**chejan(by_hand, NO, "체결", remaining=0, cum=10, amount=1_995_000))
        desk.tick(0.1)
        desk.send_code = -307
        send = sent(desk)
        desk.broker.rows = [row(send, NO, cum=10, amount=1_995_000, remaining=0)]
        desk.run(12)
        assert [m.resolution for m in desk.told(OrderResolved)] == [Resolution.NEVER_ARRIVED]
        assert NO in [m.broker_order_no for m in desk.told(ForeignOrderSeen)]

    @pytest.mark.parametrize("kind", ["", "보통(IOC)", "a word that the sheet does not have"])
    def test_the_word_for_its_kind_rules_nothing_out_that_may_be_ours(self, desk: Desk, kind: str) -> None:
        desk.send_code = -307
        send = sent(desk)
        desk.broker.rows = [row(send, NO, cum=0, amount=0, remaining=0, 매매구분=kind)]
        desk.run(12)
        assert [m.resolution for m in desk.told(OrderResolved)] == [Resolution.FOUND]

    def test_what_comes_from_another_screen_is_somebody_elses(self, desk: Desk) -> None:
        """Found by a virtual day: ours never arrived, and a person placed one that is just like it."""
        desk.answer(sent(desk), "0000100")
        desk.frame(**chejan(desk.sends[-1], "0000100", "취소", remaining=0))
        desk.send_code = -307
        send = sent(desk, order_id="P1.2.b.1")
        desk.tick(0.1)
        desk.frame(**chejan(send, NO, "체결", remaining=0, cum=10, amount=1_995_000, screen="9999"))
        desk.broker.rows = [row(send, NO, cum=10, amount=1_995_000, remaining=0)]
        desk.run(12)
        assert [m.resolution for m in desk.told(OrderResolved)] == [Resolution.NEVER_ARRIVED]
        assert [m.broker_order_no for m in desk.told(ForeignOrderSeen)] == [NO]
        assert not desk.told(OrderFilled)

    def test_a_screen_is_a_question_before_any_frame_has_shown_its_echo(self, desk: Desk) -> None:
        send = sent(desk)
        desk.frame(**chejan(send, NO, "체결", remaining=6, cum=4, amount=798_000, screen="0101"))
        desk.broker.rows = [row(send, NO, cum=4, amount=798_000, remaining=0)]
        desk.run(12)
        assert [m.resolution for m in desk.told(OrderResolved)] == [Resolution.AMBIGUOUS]
        assert not desk.told(ForeignOrderSeen)

    def test_screens_count_for_nothing_with_a_broker_that_does_not_echo_them(self, desk: Desk) -> None:
        desk.answer(sent(desk), "0000100")
        desk.frame(**chejan(desk.sends[-1], "0000100", "취소", remaining=0, screen="0000"))
        desk.send_code = -307
        send = sent(desk, order_id="P1.2.b.1")
        desk.frame(**chejan(send, NO, "체결", remaining=0, cum=10, amount=1_995_000, screen="0000"))
        desk.broker.rows = [row(send, NO, cum=10, amount=1_995_000, remaining=0)]
        desk.run(12)
        assert [m.resolution for m in desk.told(OrderResolved)] == [Resolution.FOUND]
        assert sum(m.last_qty_shares for m in desk.told(OrderFilled)) == 10

    def test_what_was_on_its_way_when_the_connection_went_is_unknown(self, desk: Desk) -> None:
        sent(desk)
        desk.feed(Connected(-106))
        assert len(desk.told(OrderUnknown)) == 1

    def test_a_late_answer_resolves_it(self, desk: Desk) -> None:
        desk.broker.answers = False
        send = sent(desk)
        desk.run(3.5)
        desk.answer(send, NO)
        assert [m.resolution for m in desk.told(OrderResolved)] == [Resolution.FOUND]


class TestForeign:
    def test_a_frame_that_nothing_in_flight_can_be_is_foreign_at_once(self, desk: Desk) -> None:
        stranger = Send("x", ("x", "9999", ACCOUNT, 1, "005930", 7, 199_000, "00", ""), {}, "2026-11-23")
        desk.frame(**chejan(stranger, "0000777", "접수", remaining=7))
        (seen,) = desk.told(ForeignOrderSeen)
        assert (seen.broker_order_no, seen.qty_shares, seen.side) == ("0000777", 7, Side.BUY)

    def test_a_frame_that_may_be_ours_is_parked_and_then_foreign(self, desk: Desk) -> None:
        desk.broker.answers = False
        send = sent(desk)
        desk.frame(**chejan(send, "0000777", "접수", remaining=10, screen="9999"))
        desk.answer(send, NO)
        desk.tick((PARKED_NS + S) / S)
        assert [m.broker_order_no for m in desk.told(ForeignOrderSeen)] == ["0000777"]

    def test_one_that_is_found_at_the_start_hides_no_difference(self, desk: Desk) -> None:
        stranger = Send("x", ("x", "9999", ACCOUNT, 1, "005930", 7, 199_000, "00", ""), {}, "2026-11-23")
        lines = [effect.line for effect in desk.effects if isinstance(effect, Note)]
        forgot = recovered(fresh().state, lines, desk.state.session.trading_date)
        rows = [row(stranger, "0000777", cum=7, amount=1_393_000, remaining=0)]
        again = ready(Desk(forgot, desk.now_ns, FakeBroker(rows, {"005930": 10})))
        again.run(10)
        assert any("holds 10" in text for m in again.told(ReconciliationCompleted) for text in m.differences)

    def test_each_is_told_once_for_each_change(self, desk: Desk) -> None:
        stranger = Send("x", ("x", "9999", ACCOUNT, 1, "005930", 7, 199_000, "00", ""), {}, "2026-11-23")
        desk.broker.rows = [row(stranger, "0000777", cum=0, amount=0, remaining=7)]
        desk.run(1)
        desk.feed(Connected(-106))
        desk.run(1)
        desk.feed(Connected(0))
        desk.run(3)
        assert len(desk.told(ForeignOrderSeen)) == 1


class TestRestart:
    def lines(self, desk: Desk) -> list[Any]:
        return [
            effect.intention if isinstance(effect, Send) else effect.line
            for effect in desk.effects
            if isinstance(effect, Send | Note)
        ]

    def test_what_a_replaced_gateway_writes_after_its_successor_takes_nothing_back(self, desk: Desk) -> None:
        """Found by a drill: it was paused, came back, and logged a refusal of what had been filled."""
        send = sent(desk)
        for step in life(send, [10], 199_500, killed=False)[:2]:
            deliver(desk, send, step)
        desk.frame(**chejan(send, NO, "체결", remaining=0, cum=10, amount=1_995_000))
        lines = self.lines(desk)
        intention = next(line for line in lines if line["k"] == "intent")
        refused = {**intention["record"]["facts"], "closed": True}
        late = [intention, {"k": "closed", "id": send.order_id, "facts": refused}]
        assert replay([*lines, *late]) == replay(lines)
        assert replay(lines)[send.order_id].facts.cum_qty_shares == 10

    def test_an_intention_without_an_outcome_is_unknown(self, desk: Desk) -> None:
        sent(desk)
        lines = [line for line in self.lines(desk) if line["k"] == "intent"]
        lost_redis = fresh().state
        state = recovered(lost_redis, lines, desk.state.session.trading_date)
        assert state.orders.working["P1.1.b.1"].stage is Stage.UNKNOWN

    @pytest.mark.parametrize("code", [0, -307, -308])
    def test_what_was_sent_after_the_queue_was_stored_waits_no_longer(self, desk: Desk, code: int) -> None:
        """Found by a virtual day: killed within SendOrder, it sent a command once more that it had stored."""
        desk.state = desk.state.but(order_history=(desk.now_ns - S,) * 5)
        desk.hear(order(desk.now_ns), "waits for a token")
        stored, waits = desk.state, desk.state.queue[0].command.order_id
        desk.send_code = code
        desk.run(0.1)
        assert [send.order_id for send in desk.sends] == [waits]
        again = recovered(stored, self.lines(desk), desk.state.session.trading_date)
        still = [waiting.command.order_id for waiting in again.queue]
        assert (waits in still) is (code == -308)

    def test_orders_sent_after_the_state_was_stored_still_count_against_the_brokers_limit(
        self, desk: Desk
    ) -> None:
        """Found by a virtual day: killed within SendOrder, it forgot one and sent a sixth in a second."""
        stored = desk.state
        sent(desk)
        again = recovered(stored, self.lines(desk), desk.state.session.trading_date)
        assert again.order_history == desk.state.order_history != stored.order_history

    def test_queries_of_the_process_before_still_count_against_the_brokers_limit(self, desk: Desk) -> None:
        assert desk.state.desk.history
        assert restarted(desk).state.desk.history == desk.state.desk.history

    def test_a_start_tells_of_what_works_and_of_what_is_over(self, desk: Desk) -> None:
        """The last word of the process before may be in no stream."""
        over = sent(desk)
        desk.answer(over, NO)
        desk.frame(**chejan(over, NO, "체결", remaining=0, cum=10, amount=1_995_000))
        desk.broker.answers = False
        works = sent(desk, order_id="P2.1.b.1", pair_id="P2", symbol="000660")
        lines, date = self.lines(desk), desk.state.session.trading_date
        again = Desk(recovered(fresh().state, lines, date), desk.now_ns)
        again.feed(Started())
        assert [(m.facts.order_id, m.facts.cum_qty_shares) for m in again.told(OrderClosed)] == [
            (over.order_id, 10)
        ]
        assert [m.facts.order_id for m in again.told(OrderUnknown)] == [works.order_id]

    def test_what_definitely_never_left_is_forgotten(self, desk: Desk) -> None:
        desk.send_code = -308
        sent(desk)
        state = recovered(fresh().state, self.lines(desk), desk.state.session.trading_date)
        assert state.orders.get("P1.1.b.1") is None

    def test_a_closed_order_keeps_its_fills_and_sells_what_it_bought(self, desk: Desk) -> None:
        send = sent(desk)
        desk.answer(send, NO)
        desk.frame(**chejan(send, NO, "체결", remaining=0, cum=10, amount=1_995_000))
        state = recovered(fresh().state, self.lines(desk), desk.state.session.trading_date)
        assert state.orders.sellable_shares("P1") == 10

    def test_a_known_id_is_never_sent_again_after_a_restart(self, desk: Desk) -> None:
        sent(desk)
        state = recovered(fresh().state, self.lines(desk), desk.state.session.trading_date)
        again = ready(Desk(state, desk.now_ns))
        again.hear(order(again.now_ns), "again")
        assert again.sends == []


def test_never_more_is_on_sale_than_the_pair_bought(desk: Desk) -> None:
    send = sent(desk)
    desk.answer(send, NO)
    desk.frame(**chejan(send, NO, "체결", remaining=0, cum=10, amount=1_995_000))
    desk.hear(exit_order(desk.now_ns, qty_shares=6), "s1")
    desk.answer(desk.sends[-1], "0000200")
    desk.hear(exit_order(desk.now_ns, order_id="P1.1.s.2", qty_shares=5), "s2")
    assert len(desk.sends) == 2
    desk.hear(exit_order(desk.now_ns, order_id="P1.1.s.3", qty_shares=4), "s3")
    assert len(desk.sends) == 3


@pytest.mark.parametrize("text", ["", "   ", "0000000", "12a"])
def test_what_is_no_order_number_is_refused(text: str) -> None:
    with pytest.raises(Unusable):
        order_no(text)


@given(st.integers(0, 10**12), st.sampled_from(["", "+", "-", "--"]), st.integers(0, 8))
def test_numbers_are_read_through_signs_blanks_and_zeros(value: int, sign: str, zeros: int) -> None:
    assert number(f"  {sign}{'0' * zeros}{value} ") == value


@given(st.dictionaries(st.sampled_from([9203, 900, 902, 903, 911, 905, 907]), st.text(max_size=8)))
def test_any_frame_is_read_or_refused(values: dict[int, str]) -> None:
    try:
        seen = from_chejan(values)
    except Unusable:
        return
    assert len(seen.broker_order_no) >= 7


@given(st.dictionaries(st.sampled_from(["주문번호", "주문구분", "주문수량", "체결량"]), st.text(max_size=8)))
def test_any_row_is_read_or_refused(values: dict[str, str]) -> None:
    try:
        seen = from_row(values)
    except Unusable:
        return
    assert seen.by_query
