"""How many virtual days a minute `arb simulate` runs, and what one of them costs.

Days a minute depend on the machine and on what else it does; CPU seconds a day less so; the ratio to a
yardstick measured in the same run (a quote written to JSON and read again) hardly at all: compare that
one between two states of the code. `python -m benchmarks.simulate [--seeds A:B] [--jobs N] [--json FILE]`,
or `make bench-simulate`.
"""

import argparse
import json
import os
import resource
import time
from pathlib import Path

from services.cli.simulate import DAY_HOLDS, LOG_LEVEL, Tally, parse_seeds, run_seeds
from services.contracts.envelope import Envelope, decode
from services.contracts.messages.market_data import QuoteUpdated
from services.contracts.terms import Symbol, Venue
from services.runtime.logs import configure_logs
from services.runtime.settings import config_dir

TRIPS = 20_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", default="1:201", metavar="A:B")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    configure_logs(LOG_LEVEL)
    before_s = yardstick_s()
    tally, started_s, started_cpu_s = Tally(), time.monotonic(), cpu_s()
    for result in run_seeds(config_dir(), parse_seeds(args.seeds), args.jobs):
        tally.add(result)
    figures = tally.figures(time.monotonic() - started_s)
    day_s = (cpu_s() - started_cpu_s) / tally.days
    trip_s = (before_s + yardstick_s()) / 2
    figures |= {"jobs": args.jobs, "cpu_s_per_day": round(day_s, 3), "quotes_per_day": round(day_s / trip_s)}
    print(f"{tally.days:,} days, {args.jobs} at a time: {figures['days_per_minute']:,} a minute")
    print(f"a day takes {day_s:.3f} CPU seconds, as much as {day_s / trip_s:,.0f} quotes written and read")
    print(f"and holds {DAY_HOLDS}; {tally.pairs_closed / tally.days:.1f} pairs closed")
    if args.json is not None:
        args.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


def cpu_s() -> float:
    """CPU seconds of this process and of its children that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def yardstick_s() -> float:
    """CPU seconds that one quote takes to be written to JSON and read again."""
    quote = QuoteUpdated(
        symbol=Symbol("005930"), venue=Venue.KRX, bids=((70_000, 10), (69_900, 5)),
        asks=((70_100, 10), (70_200, 4)), exchange_time="090030", connection_epoch=1, feed_seq=1,
    )  # fmt: skip
    envelope = Envelope.wrap(quote, source="gateway", now_ns=1_800_000_000_000_000_000, causation_id="bench")
    started_s = cpu_s()
    for _ in range(TRIPS):
        decode(envelope.encode())
    return (cpu_s() - started_s) / TRIPS


if __name__ == "__main__":
    raise SystemExit(main())
