"""One query at a time, in rounds, at a pace the broker allows.

A round is a list of queries whose rows belong together. A continuation is broken by any other TR,
so nothing comes between the pages of a query. Tokens are kept for the rounds that exits wait for, which
resolve unknown orders and compare after a login, and for the one query of a login that entries wait for:
others wait when only those are left (design, 4.7).
A round waits before it begins, never in its middle: one that waited on the way would bar more urgent ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum

from services.contracts.limits import QUERIES_KEPT_FOR_EXITS, QUERY_LADDER
from services.gateway.effects import Query
from services.gateway.limiter import History, after_call, wait_needed
from services.gateway.screens import WATCH_SCREEN, query_screen

ROUTINE_KEPT = 16
MAX_TRIES = 3
MAX_PAGES = 450
"""More pages than an account's orders can fill, the hard ceiling and a cancel of each: the broker repeats."""
MANY_PAGES = 10
"""Where all orders of the day fill more, the list of fills, which says the same of them, is left out."""


class RoundKind(IntEnum):
    """Why something is asked; a smaller value goes first."""

    RESOLVE = 0
    FULL = 1
    WATCH = 2
    DAY = 3
    ORDERS = 4
    ACCOUNT = 5

    @property
    def kept(self) -> int:
        """How many tokens a round of this kind leaves for others."""
        if self in (RoundKind.RESOLVE, RoundKind.FULL, RoundKind.WATCH):
            return 0
        return ROUTINE_KEPT if self is RoundKind.ACCOUNT else QUERIES_KEPT_FOR_EXITS


_READS_ORDERS = (RoundKind.RESOLVE, RoundKind.FULL, RoundKind.ORDERS)


@dataclass(frozen=True, slots=True)
class Ask:
    """One query of a round, before it has a name and a screen.

    Of a list with `pages` no more of them are read, and what it leaves out is asked for by what is marked
    `instead`. A page whose rows have nothing in the column `while_any` is the last: the broker lists what was
    not asked for.
    """

    trcode: str
    inputs: tuple[tuple[str, str], ...] = ()
    codes: tuple[str, ...] = ()
    pages: int = 0
    instead: bool = False
    while_any: str = ""

    def goes_on(self, pages: int, rows: tuple[Mapping[str, str], ...]) -> bool:
        """Whether another page is read after so many, the newest with these rows. A blank may be anything."""
        if pages == self.pages:
            return False
        return not self.while_any or any(row.get(self.while_any, "").strip() != "0" for row in rows)


@dataclass(frozen=True, slots=True)
class Reply:
    """The whole answer of one query, pages joined. `symbol` is the share whose orders were asked for, empty
    where it was every share."""

    trcode: str
    single: Mapping[str, str]
    rows: tuple[Mapping[str, str], ...]
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class Round:
    """`read` are those of its queries whose answer is whole."""

    kind: RoundKind
    asks: tuple[Ask, ...]
    left: tuple[Ask, ...]
    begun_ns: int = 0
    replies: tuple[Reply, ...] = ()
    tries: int = 0
    read: tuple[Ask, ...] = ()

    def answered(self, page: Reply, pages: int, *, whole: bool) -> "Round":
        """Return the round without the query that was answered, in so many pages, and what that spares."""
        ask, left = self.left[0], self.left[1:]
        if ask.pages and whole:
            left = tuple(other for other in left if not other.instead)
        elif ask.pages or (pages > MANY_PAGES and ask.trcode == "OPT10075"):
            left = tuple(other for other in left if other.instead or other.trcode != "OPT10076")
        read = (*self.read, ask) if whole else self.read
        return replace(self, left=left, replies=(*self.replies, page), tries=0, read=read)


@dataclass(frozen=True, slots=True)
class Flight:
    """A query that was sent; `page` is what its earlier pages gave, `due` that the next must be asked."""

    query: Query
    sent_ns: int
    page: Reply
    due: bool = False
    pages: int = 0


@dataclass(frozen=True, slots=True)
class QueryDesk:
    """`history` are the times of all queries, kept over a restart."""

    history: History = ()
    wanted: Mapping[RoundKind, tuple[Ask, ...]] = field(default_factory=dict)
    round: Round | None = None
    flight: Flight | None = None
    turn: int = 0
    not_before_ns: int = 0
    sent: int = 0

    @property
    def idle(self) -> bool:
        return self.round is None and not self.wanted

    @property
    def asks_for_orders(self) -> bool:
        """Whether the broker is being asked for all orders, or will be with the next query."""
        under_way = self.round is not None and self.round.kind in _READS_ORDERS
        return under_way or RoundKind.RESOLVE in self.wanted or RoundKind.FULL in self.wanted

    def want(self, kind: RoundKind, asks: tuple[Ask, ...]) -> "QueryDesk":
        """Return the desk with a round wanted, in place of one of its kind that waits already."""
        same = self.wanted.get(kind) == asks
        return self if same else replace(self, wanted={**self.wanted, kind: asks})

    def forget(self) -> "QueryDesk":
        """Return the desk of a new connection: nothing asked, nothing awaited."""
        return replace(self, wanted={}, round=None, flight=None)

    def next(self, now_ns: int) -> tuple["QueryDesk", Query | None]:
        """Return the desk and the query to send now, if there is one and the pace allows it."""
        if self.flight is not None:
            return self._page(self.flight, now_ns)
        if now_ns < self.not_before_ns:
            return self, None
        desk = self if self.round is not None else self._begin(now_ns)
        if desk.round is None or wait_needed(desk.history, now_ns, QUERY_LADDER):
            return desk, None
        return desk._send(desk.round, desk.round.left[0], now_ns)

    def _page(self, flight: Flight, now_ns: int) -> tuple["QueryDesk", Query | None]:
        if not flight.due or self.round is None or wait_needed(self.history, now_ns, QUERY_LADDER):
            return self, None
        following = replace(flight.query, more=True)
        asked = replace(flight, query=following, sent_ns=now_ns, due=False)
        return self._sent(self.round, asked, now_ns), following

    def _begin(self, now_ns: int) -> "QueryDesk":
        """Begin the most urgent round if all of it leaves what is kept; the others keep no less."""
        if not self.wanted:
            return self
        kind = min(self.wanted)
        kept = kind.kept + len(self.wanted[kind]) - 1 if kind.kept else 0
        if wait_needed(self.history, now_ns, QUERY_LADDER, kept):
            return self
        rest = {other: asks for other, asks in self.wanted.items() if other is not kind}
        return replace(self, wanted=rest, round=Round(kind, self.wanted[kind], self.wanted[kind]))

    def _send(self, round_: Round, ask: Ask, now_ns: int) -> tuple["QueryDesk", Query]:
        screen = WATCH_SCREEN if round_.kind is RoundKind.WATCH else query_screen(self.turn)
        query = Query(f"q{self.turn}", ask.trcode, ask.inputs, screen, codes=ask.codes)
        begun = round_ if round_.begun_ns else replace(round_, begun_ns=now_ns)
        page = Reply(ask.trcode, {}, (), dict(ask.inputs).get("종목코드", ""))
        flight = Flight(query, now_ns, page)
        return self._sent(begun, flight, now_ns), query

    def _sent(self, round_: Round, flight: Flight, now_ns: int) -> "QueryDesk":
        history = after_call(self.history, now_ns, QUERY_LADDER)
        return replace(
            self, history=history, round=round_, flight=flight, turn=self.turn + 1, sent=self.sent + 1
        )

    def called(self, now_ns: int) -> "QueryDesk":
        """Return the desk with the newest query counted from when its call came back: until then the broker
        may not have seen it."""
        return replace(self, history=(*self.history[:-1], now_ns))

    def answered(
        self, rqname: str, more: bool, single: Mapping[str, str], rows: tuple[Mapping[str, str], ...]
    ) -> tuple["QueryDesk", Round | None]:
        """Return the desk, and the round if that was its last answer.

        Where there is another page, nothing but that page is asked next.
        """
        flight, round_ = self.flight, self.round
        if flight is None or round_ is None or flight.due or flight.query.rqname != rqname:
            return self, None
        before = flight.page
        page = replace(before, single={**before.single, **single}, rows=(*before.rows, *rows))
        pages = flight.pages + 1
        if more and round_.left[0].goes_on(pages, rows):
            return replace(self, flight=replace(flight, page=page, due=True, pages=pages)), None
        done = round_.answered(page, flight.pages, whole=not more)
        if done.left:
            return replace(self, flight=None, round=done), None
        return replace(self, flight=None, round=None), done

    def failed(self, now_ns: int, pause_ns: int) -> tuple["QueryDesk", Round | None]:
        """Return the desk after a query failed, and the round if it is given up after three tries."""
        if self.round is None:
            return replace(self, flight=None), None
        tried = replace(self.round, tries=self.round.tries + 1)
        desk = replace(self, flight=None, round=tried, not_before_ns=now_ns + pause_ns)
        if tried.tries < MAX_TRIES:
            return desk, None
        return replace(desk, round=None), tried

    @property
    def endless(self) -> bool:
        """Whether a continuation has gone on for longer than any answer is."""
        return self.flight is not None and self.flight.pages >= MAX_PAGES

    def overdue(self, now_ns: int, timeout_ns: int) -> bool:
        flight = self.flight
        return flight is not None and not flight.due and now_ns - flight.sent_ns > timeout_ns
