"""Orders that wait in the gateway for a token: cancels first, exits before entries.

What waits was never sent, so a cancel of it removes it here. The queue is part of the stored
state: after a crash each entry is judged again, and mostly denied as expired, so that nobody
waits for an answer that never comes.
"""

from dataclasses import dataclass, replace

from services.contracts.messages.commands import AmendOrder, CancelOrder, PlaceOrder
from services.contracts.terms import Purpose

Command = PlaceOrder | AmendOrder | CancelOrder


@dataclass(frozen=True, slots=True)
class Waiting:
    """A command that was read and not sent. `why` is what it last waited for.

    `asked_ns` is when it was given (Redis time), 0 for what the gateway decided itself.
    """

    command: Command
    correlation_id: str
    arrived_ns: int
    why: str = ""
    asked_ns: int = 0


Queue = tuple[Waiting, ...]


def priority(command: Command) -> int:
    """Return the rank of a command: 0 cancels, 1 amendments and what sells, 2 entries."""
    if isinstance(command, CancelOrder):
        return 0
    if isinstance(command, PlaceOrder) and command.purpose is Purpose.ENTRY:
        return 2
    return 1


def queued(queue: Queue, waiting: Waiting) -> Queue:
    """Return the queue with one more, behind all of its rank."""
    rank = priority(waiting.command)
    ahead = [item for item in queue if priority(item.command) <= rank]
    behind = [item for item in queue if priority(item.command) > rank]
    return (*ahead, waiting, *behind)


def without(queue: Queue, order_id: str) -> Queue:
    return tuple(item for item in queue if item.command.order_id != order_id)


def find(queue: Queue, order_id: str) -> Waiting | None:
    return next((item for item in queue if item.command.order_id == order_id), None)


def waits_for(queue: Queue, order_id: str, why: str) -> Queue:
    """Return the queue with the reason noted why one of it was not sent."""
    return tuple(
        replace(item, why=why) if item.command.order_id == order_id and item.why != why else item
        for item in queue
    )
