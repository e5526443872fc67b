"""Reads limits, threshold table, symbol map, costs and instruments from the configuration directory.

The only part of risk that touches a disk. A look costs five `stat` calls; files are read when one of
them changed, when the trading date did, or when a person asked.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from services.contracts.envelope import Message
from services.contracts.limits import NS_PER_MS
from services.contracts.terms import TradingDate
from services.contracts.threshold import ThresholdTable
from services.contracts.trading_limits import TradingLimits, completed, unnamed
from services.market.costs import CostTable
from services.market.errors import ConfigError, LimitsRefused, NotCovered
from services.market.files import (
    COSTS_FILE,
    INSTRUMENTS_FILE,
    LIMITS_FILE,
    SYMBOL_MAP_FILE,
    load_limits,
    load_symbol_map,
    load_toml,
)
from services.market.instruments import InstrumentTable, costs_by_market
from services.risk.observed import FilesRead, FilesRefused
from services.risk.state import ReloadAsked, RiskState

THRESHOLD_FILE = "threshold.toml"
REREAD_NS = 15_000 * NS_PER_MS
"""Files are read again this often even unchanged: Redis may have forgotten what they said."""

Prints = tuple[tuple[int, int] | None, ...]
"""(time of change in ns, size) of each file, None where there is none."""


class FilesWatch:
    """The `observe` of risk: says what the files say, once for each change of theirs."""

    def __init__(
        self,
        config_dir: Path,
        groups: Sequence[str],
        date_of: Callable[[int], TradingDate],
        poll_ms: int,
    ) -> None:
        self._config_dir = config_dir
        self._groups = groups
        self._date_of = date_of
        self._poll_ns = poll_ms * NS_PER_MS
        self._looked_ns = 0
        self._read_ns = 0
        self._seen: tuple[Prints, TradingDate] | None = None
        self._served = ""

    def __call__(self, state: RiskState, now_ns: int) -> Sequence[Message]:
        """Return what was read or why it cannot be used; nothing where nothing is new."""
        asked = state.reload
        if asked is not None and asked.cause_id != self._served:
            self._served = asked.cause_id
            return [self._read(now_ns, asked, state)]
        if now_ns - self._looked_ns < self._poll_ns and self._seen is not None:
            return []
        self._looked_ns = now_ns
        known = state.files is not None and now_ns - self._read_ns < REREAD_NS
        if known and (self._prints(), self._date_of(now_ns)) == self._seen:
            return []
        return [self._read(now_ns, None, state)]

    def _read(self, now_ns: int, asked: ReloadAsked | None, state: RiskState) -> Message:
        date = self._date_of(now_ns)
        self._seen, self._read_ns = (self._prints(), date), now_ns
        by, instead = "risk" if asked is None else asked.by, None
        try:
            limits = self._limits(state)
        except LimitsRefused as refused:
            limits, problems = completed(refused.known), _words(refused)
            unknown = unnamed(refused.known)
        else:
            problems, unknown = (), ()
        try:
            read = self._read_with(limits, unknown, date, asked)
            if not problems:
                return read
            instead = read
        except ConfigError as error:
            problems += _words(error)
        except NotCovered as error:
            problems += (str(error),)
        return FilesRefused(trading_date=date, problems=problems, by=by, instead=instead)

    def _limits(self, state: RiskState) -> TradingLimits:
        """Raises LimitsRefused, which names what is missing with the values in force."""
        in_force = state.reference
        return load_limits(self._config_dir, None if in_force is None else in_force.limits)

    def _read_with(
        self, limits: TradingLimits, unknown: Sequence[str], date: TradingDate, asked: ReloadAsked | None
    ) -> FilesRead:
        costs = load_toml(self._config_dir / COSTS_FILE, CostTable)
        instruments = load_toml(self._config_dir / INSTRUMENTS_FILE, InstrumentTable)
        return FilesRead(
            trading_date=date,
            symbols=load_symbol_map(self._config_dir, self._groups),
            costs=costs_by_market(costs, instruments, date),
            funds_closed=instruments.funds_closed_because(date),
            limits=limits,
            threshold=load_toml(self._config_dir / THRESHOLD_FILE, ThresholdTable),
            by="risk" if asked is None else asked.by,
            reason="files" if asked is None else asked.reason,
            asked=asked is not None,
            unknown=tuple(unknown),
        )

    def _prints(self) -> Prints:
        names = (LIMITS_FILE, THRESHOLD_FILE, SYMBOL_MAP_FILE, COSTS_FILE, INSTRUMENTS_FILE)
        return tuple(_print_of(self._config_dir / name) for name in names)


def _words(error: ConfigError) -> tuple[str, ...]:
    return tuple(str(problem) for problem in error.problems)


def _print_of(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
