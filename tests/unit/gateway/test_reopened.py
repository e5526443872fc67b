"""An order that was closed lives again on positive evidence, and nothing more is sold for it meanwhile."""

from typing import Any

import pytest

from services.contracts.messages.control import StopRequested
from services.contracts.messages.orders import (
    CommandDenied,
    ForeignOrderSeen,
    OrderClosed,
    OrderFilled,
    OrderResolved,
    ReconciliationCompleted,
    Resolution,
)
from services.contracts.terms import OrderKind, Side, TradingState, Venue
from services.gateway.core import recovered
from services.gateway.effects import Note, Send
from services.gateway.order_table import Stage

from .desk import DATE, Desk, S, chejan, exit_order, fresh, order, ready
from .test_order_truth import row

NO = "0000777"


@pytest.fixture
def desk() -> Desk:
    return ready(fresh())


def log_of(desk: Desk) -> list[Any]:
    return [
        e.intention if isinstance(e, Send) else e.line for e in desk.effects if isinstance(e, Send | Note)
    ]


def bought(desk: Desk) -> None:
    desk.hear(order(desk.now_ns, venue=Venue.NXT), "buy")
    send = desk.sends[-1]
    desk.answer(send, "0000001")
    desk.frame(**chejan(send, "0000001", "체결", remaining=0, cum=10, amount=1_995_000))
    desk.broker.rows = [row(send, "0000001", cum=10, amount=1_995_000, remaining=0)]


def given_up(desk: Desk, **changes: Any) -> Send:
    """A sell of ten that no answer came for and that two queries did not show."""
    bought(desk)
    desk.hear(exit_order(desk.now_ns, **{"venue": Venue.KRX, "kind": OrderKind.LIMIT, **changes}), "sell")
    send = desk.sends[-1]
    desk.run(7)
    assert [m.resolution for m in desk.told(OrderResolved)] == [Resolution.NEVER_ARRIVED]
    desk.lease()
    return send


def sell_again(desk: Desk) -> str:
    """Ask for the same ten shares to be sold once more; return why not."""
    desk.lease()
    desk.hear(exit_order(desk.now_ns, order_id="P1.1.s.2", venue=Venue.KRX), "again")
    return desk.told(CommandDenied)[-1].reason if desk.told(CommandDenied) else ""


def answer(desk: Desk, send: Send) -> None:
    desk.answer(send, NO)


def own_screen(desk: Desk, send: Send) -> None:
    desk.frame(**chejan(send, NO, "접수", remaining=10))


def no_screen(desk: Desk, send: Send) -> None:
    desk.frame(**chejan(send, NO, "체결", remaining=6, cum=4, amount=797_200, screen="", f908="100000"))
    desk.run(4)


def query(desk: Desk, send: Send) -> None:
    desk.broker.rows = [*desk.broker.rows, row(send, NO, cum=0, amount=0, remaining=10)]
    desk.state = desk.state.but(desk=desk.state.desk.forget())
    desk.feed_forgotten()


@pytest.mark.parametrize("evidence", [answer, own_screen, no_screen, query])
def test_one_taken_for_never_arrived_lives_again_and_bars_a_second_sell(desk: Desk, evidence: Any) -> None:
    send = given_up(desk)
    evidence(desk, send)
    found = desk.told(OrderResolved)[-1]
    assert (found.resolution, found.reopens, found.facts.closed) == (Resolution.FOUND, True, False)
    assert found.facts.broker_order_no == NO
    assert not desk.told(ForeignOrderSeen)
    assert sell_again(desk) in ("oversell", "not_ready")
    assert desk.sends[-1].order_id == send.order_id


def test_a_halt_takes_back_one_that_lives_again(desk: Desk) -> None:
    answer(desk, send := given_up(desk))
    desk.hear(StopRequested(target=TradingState.HALTED, by="t", reason="t"), "halt")
    assert desk.sends[-1].args[8] == NO
    assert desk.sends[-1].order_id.startswith(send.order_id)


def test_where_both_are_on_sale_both_are_taken_back(desk: Desk) -> None:
    send = given_up(desk)
    sell_again(desk)
    desk.answer(desk.sends[-1], "0000778")
    answer(desk, send)
    desk.run(1)
    cancelled = {sent.args[8] for sent in desk.sends if sent.args[8]}
    assert cancelled == {NO, "0000778"}


def test_a_refusal_without_words_is_no_strangers_order_when_it_fills(desk: Desk) -> None:
    desk.hear(order(desk.now_ns), "buy")
    desk.answer(send := desk.sends[-1], "")
    desk.run(8)
    desk.frame(**chejan(send, NO, "체결", remaining=0, cum=10, amount=1_995_000))
    assert sum(m.last_qty_shares for m in desk.told(OrderFilled)) == 10
    assert not desk.told(ForeignOrderSeen)
    assert desk.state.orders.sellable_shares("P1") == 10


def test_the_log_of_intentions_knows_that_it_lives(desk: Desk) -> None:
    answer(desk, send := given_up(desk))
    orders = recovered(fresh().state, log_of(desk), DATE).orders
    assert orders.working[send.order_id].stage is Stage.ACCEPTED
    assert not orders.working[send.order_id].facts.closed
    assert orders.sellable_shares("P1") == 0


def test_after_a_restart_it_is_heard_as_well(desk: Desk) -> None:
    send = given_up(desk)
    again = ready(Desk(recovered(fresh().state, log_of(desk), DATE), desk.now_ns, desk.broker))
    own_screen(again, send)
    assert again.told(OrderResolved)[-1].reopens
    assert again.state.orders.sellable_shares("P1") == 0


def test_a_number_told_late_by_a_replaced_gateway_opens_nothing(desk: Desk) -> None:
    bought(desk)
    log = log_of(desk)
    number = next(line for line in log if line["k"] == "number")
    assert recovered(fresh().state, [*log, number], DATE).orders.working == {}


def test_a_number_that_was_a_strangers_is_ours_with_all_that_was_told_of_it() -> None:
    desk = ready(fresh(ack_timeout_ms=8_000))
    desk.answer(_other(desk), "0000100")
    desk.frame(**chejan(desk.sends[-1], "0000100", "취소", remaining=0))
    desk.hear(order(desk.now_ns), "buy")
    send = desk.sends[-1]
    desk.frame(**chejan(send, NO, "체결", remaining=6, cum=4, amount=798_000, screen="0101"))
    desk.run(3.5)
    assert [m.closed for m in desk.told(ForeignOrderSeen)] == [False]
    answer(desk, send)
    assert (last := desk.told(ForeignOrderSeen)[-1]).closed
    assert last.cum_qty_shares == 0
    assert desk.state.orders.sellable_shares("P1") == 4
    desk.frame(**chejan(send, NO, "취소", remaining=0, amount=798_000, screen="0101"))
    desk.broker.rows = [row(send, NO, cum=4, amount=798_000, remaining=0)]
    desk.broker.holdings = {"005930": 4}
    desk.run(10)
    desk.hear(exit_order(desk.now_ns, venue=Venue.KRX, qty_shares=4), "sell")
    assert desk.sends[-1].args[3] == 2
    assert not [m for m in desk.told(ReconciliationCompleted) if m.differences]


def _other(desk: Desk) -> Send:
    desk.hear(order(desk.now_ns, order_id="P0.1.b.1", pair_id="P0"), "other")
    return desk.sends[-1]


def closed_short(desk: Desk) -> Send:
    """A limit buy of ten whose end was told with four filled."""
    desk.hear(order(desk.now_ns, kind=OrderKind.LIMIT), "buy")
    send = desk.sends[-1]
    desk.answer(send, NO)
    desk.frame(**chejan(send, NO, "체결", remaining=6, cum=4, amount=798_000))
    desk.frame(**chejan(send, NO, "취소", remaining=0, amount=798_000))
    assert desk.told(OrderClosed)
    return send


def test_a_fill_beyond_its_end_with_shares_open_opens_it(desk: Desk) -> None:
    send = closed_short(desk)
    desk.frame(**chejan(send, NO, "체결", remaining=4, cum=6, amount=1_197_000))
    assert desk.told(OrderResolved)[-1].reopens
    assert desk.state.orders.works_against(send.args[4], Venue.KRX, Side.SELL) == send.order_id  # type: ignore[arg-type]


@pytest.mark.parametrize(("looks", "lives"), [(1, False), (2, True)])
def test_only_two_queries_apart_open_what_had_closed(desk: Desk, looks: int, lives: bool) -> None:
    send = closed_short(desk)
    desk.run(1)
    open_row = row(send, NO, cum=4, amount=798_000, remaining=6)
    desk.broker.rows = [open_row]
    desk.feed_forgotten()
    if looks == 1:
        desk.broker.rows = [{**open_row, "미체결수량": "0"}]
    desk.now_ns += 2 * S
    desk.run(3)
    assert [m.reopens for m in desk.told(OrderResolved)] == [True] * lives
    assert (send.order_id in desk.state.orders.working) is lives
