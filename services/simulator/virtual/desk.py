"""Builds the pieces of a virtual day from the configuration: the world, the services, the gateway.

Read once a process; a thousand days share it. A day has one basket of a few symbols, split over two groups,
so that it is short and its pairs meet.
"""

import atexit
import datetime as dt
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

from services.contracts.terms import GatewayMode, Market, OrderKind, TradingDate, Venue
from services.contracts.threshold import ThresholdTable, row_lines
from services.contracts.trading_limits import BufferRule, TradingLimits, limits_text
from services.detector.settings import DetectorSettings
from services.detector.shell import detector_service
from services.executor.settings import ExecutorSettings
from services.executor.shell import executor_service
from services.gateway.settings import GatewaySettings
from services.gateway.state import GatewayState, initial_state
from services.market.files import (
    COSTS_FILE,
    INSTRUMENTS_FILE,
    LIMITS_FILE,
    MarketRules,
    load_listing,
    load_market,
    load_toml,
)
from services.market.hoga import HogaTable
from services.market.market_clock import DayPlan, compressed_day
from services.market.symbols import ListedShare, import_pilot
from services.risk.files import THRESHOLD_FILE
from services.risk.settings import RiskSettings
from services.risk.shell import risk_service
from services.runtime.service import Service
from services.simulator.day import TradingDay
from services.simulator.limits import queries_before
from services.simulator.market.instrument import listing_of
from services.simulator.options import SimulatorOptions
from services.simulator.virtual.listings import BASKETS, LISTED, ORDINARY_DATE, SYMBOLS
from services.simulator.world import World

GROUPS = ("g1", "g2")
NIGHT = (dt.time(20, 0), dt.time(20, 4))
"""When the gateway expects the broker's nightly cut. A compressed day ends at 20:05: it comes within it."""
NIGHTLY_CUT = (dt.time(20, 2), dt.time(20, 3))
"""When the line is really closed, and open again."""
LIMITS = {
    "max_open_pairs": 3,
    "cooldown_ms": 200,
    "max_pairs_per_symbol_window": 20,
    "max_errors_per_minute": 1_000,
    "max_denials_per_minute": 1_000,
    "max_unknowns_per_minute": 1_000,
    "max_daily_loss_krw": 3_000_000,
    "max_losing_pairs_in_a_row": 100,
}
CLIPS = {
    1: {
        "clip_shares": 1,
        "max_trips_per_symbol": 3,
        "max_pair_shares": 3,
        "max_order_krw": 3_200_000,
        "max_exposure_symbol_krw": 3_200_000,
        "max_exposure_total_krw": 4_000_000,
    },
    6: {
        "clip_shares": 6,
        "max_trips_per_symbol": 20,
        "max_pair_shares": 9,
        "max_pair_loss_krw": 1_000_000,
        "max_drawdown_krw": 3_000_000,
        "max_order_krw": 6_500_000,
        "max_exposure_symbol_krw": 9_600_000,
        "max_exposure_total_krw": 12_000_000,
    },
}
"""What a desk has other than shipped, by the shares of its clip. An order of one share cannot fill in part,
one of several can. The exposure of three whole pairs is beyond the total: two of the dearer symbols fill it.
Days of one share spend their trips too."""

TRADING_SHARE = Fraction(15, 22)
"""The part of a virtual day in which both venues trade; no person has to see the rest pass."""
GUARD_SHARE = Fraction(2, 22)
"""The part of it in which they still trade and what rests is taken back."""


@dataclass(frozen=True)
class Basket:
    """Symbols that a day trades, and what risk reads for them."""

    listing: tuple[ListedShare, ...]
    files: Mapping[int, Path]
    """Folders by the shares of a clip (`CLIPS`)."""


@dataclass(frozen=True)
class Desk:
    """All that days have in common, and the date and the basket of the next one."""

    rules: MarketRules
    baskets: Mapping[str, Basket]
    gateway: GatewaySettings
    basket: str = LISTED
    date: TradingDate = ORDINARY_DATE

    def on(self, date: TradingDate, basket: str) -> Self:
        """The same desk on another date, with another basket."""
        return replace(self, date=date, basket=basket)

    @property
    def listing(self) -> tuple[ListedShare, ...]:
        return self.baskets[self.basket].listing

    def plan(self, start_ns: int, seconds: int) -> DayPlan:
        schedule = self.rules.timetable.day(self.date)
        return compressed_day(schedule, start_ns, seconds, TRADING_SHARE, GUARD_SHARE)

    def world(self, plan: DayPlan, options: SimulatorOptions, seed: int, start_ns: int) -> World:
        instruments, date = self.rules.instruments, self.date
        listings = [listing_of(share, instruments, date, krx_only=False) for share in self.listing]
        costs = {market: self.rules.costs.costs_of(date, market) for market in Market}
        day = TradingDay(self.rules.timetable.day(date), plan.market_ns, date)
        return World(listings, costs, day, options, seed, start_ns)

    def hoga(self, nxt_takes_ioc: bool) -> HogaTable:
        """Which kinds of order go where. Without IOC on NXT a limit rests there until it is cancelled."""
        table = self.rules.hoga
        rows = (row for row in table.code if (row.venue, row.kind) != (Venue.NXT, OrderKind.LIMIT_IOC))
        return table if nxt_takes_ioc else HogaTable(code=tuple(rows))

    def gateway_state(self, plan: DayPlan, hoga: HogaTable, queries_used: int = 0) -> GatewayState:
        """The state at the start of a day; the gateway has asked so many queries in the hour before."""
        before = tuple(queries_before(queries_used, plan.anchor_wall_ns))
        begun: GatewayState = initial_state(self.gateway, replace(self.rules, hoga=hoga), plan)
        state: GatewayState = begun.but(query_history=before)
        return state

    def services(self, plan: DayPlan, clip_shares: int) -> tuple[Callable[[], Service[Any]], ...]:
        """How each service but the gateway is made, anew at each start."""
        risk = RiskSettings(files_poll_ms=60_000, required_services=("gateway", "executor"))
        files = self.baskets[self.basket].files
        executor = ExecutorSettings()
        return (
            *(lambda group=group: detector_service(DetectorSettings(group=group)) for group in GROUPS),
            lambda: risk_service(risk, files[clip_shares], plan, GROUPS),
            lambda: executor_service(executor, GROUPS),
        )


def build_desk(
    config_dir: Path, rule: BufferRule = BufferRule.PLUS_EXPECTED_MISS, min_cross_ms: int | None = None
) -> Desk:
    """Read the configuration, for a desk under `rule`. Raises ConfigError.

    `min_cross_ms` replaces the least age of a cross that the default row asks for.
    """
    home = Path(tempfile.mkdtemp(prefix="arb-virtual-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    listings = {LISTED: load_listing(config_dir)[:SYMBOLS], **BASKETS}
    baskets = {
        name: Basket(listing, _write_files(config_dir, home / name, listing, rule))
        for name, listing in listings.items()
    }
    if min_cross_ms is not None:
        for folder in (folder for basket in baskets.values() for folder in basket.files.values()):
            _set_least_age(folder, min_cross_ms)
    gateway = GatewaySettings(
        mode=GatewayMode.SIMULATED, reconnect="in_process", account_quiet_ms=1_500, reconcile_open_s=5,
        book_levels=2, ack_timeout_ms=1_000, query_timeout_ms=1_500, login_retry_s=1, login_timeout_s=5,
        still_from=dt.time(8, 58), still_to=dt.time(8, 59),
        nightly_cut_from=NIGHT[0], nightly_cut_to=NIGHT[1],
    )  # fmt: skip
    return Desk(load_market(config_dir), baskets, gateway)


def _set_least_age(folder: Path, min_cross_ms: int) -> None:
    row = load_toml(folder / THRESHOLD_FILE, ThresholdTable).default
    lines = row_lines("default", row.model_copy(update={"min_cross_ms": min_cross_ms}))
    (folder / THRESHOLD_FILE).write_text("\n".join(lines), encoding="utf-8")


def _write_files(
    config_dir: Path, home: Path, listing: tuple[ListedShare, ...], rule: BufferRule
) -> dict[int, Path]:
    """Write what risk reads, one folder for each clip."""
    pilot = "index,ticker\n" + "".join(f"{at},{share.code}\n" for at, share in enumerate(listing, 1))
    symbols = import_pilot(pilot, listing, GROUPS)
    files = {clip_shares: home / f"clip-{clip_shares}" for clip_shares in CLIPS}
    for clip_shares, folder in files.items():
        folder.mkdir(parents=True)
        (folder / "symbol_map.csv").write_text(symbols, encoding="utf-8")
        for name in (COSTS_FILE, INSTRUMENTS_FILE, THRESHOLD_FILE):
            (folder / name).write_bytes((config_dir / name).read_bytes())
        limits = TradingLimits.model_validate({**LIMITS, **CLIPS[clip_shares], "buffer_rule": rule})
        (folder / LIMITS_FILE).write_text(limits_text(limits), encoding="utf-8")
    return files
