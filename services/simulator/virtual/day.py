"""One virtual day: a safety phase with faults, then the world heals and everything must close.

    result = run_day(desk, seed)
    result.violations      # sentences; empty is clean

A day holds: three symbols on two venues with four levels each, two detectors, risk, executor and gateway,
all phases of a trading date within `SECONDS` of virtual time, most of them both venues continuous; a
person at the desk; and the faults that the seed draws. An evening with an open pair goes on for a while.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from services.contracts.limits import NS_PER_MS, NS_PER_S
from services.contracts.messages.pairs import PairApproved, PairClosed, ResidualOpened
from services.gateway.state import GatewayState
from services.lab.fills import DayFills, QuoteTape, fills_of
from services.lab.invariants import violations
from services.risk.core import SERVICE as RISK
from services.simulator.events import Event as BrokerEvent
from services.simulator.options import AccountOptions, BrokerOptions, SimulatorOptions, WorldOptions
from services.simulator.promptness import Promptness
from services.simulator.virtual.adversary import Adversary
from services.simulator.virtual.bus import VirtualBus, VirtualTime
from services.simulator.virtual.desk import Desk
from services.simulator.virtual.faults import CALM, DayFaults, draw
from services.simulator.virtual.gateway import MemoryLog, VirtualGateway
from services.simulator.virtual.observer import DECISIONS, Observer
from services.simulator.virtual.operator import Operator
from services.simulator.virtual.process import VirtualProcess

SECONDS = 22
SETTLE_NS = 200 * NS_PER_S
"""The most that a day is prolonged by while a pair is open after it: longer than the executor waits before it
names a position that nobody takes, and than the broker's window of queries. Market time stands meanwhile."""
MENDING_NS = 4 * NS_PER_S
"""The least that a day goes on after the world has healed."""
STEP_NS = 25 * NS_PER_MS
CODED_EVERY = 50
"""In every so manieth seed all messages and states go through JSON, as they do on Redis."""
START_NS = 1_800_000_000 * NS_PER_S
HEAL_SHARES = (0.5, 1.05, 1.36)
HEAL_WEIGHTS = (0.8, 0.14, 0.06)
"""How much of the time in which both venues trade has faults: half of it, and what follows must close
everything; a little more than all of it; or so much that the broker's night is over too."""
THIN = {"cross_shares": (2, 20), "level_value_krw": (400_000, 4_000_000)}
"""`Terms.thin`: a handful of shares at each price."""


@dataclass
class DayResult:
    """What a day came to. `timeline` is only kept when asked for."""

    seed: int
    violations: list[str]
    faults: Counter[str]
    at_stake: Counter[str]
    """Those of `faults` that struck while a pair was open."""
    pairs_closed: int
    trips: int
    orders: int
    entries: int
    """Buys that the control took."""
    liquidations: int
    """Residuals that were opened."""
    promptness: Promptness
    fills: DayFills
    timeline: list[str] = field(default_factory=list)


class VirtualDay:
    """The pieces of one day, who strikes it, and who watches it."""

    def __init__(
        self,
        desk: Desk,
        seed: int,
        faults: DayFaults | None = None,
        note: Callable[[int, str], None] | None = None,
        options: SimulatorOptions | None = None,
    ) -> None:
        """`options` replace the market and the broker's faults of the seed; a benchmark brings its own."""
        rng = Random(seed)
        faults = faults if faults is not None else draw(rng)
        desk = desk.on(faults.terms.trading_date, faults.terms.basket)
        self._note = note
        self.time = VirtualTime(START_NS)
        self.plan = desk.plan(START_NS, SECONDS)
        self.world = desk.world(self.plan, options or _options(desk, faults), seed, START_NS)
        self.bus = VirtualBus(self.time, coded=seed % CODED_EVERY == 0)
        hoga = desk.hoga(faults.terms.nxt_takes_ioc)
        state = desk.gateway_state(self.plan, hoga, faults.terms.queries_used)
        self.gateway = VirtualGateway(state, self.bus, self.world, MemoryLog(), self._sending)
        services = desk.services(self.plan, faults.terms.clip_shares)
        self.processes = [VirtualProcess(make, self.bus) for make in services]
        self.everyone: list[Any] = [self.gateway, *self.processes]
        self.operator = Operator(self.bus)
        self.restart_ns: dict[str, int] = {}
        schedule = desk.rules.timetable.day(self.plan.trading_date)
        self._trading_ends_ns = self.plan.wall_ns(schedule.entry_windows()[-1].end_ns)
        overlap = schedule.overlaps()[0]
        opens, closes = self.plan.wall_ns(overlap.start_ns), self.plan.wall_ns(overlap.end_ns)
        share = rng.choices(HEAL_SHARES, HEAL_WEIGHTS)[0]
        self.heal_ns = opens + int((closes - opens) * share)
        self.end_ns = max(START_NS + SECONDS * NS_PER_S, self.heal_ns + MENDING_NS)
        self.observer = Observer(
            self.world, self.bus, self.gateway, self.plan, schedule.entry_windows(), hoga,
            desk.baskets[desk.basket].files[faults.terms.clip_shares],
            self._tell if note is not None else None,
        )  # fmt: skip
        self.adversary = Adversary(
            rng, faults, STEP_NS, self.world, self.bus, self.operator, self.everyone,
            self.observer.at_stake, self._tell,
        )  # fmt: skip
        if replace(faults, terms=CALM.terms) == CALM:
            self.observer.calm.healed(START_NS)
        self.tape = QuoteTape()
        self.world.feed.watchers.append(self.tape)
        self.witness = self.observer.witness
        self.witness.healed_in_time = share == HEAL_SHARES[0]
        self.gateway.may_have_left = lambda order_id: self.observer.left(order_id, self.time.now_ns)
        self.gateway.rate_refused = lambda: self.observer.rate_refused(self.time.now_ns)
        self.gateway.dies_at_send = lambda: self.adversary.death_at_send(self.gateway.name)
        self.adversary.cut_at_night(self.plan)

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
        self.conclude()

    def conclude(self) -> None:
        """The day is over: what is to be judged is kept."""
        self.observer.conclude(self._risk.state)

    @property
    def _risk(self) -> VirtualProcess[Any]:
        return next(process for process in self.processes if process.name == RISK)

    def _settles(self) -> bool:
        """Whether a pair still waits for the last word of an evening that began late: a gateway that came
        back at its end has the broker's queries to make first."""
        return self.time.now_ns < self.end_ns + SETTLE_NS and bool(self.observer.open_pairs())

    def _step(self, healed: bool) -> None:
        now_ns = self.time.now_ns
        arrived: dict[int, list[BrokerEvent]] = {}
        for session, event in self.world.advance(now_ns):
            arrived.setdefault(session, []).append(event)
        self.gateway.deliver(arrived)
        if not healed:
            self._trouble(now_ns)
        for process in self.everyone:
            self._run_one(process, now_ns, "" if healed else self.adversary.death(process.name))
        self.operator.turn(now_ns)
        self.observer.remember(now_ns)
        self.observer.watch(now_ns)
        self.observer.hold_books(now_ns, self._risk)
        self._close_of_session(now_ns)
        self.adversary.look_at_world()

    def _trouble(self, now_ns: int) -> None:
        self.adversary.turn(now_ns)

    def _heal(self) -> None:
        self.adversary.heal()
        self.observer.calm.healed(self.time.now_ns)

    def _sending(self, state: GatewayState, effect: Any) -> None:
        self.observer.sending(effect, self.time.now_ns)

    def _close_of_session(self, now_ns: int) -> None:
        """Count the pairs that are open when the venues stop trading together."""
        if not now_ns - STEP_NS < self._trading_ends_ns <= now_ns:
            return
        closed = {pair.pair_id for pair in self.witness.ever(PairClosed)}
        for pair in self.witness.ever(PairApproved):
            if pair.pair_id not in closed:
                self.adversary.count("session_close_mid_pair", pair.pair_id)

    def _run_one(self, process: Any, now_ns: int, die: str) -> None:
        """One turn of a process; a dead one is started again after a while, as a supervisor does."""
        if not process.up:
            if now_ns < self.restart_ns[process.name]:
                return
            process.start()
        if process is self.gateway:
            self._note_reading(now_ns)
        process.turn(now_ns, die=die)
        for failure in process.failures:
            self.witness.failures.append(f"{failure} at {(now_ns - START_NS) / NS_PER_S:.3f} s")
        process.failures.clear()
        if not process.up:
            self.restart_ns[process.name] = now_ns + self.adversary.rng.randint(100, 1_500) * NS_PER_MS

    def _note_reading(self, now_ns: int) -> None:
        """Note of which streams of decisions this turn of the gateway begins with all that they hold."""
        if not self.gateway.up or now_ns < self.gateway.paused_until_ns:
            return
        for key in DECISIONS:
            if self.bus.reaches(self.gateway.name, key, now_ns):
                self.observer.could_read_ns[key] = now_ns

    def struck(self) -> Counter[str]:
        """How often each kind of fault has struck, by `faults.KINDS`."""
        return +self.adversary.counts

    def fills(self) -> DayFills:
        """What became of the orders, once the day is over."""
        clips, legs = fills_of(self.witness, self.tape)
        crossings = self.world.feed.crossings
        return DayFills(self.world.options.world.preset, clips, legs, crossings.seen, crossings.phantoms)

    def _tell(self, text: str) -> None:
        """A line of the timeline, where one is kept."""
        if self._note is not None:
            self._note(self.time.now_ns, text)


def _options(desk: Desk, faults: DayFaults) -> SimulatorOptions:
    depth: dict[str, Any] = THIN if faults.terms.thin else {}
    market = WorldOptions(
        levels=4, book_updates_per_s=2.0, crosses_per_symbol_min=25.0,
        cross_ms=(300, 2_000), cross_bps=(15, 80),
        vi_per_symbol_hour=faults.vi_per_symbol_hour, vi_market_s=900, session_poll_ms=100,
        nxt_takes_ioc=faults.terms.nxt_takes_ioc, **depth,
    )  # fmt: skip
    terms = faults.terms
    held = terms.held_shares
    holdings = tuple((share.code, held, share.base_price_krw) for share in desk.listing if held)
    return SimulatorOptions(
        world=market, faults=faults.broker,
        broker=BrokerOptions(
            relogin_ms=faults.relogin_ms, page_rows=terms.page_rows, queries_used=terms.queries_used,
            nxt_pause_takes_cancels=terms.nxt_pause_takes_cancels,
            pause_refuses_by_frame=terms.pause_refuses_by_frame,
        ),
        account=AccountOptions(cash_krw=terms.cash_krw, holdings=holdings),
    )  # fmt: skip


def run_day(desk: Desk, seed: int, *, timeline: bool = False, faults: DayFaults | None = None) -> DayResult:
    """Run one day to its end and judge it."""
    lines: list[str] = []

    def note(now_ns: int, text: str) -> None:
        lines.append(f"{(now_ns - START_NS) / NS_PER_S:8.3f} {text}")

    day = VirtualDay(desk, seed, faults, note if timeline else None)
    day.run()
    closed = day.witness.of(PairClosed)
    promptness = Promptness()
    for envelope in day.witness.said.values():
        promptness.take(envelope.body)
    return DayResult(
        seed=seed, violations=violations(day.witness), faults=day.struck(),
        at_stake=+day.adversary.staked, pairs_closed=len(closed),
        trips=sum(pair.trip for pair in closed), orders=len(day.witness.orders()),
        entries=len({sent.order_id for sent in day.witness.entries}),
        liquidations=len(day.witness.ever(ResidualOpened)), promptness=promptness,
        fills=day.fills(), timeline=lines,
    )  # fmt: skip
