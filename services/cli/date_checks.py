"""How well a date is known by the files of this machine: for `doctor`, `up`, `observe` and the reports.

The sentences come from the market's one function; a running gateway's own are on the board.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from services.cli.faults import UsageFault
from services.contracts.dated import DateFinding
from services.contracts.reference import SymbolEntry
from services.contracts.terms import GatewayMode, TradingDate
from services.market.dated import findings
from services.market.dates import KST, to_trading_date
from services.market.errors import NotCovered
from services.market.files import MarketRules, load_market, load_symbol_map
from services.runtime.settings import RuntimeSettings, load_settings


def today() -> TradingDate:
    """The date in Korea, whatever zone this machine is in."""
    return to_trading_date(dt.datetime.now(dt.UTC).astimezone(KST).date())


def next_to_trade(rules: MarketRules) -> TradingDate:
    """Today where both venues trade together, else the next date on which they do."""
    date = today()
    return date if rules.timetable.day(date).overlaps() else rules.timetable.next_trading_day(date)


def findings_in(
    config_dir: Path, date: str = "", mode: GatewayMode = GatewayMode.SIMULATED
) -> tuple[DateFinding, ...]:
    """What the files say of a date as a person wrote it; empty is today or the next trading day.

    In live mode only order codes that somebody has confirmed count.

    Raises:
        UsageFault: not a date, or one before the tables.
        ConfigError: a file cannot be used.
    """
    rules = load_market(config_dir)
    if mode is GatewayMode.LIVE:
        rules = replace(rules, hoga=rules.hoga.confirmed())
    symbols: Sequence[SymbolEntry] = load_symbol_map(config_dir, load_settings(RuntimeSettings).groups)
    try:
        return findings(rules, TradingDate(date) if date else next_to_trade(rules), symbols)
    except (ValueError, NotCovered) as error:
        raise UsageFault(f"--date: {error}", "Write a date as YYYY-MM-DD that the tables reach.") from error


def warnings_of(found: Iterable[DateFinding]) -> list[str]:
    """Return a sentence for each subject that somebody should look at, whatever the mode."""
    return [item.sentence for item in found if item.warns]


def provisional_in(found: Iterable[DateFinding]) -> tuple[str, ...]:
    """Return a sentence for each subject that figures of the date rest on and that is only computed."""
    return tuple(item.sentence for item in found if item.provisional)
