"""Several people stop, lift and arm at once, and the streams reach risk, gateway and executor as they please.

Whatever is read when: neither gateway nor executor allows entries after a stop that the person had not been
shown who asked for what allows them. When all has been read the three agree.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from services.contracts.envelope import Envelope, Message
from services.contracts.messages.control import (
    HaltLiftRequested,
    StopRequested,
    TradingStateChanged,
    TradingStateRequested,
)
from services.contracts.step import Received
from services.contracts.streams import CONTROL, STOPS
from services.contracts.terms import TradingState
from services.contracts.trading_word import TradingWord
from services.executor.core import decide as executor_decides
from services.executor.settings import ExecutorSettings
from services.executor.state import ExecutorState
from services.gateway.core import decide as gateway_decides
from services.gateway.facts import Delivered, Moment, Started
from services.risk.core import decide as risk_decides
from services.runtime.parts import changed_parts, restore
from tests.unit.detector import world
from tests.unit.gateway import desk as gateway_desk
from tests.unit.risk import desk as risk_desk

PEOPLE = ("alice", "bob", "carol")
ARMED = TradingState.ARMED
STOPPING = st.sampled_from([state for state in TradingState if state is not ARMED])
ALLOWING = st.sampled_from([ARMED, ARMED, TradingState.PAUSE_ENTRY, TradingState.REDUCE_ONLY])
LATER_MS = 4_000_000_000_000
"""Entries come after the start of every service."""


@dataclass
class Reader:
    """A service that reads the stops: its core, what it has read, and what allowed entries to it last."""

    feed: Callable[[Any, Received], Any]
    word_of: Callable[[Any], TradingWord]
    state: Any
    first: Any
    at: int = 0
    stops_read: int = 0
    shown_to_who_armed: int = -1

    @property
    def word(self) -> TradingWord:
        return self.word_of(self.state)

    def restart(self) -> None:
        self.state = restore(self.first, changed_parts(None, self.state))


@dataclass
class Look:
    """What a person was shown: the count, and how many stops risk had taken in by then."""

    count: int = -1
    stops: int = 0


@dataclass
class Posted:
    received: Received
    stops_shown: int = -1
    """Of a request, and of risk's word that answers it: how many stops its person had been shown."""


def _gateway() -> Reader:
    desk = gateway_desk.fresh()
    desk.feed(Started())

    def feed(state: Any, event: Received) -> Any:
        return gateway_decides(state, Moment(Delivered(event), desk.now_ns, desk.now_ns)).state

    return Reader(feed, lambda state: state.control.word, desk.state, gateway_desk.fresh().state)


def _executor() -> Reader:
    first = ExecutorState(settings=ExecutorSettings(_env_file=None))
    return Reader(
        lambda state, event: executor_decides(state, event).state, lambda s: s.trading, first, first
    )


@dataclass
class Race:
    risk: risk_desk.Desk = field(default_factory=risk_desk.ready)
    stops: list[Posted] = field(default_factory=list)
    control: list[Posted] = field(default_factory=list)
    risk_at: dict[str, int] = field(default_factory=lambda: {STOPS.key: 0, CONTROL.key: 0})
    risk_stops: int = 0
    allowed_by: int = -1
    """How many stops had been shown to who armed the desk that risk now says is armed."""
    looks: dict[str, Look] = field(default_factory=lambda: {name: Look() for name in PEOPLE})
    number: int = 0

    def post(self, message: Message, source: str, stops_shown: int = -1) -> None:
        self.number += 1
        on_stops = isinstance(message, StopRequested | TradingStateChanged)
        stream, entries = (STOPS, self.stops) if on_stops else (CONTROL, self.control)
        now_ns = world.T0 + self.number
        envelope = Envelope.wrap(message, source=source, now_ns=now_ns, causation_id=f"c{self.number}")
        entry_id = f"{LATER_MS + self.number}-0"
        entries.append(Posted(Received(envelope, stream.key, entry_id, now_ns), stops_shown))

    def risk_reads(self, entries: list[Posted], key: str) -> None:
        if self.risk_at[key] >= len(entries):
            return
        posted = entries[self.risk_at[key]]
        self.risk_at[key] += 1
        self.risk_stops += isinstance(posted.received.message, StopRequested)
        before = self.risk.state.trading.state
        step = risk_decides(self.risk.state, posted.received)
        self.risk.state = step.state
        if step.state.trading.state is ARMED and before is not ARMED:
            self.allowed_by = posted.stops_shown
        for out in step.out:
            if isinstance(out.message, TradingStateChanged):
                self.post(out.message, "risk", self.allowed_by)


class StopsRace(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.race = Race()
        self.readers = {"gateway": _gateway(), "executor": _executor()}

    @rule(name=st.sampled_from(PEOPLE))
    def look(self, name: str) -> None:
        self.race.looks[name] = Look(self.race.risk.state.trading.stop_count, self.race.risk_stops)

    @rule(name=st.sampled_from(PEOPLE), wanted=STOPPING)
    def stop(self, name: str, wanted: TradingState) -> None:
        self.race.post(StopRequested(target=wanted, by=name, reason="wrong prices"), "cli")

    @rule(name=st.sampled_from(PEOPLE), wanted=ALLOWING)
    def ask(self, name: str, wanted: TradingState) -> None:
        look = self.race.looks[name]
        wish = TradingStateRequested(target=wanted, by=name, reason="go on", stop_count=look.count)
        self.race.post(wish, "cli", look.stops)

    @rule(name=st.sampled_from(PEOPLE))
    def lift(self, name: str) -> None:
        look = self.race.looks[name]
        self.race.post(
            HaltLiftRequested(by=name, reason="right again", stop_count=look.count), "cli", look.stops
        )

    @rule(name=st.sampled_from(PEOPLE))
    def look_lift_and_arm(self, name: str) -> None:
        """One who does it right, and whom nobody disturbs on the way to risk."""
        self.look(name)
        self.lift(name)
        self.ask(name, ARMED)

    @rule(name=st.sampled_from(PEOPLE), other=st.sampled_from(PEOPLE), wanted=STOPPING)
    def arm_while_a_stop_is_on_its_way_to_risk(self, name: str, other: str, wanted: TradingState) -> None:
        self.look_lift_and_arm(name)
        self.stop(other, wanted)
        self.risk_reads_control(len(self.race.control))

    @rule(count=st.integers(1, 6))
    def risk_reads_stops(self, count: int) -> None:
        for _ in range(count):
            self.race.risk_reads(self.race.stops, STOPS.key)

    @rule(count=st.integers(1, 6))
    def risk_reads_control(self, count: int) -> None:
        for _ in range(count):
            self.race.risk_reads(self.race.control, CONTROL.key)

    @rule(name=st.sampled_from(("gateway", "executor")), count=st.integers(1, 8))
    def reads(self, name: str, count: int) -> None:
        reader = self.readers[name]
        for posted in self.race.stops[reader.at : reader.at + count]:
            reader.at += 1
            reader.state = reader.feed(reader.state, posted.received)
            message = posted.received.message
            reader.stops_read += isinstance(message, StopRequested)
            if isinstance(message, TradingStateChanged) and message.state is ARMED:
                reader.shown_to_who_armed = posted.stops_shown

    @rule(name=st.sampled_from(("gateway", "executor")))
    def restarts(self, name: str) -> None:
        self.readers[name].restart()

    @invariant()
    def no_entry_after_a_stop_that_who_armed_had_not_seen(self) -> None:
        for name, reader in self.readers.items():
            if reader.word.in_force.allows_entries:
                assert reader.shown_to_who_armed >= reader.stops_read, name

    @invariant()
    def a_halt_ends_only_when_it_is_lifted(self) -> None:
        """Of several stops the strictest holds until risk has the last of them."""
        for reader in self.readers.values():
            assert not reader.word.in_force.allows_more_than(reader.word.held or ARMED)

    def teardown(self) -> None:
        for _ in range(3):
            self.risk_reads_stops(len(self.race.stops) + 1)
            self.risk_reads_control(len(self.race.control) + 1)
        for name, reader in self.readers.items():
            self.reads(name, len(self.race.stops) + 1)
            assert reader.word.in_force is self.race.risk.state.trading.state, name
        self.no_entry_after_a_stop_that_who_armed_had_not_seen()


StopsRace.TestCase.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
TestStopsRace = StopsRace.TestCase


def test_the_race_reaches_an_armed_desk() -> None:
    """Were nothing ever allowed, nothing would be shown."""
    machine: Any = StopsRace()
    machine.begin()
    machine.stop("alice", TradingState.HALTED)
    machine.risk_reads_stops(1)
    machine.look_lift_and_arm("bob")
    machine.risk_reads_control(2)
    for name in machine.readers:
        machine.reads(name, 10)
        assert machine.readers[name].word.in_force is ARMED


def test_a_halt_that_is_lifted_before_risk_reads_a_later_pause_ends_everywhere() -> None:
    """Both stops were read by all that send orders before risk took in the second."""
    machine: Any = StopsRace()
    machine.begin()
    machine.stop("alice", TradingState.HALTED)
    machine.stop("bob", TradingState.PAUSE_ENTRY)
    for name in machine.readers:
        machine.reads(name, 10)
    machine.risk_reads_stops(1)
    machine.look("alice")
    machine.lift("alice")
    machine.risk_reads_control(1)
    machine.teardown()
