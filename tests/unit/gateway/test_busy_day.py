"""On a busy day a login is soon ready, and what ended unseen is found by what is in question or differs."""

from typing import Any

import pytest

from services.contracts.messages.orders import (
    ForeignOrderSeen,
    OrderFilled,
    OrderResolved,
    ReconciliationCompleted,
    Resolution,
)
from services.contracts.messages.venue_state import ConnectionState
from services.contracts.terms import OrderKind, Symbol
from services.gateway.core import recovered
from services.gateway.effects import Note, Query, Send
from services.gateway.facts import Answered, Garbled
from services.gateway.order_table import Stage

from .desk import DATE, Desk, FakeBroker, chejan, fresh, order, ready
from .test_order_truth import row

PAGE = 100
NO = "0009001"


class BusyBroker(FakeBroker):
    """The orders of the day of somebody else, by hundreds, newest first, and `rows`, which are older.

    `log` is the log of intentions of its day.
    """

    others = 0
    deaf = False
    log: tuple[Any, ...] = ()

    def reply(self, query: Query) -> Answered:
        answer = super().reply(query)
        if query.trcode not in ("OPT10075", "OPT10076"):
            return answer
        inputs, rows = dict(query.inputs), self.listed(query)
        if (inputs["체결구분"] != "1" or self.deaf) and inputs["종목코드"] in ("", "000660"):
            rows = [*(self._other(number) for number in range(self.others, 0, -1)), *rows]
        self.page = self.page + 1 if query.more else 0
        at = self.page * PAGE
        more = at + PAGE < len(rows)
        return Answered(
            answer.screen, answer.rqname, answer.trcode, more, answer.single, tuple(rows[at : at + PAGE])
        )

    @staticmethod
    def _other(number: int) -> dict[str, str]:
        return {
            "주문번호": f"{number:07d}", "종목코드": "000660", "주문상태": "체결", "주문수량": "1",
            "주문가격": "1000", "미체결수량": "0", "체결누계금액": "1000", "원주문번호": "0000000",
            "주문구분": "+매수", "시간": "093000", "체결량": "1",
            "당일매매수수료": "0", "당일매매세금": "0", "거래소구분": "1", "매매구분": "보통",
        }  # fmt: skip


class Deaf(BusyBroker):
    """Asked for what is open it lists all the same."""

    deaf = True


def busy(others: int, *rows: dict[str, str]) -> Desk:
    desk = fresh()
    desk.broker = BusyBroker(rows=list(rows), holdings={"000660": others})
    desk.broker.others = others
    return ready(desk)


def compared(others: int, *rows: dict[str, str]) -> Desk:
    """Ready, and its account is known."""
    desk = busy(others, *rows)
    until_ready(desk, 10)
    desk.run(20)
    assert desk.state.baseline is not None
    return desk


def queries(desk: Desk, since: int = 0) -> list[tuple[str, str]]:
    found = [effect for effect in desk.effects[since:] if isinstance(effect, Query)]
    return [(query.trcode, dict(query.inputs).get("종목코드", "")) for query in found]


def until_ready(desk: Desk, seconds: int) -> int:
    """Return after how many seconds it is ready."""
    for second in range(seconds):
        if desk.state.link.state is ConnectionState.READY:
            return second
        desk.tick(1)
    raise AssertionError(desk.state.link.state)


def differences(desk: Desk) -> set[tuple[str, ...]]:
    return {m.differences for m in desk.told(ReconciliationCompleted)}


def away(desk: Desk, *, redis: bool = True) -> Desk:
    """The next process, which has not connected yet."""
    lines = (
        e.intention if isinstance(e, Send) else e.line for e in desk.effects if isinstance(e, Send | Note)
    )
    assert isinstance(desk.broker, BusyBroker)
    desk.broker.log += tuple(lines)
    kept = {name: getattr(desk.state, name) for name in desk.state.DURABLE} if redis else {}
    first = fresh().state
    return Desk(recovered(first.model_copy(update=kept), desk.broker.log, DATE), desk.now_ns, desk.broker)


def back(desk: Desk, seconds: int = 12) -> Desk:
    ready(desk)
    until_ready(desk, 10)
    desk.run(seconds)
    return desk


class TestLogin:
    def test_it_is_ready_as_soon_at_20_000_orders_as_at_400(self) -> None:
        few, many = busy(400), busy(20_000)
        assert until_ready(many, 10) == until_ready(few, 10) <= 4
        assert queries(few) == queries(many)
        assert differences(many) == {()}

    def test_a_broker_that_lists_what_has_ended_among_what_is_open_delays_it_no_more(self) -> None:
        desk = fresh()
        desk.broker = Deaf(holdings={"000660": 20_000})
        desk.broker.others = 20_000
        assert until_ready(ready(desk), 10) <= 4

    def test_the_list_of_fills_is_read_where_the_day_is_short(self) -> None:
        assert ("OPT10076", "") in queries(busy(300))
        assert ("OPT10076", "") not in queries(busy(301))

    def test_symbols_in_question_are_read_whole_and_no_others(self) -> None:
        desk = busy(2_000)
        until_ready(desk, 10)
        for number, symbol in enumerate(("005930", "373220"), 1):
            pair_id = f"P{number}"
            resting = order(
                desk.now_ns, order_id=f"{pair_id}.1.b.1", pair_id=pair_id, kind=OrderKind.LIMIT,
                symbol=Symbol(symbol),
            )  # fmt: skip
            desk.hear(resting, pair_id)
        asked = {send.args[4] for send in desk.sends}
        assert len(asked) == 2
        again = back(away(desk), 0)
        assert {symbol for trcode, symbol in queries(again) if trcode == "OPT10075"} == {"", *asked}


class TestOurs:
    def resting(self) -> tuple[Desk, Send]:
        desk = busy(2_000)
        until_ready(desk, 10)
        desk.run(30)
        desk.lease()
        desk.hear(order(desk.now_ns, kind=OrderKind.LIMIT), "o")
        return desk, desk.sends[-1]

    def ended(self, desk: Desk, send: Send, cum: int = 10) -> dict[str, str]:
        found = row(send, NO, cum=cum, amount=cum * 199_500, remaining=0)
        return found | {"시간": desk.state.clock.hhmmss(desk.now_ns)}

    @pytest.mark.parametrize("redis", [True, False])
    @pytest.mark.parametrize("numbered", [True, False])
    def test_one_that_filled_and_ended_while_away_is_found(self, numbered: bool, redis: bool) -> None:
        desk, send = self.resting()
        if numbered:
            desk.answer(send, NO)
        desk.broker.rows = [self.ended(desk, send)]
        desk.broker.holdings["005930"] = 10
        again = back(away(desk, redis=redis))
        assert [m.facts.cum_qty_shares for m in again.told(OrderFilled)] == [10]
        assert again.state.orders.still_held() == {"P1": 10}
        assert differences(again) == {()}

    def test_one_that_was_given_up_and_filled_while_away_is_found_by_its_holding(self) -> None:
        desk, send = self.resting()
        desk.run(10)
        assert [m.resolution for m in desk.told(OrderResolved)] == [Resolution.NEVER_ARRIVED]
        desk.broker.rows = [self.ended(desk, send)]
        again = away(desk)
        again.now_ns += 1_800 * 10**9
        again.broker.holdings["005930"] = 10
        back(again)
        assert again.state.orders.still_held() == {"P1": 10}
        assert differences(again) == {()}

    def test_one_that_never_arrived_ends(self) -> None:
        desk, _ = self.resting()
        again = back(away(desk))
        assert [m.resolution for m in again.told(OrderResolved)] == [Resolution.NEVER_ARRIVED]


class TestStrangers:
    def row(self, *, cum: int, remaining: int, at: str = "100100") -> dict[str, str]:
        amount = cum * 199_500
        return {
            "주문번호": NO, "종목코드": "005930", "주문상태": "체결" if cum else "접수", "주문수량": "10",
            "주문가격": "199500", "미체결수량": f"{remaining}", "체결누계금액": f"{amount}",
            "원주문번호": "0000000", "주문구분": "+매수", "시간": at,
            "체결량": f"{cum}", "당일매매수수료": "0", "당일매매세금": "0", "거래소구분": "1",
            "매매구분": "보통",
        }  # fmt: skip

    def test_one_that_works_is_known_at_the_login(self) -> None:
        desk = compared(2_000)
        desk.broker.rows = [self.row(cum=0, remaining=10)]
        again = back(away(desk), 0)
        assert [seen.broker_order_no for seen in again.state.orders.others_working()] == [NO]

    def test_one_that_came_and_ended_while_away_explains_what_is_held(self) -> None:
        again = away(compared(2_000))
        again.now_ns += 60 * 10**9
        again.broker.rows = [self.row(cum=10, remaining=0)]
        again.broker.holdings["005930"] = 10
        back(again)
        assert differences(again) == {()}
        third = back(away(again), 0)
        assert differences(third) == {()}
        assert ("OPT10075", "005930") not in queries(third), "the log knows of it"

    def test_one_that_worked_and_ended_while_away_is_over(self) -> None:
        again = away(compared(2_000, self.row(cum=0, remaining=10, at="095000")))
        assert [seen.broker_order_no for seen in again.state.orders.others_working()] == [NO]
        again.broker.rows = [self.row(cum=4, remaining=0, at="095000")]
        again.broker.holdings["005930"] = 4
        back(again)
        assert not list(again.state.orders.others_working())
        assert again.told(ForeignOrderSeen)[-1].cum_qty_shares == 4
        assert differences(again) == {()}

    def test_those_over_before_the_baseline_make_no_difference_when_they_are_read(self) -> None:
        desk = compared(600)
        desk.lease()
        desk.send_code = -307
        desk.hear(order(desk.now_ns, symbol=Symbol("000660")), "o")
        desk.send_code = 0
        desk.run(20)
        assert [m.resolution for m in desk.told(OrderResolved)] == [Resolution.NEVER_ARRIVED]
        again = away(desk)
        again.now_ns += 200 * 10**9
        back(again)
        assert differences(desk) == differences(again) == {()}

    def test_shares_that_nothing_explains_are_told_once_their_orders_were_read(self) -> None:
        again = away(compared(2_000))
        again.broker.holdings["005930"] = 3
        back(again, 3)
        assert ("OPT10075", "005930") in queries(again)
        assert differences(again) == {("005930: the broker holds 3, our fills make 0",)}


@pytest.mark.parametrize("listed", [True, False])
def test_an_unknown_order_is_found_by_its_symbol_alone(listed: bool) -> None:
    desk = busy(2_000)
    until_ready(desk, 60)
    desk.run(200)
    since = len(desk.effects)
    desk.send_code = -307
    desk.hear(order(desk.now_ns), "o")
    desk.send_code = 0
    if listed:
        found = row(desk.sends[0], "0009001", cum=0, amount=0, remaining=0)
        desk.broker.rows = [found | {"시간": desk.state.clock.hhmmss(desk.now_ns)}]
    desk.run(6)
    asked = [symbol for trcode, symbol in queries(desk, since) if trcode in ("OPT10075", "OPT10076")]
    assert set(asked) == {"005930"}
    assert len(asked) <= 6
    expected = Resolution.FOUND if listed else Resolution.NEVER_ARRIVED
    assert [m.resolution for m in desk.told(OrderResolved)] == [expected]


def test_the_list_of_one_symbol_says_nothing_of_the_others() -> None:
    """Neither of an order of ours that is not in question there, nor of one that a person placed."""
    desk = busy(0)
    desk.hear(order(desk.now_ns, kind=OrderKind.LIMIT), "o")
    desk.answer(desk.sends[0], "0000001")
    desk.frame(**chejan(desk.sends[0], "0000001", "접수", remaining=10))
    one_row = row(desk.sends[0], "0000001", cum=0, amount=0, remaining=10)
    desk.broker.rows = [one_row]
    desk.send_code = -307
    other = order(desk.now_ns, order_id="P2.1.b.1", pair_id="P2", symbol=Symbol("000660"))
    desk.hear(other, "p")
    desk.send_code = 0
    desk.run(8)
    assert desk.state.orders.working["P1.1.b.1"].stage is Stage.ACCEPTED
    assert desk.state.orders.working["P1.1.b.1"].absences == 0
    assert [m.resolution for m in desk.told(OrderResolved)] == [Resolution.NEVER_ARRIVED]


def test_what_cannot_be_read_about_orders_asks_for_all_of_them() -> None:
    desk = busy(0)
    desk.hear(order(desk.now_ns, kind=OrderKind.LIMIT), "o")
    since = len(desk.effects)
    desk.feed(Garbled("OnReceiveChejanData", "x", 1))
    desk.run(1)
    assert ("OPT10075", "") in queries(desk, since)
