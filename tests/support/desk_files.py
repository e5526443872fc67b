"""What a desk of a test finds on disk: few symbols, and a day that stands at mid-morning."""

import csv
from collections.abc import Collection
from pathlib import Path

from services.contracts.limits import NS_PER_S
from services.contracts.terms import Symbol, TradingDate
from services.market.market_clock import DayPlan

HOUR_NS = 3_600 * NS_PER_S
MID_MORNING_NS = 10 * HOUR_NS


def mid_morning(trading_date: TradingDate, now_ns: int) -> DayPlan:
    """A day that stands at ten in the morning now, and goes on at its own pace."""
    return DayPlan(
        trading_date=trading_date, anchor_wall_ns=now_ns,
        breakpoints=((0, MID_MORNING_NS), (4 * HOUR_NS, MID_MORNING_NS + 4 * HOUR_NS)),
    )  # fmt: skip


def keep_symbols(config: Path, symbols: Collection[Symbol], group: str) -> None:
    """Leave some shares in the listing and the map, all of one group: one detector, little to compute."""
    for name, column in (("listing.csv", "code"), ("symbol_map.csv", "KRX_code")):
        path = config / name
        with path.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row[column] in symbols]
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows({**row, "group": group} if "group" in row else row for row in rows)
