"""How long after `arb halt` the last entry leaves and every open order is taken back.

A running simulated desk, orders flowing: entries that rest are commanded as fast as the order budget
takes them. The clock starts at the control entry's Redis id; what the broker saw, and what the gateway
said, is compared with it. Then halts that stand behind 20,000 entries which nobody can read, in each stream
that the command writes to. `python -m benchmarks.halt [--halts N] [--json FILE]`, or `make bench-halt`.
"""

import argparse
import json
import sys
import time
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from services.cli.link import entry_order
from services.contracts.limits import NS_PER_MS
from services.contracts.messages.commands import PlaceOrder
from services.contracts.messages.control import StopRequested, TradingStateChanged
from services.contracts.messages.orders import CommandDenied, OrderAccepted, OrderClosed
from services.contracts.streams import CONTROL, ENTRY_FIELD, Stream, home_of, key_of
from services.contracts.terms import Side, TradingState, Venue
from services.contracts.tick_grid import SHARE_TICKS as TICKS
from tests.support.live_desk import GATEWAY, SYMBOLS, LiveDesk

FAR_TICKS = 9
FLOWING = 3
COMMAND_EVERY_S = 0.05
QUIET_S = 0.5
DESK = partial(LiveDesk, services=(GATEWAY, "risk", "executor"), limits={"max_open_pairs": 4})
FIGURES = (
    "gateway_heard_ms",
    "last_entry_at_broker_ms",
    "cancels_sent_ms",
    "cancels_confirmed_ms",
    "risk_confirmed_ms",
)
JUNK = 20_000
JUNK_HALTS = 3
POLL_S = 0.002
HALT = StopRequested(target=TradingState.HALTED, by="bench", reason="bench")
JUNK_STREAMS = tuple(dict.fromkeys((CONTROL, home_of(type(HALT)))))
_numbers = count(1)


def measured(desk: LiveDesk) -> dict[str, float]:
    """Let entries flow, halt, and return the times of one halt, ms after the control entry's id."""
    mark = desk.mark()
    while len(desk.since(mark, OrderAccepted)) < FLOWING:
        command_entry(desk)
        time.sleep(COMMAND_EVERY_S)
        desk.read()
    envelope = desk.say(HALT)
    for _ in range(4):
        command_entry(desk)
    desk.wait(TradingStateChanged, lambda m: m.state is TradingState.HALTED, mark)
    quiet(desk)
    return times(desk, mark, envelope.id)


def command_entry(desk: LiveDesk) -> None:
    """A purchase that rests below the market, of one of the symbols in turn."""
    number = next(_numbers)
    symbol = SYMBOLS[number % len(SYMBOLS)]
    bid_krw = desk.quote(symbol, Venue.KRX).bids[0][0]
    desk.place(
        f"B{number}-b1",
        Side.BUY,
        TICKS.step(bid_krw, -FAR_TICKS),
        symbol=symbol,
        reference_price_krw=bid_krw,
    )


def quiet(desk: LiveDesk) -> None:
    """Wait until the gateway has answered every command and nothing works at the broker any more."""

    def answered() -> bool:
        desk.read()
        ids = {m.order_id for m in desk.since(0, PlaceOrder)}
        over = {m.order_id for m in desk.since(0, CommandDenied)}
        over |= {m.facts.order_id for m in desk.since(0, OrderClosed)}
        return ids <= over

    desk.until(answered, "every command is answered and over")
    time.sleep(QUIET_S)


def times(desk: LiveDesk, mark: int, request_id: str) -> dict[str, float]:
    asked_ns = next(_id_ns(item.entry_id) for item in desk.heard[mark:] if item.envelope.id == request_id)
    arrivals = [a for a in desk.books()["arrivals"] if a["received_ns"] >= asked_ns - 5_000 * NS_PER_MS]
    entries = [a["received_ns"] for a in arrivals if ".x" not in a["rqname"]]
    sent = [a["received_ns"] for a in arrivals if ".x" in a["rqname"] and a["received_ns"] >= asked_ns]
    said = {type(item.message): item for item in desk.heard[mark:]}
    denied = [item for item in desk.heard[mark:] if isinstance(item.message, CommandDenied)
              and item.message.reason == "halted"]  # fmt: skip
    ends = {
        "gateway_heard_ms": min([*(item.envelope.ts_init_ns for item in denied), *sent]),
        "last_entry_at_broker_ms": max(entries),
        "cancels_sent_ms": max(sent),
        "cancels_confirmed_ms": said[OrderClosed].envelope.ts_init_ns,
        "risk_confirmed_ms": said[TradingStateChanged].envelope.ts_init_ns,
    }  # fmt: skip
    return {name: (at_ns - asked_ns) / NS_PER_MS for name, at_ns in ends.items()}


def behind_junk(stream: Stream) -> list[float]:
    """Return for some halts how many ms after its id the gateway has read one with junk in front of it."""
    desk: LiveDesk = DESK()
    try:
        desk.start()
        desk.made_whole()
        return [_behind_junk(desk, stream) for _ in range(JUNK_HALTS)]
    finally:
        desk.stop()


def _behind_junk(desk: LiveDesk, stream: Stream) -> float:
    pipeline = desk.link.client.pipeline(transaction=False)
    for _ in range(JUNK):
        pipeline.xadd(key_of(stream), {ENTRY_FIELD: "junk"})
    pipeline.execute()
    desk.say(HALT)
    key = key_of(home_of(type(HALT)))
    asked = desk.link.bus.tail(key, 1)[-1]
    while entry_order(desk.link.bus.positions("gateway").get(key, "0-0")) < asked.order:
        time.sleep(POLL_S)
    return (desk.link.bus.time_ns() - _id_ns(asked.entry_id)) / NS_PER_MS


def _id_ns(entry_id: str) -> int:
    return int(entry_id.partition("-")[0]) * NS_PER_MS


def summary(rows: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for name in FIGURES:
        values = sorted(row[name] for row in rows)
        found[name] = {"p50": round(values[len(values) // 2], 1), "max": round(values[-1], 1)}
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--halts", type=int, default=20)
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    desk: LiveDesk = DESK()
    rows: list[dict[str, Any]] = []
    try:
        desk.start()
        for number in range(args.halts):
            desk.made_whole()
            rows.append(measured(desk))
            print(f"\rhalt {number + 1} of {args.halts}", end="", file=sys.stderr, flush=True)
    finally:
        desk.stop()
    junk = {stream.name: behind_junk(stream) for stream in JUNK_STREAMS}
    figures = summary(rows)
    print(file=sys.stderr)
    print(f"after `arb halt` (Redis id of its control entry), {len(rows)} halts, ms:")
    for name in FIGURES:
        print(f"  {name:<26} p50 {figures[name]['p50']:>8}   max {figures[name]['max']:>8}")
    for name, found in junk.items():
        words = ", ".join(f"{ms:.0f}" for ms in found)
        print(f"read by the gateway behind {JUNK:,} entries of junk in {name}, ms: {words}")
    if args.json is not None:
        found_all = {"halts": len(rows), **figures, "behind_junk_ms": junk, "rows": rows}
        args.json.write_text(json.dumps(found_all, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
