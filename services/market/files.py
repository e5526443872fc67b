"""Reads the market's tables from the configuration directory; the only module here that touches a disk.

A file is taken whole or not at all. What is wrong with it is said with the file, the key or line, and
how to mend it; numbers with a fraction are read as Decimal, never as float.
"""

import os
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from services.contracts.reference import SymbolEntry, TradeCosts
from services.contracts.terms import Market, OrderKind, TradingDate, Venue
from services.contracts.trading_limits import TradingLimits, completed, limit_line, unnamed
from services.market.costs import CostTable
from services.market.errors import ConfigError, LimitsRefused, Problem
from services.market.hoga import HogaTable
from services.market.instruments import InstrumentTable, costs_by_market
from services.market.market_clock import DayPlan
from services.market.phases import Fid215Map
from services.market.sessions import Timetable
from services.market.symbols import ListedShare, parse_listing, parse_symbol_map

SESSIONS_FILE = "sessions.toml"
COSTS_FILE = "costs.toml"
LIMITS_FILE = "limits.toml"
INSTRUMENTS_FILE = "instruments.toml"
FID215_FILE = "fid215.toml"
HOGA_FILE = "hoga.toml"
SYMBOL_MAP_FILE = "symbol_map.csv"
LISTING_FILE = "listing.csv"
PILOT_FILE = "Pilot_stocklist.csv"

ModelT = TypeVar("ModelT", bound=BaseModel)


LIMIT_KINDS = frozenset({OrderKind.LIMIT, OrderKind.LIMIT_IOC})
"""Of these an entry and its sale are made."""


@dataclass(frozen=True, slots=True)
class MarketRules:
    """Everything the exchanges and the broker prescribe, as one value."""

    timetable: Timetable
    costs: CostTable
    instruments: InstrumentTable
    fid215: Fid215Map
    hoga: HogaTable

    def costs_by_market(self, trading_date: TradingDate) -> dict[Market, TradeCosts]:
        """What a trade costs on a date, for each market whose ticks are known. Raises NotCovered."""
        return costs_by_market(self.costs, self.instruments, trading_date)

    def sessions_without_codes(self, trading_date: TradingDate) -> tuple[str, ...]:
        """Enabled sessions of common trading in which a venue takes no order we know how to send.

        One sentence each; preflight refuses a date with any. Raises NotCovered.
        """
        day = self.timetable.day(trading_date)
        sessions = {(v, day.phase(v, window.start_ns)) for window in day.overlaps() for v in Venue}
        return tuple(
            f"{venue} trades in {phase} on {trading_date}, but hoga.toml enables no limit order there"
            for venue, phase in sorted(sessions)
            if not self.hoga.kinds(venue, phase) & LIMIT_KINDS
        )


def load_market(config_dir: Path) -> MarketRules:
    """All rules from a configuration directory. Raises ConfigError listing every unusable file."""
    problems: list[Problem] = []
    timetable = _collect(config_dir / SESSIONS_FILE, Timetable, problems)
    costs = _collect(config_dir / COSTS_FILE, CostTable, problems)
    instruments = _collect(config_dir / INSTRUMENTS_FILE, InstrumentTable, problems)
    fid215 = _collect(config_dir / FID215_FILE, Fid215Map, problems)
    hoga = _collect(config_dir / HOGA_FILE, HogaTable, problems)
    if timetable is None or costs is None or instruments is None or fid215 is None or hoga is None:
        raise ConfigError(tuple(problems))
    return MarketRules(timetable, costs, instruments, fid215, hoga)


def load_symbol_map(config_dir: Path, groups: Sequence[str]) -> tuple[SymbolEntry, ...]:
    """The entries of `symbol_map.csv`. Raises ConfigError (SymbolMapError for what is in the file)."""
    return parse_symbol_map(read_text(config_dir / SYMBOL_MAP_FILE), SYMBOL_MAP_FILE, groups)


def load_limits(config_dir: Path, in_force: TradingLimits | None = None) -> TradingLimits:
    """The limits of `limits.toml`, which names every one of them: a line that was lost allows nothing.

    What is missing is said as lines to paste, with the values `in_force`, else the shipped ones.
    Raises LimitsRefused.
    """
    try:
        content = _toml(config_dir / LIMITS_FILE)
    except ConfigError as error:
        raise LimitsRefused(error.problems, {}) from error
    shown = in_force or TradingLimits()
    missing = [name for name in unnamed(content) if name in TradingLimits.model_fields]
    problems = [
        Problem(LIMITS_FILE, name, "is not named", f"add the line   {limit_line(name, shown)}")
        for name in missing
    ]
    try:
        limits = completed(content) if missing else TradingLimits.model_validate(content)
    except ValidationError as error:
        problems += _problems_of(error, LIMITS_FILE)
        wrong = {str(detail["loc"][0]) for detail in error.errors() if detail["loc"]}
        known = {name: value for name, value in content.items() if name not in wrong}
        raise LimitsRefused(tuple(problems), known if wrong else {}) from error
    if problems:
        raise LimitsRefused(tuple(problems), content)
    return limits


def load_listing(config_dir: Path) -> tuple[ListedShare, ...]:
    """The shares of `listing.csv`. Raises ConfigError (SymbolMapError for what is in the file)."""
    return parse_listing(read_text(config_dir / LISTING_FILE), LISTING_FILE)


def load_toml(path: Path, model: type[ModelT]) -> ModelT:
    """One TOML file as a model. Raises ConfigError naming every key that is wrong."""
    content = _toml(path)
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise ConfigError(_problems_of(error, path.name)) from error


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_text(path), parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        problem = Problem(path.name, "TOML", f"cannot be read: {error}", "correct the syntax there")
        raise ConfigError((problem,)) from error


def read_day_plan(path: Path) -> DayPlan:
    """The plan of a compressed day. Raises ConfigError."""
    try:
        return DayPlan.model_validate_json(read_text(path))
    except ValidationError as error:
        raise ConfigError(_problems_of(error, path.name)) from error


def write_day_plan(path: Path, plan: DayPlan) -> None:
    """Writes the plan so that a reader sees the old file or the new one, never a part of it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(plan.model_dump_json(indent=2) + "\n")
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read_text(path: Path) -> str:
    """The text of a configuration file, without the mark that Windows editors put before UTF-8.

    Raises ConfigError where there is none or it is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        what, mend = f"cannot be opened: {error.strerror}", f"put the file at {path}"
    except UnicodeDecodeError as error:
        what, mend = f"is not UTF-8: {error.reason} at byte {error.start}", "save it as UTF-8"
    raise ConfigError((Problem(path.name, "file", what, mend),))


def _collect(path: Path, model: type[ModelT], problems: list[Problem]) -> ModelT | None:
    try:
        return load_toml(path, model)
    except ConfigError as error:
        problems.extend(error.problems)
        return None


def _problems_of(error: ValidationError, filename: str) -> tuple[Problem, ...]:
    return tuple(
        _problem_of(detail["loc"], detail["type"], detail["msg"], filename) for detail in error.errors()
    )


def _problem_of(loc: tuple[int | str, ...], kind: str, message: str, filename: str) -> Problem:
    where = "key " + ".".join(str(part) for part in loc) if loc else "file"
    if kind == "extra_forbidden":
        return Problem(filename, where, "this key is unknown", "remove it, or correct its spelling")
    if kind == "missing":
        return Problem(filename, where, "this key is missing", "add it")
    return Problem(filename, where, message.removeprefix("Value error, "), "correct the value")
