"""What follows where the broker restricts this login: stop trading, tell a person, do not ask on.

Queries: -209 and -211. Orders: -311, and -301, -302 and -340 where the account is not set up (Kiwoom sheet
6). From the first such code on no entry leaves. What was refused is tried again after 30 s, then after twice
as long each time, at most after 300 s: asking on makes a restriction last.

It is over when the broker answers again: a query with its answer, an order when an exit or a cancel was
taken. A new login is tried from the beginning. No entry is the one that tries: its sale might be refused.
"""

from dataclasses import replace
from typing import Final

from services.contracts.alert_codes import AlertCode
from services.contracts.limits import NS_PER_S
from services.contracts.terms import Severity
from services.gateway.state import Link
from services.gateway.turn import Turn

QUERIES: Final = (-209, -211)
ORDERS: Final = (-311, -301, -302, -340)
FIRST_NS, LATEST_NS = 30 * NS_PER_S, 300 * NS_PER_S


def of_queries(turn: Turn, code: int) -> None:
    """A query was refused: none for a while, longer each time."""
    before_ns = turn.state.link.queries_pause_ns
    pause_ns = _next(before_ns)
    turn.set(
        link=replace(turn.state.link, queries_pause_ns=pause_ns),
        desk=replace(turn.state.desk, not_before_ns=turn.now_ns + pause_ns),
    )
    if not before_ns:
        _tell(turn, AlertCode.QUERIES_RESTRICTED, code)


def query_answered(turn: Turn) -> None:
    if turn.state.link.queries_pause_ns:
        turn.set(link=replace(turn.state.link, queries_pause_ns=0))
        _tell(turn, AlertCode.QUERIES_RESTRICTED, 0)


def of_orders(turn: Turn, code: int) -> None:
    """An order was refused as every one would be: exits wait too, longer each time."""
    link = turn.state.link
    pause_ns = _next(link.orders_pause_ns)
    turn.set(
        link=replace(
            link,
            orders_restricted=True,
            orders_pause_ns=pause_ns,
            orders_not_before_ns=turn.now_ns + pause_ns,
        )
    )
    if not link.orders_restricted:
        _tell(turn, AlertCode.ORDERS_RESTRICTED, code)


def order_taken(turn: Turn) -> None:
    """An exit or a cancel was taken: entries are barred until then."""
    if turn.state.link.orders_restricted:
        turn.set(link=without_orders(turn.state.link))
        _tell(turn, AlertCode.ORDERS_RESTRICTED, 0)


def logged_in_anew(turn: Turn) -> None:
    """Forget what orders of the login before were refused for, in this process or the one before."""
    turn.set(link=without_orders(turn.state.link))
    _tell(turn, AlertCode.ORDERS_RESTRICTED, 0)


def without_orders(link: Link) -> Link:
    return replace(link, orders_restricted=False, orders_pause_ns=0, orders_not_before_ns=0)


def bars_entries(turn: Turn) -> str:
    """Why the broker lets no entry leave, empty where it does."""
    link = turn.state.link
    if link.orders_restricted:
        return "the broker restricts orders"
    return "the broker restricts queries" if link.queries_pause_ns else ""


def bars_exits(turn: Turn) -> str:
    """Why no exit is tried now, empty where one may be."""
    left_ns = turn.state.link.orders_not_before_ns - turn.now_ns
    return f"the broker restricts orders; tried again in {left_ns // NS_PER_S + 1} s" if left_ns > 0 else ""


def _next(pause_ns: int) -> int:
    return min(2 * pause_ns or FIRST_NS, LATEST_NS)


def _tell(turn: Turn, code: AlertCode, error: int) -> None:
    """Tell of a restriction by the code that said so; 0 says that it is over."""
    turn.alert(
        code.value.replace("_", "-"), code, Severity.CRITICAL if error else Severity.INFO,
        {"error": str(error)}, resolved=not error,
    )  # fmt: skip
