"""What a pair's orders add up to: no more to spend or sell than is left, no share cheaper than it was."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.limits import NS_PER_MS
from services.contracts.messages.commands import PlaceOrder
from services.contracts.messages.control import ReferencePublished
from services.contracts.reference import CommissionRates
from services.contracts.terms import Market, Purpose, Side, Venue
from services.executor.order import SILENCE_NS, Order
from services.executor.pair import Pair
from services.executor.phases import OrderLife

from .desk import COSTS, Desk


def order_of(pair: Pair, side: Side, qty: int, filled: int, *, open_: bool, amount_krw: int = 0) -> Order:
    order_id, attempt, _ = pair.next_order_id(side)
    return Order(
        order_id=order_id, clip=1, attempt=attempt, venue=Venue.KRX, side=side, kind="limit",
        purpose=Purpose.ENTRY if side is Side.BUY else Purpose.EXIT, qty_shares=qty, price_krw=100_000,
        placed_at_ns=0, expires_at_ns=0, cancel_at_ns=0, cum_qty_shares=filled, cum_amount_krw=amount_krw,
        life=OrderLife.WORKING if open_ else OrderLife.CLOSED,
    )  # fmt: skip


def empty_pair(shares: int) -> Pair:
    """So many shares are approved, and nothing is ordered yet."""
    desk = Desk().open_day()
    desk.approve(qty=shares)
    return desk.pair.but(orders=(), clip=1)


orders = st.lists(
    st.tuples(st.sampled_from(Side), st.integers(1, 5), st.integers(0, 5), st.booleans()), max_size=5
)


def with_orders(pair: Pair, drawn: list[tuple[Side, int, int, bool]]) -> Pair:
    for side, qty, filled, open_ in drawn:
        pair = pair.with_order(order_of(pair, side, qty, min(qty, filled), open_=open_))
    return pair


@given(orders)
def test_what_works_counts_as_filled_for_whatever_comes_next(
    drawn: list[tuple[Side, int, int, bool]],
) -> None:
    pair = with_orders(empty_pair(9), drawn)
    at_most = {side: sum(q if o else min(q, f) for s, q, f, o in drawn if s is side) for side in Side}
    bought = sum(min(qty, filled) for side, qty, filled, _ in drawn if side is Side.BUY)
    assert pair.unspent_shares == 9 - at_most[Side.BUY]
    assert pair.available_shares == bought - at_most[Side.SELL]


@given(st.integers(1, 20), st.integers(1, 2_000_000))
def test_a_share_never_counts_as_cheaper_than_it_was(shares: int, amount_krw: int) -> None:
    pair = empty_pair(20)
    filled = order_of(pair, Side.BUY, shares, shares, open_=False, amount_krw=amount_krw)
    price_krw = pair.with_order(filled).buy_price_krw
    assert amount_krw <= price_krw * shares < amount_krw + shares


def test_break_even_is_of_the_venues_that_were_traded_on() -> None:
    """KRX charges 5 %, NXT nothing: what was bought there for 100,000 costs 105,000."""
    desk = Desk().open_day()
    desk.approve()
    dear = COSTS.model_copy(update={"commission": CommissionRates(krx=Decimal("0.05"), nxt=Decimal(0))})
    assert desk.state.reference is not None
    changed = desk.state.reference.model_copy(update={"costs": {Market.KOSPI: dear}})
    desk.hear(ReferencePublished(reference=changed, reference_hash="h2", by="risk", reason="test"))
    desk.book(Venue.NXT, 105_400, 105_500, qty=1)
    desk.book(Venue.NXT, 105_300, 105_500)
    desk.fill(desk.last(PlaceOrder))
    (sell,) = desk.sells
    assert (sell.purpose, sell.price_krw) == (Purpose.EXIT, 105_300)


@pytest.mark.parametrize(("early_ms", "life"), [(1, OrderLife.COMMANDED), (0, OrderLife.SILENT)])
def test_silence_is_doubted_when_the_gateway_could_have_sent_it_no_more(
    early_ms: int, life: OrderLife
) -> None:
    desk = Desk().open_day()
    desk.approve()
    due_ns = desk.orders[0].expires_at_ns + SILENCE_NS - early_ms * NS_PER_MS
    desk.tick((due_ns - desk.now_ns) // NS_PER_MS)
    assert desk.pair.orders[0].life is life
