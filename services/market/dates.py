"""Korean dates and times of day: one zone, one spelling of a date, one unit for a time of day.

A time of day is nanoseconds since midnight in Korea (`market_ns`). Korea keeps UTC+9 all year, so
the zone is a fixed offset and needs no zone database on any machine.
"""

import datetime as dt

from services.contracts.terms import TradingDate

KST = dt.timezone(dt.timedelta(hours=9), "KST")
SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS


def parse_trading_date(trading_date: TradingDate) -> dt.date:
    """The date behind `YYYY-MM-DD`. Raises ValueError for any other spelling."""
    day = dt.date.fromisoformat(trading_date)
    if day.isoformat() != trading_date:
        raise ValueError(f"a trading date is written YYYY-MM-DD, not {trading_date!r}")
    return day


def to_trading_date(day: dt.date) -> TradingDate:
    return TradingDate(day.isoformat())


def time_of_day_ns(clock: dt.time) -> int:
    """Nanoseconds since midnight."""
    seconds = clock.hour * 3600 + clock.minute * 60 + clock.second
    return seconds * SECOND_NS + clock.microsecond * 1000


def midnight_wall_ns(trading_date: TradingDate) -> int:
    """Unix time, in nanoseconds, of that date's midnight in Korea."""
    midnight = dt.datetime.combine(parse_trading_date(trading_date), dt.time(), KST)
    return int(midnight.timestamp()) * SECOND_NS


def time_text(wall_ns: int) -> str:
    """The time of day in Korea of a Unix time in nanoseconds, `HH:MM:SS`."""
    return f"{dt.datetime.fromtimestamp(wall_ns // SECOND_NS, KST):%H:%M:%S}"
