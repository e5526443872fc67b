"""Does the system keep up with twice the quotes of its busiest second?

Quotes of many symbols on both venues go through a real Redis to real detector and risk processes, first at
the peak rate and then at twice it. What matters is printed beside what it may be: the age of the quotes that
an intent was made from, the age of an intent when its verdict fell, quotes nobody read, and the entries that
were still unread when the last quote was sent. `python -m benchmarks.capacity`, or `make bench-capacity`.

The peak is that of a recorded day (`--journal <journal>/<date>`), or five changes a second of every book.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from services.cli.link import Link, Seen, open_link
from services.contracts.envelope import Envelope, Message
from services.contracts.limits import INTENT_TTL_MS, NS_PER_MS, NS_PER_S, TICKS_KEPT
from services.contracts.messages.intents import TradeIntent
from services.contracts.messages.market_data import QuoteUpdated
from services.contracts.messages.pairs import PairApproved, PairDenied
from services.contracts.messages.status import DetectorStatus
from services.contracts.messages.venue_state import (
    ConfirmedBy,
    ConnectionChanged,
    ConnectionState,
    DayFactsPublished,
    EntryWindowChanged,
    FeedLivenessChanged,
    PriceBand,
    SessionPhaseChanged,
)
from services.contracts.reference import SymbolEntry
from services.contracts.streams import INTENTS, PAIRS, STATUS, TICKS, home_of, key_of
from services.contracts.terms import Market, SessionPhase, Symbol, TradingDate, Venue
from services.contracts.trading_limits import TradingLimits
from services.market.files import write_day_plan
from services.market.symbols import write_symbol_map
from services.notifier.journal_line import order_of
from services.notifier.journal_reader import read_lines
from services.runtime.bus import Write
from services.runtime.redis_server import find_redis
from services.runtime.service import book_of
from tests.support.live_desk import DATE, mid_morning

ROOT: Final = Path(__file__).parents[1]
CHANGES_PER_BOOK: Final = 5
BASE_KRW, TICK_KRW, LEVELS = 70_000, 100, 5
TURN_S: Final = 0.01
CROSSED: Final = 0.02
"""How many of all quotes cross the other venue's book: far more than a market shows."""
SETTLE_S: Final = 3.0
DEADLINE_S: Final = 60.0


def peak_of(folder: Path) -> int:
    """The most quotes that a recorded date holds in one second."""
    seconds = Counter(order_of(line.entry_id)[0] // 1_000 for line in read_lines(folder, TICKS))
    if not seconds:
        raise SystemExit(f"no ticks are recorded in {folder}")
    return max(seconds.values())


class Feed:
    """Books that wander by a tick and now and then cross, as many as a second is to hold."""

    def __init__(self, link: Link, symbols: dict[Symbol, str], seed: int) -> None:
        self._link, self._groups = link, symbols
        self._random = random.Random(seed)
        self._books = [(symbol, venue) for symbol in symbols for venue in Venue]
        self._seq: Counter[tuple[Symbol, Venue]] = Counter()
        self.sent = 0

    def run(self, per_s: int, seconds: float) -> float:
        """Send `per_s` quotes a second; returns how many a second it really was."""
        began, before = time.monotonic(), self.sent
        while (passed := time.monotonic() - began) < seconds:
            due = int(per_s * passed) - (self.sent - before)
            if due > 0:
                now_ns = self._link.bus.time_ns()
                self._link.bus.append([self._quote(now_ns) for _ in range(due)])
            time.sleep(TURN_S)
        return (self.sent - before) / (time.monotonic() - began)

    def _quote(self, now_ns: int) -> Write:
        symbol, venue = book = self._random.choice(self._books)
        self._seq[book] += 1
        self.sent += 1
        bid = BASE_KRW + TICK_KRW * self._random.randint(-1, 1)
        if venue is Venue.NXT and self._random.random() < CROSSED:
            bid += 8 * TICK_KRW
        quote = QuoteUpdated(
            symbol=symbol, venue=venue,
            bids=tuple((bid - TICK_KRW * n, 100) for n in range(LEVELS)),
            asks=tuple((bid + TICK_KRW * (n + 1), 100) for n in range(LEVELS)),
            exchange_time="100000", connection_epoch=1, feed_seq=self._seq[book],
        )  # fmt: skip
        envelope = Envelope.wrap(
            quote, source="bench", now_ns=now_ns, causation_id=f"{symbol}{venue}{self._seq[book]}"
        )
        return Write(key_of(TICKS, self._groups[symbol]), envelope, TICKS_KEPT, book_of(quote))


def opening(symbols: dict[Symbol, str], now_ns: int) -> list[Message]:
    """What a gateway says of a morning on which all symbols trade."""
    band = PriceBand(base_krw=BASE_KRW, lower_krw=BASE_KRW // 2, upper_krw=BASE_KRW * 2)
    date = TradingDate(DATE)
    said: list[Message] = [
        ConnectionChanged(state=ConnectionState.READY, connection_epoch=1, planned=False),
        DayFactsPublished(
            trading_date=date, nxt_eligible=tuple(symbols), order_warnings=(),
            bands=dict.fromkeys(symbols, band),
        ),
        EntryWindowChanged(
            open=True, reason="bench", trading_date=date, market_time="10:00:00",
            closes_at_ns=now_ns + 3_600 * NS_PER_S,
        ),
    ]  # fmt: skip
    for venue in Venue:
        said.append(
            SessionPhaseChanged(
                venue=venue, phase=SessionPhase.CONTINUOUS, trading_date=date, market_time="10:00:00",
                confirmed_by=ConfirmedBy.TIMETABLE,
            )
        )  # fmt: skip
        said.append(FeedLivenessChanged(venue=venue, alive=True, last_event_ns=now_ns))
    return said


@contextmanager
def system(symbols: dict[Symbol, str], groups: tuple[str, ...]) -> Iterator[Link]:
    """Redis, risk and a detector for each group, told that the market is open."""
    folder = Path(tempfile.mkdtemp(prefix="arb-capacity-"))
    server = find_redis("", folder / "redis")
    link = open_link(server.url)
    processes: list[subprocess.Popen[bytes]] = []
    try:
        config = folder / "config"
        shutil.copytree(ROOT / "config", config, ignore=shutil.ignore_patterns("slack.toml"))
        entries = (
            SymbolEntry(krx_code=code, nxt_code=f"{code}_NX", name=f"Share {code}", market=Market.KOSPI,
                        group=group, enabled=True) for code, group in symbols.items()
        )  # fmt: skip
        (config / "symbol_map.csv").write_text(write_symbol_map(entries), encoding="utf-8")
        write_day_plan(folder / "plan.json", mid_morning(link.bus.time_ns()))
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("ARB_")},
            "PYTHONPATH": str(ROOT), "ARB_CONFIG_DIR": str(config), "ARB_RUNTIME_REDIS_URL": server.url,
            "ARB_RUNTIME_DAY_PLAN": str(folder / "plan.json"), "ARB_RUNTIME_GROUPS": json.dumps(groups),
        }  # fmt: skip
        for name, extra in (("risk", {}), *(("detector", {"ARB_DETECTOR_GROUP": group}) for group in groups)):
            log = (folder / f"{name}.log").open("ab")
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", f"services.{name}"], env={**environment, **extra}, cwd=folder,
                    stdout=log, stderr=log,
                )
            )  # fmt: skip
        ready(link, len(groups))
        say(link, opening(symbols, link.bus.time_ns()))
        time.sleep(SETTLE_S)
        yield link
    finally:
        for process in processes:
            process.kill()
            process.wait()
        link.close()
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def ready(link: Link, detectors: int) -> None:
    """Wait until every detector reports."""
    follower, heard = link.follow([key_of(STATUS)]), set[str]()
    until = time.monotonic() + DEADLINE_S
    while len(heard) < detectors:
        if time.monotonic() > until:
            raise SystemExit("the services did not start; read their logs")
        heard |= {
            item.message.group for item in follower.read(100) if isinstance(item.message, DetectorStatus)
        }


def say(link: Link, messages: list[Message]) -> None:
    now_ns = link.bus.time_ns()
    link.bus.append([
        Write(key_of(home_of(type(message))), Envelope.wrap(
            message, source="bench", now_ns=now_ns, causation_id=f"bench-{number}-{now_ns}"))
        for number, message in enumerate(messages)
    ])  # fmt: skip


def measured(link: Link, feed: Feed, per_s: int, seconds: float) -> dict[str, Any]:
    """One run at a rate: what was said about it, as figures."""
    follower = link.follow([key_of(stream) for stream in (INTENTS, PAIRS, STATUS)], tail=1)
    follower.drain()
    before = detectors(link)
    real_per_s = feed.run(per_s, seconds)
    ended_ns = link.bus.time_ns()
    time.sleep(SETTLE_S)
    items = follower.drain()
    after = detectors(link)
    read = sum(after[g].quotes - before[g].quotes for g in after)
    skipped = sum(after[g].quotes_skipped - before[g].quotes_skipped for g in after)
    intents = [i.message for i in items if isinstance(i.message, TradeIntent)]
    late = [intent for intent in intents if intent.decided_at_ns > ended_ns]
    return {
        "asked_per_s": per_s, "sent_per_s": round(real_per_s), "read": read, "skipped": skipped,
        "intents": len(intents), "verdicts": len(verdict_ages(items)), "intents_after_the_end": len(late),
        "quote_age_ms": spread([quote_age_ms(intent) for intent in intents]),
        "verdict_age_ms": spread(verdict_ages(items)),
    }  # fmt: skip


def detectors(link: Link) -> dict[str, DetectorStatus]:
    """The newest status of each detector."""
    follower = link.follow([key_of(STATUS)], tail=200)
    return {i.message.group: i.message for i in follower.drain() if isinstance(i.message, DetectorStatus)}


def quote_age_ms(intent: TradeIntent) -> float:
    """How old the newer of both quotes was when the intent was made."""
    newest_ns = max(intent.quote_a.ts_event_ns, intent.quote_b.ts_event_ns)
    return float(intent.decided_at_ns - newest_ns) / NS_PER_MS


def verdict_ages(items: list[Seen]) -> list[float]:
    """From an intent to its verdict, ms."""
    decided = {
        i.message.intent_id: i.message.decided_at_ns for i in items if isinstance(i.message, TradeIntent)
    }
    return [
        (i.envelope.ts_init_ns - decided[i.message.intent_id]) / NS_PER_MS
        for i in items
        if isinstance(i.message, PairApproved | PairDenied) and i.message.intent_id in decided
    ]


def spread(values: list[float]) -> dict[str, float]:
    ordered = sorted(values) or [0.0]
    return {
        "p50": round(ordered[len(ordered) // 2], 1),
        "p99": round(ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)], 1),
        "max": round(ordered[-1], 1),
    }


def ratios(row: dict[str, Any]) -> dict[str, float]:
    """Each figure as a share of what it may be."""
    oldest_ms = TradingLimits().max_quote_age_sell_ms
    return {
        "sent / asked": row["sent_per_s"] / row["asked_per_s"],
        "quote age p99 / limit": row["quote_age_ms"]["p99"] / oldest_ms,
        "verdict age p99 / intent's life": row["verdict_age_ms"]["p99"] / INTENT_TTL_MS,
        "skipped / read": row["skipped"] / max(1, row["read"]),
        "verdicts / intents": row["verdicts"] / max(1, row["intents"]),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--symbols", type=int, default=200)
    parser.add_argument("--groups", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--peak", type=int, help="quotes a second; default: five of every book")
    parser.add_argument("--journal", type=Path, metavar="FOLDER", help="take the peak of this recorded date")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    groups = tuple(f"g{n + 1}" for n in range(args.groups))
    symbols = {Symbol(f"{n + 1:05d}0"): groups[n % len(groups)] for n in range(args.symbols)}
    peak = args.peak or (peak_of(args.journal) if args.journal else len(symbols) * 2 * CHANGES_PER_BOOK)
    rows = []
    with system(symbols, groups) as link:
        feed = Feed(link, symbols, seed=1)
        for times in (1, 2):
            row = measured(link, feed, peak * times, args.seconds)
            rows.append(
                {"times_peak": times, **row, "ratios": {k: round(v, 4) for k, v in ratios(row).items()}}
            )
            print(json.dumps(rows[-1], indent=2), flush=True)
    if args.json:
        args.json.write_text(
            json.dumps({"symbols": len(symbols), "peak_per_s": peak, "runs": rows}, indent=2)
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
