"""The ground truth: what the broker's and the exchanges' books really hold, for checkers and tests."""

from typing import TYPE_CHECKING, Any

from services.contracts.terms import Venue
from services.simulator.day import hhmmss
from services.simulator.orders import Order

if TYPE_CHECKING:
    from services.simulator.world import World


def snapshot(world: "World") -> dict[str, Any]:
    """One JSON-like object; money in KRW, quantities in shares, times in ns of the core's clock."""
    account, broker = world.account, world.broker
    market_ns = world.exchange.market_ns()
    return {
        "seed": world.seed,
        "now_ns": world.agenda.now_ns,
        "trading_date": world.day.date,
        "market_time": hhmmss(market_ns),
        "phases": {venue.value: world.exchange.phases[venue].value for venue in Venue},
        "account": world.options.account.number,
        "start_cash_krw": account.start_cash_krw,
        "cash_krw": account.cash_krw,
        "orderable_krw": account.orderable_krw,
        "commission_krw": account.commission_krw,
        "tax_krw": account.tax_krw,
        "start_holdings": dict(world.start_holdings),
        "holdings": {code: h.qty_shares for code, h in account.holdings.items() if h.qty_shares},
        "ways_ms": world.options.latency.slowest_ms,
        "markets": {code: i.listing.market.value for code, i in world.exchange.instruments.items()},
        "base_prices_krw": {code: i.listing.base_krw for code, i in world.exchange.instruments.items()},
        "crosses": world.crosses.told(),
        "realised_krw": sum(h.realised_krw for h in account.holdings.values()),
        "orders": [_order(order) for order in broker.orders.values()],
        "arrivals": [
            {
                "arrived_ns": arrival.arrived_ns,
                "received_ns": arrival.request.received_ns,
                "order_no": f"{arrival.order_no:07d}" if arrival.order_no else "",
                "refusal": arrival.refusal,
                "rqname": arrival.request.rqname,
                "screen": arrival.request.screen,
                "order_type": arrival.request.order_type,
                "code": arrival.request.code,
                "qty_shares": arrival.request.qty_shares,
                "price_krw": arrival.request.price_krw,
                "hoga": arrival.request.hoga,
                "original": arrival.request.original,
                "by_hand": arrival.request.by_hand,
            }
            for arrival in broker.arrivals
        ],
        "self_trades": broker.self_trades,
        "met_by_hand": broker.met_by_hand,
        "orders_admitted": broker.limit.admitted,
        "orders_refused": broker.limit.refused,
        "max_orders_per_s": broker.limit.max_observed,
        "queries_admitted": world.openapi.limit.admitted,
        "queries_refused": world.openapi.limit.refused,
        "max_queries_per_s": world.openapi.limit.max_observed,
        "query_guard_tripped": world.openapi.guard.tripped,
        "logged_in": world.sessions.current is not None,
        "halted": sorted(c for c, i in world.exchange.instruments.items() if i.halted),
    }


def _order(order: Order) -> dict[str, Any]:
    return {
        "order_no": order.number_text,
        "original": order.original_text if order.original else "",
        "action": order.action.value,
        "code": order.code,
        "venue": order.venue.value,
        "side": order.side.value,
        "hoga": order.request.hoga,
        "price_krw": order.price_krw,
        "qty_shares": order.qty_shares,
        "filled_shares": order.money.filled_shares,
        "amount_krw": order.money.amount_krw,
        "remaining_shares": order.remaining_shares,
        "commission_krw": order.money.commission_krw,
        "tax_krw": order.money.tax_krw,
        "status": order.status,
        "closed": order.closed,
        "rqname": order.request.rqname,
        "screen": order.request.screen,
        "by_hand": order.request.by_hand,
        "received_ns": order.request.received_ns,
        "fills": [
            {
                "execution_no": fill.execution_no,
                "qty_shares": fill.qty_shares,
                "price_krw": fill.price_krw,
                "ts_ns": fill.ts_ns,
                "hhmmss": fill.hhmmss,
                "cash_krw": fill.cash_krw,
                "held_shares": fill.held_shares,
            }
            for fill in order.fills
        ],
    }
