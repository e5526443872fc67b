from decimal import Decimal
from fractions import Fraction
from typing import Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.contracts.reference import CommissionRates, TradeCosts
from services.contracts.terms import Market, TradingDate, Venue
from services.contracts.tick_grid import SHARE_TICKS as TICKS
from services.market.costs import CommissionRow, CostTable
from services.market.errors import NotCovered
from services.market.files import MarketRules

KRX, NXT = Venue.KRX, Venue.NXT
DAY = TradingDate("2026-11-23")


def costs(
    krx: str = "0.00015",
    nxt: str = "0.000145",
    transaction: str = "0.0005",
    rural: str = "0.0015",
    truncate_to_krw: Literal[1, 10] = 1,
) -> TradeCosts:
    return TradeCosts(
        trading_date=DAY,
        market=Market.KOSPI,
        commission=CommissionRates(krx=Decimal(krx), nxt=Decimal(nxt), truncate_to_krw=truncate_to_krw),
        transaction_tax_rate=Decimal(transaction),
        rural_tax_rate=Decimal(rural),
    )


any_costs = st.builds(
    costs,
    krx=st.sampled_from(["0.00015", "0.000036396", "0.0035", "0"]),
    nxt=st.sampled_from(["0.000145", "0.000036396", "0"]),
    transaction=st.sampled_from(["0.0005", "0.0003", "0", "0.0020"]),
    rural=st.sampled_from(["0.0015", "0"]),
    truncate_to_krw=st.sampled_from([1, 10]),
)
venues = st.sampled_from(list(Venue))
on_tick = st.integers(1, 3_000_000).map(TICKS.snap_up)


class TestTableByDate:
    @pytest.mark.parametrize(
        ("date", "kospi", "kosdaq"),
        [
            ("2023-06-01", ("0.0005", "0.0015"), ("0.0020", "0")),
            ("2023-12-26", ("0.0005", "0.0015"), ("0.0020", "0")),
            ("2023-12-27", ("0.0003", "0.0015"), ("0.0018", "0")),
            ("2024-12-26", ("0.0003", "0.0015"), ("0.0018", "0")),
            ("2024-12-27", ("0", "0.0015"), ("0.0015", "0")),
            ("2025-12-26", ("0", "0.0015"), ("0.0015", "0")),
            ("2025-12-29", ("0.0005", "0.0015"), ("0.0020", "0")),
            ("2026-11-23", ("0.0005", "0.0015"), ("0.0020", "0")),
        ],
    )
    def test_sell_tax_switches_with_the_sale_that_settles_in_the_new_year(
        self, rules: MarketRules, date: str, kospi: tuple[str, str], kosdaq: tuple[str, str]
    ) -> None:
        for market, (transaction, rural) in ((Market.KOSPI, kospi), (Market.KOSDAQ, kosdaq)):
            found = rules.costs.costs_of(TradingDate(date), market)
            assert found.transaction_tax_rate == Decimal(transaction)
            assert found.rural_tax_rate == Decimal(rural)
            assert (found.trading_date, found.market) == (date, market)

    def test_commission_is_the_brokers_list_rate(self, rules: MarketRules) -> None:
        found = rules.costs.costs_of(DAY, Market.KOSPI).commission
        assert found == CommissionRates(krx=Decimal("0.00015"), nxt=Decimal("0.000145"), truncate_to_krw=1)

    def test_before_the_table_there_is_no_rate(self, rules: MarketRules) -> None:
        with pytest.raises(NotCovered, match=r"costs\.toml begins on 2023-01-02 .* 2022-12-31.*covered_from"):
            rules.costs.costs_of(TradingDate("2022-12-31"), Market.KOSPI)

    @pytest.mark.parametrize("market", Market)
    @pytest.mark.parametrize("date", ["2026-12-29", "2027-01-04", "2028-01-03", "2040-06-01"])
    def test_past_the_table_the_last_known_rates_go_on_and_are_provisional(
        self, rules: MarketRules, date: str, market: Market
    ) -> None:
        last = rules.costs.costs_of(TradingDate("2026-12-28"), market)
        later = rules.costs.costs_of(TradingDate(date), market)
        assert not last.provisional and later.provisional
        assert later == last.model_copy(update={"trading_date": date})

    def test_a_row_added_for_the_new_year_makes_its_dates_known(self, rules: MarketRules) -> None:
        table = rules.costs.model_dump(by_alias=True)
        new = {**table["sell_tax"][3], "effective_from": "2026-12-29", "transaction": "0.0010"}
        by_market = sorted(
            (*table["sell_tax"], new), key=lambda row: (row["market"], str(row["effective_from"]))
        )
        row = {"from": "2026-12-29", "through": "2027-12-28", "by": "Kim", "on": "2026-12-10"}
        extended = CostTable.model_validate(
            {**table, "sell_tax": by_market, "covered_through": "2027-12-28", "confirmed": [row]}
        )
        found = extended.costs_of(TradingDate("2027-01-04"), Market.KOSPI)
        assert found.transaction_tax_rate == Decimal("0.0010") and not found.provisional
        assert found.checked is not None and (found.checked.by, found.checked.on) == ("Kim", "2026-12-10")
        before = extended.costs_of(TradingDate("2026-12-28"), Market.KOSPI)
        assert before.transaction_tax_rate == Decimal("0.0005")
        assert before.checked is not None and before.checked.by == ""

    @pytest.mark.parametrize(
        ("row", "complaint"),
        [
            ({"through": "2026-12-29"}, "the table knows .* to 2026-12-28"),
            ({"from": "2022-12-30"}, "the table knows 2023-01-02"),
            ({"by": "  "}, "at least 1 character"),
            ({"through": "2025-12-31"}, "holds from 2026-01-02 on, not until 2025-12-31"),
        ],
    )
    def test_nobody_confirms_what_the_table_does_not_know(
        self, rules: MarketRules, row: dict[str, str], complaint: str
    ) -> None:
        whole = {"from": "2026-01-02", "through": "2026-12-28", "by": "Kim", "on": "2026-11-30"}
        table = rules.costs.model_dump(by_alias=True)
        with pytest.raises(ValidationError, match=complaint):
            CostTable.model_validate({**table, "confirmed": [{**whole, **row}]})

    def test_the_table_ends_where_sales_begin_to_settle_in_an_unknown_year(self, rules: MarketRules) -> None:
        last_covered = TradingDate(str(rules.costs.covered_through))
        settles = rules.timetable.next_trading_day(rules.timetable.next_trading_day(last_covered))
        assert settles[:4] == "2026"
        first_refused = rules.timetable.next_trading_day(last_covered)
        settles = rules.timetable.next_trading_day(rules.timetable.next_trading_day(first_refused))
        assert settles[:4] == "2027"

    def test_rows_out_of_order_or_starting_late_are_refused(self, rules: MarketRules) -> None:
        table = rules.costs.model_dump()
        first, second, third, *rest = table["sell_tax"]
        with pytest.raises(ValidationError, match="sell_tax of KOSPI rows must be in ascending order"):
            CostTable.model_validate(table | {"sell_tax": [first, third, second, *rest]})
        with pytest.raises(ValidationError, match="sell_tax of KOSDAQ needs a row that is in force"):
            CostTable.model_validate(table | {"sell_tax": table["sell_tax"][:4]})
        with pytest.raises(ValidationError, match="commission needs a row"):
            CostTable.model_validate(table | {"commission": []})


def round_trip_bps(given: TradeCosts, buy: Venue, sell: Venue) -> Decimal:
    """What a purchase and a sale cost, of an amount so large that no fraction of a won counts."""
    amount = 10**15
    return Decimal(given.round_trip_krw(buy, amount, sell, amount)) * 10_000 / amount


class TestWorkedExamples:
    """The break-even table of market rules 3.4."""

    @pytest.mark.parametrize(
        ("given_costs", "buy", "sell", "bps", "edge_percent"),
        [
            (costs(), KRX, NXT, "22.95", "0.2300"),
            (costs(), NXT, KRX, "22.95", "0.2300"),
            (costs(), KRX, KRX, "23.00", "0.2305"),
            (costs(krx="0.000036396", nxt="0.000036396"), KRX, KRX, "20.73", "0.2077"),
            (costs(transaction="0"), KRX, NXT, "17.95", "0.1798"),
        ],
    )
    def test_break_even(
        self, given_costs: TradeCosts, buy: Venue, sell: Venue, bps: str, edge_percent: str
    ) -> None:
        assert round(round_trip_bps(given_costs, buy, sell), 2) == Decimal(bps)
        bought = 100_000_000_000
        sold = next_even(given_costs, buy, bought, sell)
        assert round(Decimal(sold - bought) / bought * 100, 4) == Decimal(edge_percent)

    def test_a_round_trip_in_won(self) -> None:
        """10 shares at 70,000 and 70,200: 105 + 101.79 commission, 351 + 1,053 tax."""
        assert costs().commission_krw(KRX, 700_000) == 105
        assert costs().commission_krw(NXT, 702_000) == 101
        assert costs().sell_tax_krw(702_000) == 351 + 1_053
        assert costs().round_trip_krw(KRX, 700_000, NXT, 702_000) == 105 + 101 + 1_404
        assert costs().net_krw(KRX, 700_000, NXT, 702_000) == 2_000 - 1_610
        assert costs().break_even_sell_price_krw(KRX, 70_000, NXT, 10) == 70_200

    def test_each_tax_is_floored_by_itself(self) -> None:
        """999 won: 0.4995 and 1.4985 give 0 + 1, not floor(1.998)."""
        assert costs().sell_tax_krw(999) == 1
        assert costs().sell_tax_krw(1_999) == 0 + 2
        assert costs(transaction="0.0020", rural="0").sell_tax_krw(1_999) == 3

    def test_commission_can_be_cut_to_ten_won(self) -> None:
        assert costs(truncate_to_krw=10).commission_krw(KRX, 700_000) == 100
        assert costs(truncate_to_krw=10).commission_krw(KRX, 60_000) == 0

    def test_2026_costs_five_basis_points_more_than_2025(self, rules: MarketRules) -> None:
        this, last = (
            rules.costs.costs_of(TradingDate(d), Market.KOSPI) for d in ("2026-11-23", "2025-11-24")
        )
        assert round_trip_bps(this, KRX, NXT) - round_trip_bps(last, KRX, NXT) == 5


class TestArithmetic:
    @given(any_costs, venues, st.integers(0, 10**13))
    def test_charges_are_the_rates_less_fractions(self, c: TradeCosts, venue: Venue, amount: int) -> None:
        unit = c.commission.truncate_to_krw
        charged, exact = c.commission_krw(venue, amount), Fraction(c.commission.rate(venue)) * amount
        assert charged % unit == 0
        assert charged <= exact < charged + unit
        taxes = Fraction(c.transaction_tax_rate) * amount, Fraction(c.rural_tax_rate) * amount
        assert c.sell_tax_krw(amount) == taxes[0].__floor__() + taxes[1].__floor__()

    @given(any_costs, venues, venues, st.integers(0, 10**12), st.integers(0, 10**12))
    def test_net_is_cash_in_less_cash_out(
        self, c: TradeCosts, buy: Venue, sell: Venue, bought: int, sold: int
    ) -> None:
        net = c.net_krw(buy, bought, sell, sold)
        assert net == sold - bought - c.round_trip_krw(buy, bought, sell, sold)
        assert net == c.sell_proceeds_krw(sell, sold) - c.buy_outlay_krw(buy, bought)

    @given(any_costs, venues, on_tick, venues, st.integers(1, 500))
    @example(costs(truncate_to_krw=10, krx="0.0035"), KRX, 1_999, KRX, 1)
    @example(costs(), KRX, 1, NXT, 1)
    def test_break_even_is_the_lowest_price_on_tick_that_loses_nothing(
        self, c: TradeCosts, buy: Venue, price: int, sell: Venue, qty: int
    ) -> None:
        found = c.break_even_sell_price_krw(buy, price, sell, qty)
        assert TICKS.is_on(found)
        assert found >= price
        assert c.net_krw(buy, price * qty, sell, found * qty) >= 0
        lower = price
        while lower < found:
            assert c.net_krw(buy, price * qty, sell, lower * qty) < 0
            lower = TICKS.step(lower, 1)

    @pytest.mark.parametrize(("price", "qty"), [(0, 1), (70_000, 0), (-1, 1), (70_000, -1)])
    def test_break_even_of_nothing_is_refused(self, price: int, qty: int) -> None:
        with pytest.raises(ValueError, match="must be positive"):
            costs().break_even_sell_price_krw(KRX, price, NXT, qty)

    def test_a_negative_amount_is_refused(self) -> None:
        with pytest.raises(ValueError, match="not negative"):
            costs().commission_krw(KRX, -1)


class TestOnTheWire:
    @given(any_costs)
    def test_json_keeps_every_rate_exactly(self, c: TradeCosts) -> None:
        assert TradeCosts.model_validate_json(c.model_dump_json()) == c

    @pytest.mark.parametrize(("rate", "said"), [("0.15", "15 %"), ("0.015", "1.5 %"), ("0.0051", "0.51 %")])
    def test_a_percentage_is_not_taken_for_a_rate(self, rate: str, said: str) -> None:
        with pytest.raises(ValidationError, match=f"is {said}.*0.00015 for 0.015 %"):
            CommissionRow.model_validate({"effective_from": "2026-01-01", "krx": rate, "nxt": "0.00014"})

    def test_rounding_is_to_one_or_ten_won(self) -> None:
        with pytest.raises(ValidationError):
            CommissionRates.model_validate({"krx": "0", "nxt": "0", "truncate_to_krw": 5})


def next_even(c: TradeCosts, buy: Venue, bought: int, sell: Venue) -> int:
    """The lowest sale amount that loses nothing, by bisection."""
    low, high = bought, 2 * bought
    while low < high:
        middle = (low + high) // 2
        if c.net_krw(buy, bought, sell, middle) >= 0:
            high = middle
        else:
            low = middle + 1
    return low
