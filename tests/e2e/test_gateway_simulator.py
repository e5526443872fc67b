"""The gateway as a process of its own, against the simulator process and a real Redis."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from services.contracts.alert_codes import AlertCode
from services.contracts.envelope import Envelope, Message, decode
from services.contracts.in_force import Reference
from services.contracts.limits import COMMAND_TTL_MS, NS_PER_MS
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.commands import PlaceOrder
from services.contracts.messages.control import ReferencePublished, StopRequested, TradingStateChanged
from services.contracts.messages.lease import LeaseRenewed
from services.contracts.messages.market_data import QuoteUpdated
from services.contracts.messages.orders import (
    AccountReported,
    CommandDenied,
    OrderAccepted,
    OrderClosed,
    OrderFilled,
    ReconciliationCompleted,
)
from services.contracts.messages.status import Heartbeat
from services.contracts.messages.venue_state import ConnectionChanged, ConnectionState
from services.contracts.reasons import GateReason
from services.contracts.streams import ALERTS, ORDERS, STATUS, TICKS, VENUE, home_of, key_of
from services.contracts.terms import (
    OrderKind,
    Purpose,
    Side,
    Symbol,
    TradingDate,
    TradingState,
    Venue,
)
from services.contracts.tick_grid import SHARE_TICKS
from services.contracts.trading_limits import TradingLimits
from services.market.files import load_market, load_symbol_map, write_day_plan
from services.market.market_clock import compressed_day
from services.runtime.bus import Write
from services.runtime.redis_bus import RedisBus, connect
from services.runtime.settings import config_dir

pytestmark = [pytest.mark.slow, pytest.mark.redis, pytest.mark.timeout(90)]
MessageT = TypeVar("MessageT", bound=Message)
DATE = TradingDate("2026-11-23")
SYMBOL = Symbol("005930")
DEADLINE_S = 20


@dataclass
class Rig:
    """Redis, simulator and gateway; what the other services would say is said by the test."""

    folder: Path
    redis_url: str
    bus: RedisBus
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    said: int = 0
    leased: bool = True
    reference_hash: str = ""

    def environment(self, **more: str) -> dict[str, str]:
        return {
            **os.environ, "QT_QPA_PLATFORM": "offscreen", "ARB_RUNTIME_REDIS_URL": self.redis_url,
            "ARB_RUNTIME_DAY_PLAN": str(self.folder / "plan.json"), "ARB_GATEWAY_MODE": "simulated",
            "ARB_RUNTIME_LOG_FILE": str(self.folder / "gateway.log"),
            "ARB_GATEWAY_STATE_DIR": str(self.folder / "state"),
            "ARB_GATEWAY_HALT_FILE": str(self.folder / "HALT"),
            "ARB_GATEWAY_RECONNECT": "in_process",
            "ARB_SIMULATOR": f"unix:{self.folder}/sim.sock", **more,
        }  # fmt: skip

    def start(self, *command: str, **environment: str) -> "subprocess.Popen[bytes]":
        with (self.folder / f"{len(self.processes)}.err").open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", *command], env=self.environment(**environment),
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
            )  # fmt: skip
        self.processes.append(process)
        return process

    def simulate(self, latency: Mapping[str, Any] | None = None, **faults: Any) -> None:
        chosen = {"faults": faults, "latency": dict(latency or {})}
        (self.folder / "options.json").write_text(json.dumps(chosen))
        self.start(
            "services.simulator", "--listen", f"unix:{self.folder}/sim.sock", "--config-dir",
            str(config_dir()), "--day-plan", str(self.folder / "plan.json"), "--seed", "7",
            "--options", str(self.folder / "options.json"),
        )  # fmt: skip
        deadline = time.monotonic() + DEADLINE_S
        while not (self.folder / "sim.sock").exists() and time.monotonic() < deadline:
            time.sleep(0.05)

    def gateway(self, **environment: str) -> "subprocess.Popen[bytes]":
        return self.start("services.simulator.host", "services.gateway", **environment)

    def say(self, message: Message, name: str = "") -> None:
        self.said += 1
        stream = home_of(type(message))
        envelope = Envelope.wrap(
            message, source="test", now_ns=self.bus.time_ns(), causation_id=f"test-{self.said}"
        )
        self.bus.append([Write(key_of(stream, name), envelope)])

    def told(self, kind: type[MessageT], key: str, where: Callable[[MessageT], bool] = lambda m: True) -> Any:
        """Wait for the newest message of a kind; renews the lease meanwhile, as risk would."""
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            for entry in reversed(self.bus.tail(key, 500)):
                body = decode(entry.text).body
                if isinstance(body, kind) and where(body):
                    return body
            self.renew()
            time.sleep(0.1)
        raise AssertionError(f"no {kind.__name__} came; {self.errors()}")

    def renew(self) -> None:
        if self.leased:
            self.say(LeaseRenewed(state=TradingState.ARMED, risk_epoch=1, reference_hash=self.reference_hash))

    def errors(self) -> str:
        log = self.folder / "gateway.log"
        texts = [path.read_text()[-1500:] for path in self.folder.glob("*.err")]
        return "\n".join([*texts, log.read_text()[-3000:] if log.exists() else ""])

    def placed(self, order_id: str, side: Side, price_krw: int, qty: int, **changes: Any) -> None:
        expires = self.bus.time_ns() + COMMAND_TTL_MS * NS_PER_MS
        fields: dict[str, Any] = {
            "order_id": order_id, "pair_id": "P1", "symbol": SYMBOL, "venue": Venue.NXT, "side": side,
            "kind": OrderKind.LIMIT_IOC, "purpose": Purpose.ENTRY if side is Side.BUY else Purpose.EXIT,
            "qty_shares": qty, "price_krw": price_krw, "reference_price_krw": price_krw,
            "expires_at_ns": expires,
        }  # fmt: skip
        self.say(PlaceOrder(**{**fields, **changes}), "main")

    def quote(self) -> QuoteUpdated:
        quote = self.told(
            QuoteUpdated, key_of(TICKS, "g1"),
            lambda q: q.symbol == SYMBOL and q.venue is Venue.NXT and bool(q.bids) and bool(q.asks),
        )  # fmt: skip
        assert isinstance(quote, QuoteUpdated)
        return quote

    def admin(self, verb: str, **args: Any) -> Any:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(f"{self.folder}/sim.sock")
            sock.sendall(json.dumps({"id": 1, "admin": verb, "args": args}).encode() + b"\n")
            with sock.makefile("rb") as file:
                return json.loads(file.readline())["ret"]


def reference() -> Reference:
    rules = load_market(config_dir())
    symbols = load_symbol_map(config_dir(), ("g1", "g2"))
    limits = TradingLimits(clip_shares=5)
    return Reference(trading_date=DATE, symbols=symbols, costs=rules.costs_by_market(DATE), limits=limits)


@pytest.fixture
def rig(request: pytest.FixtureRequest, redis_url: str, tmp_path: Path) -> Iterator[Rig]:
    bus = connect(redis_url)
    bus._redis.flushall()
    rig = Rig(tmp_path, redis_url, bus)
    schedule = load_market(config_dir()).timetable.day(DATE)
    write_day_plan(tmp_path / "plan.json", compressed_day(schedule, bus.time_ns() - 8_000 * NS_PER_MS, 90))
    rig.simulate(**getattr(request, "param", {}))
    yield rig
    for process in reversed(rig.processes):
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def armed(rig: Rig) -> None:
    published = reference()
    rig.reference_hash = published.hash
    rig.say(ReferencePublished(reference=published, reference_hash=published.hash, by="test", reason="test"))
    rig.told(ConnectionChanged, VENUE.key, lambda m: m.state is ConnectionState.READY)
    rig.say(TradingStateChanged(state=TradingState.ARMED, by="test", reason="test", latches=()))


def bought(rig: Rig, prefix: str) -> None:
    """Buy one share through the process; the next ask is tried until one is met."""
    deadline = time.monotonic() + DEADLINE_S
    at = 0
    while time.monotonic() < deadline:
        at += 1
        rig.renew()
        ask = rig.quote().asks[0][0]
        rig.placed(f"{prefix}{at}", Side.BUY, ask, 1)
        answer = rig.told(
            Message, ORDERS.key,
            lambda m, name=f"{prefix}{at}": (
                isinstance(m, OrderClosed) and m.facts.order_id == name
            ) or (isinstance(m, CommandDenied) and m.order_id == name),
        )  # fmt: skip
        if isinstance(answer, OrderClosed) and answer.facts.cum_qty_shares:
            return
        time.sleep(0.2)
    raise AssertionError(f"nothing was bought; {rig.errors()}")


def test_a_purchase_passes_through_all_processes_and_back(rig: Rig) -> None:
    rig.gateway()
    armed(rig)
    assert rig.told(ReconciliationCompleted, ORDERS.key).differences == ()
    assert rig.told(AccountReported, ORDERS.key).cash_krw > 0
    assert rig.told(Heartbeat, STATUS.key).service == "gateway"
    bought(rig, "P1.1.b.")
    accepted = rig.told(OrderAccepted, ORDERS.key)
    assert accepted.facts.broker_order_no
    filled = rig.told(OrderFilled, ORDERS.key)
    assert filled.last_qty_shares == 1
    assert filled.facts.cum_amount_krw >= filled.last_amount_krw > 0


def test_more_than_was_bought_is_never_sold(rig: Rig) -> None:
    rig.gateway()
    armed(rig)
    bought(rig, "P1.1.b.")
    bid = rig.quote().bids[0][0]
    rig.placed("P1.1.s.1", Side.SELL, bid, 2)
    denied = rig.told(CommandDenied, ORDERS.key, lambda m: m.order_id == "P1.1.s.1")
    assert denied.reason is GateReason.OVERSELL


def test_observe_sends_nothing(rig: Rig) -> None:
    rig.gateway(ARB_GATEWAY_MODE="observe")
    armed(rig)
    rig.renew()
    rig.placed("P1.1.b.1", Side.BUY, rig.quote().asks[0][0], 1)
    denied = rig.told(CommandDenied, ORDERS.key, lambda m: m.order_id == "P1.1.b.1")
    assert denied.reason is GateReason.MODE
    assert rig.admin("snapshot")["orders"] == []


def test_a_halt_blocks_at_once_and_takes_back_what_rests(rig: Rig) -> None:
    rig.gateway()
    armed(rig)
    bought(rig, "P1.1.b.")
    best = rig.quote().bids[0][0]
    resting = SHARE_TICKS.step(best, 9)
    rig.placed("P1.1.s.1", Side.SELL, resting, 1, kind=OrderKind.LIMIT, reference_price_krw=best)
    rig.told(OrderAccepted, ORDERS.key, lambda m: m.facts.order_id == "P1.1.s.1")
    rig.say(StopRequested(target=TradingState.HALTED, by="desk", reason="test"))
    closed = rig.told(OrderClosed, ORDERS.key, lambda m: m.facts.order_id == "P1.1.s.1")
    assert closed.facts.cum_qty_shares == 0
    rig.placed("P1.1.s.2", Side.SELL, best, 1)
    denied = rig.told(CommandDenied, ORDERS.key, lambda m: m.order_id == "P1.1.s.2")
    assert denied.reason is GateReason.HALTED


def connection_epoch(rig: Rig) -> int:
    """The number of the first connection that became ready."""
    return rig.told(
        ConnectionChanged, VENUE.key, lambda m: m.state is ConnectionState.READY
    ).connection_epoch  # fmt: skip


def test_killed_and_started_anew_it_sends_nothing_twice(rig: Rig) -> None:
    process = rig.gateway()
    armed(rig)
    bought(rig, "P1.1.b.")
    before = connection_epoch(rig)
    process.kill()
    process.wait()
    sent = len(rig.admin("snapshot")["arrivals"])
    rig.gateway()
    rig.told(
        ConnectionChanged, VENUE.key,
        lambda m: m.state is ConnectionState.READY and m.connection_epoch > before,
    )  # fmt: skip
    assert len(rig.admin("snapshot")["arrivals"]) == sent
    bid = rig.quote().bids[0][0]
    rig.placed("P1.1.s.1", Side.SELL, bid, 1)
    closed = rig.told(OrderClosed, ORDERS.key, lambda m: m.facts.order_id == "P1.1.s.1")
    assert closed.facts.cum_qty_shares <= 1


def test_a_second_gateway_fences_the_first_which_waits(rig: Rig) -> None:
    first = rig.gateway()
    armed(rig)
    rig.gateway()
    rig.told(AlertRaised, ALERTS.key, lambda m: m.code == AlertCode.SECOND_INSTANCE)
    assert first.poll() is None, rig.errors()
    first.terminate()
    assert first.wait(DEADLINE_S) == 3, rig.errors()


def test_a_lost_connection_comes_back_by_itself(rig: Rig) -> None:
    rig.gateway()
    armed(rig)
    before = connection_epoch(rig)
    rig.admin("inject", what="disconnect")
    rig.told(
        ConnectionChanged, VENUE.key,
        lambda m: m.state is ConnectionState.READY and m.connection_epoch > before,
    )  # fmt: skip
    sent = len(rig.admin("snapshot")["arrivals"])
    bought(rig, "P1.2.b.")
    assert len(rig.admin("snapshot")["arrivals"]) > sent


FAULTS = {
    "lost_ack_rate": 0.2, "lost_chejan_rate": 0.15, "silent_close_rate": 0.2, "never_arrives_rate": 0.1,
    "send_fail_rate": 0.15, "chejan_first_rate": 0.3, "duplicate_chejan_rate": 0.3, "reject_rate": 0.1,
    "late_reject_rate": 0.1, "fade_rate": 0.3,
    "latency": {"order_ms": [5, 30, 200], "report_ms": [1, 10, 50], "line_ms": [3, 15, 100]},
}  # fmt: skip


@pytest.mark.timeout(120)
@pytest.mark.parametrize("rig", [FAULTS], indirect=True)
def test_whatever_is_lost_our_books_become_the_brokers(rig: Rig) -> None:
    """Entries on many symbols through a faulty line: each ends as the broker has it, none is doubled."""
    rig.gateway()
    armed(rig)
    asked = entries_of(rig, 24)
    over = outcomes(rig, asked)
    assert set(over) == set(asked), rig.errors()
    assert len({type(message) for message in over.values()}) > 1, "the line was not faulty enough to tell"
    broker = {order["rqname"]: order for order in rig.admin("snapshot")["orders"]}
    for order_id, message in over.items():
        truth = broker.get(order_id)
        facts = getattr(message, "facts", None)
        filled = 0 if facts is None else facts.cum_qty_shares
        assert filled == (truth["filled_shares"] if truth else 0), (order_id, message, truth)
        if truth and facts is not None and filled:
            assert facts.cum_amount_krw == truth["amount_krw"]
            assert facts.commission_krw == truth["commission_krw"]
    arrived = [arrival["rqname"] for arrival in rig.admin("snapshot")["arrivals"]]
    assert len(arrived) == len(set(arrived))
    assert rig.admin("snapshot")["max_orders_per_s"] <= 5


def entries_of(rig: Rig, count: int) -> list[str]:
    """Send an entry of one share on each of so many symbols, at the ask that is shown."""
    symbols = [entry.krx_code for entry in reference().symbols][:count]
    asked = []
    for at, symbol in enumerate(symbols):
        rig.renew()
        quotes = [
            body for key in ("g1", "g2") for entry in rig.bus.tail(key_of(TICKS, key), 300)
            if isinstance(body := decode(entry.text).body, QuoteUpdated)
            and body.symbol == symbol and body.asks
        ]  # fmt: skip
        if quotes:
            ask, venue = quotes[-1].asks[0][0], quotes[-1].venue
            asked.append(f"Q{at}.1.b.1")
            rig.placed(asked[-1], Side.BUY, ask, 1, pair_id=f"Q{at}", symbol=symbol, venue=venue)
        time.sleep(0.3)
    return asked


def outcomes(rig: Rig, asked: list[str]) -> dict[str, Message]:
    """Wait until the last word of every order has been said; returns those words."""
    deadline = time.monotonic() + 40
    over: dict[str, Message] = {}
    while set(over) != set(asked) and time.monotonic() < deadline:
        rig.renew()
        time.sleep(0.2)
        for entry in rig.bus.tail(ORDERS.key, 2_000):
            body = decode(entry.text).body
            facts = getattr(body, "facts", None)
            if isinstance(body, CommandDenied):
                over.setdefault(body.order_id, body)
            elif facts is not None and facts.closed:
                over[facts.order_id] = body
        over = {order_id: message for order_id, message in over.items() if order_id in asked}
    return over
