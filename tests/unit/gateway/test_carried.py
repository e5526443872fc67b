"""What a pair bought on an earlier date and has not sold may be sold on a later one, and no share more."""

import pytest

from services.contracts.messages.orders import CommandDenied
from services.contracts.reasons import GateReason
from services.contracts.terms import Purpose, TradingDate
from services.gateway.core import recovered

from .desk import Desk, chejan, exit_order, fresh, log_in, ready
from .test_order_desk import DAY_NS, holding, logged, the_next_day


def flatten(desk: Desk, qty_shares: int, order_id: str = "P1.0.f.1") -> GateReason | None:
    """Ask for a sale of the pair; returns why it was denied."""
    desk.flatten()
    desk.lease()
    sends = len(desk.sends)
    command = exit_order(desk.now_ns, order_id=order_id, purpose=Purpose.FLATTEN, qty_shares=qty_shares)
    desk.hear(command, order_id)
    if len(desk.sends) > sends:
        return None
    denied: GateReason = desk.told(CommandDenied)[-1].reason
    return denied


@pytest.mark.parametrize("stored", [True, False], ids=["stored", "known to the log alone"])
def test_what_was_stranded_is_sold_the_next_day_and_no_share_more(desk: Desk, stored: bool) -> None:
    before = fresh().state
    holding(desk)
    again = ready(the_next_day(desk, desk.state if stored else before))
    assert flatten(again, 11) is GateReason.OVERSELL
    assert flatten(again, 6, "P1.0.f.2") is None
    again.answer(again.sends[-1], "0000401")
    again.frame(**chejan(again.sends[-1], "0000401", "체결", remaining=0, cum=6, amount=6 * 199_300))
    assert flatten(again, 5, "P1.0.f.3") is GateReason.OVERSELL
    assert flatten(again, 4, "P1.0.f.4") is None


def test_a_gateway_that_lives_through_the_night_may_sell_it_too(desk: Desk) -> None:
    holding(desk)
    desk.now_ns += DAY_NS
    desk.run(10)
    assert flatten(desk, 10) is None


def test_what_was_sold_the_same_day_is_not_sold_again(desk: Desk) -> None:
    holding(desk)
    desk.lease()
    desk.hear(exit_order(desk.now_ns, qty_shares=4), "x")
    sold = desk.sends[-1]
    desk.answer(sold, "0000402")
    desk.frame(**chejan(sold, "0000402", "체결", remaining=0, cum=4, amount=4 * 199_300))
    again = ready(the_next_day(desk, desk.state))
    assert flatten(again, 7) is GateReason.OVERSELL
    assert flatten(again, 6, "P1.0.f.2") is None


def test_it_is_carried_over_days_on_which_nothing_was_sold_and_redis_was_lost(desk: Desk) -> None:
    holding(desk)
    second = log_in(the_next_day(desk, desk.state))
    second.run(4)
    lines = logged(second)
    third = recovered(fresh().state, [], TradingDate("2026-11-25"), lines)
    again = ready(Desk(third, second.now_ns + DAY_NS))
    assert flatten(again, 11) is GateReason.OVERSELL
    assert flatten(again, 10, "P1.0.f.2") is None


def test_a_restart_within_the_next_day_counts_it_once(desk: Desk) -> None:
    holding(desk)
    second = ready(the_next_day(desk, desk.state))
    for stored in (second.state, fresh().state):
        durable = {name: getattr(stored, name) for name in stored.DURABLE}
        state = recovered(
            fresh().state.but(**durable), logged(second), TradingDate("2026-11-24"), logged(desk)
        )
        again = ready(Desk(state, second.now_ns))
        assert flatten(again, 11) is GateReason.OVERSELL
        assert flatten(again, 10, "P1.0.f.2") is None
