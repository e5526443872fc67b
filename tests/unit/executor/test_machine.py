"""The executor against a gateway that answers in any legal way, and a crash at any step.

The model holds the truth: what the broker has, and the cash of each pair. Events reach the executor
late, twice and out of order; commands are read late; an order may be denied, rejected, unknown, or
fill in parts; the executor may lose its memory between any two messages. What must hold, holds after
every step; and once the world heals, every pair is closed, or named as stranded with an alarm.
"""

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.contracts.envelope import Message
from services.contracts.messages import orders as o
from services.contracts.messages.alerts import AlertKind, AlertRaised
from services.contracts.messages.commands import CancelOrder, PlaceOrder
from services.contracts.messages.control import FlattenRequested, StopRequested
from services.contracts.messages.pairs import PairClosed, PairOutcome, ResidualMarked
from services.contracts.messages.venue_state import ConnectionChanged, ConnectionState
from services.contracts.reasons import GateReason
from services.contracts.terms import Purpose, SessionPhase, Severity, Side, TradingState, Venue
from services.contracts.trading_limits import TradingLimits
from services.executor.phases import PairPhase

from .desk import COSTS, DATE, OTHER, SYMBOL, Desk

PRICES = st.sampled_from((95_000, 98_000, 99_700, 99_900, 100_000, 100_400, 100_600))
STOPPED = (TradingState.HALTED, TradingState.DISARMED)


@dataclass
class Real:
    """One order as the broker has it. `doubt`: the gateway has said that it does not know."""

    command: PlaceOrder
    cum: int = 0
    amount: int = 0
    arrived: bool = True
    closed: bool = False
    doubt: bool = False

    @property
    def at_risk(self) -> int:
        return self.cum if self.closed else self.command.qty_shares

    @property
    def facts(self) -> o.OrderFacts:
        c, sell = self.command, self.command.side is Side.SELL
        return o.OrderFacts(
            order_id=c.order_id, pair_id=c.pair_id, symbol=c.symbol, venue=c.venue, side=c.side, kind=c.kind,
            purpose=c.purpose, qty_shares=c.qty_shares, price_krw=c.price_krw, trading_date=DATE,
            cum_qty_shares=self.cum, cum_amount_krw=self.amount, closed=self.closed,
            commission_krw=COSTS.commission_krw(c.venue, self.amount),
            tax_krw=COSTS.sell_tax_krw(self.amount) if sell else 0,
        )  # fmt: skip


@dataclass
class World:
    unread: list[PlaceOrder | CancelOrder] = field(default_factory=list)
    real: dict[str, Real] = field(default_factory=dict)
    pending: list[Message] = field(default_factory=list)
    told: list[Message] = field(default_factory=list)


class Trading(RuleBasedStateMachine):
    @initialize(sells=st.integers(1, 3), attempts=st.integers(1, 4), ms=st.sampled_from((0, 150, 2_000)))
    def start(self, sells: int, attempts: int, ms: int) -> None:
        limits = TradingLimits(
            clip_shares=5, max_pair_shares=50, max_sells_per_clip=sells, flatten_attempts=attempts,
            sell_after_first_fill_ms=ms, flatten_interval_ms=200, flatten_wait_ms=8_000, quote_wait_ms=3_000,
            stranded_interval_ms=2_000,
        )  # fmt: skip
        self.desk = Desk(limits).open_day()
        self.world = World()
        self.read_to = 0
        self.pairs: dict[str, int] = {}
        self.state = TradingState.ARMED
        self.person_asked = False
        self.take()

    # -- what the executor said --------------------------------------------------------

    def take(self) -> None:
        """Check and hand over what was said since the last look."""
        for message in self.desk.said[self.read_to :]:
            if isinstance(message, PlaceOrder):
                if self.is_question(message):
                    continue
                self.check_order(message)
            if isinstance(message, PlaceOrder | CancelOrder):
                self.world.unread.append(message)
        self.read_to = len(self.desk.said)

    def is_question(self, command: PlaceOrder) -> bool:
        """A command given once more asks what became of its order: it must be too old to be sent."""
        given = [c for c in self.world.unread if isinstance(c, PlaceOrder)]
        given += [real.command for real in self.world.real.values()]
        known = any(c.order_id == command.order_id for c in given)
        assert not known or command.expires_at_ns < self.desk.now_ns
        return known

    def check_order(self, command: PlaceOrder) -> None:
        mine = [real for real in self.world.real.values() if real.command.pair_id == command.pair_id]
        unread = [c for c in self.world.unread if isinstance(c, PlaceOrder) and c.symbol == command.symbol]
        assert command.order_id not in self.world.real
        assert command.order_id not in {c.order_id for c in unread}
        if command.purpose is Purpose.ENTRY:
            assert self.state is TradingState.ARMED
        elif self.state in STOPPED:
            assert self.person_asked and command.purpose is Purpose.FLATTEN
        working = [r.command for r in self.world.real.values() if not r.closed and r.arrived] + unread
        for other in working:
            meets = other.symbol == command.symbol and other.venue is command.venue
            assert not (meets and other.side is not command.side), "own orders meet on one venue"
        if command.side is Side.SELL:
            assert not any(r.doubt and not r.closed for r in mine if r.command.side is Side.SELL)

    # -- the world's moves ---------------------------------------------------------------

    @rule(qty=st.integers(1, 12), clip=st.integers(1, 5), buy=st.sampled_from(Venue), calm=st.booleans())
    def approve(self, qty: int, clip: int, buy: Venue, calm: bool) -> None:
        if len(self.pairs) >= 12:
            return
        pair_id = f"P{len(self.pairs)}"
        taken = {pair.symbol for pair in self.desk.state.pairs.values()}
        symbol = OTHER if SYMBOL in taken else SYMBOL
        if calm:
            self.calm_down()
        self.pairs[pair_id] = qty
        dear = 100_500 if buy is Venue.KRX else 100_600
        self.desk.book(buy, 99_900, 100_000, symbol=symbol)
        self.desk.book(buy.other, dear, dear + 100, symbol=symbol)
        self.desk.approve(pair_id, qty, clip, symbol, buy)
        self.take()

    def calm_down(self) -> None:
        self.connect(ConnectionState.READY)
        self.set_state(TradingState.ARMED)
        self.desk.phase(Venue.KRX, SessionPhase.CONTINUOUS)
        self.desk.phase(Venue.NXT, SessionPhase.CONTINUOUS)
        for venue in Venue:
            self.desk.halt_symbol(venue, False)
        self.desk.window(True)
        self.take()

    @rule(
        qty=st.integers(2, 12), clip=st.integers(2, 5), buy=st.sampled_from(Venue), filled=st.integers(1, 5)
    )
    def approve_and_buy(self, qty: int, clip: int, buy: Venue, filled: int) -> None:
        """The way into the middle: a pair that holds something, its buy closed or still working."""
        self.approve(qty, clip, buy, calm=True)
        while self.world.unread:
            self.gateway_reads("accept")
        for real in self.working():
            if real.command.side is Side.BUY:
                self.fill_some(real, min(filled, real.command.qty_shares - real.cum))
        if self.world.pending:
            self.deliver_in_order()

    @rule(venue=st.sampled_from(Venue), bid=PRICES, symbol=st.sampled_from((SYMBOL, OTHER)))
    def quote(self, venue: Venue, bid: int, symbol: str) -> None:
        self.desk.book(venue, bid, bid + 100, qty=3, symbol=symbol)
        self.take()

    @rule()
    def cross(self) -> None:
        self.desk.crossed()
        self.take()

    @rule(ms=st.sampled_from((0, 100, 700, 1_600, 6_000)))
    def wait(self, ms: int) -> None:
        self.desk.tick(ms)
        self.take()

    @rule()
    def crash(self) -> None:
        self.desk.restart()
        self.desk.crossed()
        self.take()

    @rule(state=st.sampled_from((*TradingState, TradingState.ARMED, TradingState.ARMED)))
    def set_state(self, state: TradingState) -> None:
        self.state = state
        self.desk.trading(state)
        self.take()

    @rule()
    def ask_halt(self) -> None:
        self.state, self.person_asked = TradingState.HALTED, False
        self.desk.hear(StopRequested(target=TradingState.HALTED, by="kim", reason="t"))
        self.desk.trading(TradingState.HALTED)
        self.take()

    @rule()
    def ask_flatten(self) -> None:
        self.person_asked = True
        self.desk.hear(FlattenRequested(by="kim", reason="t"))
        self.take()

    @rule(venue=st.sampled_from(Venue), halted=st.booleans())
    def interrupt(self, venue: Venue, halted: bool) -> None:
        self.desk.halt_symbol(venue, halted)
        self.take()

    @rule(
        krx=st.sampled_from((SessionPhase.CONTINUOUS, SessionPhase.CLOSING_AUCTION, SessionPhase.CLOSED)),
        nxt=st.sampled_from(
            (SessionPhase.CONTINUOUS, SessionPhase.PAUSE, SessionPhase.AFTER_MARKET, SessionPhase.CLOSED)
        ),
    )
    def move_phase(self, krx: SessionPhase, nxt: SessionPhase) -> None:
        self.desk.phase(Venue.KRX, krx)
        self.desk.phase(Venue.NXT, nxt)
        self.take()

    @rule(connection=st.sampled_from((ConnectionState.DISCONNECTED, ConnectionState.READY)))
    def connect(self, connection: ConnectionState) -> None:
        self.desk.hear(ConnectionChanged(state=connection, connection_epoch=1, planned=False))
        self.take()

    @rule(open_=st.booleans(), sweep=st.booleans())
    def move_window(self, open_: bool, sweep: bool) -> None:
        self.desk.window(open_, sweep and not open_)
        self.take()

    # -- the gateway and the broker --------------------------------------------------------

    @precondition(lambda self: self.world.unread)
    @rule(answer=st.sampled_from(("accept", "accept", "accept", "sent", "reject", "deny", "unknown", "lost")))
    def gateway_reads(self, answer: str) -> None:
        command = self.world.unread.pop(0)
        if isinstance(command, CancelOrder):
            return self.read_cancel(command, answer)
        real = self.world.real[command.order_id] = Real(command)
        if self.desk.now_ns > command.expires_at_ns:
            answer = "deny"
        if answer == "deny":
            real.closed = True
            self.say(o.CommandDenied(
                order_id=command.order_id, pair_id=command.pair_id, symbol=command.symbol,
                reason=GateReason.NOT_READY, detail="",
            ))  # fmt: skip
        elif answer == "reject":
            real.closed = True
            self.say(o.OrderRejected(facts=real.facts, code="1", text="no"))
        elif answer in ("unknown", "lost"):
            real.doubt, real.arrived = True, answer == "unknown"
            self.say(o.OrderUnknown(facts=real.facts, reason="no answer"))
        else:
            self.say(o.OrderSent(facts=real.facts))
            if answer == "accept":
                self.say(o.OrderAccepted(facts=real.facts))
        return None

    def read_cancel(self, command: CancelOrder, answer: str) -> None:
        real = self.world.real[command.target_order_id]
        if real.closed or answer == "deny":
            self.say(o.CommandDenied(
                order_id=command.order_id, pair_id=command.pair_id, symbol=real.command.symbol,
                reason=GateReason.TARGET_UNKNOWN, detail="", target_order_id=command.target_order_id,
            ))  # fmt: skip
        elif answer == "reject":
            self.say(o.CancelRejected(facts=real.facts, code="1", text="no"))
        elif answer == "accept" and not real.doubt:
            self.end(real, "cancelled")

    def say(self, message: Message) -> None:
        self.world.pending.append(message)

    def working(self) -> list[Real]:
        return [real for real in self.world.real.values() if real.arrived and not real.closed]

    @precondition(lambda self: self.working())
    @rule(data=st.data(), better=st.sampled_from((0, 100)))
    def fill(self, data: st.DataObject, better: int) -> None:
        real = data.draw(st.sampled_from(self.working()))
        self.fill_some(real, data.draw(st.integers(1, real.command.qty_shares - real.cum)), better)

    def fill_some(self, real: Real, qty: int, better: int = 0) -> None:
        command = real.command
        price = command.price_krw or command.reference_price_krw
        price += better if command.side is Side.SELL else -better
        real.cum += qty
        real.amount += qty * price
        real.closed = real.cum == command.qty_shares
        self.say(o.OrderFilled(facts=real.facts, last_qty_shares=qty, last_amount_krw=qty * price))
        if real.closed:
            self.end(real, "filled")

    def end(self, real: Real, reason: str) -> None:
        real.closed = True
        self.say(o.OrderClosed(facts=real.facts, reason=reason))

    @precondition(lambda self: self.working())
    @rule(data=st.data())
    def remainder_dies(self, data: st.DataObject) -> None:
        self.end(data.draw(st.sampled_from(self.working())), "ioc_remainder")

    @precondition(lambda self: any(real.doubt for real in self.world.real.values()))
    @rule(data=st.data(), ambiguous=st.booleans())
    def resolve(self, data: st.DataObject, ambiguous: bool) -> None:
        doubts = [real for real in self.world.real.values() if real.doubt]
        real = data.draw(st.sampled_from(doubts))
        if ambiguous:
            self.say(o.OrderResolved(facts=real.facts, resolution=o.Resolution.AMBIGUOUS, evidence=""))
        else:
            self.resolve_truly(real)

    def resolve_truly(self, real: Real) -> None:
        real.doubt = False
        resolution = o.Resolution.FOUND
        if not real.arrived:
            real.closed, resolution = True, o.Resolution.NEVER_ARRIVED
        self.say(o.OrderResolved(facts=real.facts, resolution=resolution, evidence=""))

    @precondition(lambda self: self.world.pending)
    @rule(data=st.data(), again=st.booleans())
    def deliver(self, data: st.DataObject, again: bool) -> None:
        """Any of what is under way arrives: not always the oldest, and sometimes to be told again."""
        index = data.draw(st.integers(0, len(self.world.pending) - 1))
        message = self.world.pending[index]
        if not again:
            del self.world.pending[index]
        self.world.told.append(message)
        self.desk.hear(message)
        self.take()

    @precondition(lambda self: self.world.pending)
    @rule()
    def deliver_in_order(self) -> None:
        while self.world.pending:
            self.desk.hear(self.world.pending.pop(0))
            self.take()

    @rule(sells=st.booleans())
    def goes_well(self, sells: bool) -> None:
        """For once all is read, filled or dead, and told in order."""
        while self.world.unread:
            self.gateway_reads("accept")
        for real in self.working():
            if sells and real.command.side is Side.SELL:
                self.fill_some(real, real.command.qty_shares - real.cum)
            else:
                self.end(real, "ioc_remainder")
        if self.world.pending:
            self.deliver_in_order()

    # -- what must hold after every step ------------------------------------------------------

    @invariant()
    def never_more_sold_than_bought(self) -> None:
        for pair_id, qty in self.pairs_now().items():
            real = [r for r in self.world.real.values() if r.command.pair_id == pair_id]
            unread = [c for c in self.world.unread if isinstance(c, PlaceOrder) and c.pair_id == pair_id]
            bought = sum(r.cum for r in real if r.command.side is Side.BUY)
            sells = sum(r.at_risk for r in real if r.command.side is Side.SELL)
            assert sells + sum(c.qty_shares for c in unread if c.side is Side.SELL) <= bought
            buys = sum(r.at_risk for r in real if r.command.side is Side.BUY)
            assert buys + sum(c.qty_shares for c in unread if c.side is Side.BUY) <= qty

    @invariant()
    def each_pair_closes_once_with_the_money_of_the_broker(self) -> None:
        if not hasattr(self, "desk"):
            return
        closed = self.desk.all(PairClosed)
        assert all(count == 1 for count in Counter(c.pair_id for c in closed).values())
        for statement in closed:
            assert statement.pair_id not in self.desk.state.pairs
            real = [r for r in self.world.real.values() if r.command.pair_id == statement.pair_id]
            cash = sum(r.amount if r.command.side is Side.SELL else -r.amount for r in real)
            cash -= sum(r.facts.commission_krw + r.facts.tax_krw for r in real)
            assert statement.realised_pnl_krw == cash
            assert statement.bought_shares == statement.sold_shares
            assert statement.uncovered_krw_ms >= 0 and statement.neutral_ms >= 0

    def pairs_now(self) -> dict[str, int]:
        return getattr(self, "pairs", {})

    # -- the world heals ------------------------------------------------------------------------

    def teardown(self) -> None:
        if not hasattr(self, "desk"):
            return
        desk = self.desk
        self.connect(ConnectionState.READY)
        self.set_state(TradingState.REDUCE_ONLY)
        desk.phase(Venue.KRX, SessionPhase.CONTINUOUS)
        desk.phase(Venue.NXT, SessionPhase.CONTINUOUS)
        for venue in Venue:
            desk.halt_symbol(venue, False)
        self.run_on(200)
        for pair in desk.state.pairs.values():
            assert pair.phase is PairPhase.STRANDED, f"{pair.pair_id} is {pair.phase}"
            assert any(marked.pair_id == pair.pair_id for marked in desk.all(ResidualMarked))
            assert self.alarmed(pair.pair_id)
        desk.hear(FlattenRequested(by="kim", reason="t"))
        self.person_asked = True
        self.take()
        self.run_on(200)
        assert not desk.state.pairs
        assert {c.pair_id for c in desk.all(PairClosed)} == set(self.pairs)
        assert not any(c.outcome is PairOutcome.CLAIMED for c in desk.all(PairClosed))
        self.each_pair_closes_once_with_the_money_of_the_broker()
        self.alarms_are_taken_back()

    def run_on(self, turns: int) -> None:
        """A gateway that works and a market that takes what is sold."""
        for _ in range(turns):
            for symbol in (SYMBOL, OTHER):
                for venue in Venue:
                    self.desk.book(venue, 99_900, 100_000, symbol=symbol)
            while self.world.unread:
                self.gateway_reads("accept")
            for real in [r for r in self.world.real.values() if r.doubt]:
                self.resolve_truly(real)
            for real in self.working():
                if real.command.side is Side.SELL:
                    self.fill_some(real, real.command.qty_shares - real.cum)
                else:
                    self.end(real, "ioc_remainder")
            if self.world.pending:
                self.deliver_in_order()
            self.wait(100)

    def alarmed(self, pair_id: str) -> bool:
        alerts = [a for a in self.desk.all(AlertRaised) if a.pair_id == pair_id]
        raised = {a.alert_id for a in alerts if a.kind is AlertKind.STRANDED and not a.resolved}
        return bool(raised - {a.alert_id for a in alerts if a.resolved})

    def alarms_are_taken_back(self) -> None:
        """Of what lasts, the last word is that it is over."""
        lasting = (AlertKind.RESIDUAL, AlertKind.STRANDED, AlertKind.ORDER_UNKNOWN)
        last = {a.alert_id: a for a in self.desk.all(AlertRaised) if a.kind in lasting}
        assert [a.alert_id for a in last.values() if a.severity is not Severity.INFO] == []


Trading.TestCase.settings = settings(
    max_examples=25, stateful_step_count=40, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)  # fmt: skip
TestTrading = Trading.TestCase
