"""What a risk without a stored state takes from the past: what stopped or tightened, and nothing that allows.

It reads its streams from their beginning. Entries that Redis took before it began change the state and answer
nobody. Of limits the past gives the last reference and what tightened after it. Each limit in force is then
the tighter of the file and of that. At the next tick risk says once what holds.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from services.contracts.envelope import Message
from services.contracts.messages import control
from services.contracts.request_life import REQUESTS
from services.contracts.step import Received, Step
from services.contracts.trading_limits import TradingLimits, tightens
from services.risk import reference_data, stops
from services.risk.latches import set_latch
from services.risk.requests import Handler, decided_once
from services.risk.state import SERVICE, RiskState

WHY = "what held before the state was lost"


def of_the_past(state: RiskState, event: Received) -> bool:
    return bool(event.entry_id) and event.entered_ns < state.began_ns


def taken(state: RiskState, event: Received, handler: Handler | None) -> Step[RiskState]:
    """Take in one entry of the past."""
    message = event.message
    own = _RECALLED.get(type(message))
    if own is not None:
        return Step(own(state, message, event).but(recalling=True))
    if handler is None:
        return Step(state)
    step = decided_once(state, event, handler)
    if type(message) in _STOPPING or event.envelope.type in REQUESTS:
        return Step(step.state.but(recalling=True))
    return step


def settled(state: RiskState) -> Step[RiskState]:
    """Put in force what the past had tighter than the files, and say what holds, once they name each limit.

    A file that was refused says nothing to hold the past against: the next one is waited for.
    """
    if state.files is None or reference_data.unknown_limits(state):
        return Step(state)
    overrides = {**state.overrides, **_tighter(state, state.files.limits)}
    settled: RiskState = state.but(recalling=False, overrides=overrides)
    published = reference_data.publish(settled, SERVICE, WHY)
    return Step(published.state, (stops.word_of(published.state), *published.out))


def _tighter(state: RiskState, limits: TradingLimits) -> dict[str, str]:
    """The limits of the past that allow less than the file, as text."""
    past = state.recalled or limits
    names = (name for name in TradingLimits.model_fields if getattr(past, name) != getattr(limits, name))
    return {name: str(getattr(past, name)) for name in names if tightens(name, limits, past)}


def _latch(state: RiskState, message: control.LatchSet, event: Received) -> RiskState:
    return set_latch(state, message.latch, message.detail, event.now_ns).state


def _reference(state: RiskState, message: control.ReferencePublished, event: Received) -> RiskState:
    """The last one counts; what it names of the symbols is known for what is held.

    Nobody knows any more whether it held in live mode.
    """
    reference = message.reference
    changed: RiskState = state.but(
        recalled=reference.limits, reference=state.reference if state.reference_hash else reference,
        was_live=True,
    )  # fmt: skip
    return changed


def _limit(state: RiskState, message: control.LimitChangeRequested, event: Received) -> RiskState:
    """What was asked for after the last reference may never have been read."""
    before = state.recalled or TradingLimits()
    try:
        after = TradingLimits.model_validate({**before.model_dump(), message.name: message.value})
    except ValidationError:
        return state
    changed: RiskState = state.but(recalled=after) if tightens(message.name, before, after) else state
    return changed


_RECALLED: Mapping[type[Message], Callable[[RiskState, Any, Received], RiskState]] = {
    control.LatchSet: _latch,
    control.ReferencePublished: _reference,
    control.LimitChangeRequested: _limit,
}
_STOPPING = (control.StopRequested, control.HaltFileSeen, control.SymbolPauseRequested)
