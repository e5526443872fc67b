"""Losses beside the limit of the day, what is bought and not yet sold, and errors: a latch for each."""

import pytest

from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.control import (
    LatchClearRequested,
    LatchSet,
    LimitChangeRequested,
    LimitConfirmRequested,
    SymbolPauseRequested,
    SymbolResumeRequested,
)
from services.contracts.messages.orders import CommandDenied, OrderRejected, OrderUnknown
from services.contracts.messages.pairs import PairApproved, PairDenied, ResidualMarked, StrandReason
from services.contracts.reasons import DenialReason, GateReason
from services.contracts.terms import Latch, Side, TradingState, Venue
from services.risk.core import ERRORS_KEPT
from services.risk.losses import result_krw
from services.runtime.parts import changed_parts, restore
from tests.unit.detector import world
from tests.unit.detector.world import SAMSUNG
from tests.unit.risk.desk import Desk, armed, closed, facts, filled, heartbeat, intent, of, quotes

BOUGHT_KRW = 350_000


def opened(desk: Desk, name: str) -> str:
    pair = desk.answer(intent(desk, name=name))
    assert isinstance(pair, PairApproved), pair
    return pair.pair_id


def lose(desk: Desk, name: str, loss_krw: int) -> list[LatchSet]:
    """A pair whose prices alone lose `loss_krw`; returns the latches of its close."""
    pair_id = opened(desk, name)
    desk.tell(filled(facts(pair_id, Side.BUY, 5, BOUGHT_KRW)))
    desk.tell(filled(facts(pair_id, Side.SELL, 5, BOUGHT_KRW - loss_krw)))
    return of(desk.tell(closed(pair_id, realised_pnl_krw=-loss_krw)), LatchSet)


def lifted(desk: Desk, latch: Latch) -> None:
    desk.tell(LatchClearRequested(latch=latch, by="kim", reason="looked at it"))
    desk.state = desk.state.but(
        trading=desk.state.trading.model_copy(update={"state": TradingState.ARMED}), approved_at_ns={}
    )


def latches(messages: object) -> list[Latch]:
    return [latch.latch for latch in of(messages, LatchSet)]  # type: ignore[arg-type]


# -- one pair --------------------------------------------------------------------------------


def test_a_pair_that_lost_its_limit_is_latched_at_its_close_with_its_costs_told_apart() -> None:
    desk = armed(world.limits(max_pair_loss_krw=10_000))
    (latch,) = lose(desk, "bad", 10_000)
    assert latch.latch is Latch.PAIR_LOSS
    assert "10" in latch.detail and "in costs" in latch.detail
    assert desk.state.trading.state is TradingState.REDUCE_ONLY


def test_a_pair_that_lost_less_is_none() -> None:
    desk = armed(world.limits(max_pair_loss_krw=10_000))
    assert lose(desk, "small", 9_000) == []


def test_an_open_pair_is_valued_at_the_bid() -> None:
    desk = armed(world.limits(max_pair_loss_krw=10_000))
    pair_id = opened(desk, "open")
    desk.tell(filled(facts(pair_id, Side.BUY, 5, BOUGHT_KRW)), *quotes(SAMSUNG, 68_100))
    assert latches(desk.tick(20)) == []
    desk.tell(*quotes(SAMSUNG, 68_000))
    assert latches(desk.tick(30)) == [Latch.PAIR_LOSS]


def test_a_pair_that_a_late_fill_opened_again_is_judged_by_its_last_close() -> None:
    """Closed with nothing, as all believed: the shares that it had bought after all were sold at a loss."""
    desk = armed(world.limits(max_pair_loss_krw=10_000))
    pair_id = opened(desk, "late")
    nothing = {"bought_shares": 0, "bought_krw": 0, "sold_shares": 0, "sold_krw": 0, "commission_krw": 0}
    said = desk.tell(closed(pair_id, trip=False, realised_pnl_krw=0, tax_krw=0, **nothing))
    assert latches(said) == []
    desk.tell(filled(facts(pair_id, Side.BUY, 5, BOUGHT_KRW)))
    desk.tell(filled(facts(pair_id, Side.SELL, 5, BOUGHT_KRW - 20_000)))
    sums = {"sold_krw": BOUGHT_KRW - 20_000, "tax_krw": 660}
    assert latches(desk.tell(closed(pair_id, closings=2, **sums))) == [Latch.PAIR_LOSS]


def test_a_lifted_pair_loss_is_not_set_again_by_the_pair_that_is_closed() -> None:
    desk = armed(world.limits(max_pair_loss_krw=10_000))
    lose(desk, "bad", 20_000)
    lifted(desk, Latch.PAIR_LOSS)
    assert latches(desk.tick(40)) == []


# -- in a row --------------------------------------------------------------------------------


def test_losing_pairs_in_a_row_latch_and_begin_anew_once_lifted() -> None:
    desk = armed(world.limits(max_losing_pairs_in_a_row=2, max_pairs_per_symbol_window=20))
    assert lose(desk, "first", 1_000) == []
    assert [m.latch for m in lose(desk, "second", 1_000)] == [Latch.LOSING_STREAK]
    lifted(desk, Latch.LOSING_STREAK)
    assert lose(desk, "third", 1_000) == []


def test_a_pair_that_earned_ends_the_row() -> None:
    desk = armed(world.limits(max_losing_pairs_in_a_row=2, max_pairs_per_symbol_window=20))
    lose(desk, "first", 1_000)
    assert lose(desk, "good", -5_000) == []
    assert lose(desk, "second", 1_000) == []


def test_a_close_told_again_counts_once() -> None:
    desk = armed(world.limits(max_losing_pairs_in_a_row=2, max_pairs_per_symbol_window=20))
    lose(desk, "first", 1_000)
    (pair_id,) = desk.state.settled_krw
    assert latches(desk.tell(closed(pair_id), closed(pair_id))) == []
    assert desk.state.day.losses_in_a_row == 1


def test_the_count_outlasts_a_restart() -> None:
    desk = armed(world.limits(max_losing_pairs_in_a_row=2, max_pairs_per_symbol_window=20))
    before = desk.state
    lose(desk, "first", 1_000)
    stored = changed_parts(None, desk.state)
    again = restore(before, stored)
    assert again.day.losses_in_a_row == 1


# -- from the best ---------------------------------------------------------------------------


def test_a_fall_from_the_best_is_latched_and_a_person_may_accept_it() -> None:
    desk = armed(world.limits(max_drawdown_krw=10_000, max_pairs_per_symbol_window=20))
    lose(desk, "good", -20_000)
    desk.tick(20)
    assert desk.state.day.best_krw == result_krw(desk.state) == 19_155
    lose(desk, "bad", 9_000)
    assert latches(desk.tick(30)) == []
    lose(desk, "worse", 1_000)
    assert latches(desk.tick(40)) == [Latch.DRAWDOWN]
    lifted(desk, Latch.DRAWDOWN)
    assert latches(desk.tick(50)) == []


def test_a_day_that_never_earned_has_no_best_to_fall_from() -> None:
    desk = armed(world.limits(max_drawdown_krw=1_000))
    lose(desk, "bad", 9_000)
    assert latches(desk.tick(30)) == []


# -- bought and not sold ---------------------------------------------------------------------


def test_shares_held_too_long_latch_and_stay_sellable() -> None:
    desk = armed(world.limits(max_unhedged_ms=1_000))
    pair_id = opened(desk, "slow")
    desk.tell(filled(facts(pair_id, Side.BUY, 5, BOUGHT_KRW)))
    assert latches(desk.tick(20)) == []
    assert latches(desk.tick(1_020)) == []
    desk.tell(*(heartbeat(service) for service in ("gateway", "executor")), at_ms=1_000)
    assert latches(desk.tick(1_021)) == [Latch.UNHEDGED]
    assert desk.state.trading.state is TradingState.REDUCE_ONLY
    assert desk.state.trading.state.allows_exits


def test_the_time_begins_anew_with_each_holding() -> None:
    desk = armed(world.limits(max_unhedged_ms=1_000))
    pair_id = opened(desk, "two clips")
    desk.tell(filled(facts(pair_id, Side.BUY, 2, 140_000, order_id=f"{pair_id}.1.b.1")))
    desk.tick(20)
    desk.tell(filled(facts(pair_id, Side.SELL, 2, 141_000, order_id=f"{pair_id}.1.s.1")))
    desk.tick(900)
    desk.tell(filled(facts(pair_id, Side.BUY, 2, 140_000, order_id=f"{pair_id}.2.b.1")))
    assert latches(desk.tick(1_000)) == []
    assert latches(desk.tick(1_900)) == []


def test_a_stranded_position_is_a_persons_and_latches_no_second_time() -> None:
    desk = armed(world.limits(max_unhedged_ms=1_000))
    pair_id = opened(desk, "stuck")
    desk.tell(filled(facts(pair_id, Side.BUY, 5, BOUGHT_KRW)))
    desk.tick(20)
    desk.tell(
        ResidualMarked(
            pair_id=pair_id, symbol=SAMSUNG, qty_shares=5, cost_krw=BOUGHT_KRW,
            reason=StrandReason.NO_VENUE, detail="",
        )
    )  # fmt: skip
    assert Latch.UNHEDGED not in latches(desk.tick(9_000))


def test_more_held_than_may_be_is_latched() -> None:
    desk = armed(world.limits(max_unhedged_krw=300_000))
    pair_id = opened(desk, "large")
    desk.tell(filled(facts(pair_id, Side.BUY, 5, BOUGHT_KRW)))
    assert latches(desk.tick(20)) == [Latch.UNHEDGED]


# -- errors ----------------------------------------------------------------------------------


def denied(number: int, reason: GateReason) -> CommandDenied:
    return CommandDenied(
        order_id=f"P.{number}", pair_id="P", symbol=SAMSUNG, reason=reason, detail="", target_order_id=""
    )


def test_denials_that_say_a_sender_is_wrong_are_counted_and_told_by_kind() -> None:
    desk = armed(world.limits(max_denials_per_minute=2))
    desk.tell(*(denied(n, GateReason.OVERSELL) for n in range(2)))
    assert latches(desk.tick(20)) == []
    desk.tell(denied(2, GateReason.COLLAR))
    (latch,) = of(desk.tick(30), LatchSet)
    assert latch.latch is Latch.REPEATED_ERRORS and "last gate" in latch.detail


@pytest.mark.parametrize("reason", [reason for reason in GateReason if reason.of_the_moment])
def test_denials_of_the_moment_are_no_errors(reason: GateReason) -> None:
    desk = armed(world.limits(max_denials_per_minute=1))
    desk.tell(*(denied(n, reason) for n in range(5)))
    assert latches(desk.tick(20)) == []


def test_unknown_outcomes_have_a_limit_of_their_own_and_name_the_venue() -> None:
    desk = armed(world.limits(max_unknowns_per_minute=1, max_errors_per_minute=100))
    for number, venue in enumerate((Venue.KRX, Venue.NXT)):
        fact = facts("P", Side.BUY, 5, 0, cum_qty_shares=0, closed=False, order_id=f"P.{number}", venue=venue)
        desk.tell(OrderUnknown(facts=fact, reason="no reply"))
    (latch,) = of(desk.tick(20), LatchSet)
    assert "unknown outcome" in latch.detail and "1 on KRX" in latch.detail and "1 on NXT" in latch.detail


@pytest.mark.parametrize("dated", [False, True])
def test_what_is_told_again_hours_later_is_no_further_error(dated: bool) -> None:
    """After a failover the gateway tells its refusals and its unknown orders again, also the next morning."""
    desk = armed()
    unknown = facts("P", Side.BUY, 5, 350_000, cum_qty_shares=0, cum_amount_krw=0, closed=False)
    told = [denied(number, GateReason.COLLAR) for number in range(20)]
    told += [
        OrderUnknown(facts=unknown.model_copy(update={"order_id": f"P.1.b.{n}"}), reason="?")
        for n in range(9)
    ]
    told += [
        OrderRejected(facts=unknown.model_copy(update={"order_id": f"P.2.b.{n}"}), code="", text="no")
        for n in range(9)
    ]  # fmt: skip
    for number, message in enumerate(told):
        desk.tell(message, at_ms=120_000 * number)
        desk.tick(120_000 * number)
    if dated:
        desk.tell(*world.date_begins("2026-11-24"), at_ms=86_400_000)
    said = desk.tell(*told, *told, at_ms=86_400_000) + desk.tick(86_400_000)
    assert Latch.REPEATED_ERRORS not in latches(said)
    assert len(desk.state.errors) == len(told)
    desk.tell(*(denied(number, GateReason.COLLAR) for number in range(100, 120)), at_ms=86_400_000)
    assert Latch.REPEATED_ERRORS in latches(desk.tick(86_400_000)), "new ones are"


def test_the_memory_of_errors_is_bounded() -> None:
    desk = armed()
    for number in range(ERRORS_KEPT + 30):
        desk.tell(denied(number, GateReason.COLLAR), at_ms=120_000 * number)
    assert len(desk.state.errors) == ERRORS_KEPT


def test_kinds_do_not_add_up() -> None:
    desk = armed(world.limits(max_unknowns_per_minute=2, max_errors_per_minute=2, max_denials_per_minute=2))
    for number in range(2):
        fact = facts("P", Side.BUY, 5, 0, cum_qty_shares=0, order_id=f"P.r{number}")
        desk.tell(OrderRejected(facts=fact, code="1", text="no"), denied(number, GateReason.ORDER_SIZE))
        unknown = fact.model_copy(update={"order_id": f"P.u{number}", "closed": False})
        desk.tell(OrderUnknown(facts=unknown, reason="no reply"))
    assert latches(desk.tick(20)) == []


# -- the day's orders ------------------------------------------------------------------------


def test_spent_orders_are_told_once_and_open_pairs_are_sold() -> None:
    desk = armed(world.limits(max_orders_per_day=10, max_pairs_per_symbol_window=20))
    for number in range(5):
        lose(desk, f"pair {number}", -5_000)
    (alert,) = of(desk.tick(1_100), AlertRaised)
    assert "10 orders" in alert.detail and not alert.resolved
    assert of(desk.tick(2_200), AlertRaised) == []
    assert desk.state.trading.state is TradingState.ARMED
    desk.tell(LimitChangeRequested(name="max_orders_per_day", value="11", by="kim", reason="a busy day"))
    (proposal_id,) = desk.state.proposals
    desk.tell(LimitConfirmRequested(proposal_id=proposal_id, by="lee", reason="agreed"))
    (over,) = of(desk.tick(3_300), AlertRaised)
    assert (over.alert_id, over.resolved) == (alert.alert_id, True)


# -- too often -------------------------------------------------------------------------------


def test_a_symbol_that_trades_too_often_waits_for_a_named_person() -> None:
    desk = armed()
    for number in range(4):
        pair_id = opened(desk, f"earlier {number}")
        desk.tell(closed(pair_id, trip=False))
    said = desk.tell(intent(desk, name="fifth"))
    assert [m.reason for m in of(said, PairDenied)] == [DenialReason.REPEATED]
    (alert,) = of(said, AlertRaised)
    assert alert.symbol == SAMSUNG and "symbols resume" in alert.next_step
    later = 60_000
    desk.tell(*world.crossing(), *(heartbeat(s) for s in ("gateway", "executor")), at_ms=later)
    verdict = desk.answer(intent(desk, at_ms=later, name="later"), at_ms=later)
    assert isinstance(verdict, PairDenied) and verdict.reason is DenialReason.SYMBOL_PAUSED
    resume = SymbolResumeRequested(symbol=SAMSUNG, by="kim", reason="its pairs earn", stop_count=-1)
    (settled, _) = sorted(of(desk.tell(resume, at_ms=later), AlertRaised), key=lambda a: not a.resolved)
    assert (settled.alert_id, settled.resolved) == (alert.alert_id, True)
    assert isinstance(desk.answer(intent(desk, at_ms=later, name="after"), at_ms=later), PairApproved)


def test_a_further_pause_takes_no_reason_away_and_every_alert_ends_with_the_resume() -> None:
    desk = armed()
    for number in range(4):
        desk.tell(closed(opened(desk, f"earlier {number}"), trip=False))
    (repeated,) = of(desk.tell(intent(desk, name="fifth")), AlertRaised)
    pause = SymbolPauseRequested(symbol=SAMSUNG, paused=True, by="kim", reason="I look at it")
    desk.tell(pause, pause)
    assert "traded too often" in desk.state.paused[SAMSUNG]
    assert desk.state.paused[SAMSUNG].count("I look at it") == 1
    told = of(
        desk.tell(SymbolResumeRequested(symbol=SAMSUNG, by="kim", reason="fine", stop_count=-1)), AlertRaised
    )
    assert [a.alert_id for a in told if a.resolved] == [repeated.alert_id]


def test_after_a_resume_the_count_begins_anew() -> None:
    desk = armed()
    for number in range(4):
        desk.tell(closed(opened(desk, f"earlier {number}"), trip=False))
    desk.tell(intent(desk, name="fifth"))
    desk.tell(SymbolResumeRequested(symbol=SAMSUNG, by="kim", reason="fine", stop_count=-1))
    for number in range(4):
        desk.tell(closed(opened(desk, f"later {number}"), trip=False))
