"""Thousands of virtual days: seeds spread over processes, one verdict a day, all of them added up.

A day is decided by its seed alone, so a failing seed is replayed by naming it.
"""

import gc
import multiprocessing
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.lab.fills import DayFills, fill_figures
from services.runtime.logs import configure_logs
from services.simulator.promptness import Promptness, figures_of
from services.simulator.virtual.day import SECONDS, DayResult, run_day
from services.simulator.virtual.desk import Desk, build_desk
from services.simulator.virtual.listings import SYMBOLS

CHUNK = 2
LATE_MS = 300
"""A first sell that waited longer at the gateway for a token counts as late."""
LOG_LEVEL = "CRITICAL"
"""Services start, end and lose their bus thousands of times. A core that fails is told as a violation."""
GC_AFTER = 50_000
"""New objects after which a worker looks for cycles."""
DAY_HOLDS = (
    f"{SECONDS} s of virtual time with every phase of a trading date, {SYMBOLS} symbols on two venues, "
    "gateway, two detectors, risk, executor, a person at the desk, and the faults that its seed draws"
)


@dataclass
class Tally:
    """What many days came to."""

    days: int = 0
    pairs_closed: int = 0
    trips: int = 0
    orders: int = 0
    entries: int = 0
    liquidations: int = 0
    promptness: list[Promptness] = field(default_factory=list)
    fills: list[DayFills] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    at_stake: Counter[str] = field(default_factory=Counter)
    violations: list[dict[str, Any]] = field(default_factory=list)

    def add(self, result: DayResult) -> None:
        self.days += 1
        self.pairs_closed += result.pairs_closed
        self.trips += result.trips
        self.orders += result.orders
        self.entries += result.entries
        self.liquidations += result.liquidations
        self.promptness.append(result.promptness)
        self.fills.append(result.fills)
        self.faults += result.faults
        self.at_stake += result.at_stake
        for sentence in result.violations:
            self.violations.append(
                {"seed": result.seed, "violation": sentence, "replay": replay_of(result.seed)}
            )

    def figures(self, seconds: float) -> dict[str, Any]:
        """A JSON-like object; `seconds` is how long it took."""
        waits = [wait_ms for day in self.promptness for wait_ms in day.first_sell_waits_ms]
        return {
            "days": self.days,
            "violations": self.violations,
            "faults": dict(sorted(self.faults.items())),
            "faults_with_an_open_pair": dict(sorted(self.at_stake.items())),
            "pairs_closed": self.pairs_closed,
            "trips": self.trips,
            "orders": self.orders,
            "entries": self.entries,
            "liquidations": self.liquidations,
            "liquidations_per_100_entries": _per_100(self.liquidations, self.entries),
            "late_first_sells_pct": _per_100(sum(wait_ms > LATE_MS for wait_ms in waits), len(waits)),
            **figures_of(self.promptness).model_dump(),
            "crosses_seen": sum(day.crosses_seen for day in self.fills),
            "phantom_crosses": sum(day.phantoms for day in self.fills),
            "fills": [row.model_dump() for row in fill_figures(self.fills)],
            "seconds": round(seconds, 1),
            "days_per_minute": round(self.days * 60 / seconds) if seconds else 0,
            "a_day_holds": DAY_HOLDS,
        }


def _per_100(part: int, whole: int) -> float:
    return round(100 * part / whole, 1) if whole else 0.0


def replay_of(seed: int) -> str:
    """The command that runs one seed again with its timeline."""
    return f"arb simulate --seeds {seed}:{seed + 1} --timeline"


def parse_seeds(text: str) -> range:
    """Return the seeds of `A:B` (B not included). Raises ValueError with what is wrong."""
    first, colon, last = text.partition(":")
    if not colon or not first.isdigit() or not last.isdigit():
        raise ValueError(f"seeds are written A:B, whole numbers with B not included, not {text!r}")
    if int(first) >= int(last):
        raise ValueError(f"seeds {text} are none: B must be greater than A")
    return range(int(first), int(last))


def run_seeds(config_dir: Path, seeds: range, jobs: int) -> Iterator[DayResult]:
    """Run every seed, `jobs` at a time; results in the order of the seeds. Raises ConfigError."""
    if jobs == 1:
        _prepare(config_dir)
        yield from map(_run, seeds)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, initializer=_begin_worker, initargs=(config_dir,)) as pool:
        yield from pool.map(_run, seeds, chunksize=CHUNK)


_DESKS: list[Desk] = []


def _begin_worker(config_dir: Path) -> None:
    configure_logs(LOG_LEVEL)
    _prepare(config_dir)


def _prepare(config_dir: Path) -> None:
    """Build what all days have in common. A day makes few cycles: looking for them seldom is enough."""
    _DESKS[:] = [build_desk(config_dir)]
    gc.freeze()
    gc.set_threshold(GC_AFTER)


def _run(seed: int) -> DayResult:
    return run_day(_DESKS[0], seed)
