"""What the next process, the next date or another account takes over of order truth.

Order truth is of one date and one account: records, baseline and what is carried of another account of the
same folder or the same Redis are never merged into it (design, 4.3).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from services.contracts.limits import BROKER_ORDERS_PER_SECOND
from services.contracts.messages.commands import CancelOrder
from services.contracts.terms import Side, Symbol, TradingDate
from services.gateway.foreign_orders import at_risk_shares
from services.gateway.intention_log import (
    Line,
    LogDamaged,
    account_of_lines,
    baseline_ns_of,
    baseline_of,
    baseline_open_of,
    carried_of,
    claimed_of,
    lines_of_account,
    replay,
    screens_of,
    strangers_of,
)
from services.gateway.limiter import History, shifted
from services.gateway.order_queue import Waiting
from services.gateway.order_table import OrderRecord, OrderTable, Stage
from services.gateway.over_night import OverNight
from services.gateway.state import Control, DayFacts, GatewayState
from services.gateway.vi_halts import HaltBoard, interrupted


def recovered(
    state: GatewayState, log: Sequence[Line], trading_date: TradingDate, log_before: Sequence[Line] = ()
) -> GatewayState:
    """Return the stored state joined with the log of intentions of `trading_date`.

    What was stored as working stays so until evidence closes it, because its last message may
    never have been written. What only the log knows is taken from there; what it knows waits no longer,
    because it was sent after the queue had been stored. Of the day's facts the limits hold on, and of what
    stops a symbol the VIs: the control tells the rest anew, and without a query. What was stored on an
    earlier date died with its day, but for what its pairs still hold; what may have left then, `log_before`
    included, is kept apart to be answered for.

    Of which account it is, the settings say, or else what was stored or logged last; the logs are kept until
    the login names another.
    """
    account = state.settings.account or state.account or account_of_lines(log) or account_of_lines(log_before)
    logged: GatewayState = state.but(logs=(tuple(log), tuple(log_before)))
    return of_account(logged, account, trading_date)


def whole_log(
    state: GatewayState, log: Sequence[Line], trading_date: TradingDate, where: str
) -> GatewayState:
    """Return the stored state if the log of its date holds every intention that was stored as being in it.

    Without them an order that was sent could be sent again, and what its pair holds could not be sold. A
    person who has compared the day's orders with the broker's screen names the date as `lost_log_of`.

    Raises:
        LogDamaged: some are missing.
    """
    found = sum(line["k"] == "intent" for line in log)
    expected = state.logged_intents if state.trading_date == trading_date else 0
    if found < expected and state.settings.lost_log_of != trading_date:
        raise LogDamaged(
            f"{where} holds {found} intentions, and {expected} were written. Put the file back, that of the "
            "machine which traded today. If it is lost: compare the day's orders and holdings with the "
            "broker's own screen, sell by hand what `arb status` shows as held, and start with "
            f"ARB_GATEWAY_LOST_LOG_OF={trading_date}."
        )
    counted: GatewayState = state.but(logged_intents=found)
    return counted


def of_account(state: GatewayState, account: str, trading_date: TradingDate) -> GatewayState:
    """Return the state with the order truth of `account`, from what was stored of it and from the logs."""
    if state.account not in ("", account):
        state = state.but(
            working={}, orders=OrderTable(), queue=(), baseline=None, baseline_ns=0, baseline_open=None,
            difference=None, carried={}, over_night=OverNight(), claimed=frozenset(), earlier={},
            cancelling={}, rejecting={}, texts={},
        )  # fmt: skip
    log, log_before = (lines_of_account(lines, account) for lines in state.logs)
    return _joined_with(state.but(account=account), log, trading_date, log_before)


def _joined_with(
    state: GatewayState, log: Sequence[Line], trading_date: TradingDate, log_before: Sequence[Line]
) -> GatewayState:
    if state.trading_date == trading_date:
        earlier = replay(log_before)
    else:
        state = _after_the_night(state, log_before, trading_date)
        earlier = dict(state.earlier)
    carried, night = carried_of(log, (state.carried, state.over_night))
    claimed = claimed_of(log, state.claimed)
    records = replay(log)
    records.update({r.order_id: _joined(records.get(r.order_id), r) for r in state.working.values()})
    orders = OrderTable(
        carried=carried, carried_symbols=night.symbols, claimed=claimed, screens_echoed=screens_of(log)
    ).with_records(records.values())
    strangers = {no: seen for no, seen in strangers_of(log).items() if no not in orders.numbers}
    orders = replace(orders, foreign=strangers).with_taken_over(strangers.values())
    queue = tuple(waiting for waiting in state.queue if orders.get(waiting.command.order_id) is None)
    joined: GatewayState = state.but(
        orders=orders, working=orders.working, queue=queue, claimed=claimed, carried=carried,
        over_night=night, desk=replace(state.desk, history=state.query_history),
        baseline=baseline_of(log, state.baseline), baseline_ns=baseline_ns_of(log, state.baseline_ns),
        baseline_open=baseline_open_of(log, state.baseline_open),
        order_history=_order_history(state, log),
        earlier=earlier, facts=DayFacts(bands=state.facts.bands, limits_ns=state.facts.limits_ns),
        halts=interrupted(state.interruptions),
    )  # fmt: skip
    return joined


def _after_the_night(
    state: GatewayState, log_before: Sequence[Line], trading_date: TradingDate
) -> GatewayState:
    """Return the stored state of an earlier date as that of a new one, with what the log of then knows."""
    earlier = replay(log_before)
    for record in state.working.values():
        logged = earlier.get(record.order_id)
        if logged is None or logged.facts.cum_qty_shares < record.facts.cum_qty_shares:
            earlier[record.order_id] = record
    carried, night = carried_of(log_before, (state.carried, state.over_night))
    before: GatewayState = state.but(
        carried=carried, over_night=night, claimed=claimed_of(log_before, state.claimed),
        baseline=baseline_of(log_before, state.baseline),
        orders=OrderTable(foreign=strangers_of(log_before)),
    )  # fmt: skip
    return of_new_date(before, trading_date, earlier)


def of_new_date(
    state: GatewayState, trading_date: TradingDate, earlier: Mapping[str, OrderRecord]
) -> GatewayState:
    """Return the state of a new trading date: nothing of the old one holds, and nothing is armed.

    `earlier` are the orders of the date before; those never seen to close are named to a person. What
    pairs hold of it they may sell on this date; what was under a sell that was never seen to close, only
    once the account shows that it is still there (`carry.settle`).
    """
    before = OrderTable(
        carried=state.carried,
        carried_symbols=state.over_night.symbols,
        claimed=state.claimed,
        foreign=state.orders.foreign,
    ).with_records(earlier.values())
    before = before.with_taken_over(before.foreign.values())
    held = before.still_held()
    stale = sorted(r.order_id for r in earlier.values() if r.is_order and r.stage is not Stage.CLOSED)
    begun: GatewayState = state.but(
        trading_date=trading_date, carried=held, over_night=_over_night(state, before, held),
        orders=OrderTable(carried=held, carried_symbols=_symbols(before, held)), working={},
        claimed=frozenset(), baseline=None, baseline_ns=0, baseline_open=None, difference=None,
        halts=HaltBoard(), interruptions=(), queue=(), superseded=frozenset(), cancelling={}, rejecting={},
        texts={}, stale_orders=tuple(stale), earlier=earlier, left_over=(), facts=DayFacts(),
        control=Control(state.control.word.of_new_date()),
        logged_intents=0,
    )  # fmt: skip
    return begun


def _over_night(state: GatewayState, before: OrderTable, held: Mapping[str, int]) -> OverNight:
    doubtful = dict(state.over_night.doubtful)
    for record in before.working.values():
        facts = record.facts
        if record.is_order and facts.side is Side.SELL and facts.pair_id not in before.claimed:
            doubtful[facts.pair_id] = doubtful.get(facts.pair_id, 0) + record.open_shares
    for no, pair_id in before.taken_over.items():
        seen = before.foreign[no]
        if seen.works and pair_id not in doubtful and pair_id not in before.claimed:
            doubtful[pair_id] = (at_risk_shares(seen) or 0) - (seen.cum_qty_shares or 0)
    others = state.over_night.others
    if state.baseline is not None:
        others = dict(state.baseline)
        for no, seen in before.foreign.items():
            if no in before.taken_over:
                continue
            filled = seen.cum_qty_shares or 0
            others[seen.symbol] = others.get(seen.symbol, 0) + (filled if seen.side is Side.BUY else -filled)
    return OverNight(_symbols(before, {**held, **doubtful}), doubtful, others)


def _symbols(table: OrderTable, pairs: Iterable[str]) -> dict[str, Symbol]:
    found = {pair_id: table.symbol_of(pair_id) for pair_id in pairs}
    return {pair_id: symbol for pair_id, symbol in found.items() if symbol is not None}


def _order_history(state: GatewayState, log: Iterable[Line]) -> History:
    """When orders were sent, also those that were sent after the state was stored: only the log has them.

    Two of one turn have one time, so that times are counted and not merged.
    """
    logged = Counter(record.sent_ns for record in replay(log).values())
    return tuple(sorted((Counter(state.order_history) | logged).elements()))[-BROKER_ORDERS_PER_SECOND:]


def _joined(logged: OrderRecord | None, stored: OrderRecord) -> OrderRecord:
    if logged is None or logged is stored:
        return replace(stored, stage=Stage.UNKNOWN) if stored.stage is Stage.SENT else stored
    number = stored.facts.broker_order_no or logged.facts.broker_order_no
    if logged.rejected and not number:
        return logged
    facts = stored.facts.model_copy(update={"broker_order_no": number})
    return replace(stored, facts=facts, stage=Stage.ACCEPTED if number else Stage.UNKNOWN)


def by_this_clock(state: GatewayState, now_ns: int) -> GatewayState:
    """Return the state with no time ahead of `now_ns` (Redis time).

    Redis's clock may have been set back since: what was done then is taken to have been done just now, with
    its distances kept. Left ahead it would bar every call until its time comes, dropped it would let as many
    calls leave at once.
    """

    def past(at_ns: int) -> int:
        return min(at_ns, now_ns)

    known = (*state.orders.done.values(), *state.orders.working.values())
    records = [_record_by(record, now_ns) for record in known if max(_times(record)) > now_ns]
    orders = state.orders.with_records(records) if records else state.orders
    told = state.difference
    if told is not None and told.told_ns > now_ns:
        told = replace(told, told_ns=now_ns)
    refused = {screen: replace(item, again_ns=past(item.again_ns)) for screen, item in state.refused.items()}
    moved: GatewayState = state.but(
        orders=orders, working=orders.working, difference=told, baseline_ns=past(state.baseline_ns),
        queue=tuple(_waiting_by(waiting, now_ns) for waiting in state.queue),
        control=replace(state.control, word=state.control.word.by_clock(now_ns)),
        facts=replace(state.facts, limits_ns=past(state.facts.limits_ns)),
        halts=state.halts.none_ahead_of(state.clock.market_ns(now_ns)),
        order_history=shifted(state.order_history, now_ns),
        query_history=shifted(state.query_history, now_ns),
        desk=replace(state.desk, history=shifted(state.desk.history, now_ns)),
        refused=refused,
    )  # fmt: skip
    return moved


def _times(record: OrderRecord) -> tuple[int, ...]:
    return record.sent_ns, record.moved_ns, record.absent_ns, record.blank_ns


def _record_by(record: OrderRecord, now_ns: int) -> OrderRecord:
    sent_ns, moved_ns, absent_ns, blank_ns = (min(at_ns, now_ns) for at_ns in _times(record))
    return replace(record, sent_ns=sent_ns, moved_ns=moved_ns, absent_ns=absent_ns, blank_ns=blank_ns)


def _waiting_by(waiting: Waiting, now_ns: int) -> Waiting:
    """Return what waits as having come just now; it expires as long after that as it would have."""
    ahead_ns = waiting.arrived_ns - now_ns
    if ahead_ns <= 0:
        return waiting
    command = waiting.command
    if not isinstance(command, CancelOrder):
        command = command.model_copy(update={"expires_at_ns": command.expires_at_ns - ahead_ns})
    asked_ns = waiting.asked_ns and waiting.asked_ns - ahead_ns
    return replace(waiting, command=command, arrived_ns=now_ns, asked_ns=asked_ns)
