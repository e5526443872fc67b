"""The person at the desk, in virtual time: arms, stops, lifts latches, sells what is stranded.

Reads what a person reads (status and alerts), and writes what `arb` writes. In the safety phase it also
meddles at random; when the world has healed it does what the runbook says until nothing is left to do.
"""

from dataclasses import dataclass, field

from services.contracts.envelope import Message
from services.contracts.limits import NS_PER_MS, NS_PER_S, READ_COUNT
from services.contracts.messages.control import (
    ArmRefused,
    FlattenRequested,
    HaltLiftRequested,
    LatchClearRequested,
    StopRequested,
    SymbolResumeRequested,
    TradingStateRequested,
)
from services.contracts.messages.orders import ForeignOrderSeen
from services.contracts.messages.status import ExecutorStatus, RiskStatus
from services.contracts.step import Outgoing
from services.contracts.streams import CONTROL, ORDERS, STATUS
from services.contracts.terms import Symbol, TradingState
from services.runtime.bus import BusUnavailable
from services.runtime.service import write_of
from services.simulator.virtual.bus import Connection, VirtualBus

HALTED = TradingState.HALTED
LOOK_NS = 500 * NS_PER_MS
FLATTEN_EVERY_NS = 3 * NS_PER_S


@dataclass
class Operator:
    """One person with one terminal."""

    bus: VirtualBus
    name: str = "operator"
    _line: Connection = field(init=False)
    _cursors: dict[str, str] = field(
        default_factory=lambda: dict.fromkeys((STATUS.key, ORDERS.key, CONTROL.key), "0-0")
    )
    _risk: RiskStatus | None = None
    _executor: ExecutorStatus | None = None
    _foreign: set[Symbol] = field(default_factory=set)
    _looked_ns: int = 0
    _flattened_ns: int = 0
    _said: int = 0
    _stopped: bool = False
    """Whether this person stopped the desk and has not armed it since, whatever the status says by now."""
    _refused: bool = False
    """Whether the last word on arming was a refusal."""
    hands_off_until_ns: int = 0

    def __post_init__(self) -> None:
        self._line = self.bus.connect(self.name)

    def turn(self, now_ns: int) -> None:
        """Look about twice a second and do what is due."""
        if now_ns - self._looked_ns < LOOK_NS:
            return
        self._looked_ns = now_ns
        try:
            self._look(now_ns)
            if now_ns >= self.hands_off_until_ns:
                self._mend(now_ns)
        except BusUnavailable:
            return

    def ask(self, target: TradingState, now_ns: int) -> None:
        """Ask for a trading state from the one that was last seen. Raises BusUnavailable."""
        risk, why = self._risk, {"by": self.name, "reason": "as the day goes"}
        shown = -1 if risk is None else risk.stop_count
        request: Message = TradingStateRequested(target=target, stop_count=shown, **why)
        if risk is not None and risk.state is HALTED and target is not HALTED:
            request = HaltLiftRequested(stop_count=shown, **why)
        elif target is not TradingState.ARMED and not (risk and target.allows_more_than(risk.state)):
            request = StopRequested(target=target, **why)
        self._say(request, now_ns)
        self._stopped = target is not TradingState.ARMED

    def _look(self, now_ns: int) -> None:
        for entry in self._line.read(self._cursors, count=READ_COUNT, block_ms=0):
            self._cursors[entry.key] = entry.entry_id
            body = entry.decoded().body
            if isinstance(body, RiskStatus):
                self._risk = body
            elif isinstance(body, ExecutorStatus):
                self._executor = body
            elif isinstance(body, ForeignOrderSeen):
                self._foreign.add(body.symbol)
            elif isinstance(body, ArmRefused):
                self._refused = True

    def _mend(self, now_ns: int) -> None:
        risk = self._risk
        if risk is None:
            return
        for latch in risk.latches:
            shown = {"stop_count": risk.stop_count}
            self._say(
                LatchClearRequested(latch=latch, by=self.name, reason="looked into it", **shown), now_ns
            )
        for symbol in sorted(self._foreign):
            resume = SymbolResumeRequested(
                symbol=symbol, by=self.name, reason="it was by hand", stop_count=risk.stop_count
            )
            self._say(resume, now_ns)
        self._foreign.clear()
        if not risk.latches and (self._stopped or risk.state is not TradingState.ARMED):
            self.ask(self._best_state(risk.state), now_ns)
        stranded = self._executor is not None and bool(self._executor.stranded)
        if stranded and now_ns - self._flattened_ns > FLATTEN_EVERY_NS:
            self._flattened_ns = now_ns
            self._say(FlattenRequested(by=self.name, reason="it is stranded"), now_ns)

    def _best_state(self, now: TradingState) -> TradingState:
        """What to ask for: where arming was just refused, at least what is held is to be sold."""
        refused, self._refused = self._refused, False
        return TradingState.REDUCE_ONLY if refused and not now.allows_exits else TradingState.ARMED

    def _say(self, message: Message, now_ns: int) -> None:
        self._said += 1
        cause = f"{self.name}-{self._said}"
        self._line.append([write_of(Outgoing(message), "cli", cause, 0, now_ns)])
