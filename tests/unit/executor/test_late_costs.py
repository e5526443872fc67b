"""Commission and tax are told after the pair was closed: its last statement has them, to the won."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.messages import orders as o
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.commands import PlaceOrder
from services.contracts.messages.control import ResidualClaimed
from services.contracts.messages.pairs import PairClosed, PairOutcome
from services.contracts.terms import SessionPhase, Venue

from .desk import COSTS, Desk, fail_rungs, holding

TRUE_KRW = COSTS.net_krw(Venue.KRX, 500_000, Venue.NXT, 502_500)


def closed_without_the_costs_of_its_sale() -> tuple[Desk, PlaceOrder]:
    desk = Desk().open_day()
    desk.approve()
    desk.fill(desk.orders[-1])
    sell = desk.sells[-1]
    tell(desk, sell, commission_krw=0, tax_krw=0)
    desk.tick(700)
    assert desk.last(PairClosed).realised_pnl_krw > TRUE_KRW
    return desk, sell


def tell(desk: Desk, sell: PlaceOrder, **costs: int) -> None:
    facts = desk.facts(sell, 5, 100_500, closed=True).model_copy(update=costs)
    desk.hear(o.OrderFilled(facts=facts, last_qty_shares=0, last_amount_krw=0, by_query=True))


def test_costs_told_after_the_close_are_in_the_last_statement() -> None:
    desk, sell = closed_without_the_costs_of_its_sale()
    first = desk.last(PairClosed)
    tell(desk, sell)
    last = desk.last(PairClosed)
    assert (last.realised_pnl_krw, last.closings) == (TRUE_KRW, first.closings + 1)
    same = {"realised_pnl_krw", "commission_krw", "tax_krw", "closings"}
    assert last.model_dump(exclude=same) == first.model_dump(exclude=same)
    assert desk.state.pairs == {} and desk.state.tally.pairs_closed == 1


@given(st.lists(st.tuples(st.sampled_from([0, 37, 73]), st.sampled_from([0, 500, 1_003])), max_size=6))
def test_costs_told_in_any_order_and_number_make_one_statement_each_time_they_grow(
    told: list[tuple[int, int]],
) -> None:
    desk, sell = closed_without_the_costs_of_its_sale()
    desk.said.clear()
    for commission_krw, tax_krw in told:
        tell(desk, sell, commission_krw=commission_krw, tax_krw=tax_krw)
        desk.restart()
    statements = desk.all(PairClosed)
    assert [closed.closings for closed in statements] == list(range(2, 2 + len(statements)))
    most = max((c for c, _ in told), default=0), max((t for _, t in told), default=0)
    kept = desk.state.closed["P1"].orders[sell.order_id]
    assert (kept.commission_krw, kept.tax_krw) == most
    assert bool(statements) == (most != (0, 0))
    if statements:
        paid_krw = statements[-1].commission_krw + statements[-1].tax_krw
        assert paid_krw == sum(most) + COSTS.commission_krw(Venue.KRX, 500_000)


def test_costs_told_on_the_next_date_correct_the_statement_too() -> None:
    desk, sell = closed_without_the_costs_of_its_sale()
    for venue in Venue:
        desk.phase(venue, SessionPhase.CONTINUOUS, date="2026-11-24")
    tell(desk, sell)
    assert desk.last(PairClosed).realised_pnl_krw == TRUE_KRW


def test_a_pair_opened_again_is_closed_with_the_costs_told_meanwhile() -> None:
    desk, sell = closed_without_the_costs_of_its_sale()
    tell(desk, sell)
    desk.fill(sell.model_copy(update={"order_id": "P1.1.s.9", "qty_shares": 1}), 100_500)
    assert desk.pair.tax_krw == 2 * COSTS.sell_tax_krw(502_500) - COSTS.sell_tax_krw(402_000)


def claim(desk: Desk, qty: int, amount_krw: int) -> None:
    desk.hear(ResidualClaimed(pair_id="P1", qty_shares=qty, amount_krw=amount_krw, by="kim", reason="sold"))


def claimed() -> Desk:
    """Three of five were sold by the pair's own order, a person sold two."""
    desk = holding()
    desk.close(desk.flattens[-1], 3)
    desk.tick(700)
    fail_rungs(desk, desk.limits.flatten_attempts - 1)
    claim(desk, 2, 197_000)
    assert desk.last(PairClosed).outcome is PairOutcome.CLAIMED
    return desk


def test_costs_of_a_claimed_pair_correct_its_statement_and_keep_the_claim() -> None:
    desk = claimed()
    before, sell = desk.last(PairClosed), desk.flattens[0]
    dear = desk.facts(sell, 3, closed=True).model_copy(update={"commission_krw": 900, "tax_krw": 900})
    desk.hear(o.OrderFilled(facts=dear, last_qty_shares=0, last_amount_krw=0))
    after = desk.last(PairClosed)
    more_krw = after.commission_krw + after.tax_krw - before.commission_krw - before.tax_krw
    assert (after.outcome, after.realised_pnl_krw) == (
        PairOutcome.CLAIMED, before.realised_pnl_krw - more_krw,
    )  # fmt: skip
    assert more_krw > 0


def test_what_fills_after_a_claim_is_claimed_apart() -> None:
    desk = claimed()
    sell = desk.flattens[0].model_copy(update={"order_id": "P1.1.s.9", "qty_shares": 2})
    desk.fill(sell, 98_500)
    assert desk.state.pairs == {} and desk.last(AlertRaised).severity == "critical"
    before = desk.last(PairClosed)
    claim(desk, 1, 99_000)
    assert desk.last(PairClosed) is before and "2 shares of it" in desk.last(AlertRaised).detail
    claim(desk, 2, 198_000)
    after = desk.last(PairClosed)
    assert (after.closings, after.sold_shares) == (before.closings + 1, 5)
    cash_krw = after.sold_krw - after.bought_krw - after.commission_krw - after.tax_krw + 197_000 - 198_000
    assert after.realised_pnl_krw == cash_krw
    claim(desk, 2, 198_000)
    assert desk.last(PairClosed) is after


@pytest.mark.parametrize("qty", [1, 2, 5])
def test_a_claim_of_a_pair_that_holds_nothing_is_answered(qty: int) -> None:
    desk, _ = closed_without_the_costs_of_its_sale()
    claim(desk, qty, 100_000)
    assert "0 shares of it" in desk.last(AlertRaised).detail
