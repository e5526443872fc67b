"""One decision in the making: the state as it changes, and what is to be done."""

from collections.abc import Mapping
from typing import Any

from services.contracts.alert_codes import AlertCode
from services.contracts.alert_text import raised
from services.contracts.limits import NS_PER_S
from services.contracts.messages.alerts import Fact
from services.contracts.terms import Severity
from services.gateway.halt_file import LaidBy
from services.gateway.supervisor.effects import Effect, Tell
from services.gateway.supervisor.looks import Life, Look
from services.gateway.supervisor.settings import SupervisorSettings
from services.gateway.supervisor.state import Phase, SupervisorState


class Turn:
    """Mutable for the length of one `decide`."""

    def __init__(self, state: SupervisorState, look: Look) -> None:
        self.state, self.look = state, look
        self.effects: list[Effect] = []

    @property
    def now_ns(self) -> int:
        return self.look.mono_ns

    @property
    def settings(self) -> SupervisorSettings:
        return self.state.settings

    @property
    def halted(self) -> bool:
        """Whether a HALT file lies there, whoever laid it."""
        return self.look.halt is not LaidBy.NOBODY

    @property
    def alive(self) -> bool:
        return self.look.life is Life.ALIVE

    def passed(self, since_ns: int, seconds: int) -> bool:
        return self.now_ns - since_ns >= seconds * NS_PER_S

    def set(self, **changes: Any) -> None:
        self.state = self.state.but(**changes)

    def go(self, phase: Phase, **changes: Any) -> None:
        self.set(phase=phase, since_ns=self.now_ns, **changes)

    def do(self, effect: Effect) -> None:
        self.effects.append(effect)

    def tell(
        self, alert_id: str, code: AlertCode, severity: Severity, facts: Mapping[str, Fact],
        *, with_log: bool = False,
    ) -> None:  # fmt: skip
        """Raise an alert, once for as long as it stands."""
        if alert_id in self.state.told:
            return
        self.set(told=self.state.told | {alert_id})
        self.do(Tell(raised(code, alert_id, severity, facts), with_log))

    def over(self, alert_id: str, code: AlertCode, facts: Mapping[str, Fact] | None = None) -> None:
        """Say that an alert that stands is over."""
        if alert_id not in self.state.told:
            return
        self.set(told=self.state.told - {alert_id})
        alert = raised(code, alert_id, Severity.INFO, facts or {}, resolved=True)
        self.do(Tell(alert))
