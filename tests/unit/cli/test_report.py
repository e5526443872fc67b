"""A day's report is clean only if the services' figures and the account's own books agree."""

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from services.cli.demo_view import report_view
from services.cli.figures import DayFigures
from services.cli.report import DayReport, expected_phases, report_of
from services.contracts.messages.orders import CommandDenied, OrderSent
from services.contracts.messages.venue_state import ConfirmedBy, SessionPhaseChanged
from services.contracts.reasons import GateReason
from services.contracts.terms import SessionPhase, Side, Venue
from services.lab.broker_books import BrokerBooks
from services.lab.record import Record
from services.market.files import load_market
from services.market.sessions import DaySchedule
from tests.unit.cli.builders import (
    BOUGHT,
    BUY,
    DATE,
    SAMSUNG,
    SELL,
    SOLD,
    UNFILLED,
    approved,
    closed,
    envelope,
    facts,
    fill,
    order,
    truth,
)  # fmt: skip

CONFIG = Path(__file__).parents[3] / "config"
OPEN: dict[str, Any] = {**UNFILLED, "closed": ""}


@pytest.fixture(scope="module")
def schedule() -> DaySchedule:
    return load_market(CONFIG).timetable.day(DATE)


def books(**changes: Any) -> BrokerBooks:
    return truth().model_copy(update=changes)


def a_day(schedule: DaySchedule, *, phases: bool = True) -> DayFigures:
    """One pair bought and sold for +140 KRW, with every phase of the day seen."""
    figures = DayFigures()
    messages = [approved(), fill(Side.BUY, BUY, 70_000), fill(Side.SELL, SELL, 70_300), closed()]
    for message in messages:
        figures.take(envelope(message))
    for name in expected_phases(schedule) if phases else ():
        venue, _, phase = name.partition(":")
        changed = SessionPhaseChanged(
            venue=Venue(venue), phase=SessionPhase(phase), trading_date=DATE, market_time="09:00:00",
            confirmed_by=ConfirmedBy.TIMETABLE,
        )  # fmt: skip
        figures.take(envelope(changed))
    return figures


def reported(figures: DayFigures, broker: BrokerBooks, schedule: DaySchedule, **more: Any) -> DayReport:
    record = Record(
        said=figures.said, kept=figures.said, books=broker, healed_in_time=True, trades_expected=True
    )
    return report_of(figures, record, schedule, seconds=60, seed=1, quotes=1_000, **more)


def test_a_day_that_agrees_is_clean(schedule: DaySchedule) -> None:
    report = reported(a_day(schedule), books(), schedule)
    assert report.errors == ()
    assert report.realised_pnl_krw == report.account_cash_change_krw == 140
    assert (report.pairs_closed, report.trips, report.fills) == (1, 1, 2)


def test_a_report_says_how_promptly_was_sold(schedule: DaySchedule) -> None:
    figures = a_day(schedule)
    figures.take(envelope(OrderSent(facts=facts(Side.SELL, order_id="P1.1.s.1"), waited_ms=42)))
    late = CommandDenied(
        order_id="P2.1.b.1", pair_id="P2", symbol=SAMSUNG, reason=GateReason.ORDER_BUDGET, detail=""
    )
    figures.take(envelope(late))
    report = reported(figures, books(), schedule)
    said = report.model_dump(mode="json")
    assert said["first_sell_wait_ms"] == {"p50": 42, "p95": 42, "max": 42}
    assert (said["entries_denied_late"], said["unhedged_krw_s"]) == (1, 8_400)
    console = Console(width=200)
    with console.capture() as shown:
        console.print(report_view(report))
    assert "longest 42 ms" in shown.get() and "8,400 KRW x s" in shown.get()


@pytest.mark.parametrize(
    ("broker", "words"),
    [
        (books(cash_krw=100_000_139), "money differs"),
        (books(holdings={"005930": 1}), "the account holds 1 of 005930"),
        (books(orders=(BOUGHT, SOLD, order("P1.1.b.2", Side.BUY, 0, 3, **OPEN))), "still works"),
        (books(arrivals=books().arrivals * 2), "arrived 2 times"),
        (books(orders_refused=1), "refused 1 orders"),
        (books(max_orders_per_s=6), "6 orders in one second"),
        (books(max_queries_per_s=6), "6 queries in one second"),
        (books(self_trades=1), "own orders met"),
    ],
)
def test_each_disagreement_is_named(schedule: DaySchedule, broker: BrokerBooks, words: str) -> None:
    report = reported(a_day(schedule), broker, schedule)
    assert not report.is_clean
    assert any(words in error for error in report.errors)


def test_a_pair_left_open_is_an_error(schedule: DaySchedule) -> None:
    figures = a_day(schedule)
    figures.take(envelope(approved("P9")))
    assert any("P9" in error for error in reported(figures, books(), schedule).errors)


def test_a_phase_never_seen_is_an_error(schedule: DaySchedule) -> None:
    report = reported(a_day(schedule, phases=False), books(), schedule)
    assert "KRX:closing_auction" in report.phases_missed
    assert any("phases never seen" in error for error in report.errors)


def test_the_sessions_not_enabled_are_not_expected(schedule: DaySchedule) -> None:
    assert "NXT:after_market" in expected_phases(schedule)
    assert "KRX:after_market" not in expected_phases(schedule)


def test_what_was_held_before_the_day_is_no_position() -> None:
    assert books(start_holdings={"005930": 7}, holdings={"005930": 7}).net_position_shares == 0
    assert books(start_holdings={"005930": 7}, holdings={"000660": 1}).net_position_shares == 8


def test_the_printed_report_says_the_verdict(schedule: DaySchedule) -> None:
    console = Console(width=80, color_system=None)
    with console.capture() as capture:
        console.print(report_view(reported(a_day(schedule), books(), schedule)))
        console.print(report_view(reported(a_day(schedule), books(cash_krw=0), schedule, killed="executor")))
    text = capture.get()
    assert "Flat, and the money agrees to the won." in text
    assert "Not clean" in text
    assert "executor (SIGKILL)" in text


def test_a_day_on_which_nothing_was_traded_is_not_clean(schedule: DaySchedule) -> None:
    idle = books(orders=(), arrivals=(), cash_krw=100_000_000)
    figures = DayFigures()
    figures.phases = set(expected_phases(schedule))
    assert reported(figures, idle, schedule).errors == ("nothing was traded, and 0 crosses stood and paid",)
    quiet = idle.model_copy(update={"crosses": ()})
    assert reported(figures, quiet, schedule).is_clean, "no cross of the day certainly paid"
