"""Stranded positions, and what people do about them."""

import pytest

from services.contracts.alert_codes import AlertCode
from services.contracts.messages import orders as o
from services.contracts.messages.alerts import AlertKind, AlertRaised
from services.contracts.messages.control import ResidualClaimed
from services.contracts.messages.pairs import (
    ClipCompleted,
    PairClosed,
    PairOutcome,
    ResidualMarked,
    StrandReason,
)
from services.contracts.terms import OrderKind, Severity, Venue
from services.contracts.tick_grid import SHARE_TICKS as TICKS
from services.executor.phases import PairPhase

from .desk import BID, COSTS, Desk, ask_flatten, fail_rungs, holding


@pytest.fixture
def desk() -> Desk:
    """A desk that has bought five shares at 100,000 and lost the spread."""
    return holding()


def strand(desk: Desk) -> None:
    fail_rungs(desk, desk.limits.flatten_attempts)
    assert desk.pair.phase is PairPhase.STRANDED


def claim_refusal(desk: Desk) -> AlertRaised:
    return next(alert for alert in desk.all(AlertRaised) if alert.code == AlertCode.CLAIM_REFUSED)


def claim(desk: Desk, qty: int = 5, amount: int = 480_000, pair_id: str = "P1") -> None:
    desk.hear(ResidualClaimed(pair_id=pair_id, qty_shares=qty, amount_krw=amount, by="kim", reason="sold"))


def test_spent_attempts_strand_it_by_name_and_call_a_person(desk: Desk) -> None:
    strand(desk)
    marked = desk.last(ResidualMarked)
    assert (marked.pair_id, marked.qty_shares, marked.reason) == ("P1", 5, StrandReason.ATTEMPTS_SPENT)
    alert = next(a for a in desk.all(AlertRaised) if a.kind is AlertKind.STRANDED)
    assert alert.severity is Severity.CRITICAL and "arb residual resolve P1" in alert.next_step
    assert len(desk.flattens) == 6 and not desk.all(PairClosed)


def test_a_stranded_position_is_known_at_the_next_start(desk: Desk) -> None:
    strand(desk)
    before = [a for a in desk.all(AlertRaised) if a.kind is AlertKind.STRANDED]
    desk.restart()
    desk.said.clear()
    desk.tick()
    again = [a for a in desk.all(AlertRaised) if a.kind is AlertKind.STRANDED]
    assert [a.alert_id for a in again] == [a.alert_id for a in before]
    assert desk.pair.phase is PairPhase.STRANDED and desk.pair.uncovered_shares == 5


def test_a_person_asks_for_the_ladder_again(desk: Desk) -> None:
    strand(desk)
    ask_flatten(desk)
    assert len(desk.flattens) == 7
    rung = desk.flattens[-1]
    assert (rung.kind, rung.price_krw, rung.order_id) == (
        OrderKind.LIMIT_IOC,
        TICKS.step(BID, -1),
        "P1.1.s.7",
    )
    desk.fill(rung)
    closed = desk.last(PairClosed)
    assert (closed.outcome, closed.sold_shares) == (PairOutcome.FLAT, 5)
    open_ids = {a.alert_id for a in desk.all(AlertRaised) if not a.resolved and a.severity != Severity.INFO}
    assert open_ids == {a.alert_id for a in desk.all(AlertRaised) if a.resolved}


def test_a_retry_that_fails_strands_again_under_a_new_alert(desk: Desk) -> None:
    strand(desk)
    ask_flatten(desk)
    fail_rungs(desk, 6)
    raised = [a.alert_id for a in desk.all(AlertRaised) if a.kind is AlertKind.STRANDED and not a.resolved]
    assert len(raised) == len(set(raised)) == 2


def test_a_flatten_of_another_symbol_leaves_it_alone(desk: Desk) -> None:
    strand(desk)
    ask_flatten(desk, "000660")
    assert desk.pair.phase is PairPhase.STRANDED


def test_a_claim_closes_it_with_what_the_person_got(desk: Desk) -> None:
    strand(desk)
    claim(desk)
    closed = desk.last(PairClosed)
    assert (closed.outcome, closed.bought_shares, closed.sold_shares) == (PairOutcome.CLAIMED, 5, 0)
    assert closed.realised_pnl_krw == 480_000 - 500_000 - COSTS.commission_krw(Venue.KRX, 500_000)
    claim(desk)
    assert len(desk.all(PairClosed)) == 1 and not desk.state.pairs


@pytest.mark.parametrize(("qty", "pair_id"), [(4, "P1"), (6, "P1"), (5, "Pzz")])
def test_a_claim_that_does_not_fit_is_refused_in_words(desk: Desk, qty: int, pair_id: str) -> None:
    strand(desk)
    claim(desk, qty, pair_id=pair_id)
    assert not desk.all(PairClosed)
    refused = claim_refusal(desk)
    assert refused.severity is Severity.WARNING and "kim" in refused.detail


def test_a_claim_is_refused_while_an_order_works(desk: Desk) -> None:
    claim(desk)
    assert not desk.all(PairClosed) and "still works" in claim_refusal(desk).detail


def test_a_fill_told_late_flattens_a_stranded_position(desk: Desk) -> None:
    strand(desk)
    desk.part_fill(desk.flattens[2], 2)
    assert desk.last(ResidualMarked).qty_shares == 3
    desk.part_fill(desk.flattens[2], 5)
    assert desk.last(PairClosed).outcome is PairOutcome.FLAT
    assert [done.residual_shares for done in desk.all(ClipCompleted)] == [0]


def test_an_ambiguous_order_strands_until_it_is_known(desk: Desk) -> None:
    sell = desk.flattens[0]
    desk.unknown(sell)
    desk.resolve(sell, o.Resolution.AMBIGUOUS)
    marked = desk.last(ResidualMarked)
    assert (marked.reason, marked.qty_shares) == (StrandReason.AMBIGUOUS, 5)
    desk.tick(60_000)
    assert len(desk.flattens) == 1
    desk.resolve(sell, o.Resolution.FOUND, 5)
    assert desk.last(PairClosed).outcome is PairOutcome.FLAT


def test_a_claim_of_an_ambiguous_pair_settles_every_alarm(desk: Desk) -> None:
    """Nobody can say what the pair holds, so what the person says counts."""
    sell = desk.flattens[0]
    desk.unknown(sell)
    desk.resolve(sell, o.Resolution.AMBIGUOUS)
    claim(desk, qty=3, amount=290_000)
    assert desk.last(PairClosed).outcome is PairOutcome.CLAIMED
    raised = {a.alert_id for a in desk.all(AlertRaised) if a.severity is not Severity.INFO}
    assert raised and raised == {a.alert_id for a in desk.all(AlertRaised) if a.resolved}


def test_more_sold_than_bought_strands_and_sells_no_more(desk: Desk) -> None:
    """Somebody's log was wrong: a sell that never arrived filled after all, twice over."""
    first = desk.flattens[0]
    desk.unknown(first)
    desk.resolve(first, o.Resolution.NEVER_ARRIVED)
    desk.tick(600)
    desk.fill(desk.flattens[1])
    assert desk.last(PairClosed).outcome is PairOutcome.FLAT
    desk.fill(first)
    assert desk.last(AlertRaised).kind is AlertKind.RECONCILIATION
    other = holding()
    late = other.flattens[0]
    other.unknown(late)
    other.resolve(late, o.Resolution.NEVER_ARRIVED)
    other.tick(600)
    other.part_fill(other.flattens[1], 3)
    other.part_fill(late, 5)
    assert other.last(ResidualMarked).reason is StrandReason.AMBIGUOUS
    assert other.pair.uncovered_shares == -3 and other.pair.available_shares < 0
