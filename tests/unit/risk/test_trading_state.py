"""Every state and every request: down is open, up rests on what its person saw, a stop survives a restart."""

from collections.abc import Callable

import pytest

from services.contracts.envelope import Message
from services.contracts.limits import LEASE_RENEW_MS
from services.contracts.messages.alerts import AlertKind, AlertRaised
from services.contracts.messages.control import (
    ArmingChecked,
    ArmingCheckRequested,
    ArmRefused,
    HaltLiftRequested,
    LatchCleared,
    LatchClearRequested,
    LatchSet,
    RequestRefused,
    StopRequested,
    SymbolPauseRequested,
    SymbolResumeRequested,
    TradingStateChanged,
    TradingStateRequested,
)
from services.contracts.messages.lease import LeaseRenewed
from services.contracts.messages.status import RiskStatus
from services.contracts.messages.venue_state import ConnectionState
from services.contracts.step import Tick
from services.contracts.terms import Latch, TradingState, Venue
from services.risk.state import LatchHeld, RiskState, Trading
from services.risk.trading_state import AFTER_LATCH, TRANSITIONS, Move
from services.runtime.parts import changed_parts, restore
from tests.unit.detector import world
from tests.unit.risk import desk as d
from tests.unit.risk.desk import Desk, armed, ask, heartbeat, of, ready

ARMED = TradingState.ARMED
LATCHED = (LatchHeld(latch=Latch.CLOCKS, detail="Off.", set_at_ns=1),)


LIFT = HaltLiftRequested(by="kim", reason="prices are right", stop_count=-1)


def in_state(state: TradingState) -> Desk:
    desk = ready()
    desk.state = desk.state.but(trading=desk.state.trading.model_copy(update={"state": state}))
    return desk


def refusals(said: list[Message]) -> list[str]:
    """Why requests were refused, whichever answer says so."""
    armings = [problem for answer in of(said, ArmRefused) for problem in answer.problems]
    return armings + [answer.problem for answer in of(said, RequestRefused)]


def stop(target: TradingState, by: str = "alice", reason: str = "wrong prices") -> StopRequested:
    return StopRequested(target=target, by=by, reason=reason)


@pytest.mark.parametrize("old", TradingState)
@pytest.mark.parametrize("asked_for", TradingState)
def test_a_request_leads_where_the_table_says(old: TradingState, asked_for: TradingState) -> None:
    desk = in_state(old)
    said = desk.tell(ask(asked_for))
    barred = old is TradingState.HALTED and asked_for is not TradingState.HALTED
    assert desk.state.trading.state is (old if barred else asked_for)
    assert [m.state for m in of(said, TradingStateChanged)] == ([] if barred else [asked_for])
    assert ["arb halt --lift" in problem for problem in refusals(said)] == ([True] if barred else [])


@pytest.mark.parametrize("old", TradingState)
@pytest.mark.parametrize("asked_for", TradingState)
def test_behind_a_latch_only_arming_is_refused(old: TradingState, asked_for: TradingState) -> None:
    desk = in_state(old)
    desk.state = desk.state.but(trading=desk.state.trading.model_copy(update={"latches": LATCHED}))
    said = desk.tell(ask(asked_for))
    barred = old is TradingState.HALTED and asked_for is not TradingState.HALTED
    refused = barred or (asked_for is ARMED and old is not ARMED)
    assert len(refusals(said)) == refused
    assert desk.state.trading.state is (old if refused else asked_for)


@pytest.mark.parametrize("old", TradingState)
@pytest.mark.parametrize("asked_for", TradingState)
def test_the_table_agrees_with_what_allows_more(old: TradingState, asked_for: TradingState) -> None:
    move = TRANSITIONS[old][asked_for]
    assert (move is Move.SAME) == (old is asked_for)
    assert (move is Move.TIGHTER) == old.allows_more_than(asked_for)
    allows = move in (Move.LOOSER, Move.GUARDED, Move.BARRED)
    assert allows == asked_for.allows_more_than(old)
    assert (move is Move.BARRED) == (allows and old is TradingState.HALTED)
    assert (move is Move.GUARDED) == (allows and asked_for is ARMED and old is not TradingState.HALTED)


# -- stops, and what was decided before them --------------------------------------------------


@pytest.mark.parametrize("old", TradingState)
@pytest.mark.parametrize("target", [s for s in TradingState if s is not ARMED])
def test_a_stop_tightens_counts_and_is_answered(old: TradingState, target: TradingState) -> None:
    desk = in_state(old)
    before = desk.state.trading.stop_count
    (word,) = of(desk.tell(stop(target)), TradingStateChanged)
    assert word.state is target.stricter(old), "a stop never allows more"
    assert word.stop_count == desk.state.trading.stop_count > before
    assert word.stop_id and word.last_stop is not None and word.last_stop.by == "alice"


ALLOWING = [
    pytest.param(lambda count: ask(ARMED, count=count), id="arm"),
    pytest.param(lambda count: ask(TradingState.PAUSE_ENTRY, count=count), id="pause"),
    pytest.param(lambda count: ask(TradingState.REDUCE_ONLY, count=count), id="reduce"),
    pytest.param(lambda count: clear(Latch.CLOCKS, count=count), id="latch"),
    pytest.param(lambda count: HaltLiftRequested(by="bob", reason="go", stop_count=count), id="lift"),
    pytest.param(
        lambda count: SymbolResumeRequested(symbol=world.SAMSUNG, by="bob", reason="ours", stop_count=count),
        id="resume",
    ),
]


@pytest.mark.parametrize("request_at", ALLOWING)
@pytest.mark.parametrize("target", [TradingState.HALTED, TradingState.DISARMED])
def test_what_was_decided_before_a_stop_is_refused_with_who_stopped_and_why(
    request_at: Callable[[int], Message], target: TradingState
) -> None:
    desk = in_state(TradingState.REDUCE_ONLY)
    shown_count = desk.state.trading.stop_count
    desk.tell(stop(target))
    before = desk.state
    said = desk.tell(request_at(shown_count))
    (problem,) = refusals(said)
    assert "alice" in problem and "wrong prices" in problem and "arb status" in problem
    assert desk.state.trading == before.trading and desk.state.paused == before.paused


def test_a_request_of_a_build_that_knows_no_count_is_refused() -> None:
    desk = ready()
    request = TradingStateRequested(target=ARMED, by="bob", reason="go")
    (problem,) = refusals(desk.hand(world.received(request, world.ms(0))))
    assert "arb status" in problem
    assert desk.state.trading.state is TradingState.DISARMED


def test_a_halt_is_lifted_by_its_own_request_alone_and_into_disarmed() -> None:
    desk = armed()
    desk.tell(stop(TradingState.HALTED))
    for target in TradingState:
        desk.tell(ask(target))
        desk.tell(stop(target)) if target is not ARMED else None
        assert desk.state.trading.state is TradingState.HALTED
    (word,) = of(desk.tell(LIFT), TradingStateChanged)
    assert (word.state, word.by, word.reason) == (TradingState.DISARMED, "kim", "prices are right")
    desk.tell(ask(ARMED))
    assert desk.state.trading.state is ARMED


def test_a_second_halt_refuses_the_lifting_of_the_first() -> None:
    desk = armed()
    desk.tell(stop(TradingState.HALTED))
    first = desk.state.trading.stop_count
    desk.tell(stop(TradingState.HALTED, by="lee", reason="no, wait"))
    lift = LIFT.model_copy(update={"stop_count": first})
    (problem,) = refusals(desk.tell(lift))
    assert "lee" in problem and desk.state.trading.state is TradingState.HALTED


def test_what_is_not_halted_is_not_lifted() -> None:
    desk = armed()
    (problem,) = refusals(desk.tell(LIFT))
    assert "armed" in problem and desk.state.trading.state is ARMED


@pytest.mark.parametrize(
    "stops",
    [
        pytest.param([d.reconciled(1, "one share")], id="a latch"),
        pytest.param([SymbolPauseRequested(symbol=world.SAMSUNG, by="lee", reason="?")], id="a symbol"),
        pytest.param(world.date_begins("2026-11-24"), id="a date's end"),
        pytest.param([world.connection(ConnectionState.CLOSED, planned=True)], id="the broker's night"),
        pytest.param([ask(TradingState.PAUSE_ENTRY)], id="an earlier build's pause"),
    ],
)
def test_everything_that_stops_raises_the_count(stops: list[Message]) -> None:
    desk = armed()
    before = desk.state.trading.stop_count
    desk.tell(*stops)
    assert desk.state.trading.stop_count > before
    desk.tick(2_000)
    (status,) = of(desk.said, RiskStatus)[-1:]
    assert status.stop_count == desk.state.trading.stop_count
    assert status.last_stop == desk.state.trading.last_stop


def test_liftings_and_arming_leave_the_count_as_it_is() -> None:
    """Two latches are lifted one after the other, and the desk armed, by a person who looked once."""
    desk = armed()
    desk.tell(d.reconciled(1, "one share"), heartbeat("gateway", clock_offset_us=-251_000))
    desk.tick(20)
    count = desk.state.trading.stop_count
    desk.tell(heartbeat("gateway"), clear(Latch.CLOCKS, count), clear(Latch.RECONCILIATION_DIFFERENCE, count))
    desk.tell(ask(ARMED, count=count))
    assert desk.state.trading.state is ARMED


def test_a_lost_stop_does_not_give_its_number_to_the_next_one() -> None:
    """Redis loses its last second: who was shown the lost stop was not shown the one that follows."""
    desk = armed()
    stored = desk.state
    desk.tell(stop(TradingState.REDUCE_ONLY), at_ms=500)
    count_shown = desk.state.trading.stop_count
    desk.state = stored
    desk.tell(stop(TradingState.HALTED, by="lee"), at_ms=700)
    assert desk.state.trading.stop_count != count_shown


def test_a_risk_without_state_obeys_no_request_of_the_past() -> None:
    desk = armed()
    old = ask(ARMED, count=desk.state.trading.stop_count)
    again = Desk()
    again.tell(*d.opening(), at_ms=60_000)
    assert refusals(again.tell(old, at_ms=60_000)) and again.state.trading.state is TradingState.DISARMED
    again.tell(stop(TradingState.HALTED), at_ms=60_000)
    assert again.state.trading.state is TradingState.HALTED


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


@pytest.mark.parametrize("kind", [d.FilesRead, type(world.facts()), type(d.account()), None])
@pytest.mark.parametrize("state", [TradingState.DISARMED, TradingState.HALTED, TradingState.PAUSE_ENTRY])
def test_a_dry_request_is_answered_as_the_arming_would_be(kind: type | None, state: TradingState) -> None:
    desk = ready() if kind is None else opening_without(kind)
    desk.tell(StopRequested(target=state, by="kim", reason="r"))
    before = desk.state
    (checked,) = of(desk.tell(ArmingCheckRequested(by="lee")), ArmingChecked)
    assert desk.state.trading == before.trading
    said = desk.tell(ask(ARMED))
    assert checked.problems == sum((refused.problems for refused in of(said, ArmRefused)), ())
    assert (desk.state.trading.state is ARMED) is (not checked.problems)


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


def clear(latch: Latch, count: int = -1) -> LatchClearRequested:
    return LatchClearRequested(latch=latch, by="kim", reason="looked at it", stop_count=count)


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
    trading = desk.state.trading
    assert (trading.state, trading.latched) == (TradingState.REDUCE_ONLY, ())
    assert (trading.by, trading.reason) == ("risk", "latch reconciliation_difference")
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
    desk.state = desk.state.but(trading=desk.state.trading.model_copy(update={"latches": LATCHED}))
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


def test_a_new_trading_date_keeps_a_halt() -> None:
    desk = armed()
    desk.tell(stop(TradingState.HALTED))
    assert of(desk.tell(*world.date_begins("2026-11-24")), TradingStateChanged) == []
    assert desk.state.trading.state is TradingState.HALTED
    assert (desk.state.trading.by, desk.state.trading.reason) == ("alice", "wrong prices")


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


def test_with_old_entries_unread_risk_renews_no_lease_and_still_tells_how_it_is() -> None:
    desk = Desk()
    desk.tick(0)
    said = desk.hand(Tick(world.ms(5_000), behind=True))
    assert of(said, LeaseRenewed) == [] and of(said, RiskStatus)
    assert of(desk.tick(5_100), LeaseRenewed)
