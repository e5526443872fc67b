"""Redis's clock was set back over a restart: no stored time lies ahead, and nothing waits for one to come."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from services.contracts.limits import COMMAND_TTL_MS, NS_PER_MS
from services.contracts.messages.commands import CancelOrder
from services.contracts.messages.orders import CommandDenied
from services.contracts.terms import Venue
from services.gateway.facts import Interrupted, Started
from services.gateway.order_table import Stage
from services.runtime.parts import changed_parts

from .desk import SYMBOL, Desk, S, chejan, exit_order, fresh, log_in, order, ready, restarted
from .test_order_truth import row

BACK = pytest.mark.parametrize("back_s", [0, 5, 600, 3600])
FIRST_NS = 1_500_000_000 * S
"""No smaller number is a time of Redis."""


def holding() -> Desk:
    desk = ready(fresh())
    desk.hear(order(desk.now_ns), "buy")
    buy = desk.sends[-1]
    desk.answer(buy, "0000101")
    desk.frame(**chejan(buy, "0000101", "체결", remaining=0, cum=10, amount=1_995_000))
    desk.broker.rows = [row(buy, "0000101", cum=10, amount=1_995_000, remaining=0)]
    return desk


def set_back(desk: Desk, back_s: int) -> Desk:
    after = restarted(desk)
    after.now_ns -= back_s * S
    return after


def times(stored: Any) -> Iterator[int]:
    if isinstance(stored, dict):
        stored = [*stored.keys(), *stored.values()]
    if isinstance(stored, list | tuple):
        for item in stored:
            yield from times(item)
    elif isinstance(stored, int) and stored > FIRST_NS:
        yield stored


@BACK
def test_no_stored_time_lies_ahead(back_s: int) -> None:
    desk = holding()
    desk.hear(exit_order(desk.now_ns), "sell")
    desk.run(4)
    desk.send_code = -308
    desk.hear(order(desk.now_ns, order_id="P2.1.b.1", pair_id="P2"), "waits")
    desk.hear(CancelOrder(order_id="c", target_order_id="P1.1.s.1", pair_id="P1", reason="t"), "c")
    assert len(desk.state.queue) == 2
    after = set_back(desk, back_s)
    after.feed(Started())
    latest_ns = after.now_ns + COMMAND_TTL_MS * NS_PER_MS
    stored = {name: json.loads(part) for name, part in changed_parts(None, after.state).items()}
    assert list(times(stored))
    assert [ns for ns in times(stored) if ns > latest_ns] == []
    log_in(after)
    after.run(5)
    assert "P2.1.b.1" in [m.order_id for m in after.told(CommandDenied)], "an entry of then is too old now"


@BACK
def test_an_interruption_whose_release_was_missed_ends(back_s: int) -> None:
    desk = holding()
    stamp = desk.state.clock.hhmmss(desk.now_ns)
    desk.feed(Interrupted({9001: SYMBOL, 1221: "199500", 1223: stamp, 1224: "000000", 1225: "정적"}))
    desk.run(1)
    after = log_in(set_back(desk, back_s))
    assert after.state.halts.halted(SYMBOL, Venue.KRX)
    for _ in range(11):
        after.tick(60)
    assert not after.state.halts.halted(SYMBOL, Venue.KRX)


@BACK
def test_a_sell_that_every_list_shows_over_ends(back_s: int) -> None:
    desk = holding()
    desk.hear(exit_order(desk.now_ns), "sell")
    desk.answer(desk.sends[-1], "0000201")
    over = row(desk.sends[-1], "0000201", cum=0, amount=0, remaining=0)
    desk.broker.rows.append({**over, "체결누계금액": "", "체결량": ""})
    desk.run(1.9)
    after = log_in(set_back(desk, back_s))
    after.run(30)
    record = after.state.orders.get("P1.1.s.1")
    assert record is not None and record.stage is Stage.CLOSED
