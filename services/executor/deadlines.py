"""Orders that should have ended: what is cancelled and when, and when silence becomes doubt.

A cancel request is not a cancel (design 4.6): the order stays open until there is evidence. An order
in doubt is neither cancelled nor replaced; the gateway asks the broker, and a person is told. One that the
gateway never spoke of is asked about by its own command, which is too old to be sent. An order lives on one
trading date: whose end was not told by then is a person's to settle.
"""

from typing import Final

from services.contracts.limits import NS_PER_MS, NS_PER_S
from services.contracts.terms import Purpose, Side, TradingState, Venue
from services.executor import notices
from services.executor.move import Move, ask_again, cancel
from services.executor.order import SILENCE_NS, Order
from services.executor.pair import Pair
from services.executor.phases import Evidence, OrderLife, PairPhase
from services.executor.view import View

MOST_CANCELS: Final = 3
"""Each takes a slot of the broker's order budget; after these a person is told."""
ASK_AGAIN_NS: Final = 5 * NS_PER_S
"""How often the gateway is asked about an order that it never spoke of: an answer costs no query."""


def overdue(pair: Pair, view: View) -> Move | None:
    """Return what is to be done for the first open order that is due for something, or None."""
    for order in pair.open_orders:
        move = _care(pair, view, order)
        if move is not None:
            return move
    return None


def _care(pair: Pair, view: View, order: Order) -> Move | None:
    if "" < order.trading_date < view.venues.trading_date:
        outlived = order.after(Evidence.OUTLIVED, view.now_ns)
        if outlived is not order:
            return Move(pair.with_order(outlived))
    if order.life is OrderLife.COMMANDED and view.now_ns >= order.expires_at_ns + SILENCE_NS:
        return Move(pair.with_order(order.after(Evidence.SILENCE, view.now_ns)))
    if order.life is OrderLife.SILENT and view.now_ns - order.asked_again_ns >= ASK_AGAIN_NS:
        return ask_again(pair, view, order)
    if order.life.doubtful:
        return _warn(pair, view, order) if not order.warned and _alarming(view, order) else None
    reason = _why_cancel(pair, view, order)
    if not reason or not _due(view, order):
        return None
    if order.cancels < MOST_CANCELS:
        return cancel(pair, view, order, reason)
    return None if order.warned else _warn(pair, view, order)


def _alarming(view: View, order: Order) -> bool:
    """Whether a doubt needs a person. The gateway tells of an unknown order and asks the broker, so one is
    alarming only when that takes long; of an ambiguous one the stranded position tells."""
    if order.life is OrderLife.SILENT:
        return True
    long_ns = view.settings.doubt_alarm_ms * NS_PER_MS
    return order.life is OrderLife.UNKNOWN and view.now_ns - order.placed_at_ns >= long_ns


def _due(view: View, order: Order) -> bool:
    if order.cancels == 0:
        return True
    return order.cancel_at_ns is not None and view.now_ns >= order.cancel_at_ns


def _why_cancel(pair: Pair, view: View, order: Order) -> str:
    """Why an order is to be taken back now, empty if it is not."""
    if order.cancels or (order.cancel_at_ns is not None and view.now_ns >= order.cancel_at_ns):
        return "it has not ended in time"
    wanted_by_person = pair.by_person and order.purpose is Purpose.FLATTEN
    if not view.trading.allows_exits and not wanted_by_person:
        return f"the trading state is {view.trading}"
    if pair.claimed_by and order.side is Side.SELL:
        return f"{pair.claimed_by} says that the pair was sold by hand"
    if order.cancel_at_ns is None and _auction_over(view):
        return "its auction is over"
    if order.purpose.adds_exposure:
        return _why_cancel_entry(pair, view)
    return ""


def _auction_over(view: View) -> bool:
    """Whether an order that rested for the closing print should be gone: there is trading again, or none
    any more. Not before: the auction ends at a random moment, and a cancel must not take it out of it."""
    return view.day_over or any(view.marketable_kind(venue) is not None for venue in Venue)


def _why_cancel_entry(pair: Pair, view: View) -> str:
    if view.trading is TradingState.REDUCE_ONLY:
        return "the trading state is reduce_only"
    if not view.venues.window_open(view.now_ns):
        return "the entry window is closed"
    if pair.by_person:
        return "a person asked to be flat"
    if pair.phase in (PairPhase.FLATTENING, PairPhase.STRANDED):
        return "what was bought is being flattened"
    return ""


def _warn(pair: Pair, view: View, order: Order) -> Move:
    warned = order.but(warned=True)
    return Move(pair.with_order(warned), (notices.order_in_doubt(pair, order, view.now_ns),))
