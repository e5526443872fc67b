"""Risk and the executor on one bus, before a gateway and a broker that do as chance says.

Everything that happens is legal: orders are refused, doubted, filled in parts and late, both cores restart,
symbols halt, people stop, flatten and arm again. In the end the world heals and the walk is judged.
"""

import random
from dataclasses import dataclass

from services.contracts.envelope import Message
from services.contracts.messages import orders as o
from services.contracts.messages.commands import CancelOrder, PlaceOrder
from services.contracts.messages.control import FlattenRequested, LatchClearRequested
from services.contracts.messages.pairs import PairClosed
from services.contracts.messages.venue_state import HaltKind, SymbolHaltChanged
from services.contracts.reasons import GateReason
from services.contracts.step import Received, Tick
from services.contracts.terms import Purpose, Side, Symbol, TradingDate, TradingState, Venue
from services.executor.core import decide as executor_decides
from services.executor.settings import ExecutorSettings
from services.executor.state import ExecutorState
from services.risk.core import decide as risk_decides
from services.risk.exposure import realised_krw, total_exposure_krw
from services.risk.state import RiskState
from services.runtime.parts import changed_parts, restore
from tests.unit.detector import world
from tests.unit.risk import desk as risk_desk

SYMBOLS = (world.SAMSUNG, world.HYNIX)
COSTS = world.costs()[world.SYMBOLS[0].market]
LIMITS = world.limits(
    clip_shares=5, max_pair_shares=12, max_order_krw=1_000_000, max_exposure_symbol_krw=1_000_000,
    max_exposure_total_krw=1_600_000, max_pairs_per_symbol_window=20, max_daily_loss_krw=100_000_000,
    max_pair_loss_krw=100_000_000, max_drawdown_krw=100_000_000, max_losing_pairs_in_a_row=100, cooldown_ms=0,
    max_unknowns_per_minute=1_000, max_denials_per_minute=1_000, max_errors_per_minute=1_000,
    flatten_interval_ms=200, flatten_attempts=3, flatten_wait_ms=6_000, quote_wait_ms=2_000,
    stranded_interval_ms=2_000,
)  # fmt: skip


@dataclass
class Real:
    """One order as the broker has it. `arrived` once it works there; `doubt` while nobody was told so."""

    command: PlaceOrder
    trading_date: TradingDate = world.DATE
    qty: int = 0
    amount_krw: int = 0
    arrived: bool = True
    closed: bool = False
    doubt: bool = False

    @property
    def left(self) -> int:
        return self.command.qty_shares - self.qty

    @property
    def costs_krw(self) -> int:
        facts = self.facts()
        return facts.commission_krw + facts.tax_krw

    def facts(self) -> o.OrderFacts:
        command = self.command
        sold = command.side is Side.SELL
        return o.OrderFacts(
            order_id=command.order_id, pair_id=command.pair_id, symbol=command.symbol, venue=command.venue,
            side=command.side, kind=command.kind, purpose=command.purpose, qty_shares=command.qty_shares,
            price_krw=command.price_krw, trading_date=self.trading_date, broker_order_no="1",
            cum_qty_shares=self.qty, cum_amount_krw=self.amount_krw, closed=self.closed,
            commission_krw=COSTS.commission_krw(command.venue, self.amount_krw),
            tax_krw=COSTS.sell_tax_krw(self.amount_krw) if sold else 0,
        )  # fmt: skip

    def told_again(self) -> Message:
        """What a gateway says of it when it is asked."""
        if self.closed and not self.arrived:
            return o.OrderRejected(facts=self.facts(), code="1", text="no")
        if self.doubt:
            return o.OrderUnknown(facts=self.facts(), reason="still")
        if self.closed:
            return o.OrderClosed(facts=self.facts(), reason="by_query")
        return o.OrderAccepted(facts=self.facts())


class TwoCores:
    """`wrong` collects each breach, said once where it happens."""

    def __init__(self, seed: int, *, late_fills: bool) -> None:
        self.chance, self.late_fills = random.Random(seed), late_fills
        self.now_ns, self.count = world.T0, 0
        self.fresh_executor = ExecutorState(settings=ExecutorSettings(_env_file=None))
        self.fresh_risk = RiskState(required_services=risk_desk.REQUIRED)
        self.executor, self.risk = self.fresh_executor, self.fresh_risk
        self.bus: list[Message] = []
        self.commands: list[PlaceOrder | CancelOrder] = []
        self.real: dict[str, Real] = {}
        self.closed: dict[str, PairClosed] = {}
        self.stopped = self.asked = False
        self.wrong: list[str] = []
        self.bus += [risk_desk.files(LIMITS), *world.morning(), risk_desk.account(), risk_desk.reconciled()]
        self.beat()
        self.arm()

    # -- one bus ---------------------------------------------------------------------------

    def flow(self, twice: float = 0.0) -> None:
        """Let both cores hear everything that was said, some of it twice."""
        while self.bus:
            message = self.bus.pop(0)
            for _ in range(2 if self.chance.random() < twice else 1):
                self.hear(message)
        if not self.late_fills and {*self.executor.pairs} != {*self.risk.pairs}:
            self.wrong.append(f"open are {set(self.executor.pairs)}, but for risk {set(self.risk.pairs)}")

    def hear(self, message: Message) -> None:
        self.count += 1
        asked = risk_desk.shown(message, self.risk)
        event = world.received(asked, self.now_ns, cause=f"c{self.count}")
        self.decide(event)

    def decide(self, event: Received | Tick) -> None:
        step, risk_step = executor_decides(self.executor, event), risk_decides(self.risk, event)
        self.executor, self.risk = step.state, risk_step.state
        for out in (*step.out, *risk_step.out):
            self.take(out.message)

    def take(self, message: Message) -> None:
        if isinstance(message, PlaceOrder):
            self.judge_order(message)
        if isinstance(message, PlaceOrder | CancelOrder):
            self.commands.append(message)
            return
        if isinstance(message, PairClosed):
            self.closed[message.pair_id] = message
        self.bus.append(message)

    def judge_order(self, command: PlaceOrder) -> None:
        if command.expires_at_ns < self.now_ns:
            return
        if self.stopped and (command.purpose is Purpose.ENTRY or not self.asked):
            self.wrong.append(f"{command.order_id} was commanded in a halt")
        waiting = [c.order_id for c in self.commands if isinstance(c, PlaceOrder)]
        unsettled = [order_id for order_id in waiting if order_id not in self.real]
        unsettled += [order_id for order_id, real in self.real.items() if not real.closed]
        beside = [x for x in unsettled if x.startswith(f"{command.pair_id}.") and ".s." in x]
        if command.side is Side.SELL and beside:
            self.wrong.append(f"{command.order_id} beside {beside}")

    def beat(self) -> None:
        for service in (*risk_desk.REQUIRED, "risk"):
            self.bus.append(risk_desk.heartbeat(service, reference_hash=self.risk.reference_hash))
        self.flow()

    def tick(self, ms: int) -> None:
        for _ in range(max(1, ms // 100)):
            self.now_ns += 100_000_000
            self.decide(Tick(self.now_ns))
            self.flow()
        self.beat()

    def book(self, symbol: Symbol, krx_bid: int, nxt_bid: int) -> None:
        self.bus.append(world.quote(Venue.KRX, krx_bid, krx_bid + 100, symbol=symbol, qty=20, seq=self.count))
        self.bus.append(world.quote(Venue.NXT, nxt_bid, nxt_bid + 100, symbol=symbol, qty=20, seq=self.count))
        self.flow()

    # -- people ----------------------------------------------------------------------------

    def arm(self) -> None:
        self.flow()
        for latch in self.risk.trading.latched:
            self.bus.append(LatchClearRequested(latch=latch, by="kim", reason="t"))
        self.flow()
        self.bus += risk_desk.wish(TradingState.ARMED, self.risk)
        self.stopped = self.asked = False
        self.flow()

    def state(self, target: TradingState) -> None:
        self.flow()
        self.bus += risk_desk.wish(target, self.risk)
        halts = target is TradingState.HALTED
        self.asked, self.stopped = self.asked and not halts, self.stopped and halts
        self.flow()
        self.stopped = halts

    def flatten(self) -> None:
        self.asked = True
        self.bus.append(FlattenRequested(by="kim", reason="t"))

    def wish(self) -> None:
        """A cross comes up, and the detector asks for it."""
        symbol = self.chance.choice(SYMBOLS)
        self.book(symbol, 69_900, 70_500 + 100 * self.chance.randint(0, 3))
        desk = risk_desk.Desk(self.risk)
        self.bus.append(risk_desk.intent(
            desk, name=f"i{self.count}", symbol=symbol, qty_shares=self.chance.randint(1, 12),
            decided_at_ns=self.now_ns, expires_at_ns=self.now_ns + 800_000_000,
        ))  # fmt: skip

    # -- the gateway and the broker ---------------------------------------------------------

    def gateway(self, *, good: bool = False) -> None:
        """Take one command; `good`: nothing goes wrong with it."""
        if not self.commands:
            return
        command = self.commands.pop(0)
        if isinstance(command, CancelOrder):
            self.cancel(command, good)
        elif command.order_id in self.real:
            self.bus.append(self.real[command.order_id].told_again())
        else:
            self.place(command, good)

    def cancel(self, command: CancelOrder, good: bool) -> None:
        target = self.real.get(command.target_order_id)
        if target is None or target.doubt or not target.arrived:
            return
        if not target.closed and (good or self.chance.random() < 0.7):
            self.end(target)
        elif target.closed:
            self.bus.append(target.told_again())

    def place(self, command: PlaceOrder, good: bool) -> None:
        order = self.real[command.order_id] = Real(command)
        oversold = command.side is Side.SELL and command.qty_shares > self.free_shares(command)
        if oversold:
            self.wrong.append(f"{command.order_id} sells more than its pair holds")
        if oversold or self.now_ns > command.expires_at_ns or (not good and self.chance.random() < 0.08):
            order.closed, order.arrived = True, False
            self.bus.append(o.CommandDenied(
                order_id=command.order_id, pair_id=command.pair_id, symbol=command.symbol,
                reason=GateReason.EXPIRED, detail="",
            ))  # fmt: skip
            return
        ways = ("accepted", "refused", "doubted", "lost")
        how = "accepted" if good else self.chance.choices(ways, (10, 1, 2, 1))[0]
        order.doubt, order.arrived = how in ("doubted", "lost"), how in ("accepted", "doubted")
        order.closed = how == "refused"
        self.bus.append(order.told_again())

    def free_shares(self, command: PlaceOrder) -> int:
        mine = [x for x in self.real.values() if x.command.pair_id == command.pair_id]
        bought = sum(x.qty for x in mine if x.command.side is Side.BUY)
        sold = [x for x in mine if x.command.side is Side.SELL and x.command is not command]
        return bought - sum(x.qty if x.closed else x.command.qty_shares for x in sold)

    def fill(self, order: Real, qty: int) -> None:
        price_krw = order.command.price_krw or order.command.reference_price_krw
        better = 100 * self.chance.choice((0, 0, 1))
        amount_krw = qty * (price_krw + (better if order.command.side is Side.SELL else -better))
        order.qty, order.amount_krw = order.qty + qty, order.amount_krw + amount_krw
        order.closed = order.closed or not order.left
        self.bus.append(o.OrderFilled(facts=order.facts(), last_qty_shares=qty, last_amount_krw=amount_krw))
        if not order.left:
            self.end(order)

    def end(self, order: Real) -> None:
        order.closed = True
        self.bus.append(o.OrderClosed(facts=order.facts(), reason="over"))

    def resolve(self, order: Real) -> None:
        order.doubt = False
        order.closed = order.closed or not order.arrived
        found = o.Resolution.FOUND if order.arrived else o.Resolution.NEVER_ARRIVED
        self.bus.append(o.OrderResolved(facts=order.facts(), resolution=found, evidence=""))

    def working(self) -> list[Real]:
        return [order for order in self.real.values() if order.arrived and not order.closed]

    # -- the walk -----------------------------------------------------------------------------

    def step(self) -> None:
        """One thing happens."""
        weights = {
            self.wish: 16, self.gateway: 24, self.trade: 22, self.look: 4, self.late: 2, self.move: 4,
            self.wait: 20, self.person: 5, self.fail: 3,
        }  # fmt: skip
        self.chance.choices(list(weights), list(weights.values()))[0]()
        if self.chance.random() < 0.8:
            self.flow(twice=0.1)

    def trade(self) -> None:
        if not self.working():
            return
        order = self.chance.choice(self.working())
        if self.chance.random() < 0.6:
            self.fill(order, self.chance.randint(1, order.left))
        else:
            self.end(order)

    def look(self) -> None:
        doubted = [order for order in self.real.values() if order.doubt]
        if doubted:
            self.resolve(self.chance.choice(doubted))

    def late(self) -> None:
        """A buy that was closed had filled further."""
        buys = [order for order in self.real.values() if order.command.side is Side.BUY]
        over = [order for order in buys if order.arrived and order.closed and order.left]
        if self.late_fills and over:
            order = self.chance.choice(over)
            self.fill(order, self.chance.randint(1, order.left))

    def move(self) -> None:
        self.book(
            self.chance.choice(SYMBOLS), 69_900 + 100 * self.chance.randint(-25, 3),
            69_900 + 100 * self.chance.randint(-25, 6),
        )  # fmt: skip

    def wait(self) -> None:
        self.tick(self.chance.choice((100, 100, 300, 1_100)))

    def person(self) -> None:
        stops = (TradingState.HALTED, TradingState.REDUCE_ONLY, TradingState.PAUSE_ENTRY)
        what = self.chance.random()
        if what < 0.3:
            self.state(self.chance.choice(stops))
        elif what < 0.8:
            self.arm()
        else:
            self.flatten()

    def fail(self) -> None:
        """A core starts again from what it stored, or a venue halts a symbol."""
        what = self.chance.random()
        if what < 0.3:
            self.executor = restore(self.fresh_executor, changed_parts(None, self.executor))
            self.tick(100)
        elif what < 0.6:
            self.risk = restore(self.fresh_risk, changed_parts(None, self.risk))
            self.beat()
        else:
            symbol, venue = self.chance.choice(SYMBOLS), self.chance.choice(list(Venue))
            self.halt(symbol, venue, self.chance.random() < 0.5)

    def halt(self, symbol: Symbol, venue: Venue, halted: bool) -> None:
        self.bus.append(SymbolHaltChanged(
            symbol=symbol, venue=venue, kind=HaltKind.VOLATILITY_INTERRUPTION, halted=halted
        ))  # fmt: skip

    def heal(self) -> None:
        """The world is kind again, and a person asks for all to be sold."""
        for symbol in SYMBOLS:
            for venue in Venue:
                self.halt(symbol, venue, False)
        self.flow()
        for turn in range(300):
            if turn % 100 == 0:
                self.state(TradingState.REDUCE_ONLY)
                self.flatten()
            for symbol in SYMBOLS:
                self.book(symbol, 69_900, 69_900)
            while self.commands:
                self.gateway(good=True)
            for order in [order for order in self.real.values() if order.doubt]:
                self.resolve(order)
            for order in self.working():
                self.fill(order, order.left) if order.command.side is Side.SELL else self.end(order)
            self.flow()
            self.tick(100)
            if not self.executor.pairs and turn > 20:
                break

    def judge(self) -> list[str]:
        """Return what is wrong at the end: both cores hold nothing, and their money is the broker's."""
        cash_krw = sum(
            (order.amount_krw if order.command.side is Side.SELL else -order.amount_krw) - order.costs_krw
            for order in self.real.values()
        )
        said_krw = sum(closed.realised_pnl_krw for closed in self.closed.values())
        left = [f"{pair.pair_id} is {pair.phase}" for pair in self.executor.pairs.values()]
        left += [f"risk holds {pair_id}" for pair_id in (*self.risk.pairs, *self.risk.orders)]
        if total_exposure_krw(self.risk):
            left.append(f"risk counts {total_exposure_krw(self.risk)} KRW of exposure")
        if not left and (said_krw, realised_krw(self.risk)) != (cash_krw, cash_krw):
            left.append(f"cash {cash_krw}, statements {said_krw}, risk {realised_krw(self.risk)} KRW")
        return [*dict.fromkeys(self.wrong), *left]


def walked(seed: int, *, steps: int = 90, late_fills: bool = False) -> list[str]:
    """Return what a walk of so many steps breaks."""
    walk = TwoCores(seed, late_fills=late_fills)
    for _ in range(steps):
        walk.step()
    walk.flow()
    walk.heal()
    return walk.judge()
