"""A small trading desk of real processes: Redis, simulated exchanges, gateway, risk, executor, detector.

The market stands at mid-morning and passes at its own pace, so that both venues trade continuously
for as long as a test takes; nothing crosses but what a test injects. Everything that the services say is
kept in `heard`, and waiting is always for a message or for the broker's books, with a deadline.
"""

import json
import os
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar
from uuid import uuid4

from typer.testing import CliRunner

from services.cli.app import app
from services.cli.fleet import SIMULATOR, FleetPlan, programs, simulator_address
from services.cli.link import Link, Seen, open_link
from services.cli.stack import Stack
from services.contracts.envelope import Envelope, Message, decode
from services.contracts.limits import COMMAND_TTL_MS, LEASE_MS, NS_PER_MS
from services.contracts.messages.commands import CancelOrder, PlaceOrder
from services.contracts.messages.control import (
    ArmRefused,
    HaltLiftRequested,
    LatchCleared,
    LatchClearRequested,
    RequestRefused,
    TradingStateChanged,
    TradingStateRequested,
)
from services.contracts.messages.lease import LeaseRenewed
from services.contracts.messages.market_data import QuoteUpdated
from services.contracts.messages.orders import ForeignOrderSeen, OrderFilled
from services.contracts.messages.pairs import PairApproved, PairClosed
from services.contracts.messages.status import Heartbeat, RiskStatus
from services.contracts.messages.venue_state import ConnectionChanged, ConnectionState
from services.contracts.streams import ORDERS, TABLE, TICKS, home_of, key_of
from services.contracts.terms import OrderKind, Purpose, Side, Symbol, TradingDate, TradingState, Venue
from services.contracts.trading_limits import TradingLimits, limits_text
from services.market.files import write_day_plan
from services.runtime.bus import BusUnavailable, Write
from services.runtime.redis_server import RedisServer, find_redis
from services.simulator.admin import Admin
from tests.support.desk_files import keep_symbols, mid_morning

MessageT = TypeVar("MessageT", bound=Message)
ROOT = Path(__file__).parents[2]
DATE = TradingDate("2026-11-23")
SYMBOLS = (Symbol("005930"), Symbol("000660"), Symbol("005380"), Symbol("373220"))
GATEWAY = "gateway"
GROUP = "g1"
DETECTOR = f"detector-{GROUP}"
SERVICES = (GATEWAY, "risk", "executor", DETECTOR)
DEADLINE_S = 30.0
START_DEADLINE_S = 60.0
COMPARED_S = 200.0
"""Risk waits for a comparison with the broker, and that for queries: 50 in three minutes, all restarts
among them."""
POLL_MS = 20
HEARD_STREAMS = (*tuple(s.key for s in TABLE if "<name>" not in s.key), "{arb}:commands:main")
HALT_FILE = "HALT.txt"
"""As Notepad names it."""
NOT_COPIED = shutil.ignore_patterns("__pycache__", "slack.toml")
CROSS_BPS = 60
CROSS_MS = 2_000
CROSS_AGAIN_S = 2.3
"""A cross that ends takes away one that was made meanwhile: the next begins after it."""
CROSS_DIES_S = 0.5
"""So long after a cross may an intent that it caused still become a pair."""

QUIET_WORLD: Mapping[str, Any] = {"crosses_per_symbol_min": 0.0, "drift_rate": 0.0, "lag_rate": 0.0}
SLOW_BROKER: Mapping[str, Any] = {"order_ms": [500, 525, 550], "line_ms": [40, 50, 60]}
"""Long ways, so that a process can be stopped at a chosen step of an order's life."""
# One pair a cross: a second one would begin while a test looks at the first.
LIMITS: Mapping[str, int] = {
    "clip_shares": 2, "max_pair_shares": 2, "max_pairs_per_symbol_window": 20, "cooldown_ms": 2_500,
    "buy_timeout_ms": 3_000, "sell_timeout_ms": 3_000, "max_quote_age_sell_ms": 3_000,
    "max_quote_age_buy_ms": 5_000, "max_quote_skew_ms": 5_000, "max_errors_per_minute": 100,
    "max_denials_per_minute": 100, "max_unknowns_per_minute": 100, "max_losing_pairs_in_a_row": 100,
}  # fmt: skip


@dataclass
class LiveDesk:
    """Start with `start()`, end with `stop()`. `limits` and `environ` go over the configuration shipped."""

    faults: Mapping[str, Any] = field(default_factory=dict)
    latency: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)
    environ: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    services: tuple[str, ...] = SERVICES
    folder: Path = field(init=False)
    heard: list[Seen] = field(default_factory=list)
    by_hand_krw: int = 0
    """What orders of a person, outside every pair, changed the account's cash by."""
    _turns: Iterator[int] = field(default_factory=count)
    _cross_until_s: float = 0.0
    _forgotten_at: int = 0
    """What was heard before this was in a Redis that has been emptied since."""

    # -- life --------------------------------------------------------------------------

    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="arb-e2e-"))
        self.redis: RedisServer = find_redis("", self.folder / "redis")
        self.link: Link = open_link(self.redis.url)
        self._follower = self.link.follow(HEARD_STREAMS)
        plan = self._fleet_plan()
        self.stack = Stack(self.folder, self.redis.url, self._environ())
        for program in programs(plan):
            if program.name in (SIMULATOR, *self.services):
                own = self.environ.get(program.name, {})
                self.stack.start(replace(program, env={**program.env, **own}))

    def stop(self) -> None:
        for process in self.stack.processes.values():
            process.send(signal.SIGCONT)
        self.stack.stop_all()
        self.link.close()
        self.redis.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _environ(self) -> dict[str, str]:
        """Run a copy of the code as it is now: one build, also where a file is saved meanwhile.

        Risk waits for nobody whom the desk leaves out on purpose.
        """
        shutil.copytree(ROOT / "services", self.folder / "code" / "services", ignore=NOT_COPIED)
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("ARB_", "SLACK_"))}
        needed = [name for name in ("gateway", "executor", "notifier") if name in self.services]
        return {
            **inherited, "PYTHONPATH": str(self.folder / "code"),
            "ARB_RISK_REQUIRED_SERVICES": json.dumps(needed),
        }  # fmt: skip

    def _fleet_plan(self) -> FleetPlan:
        config = self.folder / "config"
        shutil.copytree(ROOT / "config", config, ignore=NOT_COPIED)
        keep_symbols(config, SYMBOLS, GROUP)
        limits = TradingLimits.model_validate({**LIMITS, **self.limits})
        (config / "limits.toml").write_text(limits_text(limits))
        options = self.folder / "options.json"
        sections = {"world": QUIET_WORLD, "faults": self.faults, "latency": self.latency}
        options.write_text(json.dumps({name: dict(section) for name, section in sections.items()}))
        plan_file = self.folder / "plan.json"
        write_day_plan(plan_file, mid_morning(DATE, self.link.bus.time_ns()))
        return FleetPlan(
            self.folder, config, (GROUP,), day_plan=plan_file, simulator_seed=1, simulator_options=options
        )

    # -- processes ---------------------------------------------------------------------

    def kill(self, *names: str) -> None:
        """End processes as a crash would; a stopped one is killed where it stands."""
        for name in names:
            self.stack.processes[name].send(signal.SIGKILL)
        for name in names:
            assert self.stack.processes[name].wait(DEADLINE_S)

    def restart(self, *names: str) -> None:
        """Start processes again and wait until each is heard under a new epoch."""
        mark = self.mark()
        for name in names:
            self.stack.restart(name)
        for name in names:
            self.wait(Heartbeat, _beat_of(name), mark, deadline_s=START_DEADLINE_S)
        if GATEWAY in names:
            self.wait(ConnectionChanged, is_ready, mark, deadline_s=START_DEADLINE_S)

    def made_whole(self) -> None:
        """Everything runs and is armed, with nothing in the way that a test before left there."""
        for name in (HALT_FILE, "HALT"):
            (self.folder / name).unlink(missing_ok=True)
        self.thaw(*self.services)
        dead = [name for name in self.services if not self.stack.processes[name].alive]
        if dead:
            self.restart(*dead)
        self.armed()

    def freeze(self, *names: str) -> None:
        for name in names:
            self.stack.processes[name].send(signal.SIGSTOP)

    def thaw(self, *names: str) -> None:
        for name in names:
            self.stack.processes[name].send(signal.SIGCONT)

    def kill_redis(self) -> None:
        assert self.redis.process is not None
        self.redis.process.kill()
        self.redis.process.wait()

    def restart_redis(self) -> None:
        """Start the server again over what its append-only file kept."""
        self.redis = find_redis("", self.folder / "redis")

    def empty_redis(self) -> None:
        self._forgotten_at = self.mark()
        self.link.client.flushall()

    # -- listening ---------------------------------------------------------------------

    def mark(self) -> int:
        """A point in what was heard: messages from here on are news."""
        self.read()
        return len(self.heard)

    def read(self, block_ms: int = 0) -> None:
        while fresh := self._follower.read(block_ms):
            self.heard += fresh
            block_ms = 0

    def since(self, mark: int, kind: type[MessageT]) -> list[MessageT]:
        return [item.message for item in self.heard[mark:] if isinstance(item.message, kind)]

    def wait(
        self, kind: type[MessageT] | UnionType, where: Callable[[Any], bool] = lambda message: True,
        mark: int = 0, *, deadline_s: float = DEADLINE_S,
    ) -> MessageT:  # fmt: skip
        """Return the first message of a kind since `mark`; fails with the services' last words."""
        deadline, at = time.monotonic() + deadline_s, mark
        while True:
            for item in self.heard[at:]:
                if isinstance(item.message, kind) and where(item.message):
                    return item.message
            at = len(self.heard)
            if time.monotonic() > deadline:
                raise AssertionError(f"no {kind} came in {deadline_s:g} s\n{self.last_words()}")
            try:
                self.read(POLL_MS)
            except BusUnavailable:
                time.sleep(POLL_MS / 1_000)

    def until(self, holds: Callable[[], bool], what: str, *, deadline_s: float = DEADLINE_S) -> None:
        """Poll until `holds`; for what is seen in the broker's books or on disk, not in a stream."""
        deadline = time.monotonic() + deadline_s
        while not holds():
            assert time.monotonic() < deadline, f"not in {deadline_s:g} s: {what}\n{self.last_words()}"
            time.sleep(POLL_MS / 1_000)

    def last_words(self) -> str:
        with suppress(BusUnavailable):
            self.read()
        news = [f"  {type(i.message).__name__} {i.message}"[:300] for i in self.heard
                if not isinstance(i.message, Heartbeat | LeaseRenewed)
                and not type(i.message).__name__.endswith("Status")][-30:]  # fmt: skip
        logs = [f"{name}: {line}"[:600] for name in self.stack.processes
                for line in self.stack.last_lines(name, 4)]  # fmt: skip
        return "\n".join((*news, *logs))

    # -- acting ------------------------------------------------------------------------

    def say(self, message: Message, name: str = "") -> Envelope:
        """Write a message as its own sender would."""
        envelope = Envelope.wrap(
            message, source="test", now_ns=self.link.bus.time_ns(), causation_id=f"test-{uuid4()}"
        )
        self.link.bus.append([Write(key_of(home_of(type(message)), name), envelope)])
        return envelope

    def arb(self, *args: str, code: int = 0) -> str:
        """Run the command line on this desk; fails unless it ends with `code`. Returns what it printed."""
        looks = args[0] in ("status", "preflight") or args[1:2] == ("list",)
        asks = () if looks else ("--by", "test", *(() if "--wait" in args else ("--wait", str(DEADLINE_S))))
        result = CliRunner().invoke(app, [*args, *asks, "--redis", self.redis.url])
        assert result.exit_code == code, f"arb {' '.join(args)}: {result.output} {result.exception!r}"
        return result.stdout

    def status(self) -> dict[str, Any]:
        """What `arb status` tells a script; not every service has to run."""
        result = CliRunner().invoke(app, ["status", "--json", "--redis", self.redis.url])
        board: dict[str, Any] = json.loads(result.stdout)
        return board

    def armed(self) -> None:
        """Arm, and again while risk says why not: a service may not have been heard yet."""
        deadline = time.monotonic() + START_DEADLINE_S
        while True:
            self.unlatched()
            mark = self.mark()
            self.say(self.wish(TradingState.ARMED))
            answer = self.wait(Message, _answers, mark)
            if isinstance(answer, TradingStateChanged) and answer.state is TradingState.ARMED:
                break
            assert time.monotonic() < deadline, f"not armed: {answer}\n{self.last_words()}"
            time.sleep(0.2)
        self.until(self.lease_is_new, "the lease")

    def unlatched(self) -> None:
        """Lift every latch that holds."""
        status = self.newest(RiskStatus)
        for latch in status.latches if status is not None else ():
            mark = self.mark()
            count = self.stop_count()
            self.say(LatchClearRequested(latch=latch, by="test", reason="test", stop_count=count))
            self.wait(Message, _answers, mark)

    def wish(self, target: TradingState) -> Message:
        """What a person asks for who looks now: a halt is lifted first."""
        shown, asked = self.shown(), {"by": "test", "reason": "test", "stop_count": self.stop_count()}
        if shown is not None and shown.state is TradingState.HALTED:
            return HaltLiftRequested(**asked)
        return TradingStateRequested(target=target, **asked)

    def shown(self) -> RiskStatus | TradingStateChanged | None:
        """Risk's newest word on the state."""
        self.read()
        words = (item.message for item in reversed(self.heard))
        return next((word for word in words if isinstance(word, RiskStatus | TradingStateChanged)), None)

    def stop_count(self) -> int:
        """The count of stops that a person who looks now is shown, -1 where risk has said none."""
        shown = self.shown()
        return -1 if shown is None else shown.stop_count

    def newest(self, kind: type[MessageT]) -> MessageT | None:
        self.read()
        return next((i.message for i in reversed(self.heard) if isinstance(i.message, kind)), None)

    def gates_are_open(self) -> bool:
        status = self.newest(RiskStatus)
        return status is not None and not status.gates

    def lease_is_new(self) -> bool:
        return self.link.bus.time_ns() - self.leased_at_ns() < LEASE_MS * NS_PER_MS // 2

    def lease_lives(self) -> bool:
        return self.link.bus.time_ns() - self.leased_at_ns() < LEASE_MS * NS_PER_MS

    def leased_at_ns(self) -> int:
        """When Redis took the newest renewal of the lease, ns; 0 where there is none."""
        self.read()
        ids = [item.entry_id for item in self.heard if isinstance(item.message, LeaseRenewed)]
        return int(ids[-1].partition("-")[0]) * NS_PER_MS if ids else 0

    # -- the market --------------------------------------------------------------------

    def inject(self, what: str, **args: Any) -> None:
        with Admin(simulator_address(self.folder)) as admin:
            admin.inject(what, **args)

    def books(self) -> dict[str, Any]:
        """The broker's own books."""
        with Admin(simulator_address(self.folder)) as admin:
            return admin.snapshot()

    def cash_krw(self) -> int:
        return int(self.books()["cash_krw"])

    def sold_by_hand(self, symbol: Symbol, qty_shares: int) -> int:
        """Sell through another terminal until risk has paused for it; returns the change of cash."""
        before, mark = self.cash_krw(), self.mark()
        self.inject("hand_order", code=symbol, order_type=2, qty_shares=qty_shares)
        self.until(lambda: not self.books()["holdings"].get(symbol), "the sale by hand")
        sold = (symbol, Side.SELL, True)
        self.wait(ForeignOrderSeen, lambda m: (m.symbol, m.side, m.closed) == sold, mark)
        self.wait(TradingStateChanged, lambda m: m.last_stop and m.last_stop.what == f"paused {symbol}", mark)
        return self.cash_krw() - before

    def pair(self, symbol: Symbol) -> PairApproved:
        """Have the venues cross until risk approves a pair of `symbol`."""
        self.until(self.gates_are_open, "all gates of risk open", deadline_s=COMPARED_S)
        mark, deadline = self.mark(), time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            self.inject("cross", code=symbol, venue="NXT", bps=CROSS_BPS, ms=CROSS_MS, shares=500)
            self._cross_until_s = time.monotonic() + CROSS_MS / 1_000 + CROSS_DIES_S
            try:
                return self.wait(PairApproved, lambda m: m.symbol == symbol, mark, deadline_s=CROSS_AGAIN_S)
            except AssertionError:
                continue
        raise AssertionError(f"no pair of {symbol} was approved\n{self.last_words()}")

    def next_symbol(self) -> Symbol:
        """The symbols in turn, so that no test waits for the cooldown of the one before."""
        return SYMBOLS[next(self._turns) % len(SYMBOLS)]

    def traded(self, symbol: Symbol) -> PairClosed:
        """Have one pair opened and closed."""
        approved = self.pair(symbol)
        return self.wait(PairClosed, lambda m: m.pair_id == approved.pair_id)

    def quote(self, symbol: Symbol, venue: Venue) -> QuoteUpdated:
        """The newest book of a venue."""
        for entry in reversed(self.link.bus.tail(key_of(TICKS, GROUP), 200)):
            body = decode(entry.text).body
            if isinstance(body, QuoteUpdated) and (body.symbol, body.venue) == (symbol, venue):
                return body
        raise AssertionError(f"no book of {symbol} on {venue}\n{self.last_words()}")

    def place(self, order_id: str, side: Side, price_krw: int, **changes: Any) -> str:
        """Write an order command as the executor would, under an id that it takes for none of its own."""
        fields: dict[str, Any] = {
            "order_id": order_id, "pair_id": order_id.partition("-")[0], "symbol": SYMBOLS[0],
            "venue": Venue.KRX, "side": side, "kind": OrderKind.LIMIT, "qty_shares": 1,
            "purpose": Purpose.ENTRY if side is Side.BUY else Purpose.EXIT, "price_krw": price_krw,
            "reference_price_krw": price_krw,
            "expires_at_ns": self.link.bus.time_ns() + COMMAND_TTL_MS * NS_PER_MS,
        }  # fmt: skip
        self.say(PlaceOrder(**{**fields, **changes}), "main")
        return order_id

    def cancel(self, order_id: str) -> None:
        """Write a cancel as the executor would."""
        cancel_id, pair_id = f"{order_id}-c{uuid4().hex[:6]}", order_id.partition("-")[0]
        cancel = CancelOrder(order_id=cancel_id, target_order_id=order_id, pair_id=pair_id, reason="test")
        self.say(cancel, "main")

    # -- judging -----------------------------------------------------------------------

    def assert_true_and_flat(self) -> None:
        """Streams and the broker's books agree to the share and the won, and nothing was sent twice."""
        self.settled()
        books = self.books()
        self._assert_sent_once(books)
        self._assert_fills_told(books)
        holdings = {code: qty for code, qty in books["holdings"].items() if qty}
        assert holdings == books["start_holdings"], f"{holdings} is held\n{self.last_words()}"
        assert [order for order in books["orders"] if not order["closed"]] == []
        assert set(self.closed_pairs()) == {m.pair_id for m in self.since(0, PairApproved)}
        made_krw = self.realised_krw() + self.by_hand_krw
        assert made_krw == books["cash_krw"] - books["start_cash_krw"], self.last_words()
        assert books["self_trades"] == 0

    def settled(self) -> None:
        """Wait until the last cross is over and every pair closed (a cross may bring a second pair)."""

        def over() -> bool:
            self.read()
            opened = {m.pair_id for m in self.since(0, PairApproved)}
            return time.monotonic() > self._cross_until_s and opened <= set(self.closed_pairs())

        self.until(over, "every pair is closed")

    def realised_krw(self) -> int:
        return sum(pair.realised_pnl_krw for pair in self.closed_pairs().values())

    def closed_pairs(self) -> dict[str, PairClosed]:
        """Every pair that was closed. Closed once: again only by a Redis that forgot it, with its money."""
        closed = self.since(0, PairClosed)
        times = Counter(m.pair_id for m in self.since(self._forgotten_at, PairClosed))
        assert [pair_id for pair_id, count in times.items() if count > 1] == []
        money = {(m.pair_id, m.realised_pnl_krw) for m in closed}
        assert len(money) == len({m.pair_id for m in closed}), money
        return {m.pair_id: m for m in closed}

    @staticmethod
    def _assert_sent_once(books: Mapping[str, Any]) -> None:
        times = Counter(a["rqname"] for a in books["arrivals"] if not a["by_hand"])
        assert [order_id for order_id, count in times.items() if count > 1] == []

    def _assert_fills_told(self, books: Mapping[str, Any]) -> None:
        """Each fill of ours at the broker was told in whole; by its order's cumulative figures."""
        told: dict[str, tuple[int, int]] = {}
        for item in self.heard:
            facts = getattr(item.message, "facts", None)
            if item.key == ORDERS.key and facts is not None:
                before = told.get(facts.order_id, (0, 0))
                told[facts.order_id] = max(before, (facts.cum_qty_shares, facts.cum_amount_krw))
        for order in books["orders"]:
            if order["by_hand"] or order["action"] != "new":
                continue
            true = order["filled_shares"], order["amount_krw"]
            assert told.get(order["rqname"], (0, 0)) == true, f"{order['rqname']}\n{self.last_words()}"


def _beat_of(service: str) -> Callable[[Heartbeat], bool]:
    return lambda beat: beat.service == service


def is_ready(message: ConnectionChanged) -> bool:
    return message.state is ConnectionState.READY


def buy_of(approved: PairApproved) -> Callable[[OrderFilled], bool]:
    """Picks what the purchases of a pair filled."""
    return lambda m: m.facts.pair_id == approved.pair_id and m.facts.side is Side.BUY


def _answers(message: Message) -> bool:
    return isinstance(message, TradingStateChanged | ArmRefused | RequestRefused | LatchCleared)
