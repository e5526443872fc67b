"""What a step of risk adds: verdicts, changes of state, renewals, and the whole way of an order."""

from collections.abc import Iterable

from services.contracts.ids import order_id_of
from services.contracts.measures import risk as m
from services.contracts.measures.every import ORDER_PATH
from services.contracts.messages.control import ArmRefused
from services.contracts.messages.intents import TradeIntent
from services.contracts.messages.lease import LeaseRenewed
from services.contracts.messages.orders import OrderAccepted, OrderSent
from services.contracts.messages.pairs import PairApproved, PairDenied
from services.contracts.metric import Reading, seconds
from services.contracts.step import Event, Received, Step
from services.contracts.terms import Side
from services.market.books import refusal_counted
from services.risk.state import RiskState


def counted(before: RiskState, event: Event, step: Step[RiskState]) -> Iterable[Reading]:
    """Return what one step adds."""
    yield from refusal_counted(step.state.books, event)
    for out in step.out:
        match out.message:
            case PairApproved(symbol=symbol):
                yield m.APPROVALS.at(1, symbol)
                yield from _judged(event)
            case PairDenied(reason=reason):
                yield m.DENIALS.at(1, reason)
                yield m.INTENTS_JUDGED.at(1)
            case LeaseRenewed():
                yield m.LEASES.at(1)
            case ArmRefused():
                yield m.ARMING_REFUSED.at(1)
    if step.state.trading.state is not before.trading.state:
        yield m.STATE_CHANGES.at(1, step.state.trading.state)
    if isinstance(event, Received) and isinstance(event.message, OrderSent | OrderAccepted):
        yield from _whole_way(before, event)


def _judged(event: Event) -> Iterable[Reading]:
    yield m.INTENTS_JUDGED.at(1)
    if isinstance(event, Received) and isinstance(event.message, TradeIntent):
        took_ns = event.now_ns - event.message.decided_at_ns
        yield ORDER_PATH.at(max(0.0, seconds(took_ns)), "verdict")


def _whole_way(before: RiskState, event: Received) -> Iterable[Reading]:
    """From the quote to the first buy of its pair: the gateway's own stamps, so our lag is not in it."""
    message = event.message
    assert isinstance(message, OrderSent | OrderAccepted)
    facts = message.facts
    pair = before.pairs.get(facts.pair_id)
    first = facts.order_id == order_id_of(facts.pair_id, 1, Side.BUY, 1)
    if pair is None or not pair.quoted_at_ns or not first:
        return
    known = before.orders.get(facts.order_id)
    took_s = max(0.0, seconds(event.envelope.ts_event_ns - pair.quoted_at_ns))
    if isinstance(message, OrderSent):
        if known is None:  # told again, it says nothing new
            yield m.TICK_TO_ORDER.at(took_s)
    elif known is not None and not known.closed and not known.cum_qty_shares:
        yield m.TICK_TO_ANSWER.at(took_s)
