"""What a pair does next: the pair after it, and what is said."""

from dataclasses import dataclass

from services.contracts.envelope import Message
from services.contracts.limits import COMMAND_TTL_MS
from services.contracts.messages.commands import CancelOrder, PlaceOrder
from services.contracts.terms import OrderKind, Purpose, Side, Venue
from services.executor.order import Order
from services.executor.pair import Pair
from services.executor.view import View


@dataclass(frozen=True, slots=True)
class Move:
    """A pair after a decision, and the messages that the decision makes."""

    pair: Pair
    out: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Ask:
    """An order that is wanted. `rests`: it stays in the book until the venue ends it (an auction)."""

    side: Side
    venue: Venue
    kind: OrderKind
    purpose: Purpose
    qty_shares: int
    price_krw: int
    reference_price_krw: int
    rests: bool = False


def place(pair: Pair, view: View, ask: Ask) -> Move:
    """Return the pair with a new order of the clip that runs, and the command for it."""
    order_id, attempt, replaced = pair.next_order_id(ask.side)
    expires_ns = view.after_ms(COMMAND_TTL_MS)
    timeout_ms = timeout_ms_of(view, ask.side)
    order = Order(
        order_id=order_id, clip=pair.clip, attempt=attempt, venue=ask.venue, side=ask.side, kind=ask.kind,
        purpose=ask.purpose, qty_shares=ask.qty_shares, price_krw=ask.price_krw, placed_at_ns=view.now_ns,
        expires_at_ns=expires_ns, cancel_at_ns=None if ask.rests else view.after_ms(timeout_ms),
        trading_date=view.venues.trading_date or pair.approval.trading_date,
        ladder=pair.residual.ladder if ask.purpose is Purpose.FLATTEN else 0,
    )  # fmt: skip
    command = PlaceOrder(
        order_id=order_id, pair_id=pair.pair_id, symbol=pair.symbol, venue=ask.venue, side=ask.side,
        kind=ask.kind, purpose=ask.purpose, qty_shares=ask.qty_shares, price_krw=ask.price_krw,
        reference_price_krw=ask.reference_price_krw, expires_at_ns=expires_ns, supersedes=replaced,
    )  # fmt: skip
    return Move(pair.with_order(order), (command,))


def ask_again(pair: Pair, view: View, order: Order) -> Move:
    """Return the pair with the command of an expired order given once more, which asks what became of it.

    The gateway answers an id that it knows, or whose day's log knows it, with what is known, and denies any
    other: a command as old as this one is never sent (design, 4.1).
    """
    command = PlaceOrder(
        order_id=order.order_id, pair_id=pair.pair_id, symbol=pair.symbol, venue=order.venue, side=order.side,
        kind=order.kind, purpose=order.purpose, qty_shares=order.qty_shares, price_krw=order.price_krw,
        reference_price_krw=order.price_krw, expires_at_ns=order.expires_at_ns,
    )  # fmt: skip
    return Move(pair.with_order(order.but(asked_again_ns=view.now_ns)), (command,))


def cancel(pair: Pair, view: View, order: Order, reason: str) -> Move:
    """Return the pair with one more cancel of an order asked for. A cancel request is not a cancel.

    The next one is due after twice the time, because each takes a slot of the order budget.
    """
    asked = order.cancels + 1
    again_ns = view.after_ms(timeout_ms_of(view, order.side) * 2**asked)
    command = CancelOrder(
        order_id=cancel_id_of(order.order_id, asked), target_order_id=order.order_id,
        pair_id=pair.pair_id, reason=reason, trading_date=order.trading_date,
    )  # fmt: skip
    return Move(pair.with_order(order.but(cancels=asked, cancel_at_ns=again_ns)), (command,))


def cancel_id_of(order_id: str, asked: int) -> str:
    """Return the id of the command that asks for the `asked`-th time to cancel an order.

    The gateway marks the cancels that it decides on itself with `.x`; ours must not look like those.
    """
    return f"{order_id}.c{asked}"


def timeout_ms_of(view: View, side: Side) -> int:
    return view.limits.buy_timeout_ms if side is Side.BUY else view.limits.sell_timeout_ms
