"""From a command to SendOrder: the queue, the gate, the budget, and what came back of the call.

One call is made at a time, and counted from when it came back, so that what is decided next knows of it.
Owns design 4.1: an id that was ever logged is never sent again, except after definite evidence that
it never left the machine (-308, or the shell withheld it).
"""

from dataclasses import replace

from services.contracts.alert_codes import AlertCode
from services.contracts.limits import BROKER_ORDERS_PER_SECOND, ENTRY_WAIT_MS, NS_PER_MS
from services.contracts.messages.commands import AmendOrder, CancelOrder, PlaceOrder
from services.contracts.messages.orders import CommandDenied, OrderFacts, OrderSent
from services.contracts.messages.venue_state import ConnectionState
from services.contracts.reasons import GateReason
from services.contracts.terms import GatewayMode, Purpose, SessionPhase, Severity, Symbol, TradingState, Venue
from services.gateway import log_desk, restrictions, truth
from services.gateway.effects import Note, Send, SendArgs
from services.gateway.facts import ELSEWHERE, LATE, SendReturned, SendWithheld
from services.gateway.gate import GateView, check
from services.gateway.intention_log import intent, not_sent
from services.gateway.limiter import ORDER_LADDER, after_call, in_window, wait_needed
from services.gateway.order_budget import shortage
from services.gateway.order_queue import Command, Waiting, find, queued, waits_for, without
from services.gateway.order_table import OrderRecord, Stage
from services.gateway.query_desk import RoundKind
from services.gateway.refusals import deny, remember
from services.gateway.screens import order_screen
from services.gateway.turn import Turn
from services.gateway.words import note_strange
from services.market.broker_lists import RETURN_CODES, Sent, meaning, sent_by
from services.market.hoga import OrderAction, order_type

ASK_OTHERS_NS = 2_100 * NS_PER_MS
"""Two lists further apart than this end an order that neither shows."""
ENTRY_WAIT_NS = ENTRY_WAIT_MS * NS_PER_MS
NO_TOKEN = "no order token"
_DENIED_BY_WITHHOLDING = {
    "lease": GateReason.LEASE, "halt_file": GateReason.HALT_FILE, "log": GateReason.LOG_FAILED,
    LATE: GateReason.ORDER_BUDGET,
}  # fmt: skip


# -- commands -----------------------------------------------------------------------------------


def command(turn: Turn, message: Command, correlation_id: str, asked_ns: int = 0) -> None:
    """A command was read, given at `asked_ns`. One whose id is known sends nothing: its truth is retold."""
    if find(turn.state.queue, message.order_id) is not None or _retold(turn, message):
        return
    if isinstance(message, PlaceOrder):
        if message.supersedes:
            _supersede(turn, message.supersedes)
    elif isinstance(message, CancelOrder) and _remove_queued(turn, message):
        return
    waiting = Waiting(message, correlation_id, turn.now_ns, asked_ns=asked_ns)
    turn.set(queue=queued(turn.state.queue, waiting))
    pump(turn)


def _retold(turn: Turn, message: Command) -> bool:
    """Say once more what is known of the id of a command, if anything is."""
    known = turn.state.orders.get(message.order_id)
    earlier = turn.state.earlier.get(message.order_id)
    refused = turn.state.denied.get(message.order_id)
    if known is not None:
        truth.retell(turn, known)
    elif earlier is not None:
        truth.retell_earlier(turn, earlier)
    elif refused is not None:
        turn.say(refused, refused.pair_id)
    return (known or earlier or refused) is not None


def unjudged(turn: Turn, message: Command, problem: str) -> None:
    """The core failed at a command: nobody may wait for its answer.

    An intention is in the books before its order is sent. What is not in them never left and never will;
    what is in them may have left, and the broker is asked.
    """
    record = turn.state.orders.get(message.order_id)
    if record is not None and record.stage is Stage.SENT:
        truth.become_unknown(turn, message.order_id, f"the gateway failed at it: {problem}")
    elif not _retold(turn, message):
        deny(turn, message, GateReason.CORE_FAILED, problem)


def _supersede(turn: Turn, order_id: str) -> None:
    turn.set(superseded=turn.state.superseded | {order_id})
    waiting = find(turn.state.queue, order_id)
    if waiting is not None:
        deny(turn, waiting.command, GateReason.SUPERSEDED, "")


def _remove_queued(turn: Turn, cancel: CancelOrder) -> bool:
    """A cancel of what still waits here takes it out; nothing was sent, so nothing else is due."""
    waiting = find(turn.state.queue, cancel.target_order_id)
    if waiting is None:
        return False
    deny(turn, waiting.command, GateReason.REMOVED, cancel.reason)
    return True


# -- the pump -----------------------------------------------------------------------------------


def pump(turn: Turn) -> None:
    """Judge everything that waits, by rank, and send what may go now; the rest when that call is over."""
    for waiting in turn.state.queue:
        if turn.state.calling is not None:
            return
        if find(turn.state.queue, waiting.command.order_id) is None:
            continue
        before = turn.mark()
        try:
            _judge(turn, waiting)
        except Exception as error:
            turn.back_to(before)
            _refuse_failing(turn, waiting.command, f"{type(error).__name__}: {error}")


def _judge(turn: Turn, waiting: Waiting) -> None:
    message = waiting.command
    if isinstance(message, PlaceOrder):
        _pump_place(turn, waiting, message)
    else:
        _pump_change(turn, waiting, message)


def _refuse_failing(turn: Turn, message: Command, problem: str) -> None:
    """One command at which the gateway fails is refused, and what waits behind it goes on."""
    unjudged(turn, message, problem)
    turn.alert(
        "core-judge", AlertCode.GATEWAY_FAILED, Severity.CRITICAL,
        {"what": f"{type(message).__name__} {message.order_id}", "problem": problem},
    )  # fmt: skip


def _pump_place(turn: Turn, waiting: Waiting, order: PlaceOrder) -> None:
    denial = check(gate_view(turn), order)
    if denial is not None:
        reason, detail = denial
        if reason is GateReason.SELF_CROSS and order.purpose is not Purpose.ENTRY:
            _ask_after_others(turn)
        if reason is GateReason.EXPIRED and waiting.why:
            reason, detail = GateReason.ORDER_BUDGET, f"{waiting.why}, then {detail}"
        deny(turn, order, reason, detail)
    elif order.purpose is Purpose.ENTRY:
        if _entry_may_leave(turn, waiting, order.venue):
            _send_new(turn, order, leave_by_ns=waiting.arrived_ns + ENTRY_WAIT_NS)
    elif _no_token(turn):
        _note_why(turn, order, NO_TOKEN)
    else:
        _send_new(turn, order)


def _ask_after_others(turn: Turn) -> None:
    """What a person's order bars waits for it: its last frame may be lost."""
    since_ns = turn.now_ns - turn.state.rhythm.reconciled_ns
    if any(turn.state.orders.others_working()) and since_ns > ASK_OTHERS_NS:
        truth.want_orders(turn, RoundKind.ORDERS)


def _entry_may_leave(turn: Turn, waiting: Waiting, venue: Venue) -> bool:
    """Whether an entry, or the amendment of one, may leave now. It waits no longer than `ENTRY_WAIT_MS`."""
    message = waiting.command
    waited_ns = turn.now_ns - waiting.arrived_ns
    if waited_ns > ENTRY_WAIT_NS:
        detail = f"waited_ms={waited_ns // NS_PER_MS} limit_ms={ENTRY_WAIT_MS}: {waiting.why}"
        deny(turn, message, GateReason.ORDER_BUDGET, detail)
        return False
    why = NO_TOKEN if _no_token(turn) else shortage(turn.state, turn.now_ns, message.pair_id, venue)
    _note_why(turn, message, why)
    return not why


def _note_why(turn: Turn, message: Command, why: str) -> None:
    turn.set(queue=waits_for(turn.state.queue, message.order_id, why))


def _no_token(turn: Turn) -> bool:
    return wait_needed(turn.state.order_history, turn.now_ns, ORDER_LADDER) > 0


def _pump_change(turn: Turn, waiting: Waiting, message: AmendOrder | CancelOrder) -> None:
    target = turn.state.orders.get(message.target_order_id)
    if turn.state.settings.mode is GatewayMode.OBSERVE:
        deny(turn, message, GateReason.MODE, "mode is observe")
    elif target is None:
        deny(turn, message, GateReason.TARGET_UNKNOWN, "no such order")
        if isinstance(message, CancelOrder):
            _tell_never_sent(turn, message)
    elif target.stage is Stage.CLOSED:
        deny(turn, message, GateReason.TARGET_UNKNOWN, "already closed")
        truth.retell(turn, target)
    elif isinstance(message, AmendOrder) and message.expires_at_ns < turn.now_ns:
        deny(turn, message, GateReason.EXPIRED, "")
    elif isinstance(message, AmendOrder) and not _may_amend(turn, message, target):
        deny(turn, message, GateReason.TRADING_STATE, "an amendment of an entry needs what an entry needs")
    elif turn.state.link.state not in (ConnectionState.SYNCHRONISING, ConnectionState.READY):
        return
    elif target.facts.broker_order_no and _change_may_leave(turn, waiting, target):
        _send_change(turn, message, target)


def _change_may_leave(turn: Turn, waiting: Waiting, target: OrderRecord) -> bool:
    """What an amended entry may take is what a new one may."""
    facts = target.facts
    if isinstance(waiting.command, AmendOrder) and facts.purpose is Purpose.ENTRY:
        return _entry_may_leave(turn, waiting, facts.venue)
    return not _no_token(turn)


def _tell_never_sent(turn: Turn, cancel: CancelOrder) -> None:
    """The target of a cancel is in no log of its date: whoever asks may have lost our refusal of it.

    The log of intentions is the judge: it was read whole at the start, each intention is in it before its
    order is sent, and what waits in the queue was looked for before. Should the order be asked for after
    all (Redis forgot the command and it is given again), it stays refused. Of the date before, what its log
    knows is said; of any other nothing.
    """
    target_id = cancel.target_order_id
    earlier = turn.state.earlier.get(target_id)
    if earlier is not None:
        truth.retell_earlier(turn, earlier)
        return
    if cancel.trading_date != turn.state.trading_date:
        return
    denial = turn.state.denied.get(target_id)
    if denial is None:
        denial = CommandDenied(
            order_id=target_id, pair_id=cancel.pair_id, symbol=Symbol(""), reason=GateReason.NEVER_SENT,
            detail="it is to be cancelled",
        )  # fmt: skip
        remember(turn, denial)
    turn.say(denial, denial.pair_id)


def _may_amend(turn: Turn, message: AmendOrder, target: OrderRecord) -> bool:
    """An amendment must pass the gate as a new order of its price would, but for its own target."""
    facts = target.facts
    as_new = PlaceOrder(
        order_id=message.order_id, pair_id=message.pair_id, symbol=facts.symbol, venue=facts.venue,
        side=facts.side, kind=facts.kind, purpose=facts.purpose, qty_shares=message.qty_shares,
        price_krw=message.price_krw, reference_price_krw=facts.price_krw,
        expires_at_ns=message.expires_at_ns,
    )  # fmt: skip
    denial = check(gate_view(turn), as_new)
    grows = message.qty_shares > target.open_shares
    return not grows and (denial is None or denial[0] is GateReason.OVERSELL)


def gate_view(turn: Turn) -> GateView:
    """Return what the gate looks at, now."""
    state = turn.state
    problem = not_ready_because(turn)
    return GateView(
        now_ns=turn.now_ns, mode=state.settings.mode, halt_file=state.rhythm.halt_file,
        halted=state.control.in_force is TradingState.HALTED, trading_state=state.control.in_force,
        flatten=state.control.flatten, ready=not problem,
        lease_problem=state.lease.problem(turn.mono_ns, state.reference_hash),
        not_ready_because=problem, watched=state.link.watched, entry_window=_entry_window(turn),
        phases=state.session.phases, halts=state.halts, reference=state.reference,
        warnings=state.facts.warnings, bands=state.facts.bands, hoga=state.rules.hoga, orders=state.orders,
        superseded=state.superseded, paused=state.control.paused,
        rests_until_ns=state.session.rests_until_ns(state.clock, turn.now_ns),
        entries_barred=_entries_barred(turn),
    )  # fmt: skip


def not_ready_because(turn: Turn) -> str:
    link = turn.state.link
    if link.state is not ConnectionState.READY:
        return f"connection is {link.state}"
    if not link.reconciled:
        return "not reconciled since the connection began"
    return restrictions.bars_exits(turn)


def _entries_barred(turn: Turn) -> str:
    if turn.state.log_gone:
        return "the log of intentions was lost: restart the gateway"
    return restrictions.bars_entries(turn)


def _entry_window(turn: Turn) -> bool:
    window = turn.state.session.window
    return window.open and turn.now_ns < window.closes_at_ns


# -- sending ------------------------------------------------------------------------------------


def _send_new(turn: Turn, order: PlaceOrder, leave_by_ns: int = 0) -> None:
    phase = turn.state.session.phases.get(order.venue, SessionPhase.CLOSED)
    facts = OrderFacts(
        order_id=order.order_id, pair_id=order.pair_id, symbol=order.symbol, venue=order.venue,
        side=order.side, kind=order.kind, purpose=order.purpose, qty_shares=order.qty_shares,
        price_krw=order.price_krw, trading_date=turn.state.session.trading_date,
    )  # fmt: skip
    screen = order_screen(turn.state.screen_turn)
    record = OrderRecord(facts, OrderAction.NEW, Stage.SENT, screen, turn.now_ns)
    args: SendArgs = (
        order.order_id, screen, turn.state.link.account, order_type(order.venue, OrderAction.NEW, order.side),
        order.symbol, order.qty_shares, order.price_krw,
        turn.state.rules.hoga.hoga_code(order.venue, phase, order.kind), "",
    )  # fmt: skip
    lease_until = turn.state.lease.expires_mono_ns if order.purpose.adds_exposure else 0
    leave_by = turn.mono_ns + leave_by_ns - turn.now_ns if leave_by_ns else 0
    _send(turn, record, args, lease_until, stopped_by_halt_file=True, leave_by_mono_ns=leave_by)


def _send_change(turn: Turn, message: AmendOrder | CancelOrder, target: OrderRecord) -> None:
    amends = isinstance(message, AmendOrder)
    action = OrderAction.AMEND if amends else OrderAction.CANCEL
    old = target.facts
    qty_shares = message.qty_shares if isinstance(message, AmendOrder) else target.open_shares
    price_krw = message.price_krw if isinstance(message, AmendOrder) else old.price_krw
    facts = old.model_copy(
        update={
            "order_id": message.order_id, "qty_shares": qty_shares, "price_krw": price_krw,
            "broker_order_no": "", "cum_qty_shares": 0, "cum_amount_krw": 0, "commission_krw": 0,
            "tax_krw": 0,
        }
    )  # fmt: skip
    screen = order_screen(turn.state.screen_turn)
    record = OrderRecord(
        facts, action, Stage.SENT, screen, turn.now_ns, target_id=target.order_id,
        original_no=old.broker_order_no,
    )  # fmt: skip
    args: SendArgs = (
        message.order_id, screen, turn.state.link.account, order_type(old.venue, action, old.side),
        old.symbol, qty_shares if amends else 0, price_krw if amends else 0, "00", old.broker_order_no,
    )  # fmt: skip
    _send(turn, record, args, 0, stopped_by_halt_file=amends)


def _send(
    turn: Turn,
    record: OrderRecord,
    args: SendArgs,
    lease_until_mono_ns: int,
    *,
    stopped_by_halt_file: bool,
    leave_by_mono_ns: int = 0,
) -> None:
    history = after_call(turn.state.order_history, turn.now_ns, ORDER_LADDER)
    rhythm = turn.state.rhythm
    most = max(rhythm.orders_in_window_max, in_window(history, turn.now_ns))
    turn.set(
        orders=turn.state.orders.with_record(record),
        calling=find(turn.state.queue, record.order_id),
        queue=without(turn.state.queue, record.order_id),
        order_history=history,
        screen_turn=turn.state.screen_turn + 1,
        rhythm=replace(
            rhythm,
            orders_in_window_max=most,
            order_calls=rhythm.order_calls + 1,
            orders_sent=rhythm.orders_sent + (record.action is OrderAction.NEW),
        ),
    )
    turn.do(
        Send(
            record.order_id, args, intent(record, turn.state.link.account), record.facts.trading_date,
            lease_until_mono_ns, stopped_by_halt_file, leave_by_mono_ns,
        )
    )  # fmt: skip


# -- what came back -------------------------------------------------------------------------------


def returned(turn: Turn, fact: SendReturned) -> None:
    """SendOrder came back (Kiwoom sheet 6): from now on the broker may have counted it, whatever it says."""
    turn.set(order_history=(*turn.state.order_history[:-1], turn.now_ns))
    log_desk.told(turn, fact.order_id, failed=not fact.logged)
    log_desk.count(turn, fact)
    record = turn.state.orders.working.get(fact.order_id)
    if record is not None:
        _outcome(turn, record, fact)
    turn.set(calling=None)
    pump(turn)


def end_call(turn: Turn) -> None:
    """A call of which no end was heard, because the core failed at it, is over: nothing else waits for it."""
    if turn.state.calling is not None:
        turn.set(order_history=(*turn.state.order_history[:-1], turn.now_ns), calling=None)


def _outcome(turn: Turn, record: OrderRecord, fact: SendReturned) -> None:
    match sent_by(fact.code):
        case Sent.LEFT:
            restrictions.order_taken(turn)
            if record.action is OrderAction.NEW:
                sent = OrderSent(facts=record.facts, waited_ms=_waited_ms(turn, fact))
                turn.say(sent, record.facts.pair_id)
        case Sent.RATE:
            _never_left(turn, record, "rate exceeded at the broker (-308)")
        case Sent.UNKNOWN:
            if fact.code not in RETURN_CODES:
                note_strange(turn, ("return_code", str(fact.code)))
            truth.become_unknown(turn, fact.order_id, f"SendOrder returned {meaning(fact.code)}")
        case Sent.NOT_SENT:
            truth.refuse(turn, fact.order_id, str(fact.code), f"SendOrder returned {meaning(fact.code)}")
            if fact.code in restrictions.ORDERS:
                restrictions.of_orders(turn, fact.code)


def _waited_ms(turn: Turn, fact: SendReturned) -> int | None:
    """How long the order's command had waited here when SendOrder was called."""
    calling = turn.state.calling
    if calling is None or calling.command.order_id != fact.order_id:
        return None
    return max(0, turn.now_ns - fact.call_ns - calling.arrived_ns) // NS_PER_MS


def withheld(turn: Turn, fact: SendWithheld) -> None:
    """The shell did not make the call: lease, HALT file or disk stood against it at the last moment."""
    turn.set(calling=None)
    if fact.why == "log" and not fact.logged:
        log_desk.told(turn, fact.order_id, failed=True)
    log_desk.count(turn, fact)
    record = turn.state.orders.working.get(fact.order_id)
    if record is None:
        return
    if fact.why == ELSEWHERE:
        truth.become_unknown(turn, fact.order_id, fact.why)
        return
    turn.set(order_history=turn.state.order_history[:-1])
    if fact.logged:
        turn.do(Note(not_sent(fact.order_id), record.facts.trading_date))
    turn.set(orders=turn.state.orders.without_unsent(fact.order_id))
    reason = _DENIED_BY_WITHHOLDING.get(fact.why, GateReason.LOG_FAILED)
    denial = CommandDenied(
        order_id=fact.order_id, pair_id=record.facts.pair_id, symbol=record.facts.symbol, reason=reason,
        detail=fact.why, target_order_id=record.target_id,
    )  # fmt: skip
    turn.say(denial, denial.pair_id)
    if record.action is OrderAction.NEW:
        remember(turn, denial)


def _never_left(turn: Turn, record: OrderRecord, why: str) -> None:
    """Definitely not sent: it goes back to wait, and is judged again when a token is there.

    The broker's count is fuller than ours, so ours is taken as full: a whole window passes first.
    """
    turn.do(Note(not_sent(record.order_id), record.facts.trading_date))
    full = (turn.now_ns,) * BROKER_ORDERS_PER_SECOND
    rhythm = turn.state.rhythm
    sent = rhythm.orders_sent - (record.action is OrderAction.NEW)
    turn.set(
        orders=turn.state.orders.without_unsent(record.order_id), order_history=full,
        rhythm=replace(rhythm, orders_sent=sent),
    )  # fmt: skip
    turn.alert("rate", AlertCode.RATE_REFUSED, Severity.WARNING, {"order": record.order_id, "problem": why})
    waiting = turn.state.calling
    if waiting is not None and waiting.command.order_id == record.order_id:
        turn.set(queue=queued(turn.state.queue, replace(waiting, why=why)))
