"""The command line of the simulator process, and the world it builds from the configuration."""

import argparse
import asyncio
import json
import sys
from pathlib import Path

from services.contracts.terms import Market, TradingDate
from services.market.errors import ConfigError, NotCovered
from services.market.files import load_listing, load_market, read_day_plan
from services.market.market_clock import REAL_TIME, DayPlan
from services.runtime.build import build_id
from services.runtime.metrics import Exporter, serve
from services.runtime.private import keep_private
from services.runtime.process_figures import process_figures
from services.runtime.stop_signals import stop_on_signals
from services.simulator.day import TradingDay
from services.simulator.gauges import readings
from services.simulator.market.instrument import listing_of
from services.simulator.options import OptionsError, SimulatorOptions, load_options, preset_names
from services.simulator.server import Server, wall_clock
from services.simulator.wire import Address, AddressError, parse_address
from services.simulator.world import World


def build_world(
    config_dir: Path, plan: DayPlan, options: SimulatorOptions, seed: int, start_ns: int
) -> World:
    """The world of one trading date. Raises ConfigError, NotCovered or ValueError."""
    rules = load_market(config_dir)
    date: TradingDate = plan.trading_date
    listings = [
        listing_of(share, rules.instruments, date, krx_only=share.code in options.world.krx_only)
        for share in load_listing(config_dir)
    ]
    costs = {market: rules.costs.costs_of(date, market) for market in Market}
    day = TradingDay(rules.timetable.day(date), plan.market_ns, date)
    return World(listings, costs, day, options, seed, start_ns)


def main(argv: list[str] | None = None) -> int:
    """Run until `stop` or a signal to stop. Returns 2 with a message for unusable input."""
    args = _parser().parse_args(argv)
    keep_private()
    clock = wall_clock()
    try:
        options = load_options(args.options) if args.options else SimulatorOptions()
        plan = read_day_plan(args.day_plan) if args.day_plan else REAL_TIME.plan_at(clock())
        world = build_world(args.config_dir, plan, options, args.seed, clock())
        server = Server(world, parse_address(args.listen), clock, stop_on_signals())
        exporter = Exporter("simulator")
        exporter.read_from(process_figures(build_id()))
        exporter.read_from(lambda: readings(world))
        serve(exporter, args.metrics_port)
        asyncio.run(server.run(_say_ready))
    except (AddressError, ConfigError, NotCovered, OptionsError, ValueError, OSError) as error:
        sys.stderr.write(f"simulator: {error}\n")
        return 2
    if args.truth:
        args.truth.write_text(json.dumps(world.snapshot(), ensure_ascii=False, indent=1), encoding="utf-8")
    return 0


def _say_ready(address: Address) -> None:
    """One line on stdout, so that who started the process knows where to connect."""
    sys.stdout.write(json.dumps({"listening": str(address)}) + "\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services.simulator",
        description="Two simulated exchanges and a broker, reached over a local socket.",
    )
    parser.add_argument("--listen", required=True, help="unix:/path or tcp:127.0.0.1:port (port 0: any)")
    parser.add_argument("--config-dir", type=Path, required=True, help="directory of the TOML and CSV files")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--day-plan", type=Path, help="JSON file of a compressed day; default: real time")
    parser.add_argument("--options", help=f"{', '.join(preset_names())}, or a JSON file of options")
    parser.add_argument("--metrics-port", type=int, default=0, help="Prometheus port; 0 serves none")
    parser.add_argument("--truth", type=Path, help="write the final books to this file at the end")
    return parser
