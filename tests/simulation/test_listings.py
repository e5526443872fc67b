"""What seeds draw: every tick, both markets, a fund, letters in a code, and days on which a rule changes."""

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from services.contracts.messages.pairs import PairClosed
from services.contracts.terms import Market
from services.contracts.tick_grid import SHARE_TICKS
from services.lab.invariants import violations
from services.market.sessions import DayKind
from services.simulator.virtual.day import VirtualDay
from services.simulator.virtual.desk import Desk, build_desk
from services.simulator.virtual.faults import CALM, draw
from services.simulator.virtual.listings import BASKETS, DATES, LISTED

CONFIG = Path(__file__).resolve().parents[2] / "config"


@pytest.fixture(scope="module")
def desk() -> Desk:
    return build_desk(CONFIG)


def test_seeds_draw_every_date_and_every_basket() -> None:
    terms = [draw(Random(seed)).terms for seed in range(1, 101)]
    assert {drawn.trading_date for drawn in terms} == set(DATES)
    assert {drawn.basket for drawn in terms} == {LISTED, *BASKETS}


def test_baskets_have_every_tick_both_markets_a_fund_and_letters(desk: Desk) -> None:
    shares = [share for basket in desk.baskets.values() for share in basket.listing]
    ticks = {SHARE_TICKS.size(share.base_price_krw) for share in shares if not share.market.is_fund}
    assert ticks == {1, 5, 10, 50, 100, 500, 1_000}
    assert {share.market for share in shares} == set(Market)
    assert any(not share.code.isdecimal() for share in shares)


def test_dates_are_trading_days_of_several_kinds(desk: Desk) -> None:
    schedules = [desk.rules.timetable.day(date) for date in DATES]
    assert all(schedule.overlaps() for schedule in schedules)
    assert {schedule.kind for schedule in schedules} == set(DayKind) - {DayKind.CLOSED}
    assert {schedule.provisional for schedule in schedules} == {False, True}


@pytest.mark.parametrize("date", ["2025-12-26", "2028-01-03"])
def test_cheap_shares_trade_on_dates_of_other_rules(desk: Desk, date: str) -> None:
    trading_date = next(known for known in DATES if known == date)
    day = VirtualDay(
        desk, 1, replace(CALM, terms=replace(CALM.terms, trading_date=trading_date, basket="cheap"))
    )
    day.run()
    assert violations(day.witness) == []
    assert day.plan.trading_date == date
    assert any(pair.trip for pair in day.witness.of(PairClosed))
