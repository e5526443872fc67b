"""What risk tells people of: a code, its facts, and that it is over."""

import pytest

from services.contracts.alert_codes import AlertCode
from services.contracts.alert_text import Language, in_language
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.venue_state import HaltKind, SymbolHaltChanged
from services.contracts.terms import Latch, Severity, TradingState, Venue
from services.risk import alerts
from services.risk.gates import Gate, GateKey
from tests.unit.detector import world
from tests.unit.risk.desk import SAMSUNG, armed, intent, of


def vi(*, halted: bool, kind: HaltKind = HaltKind.VOLATILITY_INTERRUPTION) -> SymbolHaltChanged:
    return SymbolHaltChanged(symbol=SAMSUNG, venue=Venue.KRX, kind=kind, halted=halted)


def test_a_vi_is_told_once_and_taken_back_when_it_is_over() -> None:
    desk = armed()
    (begun,) = of(desk.tell(vi(halted=True)), AlertRaised)
    assert begun.code == AlertCode.SYMBOL_HALTED and begun.symbol == SAMSUNG and not begun.resolved
    assert begun.severity is Severity.INFO, "nothing of ours is in it"
    assert not of(desk.tell(vi(halted=True)), AlertRaised)
    (over,) = of(desk.tell(vi(halted=False)), AlertRaised)
    assert over.resolved and over.alert_id == begun.alert_id
    assert not of(desk.tell(vi(halted=True, kind=HaltKind.NOT_ELIGIBLE)), AlertRaised)


@pytest.mark.parametrize("news", ["date", "connection"])
def test_a_halt_that_a_new_date_or_connection_took_away_is_over_and_one_that_holds_is_told_anew(
    news: str,
) -> None:
    desk = armed()
    (begun,) = of(desk.tell(vi(halted=True)), AlertRaised)
    desk.tell(vi(halted=True, kind=HaltKind.NOT_ELIGIBLE))
    anew = world.date_begins("2026-11-24") if news == "date" else [world.connection(epoch=2)]
    halts = [a for a in of(desk.tell(*anew), AlertRaised) if a.code == AlertCode.SYMBOL_HALTED]
    assert [(a.alert_id, a.resolved) for a in halts] == [(begun.alert_id, True)]
    (again,) = of(desk.tell(vi(halted=True)), AlertRaised)
    assert (again.alert_id, again.resolved) == (begun.alert_id, False)


def test_a_halt_of_a_symbol_with_an_open_pair_is_a_warning() -> None:
    desk = armed()
    desk.answer(intent(desk, at_ms=15), at_ms=15)
    assert desk.state.pairs
    (begun,) = of(desk.tell(vi(halted=True), at_ms=16), AlertRaised)
    assert begun.severity is Severity.WARNING


@pytest.mark.parametrize("key", [key for key in GateKey if key.told_by_risk])
def test_every_gate_has_its_own_words_closed_and_open(key: GateKey) -> None:
    closed, opened = alerts.gate(Gate(key, "It is closed."), key), alerts.gate(None, key)
    assert "It is closed." in closed.detail and closed.alert_id == opened.alert_id
    assert not closed.resolved and opened.resolved
    assert in_language(closed, Language.KOREAN).title.startswith("신규 페어 보류")


@pytest.mark.parametrize("latch", Latch)
def test_every_latch_says_how_it_is_lifted(latch: Latch) -> None:
    held = alerts.latch_set(latch, "why", TradingState.REDUCE_ONLY)
    for language in Language:
        assert f"`arb latch clear {latch}`" in in_language(held, language).next_step
    assert alerts.latch_cleared(latch, "kim", "seen").alert_id == held.alert_id


@pytest.mark.parametrize("new", [TradingState.HALTED, TradingState.REDUCE_ONLY])
def test_a_state_that_stops_entries_is_a_warning(new: TradingState) -> None:
    told = alerts.state_changed("c", TradingState.ARMED, new, "kim", "news")
    assert told.severity is Severity.WARNING and "kim: news" in told.detail
