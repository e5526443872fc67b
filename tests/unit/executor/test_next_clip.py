"""Before the next clip: the threshold of its symbol, and what may be counted on of a book."""

from decimal import Decimal
from typing import Any

import pytest

from services.contracts.messages.commands import PlaceOrder
from services.contracts.messages.control import ReferencePublished
from services.contracts.messages.pairs import ClipRecomputed
from services.contracts.terms import Purpose, Symbol, Venue
from services.contracts.threshold import SHIPPED_ROW, ThresholdRow, ThresholdTable

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
    ("changes", "goes_on"),
    [
        ({"miss_rate": Decimal("0.40"), "loss_bps": Decimal(60), "floor_krw": 0}, True),
        ({"miss_rate": Decimal("0.40"), "loss_bps": Decimal(70), "floor_krw": 0}, False),
        ({"miss_rate": Decimal(0), "loss_bps": Decimal(0), "floor_krw": 1_355}, True),
        ({"miss_rate": Decimal(0), "loss_bps": Decimal(0), "floor_krw": 1_356}, False),
    ],
)
def test_further_clip_has_to_earn_what_its_symbol_asks_for(
    desk: Desk, changes: dict[str, Any], goes_on: bool
) -> None:
    """One share earns 271 KRW, 27.0 basis points: a fifth of the floor of the whole pair is enough."""
    desk.approve(qty=5, clip=1)
    published(desk, SHIPPED_ROW.model_copy(update=changes))
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
