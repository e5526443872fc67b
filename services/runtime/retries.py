"""A buried entry, handed once more to the one reader that gave it up, because a person asks.

The request carries the entry's text, and the reader takes it in under its own id and stream. What is said
because of it has the ids that it would have had. A person's request among them is expired by its own entry.
"""

from dataclasses import replace
from typing import Final

from services.contracts.envelope import Unreadable, decode
from services.contracts.messages.dead import EntryRetried, EntryRetryRequested
from services.contracts.step import Event, Outgoing, Received, StateT, Step
from services.runtime.service import Service

OVERTAKEN: Final = frozenset({"TradingStateChanged", "SymbolResumed", "LatchCleared", "ReferencePublished"})
"""Words of risk that allow more. One that was buried may be older than the stop that holds now."""


def is_retry(event: Event, service: str) -> bool:
    """Return whether an event asks this service to take a buried entry in once more."""
    message = event.message if isinstance(event, Received) else None
    return isinstance(message, EntryRetryRequested) and message.service == service


def entry_of(event: Received) -> Received:
    """Return the buried entry as its reader would have read it, now.

    Raises:
        Unreadable: this build cannot read it either, the request is too old, or newer words took its place.
    """
    request = event.message
    assert isinstance(request, EntryRetryRequested)
    if event.expired or not event.envelope.life_ms:
        raise Unreadable("the request had expired before it was read: ask again if it is still wanted")
    envelope = decode(request.text)
    if envelope.type in OVERTAKEN:
        raise Unreadable(f"a {envelope.type} of the past is not obeyed: ask for what should hold now")
    return Received(envelope, request.stream_key, request.entry_id, event.now_ns)


def answer(event: Received, problem: str = "") -> Outgoing:
    """Return what tells the person: taken in, or the problem."""
    request = event.message
    assert isinstance(request, EntryRetryRequested)
    told = EntryRetried(
        stream_key=request.stream_key, entry_id=request.entry_id, service=request.service, problem=problem
    )
    return Outgoing(told, cause_id=event.cause_id)


def decided(service: Service[StateT], state: StateT, event: Event) -> Step[StateT]:
    """Ask a service's core; where a person asks for a retry, about the buried entry."""
    if not (isinstance(event, Received) and is_retry(event, service.name)):
        return service.decide(state, event)
    try:
        retried = entry_of(event)
        step = service.decide(state, retried)
    except Exception as error:
        return Step(state, (answer(event, f"{type(error).__name__}: {error}"),))
    said = (replace(out, cause_id=out.cause_id or retried.cause_id) for out in step.out)
    return Step(step.state, (*said, answer(event)))
