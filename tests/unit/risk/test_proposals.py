"""Tightening at once, loosening by two people: who may, what is said, and what runs out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.limits import LIMIT_PROPOSAL_MS
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.control import (
    LimitChangeProposed,
    LimitChangeRefused,
    LimitChangeRequested,
    LimitConfirmRequested,
    LimitProposal,
    LimitProposalExpired,
    ReferencePublished,
    StopRequested,
)
from services.contracts.messages.status import GatewayStatus, RiskStatus
from services.contracts.terms import GatewayMode, TradingState
from services.contracts.trading_limits import (
    LARGER_IS_TIGHTER,
    SMALLER_IS_TIGHTER,
    BufferRule,
    TradingLimits,
    tightens,
)
from services.runtime.parts import changed_parts, restore
from tests.contracts.examples import EXAMPLES
from tests.unit.detector import world
from tests.unit.risk.desk import NOW, Desk, armed, ask, files, of, ready


def change(name: str, value: str, by: str = "kim") -> LimitChangeRequested:
    return LimitChangeRequested(name=name, value=value, by=by, reason="grow")


def confirm(proposal: LimitProposal, by: str = "lee") -> LimitConfirmRequested:
    return LimitConfirmRequested(proposal_id=proposal.proposal_id, by=by, reason="agreed")


def proposed(desk: Desk, name: str, value: str) -> LimitProposal:
    said = desk.tell(change(name, value))
    assert of(said, ReferencePublished) == []
    (answer,) = of(said, LimitChangeProposed)
    return answer.proposal


def limits_of(desk: Desk) -> TradingLimits:
    assert desk.state.reference is not None
    return desk.state.reference.limits


def test_who_loosens_or_confirms_has_seen_the_last_stop() -> None:
    desk = armed()
    shown = desk.state.trading.stop_count
    proposal = proposed(desk, "clip_shares", "5")
    desk.tell(StopRequested(target=TradingState.PAUSE_ENTRY, by="alice", reason="odd fills"))
    for wish in (change("clip_shares", "4"), confirm(proposal)):
        (refused,) = of(desk.tell(wish.model_copy(update={"stop_count": shown})), LimitChangeRefused)
        assert "alice" in refused.problem and "odd fills" in refused.problem
    assert limits_of(desk).clip_shares == 1
    tighter = change("max_open_pairs", "1").model_copy(update={"stop_count": shown})
    assert of(desk.tell(tighter), ReferencePublished), "what tightens needs nobody to have looked"
    assert of(desk.tell(confirm(proposal)), ReferencePublished)


def test_a_looser_limit_changes_nothing_until_a_second_person_confirms_it() -> None:
    desk = armed()
    before = desk.state.reference_hash
    proposal = proposed(desk, "clip_shares", "5")
    assert (desk.state.reference_hash, limits_of(desk).clip_shares) == (before, 1)
    (published,) = of(desk.tell(confirm(proposal)), ReferencePublished)
    assert published.reference.limits.clip_shares == 5
    assert published.by == "lee"
    assert "proposed by kim" in published.reason and "confirmed by lee" in published.reason
    assert desk.state.proposals == {}


@pytest.mark.parametrize("by", ["kim", "Kim", " KIM "])
def test_nobody_confirms_their_own_proposal(by: str) -> None:
    desk = armed()
    proposal = proposed(desk, "clip_shares", "5")
    (refused,) = of(desk.tell(confirm(proposal, by)), LimitChangeRefused)
    assert "second person" in refused.problem
    assert limits_of(desk).clip_shares == 1
    assert of(desk.tell(confirm(proposal, "lee")), ReferencePublished)


def test_a_tighter_limit_is_in_force_at_once() -> None:
    desk = armed(world.limits(clip_shares=5))
    (published,) = of(desk.tell(change("clip_shares", "2")), ReferencePublished)
    assert published.reference.limits.clip_shares == 2


def test_a_proposal_runs_out_and_is_recorded() -> None:
    desk = armed()
    proposal = proposed(desk, "clip_shares", "5")
    assert of(desk.tick(NOW + LIMIT_PROPOSAL_MS - 1), LimitProposalExpired) == []
    (expired,) = of(desk.tick(NOW + LIMIT_PROPOSAL_MS), LimitProposalExpired)
    assert expired.proposal == proposal
    (refused,) = of(desk.tell(confirm(proposal), at_ms=NOW + LIMIT_PROPOSAL_MS), LimitChangeRefused)
    assert proposal.proposal_id in refused.problem
    assert limits_of(desk).clip_shares == 1


def test_a_confirmation_that_comes_with_the_end_comes_too_late() -> None:
    desk = armed()
    proposal = proposed(desk, "clip_shares", "5")
    assert of(desk.tell(confirm(proposal), at_ms=NOW + LIMIT_PROPOSAL_MS), LimitChangeRefused)


def test_a_confirmation_told_twice_takes_effect_once() -> None:
    desk = armed()
    proposal = proposed(desk, "clip_shares", "5")
    desk.tell(confirm(proposal), change("clip_shares", "2"))
    (refused,) = of(desk.tell(confirm(proposal)), LimitChangeRefused)
    assert limits_of(desk).clip_shares == 2 and "no proposal" in refused.problem


def test_a_proposal_is_judged_again_when_it_is_confirmed() -> None:
    desk = armed()
    proposal = proposed(desk, "clip_shares", "5")
    desk.tell(change("max_pair_shares", "4"))
    (refused,) = of(desk.tell(confirm(proposal)), LimitChangeRefused)
    assert "max_pair_shares" in refused.problem
    assert limits_of(desk).clip_shares == 1


def test_a_newer_proposal_of_the_same_limit_takes_the_place_of_the_older() -> None:
    desk = armed()
    older, newer = proposed(desk, "clip_shares", "5"), proposed(desk, "clip_shares", "3")
    assert of(desk.tell(confirm(older)), LimitChangeRefused)
    desk.tell(confirm(newer))
    assert limits_of(desk).clip_shares == 3


def test_what_waits_is_shown_and_outlasts_a_restart() -> None:
    desk = armed()
    before = desk.state
    proposal = proposed(desk, "clip_shares", "5")
    assert of(desk.tick(1_500), RiskStatus)[-1].proposals == (proposal,)
    again = Desk(restore(before, changed_parts(None, desk.state)))
    again.tell(confirm(proposal))
    assert limits_of(again).clip_shares == 5


def test_a_confirmed_limit_outlives_a_reload_until_the_file_says_something_else() -> None:
    desk = ready()
    desk.tell(confirm(proposed(desk, "clip_shares", "5")), files(symbols=world.SYMBOLS[:1]))
    assert limits_of(desk).clip_shares == 5
    desk.tell(files(world.limits(clip_shares=2)))
    assert limits_of(desk).clip_shares == 2


def test_a_looser_file_waits_until_the_desk_is_disarmed_and_what_tightens_does_not() -> None:
    desk = armed()
    edited = files(world.limits(clip_shares=5, max_open_pairs=1))
    (told,) = of(desk.tell(edited), AlertRaised)
    assert "clip_shares" in str(told.model_dump()) and "max_open_pairs" not in str(told.model_dump())
    assert (limits_of(desk).clip_shares, limits_of(desk).max_open_pairs) == (1, 1)
    assert desk.tell(edited) == []
    desk.tell(ask(TradingState.DISARMED))
    said = desk.tell(edited)
    assert limits_of(desk).clip_shares == 5
    assert [alert.resolved for alert in of(said, AlertRaised)] == [True]


@pytest.mark.parametrize("mode", [GatewayMode.LIVE, None])
def test_in_live_mode_a_looser_file_waits_for_two_people_while_disarmed_too(
    mode: GatewayMode | None,
) -> None:
    desk = ready()
    desk.state = desk.state.but(mode=mode)
    edited = files(world.limits(max_pair_shares=12, max_open_pairs=1))
    (told,) = of(desk.tell(edited), AlertRaised)
    assert "max_pair_shares" in told.detail and "second person" in told.detail
    assert (limits_of(desk).max_pair_shares, limits_of(desk).max_open_pairs) == (5, 1)
    assert desk.state.trading.state is TradingState.DISARMED
    desk.tell(confirm(proposed(desk, "max_pair_shares", "12")))
    assert limits_of(desk).max_pair_shares == 12
    assert [alert.resolved for alert in of(desk.tell(edited), AlertRaised)] == [True], "the file agrees"
    assert desk.state.overrides == {} and limits_of(desk).max_pair_shares == 12


def test_the_gateway_says_whether_a_file_may_loosen() -> None:
    desk = ready()
    looser = files(world.limits(max_pair_shares=12))
    desk.state = desk.state.but(mode=None)
    desk.tell(looser)
    assert limits_of(desk).max_pair_shares == 5
    desk.tell(gateway_status(GatewayMode.SIMULATED), looser)
    assert limits_of(desk).max_pair_shares == 12
    desk.tell(gateway_status(GatewayMode.LIVE), files(world.limits(max_pair_shares=13)))
    assert limits_of(desk).max_pair_shares == 12


def test_what_held_in_live_mode_is_not_loosened_by_a_gateway_that_observes() -> None:
    """A gateway restarted in observe mode let a looser file in, which then held in live mode."""
    desk = ready()
    desk.tell(gateway_status(GatewayMode.LIVE), gateway_status(GatewayMode.OBSERVE))
    desk.state = restore(Desk().state, changed_parts(None, desk.state))
    looser = files(world.limits(max_pair_shares=12))
    for mode in (GatewayMode.OBSERVE, GatewayMode.SIMULATED):
        desk.tell(gateway_status(mode), looser)
        assert limits_of(desk).max_pair_shares == 5
    desk.tell(confirm(proposed(desk, "max_pair_shares", "12")), looser)
    assert limits_of(desk).max_pair_shares == 12 and not desk.state.files_bad


def gateway_status(mode: GatewayMode) -> GatewayStatus:
    example = EXAMPLES["GatewayStatus"]
    assert isinstance(example, GatewayStatus)
    return example.model_copy(update={"mode": mode})


def test_a_looser_file_that_waits_takes_no_override_away() -> None:
    desk = armed(world.limits(max_pair_shares=10))
    desk.tell(change("max_pair_shares", "4"))
    desk.tell(files(world.limits(max_pair_shares=12)))
    assert limits_of(desk).max_pair_shares == 4
    assert desk.state.overrides == {"max_pair_shares": "4"}


def test_a_file_that_tightens_something_else_loosens_nothing_that_a_person_tightened() -> None:
    """One person with an editor must not do what takes two with `arb`."""
    desk = armed(world.limits(max_pair_shares=10, max_open_pairs=2, clip_shares=5))
    desk.tell(change("max_pair_shares", "6"), change("max_open_pairs", "1"))
    edited = files(world.limits(max_pair_shares=5, max_open_pairs=2, clip_shares=5))
    (told,) = of(desk.tell(edited), AlertRaised)
    assert told.code == "overrides_dropped" and told.facts == {"names": "max_pair_shares"}
    assert (limits_of(desk).max_pair_shares, limits_of(desk).max_open_pairs) == (5, 1)
    assert desk.tell(edited) == []
    desk.tell(ask(TradingState.DISARMED), files(world.limits(max_pair_shares=4, clip_shares=4)))
    assert limits_of(desk).max_open_pairs == 2


def test_a_proposal_of_a_limit_that_was_changed_meanwhile_is_not_what_is_confirmed() -> None:
    """Somebody tightened it in between: the second person would loosen from where nobody proposed to."""
    desk = armed(world.limits(max_pair_shares=10))
    proposal = proposed(desk, "max_pair_shares", "20")
    desk.tell(change("max_pair_shares", "4"))
    (refused,) = of(desk.tell(confirm(proposal)), LimitChangeRefused)
    assert "10" in refused.problem and "4" in refused.problem
    assert limits_of(desk).max_pair_shares == 4


def test_every_limit_that_bounds_something_knows_which_way_is_tighter() -> None:
    assert not SMALLER_IS_TIGHTER & LARGER_IS_TIGHTER
    neither = set(TradingLimits.model_fields) - SMALLER_IS_TIGHTER - LARGER_IS_TIGHTER
    assert neither == {
        "buffer_rule", "buy_timeout_ms", "sell_after_first_fill_ms", "sell_timeout_ms", "max_sells_per_clip",
        "flatten_step_ticks", "flatten_attempts", "flatten_interval_ms", "market_attempts", "flatten_wait_ms",
        "quote_wait_ms", "stranded_attempts", "stranded_interval_ms",
    }  # fmt: skip


@given(
    st.sampled_from(sorted(SMALLER_IS_TIGHTER | LARGER_IS_TIGHTER)), st.integers(1, 10), st.integers(1, 10)
)
def test_of_two_values_one_way_is_tighter_and_the_other_is_not(name: str, one: int, other: int) -> None:
    a, b = (TradingLimits().model_copy(update={name: value}) for value in (one, other))
    assert tightens(name, a, b) != tightens(name, b, a) or one == other
    assert tightens(name, a, a)


def test_the_stricter_buffer_rule_tightens() -> None:
    lax, *strict = (world.limits(buffer_rule=rule) for rule in BufferRule)
    assert len(strict) == 2
    for rule in strict:
        assert tightens("buffer_rule", lax, rule) and not tightens("buffer_rule", rule, lax)
    assert not tightens("buffer_rule", *strict) and not tightens("buffer_rule", *reversed(strict))
