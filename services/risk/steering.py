"""What people ask of the trading state: stops, what allows more, and the end of a halt.

Every request is answered, caused by it: by the word on the state in force, or by a refusal with its cause.
"""

from services.contracts.envelope import Unreadable, decode
from services.contracts.messages import control
from services.contracts.messages.dead import EntryBuried
from services.contracts.step import Outgoing, Received, Step
from services.contracts.streams import STOPS
from services.contracts.terms import TradingState
from services.risk import alerts, requests, stops
from services.risk.gates import arming_obstacles
from services.risk.state import RiskState
from services.risk.trading_state import TRANSITIONS, Move

HALTED = TradingState.HALTED
HALTED_FIRST = "the desk is halted; `arb halt --lift` comes first, then `arb arm`"


def on_stop(state: RiskState, request: control.StopRequested, event: Received) -> Step[RiskState]:
    """Obey a stop. One that is no stricter than what is in force is counted too, and changes nothing else."""
    state = stops.taken(state, request, event.envelope.id)
    stricter = request.target.stricter(state.trading.state)
    return moved(state, stricter, request.by, request.reason, event, always=True)


def on_buried_stop(state: RiskState, buried: EntryBuried, event: Received) -> Step[RiskState]:
    """Obey a stop at which risk itself failed: the gateway and the executor hold it until risk says it.

    Of a text that cannot be read any more it is only known that somebody stopped: that is a halt.
    """
    if buried.stream_key != STOPS.key:
        return Step(state)
    try:
        envelope = decode(buried.text.encode())
    except Unreadable:
        if f'"{control.StopRequested.__name__}"' not in buried.text:
            return Step(state)
        why = f"a stop that cannot be read, entry {buried.entry_id}"
        return moved(stops.counted(state, "somebody", why, HALTED), HALTED, "somebody", why, event)
    request = envelope.body
    if isinstance(request, control.SymbolPauseRequested):
        paused = stops.with_pause(state, request.symbol, request.by, request.reason)
        return Step(paused, (stops.word_of(paused),))
    if not isinstance(request, control.StopRequested):
        return Step(state)
    state = stops.taken(state, request, envelope.id)
    stricter = request.target.stricter(state.trading.state)
    return moved(state, stricter, request.by, request.reason, event, always=True)


def on_state_request(
    state: RiskState, request: control.TradingStateRequested, event: Received
) -> Step[RiskState]:
    """Obey what tightens; go to what allows more where it stands against no stop, latch or gate."""
    ended = state.requests.ended(event)
    if ended:
        return Step(state, (_refusal(request, (ended,)),))
    move = TRANSITIONS[state.trading.state][request.target]
    if move is Move.TIGHTER:
        state = stops.counted(state, request.by, request.reason, request.target)
    problems = _problems(state, request, event) if move in _ALLOWING else ()
    if problems:
        return Step(state, (_refusal(request, problems),))
    return moved(state, request.target, request.by, request.reason, event, always=True)


_ALLOWING = (Move.LOOSER, Move.GUARDED, Move.BARRED)


def _problems(state: RiskState, request: control.TradingStateRequested, event: Received) -> tuple[str, ...]:
    problem = requests.problem(state, event, request.stop_count)
    if problem:
        return (problem,)
    if request.target is TradingState.ARMED:
        return _arming_problems(state, event.now_ns)
    return (HALTED_FIRST,) if state.trading.state is TradingState.HALTED else ()


def _arming_problems(state: RiskState, now_ns: int) -> tuple[str, ...]:
    if state.trading.state is TradingState.HALTED:
        return (HALTED_FIRST,)
    return arming_obstacles(state, now_ns)


def on_arming_check(
    state: RiskState, request: control.ArmingCheckRequested, event: Received
) -> Step[RiskState]:
    """Say what would refuse an arming by somebody who has seen the last stop."""
    problems = _arming_problems(state, event.now_ns)
    return Step(state, (Outgoing(control.ArmingChecked(by=request.by, problems=problems)),))


def _refusal(request: control.TradingStateRequested, problems: tuple[str, ...]) -> Outgoing:
    if request.target is TradingState.ARMED:
        return Outgoing(control.ArmRefused(by=request.by, problems=problems))
    return stops.refused(request, request.by, "; ".join(problems))


def on_lift(state: RiskState, request: control.HaltLiftRequested, event: Received) -> Step[RiskState]:
    """End the halt, into disarmed. A stop that its person had not seen keeps it."""
    problem = requests.problem(state, event, request.stop_count)
    if not problem and state.trading.state is not TradingState.HALTED:
        problem = f"no halt holds: the desk is {state.trading.state}"
    if problem:
        return Step(state, (stops.refused(request, request.by, problem),))
    return moved(state, TradingState.DISARMED, request.by, request.reason, event)


def disarmed(state: RiskState, reason: str, event: Received) -> Step[RiskState]:
    """Disarm for risk's own reason, which is a stop; a halt stays."""
    if state.trading.state in (TradingState.HALTED, TradingState.DISARMED):
        return Step(state)
    state = stops.counted(state, "risk", reason, TradingState.DISARMED)
    return moved(state, TradingState.DISARMED, "risk", reason, event)


def moved(
    state: RiskState, target: TradingState, by: str, reason: str, event: Received, *, always: bool = False
) -> Step[RiskState]:
    """Go to `target` and say so; `always` says it again where it is in force already."""
    old = state.trading.state
    if target is old:
        return Step(state, (Outgoing(stops.changed_message(state.trading)),) if always else ())
    trading = state.trading.model_copy(update={"state": target, "by": by, "reason": reason})
    told = alerts.state_changed(event.cause_id, old, target, by, reason)
    return Step(state.but(trading=trading), (Outgoing(stops.changed_message(trading)), Outgoing(told)))
