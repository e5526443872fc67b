"""What happens because time passed: each tick of the gateway, in a fixed order.

Durations of the market (guards, sweeps, the nightly cut) go by market time; time-outs that protect us
go by real time.
"""

from dataclasses import replace

from services.contracts.alert_codes import AlertCode
from services.contracts.limits import NS_PER_MS, NS_PER_S, QUERIES_KEPT_FOR_EXITS, QUERY_LADDER
from services.contracts.messages.alerts import Fact
from services.contracts.messages.commands import PlaceOrder
from services.contracts.messages.orders import OrderFacts
from services.contracts.messages.venue_state import ConnectionState
from services.contracts.terms import OrderKind, Purpose, SessionPhase, Severity, Side, TradingState, Venue
from services.gateway import (
    carry,
    date_desk,
    exchange_time,
    feed_desk,
    feed_liveness,
    halt_desk,
    link_desk,
    log_desk,
    order_desk,
    order_kinds,
    own_cancels,
    reconcile,
    status_report,
    truth,
)
from services.gateway.facts import Clocked, Connected
from services.gateway.limiter import tokens
from services.gateway.order_table import Stage
from services.gateway.query_desk import Round, RoundKind
from services.gateway.recovery import of_new_date
from services.gateway.replies import account_now, orders_of_day
from services.gateway.turn import Turn
from services.market.phases import ReadingKind

TEXT_WAIT_NS = 150 * NS_PER_MS
"""How long a rejection waits for the broker's words (OnReceiveMsg comes after the answer)."""
IOC_OVERDUE_NS = 1_200 * NS_PER_MS
"""An accepted IOC that has not closed by then is asked after: its last frame may be lost."""
SHUT_TOLD_NS, SHUT_LONGEST_NS = 60 * NS_PER_S, 300 * NS_PER_S
"""After so long a venue that is shut against the timetable is told, and open again if its books move."""
MISFIT_TOLD_NS = 5 * NS_PER_S
"""A lease is of another reference for a moment whenever one is published."""
ASK_AGAIN_NS = 3 * NS_PER_S
OTHERS_TIMES = 4
LIMITS_WAIT_NS = 5 * NS_PER_S
"""A session is not held up longer than this by limits that the broker has not told: exits go without."""
QUERY_PAUSE_NS = NS_PER_S
PATIENCE = ((25, 1), (QUERIES_KEPT_FOR_EXITS, 3), (0, 8))
"""(sustained query tokens left, how many times longer than usual an order is left before it is asked for)."""


def tick(turn: Turn, fact: Clocked) -> None:
    """Everything that is due."""
    order_desk.end_call(turn)
    day(turn)
    _shut(turn, fact)
    halt_desk.look(turn, fact)
    log_desk.look(turn, fact)
    _connection(turn)
    _lease(turn)
    stops(turn)
    _oversold(turn)
    _sweep(turn)
    _answers(turn)
    truth.release_parked(turn)
    order_desk.pump(turn)
    _wants(turn)
    link_desk.read_again(turn)
    _rotate(turn)
    feed_desk.feeds(turn)
    feed_liveness.look(turn, fact)
    feed_liveness.listen(turn, fact)
    _exchange_time(turn, fact)
    status_report.report(turn, fact)


# -- the day ------------------------------------------------------------------------------------


def day(turn: Turn) -> None:
    """Bring date, phases and entry window to this moment."""
    date_desk.look(turn)
    state = turn.state
    session, said = state.session.now(state.clock, state.rules, turn.now_ns)
    turn.set(session=session)
    order_kinds.say(turn, said)
    board, released = turn.state.halts.without_old_vi(session.market_ns)
    turn.set(halts=board)
    for change in released:
        turn.say(change)
    if session.trading_date != state.trading_date:
        new_date(turn)
    link_desk.renew_limits(turn)


def new_date(turn: Turn) -> None:
    """Orders are of one date: what still works from an earlier one died with its day."""
    orders = turn.state.orders
    turn.state = of_new_date(turn.state, turn.state.session.trading_date, {**orders.done, **orders.working})
    carry.note(turn)
    say_stale(turn)
    link_desk.read_symbols(turn)


def say_stale(turn: Turn) -> None:
    stale = turn.state.stale_orders
    if not stale:
        return
    for order_id in stale:
        truth.retell_earlier(turn, turn.state.earlier[order_id])
    turn.alert(
        f"old-orders-{turn.state.trading_date}", AlertCode.OLD_ORDERS, Severity.CRITICAL,
        {"orders": ", ".join(stale)},
    )  # fmt: skip
    turn.set(stale_orders=())


def signalled(turn: Turn, value: str) -> None:
    """A value of FID 215; one that is not understood changes nothing, and is told once."""
    day(turn)
    session, reading = turn.state.session.observe(value)
    turn.set(session=session)
    if reading.kind in (ReadingKind.UNKNOWN, ReadingKind.IMPLAUSIBLE):
        turn.alert(
            f"fid215-{value}", AlertCode.MARKET_STATUS_STRANGE, Severity.WARNING,
            {"value": repr(value), "reading": reading.kind.value},
        )  # fmt: skip


def _shut(turn: Turn, fact: Clocked) -> None:
    """A venue that a value keeps shut against the timetable is told: the value that should have opened it may
    be lost. In the end the venue's own books are the witness: where they move, the timetable decides again.
    """
    before, shut = turn.state.rhythm.shut_ns, turn.state.session.shut
    if not shut and not before:
        return
    since = {venue: before.get(venue, turn.now_ns) for venue in sorted(shut)}
    told = frozenset(venue for venue, at_ns in since.items() if turn.now_ns - at_ns >= SHUT_TOLD_NS)
    for venue in sorted(told ^ turn.state.rhythm.shut_told):
        _shut_alert(turn, venue, over=venue not in told)
    turn.set(rhythm=replace(turn.state.rhythm, shut_ns=since, shut_told=told))
    silence_ns = turn.state.settings.feed_silence_ms * NS_PER_MS
    for venue, at_ns in since.items():
        moves = turn.now_ns - fact.last_book_ns.get(venue, 0) <= silence_ns
        if moves and turn.now_ns - at_ns >= SHUT_LONGEST_NS:
            turn.set(session=turn.state.session.without_word(venue))
            day(turn)


def _shut_alert(turn: Turn, venue: Venue, *, over: bool) -> None:
    phase = turn.state.session.phases.get(venue, SessionPhase.CLOSED)
    turn.alert(
        f"shut-{venue}", AlertCode.VENUE_SHUT, Severity.CRITICAL,
        {"venue": venue.value, "phase": phase.value}, resolved=over,
    )  # fmt: skip


def _connection(turn: Turn) -> None:
    link, settings = turn.state.link, turn.state.settings
    if link.state is ConnectionState.CONNECTING:
        if turn.now_ns - link.since_ns > settings.login_timeout_s * NS_PER_S:
            link_desk.connected(turn, Connected(-101))
    elif link.connect_at_ns and turn.now_ns >= link.connect_at_ns and not link_desk.in_nightly_cut(turn):
        link_desk.connect(turn)
    elif link.state is ConnectionState.SYNCHRONISING and link.reconciled and _facts_known(turn):
        link_desk.change(turn, ConnectionState.READY)
        link_desk.say_restored(turn)


def _facts_known(turn: Turn) -> bool:
    """Master data were read, and the day's limits too or they were waited for long enough; or there is no
    symbol yet. An exit needs no limits, and what is missing counts in a ready session alone."""
    facts, waited_ns = turn.state.facts, turn.now_ns - turn.state.link.since_ns
    known = bool(facts.read) and (bool(facts.bands) or waited_ns >= LIMITS_WAIT_NS)
    return known or not feed_desk.symbols_of(turn)


# -- stops ---------------------------------------------------------------------------------------


def _lease(turn: Turn) -> None:
    if turn.state.lease.must_cancel(turn.mono_ns):
        own_cancels.cancel_open(turn, lambda r: r.facts.purpose is Purpose.ENTRY, "the lease has lapsed")
    _misfit(turn)


def _misfit(turn: Turn) -> None:
    """Tell once that renewals come and let no entry leave: control is read late, or risk was replaced."""
    state, rhythm = turn.state, turn.state.rhythm
    problem = state.lease.misfit(turn.mono_ns, state.reference_hash)
    since_ns = (rhythm.misfit_ns or turn.now_ns) if problem else 0
    lasts_ns = turn.now_ns - since_ns if problem else 0
    told = lasts_ns >= MISFIT_TOLD_NS
    if told is not rhythm.misfit_told:
        turn.alert(
            "lease-misfit", AlertCode.LEASE_MISFIT, Severity.WARNING,
            {"problem": problem, "lasts": lasts_ns // NS_PER_MS}, resolved=not told,
        )  # fmt: skip
    if (since_ns, told) != (rhythm.misfit_ns, rhythm.misfit_told):
        turn.set(rhythm=replace(rhythm, misfit_ns=since_ns, misfit_told=told))


def stops(turn: Turn) -> None:
    state = turn.state
    if state.rhythm.halt_file:
        own_cancels.cancel_open(turn, lambda r: True, "a HALT file is there")
    elif not state.control.in_force.allows_exits:
        own_cancels.cancel_open(turn, lambda r: not by_hand(turn, r.facts), f"{state.control.in_force}")
    else:
        _no_entries(turn)


def _no_entries(turn: Turn) -> None:
    """Take entries back where no clip may complete, by whichever of word and lease was read first."""
    for said in (turn.state.control.in_force, turn.state.lease.state):
        if said not in (TradingState.ARMED, TradingState.PAUSE_ENTRY):
            own_cancels.cancel_open(turn, lambda r: r.facts.purpose is Purpose.ENTRY, f"the desk is {said}")


def by_hand(turn: Turn, order: PlaceOrder | OrderFacts) -> bool:
    """Whether an order sells what a person ordered to be flattened."""
    flatten = turn.state.control.flatten
    return order.purpose is Purpose.FLATTEN and bool(flatten & {"", order.symbol})


def _oversold(turn: Turn) -> None:
    """A sell that lives after all, or shares that a person sold, may leave more on sale than a pair holds."""
    orders = turn.state.orders
    own_cancels.cancel_open(
        turn,
        lambda r: r.facts.side is Side.SELL and orders.sellable_shares(r.facts.pair_id) < 0,
        "more is on sale than the pair holds",
    )


def _sweep(turn: Turn) -> None:
    """What outlives a pause is cancelled from its sweep on, until each cancel is confirmed."""
    state = turn.state
    own_cancels.cancel_open(
        turn,
        lambda r: own_cancels.outlives_pause(r) and state.session.swept(state.clock.market_ns(r.sent_ns)),
        "sweep before the pause",
    )
    _left_over(turn)
    if not state.session.window.open:
        own_cancels.cancel_open(
            turn, lambda r: r.facts.purpose is Purpose.ENTRY, "the entry window is closed"
        )


def _left_over(turn: Turn) -> None:
    """Name what a sweep did not get back before its session ended, and when that has closed."""
    state = turn.state
    left = tuple(
        order_id
        for order_id, record in state.orders.working.items()
        if record.is_order
        and own_cancels.outlives_pause(record)
        and state.session.outlived(state.clock.market_ns(record.sent_ns))
    )
    for record in (state.orders.get(order_id) for order_id in {*left} ^ {*state.left_over}):
        if record is not None:
            turn.alert(
                f"left-over-{record.order_id}", AlertCode.SWEEP_UNCONFIRMED, Severity.CRITICAL,
                {"order": record.order_id, "side": record.facts.side.value, "qty": record.open_shares,
                 "symbol": record.facts.symbol, "venue": record.facts.venue.value,
                 "pair": record.facts.pair_id},
                symbol=record.facts.symbol, pair_id=record.facts.pair_id,
                resolved=record.order_id not in left,
            )  # fmt: skip
    if left != state.left_over:
        turn.set(left_over=left)


# -- answers that are due --------------------------------------------------------------------------


def _answers(turn: Turn) -> None:
    timeout_ns = turn.state.settings.ack_timeout_ms * NS_PER_MS
    for record in list(turn.state.orders.working.values()):
        if record.stage is Stage.SENT and turn.now_ns - record.sent_ns > timeout_ns:
            truth.become_unknown(turn, record.order_id, "no answer in time")
    for order_id, since_ns in list(turn.state.rejecting.items()):
        if turn.now_ns - since_ns > TEXT_WAIT_NS:
            _unexplained(turn, order_id)


def _unexplained(turn: Turn, order_id: str) -> None:
    """An answer without a number and without words is no definite evidence against an order: the broker is
    asked. Words that come later still end it. A cancel is asked for anew at once."""
    record = turn.state.orders.working.get(order_id)
    if record is not None and record.is_order and record.unacknowledged and order_id not in turn.state.texts:
        truth.become_unknown(turn, order_id, "its answer has no number, and the broker does not say why")
    else:
        reject_now(turn, order_id)


def reject_now(turn: Turn, order_id: str) -> None:
    """The answer had no order number: rejected, in the broker's words as far as they came."""
    rejecting = {key: value for key, value in turn.state.rejecting.items() if key != order_id}
    text = turn.state.texts.get(order_id, "no reason given")
    texts = {key: value for key, value in turn.state.texts.items() if key != order_id}
    turn.set(rejecting=rejecting, texts=texts)
    truth.refuse(turn, order_id, "", text)


# -- queries --------------------------------------------------------------------------------------


def _wants(turn: Turn) -> None:
    state, rhythm = turn.state, turn.state.rhythm
    if state.link.state not in (ConnectionState.SYNCHRONISING, ConnectionState.READY):
        return
    if state.desk.overdue(turn.now_ns, state.settings.query_timeout_ms * NS_PER_MS):
        query_failed(turn, "no answer in time")
    since_ns = turn.now_ns - rhythm.reconciled_ns
    unsettled = (_unknowns(turn) and since_ns > reconcile.RESOLVE_AGAIN_NS) or (
        _overdue(turn) and since_ns > ASK_AGAIN_NS * _patience(turn)
    )
    if unsettled:
        # What only waits for tokens must not keep away what exits wait for.
        if not state.desk.asks_for_orders:
            truth.want_orders(turn, RoundKind.RESOLVE)
    elif state.desk.idle:
        if _open_for(turn, since_ns):
            truth.want_orders(turn, RoundKind.ORDERS)
        elif _account_due(turn):
            _want_account(turn)
    if not turn.state.desk.asks_for_orders:
        reconcile.look_again(turn)
    next_query(turn)


def _open_for(turn: Turn, since_ns: int) -> bool:
    """Whether orders are open and were not compared for too long. What is not ours is looked at less often,
    and soon again where the last list did not show it."""
    orders, usual_ns = turn.state.orders, turn.state.settings.reconcile_open_s * NS_PER_S
    if orders.working:
        return since_ns > usual_ns
    if orders.foreign_absent:
        return since_ns > reconcile.RESOLVE_AGAIN_NS
    return any(orders.others_working()) and since_ns > OTHERS_TIMES * usual_ns


def _patience(turn: Turn) -> int:
    """How many times longer to wait between two looks: who asks always uses up what is left for a login."""
    left = tokens(turn.state.desk.history, turn.now_ns, QUERY_LADDER[1:])
    return next((times for above, times in PATIENCE if left >= above), 1)


def _unknowns(turn: Turn) -> bool:
    orders = turn.state.orders
    return bool(orders.contradicted) or any(
        r.stage is Stage.UNKNOWN and not r.ambiguous for r in orders.working.values()
    )


def _overdue(turn: Turn) -> bool:
    return any(
        (record.facts.kind is not OrderKind.LIMIT or record.closing_amount_krw >= 0 or not record.is_order)
        and turn.now_ns - record.sent_ns > IOC_OVERDUE_NS
        for record in turn.state.orders.working.values()
    )


def _account_due(turn: Turn) -> bool:
    rhythm, settings = turn.state.rhythm, turn.state.settings
    if turn.state.orders.working:
        return False
    date = turn.state.session.trading_date
    if turn.state.session.day_over and rhythm.final_account != date:
        turn.set(rhythm=replace(rhythm, final_account=date))
        return True
    quiet_ns = turn.now_ns - rhythm.moved_ns
    moved = rhythm.moved_ns > rhythm.account_ns
    aged = turn.now_ns - rhythm.account_ns > settings.account_every_s * NS_PER_S
    return aged or (moved and quiet_ns > settings.account_quiet_ms * NS_PER_MS)


def _want_account(turn: Turn) -> None:
    account = turn.state.link.account
    final = turn.state.rhythm.final_account == turn.state.session.trading_date
    asks = (*orders_of_day(account), *account_now(account)) if final else account_now(account)
    turn.set(desk=turn.state.desk.want(RoundKind.FULL if final else RoundKind.ACCOUNT, asks))


def next_query(turn: Turn) -> None:
    desk, query = turn.state.desk.next(turn.now_ns)
    turn.set(desk=desk)
    if query is not None:
        turn.do(query)


def query_failed(turn: Turn, why: str) -> None:
    """Tried again after a pause; a round given up is wanted anew where something waits for it."""
    desk, given_up = turn.state.desk.failed(turn.now_ns, QUERY_PAUSE_NS)
    turn.set(desk=desk)
    if given_up is not None:
        _give_up(turn, given_up, why)


def _give_up(turn: Turn, round_: Round, why: str) -> None:
    turn.alert(
        f"query-{round_.kind.name.lower()}", AlertCode.QUERY_UNANSWERED, Severity.WARNING,
        {"query": round_.left[0].trcode, "problem": why},
    )  # fmt: skip
    if round_.kind in (RoundKind.FULL, RoundKind.WATCH, RoundKind.DAY, RoundKind.RESOLVE):
        turn.set(desk=turn.state.desk.want(round_.kind, round_.asks))


# -- the rest ----------------------------------------------------------------------------------------


def _rotate(turn: Turn) -> None:
    rhythm = turn.state.rhythm
    if len(feed_desk.symbols_wanting(turn)) <= turn.state.settings.max_symbols:
        return
    if turn.now_ns - rhythm.rotated_ns < turn.state.settings.rotate_s * NS_PER_S or feed_desk.stands_still(
        turn
    ):
        return
    turn.set(rhythm=replace(rhythm, rotated_ns=turn.now_ns, turn=rhythm.turn + 1))
    feed_desk.subscribe(turn)


def _exchange_time(turn: Turn, fact: Clocked) -> None:
    """Frames that agree count at any time, those that do not only while the venue trades continuously."""
    if not fact.exchange_apart_ns:
        return
    state = turn.state
    parts_s, silence_ms = state.settings.exchange_time_parts_s, state.settings.feed_silence_ms
    limit_ns = exchange_time.limit_ns(state.clock, turn.now_ns, parts_s)
    for venue, apart_ns in fact.exchange_apart_ns.items():
        known, before = venue in state.doubts, state.doubts.get(venue)
        if abs(apart_ns) <= limit_ns:
            after = None
        elif venue in state.session.continuous:
            after = exchange_time.doubted(before, turn.now_ns, silence_ms * NS_PER_MS)
        else:
            continue
        if known and after is before:
            continue
        turn.set(doubts={**turn.state.doubts, venue: after})
        if after is None or (after.certain and not (before is not None and before.certain)):
            _apart_alert(turn, venue, apart_ns, limit_ns, resolved=after is None)


def _apart_alert(turn: Turn, venue: Venue, apart_ns: int, limit_ns: int, *, resolved: bool) -> None:
    facts: dict[str, Fact] = {
        "venue": venue.value, "apart": abs(apart_ns) // NS_PER_S, "limit": limit_ns // NS_PER_S,
        "direction": "behind" if apart_ns > 0 else "ahead",
    }  # fmt: skip
    turn.alert(
        f"exchange-time-{venue}", AlertCode.EXCHANGE_TIME_APART, Severity.CRITICAL, facts, resolved=resolved
    )
