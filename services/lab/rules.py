"""What the sources say of costs, ticks, price limits and hours, written by hand for the judges alone.

Nothing here is read from the configuration or computed by `services.market`: a rule that is wrong there must
not be right here. Each row names its source; "assumed" stands where there is none.
"""

import datetime as dt
from typing import Final

from services.contracts.terms import Market, Side, TradingDate, Venue

PPM: Final = 1_000_000

# Sales by date of execution: (from, market, transaction tax, rural special tax), ppm of the amount.
# Market rules 3.1. The rate is that of the settlement two sessions later, so a year begins before its first
# day: 2024-12-27 and 2025-12-29 are confirmed there, 2023-12-27 follows from the same rule.
SALE_TAXES: Final = (
    ("2023-01-02", Market.KOSPI, 500, 1_500),
    ("2023-12-27", Market.KOSPI, 300, 1_500),
    ("2024-12-27", Market.KOSPI, 0, 1_500),
    ("2025-12-29", Market.KOSPI, 500, 1_500),
    ("2023-01-02", Market.KOSDAQ, 2_000, 0),
    ("2023-12-27", Market.KOSDAQ, 1_800, 0),
    ("2024-12-27", Market.KOSDAQ, 1_500, 0),
    ("2025-12-29", Market.KOSDAQ, 2_000, 0),
    ("2023-01-02", Market.ETF, 0, 0),
)
# Market rules 3.3: Kiwoom's online channel, 0.015 % on KRX and 0.0145 % on NXT. Each charge is rounded down
# to the won by itself: assumed there, no primary source.
COMMISSIONS_PPM: Final = {Venue.KRX: 150, Venue.NXT: 145}

# Market rules 2.1, since 2023-01-25: (lowest price of the band, tick), KRW.
SHARE_TICKS: Final = (
    (0, 1), (2_000, 5), (5_000, 10), (20_000, 50), (50_000, 100), (200_000, 500), (500_000, 1_000),
)  # fmt: skip
# Market rules 2.1: a fund has a tick of 5, of 1 below 2,000.
FUND_TICKS: Final = ((0, 1), (2_000, 5))

# Market rules 2.2: 30 % to either side of the base price, both venues, all sessions.
DAY_BAND_PCT: Final = 30

# Market rules 1.1 and 1.2: when both venues trade continuously. NXT's first day opened at 10:00.
MAIN_HOURS: Final = (dt.time(9, 0, 30), dt.time(15, 20))
AFTER_HOURS: Final = (dt.time(16, 0), dt.time(20, 0))
LAUNCH: Final = "2025-03-04"
AFTER_HOURS_FROM: Final = "2026-09-14"
# Market rules 1.4: the year's first session begins an hour later, the day of the college exam ends one later
# too. Of an exam day's after-market the beginning is unsure there (16:40 or 17:00): assumed 17:00.
FIRST_SESSIONS: Final = frozenset(
    {"2024-01-02", "2025-01-02", "2026-01-02", "2027-01-04", "2028-01-03"}
)  # fmt: skip
EXAM_DAYS: Final = frozenset({"2023-11-16", "2024-11-14", "2025-11-13", "2026-11-19", "2027-11-18"})

# Market rules 9: no new pair sooner after both venues opened, nor later before one of them pauses. First and
# last prints are stale, and what rests on NXT survives the pause.
AFTER_OPEN_S: Final = 30
BEFORE_PAUSE_S: Final = 60

# Kiwoom sheet 5.1: five orders and five queries in any second, counted apart.
ORDERS_PER_S: Final = 5
QUERIES_PER_S: Final = 5


def sale_tax_krw(date: TradingDate, market: Market, amount_krw: int) -> int:
    """Return both taxes on the sale of one order, each without its part of a won."""
    rows = [row for row in SALE_TAXES if row[1] is market and row[0] <= date]
    return sum(amount_krw * ppm // PPM for ppm in rows[-1][2:])


def commission_krw(venue: Venue, amount_krw: int) -> int:
    return amount_krw * COMMISSIONS_PPM[venue] // PPM


def costs_krw(date: TradingDate, market: Market, venue: Venue, side: Side, amount_krw: int) -> int:
    """Return what one order that filled for `amount_krw` costs, commission and taxes."""
    tax_krw = sale_tax_krw(date, market, amount_krw) if side is Side.SELL else 0
    return commission_krw(venue, amount_krw) + tax_krw


def tick_krw(market: Market, price_krw: int) -> int:
    """Return the price step at an order price of at least 1 KRW."""
    bands = FUND_TICKS if market is Market.ETF else SHARE_TICKS
    return [tick for lowest, tick in bands if lowest <= price_krw][-1]


def is_price(market: Market, base_krw: int, price_krw: int) -> bool:
    """Whether an order may carry a price: on its tick, and within the band of the day about the base."""
    if price_krw < 1 or price_krw % tick_krw(market, price_krw):
        return False
    return not base_krw or abs(price_krw - base_krw) * 100 <= base_krw * DAY_BAND_PCT


def takes_entries(date: TradingDate, at: dt.time) -> bool:
    """Whether new pairs may begin at a time of day in Korea: both venues trade, and the guards are over."""
    return any(
        _shifted(opens, AFTER_OPEN_S) <= at < _shifted(closes, -BEFORE_PAUSE_S)
        for opens, closes in hours(date)
    )


def _shifted(at: dt.time, seconds: int) -> dt.time:
    return (dt.datetime.combine(dt.date.min, at) + dt.timedelta(seconds=seconds)).time()


def hours(date: TradingDate) -> list[tuple[dt.time, dt.time]]:
    """Return when both venues trade continuously on a date, times of day in Korea."""
    late_open, exam = date in FIRST_SESSIONS, date in EXAM_DAYS
    opens = dt.time(10, 0) if date == LAUNCH else dt.time(10, 0, 30) if late_open or exam else MAIN_HOURS[0]
    closes = dt.time(16, 20) if exam else MAIN_HOURS[1]
    after = dt.time(17, 0) if exam else AFTER_HOURS[0]
    late = [(after, AFTER_HOURS[1])] if date >= AFTER_HOURS_FROM else []
    return [(opens, closes), *late]
