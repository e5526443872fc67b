"""Stream against broker: what a finished round of queries says.

Rows of all orders of the day resolve unknown orders and correct known ones; holdings are compared
with what was there before plus what our fills and others' explain (design, 4.4 and 4.5).

Owns that a person accepts the difference that was named and nothing else: what changes between what
the person saw and the next look is a difference of its own. Owns too that a blank and an empty answer
count only when two looks, `APART_NS` apart, say the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from services.contracts.alert_codes import AlertCode
from services.contracts.limits import NS_PER_MS
from services.contracts.messages.orders import AccountReported, ReconciliationCompleted
from services.contracts.messages.venue_state import ConnectionState
from services.contracts.terms import Severity, Side, Symbol
from services.gateway import baseline, carry, matching, truth, unread_rows
from services.gateway.comparison import compare
from services.gateway.evidence import Blank, Evidence, Unusable
from services.gateway.held_shares import (
    differing_symbols,
    filled_shares,
    holding_differences,
    less,
    net_shares,
)
from services.gateway.order_table import OrderRecord, Stage
from services.gateway.query_desk import Reply, Round, RoundKind
from services.gateway.replies import (
    account_now,
    asked_symbols,
    cash,
    holdings,
    named_symbols,
)
from services.gateway.state import Difference, Look
from services.gateway.turn import Turn
from services.gateway.words import of_another_date

SETTLE_NS = 700 * NS_PER_MS
"""An order younger than this may still be on its way when a query begins."""
APART_NS = 2_000 * NS_PER_MS
"""Two equal answers that are blank or empty count only when their queries began this far apart."""
LOOKS = 3
"""So many looks in a row that differ, each in another way, are told as the last one has it."""
SURELY_THERE_NS = 10_000 * NS_PER_MS
"""So long after it was sent an order is in the broker's list, or none of it will be."""
DIFFERENCES_TOLD = 100
"""The others are counted: no message grows with an account."""
QUIET_NS = 300 * NS_PER_MS
RESOLVE_AGAIN_NS = 2_100 * NS_PER_MS


def finish(turn: Turn, round_: Round) -> bool:
    """Take in a whole round. Return whether it counts: a difference that rests on a blank or an empty answer
    counts at the second look."""
    replies = {reply.trcode: reply for reply in round_.replies}
    differences: list[str] = []
    account, blank, whole = Account(), False, turn.state.link.reconciled
    if "OPT10075" in replies:
        problems, blank, whole = _orders(turn, round_)
        differences += problems
    if "OPW00018" in replies:
        account = _account(turn, round_, replies["OPW00001"], replies["OPW00018"], whole=whole)
        differences += account.problems
        blank = blank or account.blank
    if account.unread:
        compare(turn, *account.unread)
        return False
    if blank and not _seen_twice(turn, round_, tuple(differences)):
        return False
    _report(turn, account)
    if account.problems and account.report is not None:
        _name(turn, account.unexplained)
    if round_.kind is RoundKind.FULL or differences:
        at_rest = account.report is not None and _quiet(turn, round_.begun_ns)
        _say_completed(turn, tuple(differences), round_.begun_ns, at_rest=at_rest)
    if not blank and round_.kind is RoundKind.FULL:
        turn.set(look=None)
    if account.agrees and not differences:
        _agree_again(turn, round_.kind)
    return True


def _seen_twice(turn: Turn, round_: Round, differences: tuple[str, ...]) -> bool:
    """Whether an earlier look of this connection said the same, long enough ago; else look again.

    Looks that never agree with each other do not go on for ever.
    """
    before = turn.state.look
    if before is not None and before.connection_epoch != turn.state.connection_epoch:
        before = None
    if before is not None and round_.begun_ns - before.begun_ns < APART_NS:
        if before.differences == differences:
            return before.looks > 1 and before.told
        before = replace(
            before, begun_ns=round_.begun_ns, differences=differences, told=False, asks=round_.asks
        )
        turn.set(look=before)
        return False
    equal = before is not None and before.differences == differences
    looks = 1 if before is None else before.looks + 1
    told = equal or looks >= LOOKS
    turn.set(look=Look(round_.begun_ns, turn.state.connection_epoch, differences, looks, told, round_.asks))
    return told


def look_again(turn: Turn) -> None:
    """Take the second look at a difference, and at holdings without a row, when it is due."""
    look = turn.state.look
    if look is not None and not look.told and turn.now_ns - look.begun_ns >= APART_NS:
        turn.set(desk=turn.state.desk.want(RoundKind.FULL, look.asks))
    elif _empty_waits(turn) and turn.state.desk.idle:
        turn.set(desk=turn.state.desk.want(RoundKind.ACCOUNT, account_now(turn.state.link.account)))


def _first_of(differences: tuple[str, ...]) -> tuple[str, ...]:
    more = len(differences) - DIFFERENCES_TOLD
    return differences if more <= 0 else (*differences[:DIFFERENCES_TOLD], f"and {more} more")


def _say_completed(turn: Turn, differences: tuple[str, ...], begun_ns: int, *, at_rest: bool) -> None:
    state = turn.state
    turn.say(
        ReconciliationCompleted(
            trading_date=state.session.trading_date, connection_epoch=state.connection_epoch,
            differences=_first_of(differences), begun_ns=begun_ns, at_rest=at_rest,
            bought_shares=filled_shares(state.orders, Side.BUY),
            sold_shares=filled_shares(state.orders, Side.SELL),
        )
    )  # fmt: skip
    if differences:
        _alert(turn, "; ".join(differences), over=False)


def _alert(turn: Turn, detail: str, *, over: bool) -> None:
    turn.alert(
        f"reconcile-{turn.state.session.trading_date}", AlertCode.BOOKS_DIFFER, Severity.CRITICAL,
        {"problem": detail}, resolved=over,
    )  # fmt: skip


# -- orders ----------------------------------------------------------------------------------


def _orders(turn: Turn, round_: Round) -> tuple[list[str], bool, bool]:
    """Return in what the rows differ from ours or cannot be read, whether some are blank, and whether the
    list is whole: all of it was read, or what was not stays unreadable."""
    seen, unread = unread_rows.evidence_of(round_.replies, turn.state.link.account)
    problems, blank = [row.sentence for row in unread], any(row.blank for row in unread)
    seen = [item for item in seen if not of_another_date(turn, item)]
    for item in seen:
        known = turn.state.orders.by_number(item.broker_order_no)
        if known is not None and known.contradicts(item):
            problems.append(
                f"order {item.broker_order_no} of ours is listed with another share, side, venue or size"
            )
        elif known is not None:
            truth.observe(turn, item)
            _contradiction(turn, item, round_.begun_ns)
    ready = _of_ready_session(turn, round_.begun_ns)
    asked = asked_symbols(round_.read)
    news = unread_rows.news(turn, unread, round_, APART_NS) if ready else unread
    named = {row.broker_order_no for row in unread}
    counts = ready and all(row.broker_order_no for row in news)
    if counts:
        _end_blank(turn, [item for item in seen if item.broker_order_no not in named], round_.begun_ns)
    unclaimed = [item for item in seen if turn.state.orders.by_number(item.broker_order_no) is None]
    doubts = unread_rows.of_nobody_known(turn, unread)
    _resolve(turn, unclaimed, round_.begun_ns, absence_counts=ready and not news, asked=asked, doubts=doubts)
    for item in unclaimed:
        if turn.state.orders.by_number(item.broker_order_no) is None and not truth.in_flight(turn, item):
            if item.broker_order_no not in turn.state.orders.foreign and truth.revive(turn, item):
                continue
            table, waiting = turn.state.orders.unpark(item.broker_order_no)
            turn.set(orders=table)
            for each in (*waiting, item):
                truth.foreign(turn, each)
    if counts:
        listed = {item.broker_order_no for item in seen} | named
        table = turn.state.orders
        if asked is not None and "" not in named_symbols(round_.read):
            listed |= {no for no, item in table.foreign.items() if item.symbol not in asked}
        if asked is not None:
            listed |= {no for no in table.numbers if _symbol_of(turn, no) not in asked}
        problems += _missing(turn, listed, round_.begun_ns)
        _end_unlisted(turn, listed - unread_rows.over_by_word(seen), round_.begun_ns)
        _end_cancels(turn, round_.begun_ns)
    turn.set(rhythm=replace(turn.state.rhythm, reconciled_ns=turn.now_ns))
    return problems, blank, not news


def _symbol_of(turn: Turn, broker_order_no: str) -> str:
    record = turn.state.orders.by_number(broker_order_no)
    return "" if record is None else record.facts.symbol


def _of_ready_session(turn: Turn, begun_ns: int) -> bool:
    """Whether the round began in the session as it is now, ready: only there what is missing counts."""
    link = turn.state.link
    return link.state is ConnectionState.READY and begun_ns >= link.since_ns


def _end_blank(turn: Turn, seen: list[Evidence], begun_ns: int) -> None:
    """End what two lists, apart, show as over without saying how much was filled, or less than is known, and
    no row contradicts."""
    for no, rows in matching.by_number(seen).items():
        record = turn.state.orders.by_number(no)
        if record is None or record.stage is Stage.CLOSED or not record.is_order:
            continue
        known_krw = record.facts.cum_amount_krw
        named = any(
            item.remaining_shares != 0
            or (item.amount_named_krw is not None and not item.ends_below(known_krw))
            for item in rows
        )
        if named or any((item.cum_qty_shares or 0) > record.facts.cum_qty_shares for item in rows):
            turn.set(orders=turn.state.orders.with_record(replace(record, blank_ns=0)))
        elif not record.blank_ns:
            turn.set(orders=turn.state.orders.with_record(replace(record, blank_ns=begun_ns)))
        elif begun_ns - record.blank_ns >= APART_NS:
            truth.apply(
                turn, record, replace(rows[-1], cum_amount_krw=record.facts.cum_amount_krw, state=None)
            )


def _end_unlisted(turn: Turn, listed: set[str], begun_ns: int) -> None:
    table, over = turn.state.orders.unlisted_foreign(listed, begun_ns, APART_NS)
    turn.set(orders=table)
    for seen in over:
        truth.foreign(turn, seen)


def _resolve(
    turn: Turn, unclaimed: list[Evidence], begun_ns: int, *, absence_counts: bool,
    asked: frozenset[str] | None, doubts: list[Evidence],
) -> None:  # fmt: skip
    """Give orders without a number theirs, or end them. `doubts` are what rows may say that cannot be read:
    where one fits only a person can tell."""
    numbers = set(turn.state.orders.foreign)
    for record in list(turn.state.orders.working.values()):
        if record.stage is not Stage.UNKNOWN or record.facts.broker_order_no:
            continue
        found = matching.by_number(
            s for s in unclaimed if s.broker_order_no not in numbers and matching.fits(turn, record, s)
        )
        if record.is_order and matching.rivals(turn, record, found):
            if begun_ns - record.sent_ns >= SURELY_THERE_NS:
                truth.ambiguous(turn, record, sorted(found))
        elif len(found) == 1 or (found and not record.is_order):
            # Cancels of one order are alike in all that matters: any of the numbers will do.
            no, rows = min(found.items())
            numbers.add(no)
            truth.give_number(turn, record.order_id, no)
            for seen in rows:
                known = turn.state.orders.get(record.order_id)
                if known is not None:
                    truth.apply(turn, known, seen)
        elif found:
            _several(turn, record, found, begun_ns)
        elif record.is_order and (alike := matching.alike_but_for_screen(turn, record, unclaimed)):
            _several(turn, record, alike, begun_ns)
        elif absence_counts and record.is_order and any(matching.fits(turn, record, s) for s in doubts):
            fitting = {s.broker_order_no for s in doubts if matching.fits(turn, record, s)}
            truth.ambiguous(turn, record, sorted(fitting))
        elif absence_counts and (asked is None or record.facts.symbol in asked):
            _absent(turn, record, begun_ns)


def _several(turn: Turn, record: OrderRecord, alike: Mapping[str, list[Evidence]], begun_ns: int) -> None:
    """Only a person can tell which of several it is, unless all of them are over and none filled: then it
    does not matter. The question is told first, and answered when nothing more can be on its way."""
    late = begun_ns - record.sent_ns >= SURELY_THERE_NS
    if record.ambiguous and late and all(map(_over_unfilled, alike.values())):
        numbers = ", ".join(sorted(alike))
        truth.never_arrived(turn, record, f"orders {numbers} are over, and none of them filled")
    else:
        truth.ambiguous(turn, record, sorted(alike))


def _over_unfilled(rows: list[Evidence]) -> bool:
    """Whether an order is over and never filled. The broker leaves the quantity of no fill blank, and of its
    two lists one names an amount."""
    over = all(seen.remaining_shares == 0 and not seen.cum_qty_shares for seen in rows)
    return over and {seen.cum_amount_krw for seen in rows} - {None} == {0}


def _contradiction(turn: Turn, seen: Evidence, begun_ns: int) -> None:
    """A row that shows a closed order as open is older than its end, or its end was none: two rows, apart,
    say that it lives."""
    table = turn.state.orders
    record = table.by_number(seen.broker_order_no)
    if record is None or not record.is_order:
        return
    rest = {order_id: ns for order_id, ns in table.contradicted.items() if order_id != record.order_id}
    since_ns = table.contradicted.get(record.order_id)
    if record.stage is not Stage.CLOSED or not seen.remaining_shares or not record.unfilled_shares:
        if since_ns is not None:
            turn.set(orders=replace(table, contradicted=rest))
    elif since_ns is None:
        turn.set(orders=replace(table, contradicted={**rest, record.order_id: begun_ns}))
    elif begun_ns - since_ns >= APART_NS:
        turn.set(orders=replace(table, contradicted=rest))
        truth.reopen(turn, record, "two queries, apart, show shares of it open")


def _absent(turn: Turn, record: OrderRecord, begun_ns: int) -> None:
    if begun_ns - record.sent_ns < SETTLE_NS:
        return
    if record.absences and begun_ns - record.absent_ns < APART_NS:
        return
    if record.absences:
        truth.never_arrived(turn, record)
        return
    once = replace(record, absences=1, absent_ns=begun_ns)
    turn.set(orders=turn.state.orders.with_record(once))


def _missing(turn: Turn, numbers: set[str], begun_ns: int) -> list[str]:
    """Orders of ours with a number that the broker does not list, twice apart."""
    problems = []
    for record in list(turn.state.orders.working.values()):
        facts = record.facts
        if not record.is_order or not facts.broker_order_no or facts.broker_order_no in numbers:
            continue
        if begun_ns - record.sent_ns < SETTLE_NS or (
            record.absences and begun_ns - record.absent_ns < APART_NS
        ):
            continue
        if record.absences:
            problems.append(
                f"order {facts.broker_order_no} ({record.order_id}) works for us and is not listed"
            )
        once = replace(record, absences=record.absences + 1, absent_ns=begun_ns)
        turn.set(orders=turn.state.orders.with_record(once))
    return problems


def _end_cancels(turn: Turn, begun_ns: int) -> None:
    """A cancel ends with what it was to cancel: what is told of it later changes nothing, and two looks,
    apart, waited for a word."""
    for record in list(turn.state.orders.working.values()):
        if record.is_order or record.stage is Stage.SENT:
            continue
        since_ns = record.blank_ns or begun_ns
        if record.target_id in turn.state.orders.working:
            since_ns = 0
        elif begun_ns - since_ns >= APART_NS:
            truth.never_arrived(turn, record)
            continue
        if since_ns != record.blank_ns:
            turn.set(orders=turn.state.orders.with_record(replace(record, blank_ns=since_ns)))


# -- account ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Account:
    """What a round said of the account. `agrees` is whether it was compared and holds no difference,
    `blank` whether its problems rest on a blank or an empty answer, `unread` are the symbols that differ and
    whose orders have to be read before that counts."""

    report: AccountReported | None = None
    problems: tuple[str, ...] = ()
    unexplained: Mapping[Symbol, int] = field(default_factory=dict)
    agrees: bool = False
    blank: bool = False
    unread: frozenset[Symbol] = frozenset()


def _account(turn: Turn, round_: Round, money: Reply, stock: Reply, *, whole: bool) -> Account:
    """Return what the broker says, and in which holdings we differ, where that can be told now. What holdings
    hold that a list left out would count twice: nothing is built upon them unless the list was `whole`."""
    try:
        cash_krw, orderable_krw = cash(money.single)
        held = holdings(stock.rows)
    except Unusable as problem:
        return Account(problems=(f"the account cannot be read: {problem}",), blank=isinstance(problem, Blank))
    report = AccountReported(
        cash_krw=cash_krw, orderable_krw=orderable_krw, holdings=held,
        trading_date=turn.state.session.trading_date,
    )  # fmt: skip
    turn.set(rhythm=replace(turn.state.rhythm, account_ns=turn.now_ns))
    ours = net_shares(turn.state.orders)
    unexplained = less(held, ours)
    known = turn.state.baseline
    problems = () if known is None else tuple(holding_differences(held, known, ours))
    counts = _holdings_count(turn, round_.begun_ns, empty=not stock.rows)
    if not _quiet(turn, round_.begun_ns):
        _compare_when_quiet(turn)
        return Account() if problems and not stock.rows else Account(report)
    if not (counts and whole) and known is None:
        return Account(report)
    if counts and whole and turn.state.over_night.doubtful:
        carry.settle(turn, unexplained)
    if known is None:
        baseline.take(turn, unexplained)
    elif whole and round_.kind is RoundKind.FULL:
        known = baseline.close(turn, less(unexplained, known))
        problems = tuple(holding_differences(held, known, ours))
    elif not problems:
        baseline.agree(turn)
    differing = differing_symbols(held, known or {}, ours) if problems else frozenset()
    asked = asked_symbols(round_.read)
    if problems and (round_.kind is not RoundKind.FULL or not (asked is None or differing <= asked)):
        return Account(unread=differing)
    empty = bool(problems) and not stock.rows
    return Account(report, problems, unexplained, agrees=not problems, blank=empty)


def _holdings_count(turn: Turn, begun_ns: int, *, empty: bool) -> bool:
    """Whether what the broker holds may be built upon: an answer without a row counts as the second of its
    kind in a ready session, `APART_NS` after the first."""
    ready, first_ns = _of_ready_session(turn, begun_ns), turn.state.rhythm.empty_ns
    again = ready and first_ns >= turn.state.link.since_ns
    kept_ns = first_ns if again else begun_ns
    counts = empty and again and begun_ns - first_ns >= APART_NS
    turn.set(rhythm=replace(turn.state.rhythm, empty_ns=kept_ns if empty else 0, empty_counts=counts))
    return counts or not empty


def _empty_waits(turn: Turn) -> bool:
    """Whether holdings that came empty and that something is built upon are to be asked for again."""
    state, first_ns = turn.state, turn.state.rhythm.empty_ns
    built_upon = state.baseline is None or bool(state.over_night.doubtful)
    due = first_ns < state.link.since_ns or turn.now_ns - first_ns >= APART_NS
    waits = bool(first_ns) and not state.rhythm.empty_counts
    return waits and built_upon and due and state.link.state is ConnectionState.READY


def _report(turn: Turn, account: Account) -> None:
    if account.report is not None:
        turn.say(account.report)


def _agree_again(turn: Turn, kind: RoundKind) -> None:
    """The alert ends with a comparison and not with a word; whoever was told nothing hears nothing."""
    if turn.state.difference is not None or kind is RoundKind.FULL:
        turn.set(difference=None)
        _alert(turn, "compared once more", over=True)


def _name(turn: Turn, unexplained: Mapping[Symbol, int]) -> None:
    """Remember what is told now; told again unchanged it is as old as when it was first told."""
    before = turn.state.difference
    if before is None or before.unexplained != unexplained:
        turn.set(difference=Difference(turn.now_ns, unexplained))


def accept_holdings(turn: Turn, asked_ns: int) -> None:
    """A person accounts, at `asked_ns`, for what the books could not explain: the holdings that were named
    are right. Where none had been named by then, nothing is accepted, and the next look names what it finds.
    """
    named = turn.state.difference
    if named is not None and named.told_ns <= asked_ns:
        baseline.correct(turn, named.unexplained)
    else:
        turn.alert("nothing-accepted", AlertCode.NOTHING_ACCEPTED, Severity.INFO, {})
    if turn.state.link.state in (ConnectionState.SYNCHRONISING, ConnectionState.READY):
        compare(turn)


def _quiet(turn: Turn, begun_ns: int) -> bool:
    """Whether nothing moved around the query, so that holdings and fills are of one moment."""
    state = turn.state
    sent_ns = state.order_history[-1] if state.order_history else 0
    still_since_ns = max(sent_ns, state.rhythm.moved_ns)
    return not (state.orders.working or state.orders.parked) and begun_ns - still_since_ns > QUIET_NS


def _compare_when_quiet(turn: Turn) -> None:
    """The report was of a moving account: it counts as older than the movement, so that one more comes."""
    rhythm = turn.state.rhythm
    if turn.now_ns - rhythm.moved_ns < turn.state.settings.account_quiet_ms * NS_PER_MS:
        turn.set(rhythm=replace(rhythm, account_ns=rhythm.moved_ns - 1))
