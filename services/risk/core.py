"""Risk's core: one verdict for each intent, and the state that all others obey.

It owns the trading state, the latches, the lease and the reference data, and fails closed: whatever is
unknown denies. It counts money from the broker's own facts, never from what was meant to happen.
"""

from collections.abc import Callable, Mapping
from typing import Any

from services.contracts.envelope import Message
from services.contracts.in_force import book_ticks
from services.contracts.limits import HEARTBEAT_MS, LEASE_RENEW_MS, NS_PER_MS
from services.contracts.messages import control, intents, orders, pairs, status, venue_state
from services.contracts.messages.dead import EntryBuried
from services.contracts.messages.lease import LeaseRenewed
from services.contracts.messages.market_data import QuoteUpdated
from services.contracts.step import Event, Outgoing, Received, Step, Tick
from services.contracts.streams import CONTROL, ORDERS, PAIRS, STOPS, VENUE, key_of
from services.contracts.terms import GatewayMode, Latch, TradingState
from services.market.books import seen, with_book
from services.market.crossed_markets import after_book, while_trading
from services.market.venue_view import VenueView
from services.risk import (
    alerts,
    comparison,
    dates,
    ledger,
    losses,
    proposals,
    recall,
    reference_data,
    requests,
    steering,
    stops,
)
from services.risk.exposure import cash_flow_krw, with_held_since
from services.risk.gates import is_compared
from services.risk.latches import ERROR_WINDOW_NS, clear_latch, due, set_latch
from services.risk.observed import FilesRead, FilesRefused
from services.risk.state import SERVICE as SERVICE
from services.risk.state import Account, Beat, Day, ErrorKind, ErrorSeen, RiskState
from services.risk.status import report
from services.risk.verdict import REPEATED_WHY, on_intent

_BOOKED_FROM = tuple(key_of(stream) for stream in (ORDERS, PAIRS, VENUE, STOPS, CONTROL))
"""The streams whose entries risk may not miss one of."""

ERRORS_KEPT = 1_000
"""Errors remembered beyond their minute: far more than a gateway tells again."""

Handler = Callable[[RiskState, Any, Received], Step[RiskState]]


def decide(state: RiskState, event: Event) -> Step[RiskState]:
    """Take in one event; return the new state with verdicts, state changes, lease, status and alerts."""
    state = stops.begun(state.but(now_ns=event.now_ns))
    if isinstance(event, Tick):
        return _on_tick(state, event)
    handler = _HANDLERS.get(type(event.message))
    if recall.of_the_past(state, event):
        return recall.taken(state, event, handler)
    return Step(state) if handler is None else _renewed(state, requests.decided_once(state, event, handler))


def _renewed(before: RiskState, step: Step[RiskState]) -> Step[RiskState]:
    """A change of the trading state renews the lease at once: the gateway goes by whatever it reads first."""
    if step.state.trading.state is before.trading.state:
        return step
    return Step(step.state, (*step.out, Outgoing(_lease(step.state))))


def _on_tick(state: RiskState, tick: Tick) -> Step[RiskState]:
    out: list[Outgoing] = []
    state = state.but(epoch=tick.epoch)
    if state.recalling:
        recalled = recall.settled(state)
        state, out = recalled.state, [*recalled.out]
    before, state = state, losses.with_best(with_held_since(state, tick.now_ns))
    for latch, detail in (*due(state, tick.now_ns), *losses.due(state)):
        step = set_latch(state, latch, detail, tick.now_ns)
        state, out = step.state, [*out, *step.out]
    if not tick.behind:
        expired = proposals.expired(state, tick.now_ns)
        state, out = expired.state, [*out, *expired.out]
    asked = comparison.due(state, tick.now_ns)
    state, out = asked.state, [*out, *asked.out]
    due_ns = state.lease_at_ns + LEASE_RENEW_MS * NS_PER_MS
    if (tick.now_ns >= due_ns and not tick.behind) or state.trading.state is not before.trading.state:
        out.append(Outgoing(_lease(state)))
        state = state.but(lease_at_ns=tick.now_ns)
    if tick.now_ns - state.status_at_ns >= HEARTBEAT_MS * NS_PER_MS:
        told = report(state, tick.now_ns)
        state, out = told.state, [*out, *told.out]
    return Step(state, tuple(out))


def _lease(state: RiskState) -> LeaseRenewed:
    """Renew with what is in force; the gateway takes none of an epoch older than it knows."""
    return LeaseRenewed(
        state=state.trading.state, risk_epoch=state.epoch, reference_hash=state.reference_hash
    )


# -- quotes, heartbeats, venues ------------------------------------------------------


def _on_quote(state: RiskState, quote: QuoteUpdated, event: Received) -> Step[RiskState]:
    ticks = book_ticks(state.reference, quote.symbol, quote.venue)
    books = with_book(state.books, seen(event, quote), ticks, state.venue.band(quote.symbol))
    if books is state.books:
        return Step(state)
    crossed = after_book(
        state.crossed,
        state.books,
        books,
        (quote.symbol, quote.venue),
        state.reference,
        state.venue,
        event.now_ns,
    )
    return Step(state.but(books=books, crossed=crossed))


def _on_heartbeat(state: RiskState, heartbeat: status.Heartbeat, event: Received) -> Step[RiskState]:
    before = state.beats.get(heartbeat.service)
    doubts = 0 if heartbeat.clock_trusted else 1 + (0 if before is None else before.doubts)
    beat = Beat(heartbeat, event.envelope.ts_event_ns, doubts)
    return Step(state.but(beats={**state.beats, heartbeat.service: beat}))


def _on_gateway(state: RiskState, message: status.GatewayStatus, event: Received) -> Step[RiskState]:
    if (message.mode, message.halt_file) == (state.mode, state.halt_file):
        return Step(state)
    live = state.was_live or GatewayMode.LIVE in (state.mode, message.mode)
    return Step(state.but(mode=message.mode, was_live=live, halt_file=message.halt_file))


def _on_notifier(state: RiskState, message: status.NotifierStatus, event: Received) -> Step[RiskState]:
    return Step(state.but(journal=message))


def _on_executor(state: RiskState, message: status.ExecutorStatus, event: Received) -> Step[RiskState]:
    working, stranded = ({pair.pair_id for pair in pairs_} for pairs_ in (message.pairs, message.stranded))
    state = ledger.with_phases(state, working, stranded)
    state, forgotten = ledger.forgotten(state, working | stranded, event.now_ns)
    said = (ledger.closing(state, pair_id, event.now_ns) for pair_id in forgotten)
    return Step(state, tuple(Outgoing(close, correlation_id=close.pair_id) for close in said))


def _on_vanished(state: RiskState, message: status.KeysVanished, event: Received) -> Step[RiskState]:
    """Redis lost data: what others had said and nobody had read is not known any more.

    What is in force is told again: who starts now finds it nowhere else. Our own loop tells first.
    """
    if message.service == SERVICE and event.entry_id:
        return Step(state)
    detail = f"{message.service}: {message.detail}"
    told = reference_data.publish(state.but(doubted_ns=event.now_ns), SERVICE, "Redis lost data", always=True)
    if not message.emptied:
        return told
    step = set_latch(told.state, Latch.RECONCILIATION_DIFFERENCE, detail, event.now_ns)
    return Step(step.state, (*told.out, *step.out))


def _on_buried(state: RiskState, message: EntryBuried, event: Received) -> Step[RiskState]:
    """What risk could not take in may be a fill, a close, a halt: its own books may be wrong."""
    if message.stream_key not in _BOOKED_FROM:
        return Step(state)
    detail = f"Risk gave up entry {message.entry_id} of {message.stream_key}: {message.reason}"
    step = steering.on_buried_stop(state, message, event)
    latched = set_latch(step.state, Latch.RECONCILIATION_DIFFERENCE, detail, event.now_ns)
    return Step(latched.state, (*step.out, *latched.out))


def _with_venue(state: RiskState, message: Message) -> RiskState:
    venue = state.venue.after(message)
    crossed = while_trading(state.crossed, state.reference, venue)
    changed: RiskState = state.but(venue=venue, crossed=crossed)
    return changed


def _on_venue(state: RiskState, message: Message, event: Received) -> Step[RiskState]:
    before = state
    state = dates.followed(_with_venue(state, message))
    out: tuple[Outgoing, ...] = ()
    if state.venue.trading_date != before.venue.trading_date:
        out = _halts_over(before.venue, state.venue)
    date = dates.confirmed(state)
    if date <= dates.confirmed(before):
        return Step(state, out)
    step = steering.disarmed(state, f"trading date {date}", event)
    return Step(step.state, (*out, *step.out))


def _halts_over(before: VenueView, after: VenueView) -> tuple[Outgoing, ...]:
    """End the alerts of halts that a new date or connection took away; one that still holds is told anew."""
    if after.halts:
        return ()
    over = (halt for halts in before.halts.values() for halt in halts)
    return tuple(
        Outgoing(alerts.symbol_halt(halt.model_copy(update={"halted": False}), open_pair=False))
        for halt in over
        if halt.kind is not venue_state.HaltKind.NOT_ELIGIBLE
    )


def _on_halt(state: RiskState, message: venue_state.SymbolHaltChanged, event: Received) -> Step[RiskState]:
    """A symbol that one venue does not trade today from the start is no halt that befell it."""
    step = _on_venue(state, message, event)
    news = step.state.venue.halts.get(message.symbol) != state.venue.halts.get(message.symbol)
    if not news or message.kind is venue_state.HaltKind.NOT_ELIGIBLE:
        return step
    open_pair = any(pair.symbol == message.symbol for pair in state.pairs.values())
    return Step(step.state, (*step.out, Outgoing(alerts.symbol_halt(message, open_pair=open_pair))))


def _on_facts(state: RiskState, message: venue_state.DayFactsPublished, event: Received) -> Step[RiskState]:
    step = _on_venue(state, message, event)
    published = reference_data.publish(step.state, SERVICE, f"facts of {message.trading_date}")
    return Step(published.state, (*step.out, *published.out))


def _on_connection(
    state: RiskState, message: venue_state.ConnectionChanged, event: Received
) -> Step[RiskState]:
    was_up = state.venue.connection is not None and state.venue.connection.state in (
        venue_state.ConnectionState.READY,
        venue_state.ConnectionState.SYNCHRONISING,
    )
    before, state = state.venue, _with_venue(state, message)
    if message.state is venue_state.ConnectionState.CLOSED:
        return steering.disarmed(state, "the broker closed for the night", event)
    if message.state is venue_state.ConnectionState.DISCONNECTED and was_up and not message.planned:
        detail = f"The connection to the broker was lost: {message.detail or 'no cause given'}."
        return set_latch(state, Latch.UNPLANNED_DISCONNECT, detail, event.now_ns)
    return Step(state, _halts_over(before, state.venue))


# -- people --------------------------------------------------------------------------


def _on_clear(state: RiskState, request: control.LatchClearRequested, event: Received) -> Step[RiskState]:
    problem = requests.problem(state, event, request.stop_count)
    if problem:
        return Step(state, (stops.refused(request, request.by, problem),))
    return clear_latch(losses.forgiven(state, request.latch), request)


def _on_pause(state: RiskState, request: control.SymbolPauseRequested, event: Received) -> Step[RiskState]:
    if not request.paused:
        return Step(state, (stops.refused(request, request.by, f"an earlier build; {stops.LOOK_AGAIN}"),))
    told = alerts.symbol_pause(event.cause_id, request.symbol, request.by, request.reason, paused=True)
    paused = stops.with_pause(state, request.symbol, request.by, request.reason)
    return Step(paused, (Outgoing(told), stops.word_of(paused)))


def _on_resume(state: RiskState, request: control.SymbolResumeRequested, event: Received) -> Step[RiskState]:
    problem = requests.problem(state, event, request.stop_count)
    if problem:
        return Step(state, (stops.refused(request, request.by, problem),))
    told = alerts.symbol_pause(event.cause_id, request.symbol, request.by, request.reason, paused=False)
    resumed = control.SymbolResumed(symbol=request.symbol, by=request.by, reason=request.reason)
    out = [Outgoing(resumed), Outgoing(told)]
    if request.symbol in state.paused:
        if REPEATED_WHY in state.paused[request.symbol]:
            out.append(Outgoing(alerts.repeated_settled(request.symbol, request.by, request.reason)))
        unclear = [order for order in state.foreign.values() if order.symbol == request.symbol]
        out += [Outgoing(alerts.foreign_settled(order, request.by, request.reason)) for order in unclear]
    left = {symbol: why for symbol, why in state.paused.items() if symbol != request.symbol}
    lately = {symbol: at_ns for symbol, at_ns in state.approved_at_ns.items() if symbol != request.symbol}
    return Step(state.but(paused=left, approved_at_ns=lately), tuple(out))


def _on_reload(
    state: RiskState, request: control.ReferenceReloadRequested, event: Received
) -> Step[RiskState]:
    problem = state.requests.problem(event)
    if problem:
        return Step(state, (stops.refused(request, request.by, problem),))
    return Step(reference_data.on_reload(state, request, event.cause_id))


def _on_files(state: RiskState, files: FilesRead, event: Received) -> Step[RiskState]:
    """The first files begin the first date. After that the gateway says when one begins: a clock of ours that
    is ahead takes nothing of today away."""
    if not state.day.trading_date:
        state = ledger.new_day(state, Day(trading_date=files.trading_date))
    step = reference_data.on_files(state, files, event.cause_id)
    notes = [note for out in step.out if isinstance(out.message, control.ReferencePublished)
             for note in out.message.notes]  # fmt: skip
    return requests.reload_answered(state, step, tuple(notes) if step.state.files_bad else ())


def _opens_pairs(state: RiskState) -> bool:
    return state.trading.state.allows_more_than(TradingState.REDUCE_ONLY)


def _on_files_refused(state: RiskState, refused: FilesRefused, event: Received) -> Step[RiskState]:
    """Where nobody has said a limit, no pair begins until a person arms; what is held is sold."""
    if not state.day.trading_date and refused.instead is not None:
        state = ledger.new_day(state, Day(trading_date=refused.trading_date))
    step = requests.reload_answered(state, reference_data.on_refused(state, refused), refused.problems)
    if not reference_data.unknown_limits(step.state) or not _opens_pairs(step.state):
        return step
    target = TradingState.REDUCE_ONLY if state.pairs else TradingState.DISARMED
    stopped = stops.counted(step.state, SERVICE, reference_data.UNKNOWN_WHY, target)
    lowered = steering.moved(stopped, target, SERVICE, reference_data.UNKNOWN_WHY, event)
    return Step(lowered.state, (*step.out, *lowered.out))


# -- orders, pairs, account ----------------------------------------------------------


def _on_facts_of_order(state: RiskState, message: Any, event: Received) -> Step[RiskState]:
    return _after_facts(state, ledger.with_facts(state, message.facts), message.facts, event)


def _after_facts(
    before: RiskState, state: RiskState, facts: orders.OrderFacts, event: Received
) -> Step[RiskState]:
    """An order of a closed pair may change what that brought."""
    if state is before or facts.pair_id not in {**before.closed, **state.closed}:
        return Step(state)
    return losses.after_news(before, state, facts.pair_id, event.now_ns)


def _on_rejected(state: RiskState, message: orders.OrderRejected, event: Received) -> Step[RiskState]:
    """The gateway tells orders again when it starts or Redis forgot: that is no further refusal."""
    facts = message.facts
    if ledger.is_over(state, facts.order_id) or _counted(state, facts.order_id, ErrorKind.REFUSED):
        return Step(state)
    step = _after_facts(state, ledger.with_facts(state, facts, definitely_over=True), facts, event)
    alert = alerts.api_error(message, state.day.trading_date)
    state = _with_error(step.state, event, facts.order_id, ErrorKind.REFUSED, facts.venue)
    return Step(state, (*step.out, Outgoing(alert)))


def _on_unknown(state: RiskState, message: orders.OrderUnknown, event: Received) -> Step[RiskState]:
    step = _on_facts_of_order(state, message, event)
    facts = message.facts
    return Step(_with_error(step.state, event, facts.order_id, ErrorKind.UNKNOWN, facts.venue), step.out)


def _on_denied(state: RiskState, message: orders.CommandDenied, event: Received) -> Step[RiskState]:
    """What only came at the wrong moment is no error: gates close, states change, a race is lost."""
    if message.reason.of_the_moment:
        return Step(state)
    return Step(_with_error(state, event, message.order_id, ErrorKind.DENIED))


def _on_cancel_rejected(state: RiskState, message: orders.CancelRejected, event: Received) -> Step[RiskState]:
    step = _on_facts_of_order(state, message, event)
    refused = _with_error(step.state, event, event.envelope.id, ErrorKind.REFUSED, message.facts.venue)
    return Step(refused, step.out)


def _on_resolved(state: RiskState, message: orders.OrderResolved, event: Received) -> Step[RiskState]:
    never = message.resolution is orders.Resolution.NEVER_ARRIVED
    known = ledger.with_facts(state, message.facts, definitely_over=never, reopens=message.reopens)
    return _after_facts(state, known, message.facts, event)


def _on_order_closed(state: RiskState, message: orders.OrderClosed, event: Received) -> Step[RiskState]:
    known = ledger.with_facts(state, message.facts, definitely_over=True)
    return _after_facts(state, known, message.facts, event)


def _with_error(state: RiskState, event: Received, key: str, kind: ErrorKind, where: str = "") -> RiskState:
    """Count one error; one of the same kind with the same `key` is the one that was counted already.

    The gateway may tell of it again hours later, so the newest are remembered beyond their minute.
    """
    if _counted(state, key, kind):
        return state
    oldest_ns = event.now_ns - ERROR_WINDOW_NS
    older = [known for known, seen in state.errors.items() if seen.at_ns <= oldest_ns]
    dropped = set(older[: max(0, len(state.errors) + 1 - ERRORS_KEPT)])
    kept = {known: seen for known, seen in state.errors.items() if known not in dropped}
    seen = ErrorSeen(kind=kind, at_ns=event.envelope.ts_event_ns, where=where)
    counted: RiskState = state.but(errors={**kept, f"{kind}-{key}": seen})
    return counted


def _counted(state: RiskState, key: str, kind: ErrorKind) -> bool:
    return f"{kind}-{key}" in state.errors


def _on_stranded(state: RiskState, message: pairs.ResidualMarked, event: Received) -> Step[RiskState]:
    state = ledger.with_stranded(state, message.pair_id)
    detail = (
        f"{message.qty_shares} shares of {message.symbol}, bought for {message.cost_krw} KRW, could not be "
        f"sold ({message.reason}): {message.detail}"
    )
    return set_latch(state, Latch.RESIDUAL_STRANDED, detail, event.now_ns)


def _on_pair_closed(state: RiskState, message: pairs.PairClosed, event: Received) -> Step[RiskState]:
    return losses.after_news(state, ledger.without_pair(state, message), message.pair_id, event.now_ns)


def _on_account(state: RiskState, message: orders.AccountReported, event: Received) -> Step[RiskState]:
    state = state.but(account=Account(report=message, cash_flow_krw=cash_flow_krw(state)))
    return Step(comparison.opened(state) if is_compared(state) else state)


def _on_reconciled(
    state: RiskState, message: orders.ReconciliationCompleted, event: Received
) -> Step[RiskState]:
    before, state = state, state.but(reconciled=message)
    if not message.differences:
        return comparison.compared(before, state, event.now_ns)
    detail = "Our books and the broker's differ: " + "; ".join(message.differences)
    return set_latch(state, Latch.RECONCILIATION_DIFFERENCE, detail, event.now_ns)


def _on_foreign(state: RiskState, message: orders.ForeignOrderSeen, event: Received) -> Step[RiskState]:
    """An order that nobody knows pauses its symbol once; more news of the same order changes nothing.

    While no symbol map is in force nobody can say that the symbol is none of ours.
    """
    key = f"{message.trading_date}/{message.broker_order_no}"
    new = key not in state.foreign
    state = state.but(foreign={**state.foreign, key: message})
    mapped = state.reference is None or state.reference.entry(message.symbol) is not None
    if not (new and mapped):
        return Step(state)
    state = stops.with_pause(state, message.symbol, SERVICE, f"order {message.broker_order_no} is not ours")
    return Step(state, (Outgoing(alerts.foreign_order(message)), stops.word_of(state)))


_HANDLERS: Mapping[type[Message], Handler] = {
    QuoteUpdated: _on_quote,
    status.Heartbeat: _on_heartbeat,
    status.GatewayStatus: _on_gateway,
    status.NotifierStatus: _on_notifier,
    status.KeysVanished: _on_vanished,
    EntryBuried: _on_buried,
    status.ExecutorStatus: _on_executor,
    venue_state.SessionPhaseChanged: _on_venue,
    venue_state.EntryWindowChanged: _on_venue,
    venue_state.SymbolHaltChanged: _on_halt,
    venue_state.FeedLivenessChanged: _on_venue,
    venue_state.DayFactsPublished: _on_facts,
    venue_state.ConnectionChanged: _on_connection,
    intents.TradeIntent: lambda state, message, event: on_intent(state, message, event.now_ns),
    control.StopRequested: steering.on_stop,
    control.RequestWithdrawn: requests.on_withdrawal,
    control.TradingStateRequested: steering.on_state_request,
    control.ArmingCheckRequested: steering.on_arming_check,
    control.HaltLiftRequested: steering.on_lift,
    control.LatchClearRequested: _on_clear,
    control.LimitChangeRequested: lambda state, message, event: proposals.on_change(state, message, event),
    control.LimitConfirmRequested: lambda state, message, event: proposals.on_confirm(state, message, event),
    control.ReferenceReloadRequested: _on_reload,
    control.SymbolPauseRequested: _on_pause,
    control.SymbolResumeRequested: _on_resume,
    FilesRead: _on_files,
    FilesRefused: _on_files_refused,
    orders.OrderSent: _on_facts_of_order,
    orders.OrderAccepted: _on_facts_of_order,
    orders.OrderFilled: _on_facts_of_order,
    orders.OrderClosed: _on_order_closed,
    orders.OrderRejected: _on_rejected,
    orders.OrderUnknown: _on_unknown,
    orders.OrderResolved: _on_resolved,
    orders.CancelRejected: _on_cancel_rejected,
    orders.CommandDenied: _on_denied,
    orders.ForeignOrderSeen: _on_foreign,
    orders.AccountReported: _on_account,
    orders.ReconciliationCompleted: _on_reconciled,
    pairs.ResidualMarked: _on_stranded,
    pairs.PairClosed: _on_pair_closed,
}
