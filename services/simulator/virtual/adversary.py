"""Who strikes a virtual day with what its seed drew: at services, bus, symbols, and the person at the desk.

Chances are per second of virtual time, and weigh more while a pair is open: a blow at nothing shows little.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from services.contracts.limits import NS_PER_MS, NS_PER_S
from services.contracts.terms import TradingState
from services.market.dates import time_of_day_ns
from services.market.market_clock import DayPlan
from services.runtime.bus import BusUnavailable
from services.simulator.virtual.bus import VirtualBus
from services.simulator.virtual.desk import NIGHTLY_CUT
from services.simulator.virtual.faults import CALM, DayFaults
from services.simulator.virtual.operator import Operator
from services.simulator.world import World

OPEN_WEIGHT, IDLE_WEIGHT = 2.0, 0.6
"""How much likelier than drawn a blow is while a pair is open, and while none is."""
AWAY_MS = ((0, 100), (100, 3_000))
"""How long a bus that forgets is away: a failover, as often as a slow start."""
DIES_WITH_THE_BUS = 0.3
"""The share of forgettings in which a process dies too, so that nobody has its last second in mind."""
LASTING_HALTS = 0.25
"""The share of halts that only end when the world heals: the shares of an open pair may be held overnight."""


@dataclass
class Adversary:
    """`counts` is how often each kind has struck, by `faults.KINDS`; `at_stake` whether a pair is open."""

    rng: Random
    faults: DayFaults
    step_ns: int
    world: World
    bus: VirtualBus
    operator: Operator
    everyone: Sequence[Any]
    at_stake: Callable[[], bool]
    tell: Callable[[str], None]
    counts: Counter[str] = field(default_factory=Counter)
    staked: Counter[str] = field(default_factory=Counter)
    """Of `counts`, those that struck while a pair was open."""
    _doomed: set[str] = field(default_factory=set)
    """Processes that die in their next turn."""
    _happened: Counter[str] = field(default_factory=Counter)

    def count(self, kind: str, what: str = "") -> None:
        """One more fault of a kind has struck."""
        self.counts[kind] += 1
        self.staked[kind] += self.at_stake()
        self.tell(f"FAULT {kind} {what}".rstrip())

    def turn(self, now_ns: int) -> None:
        """Everything that may strike within one step."""
        self._strike_bus(now_ns)
        for process in self.everyone:
            self._strike(process, now_ns)
        if self._chance(self.faults.services.operator):
            self._meddle(now_ns)
        if self._chance(self.faults.halts_per_s):
            self._halt_symbol(now_ns)
        if self._chance(self.faults.delistings_per_s):
            self._delist_symbol(now_ns)

    def look_at_world(self) -> None:
        """Count what the world did by its own chances since the last look."""
        happened = self.world.happened
        if happened.total() == self._happened.total():
            return
        for kind, more in (happened - self._happened).items():
            self.counts[kind] += more
            self.staked[kind] += more * self.at_stake()
        self._happened = happened.copy()

    def death(self, name: str) -> str:
        """Whether a process dies in this turn, "before" its commit or "after" it; empty where it lives."""
        faults = self.faults.services
        if name in self._doomed:
            self._doomed.remove(name)
            self.count("crash_before_commit", name)
            return "before"
        for die, rate in (("before", faults.crash_before_commit), ("after", faults.crash_after_commit)):
            if self._chance(rate):
                self.count(f"crash_{die}_commit", name)
                return die
        return ""

    def death_at_send(self, name: str) -> str:
        """Asked at each SendOrder: whether the gateway dies before it, within it, or not."""
        chance = self.faults.services.crash_at_send
        if not chance or self.rng.random() >= chance:
            return ""
        death = self.rng.choice(("before", "within"))
        self.count(f"crash_{death}_send", name)
        return death

    def cut_at_night(self, plan: DayPlan) -> None:
        """Have the broker close its line for the night, if this day has one."""
        if not self.faults.nightly_cut:
            return
        begins, ends = (plan.wall_ns(time_of_day_ns(at)) for at in NIGHTLY_CUT)

        def cut(_: int) -> None:
            self.count("nightly_cut")
            self.world.openapi.disconnect_all()
            self.world.openapi.closed_until_ns = ends

        self.world.agenda.at(begins, cut)

    def heal(self) -> None:
        """Nothing strikes any more, and what was struck stands again."""
        self.tell("the world heals")
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

    # -- one blow --------------------------------------------------------------------------

    def _chance(self, per_second: float) -> bool:
        if per_second <= 0:
            return False
        weight = OPEN_WEIGHT if self.at_stake() else IDLE_WEIGHT
        return self.rng.random() < per_second * weight * self.step_ns / NS_PER_S

    def _strike_bus(self, now_ns: int) -> None:
        faults, rng = self.faults.services, self.rng
        if self._chance(faults.bus_down):
            self.count("bus_down")
            self.bus.go_down(now_ns + rng.randint(50, 3_000) * NS_PER_MS)
        if self._chance(faults.bus_forgets):
            self.count("bus_forgets")
            self.bus.forget_since(now_ns - rng.randint(100, 1_000) * NS_PER_MS)
            self.bus.go_down(now_ns + rng.randint(*rng.choice(AWAY_MS)) * NS_PER_MS)
            if rng.random() < DIES_WITH_THE_BUS:
                self._doomed.add(rng.choice(self.everyone).name)
        if self._chance(faults.bus_repeats):
            keys = sorted(key for key, entries in self.bus.streams.items() if entries)
            if keys:
                key = rng.choice(keys)
                self.count("bus_repeats", key)
                self.bus.repeat(key, now_ns)

    def _strike(self, process: Any, now_ns: int) -> None:
        faults, rng = self.faults.services, self.rng
        if self._chance(faults.pause):
            self.count("pause", process.name)
            process.paused_until_ns = now_ns + rng.randint(100, 4_000) * NS_PER_MS
        if self._chance(faults.stall) and self.bus.streams:
            key = rng.choice(sorted(self.bus.streams))
            self.count("stall", f"{process.name} of {key}")
            self.bus.stall(process.name, key, now_ns + rng.randint(20, 1_500) * NS_PER_MS)
        if self._chance(faults.bus_reorders):
            self.count("bus_reorders", process.name)
            self.bus.reorder(process.name, now_ns + rng.randint(100, 3_000) * NS_PER_MS, rng.getrandbits(32))
        if self._chance(faults.bus_loses_reply):
            self.count("bus_loses_reply", process.name)
            self.bus.lose_reply(process.name)
        if self._chance(faults.second_instance):
            self.count("second_instance", process.name)
            self.bus.usurp(process.name)
        if self._chance(faults.clock_jump):
            process.clock_shift_ns = rng.randint(-faults.clock_jump_ms, faults.clock_jump_ms) * NS_PER_MS
            self.count("clock_jump", f"{process.name} {process.clock_shift_ns / NS_PER_MS:+.0f} ms")

    def _meddle(self, now_ns: int) -> None:
        target = self.rng.choice(
            [TradingState.PAUSE_ENTRY, TradingState.REDUCE_ONLY, TradingState.HALTED, TradingState.DISARMED]
        )
        self.operator.hands_off_until_ns = now_ns + self.rng.randint(500, 3_000) * NS_PER_MS
        try:
            self.operator.ask(target, now_ns)
            self.count("operator", target.value)
        except BusUnavailable:
            return

    def _halt_symbol(self, now_ns: int) -> None:
        code = self.rng.choice(sorted(self.world.exchange.instruments))
        self.count("halt", code)
        self.world.inject(now_ns, "halt", {"code": code})
        resumes_ns = now_ns + self.rng.randint(300, 3_000) * NS_PER_MS
        if self.rng.random() >= LASTING_HALTS:
            self.world.agenda.at(resumes_ns, lambda _: self.world.exchange.halt(code, False))

    def _delist_symbol(self, now_ns: int) -> None:
        code = self.rng.choice(sorted(self.world.exchange.instruments))
        self.count("delisting", code)
        self.world.inject(now_ns, "delist", {"code": code})
        self.world.agenda.at(
            now_ns + self.rng.randint(2_000, 8_000) * NS_PER_MS,
            lambda _: self.world.exchange.delist(code, False),
        )
