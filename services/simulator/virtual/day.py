"""One virtual day: a safety phase with faults, then the world heals and everything must close.

    result = run_day(desk, seed)
    result.violations      # sentences; empty is clean

A day holds: three symbols on two venues with four levels each, two detectors, risk, executor and gateway,
all phases of a trading date within `SECONDS` of virtual time, most of them both venues continuous; a
person at the desk; and the faults that the seed draws. An evening with an open pair goes on for a while.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from random import Random
from typing import Any

from services.contracts.envelope import Envelope
from services.contracts.limits import LEASE_MS, NS_PER_MS, NS_PER_S
from services.contracts.messages.control import ReferencePublished
from services.contracts.messages.pairs import PairApproved, PairClosed, ResidualMarked
from services.contracts.step import Event, State
from services.contracts.streams import CONTROL, LEASE, PAIRS, STATUS, TICKS, home_of
from services.contracts.terms import Purpose, SessionPhase, TradingState, Venue
from services.gateway.shell import EXIT_FAILED
from services.gateway.state import GatewayState
from services.market.dates import time_of_day_ns
from services.simulator.events import Event as BrokerEvent
from services.simulator.options import AccountOptions, SimulatorOptions, WorldOptions
from services.simulator.orders import Order
from services.simulator.virtual.bus import Unavailable, VirtualBus
from services.simulator.virtual.checkers import EntrySent, Witness, Word, violations, word_of
from services.simulator.virtual.desk import NIGHTLY_CUT, Desk
from services.simulator.virtual.faults import CALM, DayFaults, draw
from services.simulator.virtual.gateway import MemoryLog, VirtualGateway, VirtualTime
from services.simulator.virtual.operator import Operator
from services.simulator.virtual.process import VirtualProcess

SECONDS = 20
SETTLE_NS = 200 * NS_PER_S
"""The most that a day is prolonged by while a pair is open after it: longer than the executor waits before it
names a position that nobody takes, and than the broker's window of queries. Market time stands meanwhile."""
STEP_NS = 25 * NS_PER_MS
START_NS = 1_800_000_000 * NS_PER_S
HEAL_SHARE = 0.5
"""The part of the window in which both venues trade that has faults."""
TRADING = {Venue.KRX: SessionPhase.CONTINUOUS, Venue.NXT: SessionPhase.CONTINUOUS}


@dataclass
class DayResult:
    """What a day came to. `timeline` is only kept when asked for."""

    seed: int
    violations: list[str]
    faults: Counter[str]
    pairs_closed: int
    trips: int
    orders: int
    timeline: list[str] = field(default_factory=list)


class VirtualDay:
    """The pieces of one day and what is observed of them."""

    def __init__(
        self,
        desk: Desk,
        seed: int,
        faults: DayFaults | None = None,
        note: Callable[[int, str], None] | None = None,
    ) -> None:
        self.rng = Random(seed)
        self.faults = faults if faults is not None else draw(self.rng)
        self._note = note
        self.time = VirtualTime(START_NS)
        self.plan = desk.plan(START_NS, SECONDS)
        self.world = desk.world(self.plan, self._options(), seed, START_NS)
        self.bus = VirtualBus()
        self.witness = Witness()
        self.counts: Counter[str] = Counter()
        self.gateway = VirtualGateway(
            desk.gateway_state(self.plan), self.bus, self.world, self.time, MemoryLog(), self._sending
        )
        self.gateway.may_have_left = self.witness.could_arrive.append
        self._could_read_ns = START_NS
        self.gateway.dies_at_send = self._death_at_send
        self.processes = [VirtualProcess(make, self.bus, self._heard) for make in desk.services(self.plan)]
        self.everyone: list[Any] = [self.gateway, *self.processes]
        self.operator = Operator(self.bus)
        self.restart_ns: dict[str, int] = {}
        self.windows = desk.rules.timetable.day(self.plan.trading_date).entry_windows()
        overlap = desk.rules.timetable.day(self.plan.trading_date).overlaps()[0]
        opens, closes = self.plan.wall_ns(overlap.start_ns), self.plan.wall_ns(overlap.end_ns)
        share = HEAL_SHARE if self.rng.random() < 0.8 else 1.05
        self.heal_ns = opens + int((closes - opens) * share)
        self.end_ns = START_NS + SECONDS * NS_PER_S
        self._working: list[Order] = []
        self._orders_seen = 0
        self._by_hand = False
        """Whether a person has traded too: what the account holds is then not ours alone."""
        self._cut_at_night()

    def _options(self) -> SimulatorOptions:
        market = WorldOptions(
            levels=4, book_updates_per_s=2.0, crosses_per_symbol_min=25.0,
            cross_ms=(300, 2_000), cross_bps=(15, 80),
            vi_per_symbol_hour=self.faults.vi_per_symbol_hour, vi_market_s=900, session_poll_ms=100,
        )  # fmt: skip
        return SimulatorOptions(
            world=market, faults=self.faults.broker, account=AccountOptions(cash_krw=200_000_000)
        )

    # -- the day ---------------------------------------------------------------------------

    def run(self) -> None:
        """From before the first session to after the last."""
        for process in self.everyone:
            process.start()
        healed = False
        while self.time.now_ns < self.end_ns or self._settles():
            self.time.now_ns += STEP_NS
            if not healed and self.time.now_ns >= self.heal_ns:
                healed = True
                self._heal()
            self._step(healed)
        self.witness.books = self.world.snapshot()
        for entries in self.bus.streams.values():
            self.witness.kept.update((entry.envelope.id, entry.envelope) for entry in entries)

    def _settles(self) -> bool:
        """Whether a pair still waits for the last word of an evening that began late: a gateway that came
        back at its end has the broker's queries to make first."""
        return self.time.now_ns < self.end_ns + SETTLE_NS and bool(self._open_pairs())

    def _open_pairs(self) -> dict[str, PairApproved]:
        """Pairs that the streams have approved, and neither closed nor named as stranded."""
        posted = [entry.envelope.body for entry in self.bus.streams.get(PAIRS.key, [])]
        over = {m.pair_id for m in posted if isinstance(m, PairClosed | ResidualMarked)}
        return {m.pair_id: m for m in posted if isinstance(m, PairApproved) and m.pair_id not in over}

    def _step(self, healed: bool) -> None:
        now_ns = self.time.now_ns
        arrived: dict[int, list[BrokerEvent]] = {}
        for session, event in self.world.advance(now_ns):
            arrived.setdefault(session, []).append(event)
        self.gateway.deliver(arrived)
        if not healed:
            self._trouble(now_ns)
        for process in self.everyone:
            self._run_one(process, now_ns, "" if healed else self._death(process.name))
        self.operator.turn(now_ns)
        self._remember()
        self._watch(now_ns)
        self._close_of_session(now_ns)

    def _close_of_session(self, now_ns: int) -> None:
        """Count the pairs that are open when the venues stop trading together."""
        ends = self.plan.wall_ns(self.windows[-1].end_ns)
        if not now_ns - STEP_NS < ends <= now_ns:
            return
        closed = {pair.pair_id for pair in self.witness.ever(PairClosed)}
        for pair in self.witness.ever(PairApproved):
            if pair.pair_id not in closed:
                self._count("session_close_mid_pair", pair.pair_id)

    def _run_one(self, process: Any, now_ns: int, die: str) -> None:
        """One turn of a process; a dead one is started again after a while, as a supervisor does."""
        if not process.up:
            if now_ns < self.restart_ns[process.name]:
                return
            process.start()
        if process is self.gateway and self._can_read_control(now_ns):
            self._could_read_ns = now_ns
        process.turn(now_ns, die=die)
        if process is self.gateway and self.gateway.exit_code == EXIT_FAILED:
            self.witness.failures.append(f"the gateway at {(now_ns - START_NS) / NS_PER_S:.3f} s")
        if not process.up:
            self.restart_ns[process.name] = now_ns + self.rng.randint(100, 1_500) * NS_PER_MS

    def struck(self) -> Counter[str]:
        """How often each kind of fault has struck, by `faults.KINDS`."""
        return +(self.counts + self.world.happened)

    def _can_read_control(self, now_ns: int) -> bool:
        """Whether this turn of the gateway begins with all that the control stream holds."""
        runs = self.gateway.up and now_ns >= self.gateway.paused_until_ns
        return runs and self.bus.reaches(self.gateway.name, CONTROL.key, now_ns)

    # -- faults ----------------------------------------------------------------------------

    def _chance(self, per_second: float) -> bool:
        return per_second > 0 and self.rng.random() < per_second * STEP_NS / NS_PER_S

    def _death(self, name: str) -> str:
        faults = self.faults.services
        for die, rate in (("before", faults.crash_before_commit), ("after", faults.crash_after_commit)):
            if self._chance(rate):
                self._count(f"crash_{die}_commit", name)
                return die
        return ""

    def _tell(self, text: str) -> None:
        """A line of the timeline, where one is kept."""
        if self._note is not None:
            self._note(self.time.now_ns, text)

    def _death_at_send(self) -> str:
        """Asked at each SendOrder: whether the gateway dies before it, within it, or not."""
        chance = self.faults.services.crash_at_send
        if not chance or self.rng.random() >= chance:
            return ""
        death = self.rng.choice(("before", "within"))
        self._count(f"crash_{death}_send", self.gateway.name)
        return death

    def _cut_at_night(self) -> None:
        if not self.faults.nightly_cut:
            return
        begins, ends = (self.plan.wall_ns(time_of_day_ns(at)) for at in NIGHTLY_CUT)

        def cut(_: int) -> None:
            self._count("nightly_cut")
            self.world.openapi.disconnect_all()
            self.world.openapi.closed_until_ns = ends

        self.world.agenda.at(begins, cut)

    def _count(self, kind: str, what: str = "") -> None:
        self.counts[kind] += 1
        self._tell(f"FAULT {kind} {what}".rstrip())

    def _trouble(self, now_ns: int) -> None:
        faults, rng = self.faults.services, self.rng
        if self._chance(faults.bus_down):
            self._count("bus_down")
            self.bus.go_down(now_ns + rng.randint(50, 3_000) * NS_PER_MS)
        if self._chance(faults.bus_forgets):
            lost = self.bus.forget_since(now_ns - rng.randint(100, 1_000) * NS_PER_MS)
            self._count("bus_forgets", f"{lost} writes")
            self.bus.go_down(now_ns + rng.randint(50, 1_000) * NS_PER_MS)
        if self._chance(faults.bus_repeats):
            keys = sorted(key for key, entries in self.bus.streams.items() if entries)
            if keys:
                key = rng.choice(keys)
                self._count("bus_repeats", key)
                self.bus.repeat(key, now_ns)
        for process in self.everyone:
            self._trouble_of(process, now_ns)
        if self._chance(faults.operator):
            self._meddle(now_ns)
        if self._chance(self.faults.halts_per_s):
            self._halt_symbol(now_ns)
        if self._chance(self.faults.delistings_per_s):
            self._delist_symbol(now_ns)

    def _trouble_of(self, process: Any, now_ns: int) -> None:
        faults, rng = self.faults.services, self.rng
        if self._chance(faults.pause):
            self._count("pause", process.name)
            process.paused_until_ns = now_ns + rng.randint(100, 4_000) * NS_PER_MS
        if self._chance(faults.stall) and self.bus.streams:
            key = rng.choice(sorted(self.bus.streams))
            self._count("stall", f"{process.name} of {key}")
            self.bus.stall(process.name, key, now_ns + rng.randint(20, 1_500) * NS_PER_MS)
        if self._chance(faults.bus_reorders):
            self._count("bus_reorders", process.name)
            self.bus.reorder(process.name, now_ns + rng.randint(100, 3_000) * NS_PER_MS, rng.getrandbits(32))
        if self._chance(faults.bus_loses_reply):
            self._count("bus_loses_reply", process.name)
            self.bus.lose_reply(process.name)
        if self._chance(faults.second_instance):
            self._count("second_instance", process.name)
            if process.name in self.bus.kept:
                self.bus.kept[process.name].epoch += 1
        if self._chance(faults.clock_jump):
            process.clock_shift_ns = rng.randint(-faults.clock_jump_ms, faults.clock_jump_ms) * NS_PER_MS
            self._count("clock_jump", f"{process.name} {process.clock_shift_ns / NS_PER_MS:+.0f} ms")

    def _meddle(self, now_ns: int) -> None:
        target = self.rng.choice(
            [TradingState.PAUSE_ENTRY, TradingState.REDUCE_ONLY, TradingState.HALTED, TradingState.DISARMED]
        )
        self.operator.hands_off_until_ns = now_ns + self.rng.randint(500, 3_000) * NS_PER_MS
        try:
            self.operator.ask(target, now_ns)
            self._count("operator", target.value)
        except Unavailable:
            return

    def _halt_symbol(self, now_ns: int) -> None:
        code = self.rng.choice(sorted(self.world.exchange.instruments))
        self._count("halt", code)
        self.world.inject(now_ns, "halt", {"code": code})
        self.world.agenda.at(
            now_ns + self.rng.randint(300, 3_000) * NS_PER_MS,
            lambda _: self.world.exchange.halt(code, False),
        )

    def _delist_symbol(self, now_ns: int) -> None:
        code = self.rng.choice(sorted(self.world.exchange.instruments))
        self._count("delisting", code)
        self.world.inject(now_ns, "delist", {"code": code})
        self.world.agenda.at(
            now_ns + self.rng.randint(2_000, 8_000) * NS_PER_MS,
            lambda _: self.world.exchange.delist(code, False),
        )

    def _heal(self) -> None:
        self._tell("the world heals")
        self.world.calm()
        for code, instrument in self.world.exchange.instruments.items():
            if instrument.halted:
                self.world.exchange.halt(code, False)
            self.world.exchange.delist(code, False)
        self.bus.heal()
        self.faults = CALM
        self.operator.hands_off_until_ns = 0
        for process in self.everyone:
            process.paused_until_ns = process.clock_shift_ns = 0

    # -- what is observed ----------------------------------------------------------------------

    def _heard(self, name: str, event: Event, state: State) -> None:
        """A core was asked; nothing to remember here yet."""

    def _remember(self) -> None:
        for posted in self.bus.take_written():
            if home_of(type(posted.envelope.body)) is not TICKS:
                self._said(posted.envelope)

    def _said(self, envelope: Envelope) -> None:
        self.witness.said[envelope.id] = envelope
        if isinstance(envelope.body, ReferencePublished):
            self.witness.limits = envelope.body.reference.limits
        if isinstance(envelope.body, PairApproved):
            self._approved(envelope.body)
        if self._note is not None and home_of(type(envelope.body)) not in (STATUS, LEASE):
            self._note(self.time.now_ns, f"{envelope.source}: {envelope.body!r}")

    def _sending(self, state: GatewayState, effect: Any) -> None:
        """The gateway is about to send: judged by the world's clock, not by the gateway's."""
        record = effect.intention.get("record", {})
        facts = record.get("facts", {})
        self._tell(f"SEND {effect.order_id} {effect.args}")
        if facts.get("purpose") != Purpose.ENTRY.value or record.get("action") != "new":
            return
        now_ns, word = self.time.now_ns, self._word_on_the_bus()
        renewals = self.bus.streams.get(LEASE.key, [])
        renewed_ns = renewals[-1].taken_ns if renewals else 0
        # A clock that is wrong by less than distrust begins at moves the window by as much: in a day
        # this short that is minutes of market time. What the venue really does is judged beside it.
        market_ns = self.plan.market_ns(now_ns + self.gateway.clock_error_ns)
        venue = Venue(facts["venue"])
        self.witness.entries.append(
            EntrySent(
                at_ns=now_ns,
                order_id=effect.order_id,
                halted=word.halted,
                armed=word.armed,
                lease_left_ns=renewed_ns + LEASE_MS * NS_PER_MS - now_ns,
                window_open=any(window.contains(market_ns) for window in self.windows),
                venue_continuous=self.world.exchange.phases[venue].matches_continuously,
            )
        )

    def _approved(self, approved: PairApproved) -> None:
        """What risk may have let in: every pair that is open by the streams, by the broker's own fills.

        Risk hears of a fill later than this, and no fill makes the worst case of a pair larger.
        """
        by_symbol = Counter[str]()
        for pair in self._open_pairs().values():
            bought, held_krw = self._bought_by(pair.pair_id)
            by_symbol[pair.symbol] += held_krw + max(0, pair.qty_shares - bought) * pair.buy_limit_krw
        self._judge_exposure(approved.approved_at_ns, by_symbol)

    def _bought_by(self, pair_id: str) -> tuple[int, int]:
        """(shares bought by a pair's orders, cost in KRW of those not yet sold)."""
        mine = [o for o in self.world.broker.orders.values() if o.request.rqname.startswith(f"{pair_id}.")]
        buys = [order for order in mine if order.side.value == "buy" and not order.request.by_hand]
        sold = sum(o.money.filled_shares for o in mine if o.side.value == "sell" and not o.request.by_hand)
        bought = sum(order.money.filled_shares for order in buys)
        cost_krw = sum(order.money.amount_krw for order in buys)
        return bought, cost_krw * max(0, bought - sold) // bought if bought else 0

    def _judge_exposure(self, at_ns: int, by_symbol: Counter[str]) -> None:
        limits, total = self.witness.limits, sum(by_symbol.values())
        for code, krw in by_symbol.items():
            if krw > limits.max_exposure_symbol_krw:
                self.witness.exposures.append((at_ns, code, krw))
        if total > limits.max_exposure_total_krw:
            self.witness.exposures.append((at_ns, "", total))

    def _working_orders(self) -> Iterator[Order]:
        """Our orders that the broker has open. One that has closed is not looked at again."""
        orders = self.world.broker.orders
        new = list(islice(orders.values(), self._orders_seen, None))
        self._by_hand = self._by_hand or any(order.request.by_hand for order in new)
        self._working += new
        self._orders_seen = len(orders)
        self._working = [order for order in self._working if not order.closed]
        return (order for order in self._working if not order.request.by_hand)

    def _word_on_the_bus(self) -> Word:
        """What the control stream says to whoever could read it: the gateway's own belief is not asked."""
        entries = self.bus.streams.get(CONTROL.key, [])
        return word_of(entry.envelope.body for entry in entries if entry.taken_ns < self._could_read_ns)

    def _watch(self, now_ns: int) -> None:
        """Exposure and what is open at the broker, after every step."""
        by_symbol = Counter[str]()
        sides: dict[tuple[str, Venue], object] = {}
        for order in self._working_orders():
            entry = order.side.value == "buy"
            if entry and not self.world.exchange.phases[order.venue].matches_continuously:
                self.witness.left_over.append((now_ns, order.request.rqname))
            side = sides.setdefault((order.code, order.venue), order.side)
            if side is not order.side:
                self.witness.opposed.append((now_ns, order.request.rqname))
            if entry:
                by_symbol[order.code] += order.price_krw * order.remaining_shares
        if not self._by_hand:
            for code, holding in self.world.account.holdings.items():
                by_symbol[code] += holding.cost_krw
        self._judge_exposure(now_ns, by_symbol)


def run_day(desk: Desk, seed: int, *, timeline: bool = False, faults: DayFaults | None = None) -> DayResult:
    """Run one day to its end and judge it."""
    lines: list[str] = []

    def note(now_ns: int, text: str) -> None:
        lines.append(f"{(now_ns - START_NS) / NS_PER_S:8.3f} {text}")

    day = VirtualDay(desk, seed, faults, note if timeline else None)
    day.run()
    closed = day.witness.of(PairClosed)
    return DayResult(
        seed=seed, violations=violations(day.witness), faults=day.struck(), pairs_closed=len(closed),
        trips=sum(pair.trip for pair in closed), orders=len(day.witness.orders()), timeline=lines,
    )  # fmt: skip
