"""Our own refusals of commands: nothing of such an id was sent, and nothing will be."""

from collections.abc import Callable

from services.contracts.messages.commands import CancelOrder, PlaceOrder
from services.contracts.messages.orders import CommandDenied
from services.contracts.reasons import GateReason
from services.contracts.terms import Symbol
from services.gateway.order_queue import Command, without
from services.gateway.turn import Turn

DENIED_KEPT = 500
DENIED_RETOLD = 50
"""Many more than can be refused within the last second, which is what Redis may lose."""
OWN_CANCEL = ".x"
"""Marks the id of a cancel that the gateway itself decided on; nobody waits for its denial."""


def deny(turn: Turn, message: Command, reason: GateReason, detail: str) -> None:
    """Our own refusal: nothing of this id was sent or will be."""
    turn.set(queue=without(turn.state.queue, message.order_id))
    if isinstance(message, CancelOrder) and OWN_CANCEL in message.order_id:
        return
    target = "" if isinstance(message, PlaceOrder) else message.target_order_id
    denial = CommandDenied(
        order_id=message.order_id, pair_id=message.pair_id, symbol=_symbol_of(turn, message),
        reason=reason, detail=detail, target_order_id=target,
    )  # fmt: skip
    turn.say(denial, message.pair_id)
    if isinstance(message, PlaceOrder):
        remember(turn, denial)


def remember(turn: Turn, denial: CommandDenied) -> None:
    """An id that was refused once is never sent by this process."""
    kept = list(turn.state.denied.items())[-DENIED_KEPT:]
    turn.set(denied={**dict(kept), denial.order_id: denial})


def _symbol_of(turn: Turn, message: Command) -> Symbol:
    if isinstance(message, PlaceOrder):
        return message.symbol
    target = turn.state.orders.get(message.target_order_id)
    return Symbol("") if target is None else target.facts.symbol


def retell(turn: Turn) -> None:
    """Say the newest refusals once more: Redis may have forgotten them."""
    for denial in list(turn.state.denied.values())[-DENIED_RETOLD:]:
        turn.say(denial, denial.pair_id)


def deny_waiting(turn: Turn, reason: GateReason, wanted: Callable[[PlaceOrder], bool]) -> None:
    """Deny at once what waits and may not go any more."""
    for waiting in turn.state.queue:
        if isinstance(waiting.command, PlaceOrder) and wanted(waiting.command):
            deny(turn, waiting.command, reason, "")
