"""What `appendfsync always` would cost beside `everysec`: one commit, and the way from a tick to its order.

One Redis, one desk of real processes. The two policies take turns, so that what else the machine does falls
on both alike. Compare the ratios, and measure on the disk that the desk's Redis has: `everysec` loses at most
the last second when the machine dies, `always` nothing that was acknowledged.
`python -m benchmarks.fsync [--commits N] [--orders N] [--folder DIR] [--json FILE]`, or `make bench-fsync`.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import redis

from benchmarks.halt import DESK
from services.contracts.envelope import Envelope
from services.contracts.limits import NS_PER_MS
from services.contracts.messages.control import TradingStateChanged
from services.contracts.messages.intents import TradeIntent
from services.contracts.messages.orders import OrderSent
from services.contracts.messages.pairs import PairApproved
from services.contracts.streams import CONTROL
from services.contracts.terms import TradingState
from services.runtime.bus import Write
from services.runtime.redis_bus import RedisBus
from services.runtime.redis_server import find_redis
from tests.support.live_desk import SERVICES, LiveDesk

POLICIES: Final = ("everysec", "always")
TURN: Final = 50
"""Commits of one policy before it is the other's turn."""
STATE_BYTES: Final = 8_000
Samples = dict[str, list[float]]


def commit_ms(folder: Path, commits: int) -> Samples:
    """A commit as risk makes one: a part of its state, its positions, two entries."""
    server = find_redis("", folder)
    client = redis.Redis.from_url(server.url)
    bus, found = RedisBus(client), Samples({policy: [] for policy in POLICIES})
    epoch = bus.take_over("bench").epoch
    message = TradingStateChanged(state=TradingState.ARMED, by="bench", reason="bench", latches=())
    try:
        for number in range(2 * commits):
            policy = POLICIES[number // TURN % 2]
            if number % TURN == 0:
                client.config_set("appendfsync", policy)
            wrapped = Envelope.wrap(message, source="bench", now_ns=number, causation_id=f"{number}")
            writes = [Write(CONTROL.key, wrapped)] * 2
            began_s = time.perf_counter()
            bus.commit("bench", epoch, {"part": "x" * STATE_BYTES}, {CONTROL.key: f"{number}-0"}, writes)
            found[policy].append((time.perf_counter() - began_s) * 1_000)
    finally:
        client.close()
        server.stop()
    return found


def tick_to_order_ms(orders: int) -> Samples:
    """From the newer quote of an intent to the moment at which its buy left the machine."""
    found = Samples({policy: [] for policy in POLICIES})
    desk: LiveDesk = DESK(services=SERVICES)
    try:
        desk.start()
        desk.armed()
        for number in range(2 * orders):
            policy = POLICIES[number % 2]
            desk.link.client.config_set("appendfsync", policy)
            mark = desk.mark()
            desk.traded(desk.next_symbol())
            desk.read()
            found[policy] += _first_order_ms(desk, mark)
            print(f"\rorder {number + 1} of {2 * orders}", end="", file=sys.stderr, flush=True)
    finally:
        desk.stop()
        print(file=sys.stderr)
    return found


def _first_order_ms(desk: LiveDesk, mark: int) -> list[float]:
    """Of the first order that was sent; nothing where none was."""
    intents = {m.intent_id: m for m in desk.since(mark, TradeIntent)}
    approved = {m.pair_id: intents.get(m.intent_id) for m in desk.since(mark, PairApproved)}
    for item in desk.heard[mark:]:
        if not isinstance(item.message, OrderSent):
            continue
        intent = approved.get(item.message.facts.pair_id)
        if intent is not None:
            quoted_ns = max(intent.quote_a.ts_event_ns, intent.quote_b.ts_event_ns)
            return [(item.envelope.ts_init_ns - quoted_ns) / NS_PER_MS]
    return []


def row(name: str, samples: Samples) -> dict[str, float | str]:
    middle = {policy: statistics.median(samples[policy]) for policy in POLICIES}
    late = {policy: statistics.quantiles(samples[policy], n=20)[-1] for policy in POLICIES}
    return {
        "what": name,
        **{f"{policy}_p50_ms": round(middle[policy], 2) for policy in POLICIES},
        **{f"{policy}_p95_ms": round(late[policy], 2) for policy in POLICIES},
        "ratio_p50": round(middle["always"] / middle["everysec"], 2),
        "ratio_p95": round(late["always"] / late["everysec"], 2),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--commits", type=int, default=2_000)
    parser.add_argument("--orders", type=int, default=20)
    parser.add_argument("--folder", type=Path, help="on the disk to be measured; default: a temporary one")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder, prefix="fsync") as folder:
        rows = [row("commit", commit_ms(Path(folder) / "r", args.commits))]
    rows.append(row("tick to order", tick_to_order_ms(args.orders)))
    for found in rows:
        print("   ".join(f"{name} {value}" for name, value in found.items()))
    if args.json is not None:
        args.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
