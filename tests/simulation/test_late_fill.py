"""Redis lost the order of a pair, its executor died, the gateway is away until the pair was closed."""

from pathlib import Path

import pytest

from services.contracts.ids import order_id_of
from services.contracts.limits import NS_PER_S
from services.contracts.messages.commands import PlaceOrder
from services.contracts.messages.pairs import PairApproved, PairClosed, ResidualOpened
from services.contracts.streams import COMMANDS, PAIRS, key_of
from services.contracts.terms import Side
from services.executor.view import RETOLD_NS
from services.lab.invariants import violations
from services.simulator.virtual.day import STEP_NS, VirtualDay
from services.simulator.virtual.desk import build_desk
from services.simulator.virtual.faults import CALM

PAIRS_KEY, COMMANDS_KEY = key_of(PAIRS), key_of(COMMANDS, "main")
DOWN_NS = 2 * NS_PER_S
"""Longer than an approval is good for: the pair is not begun a second time."""
AWAY_NS = DOWN_NS + RETOLD_NS + NS_PER_S


def step(day: VirtualDay) -> None:
    day.time.now_ns += STEP_NS
    day._step(healed=True)


def until_a_buy_is_filled(day: VirtualDay) -> tuple[PairApproved, int]:
    """Run until the broker has filled a buy that was commanded in a later write than its pair was approved.

    Returns the approval, and when Redis took it.
    """
    turn = 0
    while day.time.now_ns < day.end_ns:
        turn += 1
        day.bus.stall("executor", PAIRS_KEY, day.time.now_ns + STEP_NS + turn % 2)
        step(day)
        for entry in day.bus.streams.get(PAIRS_KEY, []):
            approved = entry.envelope.body
            if isinstance(approved, PairApproved) and filled_later(day, approved.pair_id, entry.taken_ns):
                return approved, entry.taken_ns
    raise AssertionError("nothing was bought")


def filled_later(day: VirtualDay, pair_id: str, approved_ns: int) -> bool:
    first_buy = order_id_of(pair_id, 1, Side.BUY, 1)
    filled = {order.request.rqname for order in day.world.broker.orders.values() if order.fills}
    return any(
        entry.taken_ns > approved_ns
        and isinstance(entry.envelope.body, PlaceOrder)
        and entry.envelope.body.order_id == first_buy in filled
        for entry in day.bus.streams.get(COMMANDS_KEY, [])
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_fill_that_is_told_after_its_pair_was_closed_is_flattened(seed: int) -> None:
    desk = build_desk(Path(__file__).resolve().parents[2] / "config")
    day = VirtualDay(desk, seed, CALM)
    for process in day.everyone:
        process.start()
    approved, taken_ns = until_a_buy_is_filled(day)
    day.bus.forget_since(taken_ns)
    day.bus.go_down(day.time.now_ns + DOWN_NS)
    executor = next(process for process in day.processes if process.name == "executor")
    executor.kill()
    day.gateway.kill()
    day.restart_ns[executor.name] = day.time.now_ns + DOWN_NS
    day.restart_ns[day.gateway.name] = day.time.now_ns + AWAY_NS
    while day.time.now_ns < day.end_ns:
        step(day)
    day.conclude()
    assert violations(day.witness) == []
    closings = [pair for pair in day.witness.of(PairClosed) if pair.pair_id == approved.pair_id]
    assert [(pair.closings, pair.trip) for pair in closings] == [(1, False), (2, True)]
    assert closings[-1].bought_shares == closings[-1].sold_shares > 0
    assert approved.pair_id in {opened.pair_id for opened in day.witness.of(ResidualOpened)}
