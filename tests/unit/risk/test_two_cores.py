"""Risk and executor together against a gateway that answers in any legal way: their books agree, and end.

Orders fill in parts, are refused, unknown, or filled after their pair was closed; either core is restarted at
any moment; words come twice. When the world heals, no pair is open for either of them, and what the executor
stated, what risk counts and what the broker paid are one figure.
"""

from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from services.contracts.envelope import Message
from services.contracts.messages import orders as o
from services.contracts.messages.commands import CancelOrder, PlaceOrder
from services.contracts.messages.control import (
    FlattenRequested,
    LatchClearRequested,
    ReferencePublished,
    ResidualClaimed,
    TradingStateChanged,
)
from services.contracts.messages.pairs import PairApproved, PairClosed, PairOutcome, ResidualMarked
from services.contracts.messages.status import ExecutorStatus
from services.contracts.reasons import GateReason
from services.contracts.step import Received, Step, Tick
from services.contracts.terms import Purpose, Side, TradingState, Venue
from services.executor import core as executor_core
from services.executor.phases import PairPhase
from services.executor.settings import ExecutorSettings
from services.executor.state import ExecutorState
from services.risk import core as risk_core
from services.risk.exposure import realised_krw, total_exposure_krw
from services.risk.state import RiskState
from services.runtime.parts import changed_parts, restore
from tests.unit.detector import world
from tests.unit.risk import desk as d

SYMBOLS = (world.SAMSUNG, world.HYNIX)
LIMITS = world.limits(
    clip_shares=5, max_pair_shares=12, max_order_krw=1_000_000,
    max_exposure_symbol_krw=1_000_000, max_exposure_total_krw=1_600_000,
    max_pairs_per_symbol_window=20, max_daily_loss_krw=100_000_000, max_pair_loss_krw=100_000_000,
    max_drawdown_krw=100_000_000, max_losing_pairs_in_a_row=100, cooldown_ms=0, max_unknowns_per_minute=1_000,
    max_denials_per_minute=1_000, max_errors_per_minute=1_000, flatten_interval_ms=200, flatten_attempts=3,
    flatten_wait_ms=6_000, quote_wait_ms=2_000,
)  # fmt: skip
COSTS = world.costs()[world.SYMBOLS[0].market]


@dataclass
class Real:
    """One order as the broker has it. `costs_told`: whether its commission and tax are known already."""

    command: PlaceOrder
    cum: int = 0
    amount: int = 0
    arrived: bool = True
    closed: bool = False
    doubt: bool = False
    costs_told: bool = True

    def facts(self, *, costs: bool | None = None) -> o.OrderFacts:
        c, told = self.command, self.costs_told if costs is None else costs
        return o.OrderFacts(
            order_id=c.order_id, pair_id=c.pair_id, symbol=c.symbol, venue=c.venue, side=c.side, kind=c.kind,
            purpose=c.purpose, qty_shares=c.qty_shares, price_krw=c.price_krw, trading_date=world.DATE,
            broker_order_no="1", cum_qty_shares=self.cum, cum_amount_krw=self.amount, closed=self.closed,
            commission_krw=COSTS.commission_krw(c.venue, self.amount) if told else 0,
            tax_krw=COSTS.sell_tax_krw(self.amount) if told and c.side is Side.SELL else 0,
        )  # fmt: skip

    def cash_krw(self) -> int:
        facts = self.facts(costs=True)
        signed = self.amount if self.command.side is Side.SELL else -self.amount
        return signed - facts.commission_krw - facts.tax_krw


@dataclass
class Walk:
    rng: Random
    now_ns: int = world.T0
    number: int = 0
    bus: list[Message] = field(default_factory=list)
    commands: list[PlaceOrder | CancelOrder] = field(default_factory=list)
    real: dict[str, Real] = field(default_factory=dict)
    closed: dict[str, PairClosed] = field(default_factory=dict)
    claims_krw: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.executor = ExecutorState(settings=ExecutorSettings(_env_file=None))
        self.risk = RiskState(required_services=d.REQUIRED)
        self.fresh: tuple[Any, Any] = (self.executor, self.risk)
        self.put(d.files(LIMITS), *world.morning(), d.account(), d.reconciled())
        self.arm()

    # -- words ------------------------------------------------------------------------------

    def put(self, *messages: Message) -> None:
        self.bus += messages

    def flow(self) -> None:
        while self.bus:
            message = self.bus.pop(0)
            for _ in range(1 + (self.rng.random() < 0.1)):
                event = self.event(d.shown(message, self.risk))
                self.take(executor_core.decide(self.executor, event))
                self.take(risk_core.decide(self.risk, event))

    def event(self, message: Message) -> Received:
        self.number += 1
        return world.received(message, self.now_ns, cause=f"c{self.number}")

    def tell_executor(self, message: Message) -> None:
        self.take(executor_core.decide(self.executor, self.event(message)))

    def tell_risk(self, message: Message) -> None:
        self.take(risk_core.decide(self.risk, self.event(message)))

    def take(self, step: Step[Any]) -> None:
        if isinstance(step.state, RiskState):
            self.risk = step.state
        else:
            self.executor = step.state
        for message in (out.message for out in step.out):
            match message:
                case PlaceOrder() | CancelOrder():
                    self.commands.append(message)
                case PairClosed():
                    self.closed[message.pair_id] = message
                    self.tell_risk(message)
                case ResidualMarked() | ExecutorStatus():
                    self.tell_risk(message)
                case PairApproved() | TradingStateChanged() | ReferencePublished():
                    self.tell_executor(message)
        assert total_exposure_krw(self.risk) <= LIMITS.max_exposure_total_krw + 12 * 70_000

    def tick(self, ms: int) -> None:
        for _ in range(ms // 100):
            self.now_ns += 100_000_000
            self.take(executor_core.decide(self.executor, Tick(self.now_ns)))
            self.take(risk_core.decide(self.risk, Tick(self.now_ns)))
        self.beat()

    def beat(self) -> None:
        for service in (*d.REQUIRED, "risk"):
            self.tell_risk(d.heartbeat(service, reference_hash=self.risk.reference_hash))

    def arm(self) -> None:
        self.flow()
        self.beat()
        latched = self.risk.trading.latched
        self.put(*(LatchClearRequested(latch=latch, by="kim", reason="t") for latch in latched))
        self.put(*d.wish(TradingState.ARMED, self.risk))
        self.flow()
        self.tick(100)

    def book(self, symbol: Any, krx_krw: int, nxt_krw: int) -> None:
        for venue, bid_krw in ((Venue.KRX, krx_krw), (Venue.NXT, nxt_krw)):
            self.put(world.quote(venue, bid_krw, bid_krw + 100, symbol=symbol, qty=20))
        self.flow()

    # -- the world --------------------------------------------------------------------------

    def ask(self) -> None:
        symbol = self.rng.choice(SYMBOLS)
        self.book(symbol, 69_900, 70_500)
        desk: Any = type("D", (), {"state": self.risk})
        self.number += 1
        ends_ns = self.now_ns + 800_000_000
        self.tell_risk(d.intent(
            desk, name=f"i{self.number}", symbol=symbol, qty_shares=self.rng.randint(1, 12),
            decided_at_ns=self.now_ns, expires_at_ns=ends_ns,
        ))  # fmt: skip

    def gateway(self, *, good: bool = False) -> None:
        """The gateway takes up one command."""
        if not self.commands:
            return
        command = self.commands.pop(0)
        if isinstance(command, CancelOrder):
            target = self.real.get(command.target_order_id)
            if target is not None and target.arrived and not target.closed and not target.doubt:
                self.end(target)
            return
        if command.order_id in self.real:
            return
        oversold = command.side is Side.SELL and command.qty_shares > self.sellable(command.pair_id)
        order = self.real[command.order_id] = Real(command, costs_told=good or self.rng.random() < 0.7)
        if oversold or self.now_ns > command.expires_at_ns or not (good or self.rng.random() < 0.9):
            order.closed, order.arrived = True, False
            self.put(o.CommandDenied(
                order_id=command.order_id, pair_id=command.pair_id, symbol=command.symbol, detail="",
                reason=GateReason.OVERSELL if oversold else GateReason.EXPIRED,
            ))  # fmt: skip
        elif not good and self.rng.random() < 0.2:
            order.doubt, order.arrived = True, self.rng.random() < 0.5
            self.put(o.OrderUnknown(facts=order.facts(), reason="?"))
        else:
            self.put(o.OrderSent(facts=order.facts()), o.OrderAccepted(facts=order.facts()))

    def sellable(self, pair_id: str) -> int:
        """What the pair bought, less what it sold and what may still be sold."""
        own = [order for order in self.real.values() if order.command.pair_id == pair_id]
        bought = sum(order.cum for order in own if order.command.side is Side.BUY)
        at_risk = (
            o_.cum if o_.closed else o_.command.qty_shares for o_ in own if o_.command.side is Side.SELL
        )
        return bought - sum(at_risk)

    def fill(self, order: Real, qty: int) -> None:
        price_krw = order.command.price_krw or order.command.reference_price_krw
        order.cum, order.amount = order.cum + qty, order.amount + qty * price_krw
        order.closed = order.closed or order.cum == order.command.qty_shares
        filled = o.OrderFilled(facts=order.facts(), last_qty_shares=qty, last_amount_krw=qty * price_krw)
        self.put(filled)
        if order.closed:
            self.put(o.OrderClosed(facts=order.facts(), reason="filled"))

    def end(self, order: Real) -> None:
        order.closed = True
        self.put(o.OrderClosed(facts=order.facts(), reason="ioc_remainder"))

    def resolve(self, order: Real) -> None:
        order.doubt, order.closed = False, order.closed or not order.arrived
        found = o.Resolution.FOUND if order.arrived else o.Resolution.NEVER_ARRIVED
        self.put(o.OrderResolved(facts=order.facts(), resolution=found, evidence=""))

    def tell_costs(self, order: Real) -> None:
        order.costs_told = True
        self.put(o.OrderFilled(facts=order.facts(), last_qty_shares=0, last_amount_krw=0))

    def pick(self, wanted: Any) -> Real | None:
        found = [order for order in self.real.values() if wanted(order)]
        return self.rng.choice(found) if found else None

    def step(self) -> None:
        rng, chance = self.rng, self.rng.random()
        works = self.pick(lambda order: order.arrived and not order.closed)
        if chance < 0.18:
            self.ask()
        elif chance < 0.42:
            self.gateway()
        elif chance < 0.62 and works is not None:
            left = works.command.qty_shares - works.cum
            self.fill(works, rng.randint(1, left)) if rng.random() < 0.6 else self.end(works)
        elif chance < 0.66:
            doubt = self.pick(lambda order: order.doubt)
            self.resolve(doubt) if doubt is not None else None
        elif chance < 0.69:
            late = self.pick(
                lambda order: order.arrived and order.closed and order.cum < order.command.qty_shares
                and order.command.side is Side.BUY and order.command.pair_id not in self.claims_krw
            )  # fmt: skip
            self.fill(late, 1) if late is not None else None
        elif chance < 0.73:
            costly = self.pick(lambda order: order.cum and not order.costs_told)
            self.tell_costs(costly) if costly is not None else None
        elif chance < 0.78:
            self.book(
                rng.choice(SYMBOLS), 69_900 - 100 * rng.randint(0, 25), 69_900 - 100 * rng.randint(-6, 25)
            )
        elif chance < 0.90:
            self.tick(rng.choice((100, 300, 1_100)))
        elif chance < 0.93:
            self.put(*d.wish(rng.choice((TradingState.HALTED, TradingState.REDUCE_ONLY)), self.risk))
        elif chance < 0.96:
            self.arm()
        elif chance < 0.98:
            self.restart()
        else:
            self.claim()
        if rng.random() < 0.8:
            self.flow()

    def restart(self) -> None:
        executor, risk = self.fresh
        self.executor = restore(executor, changed_parts(None, self.executor))
        self.risk = restore(risk, changed_parts(None, self.risk))
        self.beat()

    def claim(self) -> None:
        for pair in self.executor.pairs.values():
            if pair.phase is PairPhase.STRANDED and pair.uncovered_shares > 0 and not pair.open_orders:
                amount_krw = pair.uncovered_shares * 69_000
                self.claims_krw[pair.pair_id] = amount_krw
                self.put(ResidualClaimed(
                    pair_id=pair.pair_id, qty_shares=pair.uncovered_shares, amount_krw=amount_krw, by="kim",
                    reason="t",
                ))  # fmt: skip
                self.flow()
                return

    def heal(self) -> None:
        for turn in range(120):
            if turn % 40 == 0:
                self.put(*d.wish(TradingState.REDUCE_ONLY, self.risk), FlattenRequested(by="kim", reason="t"))
                self.flow()
            for symbol in SYMBOLS:
                self.book(symbol, 69_900, 69_900)
            while self.commands:
                self.gateway(good=True)
            for order in list(self.real.values()):
                if order.doubt:
                    self.resolve(order)
                if order.arrived and not order.closed:
                    sells = order.command.side is Side.SELL
                    self.fill(order, order.command.qty_shares - order.cum) if sells else self.end(order)
                if order.cum and not order.costs_told:
                    self.tell_costs(order)
            self.flow()
            self.tick(300)
            if not self.executor.pairs and turn > 3:
                return


@pytest.mark.parametrize("seed", range(8))
def test_both_agree_on_what_is_open_and_on_every_won(seed: int) -> None:
    walk = Walk(Random(seed))
    for _ in range(70):
        walk.step()
    walk.flow()
    walk.heal()
    assert walk.executor.pairs == walk.risk.pairs == walk.risk.orders == {}
    assert total_exposure_krw(walk.risk) == 0
    cash_krw = sum(order.cash_krw() for order in walk.real.values()) + sum(walk.claims_krw.values())
    assert sum(closed.realised_pnl_krw for closed in walk.closed.values()) == cash_krw
    assert realised_krw(walk.risk) == cash_krw
    bought = {r.command.pair_id for r in walk.real.values() if r.cum and r.command.purpose is Purpose.ENTRY}
    assert sum(walk.risk.day.trips.values()) == len(bought)
    claimed = {pair_id for pair_id, end in walk.closed.items() if end.outcome is PairOutcome.CLAIMED}
    assert claimed == set(walk.claims_krw)
    walk.arm()
    assert walk.risk.trading.state is TradingState.ARMED, walk.risk.trading.latches
