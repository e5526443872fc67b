"""What the supervisor decides: `decide(state, look)`, pure.

Invariants: a gateway is started, asked to stop or killed for a restart only while a HALT file lies there,
and that file is lifted only when the new gateway is ready, which means logged in and compared with the
broker. A file that a person laid is never lifted. An end by the timetable or by the broker's nightly cut
wakes nobody; after too many others it is given up, loudly, with trading stopped.

The core asks for the same thing again until it sees it done: no effect is trusted to have worked.
"""

from typing import Final

from services.contracts.alert_codes import AlertCode
from services.contracts.limits import NS_PER_S
from services.contracts.terms import Severity
from services.gateway.halt_file import LaidBy
from services.gateway.pulse import WAITING_FOR_REDIS
from services.gateway.supervisor import ending, screens
from services.gateway.supervisor.effects import AskToStop, Finish, Kill, LayHalt, LiftHalt, Start
from services.gateway.supervisor.health import complaint, hung
from services.gateway.supervisor.looks import Life, Look
from services.gateway.supervisor.state import Phase, Stop, SupervisorState, SupervisorStep
from services.gateway.supervisor.turn import Turn

SLEPT_S: Final = 5
"""Looks further apart than this: the supervisor itself did not run, and nobody else is judged for it."""
UNHALTED_S: Final = 3
"""The HALT file does not appear for so long: it cannot be laid."""
KILL_AGAIN_S: Final = 5
HURRIED_SETTLE_S: Final = 2
"""Where the system grants five seconds, open orders have so long to be taken back."""
DOWN: Final = "gateway-down"
AWAY: Final = "gateway-away"
GIVEN_UP: Final = "gateway-given-up"
MEMORY: Final = "gateway-memory"
UNHALTED: Final = "halt-not-laid"
REDIS: Final = "redis-away"


def decide(state: SupervisorState, look: Look) -> SupervisorStep:
    """Return the state after a look, and what is to be done."""
    turn = Turn(state, look)
    _woken(turn)
    _feel(turn)
    if look.life is not Life.ALIVE and turn.state.phase in (Phase.RUNNING, Phase.STOPPING):
        _ended(turn)
    elif look.life is Life.ALIVE and turn.state.phase in (Phase.RESTING, Phase.WAITING):
        _adopt(turn)
    screens.watch(turn)
    _PHASES[turn.state.phase](turn)
    _halt(turn)
    _away(turn)
    _redis(turn)
    turn.set(looked_ns=look.mono_ns)
    return SupervisorStep(turn.state, tuple(turn.effects))


# -- what is felt ------------------------------------------------------------------------------------


def _woken(turn: Turn) -> None:
    """The machine slept, or this process was held: the gateway was held too, so its time begins anew."""
    state, gap_ns = turn.state, turn.now_ns - turn.state.looked_ns
    if state.looked_ns and gap_ns > SLEPT_S * NS_PER_S:
        stop = state.stop
        if stop is not None:
            turn.set(stop=Stop(stop.why, stop.then, turn.now_ns, stop.planned, stop.hard))
        quiet_since = dict.fromkeys(state.quiet_since, turn.now_ns)
        turn.set(pulse_ns=turn.now_ns, unready_ns=turn.now_ns, quiet_since=quiet_since)


def _feel(turn: Turn) -> None:
    """Take in a new pulse of the process that lives."""
    pulse, state = turn.look.pulse, turn.state
    if pulse is None or not turn.alive or pulse.pid != turn.look.pid or pulse.number == state.number:
        return
    vitals = pulse.vitals
    since = {name: state.quiet_since.get(name, turn.now_ns) for name in vitals.quiet_ms}
    turn.set(number=pulse.number, pulse_ns=turn.now_ns, vitals=vitals, quiet_since=since)
    if vitals.ready or vitals.planned or vitals.stage == WAITING_FOR_REDIS:
        turn.set(unready_ns=turn.now_ns)
    if vitals.planned:
        turn.set(down_ns=0)
    if vitals.ready and turn.state.phase is not Phase.STOPPING:
        turn.set(ready=True, down_ns=0)
        for alert_id in (DOWN, AWAY, GIVEN_UP):
            turn.over(alert_id, AlertCode.GATEWAY_DOWN)
    elif not vitals.planned and not turn.state.down_ns:
        turn.set(down_ns=turn.now_ns)


def _adopt(turn: Turn) -> None:
    """A gateway that an earlier supervisor started lives: go on watching it."""
    turn.go(Phase.RUNNING, pulse_ns=turn.now_ns, unready_ns=turn.now_ns)


# -- ends --------------------------------------------------------------------------------------------


def _ended(turn: Turn) -> None:
    look, stop = turn.look, turn.state.stop
    code = look.exit_code if look.life is Life.ENDED else None
    why = ending.words(code) if stop is None else stop.why
    turn.set(last_end=why, number=-1, ready=False, stop=None, quiet_since={})
    if stop is not None and stop.planned:
        turn.go(stop.then, next_start_ns=turn.now_ns, down_ns=0, vitals=None)
    elif stop is None and code == ending.PLANNED_CUT:
        wait_ns = turn.settings.after_cut_s * NS_PER_S
        turn.go(Phase.WAITING, next_start_ns=turn.now_ns + wait_ns, down_ns=0, vitals=None)
    else:
        _failed(turn, code if stop is None else None, why)


def _failed(turn: Turn, code: int | None, why: str) -> None:
    """An end that nobody planned: start again after a wait, or give up."""
    state, settings, now_ns = turn.state, turn.settings, turn.now_ns
    recent = (*(at for at in state.ends if now_ns - at < settings.window_s * NS_PER_S), now_ns)
    held = 0 if state.vitals is None else state.vitals.owing
    turn.set(ends=recent, down_ns=state.down_ns or now_ns, vitals=None)
    if code in ending.FUTILE or len(recent) > settings.most_ends:
        _give_up(turn, code, why, held)
        return
    wait_s = settings.backoff_s[min(len(recent), len(settings.backoff_s)) - 1]
    turn.go(Phase.WAITING, next_start_ns=now_ns + wait_s * NS_PER_S)
    turn.tell(
        DOWN, AlertCode.GATEWAY_DOWN, Severity.CRITICAL if held else Severity.WARNING,
        {"problem": _sentence(why), "held": held}, with_log=True,
    )  # fmt: skip


def _give_up(turn: Turn, code: int | None, why: str, held: int) -> None:
    again = "" if code in ending.FUTILE else f" It has ended {len(turn.state.ends)} times in a short while."
    turn.go(Phase.GAVE_UP)
    turn.tell(
        GIVEN_UP, AlertCode.GATEWAY_GIVEN_UP, Severity.CRITICAL,
        {"problem": f"{_sentence(why)}{again}", "held": held}, with_log=True,
    )  # fmt: skip


# -- phases ------------------------------------------------------------------------------------------


def _running(turn: Turn) -> None:
    look, state = turn.look, turn.state
    if look.told_to_stop:
        _stop(turn, "told to stop", Phase.DONE, planned=True)
        return
    if look.resting:
        _stop(turn, "the hours of rest begin", Phase.RESTING, planned=True)
        return
    if silence := hung(state, look):
        _stop(turn, silence, Phase.WAITING, hard=True)
        return
    trouble = complaint(state, look)
    if trouble is not None:
        _stop(turn, trouble.why, Phase.WAITING, planned=trouble.can_wait)
    if look.memory_mb >= turn.settings.memory_soft_mb:
        turn.tell(
            MEMORY, AlertCode.GATEWAY_MEMORY, Severity.WARNING,
            {"used": look.memory_mb, "most": turn.settings.memory_hard_mb},
        )  # fmt: skip


def _stop(turn: Turn, why: str, then: Phase, *, planned: bool = False, hard: bool = False) -> None:
    turn.go(Phase.STOPPING, stop=Stop(why, then, turn.now_ns, planned, hard))


def _stopping(turn: Turn) -> None:
    """First the HALT file, then open orders taken back, then the end: asked for, or by force."""
    stop, settings, vitals = turn.state.stop, turn.settings, turn.state.vitals
    if stop is None:
        return
    if turn.look.told_to_stop and stop.then is not Phase.DONE:
        stop = Stop(stop.why, Phase.DONE, stop.since_ns, True, stop.hard, stop.asked_ns, stop.killed_ns)
    settle_s = min(settings.settle_s, HURRIED_SETTLE_S) if turn.look.hurried else settings.settle_s
    unhaltable = turn.passed(stop.since_ns, settle_s + UNHALTED_S)
    if not turn.halted and not unhaltable:
        turn.set(stop=stop)
        return
    settled = vitals is None or vitals.working == 0 or turn.passed(stop.since_ns, settle_s)
    asked_ns, killed_ns = stop.asked_ns, stop.killed_ns
    if stop.hard or (asked_ns and turn.passed(asked_ns, settings.stop_s)):
        if not killed_ns or turn.passed(killed_ns, KILL_AGAIN_S):
            turn.do(Kill())
            killed_ns = turn.now_ns
    elif not asked_ns and settled:
        turn.do(AskToStop())
        asked_ns = turn.now_ns
    turn.set(stop=Stop(stop.why, stop.then, stop.since_ns, stop.planned, stop.hard, asked_ns, killed_ns))


def _waiting(turn: Turn) -> None:
    if turn.look.told_to_stop:
        turn.go(Phase.DONE)
    elif turn.look.resting:
        turn.go(Phase.RESTING, down_ns=0)
    elif turn.now_ns >= turn.state.next_start_ns and turn.halted:
        now_ns = turn.now_ns
        turn.do(Start())
        turn.over(MEMORY, AlertCode.GATEWAY_MEMORY)
        turn.go(
            Phase.RUNNING, starts=turn.state.starts + 1, number=-1, pulse_ns=now_ns, vitals=None, ready=False,
            unready_ns=now_ns, down_ns=turn.state.down_ns or now_ns,
        )  # fmt: skip


def _resting(turn: Turn) -> None:
    if turn.look.told_to_stop:
        turn.go(Phase.DONE)
    elif not turn.look.resting:
        turn.go(Phase.WAITING, next_start_ns=turn.now_ns)


def _gave_up(turn: Turn) -> None:
    """The HALT file stays, also without us: the next supervisor lifts it when its gateway is ready."""
    if turn.look.told_to_stop:
        turn.do(Finish())


def _done(turn: Turn) -> None:
    """No gateway runs any more: nothing is left to be stopped by our file."""
    if turn.look.halt is not LaidBy.SUPERVISOR or turn.passed(turn.state.since_ns, UNHALTED_S):
        turn.do(Finish())


_PHASES: Final = {
    Phase.RESTING: _resting,
    Phase.WAITING: _waiting,
    Phase.RUNNING: _running,
    Phase.STOPPING: _stopping,
    Phase.GAVE_UP: _gave_up,
    Phase.DONE: _done,
}


# -- the HALT file, and what is told ---------------------------------------------------------------------


def _halt(turn: Turn) -> None:
    """Lay ours while something is wrong, lift ours when nothing is; a person's file is left alone."""
    why = _why_halted(turn.state)
    if turn.look.session_asked and turn.state.phase is Phase.RUNNING:
        why = why or "the Windows session is about to end"
    if not why:
        turn.set(unhalted_ns=0)
        beneath = turn.look.halt is LaidBy.PERSON and turn.state.phase is Phase.DONE
        if beneath or (turn.look.halt is LaidBy.SUPERVISOR and turn.state.phase is not Phase.RESTING):
            turn.do(LiftHalt())
        return
    if turn.halted:
        turn.set(unhalted_ns=0)
        turn.over(UNHALTED, AlertCode.HALT_FILE_UNLAID)
        return
    turn.do(LayHalt(why))
    turn.set(unhalted_ns=turn.state.unhalted_ns or turn.now_ns)
    if turn.passed(turn.state.unhalted_ns, UNHALTED_S):
        turn.tell(UNHALTED, AlertCode.HALT_FILE_UNLAID, Severity.CRITICAL, {"problem": why})


def _why_halted(state: SupervisorState) -> str:
    """Why nothing may be traded now, in the eyes of the supervisor; empty where it may."""
    if state.phase is Phase.RUNNING:
        if blocking := screens.waiting_for_person(state):
            return f"a window waits for a person: {blocking[0].title or 'without a title'}"
        ready_now = state.vitals is not None and state.vitals.ready
        if state.ready or ready_now:
            return ""
        return "the gateway was started and is not ready yet"
    if state.phase is Phase.STOPPING and state.stop is not None:
        return f"the gateway is being stopped: {state.stop.why}"
    if state.phase is Phase.WAITING:
        return f"the gateway is being started: {state.last_end or 'the supervisor has begun'}"
    return f"the gateway is given up: {state.last_end}" if state.phase is Phase.GAVE_UP else ""


def _away(turn: Turn) -> None:
    """It should be ready and is not for long: whatever the reason, a person should know."""
    state = turn.state
    if not state.down_ns or not turn.passed(state.down_ns, turn.settings.away_s):
        return
    stage = "no process runs" if state.vitals is None else f"it is {state.vitals.stage}"
    turn.tell(
        AWAY, AlertCode.GATEWAY_AWAY, Severity.CRITICAL,
        {"away": turn.settings.away_s * 1_000, "stage": stage, "problem": _sentence(state.last_end)},
        with_log=True,
    )  # fmt: skip


def _redis(turn: Turn) -> None:
    """With Redis dead nobody else can speak."""
    away_s = turn.look.redis_away_s
    if away_s >= turn.settings.redis_away_s:
        turn.tell(REDIS, AlertCode.REDIS_AWAY, Severity.CRITICAL, {"away": away_s * 1_000})
    elif not away_s:
        turn.over(REDIS, AlertCode.REDIS_AWAY)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""
