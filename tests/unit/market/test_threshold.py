"""What a cross has to earn: the three rules, their rounding, and that no part of a pair asks for more."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from services.contracts.in_force import Reference
from services.contracts.terms import MovedLast, Symbol, Venue
from services.contracts.threshold import (
    MIN_CROSS_MS_MAX,
    SHIPPED_ROW,
    SHIPPED_TABLE,
    Basis,
    MissFigures,
    Threshold,
    ThresholdRow,
    ThresholdTable,
)
from services.contracts.tick_grid import SHARE_TICKS
from services.contracts.trading_limits import BufferRule, TradingLimits
from services.market.edge import best_edge, countable, edge, executable_edge, shares_allowed
from services.market.edge import threshold_krw as threshold_of_tick
from services.market.files import load_toml
from tests.house.source import ROOT
from tests.unit.detector import world
from tests.unit.market.test_edge import COSTS, LIMITS, book_sides

RULES = st.sampled_from(BufferRule)
PLAIN = BufferRule.MAX_OF_COST_PLUS_BP_AND_TICK
WITH_MISS = BufferRule.PLUS_EXPECTED_MISS
PRICES = st.integers(1, 2_600).map(lambda ticks: SHARE_TICKS.step(1_000, ticks))
SIZES = st.integers(1, 500)


def row(
    miss_rate: str = "0.15", loss_bps: str = "40", floor_krw: int = 0, *, bid: str = "", min_cross_ms: int = 0
) -> ThresholdRow:
    """`miss_rate` where the ask moved last, `bid` where the bid did, the same where it is not given."""
    sides = (
        MissFigures(miss_rate=Decimal(r), loss_bps=Decimal(loss_bps)) for r in (miss_rate, bid or miss_rate)
    )
    ask_moved_last, bid_moved_last = sides
    return ThresholdRow(
        min_cross_ms=min_cross_ms, ask_moved_last=ask_moved_last, bid_moved_last=bid_moved_last,
        floor_krw=floor_krw, basis=Basis.RECORDED, source="the test",
    )  # fmt: skip


def needs(miss_rate: str = "0.15", loss_bps: str = "40", floor_krw: int = 0) -> Threshold:
    return row(miss_rate, loss_bps, floor_krw).at(MovedLast.ASK)


ROWS = st.builds(
    lambda rate, loss, floor: needs(f"0.{rate:04}", f"{loss / 100}", floor),
    st.integers(0, 9_999), st.integers(0, 20_000), st.integers(0, 3_000),
)  # fmt: skip


def limits(rule: BufferRule = WITH_MISS, **changes: int) -> TradingLimits:
    return LIMITS.model_copy(update={"buffer_rule": rule, **changes})


def threshold_krw(allowed: TradingLimits, price_krw: int, qty: int, cost_krw: int, found: Threshold) -> int:
    return threshold_of_tick(allowed, price_krw, SHARE_TICKS.size(price_krw), qty, cost_krw, found)


def cost_of(price_krw: int, qty: int) -> int:
    return COSTS.round_trip_krw(Venue.KRX, price_krw * qty, Venue.NXT, price_krw * qty)


def test_expected_miss_is_added_to_the_plain_rule_and_rounded_up_once() -> None:
    # Ten shares at 70,010: 1 bp is 70.01 KRW, 15 % of 40 bps is 420.06 KRW.
    assert threshold_krw(limits(), 70_010, 10, 1_600, needs()) == 491
    assert threshold_krw(limits(), 70_010, 10, 400, needs()) == 1_021  # one tick less cost is 600
    assert threshold_krw(limits(), 70_010, 10, 1_600, needs(floor_krw=500)) == 500
    assert threshold_krw(limits(PLAIN), 70_010, 10, 1_600, needs()) == 71
    assert threshold_krw(limits(BufferRule.COST_PLUS_MAX_OF_BP_AND_TICK), 70_010, 10, 1_600, needs()) == 1_000


@given(RULES, PRICES, SIZES, ROWS, st.integers(0, 100), st.integers(0, 10_000))
def test_threshold_is_the_least_whole_won_that_the_rule_allows(
    rule: BufferRule, price: int, qty: int, found: Threshold, bps: int, cost: int
) -> None:
    amount, ticks = price * qty, SHARE_TICKS.size(price) * qty
    buffer = Fraction(amount * bps, 10_000)
    miss = Fraction(found.miss.miss_rate) * Fraction(found.miss.loss_bps) * amount / 10_000
    exact = {
        PLAIN: max(buffer, Fraction(ticks - cost)),
        BufferRule.COST_PLUS_MAX_OF_BP_AND_TICK: max(buffer, Fraction(ticks)),
        WITH_MISS: max(max(buffer, Fraction(ticks - cost)) + miss, Fraction(found.floor_krw)),
    }[rule]
    needed = threshold_krw(limits(rule, buffer_bps=bps), price, qty, cost, found)
    assert needed >= exact > needed - 1


@given(PRICES, SIZES, ROWS)
def test_threshold_is_never_below_the_plain_rule_and_equals_it_without_misses(
    price: int, qty: int, found: Threshold
) -> None:
    cost = cost_of(price, qty)
    plain = threshold_krw(limits(PLAIN), price, qty, cost, found)
    assert threshold_krw(limits(), price, qty, cost, found) >= max(plain, found.floor_krw)
    assert threshold_krw(limits(), price, qty, cost, needs("0", "0")) == plain


@given(RULES, PRICES, SIZES, ROWS)
def test_needed_gross_edge_grows_with_price_and_with_size(
    rule: BufferRule, price: int, qty: int, found: Threshold
) -> None:
    """The gross edge is what a book shows: the threshold and the cost that was taken off it."""

    def gross(price_krw: int, qty_shares: int) -> int:
        cost = cost_of(price_krw, qty_shares)
        return cost + threshold_krw(limits(rule), price_krw, qty_shares, cost, found)

    assert gross(price, qty) <= gross(SHARE_TICKS.step(price, 1), qty)
    assert gross(price, qty) <= gross(price, qty + 1)


def test_sell_price_decides_the_tick_at_the_edge_of_a_band() -> None:
    net_rule = limits(BufferRule.COST_PLUS_MAX_OF_BP_AND_TICK)
    found = edge(COSTS, Venue.KRX, ((199_000, 9),), Venue.NXT, ((200_500, 9),), 2)
    assert found is not None and found.threshold_krw(net_rule, needs()) == 2 * 500
    wide = net_rule.model_copy(update={"buffer_bps": 100})
    assert found.threshold_krw(wide, needs()) == 2 * 2_005, "the buffer too is of the dearer price"


@settings(max_examples=60)
@given(book_sides(upwards=True), book_sides(upwards=False), RULES, ROWS, st.integers(1, 100))
def test_best_edge_is_the_best_of_every_size(
    asks: tuple[tuple[int, int], ...],
    bids: tuple[tuple[int, int], ...],
    rule: BufferRule,
    found: Threshold,
    pct: int,
) -> None:
    allowed = limits(rule, max_displayed_share_pct=pct, max_pair_shares=80)
    best = best_edge(COSTS, allowed, Venue.KRX, asks, Venue.NXT, bids, found)
    a, b = countable(asks, pct), countable(bids, pct)
    sizes = (edge(COSTS, Venue.KRX, a, Venue.NXT, b, qty) for qty in range(1, 81))
    every = [e for e in sizes if e and e.qty_shares <= shares_allowed(allowed, e.buy_price_worst_krw)]
    reaching = [e.net_krw for e in every if e.reaches(allowed, found)]
    if reaching:
        assert best is not None and best.reaches(allowed, found) and best.net_krw == max(reaching)
    elif best is not None:
        assert best.net_krw == max(e.net_krw for e in every) and not best.reaches(allowed, found)


@pytest.mark.parametrize(
    ("asks", "bids", "pct", "shares"),
    [
        # A share more brings a won less, as each charge is floored by itself; fifty bring four times as much.
        (((1_630, 5), (1_631, 200)), ((1_638, 3), (1_637, 1), (1_636, 50)), 100, 50),
        # One share earns too little for the floor, all fifty too little a share: six is the most that pays.
        (((70_000, 1), (70_400, 49)), ((70_600, 50),), 100, 6),
    ],
)
def test_size_between_two_levels_is_found(
    asks: tuple[tuple[int, int], ...], bids: tuple[tuple[int, int], ...], pct: int, shares: int
) -> None:
    rule = PLAIN if shares == 50 else BufferRule.COST_PLUS_MAX_OF_BP_AND_TICK
    allowed = limits(rule, max_displayed_share_pct=pct, max_pair_shares=50)
    best = best_edge(COSTS, allowed, Venue.KRX, asks, Venue.NXT, bids, needs())
    assert best is not None and best.qty_shares == shares


@settings(max_examples=60)
@given(
    st.integers(1, 60).map(lambda ticks: SHARE_TICKS.step(70_000, ticks)),
    st.integers(1, 40),
    st.integers(1, 40),
    ROWS,
)
def test_pair_that_pays_pays_in_each_of_its_clips(bid: int, qty: int, clip: int, found: Threshold) -> None:
    """Else risk would approve a pair whose first clip the executor refuses at the same books."""
    whole = executable_edge(COSTS, limits(), Venue.KRX, ((70_000, 99),), Venue.NXT, ((bid, 99),), qty)
    assert whole is not None
    if whole.reaches(limits(), found):
        part = executable_edge(
            COSTS, limits(), Venue.KRX, ((70_000, 99),), Venue.NXT, ((bid, 99),), min(clip, qty)
        )
        assert part is not None and part.reaches(limits(), found.of_part(min(clip, qty), qty))


# -- one share -----------------------------------------------------------------------------


@pytest.mark.parametrize("pct", [1, 50, 99])
@pytest.mark.parametrize("behind", [(), ((69_900, 100),)])
def test_one_share_at_best_trades_one(pct: int, behind: tuple[tuple[int, int], ...]) -> None:
    """Whatever stands behind it does not cross: the one share must not be rounded away."""
    allowed = limits(max_displayed_share_pct=pct)
    bids = ((70_500, 1), *behind)
    best = best_edge(COSTS, allowed, Venue.KRX, ((70_000, 1), (70_600, 90)), Venue.NXT, bids, needs())
    assert best is not None and best.qty_shares == 1
    assert (best.buy_price_worst_krw, best.sell_price_worst_krw) == (70_000, 70_500)


@given(book_sides(upwards=True), st.integers(1, 100))
def test_what_may_be_counted_on_is_a_share_of_what_is_displayed_and_one(
    levels: tuple[tuple[int, int], ...], pct: int
) -> None:
    counted, displayed = countable(levels, pct), sum(qty for _, qty in levels)
    assert sum(qty for _, qty in counted) == max(displayed * pct // 100, min(1, displayed))
    assert all(0 <= part[1] <= whole[1] for part, whole in zip(counted, levels, strict=True))
    first = next((at for at, (_, qty) in enumerate(levels) if qty), None)
    assert first is None or counted[first][1] >= 1


# -- the table -----------------------------------------------------------------------------


def test_symbol_without_a_row_has_the_default() -> None:
    table = ThresholdTable(default=row(), symbol={Symbol("005930"): row("0.05")})
    assert table.row_of(Symbol("005930")) == row("0.05")
    assert table.row_of(Symbol("000660")) == row()


def test_hash_of_what_is_in_force_names_the_table() -> None:
    one, other = (world.reference(threshold=ThresholdTable(default=row(floor_krw=n))) for n in (1, 2))
    assert one.hash != other.hash
    assert Reference.model_validate_json(one.model_dump_json()) == one


def test_shipped_table_is_what_the_code_falls_back_to_and_says_that_it_is_simulated() -> None:
    shipped = load_toml(ROOT / "config" / "threshold.toml", ThresholdTable)
    assert shipped == SHIPPED_TABLE and shipped.default is not SHIPPED_ROW
    assert shipped.default.basis is Basis.SIMULATED and shipped.default.source
    assert TradingLimits().buffer_rule is WITH_MISS
    assert load_toml(ROOT / "config" / "limits.toml", TradingLimits).buffer_rule is WITH_MISS


@pytest.mark.parametrize(
    ("before", "after", "looser"),
    [
        ({}, {}, []),
        ({}, {"default": row("0.10")}, ["default"]),
        ({}, {"default": row("0.20", "30")}, []),
        ({}, {"default": row("0.20"), "005930": row()}, []),
        ({}, {"005930": row(loss_bps="39")}, ["005930"]),
        ({"005930": row("0.3")}, {}, ["005930"]),
        ({}, {"default": row(bid="0.14")}, ["default"]),
        ({}, {"default": row("0.14", bid="0.30")}, ["default"]),
        ({"default": row(min_cross_ms=300)}, {"default": row("0.9", min_cross_ms=299)}, ["default"]),
        ({}, {"default": row(bid="0.30", min_cross_ms=300)}, []),
        ({"005930": row(floor_krw=50)}, {"default": row("0.9"), "005930": row("0.9")}, ["005930"]),
    ],
)  # fmt: skip
def test_table_that_lets_a_smaller_edge_pass_names_the_rows(
    before: dict[str, ThresholdRow], after: dict[str, ThresholdRow], looser: list[str]
) -> None:
    def table(rows: dict[str, ThresholdRow]) -> ThresholdTable:
        symbols = {Symbol(name): value for name, value in rows.items() if name != "default"}
        return ThresholdTable(default=rows.get("default", row()), symbol=symbols)

    assert [name for name, _, _ in table(after).looser_than(table(before))] == looser


# -- the side that moved last, and tables of an older build ------------------------------------


def test_mover_decides_the_figures_and_an_unknown_one_has_the_dearer() -> None:
    found = row("0.30", bid="0.05", min_cross_ms=300)
    ask, bid, unknown = (found.at(moved_last) for moved_last in MovedLast)
    assert (ask.miss.miss_rate, bid.miss.miss_rate) == (Decimal("0.30"), Decimal("0.05"))
    assert unknown == ask and ask.min_cross_ms == 300
    assert row("0.05", bid="0.30").at(MovedLast.UNKNOWN).miss.miss_rate == Decimal("0.30")


OLD_ROW = {"miss_rate": "0.15", "loss_bps": "32", "floor_krw": 10, "basis": "simulated", "source": "days"}


def test_file_of_an_older_build_is_refused_and_says_how_to_mend_it() -> None:
    with pytest.raises(ValidationError, match=r"write ask_moved_last = .* and min_cross_ms"):
        ThresholdTable.model_validate({"default": OLD_ROW})


def test_published_table_of_an_older_build_allows_no_cross_that_is_young() -> None:
    """A restart after an upgrade reads what was stored: the old figures for both sides, and a strict age."""
    old = world.reference().model_dump(mode="json")
    old["threshold"] = {"default": OLD_ROW, "symbol": {"005930": {**OLD_ROW, "miss_rate": "0.5"}}}
    table = Reference.model_validate(old).threshold
    assert {name: found.min_cross_ms for name, found in table.rows.items()} == {
        "default": MIN_CROSS_MS_MAX, "005930": MIN_CROSS_MS_MAX,
    }  # fmt: skip
    for moved_last in MovedLast:
        assert table.row_of(Symbol("005930")).at(moved_last).miss.miss_rate == Decimal("0.5")
