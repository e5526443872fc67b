"""Funds of domestic shares: no tax, ticks of their own, and traded only once both venues are open to them."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.reference import TradeCosts
from services.contracts.terms import Market, SessionPhase, TradingDate, Venue
from services.contracts.tick_grid import SHARE_TICKS, TickGrid
from services.market.errors import ConfigError
from services.market.files import INSTRUMENTS_FILE, MarketRules, load_toml
from services.market.instruments import FundVenueRow, InstrumentTable, trades_in
from services.runtime.settings import config_dir

DAY = TradingDate("2026-11-30")
FUND_TICKS = TickGrid(bands=((0, 1), (2_000, 5)))


def opened(rules: MarketRules, since: str = "2026-11-30", **changes: object) -> MarketRules:
    """The rules with NXT's fund market switched on from a date."""
    row = {"venue": "NXT", "effective_from": since, "enabled": True, "ticks": ((0, 1), (2_000, 5)), **changes}
    rows = (*rules.instruments.fund_venue, FundVenueRow.model_validate(row))
    return replace(rules, instruments=InstrumentTable(fund_venue=rows))


@pytest.fixture
def fund(rules: MarketRules) -> TradeCosts:
    return opened(rules).costs_by_market(DAY)[Market.ETF]


def test_shipped_tables_trade_no_fund_and_say_why(rules: MarketRules) -> None:
    assert "funds on NXT switched off: NXT announced" in rules.instruments.funds_closed_because(DAY)


def test_funds_trade_from_the_date_of_the_switch_on(rules: MarketRules) -> None:
    later = opened(rules, "2026-12-01")
    assert later.instruments.funds_closed_because(DAY)
    assert later.instruments.funds_closed_because(TradingDate("2026-12-01")) == ""


def test_a_venue_without_a_row_takes_no_fund(rules: MarketRules) -> None:
    krx_only = tuple(row for row in rules.instruments.fund_venue if row.venue is Venue.KRX)
    bare = replace(rules, instruments=InstrumentTable(fund_venue=krx_only))
    assert "no row for funds on NXT" in bare.instruments.funds_closed_because(DAY)


def test_the_sale_of_a_fund_pays_no_tax(fund: TradeCosts) -> None:
    assert fund.sell_tax_krw(10_000_000) == 0
    assert fund.round_trip_krw(Venue.NXT, 10_000_000, Venue.KRX, 10_000_000) == 1_450 + 1_500


def test_break_even_of_a_fund_is_2_95_bps(fund: TradeCosts) -> None:
    assert fund.break_even_sell_price_krw(Venue.NXT, 1_000_000, Venue.KRX, 1) == 1_000_295
    assert fund.break_even_sell_price_krw(Venue.NXT, 40_000, Venue.KRX, 10) == 40_015


def test_ticks_of_funds_by_date(rules: MarketRules) -> None:
    assert rules.instruments.fund_venue_on(Venue.KRX, TradingDate("2023-12-08")).grid.size(1_500) == 5  # type: ignore[union-attr]
    assert rules.instruments.fund_venue_on(Venue.KRX, TradingDate("2023-12-11")).grid == FUND_TICKS  # type: ignore[union-attr]


def test_ticks_of_a_fund_may_differ_by_venue(rules: MarketRules) -> None:
    costs = opened(rules, ticks=((0, 10),)).costs_by_market(DAY)[Market.ETF]
    assert (costs.ticks(Venue.KRX), costs.ticks(Venue.NXT).size(40_000)) == (FUND_TICKS, 10)
    assert costs.break_even_sell_price_krw(Venue.KRX, 40_000, Venue.NXT, 10) == 40_020


@pytest.mark.parametrize(("venue", "other"), [("NXT", (0, 10)), ("KRX", (0, 10))])
def test_a_venue_that_closes_to_funds_keeps_their_costs_and_ticks(
    rules: MarketRules, venue: str, other: tuple[int, int]
) -> None:
    """What is held is sold on the ticks that it was bought on."""
    off = FundVenueRow.model_validate(
        {"venue": venue, "effective_from": "2026-12-01", "enabled": False, "why": "switched off"}
    )
    open_ = opened(rules, ticks=(other,))
    closed = replace(open_, instruments=InstrumentTable(fund_venue=(*open_.instruments.fund_venue, off)))
    day = TradingDate("2026-12-02")
    assert closed.instruments.funds_closed_because(day)
    assert closed.costs_by_market(day)[Market.ETF] == open_.costs_by_market(day)[Market.ETF]


def test_a_venue_never_open_to_funds_has_the_other_ones_ticks(rules: MarketRules) -> None:
    costs = rules.costs_by_market(DAY)[Market.ETF]
    assert (costs.ticks(Venue.NXT), costs.ticks(Venue.KRX)) == (FUND_TICKS, FUND_TICKS)


def test_funds_without_any_ticks_have_no_costs(rules: MarketRules) -> None:
    bare = tuple(row for row in rules.instruments.fund_venue if row.venue is Venue.NXT)
    found = replace(rules, instruments=InstrumentTable(fund_venue=bare)).costs_by_market(DAY)
    assert set(found) == {Market.KOSPI, Market.KOSDAQ}


def test_shares_keep_their_ticks(rules: MarketRules) -> None:
    assert opened(rules).costs_by_market(DAY)[Market.KOSPI].ticks(Venue.NXT) == SHARE_TICKS


@given(st.integers(1, 200_000), st.integers(1, 50), st.sampled_from(Venue))
def test_break_even_of_a_fund_is_the_lowest_price_without_loss(price: int, qty: int, sell: Venue) -> None:
    costs = FUND_COSTS
    found = costs.break_even_sell_price_krw(sell.other, price, sell, qty)
    assert FUND_TICKS.is_on(found)
    assert costs.net_krw(sell.other, price * qty, sell, found * qty) >= 0
    if found > 1:
        assert costs.net_krw(sell.other, price * qty, sell, FUND_TICKS.step(found, -1) * qty) < 0


@given(st.integers(1, 500_000))
def test_every_price_of_a_share_is_a_price_of_a_fund(price_krw: int) -> None:
    assert FUND_TICKS.is_on(SHARE_TICKS.snap_up(price_krw))


def test_krx_keeps_funds_out_of_its_after_market() -> None:
    refused = {
        (market, venue, phase)
        for market in Market for venue in Venue for phase in SessionPhase
        if not trades_in(market, venue, phase)
    }  # fmt: skip
    assert refused == {(Market.ETF, Venue.KRX, SessionPhase.AFTER_MARKET)}


@pytest.mark.parametrize("bands", [(), ((0, 0),), ((5, 1),), ((0, 1), (0, 5)), ((0, 3), (2_000, 5))])
def test_a_broken_grid_is_refused(bands: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(ValueError):
        TickGrid(bands=bands)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('why = "NXT', 'because = "NXT', "key fund_venue.2.because: this key is unknown"),
        ('why = "NXT', '# why = "NXT', "key fund_venue.2: funds on NXT are not enabled: say why"),
        ("enabled = false", "enabled = true", "key fund_venue.2: funds on NXT are enabled but their ticks"),
        ("[[0, 1], [2000, 5]]", "[[1, 1], [2000, 5]]", "key fund_venue.1: the first band starts at 0 KRW"),
        ("[[0, 1], [2000, 5]]", "[[0, 7], [2000, 5]]", "key fund_venue.1: the band from 2000 KRW"),
        ("= 2023-12-11", "= 2023-01-02", "file: funds on KRX are given more than once"),
    ],
)
def test_a_wrong_row_is_named_with_its_key(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = (config_dir() / INSTRUMENTS_FILE).read_text(encoding="utf-8")
    assert old in text
    (tmp_path / INSTRUMENTS_FILE).write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_toml(tmp_path / INSTRUMENTS_FILE, InstrumentTable)
    assert str(caught.value).startswith(f"instruments.toml, {said}")


FUND_COSTS = TradeCosts.model_validate(
    {
        "trading_date": DAY, "market": Market.ETF, "transaction_tax_rate": 0, "rural_tax_rate": 0,
        "commission": {"krx": "0.00015", "nxt": "0.000145"}, "krx_ticks": FUND_TICKS, "nxt_ticks": FUND_TICKS,
    }
)  # fmt: skip
