"""Risk with all it said, and the messages that a day brings to it."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from services.contracts.envelope import Message
from services.contracts.ids import derive_id
from services.contracts.limits import INTENT_TTL_MS
from services.contracts.messages.control import (
    HaltLiftRequested,
    StopRequested,
    TradingStateChanged,
    TradingStateRequested,
)
from services.contracts.messages.intents import IntentLeg, QuoteSeen, TradeIntent
from services.contracts.messages.market_data import QuoteUpdated
from services.contracts.messages.orders import (
    AccountReported,
    OrderClosed,
    OrderFacts,
    OrderFilled,
    ReconciliationCompleted,
)
from services.contracts.messages.pairs import PairApproved, PairClosed, PairDenied, PairOutcome
from services.contracts.messages.status import Heartbeat
from services.contracts.step import Event
from services.contracts.terms import GatewayMode, OrderKind, Purpose, Side, Symbol, TradingState, Venue
from services.contracts.trading_limits import TradingLimits
from services.risk.core import decide
from services.risk.observed import FilesRead
from services.risk.pnl import Money, OrderTally, by_pair, money_of
from services.risk.state import RiskState
from tests.unit.detector import world
from tests.unit.detector.world import DATE, SAMSUNG, ms

M = TypeVar("M", bound=Message)

REQUIRED = ("gateway", "executor")
NOW = 10
"""The usual moment of these tests, in milliseconds of the morning."""


class Desk:
    """A risk core, and all it said."""

    def __init__(self, state: RiskState | None = None) -> None:
        self.state = state or RiskState(required_services=REQUIRED, mode=GatewayMode.SIMULATED)
        self.said: list[Message] = []

    def hand(self, *told: Event) -> list[Message]:
        """Hand over events; returns what was said in answer to these."""
        out: list[Message] = []
        for event in told:
            step = decide(self.state, event)
            self.state = step.state
            out += [outgoing.message for outgoing in step.out]
        self.said += out
        return out

    def tell(self, *messages: Message, at_ms: int = NOW) -> list[Message]:
        """Tell messages one after another. Who asks for more has just looked, unless the message says at
        which count of stops."""
        said: list[Message] = []
        for message in messages:
            said += self.hand(*world.events([shown(message, self.state)], ms(at_ms)))
        return said

    def tick(self, at_ms: int, epoch: int = 0) -> list[Message]:
        return self.hand(world.tick(ms(at_ms), epoch))

    def answer(self, intent: TradeIntent, at_ms: int = NOW) -> PairApproved | PairDenied:
        """The verdict on one intent: there is exactly one."""
        said = [m for m in self.tell(intent, at_ms=at_ms) if isinstance(m, PairApproved | PairDenied)]
        assert len(said) == 1
        return said[0]


def shown(message: Message, state: RiskState) -> Message:
    """A request as the person sends it who sees what risk knows now."""
    asks = "stop_count" in type(message).model_fields and not isinstance(message, TradingStateChanged)
    if not asks or getattr(message, "stop_count", 0) != -1:
        return message
    return message.model_copy(update={"stop_count": state.trading.stop_count})


def of(messages: Iterable[Message], kind: type[M]) -> list[M]:
    return [message for message in messages if isinstance(message, kind)]


def files(limits: TradingLimits = world.LIMITS, **changes: Any) -> FilesRead:
    values: dict[str, Any] = {
        "trading_date": DATE, "symbols": world.SYMBOLS, "costs": world.costs(), "limits": limits,
        "by": "risk", "reason": "files", "threshold": world.AT_ONCE,
    }  # fmt: skip
    return FilesRead(**{**values, **changes})


def heartbeat(service: str, **changes: Any) -> Heartbeat:
    values: dict[str, Any] = {
        "service": service, "instance": "", "epoch": 1, "build_id": "b1", "pid": 1, "started_at_ns": 0,
        "reference_hash": "", "positions": {}, "handled": 0, "clock_offset_us": 0,
    }  # fmt: skip
    return Heartbeat(**{**values, **changes})


def account(cash_krw: int = 100_000_000, **changes: Any) -> AccountReported:
    values: dict[str, Any] = {
        "cash_krw": cash_krw, "orderable_krw": cash_krw, "holdings": {}, "trading_date": DATE
    }  # fmt: skip
    return AccountReported(**{**values, **changes})


def reconciled(epoch: int = 1, *differences: str) -> ReconciliationCompleted:
    return ReconciliationCompleted(trading_date=DATE, connection_epoch=epoch, differences=differences)


def ask(target: TradingState, by: str = "kim", count: int = -1) -> TradingStateRequested:
    return TradingStateRequested(target=target, by=by, reason="the test says so", stop_count=count)


def wish(target: TradingState, state: RiskState) -> tuple[Message, ...]:
    """What a person asks for who looks at `state` and wants `target`."""
    if target is not TradingState.ARMED and not target.allows_more_than(state.trading.state):
        return (StopRequested(target=target, by="kim", reason="t"),)
    halted = state.trading.state is TradingState.HALTED
    lift = (HaltLiftRequested(by="kim", reason="t", stop_count=-1),) if halted else ()
    return (*lift, ask(target))


def opening(limits: TradingLimits = world.LIMITS) -> list[Message]:
    """All that must have been said before arming."""
    beats = [heartbeat(service) for service in (*REQUIRED, "risk")]
    return [files(limits), *world.morning(), *beats, account(), reconciled()]


def ready(limits: TradingLimits = world.LIMITS) -> Desk:
    """A desk that could arm, with a cross in both books."""
    desk = Desk()
    desk.tell(*opening(limits), at_ms=0)
    desk.tell(*world.crossing(), at_ms=0)
    return desk


def armed(limits: TradingLimits = world.LIMITS) -> Desk:
    desk = ready(limits)
    desk.tell(ask(TradingState.ARMED), at_ms=0)
    assert desk.state.trading.state is TradingState.ARMED
    return desk


def intent(desk: Desk, at_ms: int = NOW, name: str = "i1", **changes: Any) -> TradeIntent:
    """An intent to buy 5 on KRX at 70,000 and sell on NXT at 70,500, stamped with what is in force."""
    buy, sell = (QuoteSeen(message_id=name, ts_event_ns=ms(at_ms), quote=q) for q in world.crossing())
    values: dict[str, Any] = {
        "intent_id": derive_id(name), "symbol": SAMSUNG, "trading_date": DATE,
        "side_a": IntentLeg(venue=Venue.KRX, side=Side.BUY, price_krw=70_000),
        "side_b": IntentLeg(venue=Venue.NXT, side=Side.SELL, price_krw=70_500),
        "qty_shares": 5, "gross_edge_krw": 2_500, "cost_krw": 807, "net_edge_krw": 1_693, "threshold_krw": 36,
        "quote_a": buy, "quote_b": sell, "decided_at_ns": ms(at_ms),
        "expires_at_ns": ms(at_ms + INTENT_TTL_MS), "reference_hash": desk.state.reference_hash,
    }  # fmt: skip
    return TradeIntent(**{**values, **changes})


def facts(pair_id: str, side: Side, qty: int, amount_krw: int = 0, **changes: Any) -> OrderFacts:
    """What an order did: `qty` shares for `amount_krw`; by default filled wholly and at list costs."""
    venue = Venue.KRX if side is Side.BUY else Venue.NXT
    costs = world.costs()[world.SYMBOLS[0].market]
    values: dict[str, Any] = {
        "order_id": f"{pair_id}.1.{side.value[0]}.1", "pair_id": pair_id, "symbol": SAMSUNG, "venue": venue,
        "side": side, "kind": OrderKind.LIMIT_IOC,
        "purpose": Purpose.ENTRY if side is Side.BUY else Purpose.EXIT, "qty_shares": qty,
        "price_krw": amount_krw // qty, "trading_date": DATE, "broker_order_no": "1", "cum_qty_shares": qty,
        "cum_amount_krw": amount_krw, "commission_krw": costs.commission_krw(venue, amount_krw),
        "tax_krw": costs.sell_tax_krw(amount_krw) if side is Side.SELL else 0, "closed": True,
    }  # fmt: skip
    return OrderFacts(**{**values, **changes})


def filled(order: OrderFacts) -> OrderFilled:
    return OrderFilled(
        facts=order, last_qty_shares=order.cum_qty_shares, last_amount_krw=order.cum_amount_krw
    )


def order_closed(order: OrderFacts) -> OrderClosed:
    return OrderClosed(facts=order.model_copy(update={"closed": True}), reason="filled")


def closed(pair_id: str, **changes: Any) -> PairClosed:
    values: dict[str, Any] = {
        "pair_id": pair_id, "symbol": SAMSUNG, "outcome": PairOutcome.FLAT, "trip": True, "clips": 1,
        "bought_shares": 5, "bought_krw": 350_000, "sold_shares": 5, "sold_krw": 352_500,
        "commission_krw": 103, "tax_krw": 704, "realised_pnl_krw": 1_693, "residual_shares_max": 0,
        "neutral_ms": 1, "uncovered_krw_ms": 1, "opened_at_ns": ms(0), "closed_at_ns": ms(NOW),
    }  # fmt: skip
    return PairClosed(**{**values, **changes})


def leg(venue: Venue, side: Side, price_krw: int) -> IntentLeg:
    return IntentLeg(venue=venue, side=side, price_krw=price_krw)


def quotes(symbol: Symbol, bid_krw: int) -> list[QuoteUpdated]:
    """Both venues bid `bid_krw`."""
    return [world.quote(venue, bid_krw, bid_krw + 100, symbol=symbol) for venue in Venue]


def money_by_pair(orders: Mapping[str, OrderTally]) -> dict[str, Money]:
    """What risk's orders add up to, by pair."""
    return {pair_id: money_of(tallies) for pair_id, tallies in by_pair(orders).items()}
