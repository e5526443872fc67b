"""The edge of a size, against arithmetic done by hand and against a walk share by share."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.contracts.reference import CommissionRates, TradeCosts
from services.contracts.terms import Market, MovedLast, TradingDate, Venue
from services.contracts.threshold import SHIPPED_ROW
from services.contracts.trading_limits import BufferRule, TradingLimits
from services.market.edge import Levels, best_edge, clip_allowed, edge, threshold_krw, walk

COSTS = TradeCosts(
    trading_date=TradingDate("2026-11-23"),
    market=Market.KOSPI,
    commission=CommissionRates(krx=Decimal("0.00015"), nxt=Decimal("0.000145")),
    transaction_tax_rate=Decimal("0.0005"),
    rural_tax_rate=Decimal("0.0015"),
)
LIMITS = TradingLimits(max_pair_shares=500, clip_shares=10, max_displayed_share_pct=100)
GROSS_RULE = BufferRule.MAX_OF_COST_PLUS_BP_AND_TICK
SHIPPED = SHIPPED_ROW.at(MovedLast.UNKNOWN)
NET_RULE = BufferRule.COST_PLUS_MAX_OF_BP_AND_TICK


@st.composite
def book_sides(draw: st.DrawFn, upwards: bool) -> Levels:
    """A side of a book around 70,000 KRW, gaps and empty levels included."""
    steps = draw(st.lists(st.integers(1, 4), min_size=1, max_size=6))
    sizes = draw(st.lists(st.integers(0, 60), min_size=len(steps), max_size=len(steps)))
    price, side = draw(st.integers(690, 710)) * 100, []
    for step, size in zip(steps, sizes, strict=True):
        side.append((price, size))
        price += step * 100 if upwards else -step * 100
    return tuple(side)


def share_by_share(levels: Levels, qty: int) -> tuple[int, int] | None:
    """(amount, worst price), taking one share at a time."""
    shares = [price for price, displayed in levels for _ in range(displayed)]
    return (sum(shares[:qty]), shares[qty - 1]) if len(shares) >= qty else None


def test_the_worked_example_of_ten_shares_over_two_levels() -> None:
    found = edge(COSTS, Venue.KRX, ((70_000, 6), (70_100, 9)), Venue.NXT, ((70_500, 20),), 10)
    assert found is not None
    assert (found.buy_price_worst_krw, found.sell_price_worst_krw) == (70_100, 70_500)
    assert (found.buy_amount_krw, found.sell_amount_krw) == (700_400, 705_000)
    # 105.06 + 102.225 commission, 352.5 + 1057.5 tax: each floored by itself.
    assert found.cost_krw == 105 + 102 + 352 + 1_057
    assert found.net_krw == 4_600 - 1_616
    assert found.gross_krw == 4_600


def test_a_book_too_thin_has_no_edge() -> None:
    assert edge(COSTS, Venue.KRX, ((70_000, 6),), Venue.NXT, ((70_500, 20),), 7) is None
    assert edge(COSTS, Venue.KRX, (), Venue.NXT, ((70_500, 20),), 1) is None
    assert edge(COSTS, Venue.KRX, ((70_000, 6),), Venue.NXT, ((70_500, 20),), 0) is None


def test_both_readings_of_the_buffer_rule() -> None:
    gross, net = (LIMITS.model_copy(update={"buffer_rule": rule}) for rule in (GROSS_RULE, NET_RULE))
    # Ten shares at 70,000: buffer 1 bp = 70 KRW, ticks 10 x 100 = 1,000 KRW.
    assert threshold_krw(gross, 70_000, 100, 10, 1_600, SHIPPED) == 70
    assert threshold_krw(gross, 70_000, 100, 10, 400, SHIPPED) == 600
    assert threshold_krw(net, 70_000, 100, 10, 1_600, SHIPPED) == 1_000
    assert threshold_krw(net, 1_900_000, 1_000, 1, 4_000, SHIPPED) == 1_000


def test_the_buffer_is_rounded_up() -> None:
    limits = LIMITS.model_copy(update={"buffer_rule": GROSS_RULE})
    assert threshold_krw(limits, 70_001, 100, 1, 1_000, SHIPPED) == 8


@given(book_sides(upwards=True), st.integers(1, 400))
def test_a_walk_is_the_sum_share_by_share(levels: Levels, qty: int) -> None:
    taken = walk(levels, qty)
    assert (None if taken is None else (taken.amount_krw, taken.worst_price_krw)) == share_by_share(
        levels, qty
    )


@given(book_sides(upwards=True), book_sides(upwards=False), st.integers(1, 100))
def test_net_is_what_a_sale_brings_less_what_a_purchase_takes(asks: Levels, bids: Levels, qty: int) -> None:
    found = edge(COSTS, Venue.NXT, asks, Venue.KRX, bids, qty)
    if found is None:
        assert min(sum(size for _, size in side) for side in (asks, bids)) < qty
        return
    assert found.net_krw == COSTS.net_krw(Venue.NXT, found.buy_amount_krw, Venue.KRX, found.sell_amount_krw)
    assert found.buy_price_worst_krw * qty >= found.buy_amount_krw
    assert found.sell_price_worst_krw * qty <= found.sell_amount_krw


@given(book_sides(upwards=True), book_sides(upwards=False), st.integers(1, 100), st.integers(1, 50))
def test_a_best_edge_stays_within_every_limit(asks: Levels, bids: Levels, pct: int, pair: int) -> None:
    limits = LIMITS.model_copy(
        update={"max_displayed_share_pct": pct, "max_pair_shares": pair, "max_exposure_symbol_krw": 2_000_000}
    )
    best = best_edge(COSTS, limits, Venue.KRX, asks, Venue.NXT, bids, SHIPPED)
    if best is None:
        return
    displayed = min(sum(size for _, size in side) for side in (asks, bids))
    assert 1 <= best.qty_shares <= min(pair, max(1, displayed * pct // 100))
    assert best.qty_shares * best.buy_price_worst_krw <= 2_000_000
    assert edge(COSTS, Venue.KRX, asks, Venue.NXT, bids, best.qty_shares) is not None


def test_books_that_do_not_cross_have_no_best_edge() -> None:
    assert best_edge(COSTS, LIMITS, Venue.KRX, ((70_000, 5),), Venue.NXT, ((70_000, 5),), SHIPPED) is None
    assert best_edge(COSTS, LIMITS, Venue.KRX, (), Venue.NXT, ((70_000, 5),), SHIPPED) is None


def test_a_size_that_reaches_its_threshold_goes_before_a_larger_one_that_does_not() -> None:
    limits = LIMITS.model_copy(update={"buffer_rule": NET_RULE})
    # One share earns 438, the next 49 of them 38 each: less than the tick of 100 that they must earn.
    best = best_edge(
        COSTS, limits, Venue.KRX, ((70_000, 1), (70_400, 49)), Venue.NXT, ((70_600, 50),), SHIPPED
    )
    every = [
        found
        for qty in range(1, 51)
        if (found := edge(COSTS, Venue.KRX, ((70_000, 1), (70_400, 49)), Venue.NXT, ((70_600, 50),), qty))
    ]
    assert best is not None and best.reaches(limits, SHIPPED) and best.qty_shares < 50
    assert best.net_krw < every[-1].net_krw and not every[-1].reaches(limits, SHIPPED)


@given(st.integers(1, 3_000_000), st.integers(1, 50))
def test_no_clip_is_worth_more_than_one_order_may_be(price_krw: int, qty: int) -> None:
    clip = clip_allowed(LIMITS, price_krw, qty)
    assert clip <= qty and clip * price_krw <= LIMITS.max_order_krw
