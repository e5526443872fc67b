"""The holdings that our orders of the day do not explain, taken once a date.

Orders and holdings are two queries. What a stranger's order filled between them is in the holdings and in no
order known then: told later it would count twice. So a baseline stays open until the next whole comparison,
which holds the holdings against both ways to count such fills.
"""

from collections.abc import Mapping

from services.contracts.terms import Side, Symbol
from services.gateway import matching
from services.gateway.effects import Note
from services.gateway.intention_log import baseline
from services.gateway.order_table import OrderTable
from services.gateway.turn import Turn


def take(turn: Turn, held: Mapping[Symbol, int]) -> None:
    """Take the first baseline of the date: it is open."""
    _keep(turn, held, turn.now_ns, _filled(turn.state.orders))


def correct(turn: Turn, held: Mapping[Symbol, int]) -> None:
    """Take what a person accepted. Of others' orders it still holds what was over when it was first taken."""
    _keep(turn, held, turn.state.baseline_ns or turn.now_ns, None)


def close(turn: Turn, beyond: Mapping[Symbol, int]) -> Mapping[Symbol, int]:
    """End an open baseline by a whole comparison, which found `beyond` the baseline and the fills. Return the
    baseline: shares that strangers' orders may have filled before it was taken are taken out of it."""
    held, open_ = turn.state.baseline, turn.state.baseline_open
    if held is None or open_ is None:
        return held or {}
    corrected = dict(held)
    for symbol, qty in beyond.items():
        sold, bought = _doubtful(turn, symbol, open_)
        if -bought <= qty <= sold:
            corrected[symbol] = corrected.get(symbol, 0) + qty
    kept = {symbol: qty for symbol, qty in corrected.items() if qty}
    _keep(turn, kept, turn.state.baseline_ns, None)
    return kept


def agree(turn: Turn) -> None:
    """The holdings agree with an open baseline: what strangers' orders have filled by now counts rightly."""
    state, filled = turn.state, _filled(turn.state.orders)
    if state.baseline is not None and state.baseline_open not in (None, filled):
        _keep(turn, state.baseline, state.baseline_ns, filled)


def _keep(turn: Turn, held: Mapping[Symbol, int], at_ns: int, open_: Mapping[str, int] | None) -> None:
    """Remember it where a Redis that forgets does not matter."""
    turn.set(baseline=held, baseline_ns=at_ns, baseline_open=open_)
    turn.do(Note(baseline(held, turn.state.account, at_ns, open_), turn.state.session.trading_date))


def _filled(orders: OrderTable) -> dict[str, int]:
    return {no: seen.cum_qty_shares for no, seen in orders.foreign.items() if seen.cum_qty_shares}


def _doubtful(turn: Turn, symbol: Symbol, open_: Mapping[str, int]) -> tuple[int, int]:
    """Return what strangers' orders sold and bought since, by what was told, and perhaps before."""
    shares = {Side.SELL: 0, Side.BUY: 0}
    for no, seen in turn.state.orders.foreign.items():
        if seen.symbol == symbol and matching.perhaps_before_baseline(turn, seen):
            shares[seen.side] += (seen.cum_qty_shares or 0) - open_.get(no, 0)
    return shares[Side.SELL], shares[Side.BUY]
