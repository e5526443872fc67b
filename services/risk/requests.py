"""Requests of people to risk: each is decided once, while it holds (`contracts/request_life`)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from services.contracts.messages.control import (
    ReferencePublished,
    ReferenceReloadRequested,
    RequestRefused,
    RequestWithdrawn,
    WithdrawalTaken,
)
from services.contracts.request_life import REQUESTS
from services.contracts.step import Outgoing, Received, Step
from services.risk import stops
from services.risk.state import SERVICE, RiskState

Handler = Callable[[RiskState, Any, Received], Step[RiskState]]


def decided_once(state: RiskState, event: Received, handler: Handler) -> Step[RiskState]:
    """Let `handler` decide a request, and remember that it did; a copy of one changes nothing."""
    if event.envelope.type not in REQUESTS:
        return handler(state, event.message, event)
    if state.requests.knows(event.envelope.id):
        return Step(state)
    step = handler(state, event.message, event)
    return Step(step.state.but(requests=step.state.requests.after(event)), step.out)


def problem(state: RiskState, event: Received, shown: int) -> str:
    """Return why a request made at stop count `shown` does not stand any more, empty if it does."""
    return state.requests.problem(event) or stops.overtaken(state, shown)


def reload_answered(before: RiskState, step: Step[RiskState], problems: tuple[str, ...]) -> Step[RiskState]:
    """Let what the files led to answer the person who asked for them to be read.

    `problems` say what of the files is not in force; where there is one, the request is refused with them.
    """
    asked = before.reload
    if asked is None:
        return step
    out = [
        replace(said, cause_id=asked.cause_id) if isinstance(said.message, ReferencePublished) else said
        for said in step.out
    ]
    if problems:
        refusal = RequestRefused(
            request=ReferenceReloadRequested.__name__, by=asked.by,
            problem=f"not all of the files is in force: {'; '.join(problems)}",
        )  # fmt: skip
        out.append(Outgoing(refusal, cause_id=asked.cause_id))
    return Step(step.state, tuple(out))


def on_withdrawal(state: RiskState, withdrawal: RequestWithdrawn, event: Received) -> Step[RiskState]:
    """Remember it, so that the request is refused when it comes; one that was decided stays decided."""
    terms = REQUESTS.get(withdrawal.request)
    if terms is None or terms.owner != SERVICE:
        return Step(state)
    decided = state.requests.knows(withdrawal.request_id)
    if not decided:
        state = state.but(requests=state.requests.without(withdrawal, event.now_ns))
    taken = WithdrawalTaken(
        request=withdrawal.request, request_id=withdrawal.request_id, by=withdrawal.by, decided=decided
    )
    return Step(state, (Outgoing(taken),))
