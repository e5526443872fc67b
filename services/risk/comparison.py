"""The comparison with the broker that risk needs before it lets anything new be bought.

A process that begins over a Redis that lost its end knows an older day than the true one, and nothing in what
it reads says so. So after each start of this process, and after each loss that any service tells of, orders,
holdings and cash are compared once more. The gateway compares orders and holdings with its own books; risk
compares what each symbol bought and sold with its own pairs, which is where a lost trip shows, and the cash
with their flow, which is where a lost cost or claim does.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from services.contracts.limits import NS_PER_MS
from services.contracts.messages.control import ComparisonRequested
from services.contracts.messages.venue_state import ConnectionState
from services.contracts.step import Outgoing, Step
from services.contracts.terms import Latch, Side, Symbol
from services.risk.exposure import cash_flow_krw
from services.risk.gates import compared_since_ns, is_compared
from services.risk.latches import set_latch
from services.risk.state import SERVICE, RiskState

ASK_AGAIN_NS: Final = 6_000 * NS_PER_MS
"""Longer than a comparison takes while the broker answers, and seldom enough for its limit on queries."""


def due(state: RiskState, now_ns: int) -> Step[RiskState]:
    """Ask the gateway for a comparison that is needed, at most every few seconds."""
    connection = state.venue.connection
    ready = connection is not None and connection.state is ConnectionState.READY
    asked_lately = state.compare_asked_ns and now_ns - state.compare_asked_ns < ASK_AGAIN_NS
    if not ready or asked_lately or compared_since_ns(state) is None or is_compared(state):
        return Step(state)
    wish = ComparisonRequested(by=SERVICE, reason="risk has begun, or Redis lost what was written last")
    return Step(state.but(compare_asked_ns=now_ns), (Outgoing(wish),))


def compared(before: RiskState, state: RiskState, now_ns: int) -> Step[RiskState]:
    """Judge fills and cash at the first comparison that counts: a difference is for a person, once."""
    if is_compared(before) or not is_compared(state):
        return Step(state)
    begins, state = state.day.opening_cash_krw is None, opened(state)
    missing = () if begins else unlike(state)
    if missing:
        return set_latch(state, Latch.RECONCILIATION_DIFFERENCE, "; ".join(missing), now_ns)
    opening_krw, account = state.day.opening_cash_krw, state.account
    if opening_krw is None or account is None or account.report.trading_date != state.day.trading_date:
        return Step(state)
    if any(order.cum_qty_shares for order in state.foreign.values()):
        return Step(state)
    gap_krw = account.report.cash_krw - opening_krw - cash_flow_krw(state)
    if not gap_krw:
        return Step(state)
    detail = (
        f"The account's cash has changed by {account.report.cash_krw - opening_krw} KRW on this date, by "
        f"risk's own books by {cash_flow_krw(state)} KRW: a trade or a cost is missing, or cash was moved."
    )
    return set_latch(state, Latch.RECONCILIATION_DIFFERENCE, detail, now_ns)


def unlike(state: RiskState) -> tuple[str, ...]:
    """Return a sentence for each symbol in which the gateway's comparison knows of other fills than risk.

    A symbol with a pair of an earlier date is left out: risk's orders have no date.
    """
    told = state.reconciled
    if told is None or told.bought_shares is None or told.trading_date != state.day.trading_date:
        return ()
    known = (told.bought_shares, told.sold_shares or {})
    ours = (_filled(state, Side.BUY), _filled(state, Side.SELL))
    pairs = (*state.pairs.values(), *state.closed.values())
    carried = {pair.symbol for pair in pairs if pair.trading_date != state.day.trading_date}
    return tuple(
        f"{symbol}: the gateway knows of {_shares(known, symbol)}, risk of {_shares(ours, symbol)}"
        for symbol in sorted({*known[0], *known[1], *ours[0], *ours[1]} - carried)
        if _shares(known, symbol) != _shares(ours, symbol)
    )


def _filled(state: RiskState, side: Side) -> Counter[Symbol]:
    filled: Counter[Symbol] = Counter()
    for tally in {**state.settled, **state.orders}.values():
        if tally.side is side:
            filled[tally.symbol] += tally.cum_qty_shares
    return filled


def _shares(filled: tuple[Mapping[Symbol, int], Mapping[Symbol, int]], symbol: Symbol) -> str:
    bought, sold = filled
    return f"{bought.get(symbol, 0)} bought and {sold.get(symbol, 0)} sold"


def opened(state: RiskState) -> RiskState:
    """Return the state with the cash that the date began with, where it is not known yet.

    It is the account's, less what our pairs have brought since. A risk that begins in the middle of a date
    without stored state learns of those pairs by the comparison, so it must not be asked before that.
    """
    day, account = state.day, state.account
    if day.opening_cash_krw is not None or account is None:
        return state
    if account.report.trading_date != day.trading_date:
        return state
    opening_krw = account.report.cash_krw - cash_flow_krw(state)
    known: RiskState = state.but(day=day.model_copy(update={"opening_cash_krw": opening_krw}))
    return known
