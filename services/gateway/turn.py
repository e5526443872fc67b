"""One step under construction: the state so far, and what it says and wants done.

A turn lives inside one call of the core and is dropped after it; the desks of the core write into it
one after the other.
"""

from collections.abc import Mapping
from typing import Any

from services.contracts.alert_codes import AlertCode
from services.contracts.alert_text import raised
from services.contracts.envelope import Message
from services.contracts.messages.alerts import Fact
from services.contracts.step import Outgoing
from services.contracts.terms import Severity, Symbol
from services.gateway.effects import Effect
from services.gateway.facts import Moment
from services.gateway.state import GatewayState, GatewayStep


class Turn:
    __slots__ = ("_halts", "effects", "mono_ns", "now_ns", "out", "state")

    def __init__(self, state: GatewayState, moment: Moment) -> None:
        self.state = state
        self._halts = state.halts
        self.now_ns = moment.now_ns
        self.mono_ns = moment.mono_ns
        self.out: list[Outgoing] = []
        self.effects: list[Effect] = []

    def mark(self) -> tuple[GatewayState, int, int]:
        """Return what `back_to` needs to undo all that follows."""
        return self.state, len(self.out), len(self.effects)

    def back_to(self, mark: tuple[GatewayState, int, int]) -> None:
        self.state, out, effects = mark
        del self.out[out:], self.effects[effects:]

    def set(self, **changes: Any) -> None:
        """Put values into the state; those that are there already leave it the same object."""
        state = self.state
        if any(getattr(state, name) is not value for name, value in changes.items()):
            self.state = state.but(**changes)

    def say(self, message: Message, correlation_id: str = "") -> None:
        self.out.append(Outgoing(message, correlation_id))

    def do(self, effect: Effect) -> None:
        self.effects.append(effect)

    def alert(
        self, alert_id: str, code: AlertCode, severity: Severity, facts: Mapping[str, Fact],
        *, symbol: Symbol | None = None, pair_id: str = "", amount_krw: int | None = None,
        resolved: bool = False,
    ) -> None:  # fmt: skip
        told = raised(
            code, f"gateway-{alert_id}", severity, facts, symbol=symbol, pair_id=pair_id,
            amount_krw=amount_krw, resolved=resolved,
        )  # fmt: skip
        self.say(told, pair_id)

    def step(self) -> GatewayStep:
        """Return the finished step; parts that mirror a desk are brought up to date."""
        state = self.state
        mirrored: dict[str, Any] = {}
        if state.working is not state.orders.working:
            mirrored["working"] = state.orders.working
        if state.query_history is not state.desk.history:
            mirrored["query_history"] = state.desk.history
        if state.halts is not self._halts and state.interruptions != (active := state.halts.interruptions()):
            mirrored["interruptions"] = active
        if mirrored:
            state = state.but(**mirrored)
        return GatewayStep(state, tuple(self.out), tuple(self.effects))
