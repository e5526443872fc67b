"""Before the next clip: the threshold of its symbol, and what may be counted on of a book."""

from decimal import Decimal
from typing import Any

import pytest

from services.contracts.messages.commands import PlaceOrder
from services.contracts.messages.control import ReferencePublished
from services.contracts.messages.pairs import ClipRecomputed, PairClosed
from services.contracts.terms import MovedLast, Purpose, Symbol, Venue
from services.contracts.threshold import SHIPPED_ROW, MissFigures, ThresholdRow, ThresholdTable
from tests.unit.detector.world import AT_ONCE

from .desk import SYMBOL, Desk, holding


@pytest.fixture
def desk() -> Desk:
    return Desk().open_day()


def published(desk: Desk, row: ThresholdRow) -> None:
    assert desk.state.reference is not None
    table = {"threshold": ThresholdTable(default=SHIPPED_ROW, symbol={Symbol(SYMBOL): row})}
    changed = desk.state.reference.model_copy(update=table)
    desk.hear(ReferencePublished(reference=changed, reference_hash="h3", by="risk", reason="test"))


@pytest.mark.parametrize(
    ("miss_rate", "loss_bps", "floor_krw", "goes_on"),
    [("0.40", 60, 0, True), ("0.40", 70, 0, False), ("0", 0, 1_355, True), ("0", 0, 1_356, False)],
)
def test_further_clip_has_to_earn_what_its_symbol_asks_for(
    desk: Desk, miss_rate: str, loss_bps: int, floor_krw: int, goes_on: bool
) -> None:
    """One share earns 271 KRW, 27.0 basis points: a fifth of the floor of the whole pair is enough."""
    desk.approve(qty=5, clip=1)
    miss = MissFigures(miss_rate=Decimal(miss_rate), loss_bps=Decimal(loss_bps))
    sides = {"ask_moved_last": miss, "bid_moved_last": miss}
    published(desk, AT_ONCE.default.model_copy(update={**sides, "floor_krw": floor_krw}))
    desk.fill(desk.last(PlaceOrder))
    desk.fill(desk.sells[0])
    looked = desk.last(ClipRecomputed)
    assert (looked.proceed, looked.net_edge_krw, looked.reference_hash) == (goes_on, 271, "h3")
    assert looked.threshold_krw is not None and (looked.threshold_krw <= 271) is goes_on


def test_further_clip_counts_on_half_of_what_is_displayed(desk: Desk) -> None:
    """Risk and detector count on no more, and a clip that they would refuse is not bought."""
    desk.approve(qty=4, clip=2)
    desk.fill(desk.last(PlaceOrder))
    desk.book(Venue.KRX, 99_900, 100_000, qty=3)
    desk.fill(desk.last(PlaceOrder))
    looked = desk.last(ClipRecomputed)
    assert not looked.proceed and "do not hold" in looked.reason


def test_further_clip_is_no_larger_than_a_limit_that_was_lowered_since(desk: Desk) -> None:
    desk.approve(qty=5, clip=3)
    assert desk.last(PlaceOrder).qty_shares == 3
    desk.limit(clip_shares=1)
    desk.fill(desk.last(PlaceOrder))
    desk.fill(desk.sells[0])
    assert [o.qty_shares for o in desk.orders if o.purpose is Purpose.ENTRY] == [3, 1]


def test_a_pair_whose_symbol_left_the_map_is_sold_and_buys_no_more() -> None:
    desk = holding()
    symbol = desk.pair.symbol
    assert desk.state.reference is not None
    rest = tuple(entry for entry in desk.state.reference.symbols if entry.krx_code != symbol)
    smaller = desk.state.reference.model_copy(update={"symbols": rest})
    desk.hear(ReferencePublished(reference=smaller, reference_hash="h4", by="risk", reason="test"))
    desk.restart()
    view = desk.state.view(symbol, desk.now_ns)
    assert view.costs is not None and view.entry_refusal()
    assert desk.state.reference_hash == "h4"
    assert desk.state.reference is not None
    assert desk.state.reference.listed(symbol) is not None


# -- how long the cross has stood, and which quote moved last -------------------------------


def row_of(**changes: Any) -> ThresholdRow:
    return AT_ONCE.default.model_copy(update=changes)


def risen(row: ThresholdRow) -> Desk:
    """The bid of NXT has just risen to 100,500."""
    desk = Desk().open_day()
    published(desk, row)
    desk.level()
    desk.tick(100)
    desk.book(Venue.NXT, 100_500, 100_600)
    return desk


def test_first_clip_waits_for_no_cross_that_is_too_young() -> None:
    """The cross that was approved ended, and another one has begun since."""
    desk = risen(row_of(min_cross_ms=300))
    desk.tick(200)
    desk.approve()
    looked = desk.last(ClipRecomputed)
    assert not looked.proceed and looked.reason == "the cross has stood for 200 of 300 ms"
    assert (looked.cross_age_ms, looked.moved_last) == (200, MovedLast.BID)
    assert desk.orders == [] and not desk.last(PairClosed).trip


def test_clip_of_a_cross_that_stood_long_enough_goes() -> None:
    desk = risen(row_of(min_cross_ms=300))
    desk.tick(300)
    desk.approve()
    assert desk.last(ClipRecomputed).cross_age_ms == 300 and len(desk.orders) == 1


@pytest.mark.parametrize(("dear", "goes"), [("ask_moved_last", True), ("bid_moved_last", False)])
def test_side_that_moved_last_decides_what_a_clip_has_to_earn(dear: str, goes: bool) -> None:
    miss = MissFigures(miss_rate=Decimal("0.9"), loss_bps=Decimal(100))
    desk = risen(row_of(**{dear: miss}))
    desk.approve()
    looked = desk.last(ClipRecomputed)
    assert (looked.proceed, looked.moved_last) == (goes, MovedLast.BID)


def test_executor_that_restarted_buys_in_no_cross_from_before() -> None:
    desk = risen(row_of(min_cross_ms=300))
    desk.tick(500)
    desk.restart()
    desk.tick(100)
    desk.crossed()
    desk.approve()
    looked = desk.last(ClipRecomputed)
    assert not looked.proceed and looked.moved_last is MovedLast.UNKNOWN
