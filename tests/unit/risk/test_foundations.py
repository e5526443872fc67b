"""What trading stands on: clocks that agree, a journal that keeps up, a Redis that remembers."""

import pytest

from services.contracts.limits import CLOCK_DOUBTS, JOURNAL_LAG_MS, LOSSLESS_ALARM
from services.contracts.messages.alerts import AlertKind, AlertRaised
from services.contracts.messages.control import (
    ArmRefused,
    ComparisonRequested,
    LatchClearRequested,
    LatchSet,
    ReferencePublished,
)
from services.contracts.messages.orders import ForeignOrderSeen, ReconciliationCompleted
from services.contracts.messages.pairs import PairApproved, PairDenied
from services.contracts.messages.status import KeysVanished, NotifierStatus
from services.contracts.terms import Latch, Severity, Side, TradingState, Venue
from services.risk.gates import arming_obstacles
from services.risk.settings import RiskSettings
from services.risk.state import RiskState
from services.runtime.parts import changed_parts, restore
from tests.unit.detector import world
from tests.unit.risk import desk as d
from tests.unit.risk.desk import Desk, account, armed, ask, heartbeat, intent, of, ready


def journal(lag_ms: int) -> NotifierStatus:
    return NotifierStatus(
        journal_lines=1, journal_lag_ms=lag_ms, alerts=0, delivered=0, failed=0, unacknowledged=()
    )


def stream(entries: int) -> NotifierStatus:
    return journal(0).model_copy(update={"longest_stream": "{arb}:orders", "longest_stream_entries": entries})


def beat_doubting(desk: Desk, times: int, at_ms: int = 10) -> None:
    for number in range(times):
        desk.tell(heartbeat("executor", clock_trusted=False, clock_jumps=1), at_ms=at_ms + number)


def test_a_clock_that_stays_untrusted_latches_and_takes_the_desk_down() -> None:
    desk = armed()
    beat_doubting(desk, CLOCK_DOUBTS)
    (latch,) = of(desk.tick(20), LatchSet)
    assert latch.latch is Latch.CLOCKS and "executor" in latch.detail
    assert desk.state.trading.state is TradingState.REDUCE_ONLY


def test_one_late_answer_of_redis_latches_nothing_but_denies_meanwhile() -> None:
    desk = armed()
    beat_doubting(desk, CLOCK_DOUBTS - 1)
    verdict = desk.answer(intent(desk, at_ms=15), at_ms=15)
    assert isinstance(verdict, PairDenied) and "clock" in verdict.detail
    desk.tell(heartbeat("executor"), at_ms=20)
    assert of(desk.tick(21), LatchSet) == []
    assert desk.state.trading.state is TradingState.ARMED


@pytest.mark.parametrize("lag_ms", [JOURNAL_LAG_MS + 1, 10**9])
def test_a_journal_that_is_far_behind_holds_new_pairs_back_until_it_has_caught_up(lag_ms: int) -> None:
    desk = armed()
    desk.tell(journal(lag_ms))
    verdict = desk.answer(intent(desk))
    assert isinstance(verdict, PairDenied) and "journal" in verdict.detail
    desk.tell(journal(0))
    assert not isinstance(desk.answer(intent(desk, name="i2")), PairDenied)


def test_without_a_notifier_nothing_new_is_bought() -> None:
    """Its last word was that it is up to date: only its silence says that nothing is written any more."""
    desk = Desk(RiskState(required_services=RiskSettings().required_services))
    desk.tell(*d.opening(), *world.crossing(), journal(0), heartbeat("notifier"), at_ms=0)
    desk.tell(ask(TradingState.ARMED), at_ms=0)
    assert isinstance(desk.answer(intent(desk)), PairApproved)
    later = 6_000
    desk.tell(*(heartbeat(service) for service in ("gateway", "executor")), at_ms=later)
    desk.tell(*world.crossing(world.HYNIX), at_ms=later)
    silent = intent(desk, at_ms=later, name="later", symbol=world.HYNIX)
    verdict = desk.answer(silent, at_ms=later)
    assert isinstance(verdict, PairDenied) and "heartbeat" in verdict.detail


def test_nobody_arms_while_the_journal_is_behind() -> None:
    desk = ready()
    desk.tell(journal(JOURNAL_LAG_MS + 1))
    (refused,) = of(desk.tell(ask(TradingState.ARMED)), ArmRefused)
    assert any("journal" in problem for problem in refused.problems)


def test_a_journal_that_falls_behind_while_armed_is_told() -> None:
    desk = armed()
    desk.tell(journal(JOURNAL_LAG_MS + 1))
    told = [alert for at_ms in (1_100, 2_200, 3_300) for alert in of(desk.tick(at_ms), AlertRaised)]
    (alert,) = [alert for alert in told if alert.kind is AlertKind.JOURNAL]
    assert alert.severity is not Severity.INFO


def test_a_redis_that_came_back_empty_latches_whoever_noticed_it() -> None:
    desk = armed()
    told = desk.tell(KeysVanished(service="executor", detail="empty"))
    (latch,) = of(told, LatchSet)
    assert latch.latch is Latch.RECONCILIATION_DIFFERENCE
    (published,) = of(told, ReferencePublished)
    assert published.reference_hash == desk.state.reference_hash, "who starts now finds it nowhere else"
    assert desk.state.trading.state is TradingState.REDUCE_ONLY


# -- streams that must lose nothing ------------------------------------------------------------


def test_a_stream_of_twice_its_alarm_holds_new_pairs_back_until_it_is_shorter() -> None:
    desk = armed()
    desk.tell(stream(2 * LOSSLESS_ALARM))
    verdict = desk.answer(intent(desk))
    assert isinstance(verdict, PairDenied) and "streams" in verdict.detail
    assert desk.state.trading.state is TradingState.ARMED
    desk.tell(stream(2 * LOSSLESS_ALARM - 1))
    assert not isinstance(desk.answer(intent(desk, name="i2")), PairDenied)


def test_a_stream_that_stays_long_is_told_by_name_and_when_it_is_over() -> None:
    desk = armed()
    desk.tell(stream(2 * LOSSLESS_ALARM))
    desk.tick(1_100)
    (alert,) = of(desk.tick(2_200), AlertRaised)
    assert "{arb}:orders" in alert.detail
    desk.tell(stream(0))
    assert [a.resolved for a in of(desk.tick(3_300), AlertRaised)] == [True]


# -- the comparison with the broker -------------------------------------------------------------


def compared(began_ms: int, *, at_rest: bool = True) -> ReconciliationCompleted:
    return d.reconciled().model_copy(update={"begun_ns": world.ms(began_ms), "at_rest": at_rest})


def reconciliation_obstacle(desk: Desk, at_ms: int) -> bool:
    return any("compared" in sentence for sentence in arming_obstacles(desk.state, world.ms(at_ms)))


def restarted(desk: Desk, at_ms: int) -> Desk:
    """A new process over what was stored: its books and the heartbeats that it heard are gone."""
    stored = changed_parts(None, desk.state)
    again = Desk(restore(RiskState(required_services=d.REQUIRED), stored))
    again.tell(*(heartbeat(service) for service in d.REQUIRED), at_ms=at_ms)
    assert reconciliation_obstacle(again, at_ms), "it has not heard since when it runs"
    again.tell(heartbeat("risk", started_at_ns=world.ms(at_ms)), at_ms=at_ms)
    return again


def test_a_process_that_began_anew_is_not_armed_before_a_comparison_that_is_newer() -> None:
    desk = restarted(armed(), at_ms=1_000)
    assert reconciliation_obstacle(desk, 1_000)
    assert isinstance(desk.answer(intent(desk, at_ms=1_000), at_ms=1_000), PairDenied)
    (wish,) = of(desk.tick(1_100), ComparisonRequested)
    assert wish.by == "risk"
    assert of(desk.tick(1_200), ComparisonRequested) == [], "asked once, and again after a while"
    assert of(desk.tick(1_100 + 6_000), ComparisonRequested)
    for told in (compared(999), compared(1_001, at_rest=False)):
        desk.tell(told, at_ms=1_500)
        assert reconciliation_obstacle(desk, 1_500), "begun before, or while something moved"
    desk.tell(account(), compared(1_001), at_ms=1_600)
    assert not reconciliation_obstacle(desk, 1_600)


def test_a_second_that_redis_lost_closes_the_gate_until_compared_and_latches_nothing() -> None:
    desk = armed()
    told = desk.tell(KeysVanished(service="gateway", detail="rolled back", emptied=False), at_ms=20)
    assert of(told, LatchSet) == [] and of(told, ReferencePublished)
    denied = desk.answer(intent(desk, at_ms=21), at_ms=21)
    assert isinstance(denied, PairDenied) and "reconciliation" in denied.detail
    desk.tell(account(), compared(22), at_ms=30)
    assert isinstance(desk.answer(intent(desk, at_ms=31, name="i2"), at_ms=31), PairApproved)


def test_money_that_the_broker_does_not_confirm_latches_once() -> None:
    """Redis lost a fill with the process that knew of it: nothing in what is read says so."""
    desk = restarted(armed(), at_ms=1_000)
    told = desk.tell(account(cash_krw=99_995_000), compared(1_100), at_ms=1_200)
    (latch,) = of(told, LatchSet)
    assert latch.latch is Latch.RECONCILIATION_DIFFERENCE and "-5000 KRW" in latch.detail
    clear = LatchClearRequested(latch=latch.latch, by="kim", reason="a deposit")
    desk.tell(clear, at_ms=1_300)
    assert of(desk.tell(account(cash_krw=99_995_000), compared(1_400), at_ms=1_500), LatchSet) == []


def test_what_others_traded_today_makes_money_no_evidence() -> None:
    desk = armed()
    by_hand = ForeignOrderSeen(
        broker_order_no="7", symbol=world.SAMSUNG, venue=Venue.KRX, side=Side.BUY, qty_shares=1,
        cum_qty_shares=1, cum_amount_krw=70_000, closed=True, trading_date=d.DATE,
    )  # fmt: skip
    desk.tell(by_hand, at_ms=20)
    again = restarted(desk, at_ms=1_000)
    assert of(again.tell(account(cash_krw=99_929_990), compared(1_100), at_ms=1_200), LatchSet) == []


def test_a_risk_without_state_takes_the_pair_that_it_finds_for_no_difference() -> None:
    """Redis lost all while a buy was on its way: the account is told first, the fill by the comparison."""
    desk = Desk()
    desk.tell(d.files(), *world.morning(), at_ms=0)
    desk.tell(heartbeat("risk", started_at_ns=world.ms(1)), at_ms=2)
    desk.tell(account(cash_krw=99_649_948), at_ms=3)
    desk.tell(d.filled(d.facts("P1", Side.BUY, 5, 350_000)), at_ms=4)
    assert of(desk.tell(account(cash_krw=99_649_948), compared(5), at_ms=6), LatchSet) == []
    again = restarted(desk, at_ms=1_000)
    (latch,) = of(again.tell(account(cash_krw=99_648_948), compared(1_100), at_ms=1_200), LatchSet)
    assert "by -351052 KRW" in latch.detail and "by -350052 KRW" in latch.detail, (
        "what is lost later is found"
    )


def test_a_trip_that_risk_has_lost_is_named_by_its_symbol() -> None:
    """It showed in the cash alone, and not at all on a day on which others trade in the account."""
    desk = armed()
    by_hand = ForeignOrderSeen(
        broker_order_no="7", symbol=world.SAMSUNG, venue=Venue.KRX, side=Side.BUY, qty_shares=1,
        cum_qty_shares=1, cum_amount_krw=70_000, closed=True, trading_date=d.DATE,
    )  # fmt: skip
    desk.tell(by_hand, at_ms=20)
    again = restarted(desk, at_ms=1_000)
    trip = {"bought_shares": {world.SAMSUNG: 5}, "sold_shares": {world.SAMSUNG: 5}}
    (latch,) = of(again.tell(account(), compared(1_100).model_copy(update=trip), at_ms=1_200), LatchSet)
    assert latch.latch is Latch.RECONCILIATION_DIFFERENCE
    assert latch.detail.startswith("005930: the gateway knows of 5 bought and 5 sold")


def test_a_comparison_that_knows_the_same_fills_latches_nothing() -> None:
    desk = armed()
    desk.tell(d.filled(d.facts("P1", Side.BUY, 5, 350_000)), at_ms=20)
    again = restarted(desk, at_ms=1_000)
    same = {"bought_shares": {world.SAMSUNG: 5}, "sold_shares": {}}
    told = again.tell(account(cash_krw=99_649_948), compared(1_100).model_copy(update=same), at_ms=1_200)
    assert of(told, LatchSet) == []
