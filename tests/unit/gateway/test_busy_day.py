"""On a busy day orders in question are found by their symbol, and a login reads one list and not two."""

import pytest

from services.contracts.limits import NS_PER_S, QUERY_LADDER
from services.contracts.messages.orders import OrderResolved, Resolution
from services.contracts.messages.venue_state import ConnectionState
from services.contracts.terms import OrderKind, Symbol
from services.gateway.effects import Query
from services.gateway.facts import Answered, Garbled
from services.gateway.order_table import Stage

from .desk import Desk, FakeBroker, chejan, fresh, order, ready
from .test_order_truth import row

PAGE = 100


class BusyBroker(FakeBroker):
    """The orders of the day of somebody else, by hundreds, newest first, beside `rows`."""

    others = 0

    def reply(self, query: Query) -> Answered:
        answer = super().reply(query)
        if query.trcode not in ("OPT10075", "OPT10076"):
            return answer
        symbol = dict(query.inputs)["종목코드"]
        rows = [*self.rows, *(self._other(number) for number in range(self.others, 0, -1))]
        rows = [each for each in rows if symbol in ("", each["종목코드"])]
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
            "주문구분": "+매수" if number % 2 else "-매도", "시간": "093000", "체결량": "1",
            "당일매매수수료": "0", "당일매매세금": "0", "거래소구분": "1", "매매구분": "보통",
        }  # fmt: skip


def busy(others: int) -> Desk:
    desk = fresh()
    desk.broker = BusyBroker()
    desk.broker.others = others
    return ready(desk)


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


def test_a_login_reads_the_list_of_fills_only_where_it_is_short() -> None:
    quiet, full = busy(300), busy(2_500)
    assert until_ready(full, 60) < 20
    assert ("OPT10076", "") in queries(quiet)
    assert ("OPT10076", "") not in queries(full)


def test_a_login_is_ready_within_one_window_of_the_brokers_at_5_000_orders() -> None:
    assert until_ready(busy(5_000), 200) <= QUERY_LADDER[1][1] // NS_PER_S + 10


def test_a_day_beyond_any_expected_is_read_in_the_end() -> None:
    assert until_ready(busy(6_100), 400) <= 2 * QUERY_LADDER[1][1] // NS_PER_S


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
