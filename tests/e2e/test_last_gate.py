"""The last gate with parts dead: what the gateway still refuses, and takes back, when others cannot.

Orders are written to the command stream by hand, as a broken or hostile executor would. Entries rest far
below the market, so that they fill nothing and can be seen to be taken back.
"""

import json
import time
from collections.abc import Iterator
from functools import partial
from itertools import count
from typing import Any

import pytest

from services.contracts.limits import LEASE_MS, NS_PER_MS
from services.contracts.messages.control import TradingStateChanged
from services.contracts.messages.orders import (
    CommandDenied,
    OrderAccepted,
    OrderClosed,
    OrderSent,
)
from services.contracts.reasons import GateReason
from services.contracts.terms import OrderKind, Purpose, Side, TradingState, Venue
from services.contracts.tick_grid import SHARE_TICKS as TICKS
from tests.support.live_desk import DATE, GATEWAY, HALT_FILE, SYMBOLS, LiveDesk

pytestmark = [pytest.mark.slow, pytest.mark.redis, pytest.mark.timeout(150)]
DESK = partial(LiveDesk, services=(GATEWAY, "risk", "executor"))
SYMBOL = SYMBOLS[0]
FAR_TICKS, NEAR_TICKS = 9, 3
_numbers = count(1)


def new_pair() -> str:
    return f"H{next(_numbers)}"


SECOND_S = 1.2
"""After it the broker's second is empty again: an entry that finds no room in it is denied at once."""


def entry(desk: LiveDesk, pair_id: str = "", attempt: int = 1, **changes: Any) -> str:
    """Command a purchase that rests below the market."""
    time.sleep(SECOND_S)
    bid_krw = desk.quote(SYMBOL, Venue.KRX).bids[0][0]
    order_id = f"{pair_id or new_pair()}-b{attempt}"
    price_krw = TICKS.step(bid_krw, -FAR_TICKS)
    return desk.place(order_id, Side.BUY, price_krw, reference_price_krw=bid_krw, **changes)


def resting_entry(desk: LiveDesk) -> str:
    """Command one until the broker has it: an order now and then waits too long for its token."""
    mark = desk.mark()
    for _ in range(20):
        order_id = entry(desk)
        answer = desk.wait(OrderAccepted | CommandDenied, _of(order_id), mark)
        if isinstance(answer, OrderAccepted):
            return order_id
    raise AssertionError(f"no entry was taken\n{desk.last_words()}")


def denial(desk: LiveDesk, order_id: str) -> GateReason:
    """How the gateway answers a command that it must refuse: fails if the order left."""
    answer: Any = desk.wait(OrderSent | CommandDenied, _of(order_id))
    assert isinstance(answer, CommandDenied), f"{order_id} was sent"
    reason: GateReason = answer.reason
    return reason


def _of(order_id: str) -> Any:
    return lambda m: getattr(m, "order_id", "") == order_id or _facts_id(m) == order_id


def _facts_id(message: Any) -> str:
    return message.facts.order_id if hasattr(message, "facts") else ""


def taken_back(desk: LiveDesk, order_id: str) -> None:
    closed = desk.wait(OrderClosed, lambda m: m.facts.order_id == order_id)
    assert closed.facts.cum_qty_shares == 0


def at_broker(desk: LiveDesk, order_id: str) -> list[dict[str, Any]]:
    return [order for order in desk.books()["orders"] if order["rqname"] == order_id]


def sent_at_ns(desk: LiveDesk) -> Iterator[tuple[str, int]]:
    """When each order was sent, by the gateway's own log of intentions (Redis time)."""
    path = desk.folder / "gateway" / f"intentions-{DATE}.jsonl"
    for line in path.read_text(encoding="utf-8").splitlines():
        parsed = json.loads(line)
        if parsed["k"] == "intent":
            yield parsed["record"]["facts"]["order_id"], parsed["record"]["sent_ns"]


def holding(desk: LiveDesk) -> tuple[str, int]:
    """Buy one share through the market; returns the pair's id and the bid it can be sold at."""
    pair_id = new_pair()
    time.sleep(SECOND_S)
    ask_krw = desk.quote(SYMBOL, Venue.KRX).asks[0][0]
    order_id = desk.place(f"{pair_id}-b1", Side.BUY, TICKS.step(ask_krw, NEAR_TICKS),
                          kind=OrderKind.LIMIT_IOC, reference_price_krw=ask_krw)  # fmt: skip
    closed = desk.wait(OrderClosed, lambda m: m.facts.order_id == order_id)
    assert closed.facts.cum_qty_shares == 1
    return pair_id, desk.quote(SYMBOL, Venue.KRX).bids[0][0]


def sell(desk: LiveDesk, pair_id: str, bid_krw: int, attempt: int, **changes: Any) -> str:
    fields = {"kind": OrderKind.LIMIT_IOC, "reference_price_krw": bid_krw, **changes}
    return desk.place(f"{pair_id}-s{attempt}", Side.SELL, TICKS.step(bid_krw, -NEAR_TICKS), **fields)


def sold(desk: LiveDesk, pair_id: str, first_attempt: int) -> None:
    """Sell the share of a pair; again where the gate was not open yet, or the bid had gone."""
    for attempt in range(first_attempt, first_attempt + 20):
        bid_krw = desk.quote(SYMBOL, Venue.KRX).bids[0][0]
        order_id = sell(desk, pair_id, bid_krw, attempt)
        answer: Any = desk.wait(OrderClosed | CommandDenied, _of(order_id))
        if isinstance(answer, OrderClosed) and answer.facts.cum_qty_shares:
            return
    raise AssertionError(f"{pair_id} was not sold\n{desk.last_words()}")


# -- risk is dead ------------------------------------------------------------------------------


def test_without_risk_the_lease_lapses_and_no_entry_is_sent(desk: LiveDesk) -> None:
    resting = resting_entry(desk)
    desk.kill("risk")
    while not lease_refused(desk, entry(desk)):
        continue
    last_lease_ns = desk.leased_at_ns()
    late = [order_id for order_id, at_ns in sent_at_ns(desk)
            if ".x" not in order_id and at_ns >= last_lease_ns + LEASE_MS * NS_PER_MS]  # fmt: skip
    assert late == []
    taken_back(desk, resting)
    desk.restart("risk")
    desk.armed()
    taken_back_by_hand(desk, resting_entry(desk))


def lease_refused(desk: LiveDesk, order_id: str) -> bool:
    answer: Any = desk.wait(OrderSent | CommandDenied, _of(order_id))
    return getattr(answer, "reason", None) is GateReason.LEASE


def taken_back_by_hand(desk: LiveDesk, order_id: str) -> None:
    desk.cancel(order_id)
    taken_back(desk, order_id)


def test_what_was_bought_is_sold_without_risk(desk: LiveDesk) -> None:
    pair_id, _ = holding(desk)
    desk.kill("risk")
    desk.until(lambda: not desk.lease_lives(), "the lease lapses")
    sold(desk, pair_id, 1)


# -- the executor hangs --------------------------------------------------------------------------


def test_a_halt_is_obeyed_while_the_executor_hangs(desk: LiveDesk) -> None:
    resting = resting_entry(desk)
    desk.freeze("executor")
    desk.arb("halt", "--reason", "the executor hangs", "--wait", "2", code=1)
    taken_back(desk, resting)
    assert denial(desk, entry(desk)) is GateReason.HALTED
    desk.thaw("executor")


def test_a_halt_is_obeyed_with_risk_and_executor_dead(desk: LiveDesk) -> None:
    pair_id, bid_krw = holding(desk)
    resting = resting_entry(desk)
    desk.kill("risk", "executor")
    desk.arb("halt", "--reason", "all is dead", "--wait", "0.5", code=1)
    taken_back(desk, resting)
    assert denial(desk, entry(desk)) is GateReason.HALTED
    assert denial(desk, sell(desk, pair_id, bid_krw, 1)) is GateReason.HALTED
    desk.made_whole()
    sold(desk, pair_id, 2)


# -- Redis is gone -------------------------------------------------------------------------------


def test_without_redis_the_gateway_takes_back_entries_by_itself(desk: LiveDesk) -> None:
    resting = resting_entry(desk)
    last_lease_ns = desk.leased_at_ns()
    desk.kill_redis()
    desk.until(lambda: at_broker(desk, resting)[0]["closed"] == "cancelled", "the entry is taken back")
    late_ns = last_lease_ns + (LEASE_MS + 1_000) * NS_PER_MS
    assert [o for o, at_ns in sent_at_ns(desk) if at_ns >= late_ns and ".x" not in o] == []
    desk.restart_redis()
    taken_back(desk, resting)
    desk.until(desk.lease_is_new, "risk renews again")
    desk.armed()
    taken_back_by_hand(desk, resting_entry(desk))


# -- an old lease --------------------------------------------------------------------------------


def test_a_renewal_that_is_read_late_is_not_held(desk: LiveDesk) -> None:
    desk.freeze(GATEWAY)
    mark_ns = desk.leased_at_ns()
    desk.until(lambda: desk.leased_at_ns() > mark_ns, "a renewal that the gateway has not read")
    desk.kill("risk")
    desk.until(lambda: not desk.lease_lives(), "the renewal grows old unread")
    late = entry(desk)
    desk.thaw(GATEWAY)
    assert denial(desk, late) in (GateReason.LEASE, GateReason.EXPIRED)
    assert denial(desk, entry(desk)) is GateReason.LEASE
    assert at_broker(desk, late) == []


# -- the HALT file ---------------------------------------------------------------------------------


def test_a_halt_file_stops_everything_with_all_others_dead(desk: LiveDesk) -> None:
    pair_id, bid_krw = holding(desk)
    resting = resting_entry(desk)
    bid_krw = desk.quote(SYMBOL, Venue.NXT).bids[0][0]
    resting_exit = desk.place(f"{pair_id}-s1", Side.SELL, TICKS.step(bid_krw, FAR_TICKS), venue=Venue.NXT,
                              reference_price_krw=bid_krw)  # fmt: skip
    desk.wait(OrderAccepted, _of(resting_exit))
    desk.freeze("risk", "executor")
    (desk.folder / HALT_FILE).touch()
    taken_back(desk, resting)
    taken_back(desk, resting_exit)
    assert denial(desk, entry(desk)) is GateReason.HALT_FILE
    flatten = sell(desk, pair_id, bid_krw, 2, purpose=Purpose.FLATTEN)
    assert denial(desk, flatten) is GateReason.HALT_FILE
    desk.made_whole()
    sold(desk, pair_id, 3)


# -- what a broken executor may not do ---------------------------------------------------------------


def test_reduce_only_sells_and_does_not_buy(desk: LiveDesk) -> None:
    pair_id, _ = holding(desk)
    desk.arb("reduce", "--reason", "test")
    desk.wait(TradingStateChanged, lambda m: m.state is TradingState.REDUCE_ONLY)
    assert denial(desk, entry(desk)) is GateReason.TRADING_STATE
    sold(desk, pair_id, 1)


def test_more_is_never_sold_than_was_bought(desk: LiveDesk) -> None:
    pair_id, bid_krw = holding(desk)
    assert denial(desk, sell(desk, pair_id, bid_krw, 1, qty_shares=2)) is GateReason.OVERSELL
    assert denial(desk, sell(desk, new_pair(), bid_krw, 1)) is GateReason.OVERSELL
    first = sell(desk, pair_id, bid_krw, 2)
    again = sell(desk, pair_id, bid_krw, 3)
    assert denial(desk, again) in (GateReason.OVERSELL, GateReason.UNACKNOWLEDGED)
    closed = desk.wait(OrderClosed, lambda m: m.facts.order_id == first)
    assert closed.facts.cum_qty_shares == 1


def test_a_superseded_attempt_is_never_sent(desk: LiveDesk) -> None:
    pair_id = new_pair()
    late = f"{pair_id}-b1"
    newer = entry(desk, pair_id, attempt=2, supersedes=late)
    assert denial(desk, entry(desk, pair_id, attempt=1)) is GateReason.SUPERSEDED
    desk.wait(OrderAccepted, _of(newer))
    taken_back_by_hand(desk, newer)
    assert at_broker(desk, late) == []


def test_the_same_command_twice_is_one_order(desk: LiveDesk) -> None:
    order_id = resting_entry(desk)
    entry(desk, order_id.partition("-")[0])
    other = resting_entry(desk)
    assert len(at_broker(desk, order_id)) == 1
    for each in (order_id, other):
        taken_back_by_hand(desk, each)


def test_a_command_that_is_too_old_is_not_sent(desk: LiveDesk) -> None:
    order_id = entry(desk, expires_at_ns=desk.link.bus.time_ns() - NS_PER_MS)
    assert denial(desk, order_id) is GateReason.EXPIRED


def test_a_purchase_against_an_own_sale_is_not_sent(desk: LiveDesk) -> None:
    pair_id, bid_krw = holding(desk)
    resting = sell(desk, pair_id, TICKS.step(bid_krw, FAR_TICKS + NEAR_TICKS), 1, kind=OrderKind.LIMIT,
                   reference_price_krw=bid_krw)  # fmt: skip
    desk.wait(OrderAccepted, _of(resting))
    assert denial(desk, entry(desk)) is GateReason.SELF_CROSS
    taken_back_by_hand(desk, resting)
    sold(desk, pair_id, 2)
