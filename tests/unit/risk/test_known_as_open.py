"""Risk knows which pairs are open as the executor does: opened again, brought back, stranded, claimed."""

from typing import Any

import pytest

from services.contracts.limits import NS_PER_S
from services.contracts.messages.control import LatchClearRequested, LatchSet
from services.contracts.messages.orders import OrderAccepted, OrderResolved, OrderUnknown, Resolution
from services.contracts.messages.pairs import (
    PairApproved,
    PairClosed,
    PairDenied,
    PairOutcome,
    ResidualMarked,
    StrandReason,
)
from services.contracts.messages.status import ExecutorStatus, OpenPairSeen, RiskStatus
from services.contracts.reasons import DenialReason
from services.contracts.terms import Latch, Side, TradingState, Venue
from services.risk.exposure import cash_flow_krw, realised_krw, total_exposure_krw
from services.risk.ledger import FORGOTTEN_NS
from tests.unit.detector import world
from tests.unit.detector.world import HYNIX, SAMSUNG
from tests.unit.risk import desk as d
from tests.unit.risk.desk import Desk, armed, closed, facts, filled, intent, of, order_closed, quotes

NOTHING: dict[str, Any] = {
    "outcome": PairOutcome.NOT_FILLED, "trip": False, "bought_shares": 0, "bought_krw": 0, "sold_shares": 0,
    "sold_krw": 0, "commission_krw": 0, "tax_krw": 0, "realised_pnl_krw": 0,
}  # fmt: skip


def approved(desk: Desk) -> str:
    verdict = desk.answer(intent(desk))
    assert isinstance(verdict, PairApproved)
    return verdict.pair_id


def unfilled(pair_id: str) -> Any:
    return facts(
        pair_id, Side.BUY, 5, 350_000, cum_qty_shares=0, cum_amount_krw=0, commission_krw=0, closed=False
    )


def opened_again(**limits: int) -> tuple[Desk, str]:
    """A pair that closed unfilled, and whose buy filled after all."""
    desk = armed(world.limits(**limits))
    pair_id = approved(desk)
    desk.tell(order_closed(unfilled(pair_id)), closed(pair_id, **NOTHING))
    assert desk.state.pairs == {}
    desk.tell(filled(facts(pair_id, Side.BUY, 5, 350_000)))
    return desk, pair_id


def marked(pair_id: str) -> ResidualMarked:
    return ResidualMarked(
        pair_id=pair_id, symbol=SAMSUNG, qty_shares=5, cost_krw=350_000, reason=StrandReason.LOSS_BOUND,
        detail="test",
    )  # fmt: skip


def executor(pair_id: str, *, stranded: bool) -> ExecutorStatus:
    seen = OpenPairSeen(
        pair_id=pair_id, symbol=SAMSUNG, state="x", clip=1, uncovered_shares=5, uncovered_krw=1, age_ms=1
    )
    return ExecutorStatus(
        pairs=() if stranded else (seen,), stranded=(seen,) if stranded else (), pairs_closed=0, clips=0,
        uncovered_krw_ms=0, neutral_ms_max=0,
    )  # fmt: skip


def latched_within(desk: Desk, seconds: int) -> list[Latch]:
    said = []
    for second in range(1, seconds + 1):
        desk.tell(*quotes(SAMSUNG, 70_000), at_ms=second * 1_000)
        said += desk.tick(second * 1_000)
    return [m.latch for m in of(said, LatchSet)]


def test_a_pair_opened_again_counts_against_the_open_pairs_and_is_watched() -> None:
    desk, _ = opened_again(max_open_pairs=1, max_pair_loss_krw=50_000)
    desk.tell(*world.crossing(HYNIX))
    verdict = desk.answer(intent(desk, name="other", symbol=HYNIX))
    assert isinstance(verdict, PairDenied) and verdict.reason is DenialReason.OPEN_PAIRS
    desk.tell(*quotes(SAMSUNG, 60_000))
    assert [m.latch for m in of(desk.tick(20), LatchSet)] == [Latch.PAIR_LOSS]


def test_a_pair_opened_again_buys_nothing_more_and_its_trip_counts_once() -> None:
    desk, pair_id = opened_again()
    assert total_exposure_krw(desk.state) == 350_000
    sale = facts(pair_id, Side.SELL, 5, 352_500)
    again = closed(pair_id, closings=2)
    desk.tell(filled(sale), again, again)
    assert desk.state.pairs == {} and desk.state.day.trips == {SAMSUNG: 1}


@pytest.mark.parametrize("marked_first", [False, True])
def test_one_opened_again_and_stranded_is_a_persons(marked_first: bool) -> None:
    desk = armed()
    pair_id = approved(desk)
    desk.tell(order_closed(unfilled(pair_id)), closed(pair_id, **NOTHING))
    said = [filled(facts(pair_id, Side.BUY, 5, 350_000)), marked(pair_id)]
    desk.tell(*(reversed(said) if marked_first else said))
    desk.tell(LatchClearRequested(latch=Latch.RESIDUAL_STRANDED, by="kim", reason="seen"))
    assert latched_within(desk, 70) == []


def test_a_stranded_pair_that_is_tried_again_is_the_executors() -> None:
    desk, pair_id = opened_again(max_unhedged_ms=10_000)
    desk.tell(marked(pair_id), executor(pair_id, stranded=True))
    assert desk.state.pairs[pair_id].stranded
    desk.tell(executor(pair_id, stranded=False))
    assert not desk.state.pairs[pair_id].stranded
    assert total_exposure_krw(desk.state) == 350_000, "nothing more is bought for it"
    assert Latch.UNHEDGED in latched_within(desk, 15)


def test_an_order_whose_approval_is_lost_brings_its_pair_back_and_the_status_ends_it() -> None:
    desk = armed()
    lost = unfilled("Plost")
    desk.tell(OrderAccepted(facts=lost))
    assert total_exposure_krw(desk.state) == 350_000 and list(desk.state.pairs) == ["Plost"]
    desk.tell(order_closed(lost))
    nobody = executor("Pother", stranded=False)
    said = desk.tell(nobody) + desk.tell(nobody, at_ms=d.NOW + FORGOTTEN_NS // NS_PER_S * 1_000)
    (end,) = of(said, PairClosed)
    assert (end.pair_id, end.outcome) == ("Plost", PairOutcome.NOT_FILLED)
    desk.tell(end)
    assert (desk.state.pairs, desk.state.orders) == ({}, {})


def test_an_order_told_again_that_filled_nothing_opens_no_pair() -> None:
    desk = armed()
    desk.tell(order_closed(unfilled("Plost")))
    assert (desk.state.pairs, desk.state.orders) == ({}, {})
    assert len(desk.state.settled) == 1, "it counts among the orders of the day"


def ambiguous() -> tuple[Desk, str, Any]:
    desk = armed()
    pair_id = approved(desk)
    buy = unfilled(pair_id)
    desk.tell(
        OrderUnknown(facts=buy, reason="no answer"),
        OrderResolved(facts=buy, resolution=Resolution.AMBIGUOUS, evidence="two look like it"),
        marked(pair_id),
        closed(pair_id, **{**NOTHING, "outcome": PairOutcome.CLAIMED}),
    )
    return desk, pair_id, buy


def test_what_a_person_claimed_never_comes_back_as_exposure() -> None:
    desk, pair_id, buy = ambiguous()
    desk.tell(OrderUnknown(facts=buy, reason="still not known"))
    assert (desk.state.pairs, total_exposure_krw(desk.state)) == ({}, 0)
    desk.tell(filled(facts(pair_id, Side.BUY, 5, 350_000)))
    assert (desk.state.pairs, total_exposure_krw(desk.state)) == ({}, 0)
    assert realised_krw(desk.state) == -52, "what was bought is the person's, and no loss"
    desk.tell(LatchClearRequested(latch=Latch.RESIDUAL_STRANDED, by="kim", reason="sold"))
    assert latched_within(desk, 70) == []
    again = closed(
        pair_id, outcome=PairOutcome.CLAIMED, sold_shares=0, sold_krw=0, commission_krw=52, tax_krw=0,
        realised_pnl_krw=-1_052, closings=2,
    )  # fmt: skip
    desk.tell(again, again)
    assert realised_krw(desk.state) == -1_052


def test_a_claimed_ambiguous_buy_stands_against_no_sale_on_its_venue() -> None:
    desk, _, _ = ambiguous()
    desk.tell(LatchClearRequested(latch=Latch.RESIDUAL_STRANDED, by="kim", reason="sold"))
    desk.tell(*(d.heartbeat(service) for service in (*d.REQUIRED, "risk")), d.ask(TradingState.ARMED))
    desk.tell(world.quote(Venue.NXT, 69_900, 70_000), world.quote(Venue.KRX, 70_500, 70_600))
    buy, sell = d.leg(Venue.NXT, Side.BUY, 70_000), d.leg(Venue.KRX, Side.SELL, 70_500)
    verdict = desk.answer(intent(desk, name="next", side_a=buy, side_b=sell))
    assert isinstance(verdict, PairApproved), verdict


def test_what_was_sold_and_never_bought_is_owed_and_no_profit() -> None:
    desk = armed(world.limits(max_pair_loss_krw=90_000))
    pair_id = approved(desk)
    desk.tell(filled(facts(pair_id, Side.BUY, 5, 350_000)))
    for number in (1, 2):
        desk.tell(filled(facts(pair_id, Side.SELL, 5, 352_500, order_id=f"{pair_id}.1.s.{number}")))
    assert 0 < realised_krw(desk.state) < 2_500
    assert total_exposure_krw(desk.state) == 352_500
    desk.tell(*quotes(SAMSUNG, 90_000))
    assert Latch.PAIR_LOSS in [m.latch for m in of(desk.tick(20), LatchSet)], "buying back costs more now"


def test_a_close_read_before_its_sale_shows_no_loss() -> None:
    desk = armed(world.limits(max_pair_loss_krw=1_000, max_daily_loss_krw=1_000))
    pair_id = approved(desk)
    buy, sale = facts(pair_id, Side.BUY, 5, 350_000), facts(pair_id, Side.SELL, 5, 352_500)
    said = desk.tell(filled(buy), closed(pair_id)) + desk.tick(20)
    assert realised_krw(desk.state) == 1_693 and of(said, LatchSet) == []
    desk.tell(OrderAccepted(facts=sale.model_copy(update={"closed": False, "cum_qty_shares": 0})))
    assert desk.tell(filled(sale), order_closed(sale)) == []
    assert (desk.state.pairs, realised_krw(desk.state)) == ({}, 1_693)


def test_costs_told_late_count_against_the_limits_once() -> None:
    desk = armed(world.limits(max_pair_loss_krw=3_000, max_losing_pairs_in_a_row=1))
    pair_id = approved(desk)
    sale = facts(pair_id, Side.SELL, 5, 352_500)
    desk.tell(filled(facts(pair_id, Side.BUY, 5, 350_000)), filled(sale), closed(pair_id))
    assert desk.state.day.losses_in_a_row == 0
    dear = sale.model_copy(update={"tax_krw": sale.tax_krw + 2_000})
    said = desk.tell(filled(dear))
    assert [m.latch for m in of(said, LatchSet)] == [Latch.LOSING_STREAK]
    dearer = sale.model_copy(update={"tax_krw": sale.tax_krw + 5_000})
    said = desk.tell(
        filled(dearer), closed(pair_id, realised_pnl_krw=1_693 - 5_000, closings=2), filled(dearer)
    )
    assert [m.latch for m in of(said, LatchSet)] == [Latch.PAIR_LOSS]
    assert realised_krw(desk.state) == 1_693 - 5_000 and desk.state.day.losses_in_a_row == 1


# -- dates --------------------------------------------------------------------------------------


def test_an_earlier_date_takes_nothing_of_today_away() -> None:
    desk = armed()
    pair_id = approved(desk)
    desk.tell(filled(facts(pair_id, Side.BUY, 5, 350_000)), filled(facts(pair_id, Side.SELL, 5, 300_000)))
    desk.tell(closed(pair_id))
    lost = realised_krw(desk.state)
    old = world.window().model_copy(update={"trading_date": "2026-11-20"})
    desk.tell(old, world.phase(Venue.KRX, date="2026-11-20"))  # type: ignore[arg-type]
    assert desk.state.venue.window_open(desk.state.now_ns), "said of another day"
    assert (realised_krw(desk.state), desk.state.day.trips) == (lost, {SAMSUNG: 1})
    assert desk.state.trading.state is TradingState.ARMED


def test_a_gateway_that_connects_on_an_earlier_date_bars_entries_and_nothing_more() -> None:
    desk = armed()
    pair_id = approved(desk)
    desk.tell(filled(facts(pair_id, Side.BUY, 5, 350_000)))
    before = realised_krw(desk.state)
    desk.tell(world.connection(epoch=2), *world.date_begins("2026-11-20"))
    assert desk.state.venue.trading_date == "2026-11-20"
    assert (desk.state.day.trading_date, realised_krw(desk.state)) == (world.DATE, before)
    verdict = desk.answer(intent(desk, name="next", symbol=HYNIX))
    assert isinstance(verdict, PairDenied)
    (status,) = of(desk.tick(1_200), RiskStatus)
    assert any("look at its clock" in gate for gate in status.gates)
    desk.tell(*world.morning())
    assert desk.state.venue.trading_date == world.DATE and realised_krw(desk.state) == before


@pytest.mark.parametrize("known_date", [False, True])
def test_orders_read_before_their_date_has_begun_are_of_that_date(known_date: bool) -> None:
    """After Redis lost something the gateway tells all again, and the orders may be read first."""
    desk = armed() if known_date else Desk()
    date = "2026-11-24" if known_date else world.DATE
    for pair_id in ("Pdone", "Popen"):
        desk.tell(filled(facts(pair_id, Side.BUY, 5, 350_000, trading_date=date)))
    desk.tell(filled(facts("Pdone", Side.SELL, 5, 352_500, trading_date=date)), closed("Pdone"))
    before = realised_krw(desk.state)
    desk.tell(*world.date_begins(date))
    assert realised_krw(desk.state) == before == 1_693 - 52
    assert total_exposure_krw(desk.state) == 350_000
    assert cash_flow_krw(desk.state) == before - 350_000
    assert desk.state.day.trips == {SAMSUNG: 1}
