"""Funds that the symbol map enables although nobody trades them on a date: for `arb doctor`."""

from pathlib import Path

from services.cli.date_checks import next_to_trade
from services.contracts.terms import TradingDate
from services.market.files import load_market, load_symbol_map
from services.runtime.settings import RuntimeSettings, load_settings


def funds_off_in(config_dir: Path, date: str = "") -> tuple[str, str]:
    """Return the funds that the symbol map enables and that nobody trades on a date, by commas, and why not.

    Both are empty where there is none. Raises ConfigError: a file cannot be used.
    """
    rules = load_market(config_dir)
    why = rules.instruments.funds_closed_because(TradingDate(date) if date else next_to_trade(rules))
    entries = load_symbol_map(config_dir, load_settings(RuntimeSettings).groups) if why else ()
    names = (f"{entry.krx_code} {entry.name}" for entry in entries if entry.enabled and entry.market.is_fund)
    funds = ", ".join(names)
    return (funds, why) if funds else ("", "")
