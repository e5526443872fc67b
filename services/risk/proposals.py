"""Changes of one limit: tightening takes effect at once, loosening needs a second person (RTS 6 art. 15(6)).
A threshold table that waits counts as one, with its hash as the value.

Every step stands on the control stream with name and reason: the request, the proposal, the
confirmation, what came into force, and what was refused or ran out. A proposal is judged again when it is
confirmed: what was allowed then may not be now. Who loosens, and who confirms it, had to see the last stop.
"""

from pydantic import ValidationError

from services.contracts.ids import derive_id
from services.contracts.limits import LIMIT_PROPOSAL_MS, NS_PER_MS
from services.contracts.messages.control import (
    LimitChangeProposed,
    LimitChangeRefused,
    LimitChangeRequested,
    LimitConfirmRequested,
    LimitProposal,
    LimitProposalExpired,
)
from services.contracts.step import Outgoing, Received, Step
from services.contracts.threshold import THRESHOLD
from services.contracts.trading_limits import TradingLimits, tightens
from services.risk import requests
from services.risk.reference_data import publish
from services.risk.state import RiskState

ID_LENGTH = 8


def on_change(state: RiskState, request: LimitChangeRequested, event: Received) -> Step[RiskState]:
    """Put a tighter limit in force, propose a looser one, or say why it can be neither."""
    problem = state.requests.ended(event) or _problem_with(state, request.name, request.value)
    if problem:
        return _refused(state, request.name, request.value, request.by, problem)
    assert state.files is not None
    if _only_tightens(state, request.name, request.value):
        return _put_in_force(state, request.name, request.value, request.by, request.reason)
    problem = requests.problem(state, event, request.stop_count)
    if problem:
        return _refused(state, request.name, request.value, request.by, problem)
    proposal = LimitProposal(
        proposal_id=derive_id("limit", event.cause_id)[:ID_LENGTH],
        name=request.name,
        value=request.value,
        before=_value_now(state, request.name),
        by=request.by,
        reason=request.reason,
        expires_at_ns=event.now_ns + LIMIT_PROPOSAL_MS * NS_PER_MS,
    )
    others = {key: other for key, other in state.proposals.items() if other.name != request.name}
    proposed: RiskState = state.but(proposals={**others, proposal.proposal_id: proposal})
    return Step(proposed, (Outgoing(LimitChangeProposed(proposal=proposal)),))


def on_confirm(state: RiskState, request: LimitConfirmRequested, event: Received) -> Step[RiskState]:
    """Put a proposal in force for a second person; the one who made it is refused."""
    late = requests.problem(state, event, request.stop_count)
    proposal = state.proposals.get(request.proposal_id)
    if proposal is None or event.now_ns >= proposal.expires_at_ns:
        name, value = ("", "") if proposal is None else (proposal.name, proposal.value)
        open_ = ", ".join(sorted(state.proposals)) or "none"
        problem = f"no proposal {request.proposal_id!r} waits (open are {open_}); propose it again"
        return _refused(state, name, value, request.by, problem)
    if _same_person(request.by, proposal.by):
        problem = f"{proposal.by} proposed it: a second person has to confirm"
        return _refused(state, proposal.name, proposal.value, request.by, problem)
    problem = _problem_with(state, proposal.name, proposal.value) or _moved_on(state, proposal) or late
    if problem:
        return _refused(state, proposal.name, proposal.value, request.by, problem)
    left = {key: other for key, other in state.proposals.items() if key != request.proposal_id}
    reason = f"{proposal.reason}; proposed by {proposal.by}, confirmed by {request.by}: {request.reason}"
    return _put_in_force(state.but(proposals=left), proposal.name, proposal.value, request.by, reason)


def expired(state: RiskState, now_ns: int) -> Step[RiskState]:
    """Take what nobody confirmed in time off the table, and say so."""
    over = [proposal for proposal in state.proposals.values() if now_ns >= proposal.expires_at_ns]
    if not over:
        return Step(state)
    left = {key: other for key, other in state.proposals.items() if other not in over}
    out = tuple(Outgoing(LimitProposalExpired(proposal=proposal)) for proposal in over)
    return Step(state.but(proposals=left), out)


def _put_in_force(state: RiskState, name: str, value: str, by: str, reason: str) -> Step[RiskState]:
    if name == THRESHOLD:
        assert state.files is not None
        files = state.files.model_copy(update={"threshold": state.table_waits})
        state = state.but(files=files, table_waits=None)
    else:
        state = state.but(overrides={**state.overrides, name: value})
    return publish(state, by, f"{name} = {value}: {reason}", always=True)


def _refused(state: RiskState, name: str, value: str, by: str, problem: str) -> Step[RiskState]:
    return Step(state, (Outgoing(LimitChangeRefused(name=name, value=value, by=by, problem=problem)),))


def _in_force(state: RiskState) -> TradingLimits:
    assert state.files is not None
    return state.files.limits if state.reference is None else state.reference.limits


def _value_now(state: RiskState, name: str) -> str:
    """What is in force of a limit, or the hash of the threshold table."""
    if name == THRESHOLD and state.reference is not None:
        return state.reference.threshold.hash
    return str(getattr(_in_force(state), name))


def _only_tightens(state: RiskState, name: str, value: str) -> bool:
    """Whether a limit would allow less; a threshold table that does so has not waited."""
    return name != THRESHOLD and tightens(name, _in_force(state), _with(state, name, value))


def _with(state: RiskState, name: str, value: str) -> TradingLimits:
    """The limits with one more override. Raises ValidationError."""
    assert state.files is not None
    return TradingLimits.model_validate({**state.files.limits.model_dump(), **state.overrides, name: value})


def _problem_with(state: RiskState, name: str, value: str) -> str:
    if state.files is None:
        return "no limits are in force yet; mend the files first"
    if name == THRESHOLD:
        waits = None if state.table_waits is None else state.table_waits.hash
        return "" if value == waits else f"no threshold table {value!r} waits; the one that does is {waits}"
    if name not in TradingLimits.model_fields:
        return f"{name!r} is no limit; there are {', '.join(sorted(TradingLimits.model_fields))}"
    try:
        _with(state, name, value)
    except ValidationError as error:
        return "; ".join(problem["msg"].removeprefix("Value error, ") for problem in error.errors())
    return ""


def _moved_on(state: RiskState, proposal: LimitProposal) -> str:
    """Somebody changed the limit since: what the second person would confirm is not what was proposed."""
    now = _value_now(state, proposal.name)
    if now == proposal.before:
        return ""
    return f"it was {proposal.before} when it was proposed and is {now} now; propose it again"


def _same_person(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()
