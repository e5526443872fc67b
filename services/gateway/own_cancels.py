"""Cancels that the gateway itself decides on: asked again until what they take back is closed."""

from collections.abc import Callable

from services.contracts.limits import NS_PER_MS
from services.contracts.messages.commands import CancelOrder
from services.contracts.terms import Purpose, Venue
from services.gateway.order_desk import command
from services.gateway.order_table import OrderRecord
from services.gateway.refusals import OWN_CANCEL
from services.gateway.turn import Turn
from services.market.hoga import OrderAction

CANCEL_AGAIN_NS = 1_500 * NS_PER_MS
CANCEL_TRIES = 5
CANCEL_LATER_NS = 30_000 * NS_PER_MS
"""An order that has outlived so many cancels is tried again this often, for as long as it must not work; so
is every one while the broker restricts orders."""


def cancel_open(turn: Turn, wanted: Callable[[OrderRecord], bool], reason: str) -> None:
    """Take back every working order that `wanted` picks; asked again until it is closed."""
    for record in list(turn.state.orders.working.values()):
        if not record.is_order or not wanted(record) or _cancel_pending(turn, record):
            continue
        tries, last_ns = turn.state.cancelling.get(record.order_id, (0, 0))
        often = tries < CANCEL_TRIES and not turn.state.link.orders_restricted
        if turn.now_ns - last_ns < (CANCEL_AGAIN_NS if often else CANCEL_LATER_NS):
            continue
        turn.set(cancelling={**turn.state.cancelling, record.order_id: (tries + 1, turn.now_ns)})
        cancel = CancelOrder(
            order_id=f"{record.order_id}{OWN_CANCEL}{turn.state.connection_epoch}.{tries + 1}",
            target_order_id=record.order_id, pair_id=record.facts.pair_id, reason=reason,
        )  # fmt: skip
        command(turn, cancel, record.facts.pair_id)


def _cancel_pending(turn: Turn, record: OrderRecord) -> bool:
    queued_ = any(
        isinstance(w.command, CancelOrder) and w.command.target_order_id == record.order_id
        for w in turn.state.queue
    )
    sent = any(
        r.action is OrderAction.CANCEL and r.target_id == record.order_id and r.unacknowledged
        for r in turn.state.orders.working.values()
    )
    return queued_ or sent


def outlives_pause(record: OrderRecord) -> bool:
    """Whether a sweep takes it: every entry, and every order on NXT (market rules 4.3)."""
    return record.facts.venue is Venue.NXT or record.facts.purpose is Purpose.ENTRY
