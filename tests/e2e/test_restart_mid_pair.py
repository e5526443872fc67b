"""Mid-pair restarts: a process dies at a chosen step of a pair, and the pair still ends right.

The way to the broker is long here, so that a process can be stopped between two steps for certain:
an order that was sent is at the venue only a quarter of a second later. Whatever dies, each order is sent
once, each fill counts once, and the account agrees with the closed pairs to the won.
"""

from functools import partial
from typing import Any

import pytest

from services.contracts.messages.orders import OrderFilled, OrderSent
from services.contracts.messages.pairs import PairApproved, PairClosed
from services.contracts.messages.status import RiskStatus
from services.contracts.terms import Side
from tests.support.live_desk import GATEWAY, SLOW_BROKER, LiveDesk

pytestmark = [pytest.mark.slow, pytest.mark.redis, pytest.mark.timeout(150)]
DESK = partial(LiveDesk, latency=SLOW_BROKER)

Step = tuple[type[Any], Side]
BUY_SENT: Step = (OrderSent, Side.BUY)
BUY_FILLED: Step = (OrderFilled, Side.BUY)
SELL_SENT: Step = (OrderSent, Side.SELL)


def reached(desk: LiveDesk, step: Step) -> PairApproved:
    """Open a pair and wait until one of its orders has got to a step."""
    kind, side = step
    for _ in range(4):
        approved = desk.pair(desk.next_symbol())
        if _reaches(desk, approved, kind, side):
            return approved
    raise AssertionError(f"no pair came to its {kind.__name__}\n{desk.last_words()}")


def _reaches(desk: LiveDesk, approved: PairApproved, kind: type[Any], side: Side) -> bool:
    """Whether a pair came so far; one whose spread is gone before its first clip buys nothing."""

    def said(message: Any) -> bool:
        if isinstance(message, PairClosed):
            return message.pair_id == approved.pair_id and not message.trip
        return bool(message.facts.pair_id == approved.pair_id and message.facts.side is side)

    return isinstance(desk.wait(kind | PairClosed, said), kind)


def assert_ends_right(desk: LiveDesk, approved: PairApproved) -> None:
    closed = desk.wait(PairClosed, lambda m: m.pair_id == approved.pair_id)
    assert closed.bought_shares == closed.sold_shares
    desk.settled()
    desk.wait(RiskStatus, lambda m: not m.open_pairs and m.realised_pnl_krw == desk.realised_krw())
    desk.assert_true_and_flat()


@pytest.mark.parametrize(
    "step", [BUY_SENT, BUY_FILLED, SELL_SENT], ids=["buy_sent", "buy_filled", "sell_sent"]
)
@pytest.mark.parametrize("victim", [GATEWAY, "executor"])
def test_a_pair_survives_a_kill(desk: LiveDesk, victim: str, step: Step) -> None:
    approved = reached(desk, step)
    desk.kill(victim)
    desk.restart(victim)
    assert_ends_right(desk, approved)


def test_a_pair_survives_the_death_of_risk(desk: LiveDesk) -> None:
    approved = reached(desk, BUY_FILLED)
    desk.kill("risk")
    desk.wait(PairClosed, lambda m: m.pair_id == approved.pair_id)
    desk.restart("risk")
    assert_ends_right(desk, approved)


def test_a_pair_survives_the_death_of_all(desk: LiveDesk) -> None:
    approved = reached(desk, BUY_SENT)
    desk.kill(GATEWAY, "risk", "executor")
    desk.until(lambda: holds_shares(desk), "the buy fills while nobody listens")
    desk.restart(GATEWAY, "risk", "executor")
    found = desk.wait(OrderFilled, lambda m: m.facts.pair_id == approved.pair_id)
    assert found.by_query
    assert_ends_right(desk, approved)


def holds_shares(desk: LiveDesk) -> bool:
    return any(desk.books()["holdings"].values())


def test_a_gateway_that_dies_before_the_order_number_finds_the_fill_by_query(desk: LiveDesk) -> None:
    approved = reached(desk, BUY_SENT)
    desk.kill(GATEWAY)
    desk.until(lambda: holds_shares(desk), "the buy fills while the gateway is dead")
    desk.restart(GATEWAY)
    assert_ends_right(desk, approved)
    ours = [m for m in desk.since(0, OrderFilled) if m.facts.pair_id == approved.pair_id]
    fills = [m for m in ours if m.facts.side is Side.BUY]
    assert [m.by_query for m in fills] == [True]
    assert sum(m.last_qty_shares for m in fills) == fills[-1].facts.cum_qty_shares
