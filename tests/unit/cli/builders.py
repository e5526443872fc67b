"""Messages and envelopes as the services write them, with plain values a test may override."""

from itertools import count
from typing import Any

from services.contracts.envelope import Envelope, Message
from services.contracts.limits import NS_PER_S
from services.contracts.messages.alerts import AlertKind, AlertRaised
from services.contracts.messages.orders import OrderFacts, OrderFilled, OrderSent
from services.contracts.messages.pairs import PairApproved, PairClosed, PairOutcome
from services.contracts.messages.status import (
    DetectorStatus,
    ExecutorStatus,
    GatewayStatus,
    Heartbeat,
    NotifierStatus,
    OpenPairSeen,
    RiskStatus,
    SpreadSeen,
)
from services.contracts.messages.venue_state import ConnectionState
from services.contracts.terms import (
    GatewayMode,
    OrderKind,
    Purpose,
    SessionPhase,
    Severity,
    Side,
    Symbol,
    TradingDate,
    TradingState,
    Venue,
)
from services.lab.broker_books import BrokerArrival, BrokerBooks, BrokerFill, BrokerOrder

DATE = TradingDate("2026-11-23")
SAMSUNG = Symbol("005930")
HYNIX = Symbol("000660")
NOW_NS = 1_800_000_000 * NS_PER_S
_causes = count()


def envelope(message: Message, at_ns: int = NOW_NS, source: str = "test") -> Envelope:
    """Wrap a message under a cause of its own, so that no two envelopes share an id."""
    return Envelope.wrap(message, source=source, now_ns=at_ns, causation_id=f"cause-{next(_causes)}")


def heartbeat(service: str, build: str = "build1", reference_hash: str = "") -> Heartbeat:
    return Heartbeat(
        service=service, instance="host-1", epoch=1, build_id=build, pid=1, started_at_ns=NOW_NS,
        reference_hash=reference_hash, positions={}, handled=0, clock_offset_us=0,
    )  # fmt: skip


def approved(pair_id: str = "P1", symbol: Symbol = SAMSUNG) -> PairApproved:
    return PairApproved(
        pair_id=pair_id, intent_id=f"I{pair_id}", symbol=symbol, trading_date=DATE, buy_venue=Venue.NXT,
        sell_venue=Venue.KRX, qty_shares=3, clip_shares=1, buy_limit_krw=70_000, sell_limit_krw=70_300,
        approved_at_ns=NOW_NS, expires_at_ns=NOW_NS + NS_PER_S, reference_hash="h",
    )  # fmt: skip


def closed(pair_id: str = "P1", **changes: Any) -> PairClosed:
    values: dict[str, Any] = {
        "pair_id": pair_id, "symbol": SAMSUNG, "outcome": PairOutcome.FLAT, "trip": True, "clips": 1,
        "bought_shares": 1, "bought_krw": 70_000, "sold_shares": 1, "sold_krw": 70_300, "commission_krw": 20,
        "tax_krw": 140, "realised_pnl_krw": 140, "residual_shares_max": 0, "neutral_ms": 120,
        "uncovered_krw_ms": 8_400_000, "opened_at_ns": NOW_NS, "closed_at_ns": NOW_NS + NS_PER_S,
    }  # fmt: skip
    return PairClosed(**{**values, **changes})


def facts(side: Side = Side.BUY, order_id: str = "P1.1.b.1", symbol: Symbol = SAMSUNG) -> OrderFacts:
    return OrderFacts(
        order_id=order_id, pair_id="P1", symbol=symbol, venue=Venue.NXT, side=side, kind=OrderKind.LIMIT_IOC,
        purpose=Purpose.ENTRY if side is Side.BUY else Purpose.EXIT, qty_shares=1, price_krw=70_000,
        trading_date=DATE,
    )  # fmt: skip


def filled(side: Side, qty_shares: int = 1, symbol: Symbol = SAMSUNG) -> OrderFilled:
    return OrderFilled(
        facts=facts(side, symbol=symbol), last_qty_shares=qty_shares, last_amount_krw=70_000 * qty_shares
    )


def sent(order_id: str = "P1.1.b.1") -> OrderSent:
    return OrderSent(facts=facts(order_id=order_id))


def alert(alert_id: str = "A1", **changes: Any) -> AlertRaised:
    values: dict[str, Any] = {
        "alert_id": alert_id, "kind": AlertKind.STALE_FEED, "severity": Severity.WARNING,
        "title": "NXT is silent", "detail": "no book for 6 s", "next_step": "Wait.",
    }  # fmt: skip
    return AlertRaised(**{**values, **changes})


def risk_status(**changes: Any) -> RiskStatus:
    values: dict[str, Any] = {
        "state": TradingState.ARMED, "latches": (), "gates": (), "open_pairs": 0, "exposure_krw": 0,
        "realised_pnl_krw": 1_234, "marked_pnl_krw": 1_234, "trips": 2, "intents": 9, "approvals": 3,
        "denials": {"edge_gone": 6}, "cash_krw": 100_000_000, "cash_change_krw": 1_234,
    }  # fmt: skip
    return RiskStatus(**{**values, **changes})


def gateway_status(**changes: Any) -> GatewayStatus:
    values: dict[str, Any] = {
        "mode": GatewayMode.SIMULATED, "connection": ConnectionState.READY, "connection_epoch": 1,
        "account": "8012345611", "trading_date": DATE, "market_time": "10:12:03",
        "phases": {Venue.KRX: SessionPhase.CONTINUOUS, Venue.NXT: SessionPhase.CONTINUOUS},
        "entry_window_open": True, "last_event_age_ms": {}, "queue_depths": {}, "order_tokens": 5,
        "query_tokens": 5, "orders_sent": 12, "queries_sent": 4, "orders_in_window_max": 3,
        "quotes_published": 4_321, "quotes_conflated": 0, "subscribed": 100, "lease_left_ms": 1_800,
    }  # fmt: skip
    return GatewayStatus(**{**values, **changes})


def spread(symbol: Symbol = SAMSUNG, net_edge_bps: int = 5, name: str = "Samsung Electronics") -> SpreadSeen:
    return SpreadSeen(
        symbol=symbol, name=name, buy_venue=Venue.NXT, sell_venue=Venue.KRX, ask_krw=70_000, bid_krw=70_300,
        qty_shares=12, net_edge_krw=net_edge_bps * 7, net_edge_bps=net_edge_bps, age_ms=120,
    )  # fmt: skip


def detector_status(group: str, *spreads: SpreadSeen) -> DetectorStatus:
    return DetectorStatus(
        group=group, symbols=25, quotes=10, quotes_skipped=0, intents=1, crosses=1, spreads=spreads
    )


def executor_status(*pairs: OpenPairSeen, stranded: tuple[OpenPairSeen, ...] = ()) -> ExecutorStatus:
    return ExecutorStatus(
        pairs=pairs, stranded=stranded, pairs_closed=2, clips=3, uncovered_krw_ms=0, neutral_ms_max=120
    )


def notifier_status(**changes: Any) -> NotifierStatus:
    values: dict[str, Any] = {
        "journal_lines": 1, "journal_lag_ms": 0, "alerts": 0, "delivered": 0, "failed": 0,
        "unacknowledged": (),
    }  # fmt: skip
    return NotifierStatus(**{**values, **changes})


def open_pair(pair_id: str = "P1", state: str = "selling") -> OpenPairSeen:
    return OpenPairSeen(
        pair_id=pair_id,
        symbol=SAMSUNG,
        state=state,
        clip=1,
        uncovered_shares=1,
        uncovered_krw=70_000,
        age_ms=340,
    )


BUY, SELL = "P1.1.b.1", "P1.1.s.1"
START_KRW = 100_000_000


def order(rqname: str, side: Side, amount_krw: int, at_ns: int = 1, **changes: Any) -> BrokerOrder:
    values: dict[str, Any] = {
        "order_no": f"000000{at_ns}", "action": "new", "code": SAMSUNG, "side": side, "qty_shares": 1,
        "filled_shares": 1, "amount_krw": amount_krw, "commission_krw": 10,
        "tax_krw": 140 if side is Side.SELL else 0, "closed": "filled", "rqname": rqname, "by_hand": False,
        "fills": (BrokerFill(qty_shares=1, price_krw=amount_krw, ts_ns=at_ns),),
    }  # fmt: skip
    return BrokerOrder(**{**values, **changes})


BOUGHT = order(BUY, Side.BUY, 70_000, 1)
SOLD = order(SELL, Side.SELL, 70_300, 2)
UNFILLED: dict[str, Any] = {
    "filled_shares": 0, "commission_krw": 0, "tax_krw": 0, "closed": "killed", "fills": (),
}  # fmt: skip


def truth(*orders: BrokerOrder, **changes: Any) -> BrokerBooks:
    """Books that hold `orders`, with the cash and the holdings that follow from them."""
    orders = orders or (BOUGHT, SOLD)
    held = sum(o.filled_shares if o.side is Side.BUY else -o.filled_shares for o in orders)
    values: dict[str, Any] = {
        "start_cash_krw": START_KRW, "cash_krw": START_KRW + sum(o.cash_flow_krw for o in orders),
        "commission_krw": 20, "tax_krw": 140, "start_holdings": {},
        "holdings": {SAMSUNG: held} if held else {},
        "orders_admitted": 2, "orders_refused": 0, "max_orders_per_s": 2, "queries_admitted": 3,
        "queries_refused": 0, "max_queries_per_s": 2, "orders": orders,
        "arrivals": tuple(
            BrokerArrival(rqname=o.rqname, order_no=o.order_no, by_hand=o.by_hand) for o in orders
        ),
    }  # fmt: skip
    return BrokerBooks(**{**values, **changes})


def fill(side: Side, order_id: str, amount_krw: int, **changes: Any) -> OrderFilled:
    """What the gateway tells of an order of one share that has filled."""
    costs = {"commission_krw": 10, "tax_krw": 140 if side is Side.SELL else 0}
    filled = facts(side, order_id).model_copy(
        update={"cum_qty_shares": 1, "cum_amount_krw": amount_krw, **costs, **changes}
    )
    return OrderFilled(facts=filled, last_qty_shares=1, last_amount_krw=amount_krw)
