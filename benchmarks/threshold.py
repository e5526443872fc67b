"""What a cross earns in simulated days by the edge that was expected, and the threshold row that follows.

Days of the `demo` market run under the plain buffer rule, so that small edges are traded too. Orders and
frames travel 80 to 400 ms: assumed, as nobody has measured it, and more than the demo's own. Each bought
clip is one sample: what its quotes promised, and what the broker's books say that it brought. A clip whose
pair opened a residual missed its sale. `python -m benchmarks.threshold [--seeds A:B] [--jobs N]
[--crosses N] [--delay-ms A:B] [--preset NAME] [--json FILE]`, or `make bench-threshold`. The seeds
decide every figure.
"""

import argparse
import json
import multiprocessing
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from decimal import ROUND_CEILING, Decimal
from functools import cache, partial
from pathlib import Path
from typing import Final

from services.cli.simulate import LOG_LEVEL, parse_seeds
from services.contracts.messages.intents import TradeIntent
from services.contracts.messages.pairs import ClipRecomputed, PairApproved, ResidualOpened
from services.contracts.terms import Side
from services.contracts.threshold import Basis, ThresholdRow
from services.contracts.trading_limits import BufferRule
from services.lab.broker_books import BrokerOrder
from services.lab.record import Record
from services.runtime.logs import configure_logs
from services.runtime.settings import config_dir
from services.simulator.options import AccountOptions, SimulatorOptions, load_options
from services.simulator.virtual.day import VirtualDay
from services.simulator.virtual.desk import Desk, build_desk
from services.simulator.virtual.faults import CALM

SEEDS: Final = "1:121"
CROSSES_PER_MIN: Final = 25.0
"""Dislocations per symbol and minute. A day trades for 15 s, and in bursts five orders a second bind."""
DELAY_MS: Final = "80:400"
BUCKET_BPS: Final = 10
MARGINAL_BPS: Final = 30
"""The row is made of clips that expected less than this: those about which the threshold decides."""
FLOOR_KRW: Final = 10
"""Less than this the rounding of four charges decides; a simulated pair has no other cost of its own."""
PLAIN: Final = BufferRule.MAX_OF_COST_PLUS_BP_AND_TICK
HEADS: Final = ("expected bps", "clips", "expected", "realised", "missed", "loss a miss")


@dataclass(frozen=True, slots=True)
class Clip:
    """One bought clip. Money in KRW: paid without charges, and the net after all charges."""

    paid_krw: int
    expected_krw: Decimal
    realised_krw: int
    missed: bool

    @property
    def expected_bps(self) -> Decimal:
        return self.expected_krw * 10_000 / self.paid_krw


@dataclass(frozen=True, slots=True)
class Group:
    """Several clips. Basis points are of all that was paid; a miss loses what it brings below its promise."""

    name: str
    clips: int
    expected_bps: Decimal
    realised_bps: Decimal
    miss_rate: Decimal
    loss_bps: Decimal


def main() -> int:
    args = _arguments()
    configure_logs(LOG_LEVEL)
    seeds = parse_seeds(args.seeds)
    options = market(args.preset, args.crosses, parse_delay(args.delay_ms))
    clips = [clip for day in run(options, seeds, args.jobs) for clip in day]
    source = f"python -m benchmarks.threshold --seeds {args.seeds} --crosses {args.crosses:g}"
    source += f" --delay-ms {args.delay_ms} --preset {args.preset}"
    row = proposed(clips, f"{source}: {len(clips)} clips")
    print("\n".join(report(clips, row)))
    if args.json is not None:
        groups = [asdict(group) for group in (*buckets(clips), group_of("all", clips))]
        found = {"source": row.source, "groups": groups, "row": row.model_dump(mode="json")}
        args.json.write_text(json.dumps(found, indent=2, default=str) + "\n", encoding="utf-8")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", default=SEEDS, metavar="A:B")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--crosses", type=float, default=CROSSES_PER_MIN, metavar="PER_MINUTE")
    parser.add_argument("--delay-ms", default=DELAY_MS, metavar="A:B", help="of an order, and of a frame")
    parser.add_argument("--preset", default="demo", help="the simulated market, by name or JSON file")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args()


# -- the days ------------------------------------------------------------------------------


def parse_delay(text: str) -> tuple[int, int]:
    """Return the least and the longest delay of `A:B`, in ms. Raises ValueError with what is wrong."""
    first, colon, last = text.partition(":")
    if not colon or not first.isdigit() or not last.isdigit() or int(first) > int(last):
        raise ValueError(f"a delay is written A:B, whole ms with B not below A, not {text!r}")
    return int(first), int(last)


def market(preset: str, crosses_per_min: float, delay_ms: tuple[int, int]) -> SimulatorOptions:
    """The options of a preset, cut down to what a short day needs. Raises OptionsError."""
    options = load_options(preset)
    faults = replace(options.faults, order_delay_ms=delay_ms, event_delay_ms=delay_ms)
    world = replace(options.world, levels=4, session_poll_ms=100, crosses_per_symbol_min=crosses_per_min)
    return replace(options, world=world, faults=faults, account=AccountOptions(cash_krw=200_000_000))


def run(options: SimulatorOptions, seeds: Sequence[int], jobs: int) -> Iterator[list[Clip]]:
    """The clips of each day, in the order of the seeds."""
    day = partial(clips_of_day, config_dir(), options)
    if jobs == 1:
        yield from map(day, seeds)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, initializer=configure_logs, initargs=(LOG_LEVEL,)) as pool:
        yield from pool.map(day, seeds, chunksize=4)


def clips_of_day(folder: Path, options: SimulatorOptions, seed: int) -> list[Clip]:
    """Run one day in which nothing goes wrong but what the market's options say."""
    day = VirtualDay(_desk(folder), seed, CALM, options=options)
    day.run()
    return list(clips_in(day.witness))


@cache
def _desk(folder: Path) -> Desk:
    return build_desk(folder, PLAIN)


def clips_in(day: Record) -> Iterator[Clip]:
    """Every clip that bought something, by the broker's books."""
    intents = {intent.intent_id: intent for intent in day.ever(TradeIntent)}
    looked = {(again.pair_id, again.clip): again for again in day.ever(ClipRecomputed)}
    residual = {opened.pair_id for opened in day.ever(ResidualOpened)}
    orders = orders_by_clip(day.orders())
    for pair in day.ever(PairApproved):
        numbers = sorted(clip for pair_id, clip in orders if pair_id == pair.pair_id)
        for clip in numbers:
            worked = orders[pair.pair_id, clip]
            missed = pair.pair_id in residual and clip == numbers[-1]
            yield from _clip(worked, intents[pair.intent_id], looked.get((pair.pair_id, clip)), missed)


def orders_by_clip(orders: Iterable[BrokerOrder]) -> dict[tuple[str, int], list[BrokerOrder]]:
    """The broker's orders by pair and clip, as their ids name them."""
    found: dict[tuple[str, int], list[BrokerOrder]] = {}
    for order in orders:
        pair_id, clip, *_ = order.rqname.split(".")
        found.setdefault((pair_id, int(clip)), []).append(order)
    return found


def _clip(
    orders: Sequence[BrokerOrder], intent: TradeIntent, looked: ClipRecomputed | None, missed: bool
) -> Iterator[Clip]:
    bought = [order for order in orders if order.side is Side.BUY]
    shares = sum(order.filled_shares for order in bought)
    if not shares:
        return
    asked = sum(order.qty_shares for order in bought)
    promise_krw = Decimal(intent.net_edge_krw) / intent.qty_shares
    if looked is not None:
        promise_krw = Decimal(looked.net_edge_krw) / asked
    paid_krw = sum(order.amount_krw for order in bought)
    brought_krw = sum(order.amount_krw for order in orders) - paid_krw
    charges_krw = sum(order.commission_krw + order.tax_krw for order in orders)
    yield Clip(paid_krw, promise_krw * shares, brought_krw - paid_krw - charges_krw, missed)


# -- what they come to ---------------------------------------------------------------------


def group_of(name: str, clips: Sequence[Clip]) -> Group:
    """Add clips up. Raises ValueError where there are none."""
    if not clips:
        raise ValueError(f"{name}: no clip was bought; run more seeds or more crosses")
    missed = [clip for clip in clips if clip.missed]
    return Group(
        name=name, clips=len(clips),
        expected_bps=_bps(sum(c.expected_krw for c in clips), clips),
        realised_bps=_bps(sum(c.realised_krw for c in clips), clips),
        miss_rate=Decimal(len(missed)) / len(clips),
        loss_bps=_bps(sum(c.expected_krw - c.realised_krw for c in missed), missed),
    )  # fmt: skip


def _bps(amount_krw: Decimal | int, clips: Sequence[Clip]) -> Decimal:
    paid_krw = sum(clip.paid_krw for clip in clips)
    return Decimal(amount_krw) * 10_000 / paid_krw if paid_krw else Decimal(0)


def buckets(clips: Sequence[Clip]) -> list[Group]:
    """The clips by what they expected, in steps of `BUCKET_BPS`."""
    by_step: dict[int, list[Clip]] = {}
    for clip in clips:
        by_step.setdefault(int(clip.expected_bps // BUCKET_BPS), []).append(clip)
    return [
        group_of(f"{step * BUCKET_BPS} to {(step + 1) * BUCKET_BPS}", found)
        for step, found in sorted(by_step.items())
    ]


def proposed(clips: Sequence[Clip], source: str) -> ThresholdRow:
    """The default row that these clips speak for, rounded against us.

    Raises:
        ValueError: no clip expected less than `MARGINAL_BPS`.
    """
    marginal = [clip for clip in clips if clip.expected_bps < MARGINAL_BPS]
    found = group_of(f"below {MARGINAL_BPS}", marginal)
    return ThresholdRow(
        miss_rate=found.miss_rate.quantize(Decimal("0.01"), ROUND_CEILING),
        loss_bps=max(found.loss_bps, Decimal(0)).quantize(Decimal(1), ROUND_CEILING),
        floor_krw=FLOOR_KRW, basis=Basis.SIMULATED, source=source,
    )  # fmt: skip


def kept_by(row: ThresholdRow, clips: Iterable[Clip]) -> list[Clip]:
    """The clips that the row would have let pass, with 1 bp of buffer."""
    return [
        clip
        for clip in clips
        if clip.expected_bps >= 1 + row.expected_bps and clip.expected_krw >= row.floor_krw
    ]


def report(clips: Sequence[Clip], row: ThresholdRow) -> list[str]:
    """Lines for a screen: a table, what the row keeps, and the row as it is pasted."""
    groups = [*buckets(clips), group_of("all", clips)]
    kept = kept_by(row, clips)
    if kept:
        groups.append(group_of("with this row", kept))
    return [
        "".join(f"{head:>14}" for head in HEADS),
        *(_line(group) for group in groups),
        "", "[default]", f"miss_rate = {row.miss_rate}", f"loss_bps = {row.loss_bps}",
        f"floor_krw = {row.floor_krw}", f'basis = "{row.basis}"', f'source = "{row.source}"',
    ]  # fmt: skip


def _line(group: Group) -> str:
    cells = (
        group.name, f"{group.clips}", f"{group.expected_bps:+.1f}", f"{group.realised_bps:+.1f}",
        f"{group.miss_rate:.0%}", f"{group.loss_bps:.1f}",
    )  # fmt: skip
    return "".join(f"{cell:>14}" for cell in cells)


if __name__ == "__main__":
    raise SystemExit(main())
