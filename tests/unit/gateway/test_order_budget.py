"""An entry leaves only if its own first sell, and what other pairs owe, still fit into a second."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from services.contracts.limits import ENTRY_WAIT_MS, NS_PER_MS, NS_PER_S
from services.contracts.messages.commands import AmendOrder, CancelOrder
from services.contracts.messages.orders import CommandDenied, OrderSent
from services.contracts.reasons import GateReason
from services.contracts.terms import OrderKind, Purpose, Symbol, Venue
from services.gateway.core import decide, recovered
from services.gateway.effects import Effect, Note, Query, Send
from services.gateway.facts import LATE, Moment, QueryReturned, SendReturned, SendWithheld, Started
from services.gateway.limiter import in_window
from services.gateway.order_budget import exits_owed
from services.market.hoga import HogaTable

from .desk import DATE, Desk, chejan, exit_order, fresh, order, ready, restarted

SYMBOLS = [Symbol("005930"), Symbol("000660"), Symbol("005380"), Symbol("373220")]


def entry(desk: Desk, at: int, **changes: Any) -> None:
    fields = {"order_id": f"P{at}.1.b.1", "pair_id": f"P{at}", "symbol": SYMBOLS[at % 4], **changes}
    desk.hear(order(desk.now_ns, **fields), f"e{at}")


def hold(desk: Desk, at: int) -> None:
    """Let a pair of its own buy, and hold what it bought."""
    entry(desk, at)
    number = f"{400 + at:07d}"
    desk.answer(desk.sends[-1], number)
    desk.frame(**chejan(desk.sends[-1], number, "체결", remaining=0, cum=10, amount=1_995_000))


def sent_before(desk: Desk, orders: int) -> None:
    """So many orders left half a second ago, of pairs that are over."""
    desk.state = desk.state.but(order_history=(desk.now_ns - NS_PER_S // 2,) * orders)


def without_ioc(desk: Desk, venue: Venue) -> None:
    rules = desk.state.rules
    code = tuple(r for r in rules.hoga.code if (r.venue, r.kind) != (venue, OrderKind.LIMIT_IOC))
    desk.state = desk.state.but(rules=replace(rules, hoga=HogaTable(code=code)))


def left(desk: Desk) -> list[str]:
    return [send.order_id for send in desk.sends]


def late(desk: Desk) -> list[str]:
    return [m.order_id for m in desk.told(CommandDenied) if m.reason is GateReason.ORDER_BUDGET]


# -- the sum -------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "leaves"), [(3, True), (4, False)])
def test_an_entry_leaves_room_for_its_own_first_sell(desk: Desk, before: int, leaves: bool) -> None:
    sent_before(desk, before)
    entry(desk, 1)
    assert bool(left(desk)) is leaves


@pytest.mark.parametrize(("before", "leaves"), [(2, True), (3, False)])
@pytest.mark.parametrize("buy_venue", list(Venue))
def test_a_sell_without_ioc_needs_its_cancel_too(
    desk: Desk, buy_venue: Venue, before: int, leaves: bool
) -> None:
    without_ioc(desk, buy_venue.other)
    sent_before(desk, before)
    entry(desk, 1, venue=buy_venue)
    assert bool(left(desk)) is leaves


def test_a_buy_without_ioc_needs_no_more_for_its_sell(desk: Desk) -> None:
    without_ioc(desk, Venue.NXT)
    sent_before(desk, 3)
    entry(desk, 1, venue=Venue.NXT, kind=OrderKind.LIMIT)
    assert left(desk) == ["P1.1.b.1"]


def test_what_other_pairs_owe_is_kept_for_them(desk: Desk) -> None:
    for at in range(3):
        entry(desk, at)
    assert left(desk) == ["P0.1.b.1", "P1.1.b.1"]


def test_a_pair_whose_shares_are_on_sale_owes_nothing_more(desk: Desk) -> None:
    hold(desk, 1)
    assert exits_owed(desk.state, desk.now_ns) == {"P1": 1}
    desk.hear(exit_order(desk.now_ns, symbol=SYMBOLS[1]), "x")
    assert exits_owed(desk.state, desk.now_ns) == {}


def test_a_limit_sell_that_works_owes_its_cancel(desk: Desk) -> None:
    hold(desk, 1)
    sell = exit_order(desk.now_ns, symbol=SYMBOLS[1], kind=OrderKind.LIMIT)
    desk.hear(sell, "x")
    desk.answer(desk.sends[-1], "0000700")
    assert exits_owed(desk.state, desk.now_ns) == {"P1": 1}
    cancel = CancelOrder(order_id="c", target_order_id=sell.order_id, pair_id="P1", reason="too slow")
    desk.hear(cancel, "c")
    assert exits_owed(desk.state, desk.now_ns) == {}


def test_the_sum_counts_what_left_in_the_same_turn(desk: Desk) -> None:
    """Two entries wait, and room comes for one of them."""
    desk.state = desk.state.but(order_history=(desk.now_ns - NS_PER_S,) * 4)
    entry(desk, 1)
    entry(desk, 2)
    desk.state = desk.state.but(order_history=(desk.now_ns,) * 2)
    desk.tick(0.1)
    assert left(desk) == ["P1.1.b.1"]


# -- late ----------------------------------------------------------------------------------


def test_an_entry_leaves_within_its_time_when_room_comes(desk: Desk) -> None:
    desk.state = desk.state.but(order_history=(desk.now_ns - NS_PER_S,) * 5)
    entry(desk, 1)
    desk.run(0.2)
    assert (left(desk), late(desk)) == (["P1.1.b.1"], [])
    (said,) = desk.told(OrderSent)
    assert said.waited_ms == 100


def test_an_entry_that_cannot_leave_in_time_is_denied_with_its_figures(desk: Desk) -> None:
    sent_before(desk, 4)
    entry(desk, 1)
    desk.run(0.2)
    assert late(desk) == []
    desk.tick(0.01)
    (denied,) = desk.told(CommandDenied)
    assert denied.reason is GateReason.ORDER_BUDGET
    assert denied.detail == "waited_ms=210 limit_ms=200: sent=4 owed=0 own_sell=1 limit=5"
    desk.run(2)
    assert left(desk) == []


def test_an_entry_that_waited_too_long_is_not_sent_though_there_is_room_now(desk: Desk) -> None:
    sent_before(desk, 4)
    entry(desk, 1)
    desk.state = desk.state.but(order_history=())
    desk.tick((ENTRY_WAIT_MS + 1) / 1_000)
    assert (left(desk), late(desk)) == ([], ["P1.1.b.1"])


def test_an_exit_waits_for_its_token_as_long_as_its_command_lives(desk: Desk) -> None:
    hold(desk, 1)
    sent_before(desk, 5)
    desk.hear(exit_order(desk.now_ns, symbol=SYMBOLS[1]), "x")
    desk.run(0.7)
    assert left(desk)[1:] == ["P1.1.s.1"]
    assert desk.told(OrderSent)[-1].waited_ms == 600


def test_308_denies_an_entry_which_a_whole_window_would_make_late(desk: Desk) -> None:
    desk.send_code = -308
    entry(desk, 1)
    desk.run(2)
    assert (left(desk), late(desk)) == (["P1.1.b.1"], ["P1.1.b.1"])


def test_an_entry_whose_disk_was_slow_is_denied_unsent(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def withhold(self: Desk, effect: Effect) -> None:
        if isinstance(effect, Send):
            assert effect.leave_by_mono_ns == self.now_ns + ENTRY_WAIT_MS * NS_PER_MS
            self.feed(SendWithheld(effect.order_id, LATE, logged=True))

    monkeypatch.setattr(Desk, "_do", withhold)
    entry(desk, 1)
    assert late(desk) == ["P1.1.b.1"]
    assert in_window(desk.state.order_history, desk.now_ns) == 0, "nothing was sent"


def test_an_amended_entry_may_take_no_more_than_a_new_one(desk: Desk) -> None:
    without_ioc(desk, Venue.KRX)
    entry(desk, 1, kind=OrderKind.LIMIT)
    desk.answer(desk.sends[-1], "0000500")
    sent_before(desk, 4)
    amend = AmendOrder(
        order_id="P1.1.b.1.a1", target_order_id="P1.1.b.1", pair_id="P1", qty_shares=10, price_krw=199_600,
        expires_at_ns=desk.now_ns + NS_PER_S,
    )  # fmt: skip
    desk.hear(amend, "a")
    desk.run(0.3)
    assert (left(desk), late(desk)) == (["P1.1.b.1"], ["P1.1.b.1.a1"])


# -- stranded ------------------------------------------------------------------------------


def stranded(desk: Desk) -> None:
    """Four pairs hold what nobody has tried to sell for a minute."""
    for at in range(4):
        hold(desk, at)
        desk.run(2)
    desk.run(60)


def test_four_stranded_positions_bar_no_entry(desk: Desk) -> None:
    stranded(desk)
    before = len(desk.sends)
    entry(desk, 4)
    assert left(desk)[before:] == ["P4.1.b.1"]


def test_a_stranded_position_owes_again_once_an_attempt_is_under_way(desk: Desk) -> None:
    stranded(desk)
    assert exits_owed(desk.state, desk.now_ns) == {}
    sent_before(desk, 5)
    fields = {"order_id": "P1.1.s.2", "symbol": SYMBOLS[1], "purpose": Purpose.FLATTEN}
    desk.hear(exit_order(desk.now_ns, **fields), "x")
    assert exits_owed(desk.state, desk.now_ns) == {"P1": 1}
    desk.run(0.7)
    assert left(desk)[-1] == "P1.1.s.2"


def test_a_sell_that_found_nothing_owes_the_next_attempt(desk: Desk) -> None:
    hold(desk, 1)
    desk.run(2)
    desk.hear(exit_order(desk.now_ns, symbol=SYMBOLS[1]), "x")
    desk.answer(desk.sends[-1], "0000700")
    desk.run(1)
    desk.frame(**chejan(desk.sends[-1], "0000700", "취소", remaining=0))
    assert exits_owed(desk.state, desk.now_ns) == {"P1": 1}
    desk.run(2)
    assert exits_owed(desk.state, desk.now_ns) == {}


def test_what_is_held_owes_an_exit_when_the_connection_takes_orders_again(desk: Desk) -> None:
    hold(desk, 1)
    desk.run(60)
    log = [e.line if isinstance(e, Note) else e.intention for e in desk.effects if isinstance(e, Note | Send)]
    again = ready(Desk(recovered(fresh().state, log, DATE), desk.now_ns))
    assert exits_owed(again.state, again.state.link.since_ns) == {"P1": 1}


# -- when a call counts ----------------------------------------------------------------------


class Slow:
    """A control, or a disk, that takes its time over the first calls."""

    def __init__(self, took_ms: int, monkeypatch: pytest.MonkeyPatch, calls: int = 100) -> None:
        self.calls: list[int] = []
        """When each order may last have reached the broker."""
        done: Callable[[Desk, Effect], None] = Desk._do

        def slowly(own: Desk, effect: Effect) -> None:
            if isinstance(effect, Send | Query) and len(self.calls) < calls:
                own.now_ns += took_ms * NS_PER_MS
            if isinstance(effect, Send):
                self.calls.append(own.now_ns)
            done(own, effect)

        monkeypatch.setattr(Desk, "_do", slowly)


@pytest.mark.parametrize("code", [0, -307, -308])
def test_a_call_counts_from_when_it_came_back(desk: Desk, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    Slow(300, monkeypatch)
    desk.send_code = code
    entry(desk, 1)
    assert set(desk.state.order_history) == {desk.now_ns}


def test_no_second_sees_a_sixth_order_though_a_call_was_slow(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for at in range(4):
        hold(desk, at)
        desk.run(2)
    slow, bought = Slow(900, monkeypatch, calls=1), len(desk.sends)
    for attempt in (1, 2):
        for at in range(4):
            fields = {"order_id": f"P{at}.1.s.{attempt}", "pair_id": f"P{at}", "symbol": SYMBOLS[at]}
            desk.hear(exit_order(desk.now_ns, **fields), f"x{at}.{attempt}")
        desk.run(0.1)
        for send in desk.sends[bought + 4 * attempt - 4 :]:
            number = f"{1000 + len(slow.calls) + desk.sends.index(send):07d}"
            desk.answer(send, number)
            desk.frame(**chejan(send, number, "취소", remaining=0))
    desk.run(1.5)
    assert len(slow.calls) == 8
    assert all(sixth - first > NS_PER_S for first, sixth in zip(slow.calls, slow.calls[5:], strict=False))


def test_after_308_nothing_more_of_the_same_turn_is_sent(desk: Desk) -> None:
    for at in range(3):
        hold(desk, at)
        desk.run(2)
    desk.state = desk.state.but(order_history=(desk.now_ns - NS_PER_S,) * 5)
    for at in range(3):
        fields = {"order_id": f"P{at}.1.s.1", "pair_id": f"P{at}", "symbol": SYMBOLS[at]}
        desk.hear(exit_order(desk.now_ns, **fields), f"x{at}")
    desk.send_code = -308
    desk.tick(0.1)
    assert left(desk)[3:] == ["P0.1.s.1"]


def test_a_call_whose_answer_the_core_failed_at_holds_up_nothing(desk: Desk) -> None:
    step = decide(desk.state, Moment(SendReturned("nobody", 0), desk.now_ns, desk.now_ns))
    desk.state = step.state.but(calling=object())
    hold_up = len(desk.sends)
    desk.tick(0.1)
    entry(desk, 1)
    assert len(desk.sends) == hold_up + 1


def test_orders_of_the_process_before_count_from_the_start(desk: Desk) -> None:
    """Killed within a slow call: its intention is older than what the broker saw."""
    for at in range(2):
        entry(desk, at)
    again = restarted(desk)
    again.now_ns += NS_PER_S
    again.feed(Started())
    assert again.state.order_history == (again.now_ns,) * 2


def test_a_query_counts_from_when_its_call_came_back(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    Slow(300, monkeypatch)
    desk.broker.answers = False
    asked = len(desk.effects)
    desk.state = desk.state.but(rhythm=replace(desk.state.rhythm, account_ns=0))
    desk.run(3)
    assert [e for e in desk.effects[asked:] if isinstance(e, Query)]
    stamps = [at for at in desk.state.desk.history if at >= desk.now_ns - 3 * NS_PER_S]
    flight = desk.state.desk.flight
    assert flight is not None and stamps[-1] == flight.sent_ns + 300 * NS_PER_MS
    desk.feed(QueryReturned("another", 0))
    assert desk.state.desk.history[-1] == stamps[-1]


def test_a_fresh_gateway_owes_nothing() -> None:
    state = fresh().state
    assert exits_owed(state, 0) == {}


def test_a_window_that_closed_during_a_call_lets_no_further_entry_leave(desk: Desk) -> None:
    """Both waited for room; what is judged when the first call is over is judged by the time of then."""

    class Slow(Desk):
        def _do(self, effect: Effect) -> None:
            if isinstance(effect, Send):
                self.now_ns = max(self.now_ns, closes_ns)
            super()._do(effect)

    closes_ns = desk.state.session.window.closes_at_ns
    slow = Slow(desk.state, closes_ns - 150 * NS_PER_MS, desk.broker)
    slow.state = slow.state.but(order_history=(slow.now_ns - 1_050 * NS_PER_MS,) * 4)
    slow.tick(0)
    slow.lease()
    entry(slow, 1)
    entry(slow, 2)
    assert left(slow) == []
    slow.tick(0.1)
    assert left(slow) == ["P1.1.b.1"]
    assert [m.reason for m in slow.told(CommandDenied)] == [GateReason.WINDOW_CLOSED]
