"""The worst case of what is open: shares held at cost, and what may still be bought at its limit.

Owns invariant I3 on our side. An approval reserves the whole pair at its buy limit; a fill can only
lower that, because no purchase pays more than its limit. What was bought and sold again frees nothing
of the pair's own quantity until the pair is closed: a pair never buys more than it was approved for.
Orders of a pair that risk does not know (Redis may lose its last second) count as they stand.
"""

from collections.abc import Set
from dataclasses import dataclass

from services.contracts.terms import Symbol
from services.risk.pnl import Marked, Money, OrderTally, by_pair, marked, money_by_pair, money_of
from services.risk.state import PairHeld, RiskState


@dataclass(frozen=True, slots=True)
class Commitment:
    """What one pair binds at most, KRW: `held_krw` in shares at cost, `buyable_krw` still to be spent."""

    pair_id: str
    symbol: Symbol
    held_krw: int
    buyable_krw: int
    commission_krw: int

    @property
    def worst_krw(self) -> int:
        return self.held_krw + self.buyable_krw


def commitments(state: RiskState) -> list[Commitment]:
    """Everything that is open, pairs first, then orders whose pair risk does not know."""
    orders = by_pair(state.orders)
    known = [_of_pair(state, pair_id, pair, orders.get(pair_id, [])) for pair_id, pair in state.pairs.items()]
    strays = [
        _of_stray(pair_id, tallies) for pair_id, tallies in orders.items() if pair_id not in state.pairs
    ]
    return known + [stray for stray in strays if stray.worst_krw]


def exposure_by_symbol(state: RiskState) -> dict[Symbol, int]:
    """The worst case of every symbol in which something is open, KRW."""
    by_symbol: dict[Symbol, int] = {}
    for open_ in commitments(state):
        by_symbol[open_.symbol] = by_symbol.get(open_.symbol, 0) + open_.worst_krw
    return by_symbol


def total_exposure_krw(state: RiskState) -> int:
    return sum(open_.worst_krw for open_ in commitments(state))


def cash_available_krw(state: RiskState) -> int | None:
    """What a new pair may spend: None while the account is unknown.

    The broker's orderable amount at 100 % margin, less what was spent since it was reported, less what
    open pairs hold and may still buy. A report that came while something was bought is counted against
    us twice rather than not at all; cash that sales brought since waits for the next report.
    """
    if state.account is None:
        return None
    spent_krw = min(0, cash_flow_krw(state) - state.account.cash_flow_krw)
    owed_krw = sum(open_.worst_krw + open_.commission_krw for open_ in commitments(state))
    return state.account.report.orderable_krw + spent_krw - owed_krw


def _of_pair(state: RiskState, pair_id: str, pair: PairHeld, orders: list[OrderTally]) -> Commitment:
    """A stranded pair buys nothing more than what already works."""
    money = money_of(orders)
    buyable_krw = max(0, pair.qty_shares - money.bought_shares) * pair.buy_limit_krw
    if pair.stranded:
        buyable_krw = sum(tally.working_buy_krw for tally in orders)
    costs = None if state.reference is None else state.reference.costs_of(pair.symbol)
    commission_krw = 0 if costs is None else costs.commission_krw(pair.buy_venue, buyable_krw)
    return Commitment(pair_id, pair.symbol, money.held_cost_krw, buyable_krw, commission_krw)


def _of_stray(pair_id: str, orders: list[OrderTally]) -> Commitment:
    working_krw = sum(tally.working_buy_krw for tally in orders)
    return Commitment(pair_id, orders[0].symbol, money_of(orders).held_cost_krw, working_krw, 0)


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
    return marked(holdings, best_bids(state, {symbol for symbol, _ in holdings}))


def best_bids(state: RiskState, symbols: Set[Symbol]) -> dict[Symbol, int]:
    """The better bid of both venues in risk's newest books; a symbol without any is left out."""
    bids: dict[Symbol, int] = {}
    for (symbol, _), book in state.books.items():
        if symbol in symbols and book.quote.bids:
            bids[symbol] = max(bids.get(symbol, 0), book.quote.bids[0][0])
    return bids


def unhedged_worst_krw(state: RiskState) -> int:
    """What may be bought and not yet sold at one moment, KRW: a pair works on one clip at a time."""
    orders = by_pair(state.orders)
    worst_krw = 0
    for open_ in commitments(state):
        pair = state.pairs.get(open_.pair_id)
        working_krw = sum(tally.working_buy_krw for tally in orders.get(open_.pair_id, []))
        clip_krw = 0 if pair is None or pair.stranded else pair.clip_shares * pair.buy_limit_krw
        worst_krw += max(open_.held_krw + working_krw, clip_krw)
    return worst_krw


def unhedged_krw(state: RiskState) -> int:
    """What is bought and not yet sold now, KRW at cost, without what a person already works on."""
    return sum(
        money.held_cost_krw
        for pair_id, money in money_by_pair(state.orders).items()
        if not _stranded(state, pair_id)
    )


def with_held_since(state: RiskState, now_ns: int) -> RiskState:
    """Remember since when each pair has held shares without a break; a stranded one is a person's."""
    holding = {
        pair_id
        for pair_id, money in money_by_pair(state.orders).items()
        if money.held_shares and not _stranded(state, pair_id)
    }
    if holding == state.held_since_ns.keys():
        return state
    since = {pair_id: state.held_since_ns.get(pair_id, now_ns) for pair_id in sorted(holding)}
    remembered: RiskState = state.but(held_since_ns=since)
    return remembered


def _stranded(state: RiskState, pair_id: str) -> bool:
    pair = state.pairs.get(pair_id)
    return pair is not None and pair.stranded
