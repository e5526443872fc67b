"""Looks, asks the core, and does what it says. Everything here is quick; the network is the reporter's."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from services.contracts.alert_codes import AlertCode
from services.contracts.alert_text import raised
from services.contracts.limits import NS_PER_MS
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.supervision import SupervisorStatus
from services.gateway import halt_file
from services.gateway.pulse import read_pulse
from services.gateway.supervisor.child import Child
from services.gateway.supervisor.core import decide
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
from services.gateway.supervisor.log_tail import as_text, last_lines
from services.gateway.supervisor.looks import Life, Look
from services.gateway.supervisor.reporter import SOURCE, Reporter
from services.gateway.supervisor.screens import waiting_for_person
from services.gateway.supervisor.session_end import SessionEnd
from services.gateway.supervisor.settings import SupervisorSettings
from services.gateway.supervisor.state import SupervisorState
from services.gateway.supervisor.windows import WindowSource
from services.runtime.build import build_id

STATUS_NS: Final = 1_000 * NS_PER_MS


class Shell:
    """One supervisor. `look_and_act()` is one round; it returns whether to go on."""

    def __init__(
        self,
        settings: SupervisorSettings,
        *,
        name: str,
        child: Child,
        windows: WindowSource,
        reporter: Reporter,
        state_dir: Path,
        halt_path: Path,
        logs: tuple[Path, ...],
        hour: Callable[[], tuple[bool, str]],
        told_to_stop: Callable[[], bool],
        ending: SessionEnd,
    ) -> None:
        self.state = SupervisorState(settings)
        self._name, self._child, self._windows, self._reporter = name, child, windows, reporter
        self._state_dir, self._halt_path, self._logs = state_dir, halt_path, logs
        self._hour, self._told_to_stop, self._ending = hour, told_to_stop, ending
        self._said_ns = 0
        self._finished = False
        self._log = structlog.get_logger(service=SOURCE)

    def look_and_act(self) -> bool:
        look = self._look()
        before = self.state
        step = decide(before, look)
        self.state = step.state
        if before.phase is not step.state.phase:
            self._log.info("phase", phase=step.state.phase, was=before.phase, last_end=step.state.last_end)
        for effect in step.effects:
            self._do(effect)
        self._say(look)
        return not self._finished

    def _look(self) -> Look:
        pulse = read_pulse(self._state_dir)
        sample = self._child.sample(0 if pulse is None else pulse.pid)
        resting, date = self._hour()
        alive = sample.life is Life.ALIVE
        halt = halt_file.look(self._halt_path)
        return Look(
            mono_ns=time.monotonic_ns(), life=sample.life, pid=sample.pid, exit_code=sample.exit_code,
            resting=resting, pulse=pulse if alive else None, memory_mb=sample.memory_mb,
            windows=self._windows.visible(sample.pids) if alive else (),
            halt=halt.laid_by, halt_file=halt.entry, told_to_stop=self._told_to_stop(),
            market_date=date, redis_away_s=self._reporter.redis_away_s,
            session_asked=self._ending.asked, hurried=self._ending.hurried,
        )  # fmt: skip

    def _do(self, effect: Effect) -> None:
        """Do one thing; what fails is seen at the next look, and asked for again."""
        try:
            self._done(effect)
        except OSError:
            self._log.exception("could not be done", effect=type(effect).__name__)

    def _done(self, effect: Effect) -> None:
        if not isinstance(effect, Tell | Finish):
            self._log.info("doing", effect=type(effect).__name__)
        match effect:
            case LayHalt(why):
                halt_file.lay(self._halt_path, why, time.time_ns())
            case LiftHalt():
                halt_file.lift(self._halt_path)
            case Start():
                self._child.start()
            case AskToStop():
                self._child.ask_to_stop()
            case Kill():
                self._child.kill()
            case Close(window):
                self._windows.close(window)
            case Tell(alert, with_log):
                self._tell(alert, with_log)
            case Finish():
                self._finished = True

    def _tell(self, alert: AlertRaised, with_log: bool) -> None:
        if with_log:
            lines = as_text(last_lines(self._logs, self.state.settings.lines_kept))
            facts = {**alert.facts, "problem": f"{alert.facts.get('problem', '')}\n{lines}".strip()}
            alert = raised(AlertCode(alert.code), alert.alert_id, alert.severity, facts)
        self._log.warning(
            "alert", alert_id=alert.alert_id, title=alert.title, detail=alert.detail, resolved=alert.resolved
        )
        self._reporter.tell(alert)

    def _say(self, look: Look) -> None:
        if look.mono_ns - self._said_ns < STATUS_NS:
            return
        self._said_ns = look.mono_ns
        self._reporter.status(status_of(self._name, self.state, look))


def status_of(name: str, state: SupervisorState, look: Look) -> SupervisorStatus:
    """Return what is said of a look: pure."""
    alive = look.life is Life.ALIVE
    return SupervisorStatus(
        name=name, phase=state.phase.value, pid=look.pid if alive else 0, starts=state.starts,
        ends=len(state.ends),
        pulse_age_ms=(look.mono_ns - state.pulse_ns) // NS_PER_MS if alive and state.pulse_ns else -1,
        memory_mb=look.memory_mb, halt=look.halt.value, last_end=state.last_end,
        windows=tuple(window.title for window in waiting_for_person(state)), build_id=build_id(),
        halt_file=look.halt_file,
    )  # fmt: skip
