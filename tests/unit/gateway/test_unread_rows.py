"""One bad row in the broker's list of orders stops nothing but what it may speak of."""

from dataclasses import replace

import pytest

from services.contracts.messages.orders import OrderResolved, ReconciliationCompleted, Resolution
from services.contracts.terms import Side, Symbol, Venue
from services.gateway.effects import Query
from services.gateway.evidence import readings
from services.gateway.facts import Answered
from services.gateway.order_table import Stage

from .desk import Desk, FakeBroker, S, chejan, exit_order, fresh, order, ready
from .test_order_truth import row, sent

BAD = [{"주문수량": ""}, {"주문구분": ""}, {"주문번호": ""}, {"미체결수량": "x"}, {"주문구분": "신용매도"}]
STRANGER = "0000777"


def bought(desk: Desk, pair_id: str, number: str) -> None:
    desk.hear(order(desk.now_ns, order_id=f"{pair_id}.1.b.1", pair_id=pair_id), f"buy-{pair_id}")
    send = desk.sends[-1]
    desk.answer(send, number)
    desk.frame(**chejan(send, number, "체결", remaining=0, cum=10, amount=1_995_000))
    desk.broker.rows.append(row(send, number, cum=10, amount=1_995_000, remaining=0))


def with_a_lost_sell() -> tuple[Desk, dict[str, str]]:
    """Two pairs hold shares, and the sell of one was lost. Return its row as the broker would have it."""
    desk = ready(fresh())
    bought(desk, "P1", "0000101")
    bought(desk, "P2", "0000102")
    desk.hear(exit_order(desk.now_ns), "lost")
    return desk, row(desk.sends[-1], STRANGER, cum=0, amount=0, remaining=10)


def sells_for_the_other(desk: Desk) -> bool:
    desk.lease()
    count = len(desk.sends)
    desk.hear(exit_order(desk.now_ns, order_id="P2.1.s.1", pair_id="P2"), "other")
    return len(desk.sends) > count


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("other", [{"거래소구분": "1"}, {"주문가격": " 199100"}, {"시간": "093000"}])
def test_a_bad_row_that_is_not_ours_keeps_no_lost_sell(bad: dict[str, str], other: dict[str, str]) -> None:
    desk, lost = with_a_lost_sell()
    desk.broker.rows.append({**lost, **other, **bad})
    desk.run(12)
    record = desk.state.orders.get("P1.1.s.1")
    assert record is not None and record.stage is Stage.CLOSED
    assert sells_for_the_other(desk)


def test_a_bad_row_counts_at_the_second_look() -> None:
    desk, lost = with_a_lost_sell()
    for turn in range(200):
        desk.broker.rows = [*desk.broker.rows[:2], {**lost, "주문번호": "", "주문수량": f"x{turn}"}]
        record = desk.state.orders.get("P1.1.s.1")
        if record is None or record.absences:
            break
        desk.run(0.1)
    since_ns = max(desk.state.unread.values())
    assert record is not None and record.absent_ns - since_ns >= 2 * S


@pytest.mark.parametrize("bad", [bad for bad in BAD if "주문번호" not in bad])
def test_a_bad_row_that_may_be_ours_is_a_question_for_a_person(bad: dict[str, str]) -> None:
    desk, lost = with_a_lost_sell()
    desk.broker.rows.append({**lost, "시간": "", **bad})
    desk.run(12)
    record = desk.state.orders.get("P1.1.s.1")
    assert record is not None and record.stage is Stage.UNKNOWN and record.ambiguous
    desk.broker.rows[-1] = {**lost, "시간": ""}
    desk.run(60)
    record = desk.state.orders.get("P1.1.s.1")
    assert record is not None and record.facts.broker_order_no == STRANGER


def test_a_bad_row_of_our_own_number_does_not_miss_it() -> None:
    desk = ready(fresh())
    desk.hear(order(desk.now_ns, venue=Venue.NXT), "buy")
    desk.answer(desk.sends[-1], "0000101")
    desk.broker.rows = [{**row(desk.sends[-1], "0000101", cum=0, amount=0, remaining=10), "주문수량": ""}]
    desk.run(30)
    record = desk.state.orders.get("P1.1.b.1")
    assert record is not None and (record.absences, record.stage) == (0, Stage.ACCEPTED)


class ScriptedLists(FakeBroker):
    """Gives some lists of orders by share, first to last, then its own; no fills."""

    script: dict[str, list[list[dict[str, str]]]]

    def reply(self, query: Query) -> Answered:
        answer = super().reply(query)
        waiting = self.script.get(dict(query.inputs).get("종목코드", ""))
        if query.trcode == "OPT10076":
            return replace(answer, rows=())
        return replace(answer, rows=tuple(waiting.pop(0))) if waiting else answer


def test_nameless_rows_of_two_shares_are_no_second_look() -> None:
    """An order was taken for lost while its row came blank, because that of another share had been."""
    desk = ready(fresh())
    desk.send_code = -307
    ours = sent(desk)
    sent(desk, order_id="P2.1.b.1", pair_id="P2", symbol=Symbol("000660"))
    nameless = [dict.fromkeys(row(ours, STRANGER, cum=0, amount=0, remaining=10), "")]
    desk.broker = broker = ScriptedLists([row(ours, STRANGER, cum=0, amount=0, remaining=10)])
    broker.script = {"000660": [[], [], nameless, []], "005930": [[], [], [], nameless]}
    desk.run(12)
    assert not any(broker.script.values())
    resolved = {m.facts.order_id: m.resolution for m in desk.told(OrderResolved)}
    assert resolved["P1.1.b.1"] is Resolution.FOUND
    assert not [m for m in desk.told(ReconciliationCompleted) if m.differences]


def test_a_bad_row_may_be_either_side() -> None:
    _, lost = with_a_lost_sell()
    both = readings({**lost, "주문구분": "", "주문수량": "x"})
    assert {seen.side for seen in both} == set(Side) and {seen.qty_shares for seen in both} == {None}
    assert readings({**lost, "주문번호": "", "주문수량": "x"}) == ()


@pytest.mark.parametrize("blank", [1, 2])
def test_nameless_rows_at_two_places_of_a_list_are_no_second_look(blank: int) -> None:
    """The row of a stranger came blank, then ours: an order that arrived was taken for lost."""
    desk = ready(fresh())
    desk.send_code = -307
    ours = row(sent(desk), STRANGER, cum=0, amount=0, remaining=10)
    theirs = {**ours, "주문번호": "0000600", "시간": "093000"}
    nameless = dict.fromkeys(ours, "")
    desk.broker = broker = ScriptedLists([ours, theirs])
    broker.script = {"005930": [[nameless], *[[nameless, theirs]] * blank]}
    desk.run(12)
    resolved = {m.facts.order_id: m.resolution for m in desk.told(OrderResolved)}
    assert resolved["P1.1.b.1"] is Resolution.FOUND
    differs = [m for m in desk.told(ReconciliationCompleted) if m.differences]
    assert bool(differs) is (blank > 1), "two looks at one blank row are told"
