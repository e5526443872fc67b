"""How an order of ours ended, by what a frame or row says.

A person may have amended a sell by hand, and the frame of the order that sells on in its place was lost. So
where a frame ends a sell, and neither a word of its own nor a cancel or amendment explains that, the broker
is asked before its shares are free.
"""

from dataclasses import replace

from services.contracts.terms import OrderKind, Side
from services.gateway.evidence import Evidence
from services.gateway.order_table import OrderRecord, OrderTable
from services.market.broker_lists import OrderState
from services.market.hoga import OrderAction


def without_unexplained_end(orders: OrderTable, record: OrderRecord | None, seen: Evidence) -> Evidence:
    """Return evidence of a sell of ours without its end, where nothing known explains that.

    `record` is None for an order that a person made of one of ours: it may have been amended again.
    """
    ours = _rests(record) if record is not None else seen.broker_order_no in orders.taken_over
    return replace(seen, remaining_shares=None) if ours and _unexplained(orders, seen) else seen


def _rests(record: OrderRecord) -> bool:
    facts = record.facts
    sells = record.action is not OrderAction.CANCEL and facts.side is Side.SELL
    return sells and facts.kind is OrderKind.LIMIT and not (facts.closed or record.cancel_confirmed)


def _unexplained(orders: OrderTable, seen: Evidence) -> bool:
    if seen.by_query or seen.remaining_shares != 0:
        return False
    if seen.state in (OrderState.CANCELLED, OrderState.REJECTED) or seen.cum_qty_shares == seen.qty_shares:
        return False
    return all(other.original_no != seen.broker_order_no for other in orders.foreign.values())


def closing_reason(record: OrderRecord, seen: Evidence) -> str:
    """Return the word of `OrderClosed` for how it ended."""
    facts = record.facts
    if facts.cum_qty_shares == facts.qty_shares:
        return "filled"
    if record.cancel_confirmed:
        return "cancelled"
    if seen.by_query:
        return "by_query"
    return "ioc_remainder" if facts.kind is OrderKind.LIMIT_IOC else "cancelled"
