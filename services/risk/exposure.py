"""The worst case of what is open: shares held at cost, and what may still be bought at its limit.

Owns invariant I3 on our side. An approval reserves the whole pair at its buy limit; a fill can only
lower that, because no purchase pays more than its limit. What was bought and sold again frees nothing
of the pair's own quantity until the pair is closed: a pair never buys more than it was approved for.
"""

from collections.abc import Iterable

from services.contracts.reference import TradeCosts
from services.contracts.terms import Side, Symbol
from services.risk.pnl import Marked, Money, OrderTally, marked, money_by_pair
from services.risk.state import PairHeld, RiskState

NOTHING = Money()


def buyable_shares(pair: PairHeld, money: Money, orders: Iterable[OrderTally]) -> int:
    """How many more shares this pair could still buy; a stranded one only what already works."""
    if pair.stranded:
        return sum(tally.working_shares for tally in orders if tally.side is Side.BUY)
    return max(0, pair.qty_shares - money.bought_shares)


def exposure_of(pair: PairHeld, money: Money, orders: Iterable[OrderTally]) -> int:
    """The most KRW that this pair can have in shares from here on."""
    return money.held_cost_krw + buyable_shares(pair, money, orders) * pair.buy_limit_krw


def exposure_by_symbol(state: RiskState) -> dict[Symbol, int]:
    """The worst case of every symbol with an open pair, KRW."""
    money = money_by_pair(state.orders)
    by_symbol: dict[Symbol, int] = {}
    for pair_id, pair in state.pairs.items():
        orders = [tally for tally in state.orders.values() if tally.pair_id == pair_id]
        worst_krw = exposure_of(pair, money.get(pair_id, NOTHING), orders)
        by_symbol[pair.symbol] = by_symbol.get(pair.symbol, 0) + worst_krw
    return by_symbol


def total_exposure_krw(state: RiskState) -> int:
    return sum(exposure_by_symbol(state).values())


def outlay_krw(pair: PairHeld, shares: int, costs: TradeCosts | None) -> int:
    """Cash that buying `shares` at the pair's limit takes, commission included where it is known."""
    amount_krw = shares * pair.buy_limit_krw
    return amount_krw if costs is None else costs.buy_outlay_krw(pair.buy_venue, amount_krw)


def cash_available_krw(state: RiskState) -> int | None:
    """What a new pair may spend: None while the account is unknown.

    The broker's orderable amount at 100 % margin, less what was spent since it was reported, less what
    open pairs hold and may still buy. A report that came while something was bought is counted against
    us twice rather than not at all; cash that sales brought since waits for the next report.
    """
    if state.account is None:
        return None
    money = money_by_pair(state.orders)
    spent_krw = min(0, cash_flow_krw(state) - state.account.cash_flow_krw)
    owed_krw = 0
    for pair_id, pair in state.pairs.items():
        orders = [tally for tally in state.orders.values() if tally.pair_id == pair_id]
        own = money.get(pair_id, NOTHING)
        costs = None if state.reference is None else state.reference.costs_of(pair.symbol)
        owed_krw += own.held_cost_krw + outlay_krw(pair, buyable_shares(pair, own, orders), costs)
    return state.account.report.orderable_krw + spent_krw - owed_krw


def realised_krw(state: RiskState) -> int:
    """What the day's pairs earned for good, open ones included as far as they are sold again."""
    open_krw = sum(money.realised_krw for money in money_by_pair(state.orders).values())
    return open_krw + sum(state.settled_krw.values())


def cash_flow_krw(state: RiskState) -> int:
    """What the day's pairs brought in cash so far: realised, less the cost of what is held."""
    held_krw = sum(money.held_cost_krw for money in money_by_pair(state.orders).values())
    return realised_krw(state) - held_krw


def held(state: RiskState) -> list[tuple[Symbol, Money]]:
    """What each pair has bought and not sold, with its symbol."""
    symbols = {tally.pair_id: tally.symbol for tally in state.orders.values()}
    money = money_by_pair(state.orders)
    return [(symbols[pair_id], own) for pair_id, own in money.items() if own.held_shares]


def marked_gain(state: RiskState) -> Marked:
    """Value what is held at the better bid of risk's newest books."""
    holdings = held(state)
    symbols = {symbol for symbol, _ in holdings}
    bids: dict[Symbol, int] = {}
    for (symbol, _), book in state.books.items():
        if symbol in symbols and book.quote.bids:
            bids[symbol] = max(bids.get(symbol, 0), book.quote.bids[0][0])
    return marked(holdings, bids)
