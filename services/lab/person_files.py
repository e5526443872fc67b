"""What a person's own files say, read by the judges themselves: a service may publish something else."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from services.contracts.trading_limits import TradingLimits
from services.lab import rules

COSTS_FILE = "costs.toml"
LIMITS_FILE, THRESHOLD_FILE = "limits.toml", "threshold.toml"


@dataclass(frozen=True, slots=True)
class Threshold:
    """The dearest row of the file: what misses cost on average in basis points, the least that a pair has to
    earn, and for how long a cross must have stood."""

    miss_bps: Decimal = Decimal(0)
    floor_krw: int = 0
    min_cross_ms: int = 0


def limits_in(folder: Path) -> TradingLimits:
    """Raises OSError, TOMLDecodeError or ValidationError where the file cannot be read."""
    return TradingLimits.model_validate(_read(folder / LIMITS_FILE))


def threshold_in(folder: Path) -> Threshold:
    """Raises OSError, TOMLDecodeError or KeyError where the file cannot be read."""
    text = _read(folder / THRESHOLD_FILE)
    rows = [text["default"], *text.get("symbol", {}).values()]
    return Threshold(
        max(miss_bps for row in rows for miss_bps in _miss_bps(row)),
        max(row["floor_krw"] for row in rows),
        max(row.get("min_cross_ms", 0) for row in rows),
    )


def list_commissions_in(folder: Path) -> bool:
    """Return whether every commission of the file is the broker's list. Raises OSError or TOMLDecodeError."""
    rows = _read(folder / COSTS_FILE)["commission"]
    listed = {venue.lower(): Decimal(ppm) / rules.PPM for venue, ppm in rules.COMMISSIONS_PPM.items()}
    return all({name: row[name] for name in listed} == listed for row in rows)


def _miss_bps(row: Mapping[str, Any]) -> Iterator[Decimal]:
    """Of a row, or of each of its two sides where they differ."""
    for figures in (row, *(side for side in row.values() if isinstance(side, Mapping))):
        if "miss_rate" in figures:
            yield Decimal(figures["miss_rate"]) * Decimal(figures["loss_bps"])


def _read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
