"""Evidence becomes order truth, and what it adds becomes messages.

Owns design 4.2 to 4.5: an outcome is accepted, rejected on definite evidence, or unknown; unknown
orders are resolved by evidence alone; orders nobody knows are told and watched.
"""

from dataclasses import replace

from services.contracts.alert_codes import AlertCode
from services.contracts.envelope import Message
from services.contracts.messages.orders import (
    CancelRejected,
    ForeignOrderSeen,
    OrderAccepted,
    OrderClosed,
    OrderFilled,
    OrderRejected,
    OrderResolved,
    OrderSent,
    OrderUnknown,
    Resolution,
)
from services.contracts.terms import Severity, Symbol, Venue
from services.gateway import matching, order_kinds
from services.gateway.effects import Note
from services.gateway.endings import closing_reason, without_unexplained_end
from services.gateway.evidence import Evidence
from services.gateway.foreign_orders import refused_beside
from services.gateway.intention_log import closed, numbered, reopened, screens, stranger
from services.gateway.merging import Growth, is_in_question, merge
from services.gateway.order_table import OrderRecord, Stage
from services.gateway.query_desk import RoundKind
from services.gateway.replies import named_symbols, newest_orders, orders_of_symbols
from services.gateway.screens import is_order_screen
from services.gateway.turn import Turn
from services.gateway.words import note_strange
from services.market.hoga import OrderAction

PARKED_NS = 3_000_000_000
"""How long evidence for a number nobody claims waits before the order counts as foreign."""


def observe(turn: Turn, seen: Evidence) -> None:
    """Take in one frame or row, whosever order it is.

    What none of ours without a number could be is somebody else's at once: it must bar what would meet it.
    """
    note_strange(turn, *seen.strange)
    table = turn.state.orders
    record = table.by_number(seen.broker_order_no)
    if record is None:
        record = table.claimant(seen)
        if record is not None:
            give_number(turn, record.order_id, seen.broker_order_no)
            record = turn.state.orders.get(record.order_id)
    else:
        _learn_screen(turn, record, seen)
    if record is not None:
        apply(turn, record, seen)
    elif seen.broker_order_no in table.foreign:
        foreign(turn, seen)
    elif in_flight(turn, seen) or matching.arrived_late(turn, seen):
        turn.set(orders=table.park(seen, turn.now_ns))
    else:
        _not_ours(turn, seen)


def _not_ours(turn: Turn, seen: Evidence) -> None:
    table, waiting = turn.state.orders.park(seen, turn.now_ns).unpark(seen.broker_order_no)
    turn.set(orders=table)
    for each in waiting:
        foreign(turn, each)


def _learn_screen(turn: Turn, record: OrderRecord, seen: Evidence) -> None:
    """A frame of an order whose number was known shows whether the broker echoes screens."""
    table = turn.state.orders
    if not seen.screen or table.screens_echoed is False:
        return
    echoed = seen.screen == record.screen or is_order_screen(seen.screen)
    if table.screens_echoed is not echoed:
        turn.set(orders=replace(table, screens_echoed=echoed))
        turn.do(Note(screens(echoed=echoed, account=turn.state.account), record.facts.trading_date))


def give_number(turn: Turn, order_id: str, broker_order_no: str) -> None:
    """The broker's number of one of ours became known: what was parked for it, or told as a stranger's, is
    its own. One that was thought never to have worked lives again."""
    record = turn.state.orders.get(order_id)
    if record is None or record.facts.broker_order_no:
        return
    facts = record.facts.model_copy(update={"broker_order_no": broker_order_no})
    numbered_ = replace(record, facts=facts)
    table, waiting = turn.state.orders.with_record(numbered_).unpark(broker_order_no)
    table, told = table.without_foreign(broker_order_no)
    turn.set(orders=table.with_taken_over(table.foreign.values()))
    turn.do(Note(numbered(order_id, broker_order_no), facts.trading_date))
    if record.stage is Stage.CLOSED:
        reopen(turn, numbered_, "the broker gave it a number")
    if told is not None:
        _no_stranger(turn, told)
        waiting = (told, *waiting)
    for seen in waiting:
        known = turn.state.orders.get(order_id)
        if known is not None:
            apply(turn, known, seen)


def reopen(turn: Turn, record: OrderRecord, evidence: str) -> None:
    """Positive evidence that an order lives which was closed: everybody is told, and nothing more is sold
    for it until it has closed."""
    facts = record.facts.model_copy(update={"closed": False})
    stage = Stage.ACCEPTED if facts.broker_order_no else Stage.UNKNOWN
    alive = replace(
        record, facts=facts, stage=stage, rejected=False, absences=0, absent_ns=0, closing_amount_krw=-1,
        cancel_confirmed=False, blank_ns=0,
    )  # fmt: skip
    turn.set(orders=turn.state.orders.with_record(alive), rhythm=_moved(turn))
    turn.do(Note(reopened(record.order_id), facts.trading_date))
    if alive.is_order:
        _say_alive(turn, alive, evidence)


def _say_alive(turn: Turn, record: OrderRecord, evidence: str) -> None:
    turn.say(
        OrderResolved(facts=record.facts, resolution=Resolution.FOUND, evidence=evidence, reopens=True),
        record.facts.pair_id,
    )


def _no_stranger(turn: Turn, seen: Evidence) -> None:
    """What was told as somebody else's order is ours: nothing of it is left to a person."""
    turn.say(
        ForeignOrderSeen(
            broker_order_no=seen.broker_order_no, symbol=seen.symbol, venue=seen.venue or Venue.KRX,
            side=seen.side, qty_shares=seen.qty_shares or 0, cum_qty_shares=0, cum_amount_krw=0, closed=True,
            trading_date=turn.state.session.trading_date,
        )
    )  # fmt: skip
    _foreign_alert(turn, seen, resolved=True)


def retell(turn: Turn, record: OrderRecord) -> None:
    """Say once more what is known of an order: whoever asks about it may have lost our word."""
    if not record.is_order:
        return
    facts = record.facts
    turn.say(_standing(record), facts.pair_id)


def retell_earlier(turn: Turn, record: OrderRecord) -> None:
    """Say what became of an order of an earlier date. The broker's queries no longer show it: one that was
    never seen to close stays unknown; its name was told to a person when the date began."""
    if not record.is_order or record.stage is Stage.CLOSED:
        retell(turn, record)
        return
    facts = record.facts
    reason = f"it may have been sent on {facts.trading_date}, and that day never saw its end"
    turn.say(OrderUnknown(facts=facts, reason=reason), facts.pair_id)


def _standing(record: OrderRecord) -> Message:
    facts = record.facts
    match record.stage:
        case Stage.SENT:
            return OrderSent(facts=facts)
        case Stage.ACCEPTED:
            return OrderAccepted(facts=facts)
        case Stage.UNKNOWN:
            return OrderUnknown(facts=facts, reason="still not known")
        case Stage.CLOSED if record.rejected and facts.cum_qty_shares == 0:
            return OrderRejected(facts=facts, code="", text="told again")
        case Stage.CLOSED if not facts.broker_order_no and not record.ambiguous:
            return OrderResolved(facts=facts, resolution=Resolution.NEVER_ARRIVED, evidence="told again")
        case Stage.CLOSED:
            return OrderClosed(facts=facts, reason="by_query")


def accept(turn: Turn, order_id: str) -> None:
    """An answer with a number: the broker has the order."""
    record = turn.state.orders.get(order_id)
    if record is not None and record.stage in (Stage.SENT, Stage.UNKNOWN):
        accepted = replace(record, stage=Stage.ACCEPTED)
        turn.set(orders=turn.state.orders.with_record(accepted))
        _say_accepted(turn, record, accepted, "its answer came")


def apply(turn: Turn, record: OrderRecord, seen: Evidence) -> None:
    """Merge evidence into one of ours and say what it added."""
    if record.contradicts(seen):
        contradiction(turn, record, seen)
        return
    if seen.rejected and seen.changes and record.action is OrderAction.NEW:
        _refuse_change_of(turn, record, seen)
        return
    seen = _certain(turn, record, seen)
    growth = merge(record, seen)
    if not seen.by_query and is_in_question(record, seen, growth):
        want_orders(turn, RoundKind.RESOLVE, record.facts.symbol)
    if growth.record == record:
        return
    after = replace(growth.record, moved_ns=turn.now_ns)
    turn.set(orders=turn.state.orders.with_record(after), rhythm=_moved(turn))
    if growth.closed and after.rejected and after.action is not OrderAction.NEW:
        _change_refused(turn, after, seen.reason)
        return
    if after.action is OrderAction.CANCEL:
        if growth.closed:
            _confirm_cancel(turn, after)
        return
    if growth.reopened:
        turn.do(Note(reopened(after.order_id), after.facts.trading_date))
        _say_alive(turn, after, "it filled further, and shares of it are open")
    if growth.accepted and not after.rejected:
        _say_accepted(turn, record, after, "a query shows it" if seen.by_query else "a frame shows it")
    costs_alone = growth.costs_krw > 0 and after.facts.cum_qty_shares > 0 and not growth.news
    if growth.qty_shares or costs_alone:
        _say_filled(turn, growth, seen)
    if growth.closed:
        _say_closed(turn, after, seen)


def _certain(turn: Turn, record: OrderRecord | None, seen: Evidence) -> Evidence:
    """Return evidence without an end that nothing explains; the broker is asked about it."""
    certain = without_unexplained_end(turn.state.orders, record, seen)
    if certain is not seen:
        want_orders(turn, RoundKind.RESOLVE, seen.symbol)
    return certain


def _moved(turn: Turn) -> object:
    return replace(turn.state.rhythm, moved_ns=turn.now_ns)


def contradiction(turn: Turn, record: OrderRecord, seen: Evidence) -> None:
    """A frame or row under one of our numbers is of another share, side, venue or size: not believed."""
    facts = record.facts
    what = (
        f"order {seen.broker_order_no} is {facts.side} {facts.qty_shares} {facts.symbol} on {facts.venue} at "
        f"{facts.price_krw} for us, and the broker shows {seen.side} {seen.qty_shares} {seen.symbol} on "
        f"{seen.venue or 'no venue'} at {seen.price_krw}"
    )
    turn.alert("unusable", AlertCode.ORDER_DATA_UNREADABLE, Severity.CRITICAL, {"problem": what})
    if not seen.by_query:
        want_orders(turn, RoundKind.RESOLVE)


def _refuse_change_of(turn: Turn, record: OrderRecord, seen: Evidence) -> None:
    """A refusal that bears the order's own number says of its cancel or amendment, not of the order."""
    action = OrderAction.CANCEL if seen.cancels else OrderAction.AMEND
    for change in list(turn.state.orders.working.values()):
        if change.target_id == record.order_id and change.action is action:
            facts = change.facts.model_copy(update={"closed": True})
            gone = replace(change, facts=facts, stage=Stage.CLOSED, rejected=True)
            turn.set(orders=turn.state.orders.with_record(gone), rhythm=_moved(turn))
            _change_refused(turn, gone, seen.reason)


def _change_refused(turn: Turn, change: OrderRecord, reason: str) -> None:
    """A frame or row refuses a cancel or an amendment: its order works on, as far as the broker says."""
    turn.do(Note(closed(change), change.facts.trading_date))
    target = turn.state.orders.get(change.target_id)
    if target is not None:
        text = reason or "the broker refused it"
        turn.say(CancelRejected(facts=target.facts, code="", text=text), change.facts.pair_id)
        want_orders(turn, RoundKind.ORDERS)


def _confirm_cancel(turn: Turn, after: OrderRecord) -> None:
    turn.do(Note(closed(after), after.facts.trading_date))
    target = turn.state.orders.get(after.target_id)
    if target is not None and not target.cancel_confirmed:
        turn.set(orders=turn.state.orders.with_record(replace(target, cancel_confirmed=True)))


def _say_accepted(turn: Turn, before: OrderRecord, after: OrderRecord, evidence: str) -> None:
    if not after.is_order:
        return
    facts, pair_id = after.facts, after.facts.pair_id
    if before.stage is Stage.UNKNOWN:
        turn.say(OrderResolved(facts=facts, resolution=Resolution.FOUND, evidence=evidence), pair_id)
        _unknown_alert(turn, after, evidence, resolved=True)
    else:
        turn.say(OrderAccepted(facts=facts), pair_id)


def _say_filled(turn: Turn, growth: Growth, seen: Evidence) -> None:
    facts = growth.record.facts
    turn.say(
        OrderFilled(
            facts=facts, last_qty_shares=growth.qty_shares, last_amount_krw=growth.amount_krw,
            by_query=seen.by_query,
        ),
        facts.pair_id,
    )  # fmt: skip


def _say_closed(turn: Turn, record: OrderRecord, seen: Evidence) -> None:
    facts = record.facts
    turn.do(Note(closed(record), facts.trading_date))
    if record.rejected and facts.cum_qty_shares == 0:
        turn.say(
            OrderRejected(facts=facts, code="", text=seen.reason or "the broker refused it"), facts.pair_id
        )
        order_kinds.refused(turn, facts, seen.reason)
        return
    turn.say(OrderClosed(facts=facts, reason=closing_reason(record, seen)), facts.pair_id)


def refuse(turn: Turn, order_id: str, code: str, text: str) -> None:
    """Definite evidence that the broker did not take an order, cancel or amendment."""
    record = turn.state.orders.get(order_id)
    if record is None or record.stage is Stage.CLOSED or record.facts.broker_order_no:
        return
    facts = record.facts.model_copy(update={"closed": True})
    gone = replace(record, facts=facts, stage=Stage.CLOSED, rejected=True, moved_ns=turn.now_ns)
    turn.set(orders=turn.state.orders.with_record(gone), rhythm=_moved(turn))
    turn.do(Note(closed(gone), facts.trading_date))
    if record.action is OrderAction.NEW:
        turn.say(OrderRejected(facts=facts, code=code, text=text), facts.pair_id)
        order_kinds.refused(turn, facts, f"{code} {text}".strip())
        turn.alert(
            f"rejected-{order_id}", AlertCode.ORDER_REJECTED, Severity.INFO,
            {"order": order_id, "problem": f"{code} {text}".strip(), "pair": facts.pair_id},
            symbol=facts.symbol, pair_id=facts.pair_id, amount_krw=facts.qty_shares * facts.price_krw,
        )  # fmt: skip
        return
    target = turn.state.orders.get(record.target_id)
    if target is not None:
        turn.say(CancelRejected(facts=target.facts, code=code, text=text), facts.pair_id)
        want_orders(turn, RoundKind.ORDERS)


def become_unknown(turn: Turn, order_id: str, reason: str) -> None:
    """Nobody knows whether it arrived: say so, and ask the broker for all orders of the day."""
    record = turn.state.orders.working.get(order_id)
    if record is None or record.stage is not Stage.SENT:
        return
    unknown = replace(record, stage=Stage.UNKNOWN)
    turn.set(orders=turn.state.orders.with_record(unknown))
    if unknown.is_order:
        turn.say(OrderUnknown(facts=unknown.facts, reason=reason), unknown.facts.pair_id)
        _unknown_alert(turn, unknown, reason, resolved=False)
    want_orders(turn, RoundKind.RESOLVE)


def never_arrived(
    turn: Turn, record: OrderRecord, evidence: str = "two queries of all orders, apart, do not show it"
) -> None:
    """The broker's records say that it never worked: it closes with nothing filled."""
    facts = record.facts.model_copy(update={"closed": True})
    gone = replace(record, facts=facts, stage=Stage.CLOSED, moved_ns=turn.now_ns)
    turn.set(orders=turn.state.orders.with_record(gone))
    turn.do(Note(closed(gone), facts.trading_date))
    if not record.is_order:
        return
    turn.say(
        OrderResolved(facts=facts, resolution=Resolution.NEVER_ARRIVED, evidence=evidence), facts.pair_id
    )
    _unknown_alert(turn, gone, evidence, resolved=True)


def ambiguous(turn: Turn, record: OrderRecord, candidates: list[str]) -> None:
    """Several orders could be it: only a person can tell."""
    if record.ambiguous:
        return
    turn.set(orders=turn.state.orders.with_record(replace(record, ambiguous=True)))
    evidence = f"orders {', '.join(candidates)} all look like it"
    turn.say(
        OrderResolved(facts=record.facts, resolution=Resolution.AMBIGUOUS, evidence=evidence),
        record.facts.pair_id,
    )
    _unknown_alert(turn, record, evidence, resolved=False, ambiguous=True)


def end_by_person(turn: Turn, record: OrderRecord, by: str) -> None:
    """A person answers for its pair: an order that nobody else could tell from others is over. What is like
    it is told as a stranger's."""
    facts = record.facts.model_copy(update={"closed": True})
    over = replace(record, facts=facts, stage=Stage.CLOSED)
    turn.set(orders=turn.state.orders.with_record(over), rhythm=_moved(turn))
    turn.do(Note(closed(over), facts.trading_date))
    turn.say(OrderClosed(facts=facts, reason=f"{by} answers for its pair"), facts.pair_id)
    _unknown_alert(turn, over, f"{by} answers for its pair", resolved=True, ambiguous=True)
    want_orders(turn, RoundKind.ORDERS, facts.symbol)


def foreign(turn: Turn, seen: Evidence) -> None:
    """An order in the account that is not ours. A cancel of one is none itself, but it and an amendment may
    end the order that they name: the broker is asked what is left of that one."""
    table = turn.state.orders
    named, ours = table.foreign.get(seen.original_no), table.by_number(seen.original_no)
    if seen.changes and not seen.by_query:
        if ours is not None and ours.stage is not Stage.CLOSED:
            want_orders(turn, RoundKind.RESOLVE)
        elif named is not None and named.works:
            want_orders(turn, RoundKind.ORDERS)
    if seen.cancels:
        return
    before = table.foreign.get(seen.broker_order_no)
    below = before is not None and seen.ends_below(before.cum_amount_krw or 0)
    if ((seen.lacks_a_figure or below) and not seen.by_query) or refused_beside(before, seen):
        want_orders(turn, RoundKind.ORDERS, seen.symbol)
    seen = _certain(turn, None, seen)
    table, news = table.with_foreign(seen)
    first = before is None
    if not news or (first and matching.over_before_baseline(turn, seen)):
        return
    turn.set(orders=table, rhythm=_moved(turn))
    known = table.foreign[seen.broker_order_no]
    turn.do(Note(stranger(known, turn.state.account), turn.state.session.trading_date))
    tell_foreign(turn, known)
    if before is not None and known.works and not before.works:
        want_orders(turn, RoundKind.ORDERS)
    if first:
        _foreign_alert(turn, known, resolved=False)


def tell_foreign(turn: Turn, known: Evidence) -> None:
    """Say how far an order that is not ours has got."""
    turn.say(
        ForeignOrderSeen(
            broker_order_no=known.broker_order_no, symbol=known.symbol, venue=known.venue or Venue.KRX,
            side=known.side, qty_shares=known.qty_shares or 0, cum_qty_shares=known.cum_qty_shares or 0,
            cum_amount_krw=known.cum_amount_krw or 0, closed=not known.works,
            trading_date=turn.state.session.trading_date,
        )
    )  # fmt: skip


def _foreign_alert(turn: Turn, seen: Evidence, *, resolved: bool) -> None:
    turn.alert(
        f"foreign-{seen.broker_order_no}", AlertCode.FOREIGN_ORDER_SEEN, Severity.INFO,
        {"broker_order": seen.broker_order_no, "side": seen.side.value, "qty": seen.qty_shares or 0,
         "symbol": seen.symbol},
        symbol=seen.symbol, resolved=resolved,
    )  # fmt: skip


def revive(turn: Turn, seen: Evidence) -> bool:
    """Give evidence that nobody claims to the order that was thought never to have arrived, if there is one.

    Of several of one pair it is the newest: what the pair may sell is the same. Of several pairs it is none.
    """
    late = sorted(matching.arrived_late(turn, seen), key=lambda record: record.sent_ns)
    if len({record.facts.pair_id for record in late}) != 1:
        return False
    order_id = late[-1].order_id
    give_number(turn, order_id, seen.broker_order_no)
    known = turn.state.orders.get(order_id)
    if known is not None:
        apply(turn, known, seen)
    return True


def release_parked(turn: Turn) -> None:
    """Evidence that waited long enough belongs to an order that is not ours, or that was given up."""
    for no, parked in turn.state.orders.parked.items():
        if turn.now_ns - parked.since_ns < PARKED_NS or in_flight(turn, parked.seen[-1]):
            continue
        if revive(turn, parked.seen[-1]):
            continue
        table, waiting = turn.state.orders.unpark(no)
        turn.set(orders=table)
        for seen in waiting:
            foreign(turn, seen)


def in_flight(turn: Turn, seen: Evidence) -> bool:
    """Whether an order whose number is still to come may be the one that was seen."""
    table = turn.state.orders
    like = table.is_like if table.screens_echoed is None else table.may_be
    return any(r.unacknowledged and like(r, seen) for r in table.working.values())


def want_orders(turn: Turn, kind: RoundKind, *also: Symbol) -> None:
    """Ask the broker for the orders of the symbols in question, and of those `also` named."""
    account, desk = turn.state.link.account, turn.state.desk
    before = named_symbols(desk.wanted.get(kind, ()))
    symbols = {*turn.state.orders.unsettled_symbols(), *before, *also} - {""}
    asks = newest_orders if "" in before else orders_of_symbols
    turn.set(desk=desk.want(kind, asks(account, symbols)))


def _unknown_alert(
    turn: Turn, record: OrderRecord, detail: str, *, resolved: bool, ambiguous: bool = False
) -> None:
    facts = record.facts
    turn.alert(
        f"unknown-{record.order_id}", AlertCode.ORDER_AMBIGUOUS if ambiguous else AlertCode.ORDER_UNKNOWN,
        Severity.CRITICAL if ambiguous else Severity.WARNING,
        {"order": record.order_id, "side": facts.side.value, "qty": facts.qty_shares, "pair": facts.pair_id,
         "symbol": facts.symbol, "venue": facts.venue.value, "price": facts.price_krw, "problem": detail},
        symbol=facts.symbol, pair_id=facts.pair_id, amount_krw=facts.qty_shares * facts.price_krw,
        resolved=resolved,
    )  # fmt: skip
