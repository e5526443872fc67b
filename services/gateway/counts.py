"""What a step of the gateway adds: orders and what became of them, fills, refusals, reconnections.

Orders are counted by what changed in the order table, not by what was said: after a restart, and
whenever Redis forgot, the gateway says again what is known.
"""

from collections.abc import Iterable

from services.contracts.day_words import is_fill
from services.contracts.measures import gateway as m
from services.contracts.measures.every import ORDER_PATH
from services.contracts.messages.orders import (
    CancelRejected,
    CommandDenied,
    OrderFilled,
    ReconciliationCompleted,
)
from services.contracts.messages.venue_state import ConnectionState
from services.contracts.metric import Reading, seconds
from services.contracts.terms import Purpose
from services.gateway.facts import Answered, Clocked, Moment, QueryReturned, SendReturned
from services.gateway.order_table import OrderRecord, Stage
from services.gateway.state import GatewayState, GatewayStep
from services.market.hoga import OrderAction

_UP = (ConnectionState.SYNCHRONISING, ConnectionState.READY)
_ACTIONS = {OrderAction.NEW: "new", OrderAction.AMEND: "amend", OrderAction.CANCEL: "cancel"}


def counted(before: GatewayState, moment: Moment, step: GatewayStep) -> Iterable[Reading]:
    """Return what one step adds."""
    after = step.state
    if isinstance(moment.fact, SendReturned):
        yield from _returned(before, moment, moment.fact)
    if after.orders is not before.orders:
        yield from _changed(before, after, moment.now_ns)
    if after.link.state is not before.link.state:
        yield from _connection(before.link.state, after.link.state, planned=after.link.planned)
    yield from _queries(before, moment, after)
    if after.strange_words is not before.strange_words:
        for (name, word), count in after.strange_words.items():
            if count > (known := before.strange_words.get((name, word), 0)):
                yield m.WORDS_UNKNOWN.at(count - known, name)
    for out in step.out:
        match out.message:
            case OrderFilled() as filled if is_fill(filled):
                yield from _filled(filled)
            case CommandDenied(order_id=order_id, reason=reason) if order_id not in before.denied:
                yield m.COMMANDS_DENIED.at(1, reason)
            case CancelRejected():
                yield m.CANCELS_REJECTED.at(1)
            case ReconciliationCompleted(differences=differences):
                yield m.RECONCILIATIONS.at(1, "differs" if differences else "agrees")
                yield m.DIFFERENCES.at(len(differences))


# -- orders ------------------------------------------------------------------------------


def _returned(before: GatewayState, moment: Moment, fact: SendReturned) -> Iterable[Reading]:
    record = before.orders.working.get(fact.order_id)
    yield m.SYNC.at(seconds(fact.sync_ns))
    yield m.SEND_CALL.at(seconds(fact.call_ns))
    if fact.code != 0:
        yield m.SEND_REFUSED.at(1, str(fact.code))
    if fact.code != 0 or record is None:
        return
    yield m.REQUESTS.at(1, _ACTIONS[record.action])
    if record.action is not OrderAction.NEW:
        return
    facts, calling = record.facts, before.calling
    yield m.ORDERS_SENT.at(1, facts.venue, facts.side, facts.purpose)
    ours = calling is not None and calling.command.order_id == fact.order_id and calling.asked_ns > 0
    if ours and calling is not None and facts.purpose is Purpose.ENTRY:
        yield ORDER_PATH.at(max(0.0, seconds(moment.now_ns - calling.asked_ns)), "send")


def _changed(before: GatewayState, after: GatewayState, now_ns: int) -> Iterable[Reading]:
    for order_id, record in before.orders.working.items():
        now = after.orders.get(order_id)
        if now is None or now is record or record.action is not OrderAction.NEW:
            continue
        if record.stage is Stage.SENT and now.stage is not Stage.SENT:
            yield from _answered(record, now, now_ns)
        if now.stage is Stage.CLOSED:
            yield m.OUTCOMES.at(1, now.facts.venue, now.facts.purpose, outcome_of(now))


def _answered(sent: OrderRecord, now: OrderRecord, now_ns: int) -> Iterable[Reading]:
    if now.stage is Stage.UNKNOWN:
        yield m.BECAME_UNKNOWN.at(1)
    elif sent.facts.purpose is Purpose.ENTRY:
        yield ORDER_PATH.at(max(0.0, seconds(now_ns - sent.sent_ns)), "acknowledge")


def outcome_of(record: OrderRecord) -> str:
    """Return what became of an order that is over, in the words of the table."""
    facts = record.facts
    if facts.cum_qty_shares:
        return "filled" if facts.cum_qty_shares == facts.qty_shares else "partly_filled"
    if record.rejected:
        return "rejected"
    return "unfilled" if facts.broker_order_no else "never_arrived"


def _filled(filled: OrderFilled) -> Iterable[Reading]:
    venue, side = filled.facts.venue, filled.facts.side
    yield m.FILLS.at(1, venue, side)
    yield m.FILLED_SHARES.at(filled.last_qty_shares, venue, side)
    yield m.FILLED_KRW.at(filled.last_amount_krw, venue, side)
    if filled.last_qty_shares == 1:
        yield m.ONE_SHARE.at(1, venue)


# -- connection and queries ------------------------------------------------------------------


def _connection(old: ConnectionState, new: ConnectionState, *, planned: bool) -> Iterable[Reading]:
    if new is ConnectionState.READY:
        yield m.CONNECTIONS.at(1)
    elif old in _UP and new not in _UP:
        yield m.DISCONNECTS.at(1, "yes" if planned else "no")


def _queries(before: GatewayState, moment: Moment, after: GatewayState) -> Iterable[Reading]:
    flight, fact = before.desk.flight, moment.fact
    if flight is None or flight.due:
        return
    if isinstance(fact, Answered) and fact.rqname == flight.query.rqname:
        yield m.QUERY.at(max(0.0, seconds(moment.now_ns - flight.sent_ns)))
    refused = isinstance(fact, QueryReturned) and fact.rqname == flight.query.rqname and fact.code != 0
    given_up = isinstance(fact, Clocked) and after.desk.flight is not flight and after.link.state in _UP
    if refused or given_up:
        yield m.QUERY_FAILURES.at(1)
