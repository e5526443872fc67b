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
from services.contracts.trading_limits import TradingLimits
from services.market.costs import CostTable
from services.market.errors import ConfigError, NotCovered
from services.market.files import (
    COSTS_FILE,
    INSTRUMENTS_FILE,
    SYMBOL_MAP_FILE,
    load_symbol_map,
    load_toml,
)
from services.market.instruments import InstrumentTable, costs_by_market
from services.risk.observed import FilesRead, FilesRefused
from services.risk.state import ReloadAsked, RiskState

LIMITS_FILE = "limits.toml"
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
            return [self._read(now_ns, asked)]
        if now_ns - self._looked_ns < self._poll_ns and self._seen is not None:
            return []
        self._looked_ns = now_ns
        known = state.files is not None and now_ns - self._read_ns < REREAD_NS
        if known and (self._prints(), self._date_of(now_ns)) == self._seen:
            return []
        return [self._read(now_ns, None)]

    def _read(self, now_ns: int, asked: ReloadAsked | None) -> Message:
        date = self._date_of(now_ns)
        self._seen, self._read_ns = (self._prints(), date), now_ns
        by = "risk" if asked is None else asked.by
        try:
            costs = load_toml(self._config_dir / COSTS_FILE, CostTable)
            instruments = load_toml(self._config_dir / INSTRUMENTS_FILE, InstrumentTable)
            return FilesRead(
                trading_date=date,
                symbols=load_symbol_map(self._config_dir, self._groups),
                costs=costs_by_market(costs, instruments, date),
                funds_closed=instruments.funds_closed_because(date),
                limits=load_toml(self._config_dir / LIMITS_FILE, TradingLimits),
                threshold=load_toml(self._config_dir / THRESHOLD_FILE, ThresholdTable),
                by=by,
                reason="files" if asked is None else asked.reason,
                asked=asked is not None,
            )
        except ConfigError as error:
            problems = tuple(str(problem) for problem in error.problems)
        except NotCovered as error:
            problems = (str(error),)
        return FilesRefused(trading_date=date, problems=problems, by=by)

    def _prints(self) -> Prints:
        names = (LIMITS_FILE, THRESHOLD_FILE, SYMBOL_MAP_FILE, COSTS_FILE, INSTRUMENTS_FILE)
        return tuple(_print_of(self._config_dir / name) for name in names)


def _print_of(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
