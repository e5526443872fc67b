"""The gateway's decisions: `decide(state, moment)` returns the new state, what is written, what is done.

Pure, like every core; beyond messages it returns effects, calls on the control that the shell makes in
order on the Qt thread. Each fact goes to the desk that owns it.
"""

from collections.abc import Mapping
from dataclasses import replace

from services.contracts.alert_codes import AlertCode
from services.contracts.limits import LIMITER_WINDOW_NS
from services.contracts.messages.commands import AmendOrder, CancelOrder, PlaceOrder
from services.contracts.messages.control import (
    ComparisonRequested,
    FlattenRequested,
    FlattenStarted,
    LatchCleared,
    ReferencePublished,
    ResidualClaimed,
    StopRequested,
    StopTaken,
    SymbolPauseRequested,
    SymbolResumed,
    TradingStateChanged,
)
from services.contracts.messages.venue_state import ConnectionChanged, ConnectionState, FeedLivenessChanged
from services.contracts.reasons import GateReason
from services.contracts.step import Received
from services.contracts.terms import Latch, Severity, Symbol, TradingState
from services.contracts.trading_word import TradingWord
from services.gateway import (
    carry,
    clockwork,
    date_desk,
    feed_desk,
    link_desk,
    log_desk,
    order_desk,
    order_kinds,
    reconcile,
    refusals,
    restrictions,
    truth,
)
from services.gateway.comparison import after_garbled, compare
from services.gateway.effects import DropScreen
from services.gateway.evidence import Blank, Unusable, from_chejan, is_of_account, order_no
from services.gateway.facts import (
    ORDER_EVENTS,
    Answered,
    Clocked,
    Connected,
    Delivered,
    Forgotten,
    Garbled,
    Interrupted,
    LeaseSeen,
    LoggedIn,
    MasterRead,
    Moment,
    OrderFramed,
    QueryReturned,
    Registered,
    SendReturned,
    SendWithheld,
    SessionSignalled,
    Started,
    Told,
    Unjudged,
)
from services.gateway.order_table import Stage
from services.gateway.query_desk import MAX_PAGES, Round, RoundKind
from services.gateway.recovery import by_this_clock
from services.gateway.recovery import recovered as recovered
from services.gateway.replies import ORDER_NO_FIELD
from services.gateway.state import GatewayState, GatewayStep
from services.gateway.turn import Turn
from services.gateway.words import note_strange, of_another_date
from services.market.broker_lists import VI_KINDS

CONNECTION_CLOSED = -106
SOURCE = "gateway"
REPUBLISHED = 200
"""After a restart the newest orders that are over are told once more: their last word may be lost."""


def decide(state: GatewayState, moment: Moment) -> GatewayStep:
    """Return what follows from one fact."""
    turn = Turn(state, moment)
    _dispatch(turn, moment)
    return turn.step()


def _dispatch(turn: Turn, moment: Moment) -> None:
    match moment.fact:
        case Clocked() as fact:
            clockwork.tick(turn, fact)
        case Garbled() as fact:
            _garbled(turn, fact)
        case OrderFramed(values):
            _framed(turn, values)
        case Answered() as fact:
            _answered(turn, fact)
        case Told(rqname, text):
            _told(turn, rqname, text)
        case SendReturned() as fact:
            order_desk.returned(turn, fact)
            _closed(turn, fact.code)
        case SendWithheld() as fact:
            order_desk.withheld(turn, fact)
        case QueryReturned(rqname, code):
            _query_returned(turn, rqname, code)
        case Delivered(received):
            _delivered(turn, received)
        case Unjudged(message, problem):
            order_desk.unjudged(turn, message, problem)
        case LeaseSeen(expires, reference_hash, state_then, risk_epoch):
            lease = turn.state.lease
            turn.set(lease=lease.renewed(expires, reference_hash, state_then, risk_epoch))
        case SessionSignalled(value):
            clockwork.signalled(turn, value)
        case Interrupted(values):
            _interrupted(turn, values)
        case Started():
            _started(turn)
        case Forgotten():
            _forgotten(turn)
        case Connected() as fact:
            link_desk.connected(turn, fact)
        case LoggedIn() as fact:
            link_desk.logged_in(turn, fact)
        case MasterRead() as fact:
            link_desk.master_read(turn, fact)
        case Registered(screen, code):
            feed_desk.screen_registered(turn, screen, code)


# -- start ----------------------------------------------------------------------------------------


def _started(turn: Turn) -> None:
    """Say what is known, so that readers need no history, and connect.

    The last queries of the process before may be in no store: a window passes before the first one. Its last
    orders are known, but not when their calls came back: they count from now.
    """
    turn.state = by_this_clock(turn.state, turn.now_ns)
    state = turn.state
    turn.set(control=replace(state.control, word=state.control.word.begun(turn.now_ns)))
    turn.set(
        desk=replace(state.desk, not_before_ns=turn.now_ns + LIMITER_WINDOW_NS),
        order_history=(turn.now_ns,) * len(state.order_history),
    )
    date_desk.look(turn)
    session, _ = turn.state.session.now(turn.state.clock, turn.state.rules, turn.now_ns)
    turn.set(session=session)
    log_desk.read(turn)
    carry.note(turn)
    clockwork.say_stale(turn)
    order_kinds.say_all(turn)
    turn.say(
        ConnectionChanged(
            state=ConnectionState.DISCONNECTED, connection_epoch=turn.state.connection_epoch, planned=True,
            detail="starting",
        )
    )  # fmt: skip
    _retell_orders(turn)
    link_desk.begin(turn)


def _retell_orders(turn: Turn) -> None:
    for record in list(turn.state.orders.done.values())[-REPUBLISHED:]:
        truth.retell(turn, record)
    for record in turn.state.orders.working.values():
        truth.retell(turn, record)
    strangers = list(turn.state.orders.foreign.values())
    for seen in [s for s in strangers[:-REPUBLISHED] if s.works] + strangers[-REPUBLISHED:]:
        truth.tell_foreign(turn, seen)


def _forgotten(turn: Turn) -> None:
    """Redis lost what was last written: everything is said again, and stream and broker are compared.

    What waits here is refused: the executor may have forgotten that it asked for it.
    """
    stop = turn.state.control.word.said_again(SOURCE)
    if stop is not None:
        turn.say(stop)
    turn.set(lease=turn.state.lease.of_another_redis())
    refusals.retell(turn)
    refusals.deny_waiting(turn, GateReason.BUS_LOST, lambda order: True)
    state = turn.state
    order_kinds.say_all(turn)
    link_desk.change(turn, state.link.state, "told again", planned=state.link.planned)
    link_desk.publish_facts(turn)
    for message in state.halts.everything():
        turn.say(message)
    for venue, alive in state.rhythm.alive.items():
        turn.say(FeedLivenessChanged(venue=venue, alive=alive, last_event_ns=turn.now_ns))
    _retell_orders(turn)
    _compare(turn)


def _compare(turn: Turn) -> None:
    """Compare stream and broker now; a connection that is not up yet does so by itself."""
    link = turn.state.link
    if link.account and link.state in (ConnectionState.SYNCHRONISING, ConnectionState.READY):
        compare(turn)


# -- what the broker says ------------------------------------------------------------------------------


def _framed(turn: Turn, values: Mapping[int, str]) -> None:
    """A login has several accounts, and the frames of all of them come here."""
    try:
        ours = is_of_account(values.get(9201, ""), turn.state.link.account)
        if ours is False:
            return
        seen = from_chejan(values)
        if ours is None:
            raise Unusable(f"order {seen.broker_order_no} names no account")
    except Unusable as problem:
        _unusable(turn, f"an order frame: {problem}")
        return
    if not of_another_date(turn, seen):
        truth.observe(turn, seen)
        order_desk.pump(turn)


def _garbled(turn: Turn, fact: Garbled) -> None:
    """An event was lost: if it may have told of orders, the broker is asked for them."""
    what = f"{fact.event}: {fact.problem} ({fact.failures} since the start)"
    if fact.event in ORDER_EVENTS:
        _unusable(turn, what)
        return
    turn.alert(f"garbled-{fact.event}", AlertCode.FRAMES_GARBLED, Severity.WARNING, {"problem": what})


def _unusable(turn: Turn, what: str) -> None:
    """Something unreadable about orders: the broker is asked for what is open and what is in question."""
    after_garbled(turn)
    link_desk.unusable(turn, what)


def _answered(turn: Turn, fact: Answered) -> None:
    if turn.state.orders.get(fact.rqname) is not None:
        _order_answered(turn, fact)
        return
    restrictions.query_answered(turn)
    desk, done = turn.state.desk.answered(fact.rqname, fact.more, fact.single, fact.rows)
    turn.set(desk=desk)
    if desk.endless:
        clockwork.query_failed(turn, f"it says after {MAX_PAGES} pages that there are more")
    if fact.trcode == "OPTKWFID":
        turn.do(DropScreen(fact.screen))
    if done is not None:
        _round_done(turn, done)
    clockwork.next_query(turn)


def _round_done(turn: Turn, done: Round) -> None:
    if done.kind is RoundKind.DAY:
        link_desk.limits_read(turn, done)
        return
    if done.kind is RoundKind.WATCH:
        turn.set(link=replace(turn.state.link, watched=True))
        return
    if turn.state.clock.trading_date_at(done.begun_ns) != turn.state.session.trading_date:
        # Orders of the day before would be strangers in the table of the new one.
        turn.set(desk=turn.state.desk.want(done.kind, done.asks))
        return
    counts = reconcile.finish(turn, done)
    if done.kind is RoundKind.FULL and counts:
        turn.set(link=replace(turn.state.link, reconciled=True))


def _order_answered(turn: Turn, fact: Answered) -> None:
    """The answer of SendOrder: a number, or blank for rejected (Kiwoom sheet 1.3)."""
    record = turn.state.orders.get(fact.rqname)
    if record is None or record.screen != fact.screen:
        return
    try:
        number = order_no(fact.single.get(ORDER_NO_FIELD, ""))
    except Unusable as problem:
        if not isinstance(problem, Blank):
            _unusable(turn, f"the answer of {fact.rqname}: {problem}")
            truth.become_unknown(turn, fact.rqname, "its answer cannot be read")
        elif record.stage in (Stage.SENT, Stage.UNKNOWN) and not record.facts.broker_order_no:
            turn.set(rejecting={**turn.state.rejecting, fact.rqname: turn.now_ns})
            if fact.rqname in turn.state.texts:
                clockwork.reject_now(turn, fact.rqname)
        return
    truth.give_number(turn, fact.rqname, number)
    truth.accept(turn, fact.rqname)
    order_desk.pump(turn)


def _told(turn: Turn, rqname: str, text: str) -> None:
    """The broker's words: kept only while an order without a number may need them."""
    record = turn.state.orders.working.get(rqname)
    if record is None or record.facts.broker_order_no:
        return
    turn.set(texts={**turn.state.texts, rqname: text.strip()})
    if rqname in turn.state.rejecting:
        clockwork.reject_now(turn, rqname)


def _query_returned(turn: Turn, rqname: str, code: int) -> None:
    flight = turn.state.desk.flight
    if flight is None or flight.query.rqname != rqname:
        return
    turn.set(desk=turn.state.desk.called(turn.now_ns))
    if code != 0:
        clockwork.query_failed(turn, f"the call returned {code}")
    if code in restrictions.QUERIES:
        restrictions.of_queries(turn, code)
    _closed(turn, code)


def _closed(turn: Turn, code: int) -> None:
    """A call says that the line is gone: the event that should say so may be lost."""
    if code == CONNECTION_CLOSED:
        link_desk.connected(turn, Connected(code))


def _interrupted(turn: Turn, values: Mapping[int, str]) -> None:
    symbols = frozenset(feed_desk.symbols_of(turn))
    market_ns = turn.state.clock.market_ns(turn.now_ns)
    try:
        board, news = turn.state.halts.on_vi(values, symbols, market_ns)
    except Unusable as problem:
        turn.alert("garbled-vi", AlertCode.FRAMES_GARBLED, Severity.WARNING, {"problem": f"a VI: {problem}"})
        return
    kind = values.get(1225, "")
    if VI_KINDS.lacks(kind):
        note_strange(turn, (VI_KINDS.name, kind.strip()))
    turn.set(halts=board)
    for message in news:
        turn.say(message)


# -- what the streams say ---------------------------------------------------------------------------------


def _delivered(turn: Turn, received: Received) -> None:
    match received.message:
        case PlaceOrder() | AmendOrder() | CancelOrder() as message:
            clockwork.day(turn)
            envelope = received.envelope
            order_desk.command(turn, message, envelope.correlation_id, envelope.ts_event_ns)
        case StopRequested() as message:
            _obey(turn, turn.state.control.word.after_stop(message, received))
            _say_taken(turn)
        case TradingStateChanged() as message:
            _obey(turn, turn.state.control.word.after_change(message, received))
        case SymbolPauseRequested(symbol=symbol, paused=True):
            control = turn.state.control
            turn.set(control=replace(control, paused={**control.paused, symbol: received.stamped_ns}))
            order_desk.pump(turn)
            _say_taken(turn)
        case SymbolResumed(symbol=symbol):
            _resumed(turn, symbol, received)
        case FlattenRequested():
            control = turn.state.control
            turn.set(control=replace(control, word=control.word.after_wish(received)))
        case FlattenStarted(symbol=symbol) as message:
            control = turn.state.control
            if control.word.obeys(message, received):
                turn.set(control=replace(control, flatten=control.flatten | {symbol}))
        case ComparisonRequested():
            _compare(turn)
        case LatchCleared(latch=Latch.RECONCILIATION_DIFFERENCE):
            reconcile.accept_holdings(turn, received.envelope.ts_event_ns)
        case ResidualClaimed() as message:
            carry.claim(turn, message)
        case ReferencePublished(reference=reference):
            in_force = reference.keeping(turn.state.reference, feed_desk.held_symbols(turn))
            turn.set(reference=in_force, reference_hash=reference.hash)
            link_desk.read_symbols(turn)
            feed_desk.subscribe(turn)


def _resumed(turn: Turn, symbol: Symbol, received: Received) -> None:
    control = turn.state.control
    if control.word.ends_pause(control.paused.get(symbol, 0), received):
        left = {paused: at_ns for paused, at_ns in control.paused.items() if paused != symbol}
        turn.set(control=replace(control, paused=left))


def _say_taken(turn: Turn) -> None:
    state = turn.state
    turn.say(StopTaken(service=SOURCE, name=state.settings.name, state=state.control.in_force))


def _obey(turn: Turn, word: TradingWord) -> None:
    """Take back at once what is not allowed any more; a stop that forbids sells ends what a person had asked
    to be flattened by then, and arming does."""
    before = turn.state.control
    ends = word.ended_selling(before.word) or word.in_force.allows_entries
    turn.set(control=replace(before, word=word, flatten=frozenset() if ends else before.flatten))
    obeyed = turn.mark()
    try:
        _take_back(turn, word)
    except Exception as error:
        # What cannot be taken back now must not undo the word itself: the gate goes by it.
        turn.back_to(obeyed)
        what, problem = f"what {word.in_force} takes back", f"{type(error).__name__}: {error}"
        turn.alert(
            "taking-back", AlertCode.GATEWAY_FAILED, Severity.CRITICAL, {"what": what, "problem": problem}
        )


def _take_back(turn: Turn, word: TradingWord) -> None:
    if word.in_force is TradingState.HALTED:
        refusals.deny_waiting(turn, GateReason.HALTED, lambda order: not clockwork.by_hand(turn, order))
    if not word.in_force.allows_entries:
        clockwork.stops(turn)
    order_desk.pump(turn)
