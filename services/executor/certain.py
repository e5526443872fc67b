"""Whether it is certain what a pair holds: before it is, nothing of it is sold."""

from services.executor.order import Order
from services.executor.pair import Pair
from services.executor.phases import OrderLife
from services.executor.view import View


def untold(pair: Pair, view: View) -> bool:
    """Whether orders of the pair may be lost to us that the gateway is about to tell of."""
    return view.may_have_forgotten(pair.moved_ns, brought_back=pair.brought_back)


def doubt(pair: Pair, view: View) -> str:
    """Why it is not certain what a pair holds, in plain words; empty while it is."""
    if pair.claimed_by and (pair.uncovered_shares or pair.open_orders):
        return f"{pair.claimed_by} says that it was sold by hand"
    unclear = next((order for order in pair.orders if order.life is OrderLife.AMBIGUOUS), None)
    if unclear is not None:
        return _unclear(unclear, view)
    return "more was sold than bought" if pair.uncovered_shares < 0 else ""


def _unclear(order: Order, view: View) -> str:
    if order.trading_date < view.venues.trading_date:
        return f"an order of {order.trading_date} was never seen to end, and no query shows it any more"
    return "several broker orders match one of ours"
