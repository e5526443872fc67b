"""What is asked to compare stream and broker: the newest orders, what is open, and what is in question.

Owns that a comparison costs no more where the day's ended orders are many. What ended unseen, ours or a
stranger's, shows in the holdings: the orders of a symbol whose holding differs are read before it is told.
"""

from collections.abc import Iterator
from dataclasses import replace

from services.contracts.terms import Symbol
from services.gateway.matching import LATE_NS
from services.gateway.order_table import OrderTable
from services.gateway.query_desk import RoundKind
from services.gateway.replies import account_now, newest_orders
from services.gateway.turn import Turn


def compare(turn: Turn, *also: Symbol) -> None:
    """Want the orders in question, those of the symbols `also` named, and the account."""
    account = turn.state.link.account
    asks = (*newest_orders(account, {*_in_question(turn), *also}), *account_now(account))
    turn.set(desk=turn.state.desk.want(RoundKind.FULL, asks))


def after_garbled(turn: Turn) -> None:
    """Something about orders was lost, and nobody knows of which: what it ended shows in the account."""
    symbols = {*_in_question(turn), *turn.state.orders.unsettled_symbols()}
    asks = newest_orders(turn.state.link.account, symbols)
    turn.set(
        desk=turn.state.desk.want(RoundKind.RESOLVE, asks),
        rhythm=replace(turn.state.rhythm, moved_ns=turn.now_ns),
    )


def _in_question(turn: Turn) -> Iterator[Symbol]:
    """Return the symbols of which an order of ours may have changed unseen, and those whose shares of the
    date before are in doubt: what others traded in them is told apart from what we hold."""
    orders, night = turn.state.orders, turn.state.over_night
    yield from orders.unsettled_symbols_of_ours()
    yield from _late(orders, turn.now_ns)
    yield from (night.symbols[pair_id] for pair_id in night.doubtful if pair_id in night.symbols)


def _late(orders: OrderTable, now_ns: int) -> Iterator[Symbol]:
    for record in orders.gone():
        if not record.rejected and now_ns - record.sent_ns <= 2 * LATE_NS:
            yield record.facts.symbol
