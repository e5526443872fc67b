"""What trading stands on: clocks that agree, a journal that keeps up, a Redis that remembers."""

import pytest

from services.contracts.limits import CLOCK_DOUBTS, JOURNAL_LAG_MS, LOSSLESS_ALARM
from services.contracts.messages.alerts import AlertKind, AlertRaised
from services.contracts.messages.control import ArmRefused, LatchSet, ReferencePublished
from services.contracts.messages.pairs import PairApproved, PairDenied
from services.contracts.messages.status import KeysVanished, NotifierStatus
from services.contracts.terms import Latch, Severity, TradingState
from services.risk.settings import RiskSettings
from services.risk.state import RiskState
from tests.unit.detector import world
from tests.unit.risk import desk as d
from tests.unit.risk.desk import Desk, armed, ask, heartbeat, intent, of, ready


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
