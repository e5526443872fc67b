"""What the rows of the orders say, and what rows that cannot be read leave open.

Owns that one bad row does not stop all others: it counts after two equal looks, apart, and says nothing about
an order of another number.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from services.gateway.evidence import (
    Blank,
    Evidence,
    Unusable,
    from_row,
    is_of_account,
    number_of_row,
    readings,
)
from services.gateway.query_desk import Reply, Round
from services.gateway.replies import ACCOUNT_FIELD, asked_symbols
from services.gateway.turn import Turn
from services.market.broker_lists import OrderState


@dataclass(frozen=True, slots=True)
class UnreadRow:
    """A row that cannot be used, and why. `may_say` is what it may say of an order, as far as it can be read;
    `broker_order_no` is empty where it names none."""

    sentence: str
    blank: bool
    broker_order_no: str
    may_say: tuple[Evidence, ...]


def evidence_of(replies: Iterable[Reply], account: str) -> tuple[list[Evidence], list[UnreadRow]]:
    """Return the orders that the rows show, and the rows that show none.

    Rows of another account are left out; OPT10076 names none.
    """
    seen: list[Evidence] = []
    unread: list[UnreadRow] = []
    for reply in replies:
        if reply.trcode not in ("OPT10075", "OPT10076"):
            continue
        for row in reply.rows:
            try:
                if is_of_account(row.get(ACCOUNT_FIELD, ""), account) is not False:
                    seen.append(from_row(row))
            except Unusable as problem:
                sentence = f"a row of {reply.trcode} cannot be read: {problem}"
                blank, no = isinstance(problem, Blank), number_of_row(row)
                unread.append(UnreadRow(sentence, blank, no, readings(row) if no else ()))
    return seen, unread


def news(turn: Turn, unread: list[UnreadRow], round_: Round, apart_ns: int) -> list[UnreadRow]:
    """Return the rows that no query of this session, begun so long before, showed as unreadable too.

    All rows without a number count as one: what is in them may change each time.
    """
    session_ns, begun_ns = turn.state.link.since_ns, round_.begun_ns
    before = {no: ns for no, ns in turn.state.unread.items() if ns >= session_ns}
    kept = {} if asked_symbols(round_.read) is None else before
    since = {no: before.get(no, begun_ns) for no in {row.broker_order_no for row in unread}}
    turn.set(unread={**kept, **since})
    return [row for row in unread if begun_ns - since[row.broker_order_no] < apart_ns]


def of_nobody_known(turn: Turn, unread: Iterable[UnreadRow]) -> list[Evidence]:
    """Return what those rows may say whose number nobody is known to have."""
    orders = turn.state.orders
    return [
        each
        for row in unread
        if row.broker_order_no not in orders.numbers and row.broker_order_no not in orders.foreign
        for each in row.may_say
    ]


def over_by_word(seen: Iterable[Evidence]) -> set[str]:
    """Return the numbers of orders that rows call cancelled, where none says what is left."""
    rows = list(seen)
    called = {row.broker_order_no for row in rows if row.state is OrderState.CANCELLED and not row.changes}
    return called - {row.broker_order_no for row in rows if row.remaining_shares is not None}
