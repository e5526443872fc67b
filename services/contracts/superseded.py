"""Which messages a newer one of their kind replaces altogether: of those only the last needs to be told.

What waits for a Redis that is away, and what is told again after Redis lost its end, leaves the others out.
They are those that tell how things are (`said.py`), but for a few of which each counts: risk latches on a
connection that was lost, and judges each comparison with the report before it.
"""

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from services.contracts.envelope import Message
from services.contracts.messages.orders import AccountReported, ReconciliationCompleted
from services.contracts.messages.venue_state import ConnectionChanged
from services.contracts.said import said_field

T = TypeVar("T")

_EACH_COUNTS: Final = (ConnectionChanged, ReconciliationCompleted, AccountReported)


def newest(items: Iterable[T], message_of: Callable[[T], Message]) -> list[T]:
    """Return the items without those that a later one replaces, in their order."""
    kept: list[T] = []
    known: set[str] = set()
    for item in reversed(list(items)):
        message = message_of(item)
        subject = "" if isinstance(message, _EACH_COUNTS) else said_field(message)
        if subject not in known:
            kept.append(item)
        if subject:
            known.add(subject)
    return kept[::-1]
