"""What a cross earns in simulated days by its age and the quote that moved last, and the row that follows.

Days of the `demo` market run under the plain buffer rule, so that small edges are traded too, once for each
least age of a cross. Orders and frames travel 80 to 400 ms: assumed, as nobody has measured it, and more than
the demo's own. Each bought clip is one sample: what its quotes promised, and what the broker's books say that
it brought. A clip whose pair opened a residual missed its sale. `python -m benchmarks.threshold [--seeds A:B]
[--jobs N] [--crosses N] [--delay-ms A:B] [--preset NAME] [--min-cross-ms A,B] [--json FILE]`, or
`make bench-threshold`. The seeds decide every figure.
"""

import argparse
import json
import multiprocessing
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from decimal import ROUND_CEILING, Decimal
from functools import cache, partial
from math import isqrt
from pathlib import Path
from typing import Final

from services.cli.simulate import LOG_LEVEL, parse_seeds
from services.contracts.terms import MovedLast
from services.contracts.threshold import Basis, MissFigures, ThresholdRow, row_lines
from services.contracts.trading_limits import BufferRule
from services.lab.fills import Clip, clips_of
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
MIN_CROSS_MS: Final = "0,150,300,600"
BUCKET_BPS: Final = 10
MARGINAL_BPS: Final = 30
"""The row is made of clips that expected less than this: those about which the threshold decides."""
FLOOR_KRW: Final = 10
"""Less than this the rounding of four charges decides; a simulated pair has no other cost of its own."""
PLAIN: Final = BufferRule.MAX_OF_COST_PLUS_BP_AND_TICK
HEADS: Final = ("clips", "expected", "realised", "missed", "loss a miss", "won a day")


@dataclass(frozen=True, slots=True)
class Group:
    """Several clips. Basis points are of all that was paid; a miss loses what it brings below its promise."""

    name: str
    clips: int
    expected_bps: Decimal
    realised_bps: Decimal
    miss_rate: Decimal
    loss_bps: Decimal
    realised_krw: int


@dataclass(frozen=True, slots=True)
class Run:
    """The clips of `days` days under one least age of a cross."""

    min_cross_ms: int
    days: int
    clips: list[Clip]

    @property
    def realised_krw(self) -> int:
        return sum(clip.realised_krw for clip in self.clips)


def main() -> int:
    args = _arguments()
    configure_logs(LOG_LEVEL)
    seeds = parse_seeds(args.seeds)
    options = market(args.preset, args.crosses, parse_delay(args.delay_ms))
    runs = [
        Run(least_ms, len(seeds), [clip for day in run(options, seeds, args.jobs, least_ms) for clip in day])
        for least_ms in parse_ages(args.min_cross_ms)
    ]
    source = f"python -m benchmarks.threshold --seeds {args.seeds} --crosses {args.crosses:g}"
    source += f" --delay-ms {args.delay_ms} --preset {args.preset} --min-cross-ms {args.min_cross_ms}"
    row = proposed(runs, source)
    print("\n".join(report(runs, row)))
    if args.json is not None:
        groups = [asdict(group) for found in runs for group in (*sides(found), *buckets(found))]
        shown = {"source": row.source, "groups": groups, "row": row.model_dump(mode="json")}
        args.json.write_text(json.dumps(shown, indent=2, default=str) + "\n", encoding="utf-8")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", default=SEEDS, metavar="A:B")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--crosses", type=float, default=CROSSES_PER_MIN, metavar="PER_MINUTE")
    parser.add_argument("--delay-ms", default=DELAY_MS, metavar="A:B", help="of an order, and of a frame")
    parser.add_argument("--preset", default="demo", help="the simulated market, by name or JSON file")
    parser.add_argument("--min-cross-ms", default=MIN_CROSS_MS, metavar="A,B", help="least ages of a cross")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args()


# -- the days ------------------------------------------------------------------------------


def parse_delay(text: str) -> tuple[int, int]:
    """Return the least and the longest delay of `A:B`, in ms. Raises ValueError with what is wrong."""
    first, colon, last = text.partition(":")
    if not colon or not first.isdigit() or not last.isdigit() or int(first) > int(last):
        raise ValueError(f"a delay is written A:B, whole ms with B not below A, not {text!r}")
    return int(first), int(last)


def parse_ages(text: str) -> list[int]:
    """Return the least ages of `A,B`, in ms. Raises ValueError with what is wrong."""
    if not all(part.isdigit() for part in text.split(",")):
        raise ValueError(f"least ages are whole ms with a comma between them, not {text!r}")
    return [int(part) for part in text.split(",")]


def market(preset: str, crosses_per_min: float, delay_ms: tuple[int, int]) -> SimulatorOptions:
    """The options of a preset, cut down to what a short day needs. Raises OptionsError."""
    options = load_options(preset)
    way = (delay_ms[0], isqrt(delay_ms[0] * delay_ms[1]), delay_ms[1])
    latency = replace(options.latency, order_ms=way, report_ms=way, feed_ms=way)
    world = replace(options.world, levels=4, session_poll_ms=100, crosses_per_symbol_min=crosses_per_min)
    return replace(options, world=world, latency=latency, account=AccountOptions(cash_krw=200_000_000))


def run(
    options: SimulatorOptions, seeds: Sequence[int], jobs: int, min_cross_ms: int
) -> Iterator[list[Clip]]:
    """The clips of each day, in the order of the seeds."""
    day = partial(clips_of_day, config_dir(), options, min_cross_ms)
    if jobs == 1:
        yield from map(day, seeds)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, initializer=configure_logs, initargs=(LOG_LEVEL,)) as pool:
        yield from pool.map(day, seeds, chunksize=4)


def clips_of_day(folder: Path, options: SimulatorOptions, min_cross_ms: int, seed: int) -> list[Clip]:
    """Run one day in which nothing goes wrong but what the market's options say."""
    day = VirtualDay(_desk(folder, min_cross_ms), seed, CALM, options=options)
    day.run()
    return list(clips_of(day.witness).values())


@cache
def _desk(folder: Path, min_cross_ms: int) -> Desk:
    return build_desk(folder, PLAIN, min_cross_ms)


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
        realised_krw=sum(c.realised_krw for c in clips),
    )  # fmt: skip


def _bps(amount_krw: Decimal | int, clips: Sequence[Clip]) -> Decimal:
    paid_krw = sum(clip.paid_krw for clip in clips)
    return Decimal(amount_krw) * 10_000 / paid_krw if paid_krw else Decimal(0)


def sides(found: Run) -> list[Group]:
    """The clips of a run by the quote that moved last, and all of them."""
    by_side = {side: [clip for clip in found.clips if clip.moved_last is side] for side in MovedLast}
    name = f"{found.min_cross_ms} ms"
    groups = [group_of(f"{name}, {side}", clips) for side, clips in by_side.items() if clips]
    return [*groups, group_of(f"{name}, all", found.clips)] if found.clips else []


def buckets(found: Run) -> list[Group]:
    """The clips of a run by what they expected, in steps of `BUCKET_BPS`."""
    by_step: dict[int, list[Clip]] = {}
    for clip in found.clips:
        by_step.setdefault(int(clip.expected_bps // BUCKET_BPS), []).append(clip)
    return [
        group_of(f"{found.min_cross_ms} ms, {step * BUCKET_BPS} to {(step + 1) * BUCKET_BPS} bps", clips)
        for step, clips in sorted(by_step.items())
    ]


def best_of(runs: Sequence[Run]) -> Run:
    """The run that brought most; of two that brought the same the one that waits less."""
    return max(runs, key=lambda found: (found.realised_krw, -found.min_cross_ms))


def proposed(runs: Sequence[Run], source: str) -> ThresholdRow:
    """The default row that the best run speaks for, rounded against us.

    A side without a clip of its own has the figures of all.

    Raises:
        ValueError: no clip expected less than `MARGINAL_BPS`.
    """
    best = best_of(runs)
    marginal = [clip for clip in best.clips if clip.expected_bps < MARGINAL_BPS]
    figures = {
        side: _figures([clip for clip in marginal if clip.moved_last is side] or marginal)
        for side in (MovedLast.ASK, MovedLast.BID)
    }
    return ThresholdRow(
        min_cross_ms=best.min_cross_ms, ask_moved_last=figures[MovedLast.ASK],
        bid_moved_last=figures[MovedLast.BID], floor_krw=FLOOR_KRW, basis=Basis.SIMULATED,
        source=f"{source}: {len(best.clips)} clips",
    )  # fmt: skip


def _figures(clips: Sequence[Clip]) -> MissFigures:
    found = group_of(f"below {MARGINAL_BPS} bps", clips)
    return MissFigures(
        miss_rate=found.miss_rate.quantize(Decimal("0.01"), ROUND_CEILING),
        loss_bps=max(found.loss_bps, Decimal(0)).quantize(Decimal(1), ROUND_CEILING),
    )


def kept_by(row: ThresholdRow, clips: Iterable[Clip]) -> list[Clip]:
    """The clips that the row would have let pass, with 1 bp of buffer."""
    return [
        clip
        for clip in clips
        if clip.expected_bps >= 1 + row.at(clip.moved_last).miss.expected_bps
        and clip.expected_krw >= row.floor_krw
    ]


def report(runs: Sequence[Run], row: ThresholdRow) -> list[str]:
    """Lines for a screen: a table by age and side, the best run by edge, and the row as it is pasted."""
    best = best_of(runs)
    lines = [_line(group, found.days) for found in runs for group in sides(found)]
    lines += [_line(group, best.days) for group in buckets(best)]
    kept = kept_by(row, best.clips)
    if kept:
        lines.append(_line(group_of("with this row", kept), best.days))
    head = f"{'':<24}" + "".join(f"{head:>13}" for head in HEADS)
    return [head, *lines, "", *row_lines("default", row)]


def _line(group: Group, days: int) -> str:
    cells = (
        f"{group.clips}", f"{group.expected_bps:+.1f}", f"{group.realised_bps:+.1f}",
        f"{group.miss_rate:.0%}", f"{group.loss_bps:.1f}", f"{group.realised_krw // days:+,}",
    )  # fmt: skip
    return f"{group.name:<24}" + "".join(f"{cell:>13}" for cell in cells)


if __name__ == "__main__":
    raise SystemExit(main())
