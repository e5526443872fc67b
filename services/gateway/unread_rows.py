"""What the rows of the orders say, and what rows that cannot be read leave open.

Owns that one bad row does not stop all others: it counts after two equal looks, apart, and says nothing about
an order of another number. A row without a number is known by its list and by the order that is listed under
it: the broker lists the newest first, so that what comes later moves neither.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
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

_IN = ", "


@dataclass(frozen=True, slots=True)
class UnreadRow:
    """A row that cannot be used, and why. `may_say` is what it may say of an order, as far as it can be read;
    `broker_order_no` is empty where it names none; `place` is its list, and where in it the row stands."""

    sentence: str
    blank: bool
    broker_order_no: str
    may_say: tuple[Evidence, ...]
    place: str

    @property
    def again_as(self) -> str:
        """What the same row is known by in a later answer: its number, else its place."""
        return self.broker_order_no or self.place


def evidence_of(replies: Iterable[Reply], account: str) -> tuple[list[Evidence], list[UnreadRow]]:
    """Return the orders that the rows show, and the rows that show none.

    Rows of another account are left out; OPT10076 names none.
    """
    seen: list[Evidence] = []
    unread: list[UnreadRow] = []
    for reply in replies:
        if reply.trcode not in ("OPT10075", "OPT10076"):
            continue
        for place, row in _placed(reply):
            try:
                if is_of_account(row.get(ACCOUNT_FIELD, ""), account) is not False:
                    seen.append(from_row(row))
            except Unusable as problem:
                sentence = f"a row of {place} cannot be read: {problem}"
                blank, no = isinstance(problem, Blank), number_of_row(row)
                unread.append(UnreadRow(sentence, blank, no, readings(row) if no else (), place))
    return seen, unread


def _placed(reply: Reply) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Return the rows, each with its place."""
    return zip(_places(_list_of(reply), reply.rows), reply.rows, strict=True)


def _places(listed_in: str, rows: Sequence[Mapping[str, str]]) -> list[str]:
    places: list[str] = []
    mark, above = "the end", 0
    for row in reversed(rows):
        above += 1
        places.insert(0, f"{listed_in}{_IN}{above} above {mark}")
        if no := number_of_row(row):
            mark, above = no, 0
    return places


def _list_of(reply: Reply) -> str:
    return f"{reply.trcode} of {reply.symbol}" if reply.symbol else reply.trcode


def news(turn: Turn, unread: list[UnreadRow], round_: Round, apart_ns: int) -> list[UnreadRow]:
    """Return the rows that no query of this session, begun so long before, showed as unreadable too.

    What is in a row without a number may change each time. A list that was read again without it has none.
    """
    session_ns, begun_ns = turn.state.link.since_ns, round_.begun_ns
    before = {no: ns for no, ns in turn.state.unread.items() if ns >= session_ns}
    read = {_list_of(reply) for reply in round_.replies}
    every = asked_symbols(round_.read) is None
    kept = {} if every else {no: ns for no, ns in before.items() if no.partition(_IN)[0] not in read}
    since = {no: before.get(no, begun_ns) for no in {row.again_as for row in unread}}
    turn.set(unread={**kept, **since})
    return [row for row in unread if begun_ns - since[row.again_as] < apart_ns]


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
