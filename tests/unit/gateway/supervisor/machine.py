"""A machine that does what the supervisor asks, in virtual time: process, pulse, windows, disk."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from services.contracts.limits import NS_PER_S
from services.contracts.messages.alerts import AlertRaised
from services.contracts.terms import Severity
from services.gateway.halt_file import LaidBy
from services.gateway.pulse import Pulse, Vitals
from services.gateway.supervisor.core import decide
from services.gateway.supervisor.dialogs import Action, DialogRule
from services.gateway.supervisor.effects import (
    AskToStop,
    Close,
    Effect,
    Finish,
    Kill,
    LayHalt,
    LiftHalt,
    Start,
    Tell,
)
from services.gateway.supervisor.looks import Life, Look, Window
from services.gateway.supervisor.settings import SupervisorSettings
from services.gateway.supervisor.state import Phase, SupervisorState

DATE = "2026-11-23"
READY = Vitals("ready", ready=True)
NOTICE = Window(1, "KHOpenAPI", "통신 연결이 끊겼습니다. 프로그램 종료후 재접속 해주시기 바랍니다.")
STRANGE = Window(2, "Something new", "Proceed?")
SINCE = dt.date(2021, 1, 1)
RULES = (
    DialogRule(
        since=dt.date(2021, 1, 1), title="KHOpenAPI", text="통신 연결이", action=Action.CLOSE, note="n"
    ),
    DialogRule(since=dt.date(2021, 1, 1), title="Open API Login", action=Action.IGNORE, note="n"),
)


def settings(**changes: Any) -> SupervisorSettings:
    values: dict[str, Any] = {"command": ("gateway",), "dialogs": RULES, **changes}
    return SupervisorSettings.model_construct(
        **{**{name: f.get_default(call_default_factory=True)
              for name, f in SupervisorSettings.model_fields.items()}, **values}
    )  # fmt: skip


@dataclass
class Machine:
    """Effects take place between two looks. `stubborn`: it does not end when asked; `unkillable`: ever."""

    state: SupervisorState = field(default_factory=lambda: SupervisorState(settings()))
    now_ns: int = 1_000 * NS_PER_S
    halt: LaidBy = LaidBy.NOBODY
    pid: int = 0
    exit_code: int | None = None
    ended: bool = False
    number: int = 0
    vitals: Vitals | None = None
    beating: bool = True
    memory_mb: int = 100
    windows: tuple[Window, ...] = ()
    resting: bool = False
    told_to_stop: bool = False
    stubborn: bool = False
    disk_full: bool = False
    redis_away_s: int = 0
    session_asked: bool = False
    hurried: bool = False
    starts_with: Vitals | None = READY
    closes: bool = True
    done: bool = False
    starts: list[int] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    alerts: list[AlertRaised] = field(default_factory=list)

    def look(self, seconds: float = 0.25) -> tuple[Effect, ...]:
        """One look after so many seconds, and what was asked for."""
        self.now_ns += int(seconds * NS_PER_S)
        if self.pid and self.beating and self.vitals is not None:
            self.number += 1
        life = Life.ENDED if self.ended else Life.ALIVE if self.pid else Life.ABSENT
        beats = self.pid and self.vitals is not None and self.number
        seen = Look(
            self.now_ns, life, self.pid, self.exit_code if self.ended else None, self.resting,
            Pulse(self.pid, self.number, self.vitals) if beats and self.vitals else None,
            self.memory_mb if self.pid else 0, self.windows if self.pid else (), self.halt,
            self.told_to_stop, DATE, self.redis_away_s,
            session_asked=self.session_asked, hurried=self.hurried,
        )  # fmt: skip
        self.ended = False
        step = decide(self.state, seen)
        self.state = step.state
        for effect in step.effects:
            self._do(effect)
        self.effects.extend(step.effects)
        return step.effects

    def run(self, seconds: float, every: float = 0.25) -> None:
        for _ in range(int(seconds / every)):
            self.look(every)

    def up(self) -> "Machine":
        """The machine with a gateway that is ready, and no HALT file."""
        self.run(5)
        assert self.state.phase is Phase.RUNNING
        assert self.halt is LaidBy.NOBODY
        return self

    def end(self, code: int | None) -> None:
        """The process ends by itself."""
        self.pid, self.vitals, self.ended, self.exit_code = 0, None, True, code

    def told(self, severity: Severity | None = None) -> list[str]:
        return [
            a.alert_id for a in self.alerts if not a.resolved and (severity is None or a.severity is severity)
        ]

    def over(self) -> list[str]:
        return [a.alert_id for a in self.alerts if a.resolved]

    def _do(self, effect: Effect) -> None:
        match effect:
            case Start():
                assert not self.pid, "two gateways at once"
                self.pid = 100 + len(self.starts)
                self.vitals, self.beating, self.memory_mb = self.starts_with, True, 100
                self.starts.append(self.now_ns)
            case AskToStop():
                if self.pid and not self.stubborn:
                    self.end(0)
            case Kill():
                if self.pid:
                    self.end(-9)
            case LayHalt():
                if self.halt is LaidBy.NOBODY and not self.disk_full:
                    self.halt = LaidBy.SUPERVISOR
            case LiftHalt():
                if self.halt is LaidBy.SUPERVISOR:
                    self.halt = LaidBy.NOBODY
            case Close(window):
                if self.closes:
                    self.windows = tuple(w for w in self.windows if w != window)
            case Tell(alert):
                self.alerts.append(alert)
            case Finish():
                self.done = True
