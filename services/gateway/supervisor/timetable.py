"""When the gateway runs: on trading days from `rest_to` to `rest_from`, market time."""

import datetime as dt

from services.contracts.terms import TradingDate
from services.gateway.supervisor.settings import SupervisorSettings
from services.market.dates import time_of_day_ns
from services.market.errors import NotCovered
from services.market.files import MarketRules
from services.market.market_clock import MarketClock
from services.market.sessions import DayKind


def resting(settings: SupervisorSettings, rules: MarketRules, clock: MarketClock, wall_ns: int) -> bool:
    """Whether the gateway is to be down. A date that the timetable does not cover counts as trading day:
    the gateway itself then trades nothing, and says so."""
    rest_from, rest_to = settings.rest_from, settings.rest_to
    if rest_from == rest_to:
        return False
    if not _trades(rules, clock.trading_date_at(wall_ns)):
        return True
    return _within(clock.market_ns(wall_ns), rest_from, rest_to)


def _trades(rules: MarketRules, date: TradingDate) -> bool:
    try:
        return rules.timetable.day(date).kind is not DayKind.CLOSED
    except NotCovered:
        return True


def _within(market_ns: int, since: dt.time, until: dt.time) -> bool:
    start, end = time_of_day_ns(since), time_of_day_ns(until)
    return start <= market_ns < end if start < end else market_ns >= start or market_ns < end
