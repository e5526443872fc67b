"""The judges' own table of rules: known figures, and a configuration that says the same on every date."""

import datetime as dt
from pathlib import Path

import pytest

from services.contracts.terms import Market, Side, TradingDate, Venue
from services.lab import rules
from services.market.dates import time_of_day_ns
from services.market.files import load_market
from services.simulator.virtual.listings import DATES

CONFIG = Path(__file__).parents[3] / "config"
TICKS = (1_999, 2_000, 4_999, 5_000, 19_999, 20_000, 49_999, 50_000, 199_999, 200_000, 499_999, 500_000)


def test_a_round_trip_costs_what_the_sources_say() -> None:
    """22.95 bps of the price: market rules 3.4."""
    date, krw = TradingDate("2026-11-23"), 1_000_000
    bought = rules.costs_krw(date, Market.KOSPI, Venue.KRX, Side.BUY, krw)
    sold = rules.costs_krw(date, Market.KOSPI, Venue.NXT, Side.SELL, krw)
    assert (bought, sold, bought + sold) == (150, 2_145, 2_295)


def test_each_charge_drops_its_own_part_of_a_won() -> None:
    assert rules.sale_tax_krw(TradingDate("2026-11-23"), Market.KOSPI, 1_999) == 0 + 2
    assert rules.sale_tax_krw(TradingDate("2026-11-23"), Market.KOSDAQ, 1_999) == 3


@pytest.mark.parametrize("date", DATES)
@pytest.mark.parametrize("market", Market)
def test_configuration_charges_the_same(date: TradingDate, market: Market) -> None:
    costs = load_market(CONFIG).costs.costs_of(date, market)
    for amount_krw in (1, 999, 70_300, 1_234_567):
        assert costs.sell_tax_krw(amount_krw) == rules.sale_tax_krw(date, market, amount_krw)
        for venue in Venue:
            assert costs.commission_krw(venue, amount_krw) == rules.commission_krw(venue, amount_krw)


@pytest.mark.parametrize("price_krw", TICKS)
def test_configuration_has_the_same_ticks(price_krw: int) -> None:
    rows = load_market(CONFIG)
    costs = rows.costs.costs_of(TradingDate("2026-11-23"), Market.KOSPI)
    assert costs.ticks(Venue.KRX).size(price_krw) == rules.tick_krw(Market.KOSPI, price_krw)


@pytest.mark.parametrize("date", DATES)
def test_configuration_trades_in_no_other_hours(date: TradingDate) -> None:
    """The judges know when a pair may begin; what is not enabled may be less."""
    for window in load_market(CONFIG).timetable.day(date).entry_windows():
        for minute in range(24 * 60):
            at = dt.time(minute // 60, minute % 60, 45)
            if window.contains(time_of_day_ns(at)):
                assert rules.takes_entries(date, at), at


@pytest.mark.parametrize(
    ("price_krw", "allowed"),
    [(70_000, True), (70_050, False), (91_000, True), (91_100, False), (49_000, True)],
)
def test_a_price_is_on_its_tick_and_within_the_band_of_the_day(price_krw: int, allowed: bool) -> None:
    assert rules.is_price(Market.KOSPI, 70_000, price_krw) is allowed


@pytest.mark.parametrize(
    ("at", "allowed"),
    [("09:00:59", False), ("09:01:00", True), ("15:18:59", True), ("15:19:00", False), ("16:00:30", True)],
)
def test_no_pair_begins_within_the_guards(at: str, allowed: bool) -> None:
    assert rules.takes_entries(TradingDate("2026-11-23"), dt.time.fromisoformat(at)) is allowed
    assert rules.takes_entries(TradingDate("2026-09-11"), dt.time.fromisoformat(at)) is (
        allowed and at < "16"
    )
