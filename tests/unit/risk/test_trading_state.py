"""Every state and every request: down is open, up to armed is guarded, and a stop survives a restart."""

import pytest

from services.contracts.limits import LEASE_RENEW_MS
from services.contracts.messages.alerts import AlertKind, AlertRaised
from services.contracts.messages.control import (
    ArmRefused,
    LatchCleared,
    LatchClearRequested,
    LatchSet,
    TradingStateChanged,
)
from services.contracts.messages.lease import LeaseRenewed
from services.contracts.messages.venue_state import ConnectionState
from services.contracts.terms import Latch, TradingState, Venue
from services.risk.state import LatchHeld, RiskState, Trading
from services.risk.trading_state import AFTER_LATCH, TRANSITIONS, Move, target_state
from services.runtime.parts import changed_parts, restore
from tests.unit.detector import world
from tests.unit.risk import desk as d
from tests.unit.risk.desk import Desk, armed, ask, heartbeat, of, ready

ARMED = TradingState.ARMED
LATCHED = (LatchHeld(latch=Latch.CLOCKS, detail="Off.", set_at_ns=1),)


def in_state(state: TradingState) -> Desk:
    desk = ready()
    desk.state = desk.state.but(trading=Trading(state=state))
    return desk


@pytest.mark.parametrize("old", TradingState)
@pytest.mark.parametrize("asked", TradingState)
def test_every_request_is_obeyed_where_nothing_stands_against_it(
    old: TradingState, asked: TradingState
) -> None:
    said = of(in_state(old).tell(ask(asked)), TradingStateChanged)
    assert [(m.state, m.by if old is not asked else "") for m in said] == [
        (asked, "kim" if old is not asked else "")
    ]


@pytest.mark.parametrize("old", TradingState)
@pytest.mark.parametrize("asked", TradingState)
def test_behind_a_latch_only_arming_is_refused(old: TradingState, asked: TradingState) -> None:
    desk = in_state(old)
    desk.state = desk.state.but(trading=Trading(state=old, latches=LATCHED))
    said = desk.tell(ask(asked))
    refused = asked is ARMED and old is not ARMED
    assert len(of(said, ArmRefused)) == refused
    assert desk.state.trading.state is (old if refused else asked)


def test_the_table_names_every_pair_of_states_and_guards_only_arming() -> None:
    assert set(TRANSITIONS) == set(AFTER_LATCH) == set(TradingState)
    for old, row in TRANSITIONS.items():
        assert set(row) == set(TradingState)
        for asked, move in row.items():
            assert (move is Move.SAME) == (old is asked)
            assert (move is Move.GUARDED) == (asked is ARMED and old is not ARMED)
            assert (target_state(old, asked, ("no",)) is None) == (move is Move.GUARDED)


def test_no_latch_ever_leads_up() -> None:
    for old, after in AFTER_LATCH.items():
        assert not after.allows_entries
        assert old.allows_exits == after.allows_exits


# -- arming ------------------------------------------------------------------------------


def opening_without(*kinds: type) -> Desk:
    desk = Desk()
    desk.tell(*(message for message in d.opening() if not isinstance(message, kinds)), at_ms=0)
    return desk


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (d.FilesRead, "symbol map"),
        (type(world.facts()), "facts"),
        (type(world.connection()), "connected"),
        (type(d.reconciled()), "compared"),
        (type(d.account()), "account"),
        (type(heartbeat("gateway")), "heartbeat"),
    ],
)
def test_arming_is_refused_in_a_sentence_while_something_is_missing(kind: type, word: str) -> None:
    desk = opening_without(kind)
    (refused,) = of(desk.tell(ask(ARMED)), ArmRefused)
    assert any(word in problem for problem in refused.problems)
    assert desk.state.trading.state is TradingState.DISARMED


def test_a_window_that_has_not_opened_does_not_prevent_arming() -> None:
    desk = opening_without(type(world.window()), type(world.feed(Venue.KRX)))
    desk.tell(world.window(is_open=False))
    desk.tell(ask(ARMED))
    assert desk.state.trading.state is ARMED


def test_a_date_that_bars_entries_prevents_arming_and_says_why() -> None:
    desk = opening_without(type(world.window()))
    barred = {"open": False, "barred": True, "reason": "costs: 2026-12-29 is provisional"}
    desk.tell(world.window().model_copy(update=barred))
    (refused,) = of(desk.tell(ask(ARMED)), ArmRefused)
    assert refused.problems == ("The date itself bars entries: costs: 2026-12-29 is provisional.",)
    assert desk.state.trading.state is TradingState.DISARMED


def test_a_silent_service_closes_its_gate_and_opens_it_again_by_itself() -> None:
    desk = armed()
    desk.tick(6_000)
    told = of(desk.tick(7_000), AlertRaised)
    assert [(a.alert_id, a.resolved) for a in told] == [("gate-heartbeat", False)]
    desk.tell(*(heartbeat(service) for service in (*d.REQUIRED, "risk")), at_ms=8_000)
    told = of(desk.tick(8_000), AlertRaised)
    assert [(a.alert_id, a.resolved) for a in told] == [("gate-heartbeat", True)]
    assert desk.state.trading.state is ARMED


def test_a_gate_that_was_told_is_over_also_for_a_risk_that_was_restarted_meanwhile() -> None:
    """Who told of it has forgotten nothing: its alert would never end."""
    desk = armed()
    desk.tick(6_000)
    desk.tick(7_000)
    again = Desk(restore(RiskState(required_services=d.REQUIRED), changed_parts(None, desk.state)))
    again.tell(*(heartbeat(service) for service in (*d.REQUIRED, "risk")), at_ms=8_000)
    told = of(again.tick(8_000), AlertRaised)
    assert [(a.alert_id, a.resolved) for a in told] == [("gate-heartbeat", True)]


def test_gates_that_stay_as_they_are_write_nothing() -> None:
    desk = armed()
    desk.tick(6_000)
    desk.tick(7_000)
    before = desk.state
    desk.tick(8_100)
    assert "told" not in changed_parts(before, desk.state)


def test_services_of_different_builds_do_not_arm_and_are_latched_once_armed() -> None:
    desk = ready()
    desk.tell(heartbeat("executor", build_id="b2"))
    (refused,) = of(desk.tell(ask(ARMED)), ArmRefused)
    assert any("builds" in problem for problem in refused.problems)
    assert of(desk.tick(20), LatchSet) == []
    mixed = armed()
    mixed.tell(heartbeat("executor", build_id="b2"))
    assert [m.latch for m in of(mixed.tick(20), LatchSet)] == [Latch.MIXED_BUILDS]
    assert mixed.state.trading.state is TradingState.REDUCE_ONLY


# -- latches -------------------------------------------------------------------------------


def clear(latch: Latch) -> LatchClearRequested:
    return LatchClearRequested(latch=latch, by="kim", reason="looked at it")


def test_a_latch_takes_an_armed_desk_to_reduce_only_and_is_told_once() -> None:
    desk = armed()
    said = desk.tell(world.connection(ConnectionState.DISCONNECTED))
    assert [m.latch for m in of(said, LatchSet)] == [Latch.UNPLANNED_DISCONNECT]
    assert [m.state for m in of(said, TradingStateChanged)] == [TradingState.REDUCE_ONLY]
    assert AlertKind.LATCH in [alert.kind for alert in of(said, AlertRaised)]
    desk.tell(world.connection(ConnectionState.READY))
    assert of(desk.tell(world.connection(ConnectionState.DISCONNECTED)), LatchSet) == []


def test_a_lifted_latch_does_not_arm_by_itself() -> None:
    desk = armed()
    desk.tell(d.reconciled(1, "one share"))
    (answer,) = of(desk.tell(clear(Latch.RECONCILIATION_DIFFERENCE)), LatchCleared)
    assert (answer.by, answer.reason) == ("kim", "looked at it")
    assert desk.state.trading == Trading(
        state=TradingState.REDUCE_ONLY, by="risk", reason="latch reconciliation_difference"
    )
    desk.tell(ask(ARMED))
    assert desk.state.trading.state is ARMED


def test_a_latch_whose_cause_still_holds_is_set_again() -> None:
    desk = armed()
    desk.tell(heartbeat("executor", build_id="b2"))
    desk.tick(20)
    desk.tell(clear(Latch.MIXED_BUILDS))
    assert [m.latch for m in of(desk.tick(120), LatchSet)] == [Latch.MIXED_BUILDS]


def test_the_nightly_cut_disarms_and_latches_nothing() -> None:
    desk = armed()
    said = desk.tell(world.connection(ConnectionState.CLOSED, planned=True))
    assert of(said, LatchSet) == []
    assert [m.state for m in of(said, TradingStateChanged)] == [TradingState.DISARMED]


def test_the_nightly_cut_does_not_take_a_halt_away() -> None:
    desk = in_state(TradingState.HALTED)
    desk.tell(world.connection(ConnectionState.CLOSED, planned=True))
    assert desk.state.trading.state is TradingState.HALTED


@pytest.mark.parametrize("planned_or_first", ["planned", "first"])
def test_a_planned_disconnect_and_one_before_any_connection_latch_nothing(planned_or_first: str) -> None:
    desk = armed() if planned_or_first == "planned" else Desk()
    lost = world.connection(ConnectionState.DISCONNECTED, planned=planned_or_first == "planned")
    assert of(desk.tell(lost), LatchSet) == []


def test_a_clock_that_is_off_is_latched() -> None:
    desk = armed()
    desk.tell(heartbeat("gateway", clock_offset_us=-251_000))
    assert [m.latch for m in of(desk.tick(20), LatchSet)] == [Latch.CLOCKS]


# -- restart, dates ---------------------------------------------------------------------------


def reborn(desk: Desk) -> Desk:
    """The desk after a crash: only what is durable is left."""
    initial = RiskState(required_services=d.REQUIRED)
    return Desk(restore(initial, changed_parts(None, desk.state)))


@pytest.mark.parametrize("state", TradingState)
def test_a_restart_on_the_same_date_keeps_the_state_and_the_latches(state: TradingState) -> None:
    desk = in_state(state)
    desk.state = desk.state.but(trading=Trading(state=state, latches=LATCHED))
    again = reborn(desk)
    again.tell(d.files(), world.phase(Venue.KRX))
    assert again.state.trading == desk.state.trading


def test_a_new_trading_date_disarms_and_keeps_the_latches() -> None:
    desk = armed()
    desk.state = desk.state.but(trading=Trading(state=ARMED, latches=LATCHED))
    again = reborn(desk)
    said = again.tell(*world.date_begins("2026-11-24"))
    assert [m.state for m in of(said, TradingStateChanged)] == [TradingState.DISARMED]
    assert again.state.trading.latched == (Latch.CLOCKS,)
    assert again.state.day.trading_date == "2026-11-24"


def test_a_cold_start_is_disarmed() -> None:
    assert Desk().state.trading.state is TradingState.DISARMED


def test_files_of_an_earlier_date_never_begin_a_day() -> None:
    desk = armed()
    desk.tell(d.files(trading_date="2026-11-20"))
    assert desk.state.day.trading_date == world.DATE
    assert desk.state.trading.state is ARMED


# -- lease ----------------------------------------------------------------------------------------


def test_the_lease_is_renewed_in_every_state_with_the_state_in_it() -> None:
    desk = Desk()
    (first,) = of(desk.tick(0), LeaseRenewed)
    assert first.state is TradingState.DISARMED
    assert of(desk.tick(LEASE_RENEW_MS - 1), LeaseRenewed) == []
    desk.tell(*d.opening(), ask(ARMED))
    (second,) = of(desk.tick(LEASE_RENEW_MS, epoch=7), LeaseRenewed)
    assert (second.state, second.risk_epoch) == (ARMED, 7)
    assert second.reference_hash == desk.state.reference_hash
