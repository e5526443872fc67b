"""The worst case of what is open: shares held at cost, and what may still be bought at its limit.

Owns invariant I3 on our side. An approval reserves the whole pair at its buy limit; a fill can only
lower that, because no purchase pays more than its limit. What was bought and sold again frees nothing
of the pair's own quantity until the pair is closed: a pair never buys more than it was approved for.
Shares that are owed, because more was sold than bought, count at what they brought.

What is held is valued at the better bid of both venues, what is owed at the better ask. A book counts while
its feed is alive, its connection is the newest one, and it is not older than a quote that may be bought on.
Beyond that it is evidence of a loss and of no gain: a dead feed must not hide what is lost.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from services.contracts.limits import CLOCK_SKEW_MS, NS_PER_MS
from services.contracts.messages.intents import QuoteSeen
from services.contracts.terms import Symbol, Venue
from services.contracts.trading_limits import STRICTEST
from services.risk.pnl import Money, OrderTally, by_pair
from services.risk.state import PairHeld, RiskState


@dataclass(frozen=True, slots=True)
class Commitment:
    """What one pair binds at most, KRW: `held_krw` in shares at cost, `buyable_krw` still to be spent."""

    pair_id: str
    symbol: Symbol
    held_krw: int
    buyable_krw: int
    working_krw: int
    commission_krw: int

    @property
    def worst_krw(self) -> int:
        return self.held_krw + self.buyable_krw


def commitments(state: RiskState) -> list[Commitment]:
    """Every pair that is open."""
    orders = by_pair(state.orders)
    return [_of_pair(state, pair_id, pair, orders.get(pair_id, [])) for pair_id, pair in state.pairs.items()]


def _of_pair(state: RiskState, pair_id: str, pair: PairHeld, orders: list[OrderTally]) -> Commitment:
    """A pair that is ending buys nothing more than what already works."""
    money = pair.money(orders)
    working_krw = sum(tally.working_buy_krw for tally in orders)
    buyable_krw = max(0, pair.qty_shares - money.bought_shares) * pair.buy_limit_krw
    if pair.ending:
        buyable_krw = working_krw
    costs = None if state.reference is None else state.reference.exit_costs_of(pair.symbol)
    commission_krw = 0 if costs is None else costs.commission_krw(pair.buy_venue, buyable_krw)
    held_krw = abs(money.held_cost_krw)
    return Commitment(pair_id, pair.symbol, held_krw, buyable_krw, working_krw, commission_krw)


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


def open_money(state: RiskState) -> Iterator[tuple[str, PairHeld, Money]]:
    """Each open pair with what it bought and sold so far."""
    orders = by_pair(state.orders)
    for pair_id, pair in state.pairs.items():
        yield pair_id, pair, pair.money(orders.get(pair_id, []))


def realised_krw(state: RiskState) -> int:
    """What the pairs earned for good on this date, open ones included as far as they are sold again."""
    open_krw = sum(money.realised_krw - pair.before_krw for _, pair, money in open_money(state))
    return open_krw + sum(state.settled_krw.values())


def cash_flow_krw(state: RiskState) -> int:
    """What the pairs brought in cash on this date so far: realised, less what more is held at cost."""
    return realised_krw(state) - held_cost_krw(state) + state.day.carried_cost_krw


def held_cost_krw(state: RiskState) -> int:
    """What is held by open pairs at cost; what is owed counts against it."""
    return sum(money.held_cost_krw for _, _, money in open_money(state))


def held(state: RiskState) -> list[tuple[Symbol, Money]]:
    """What each pair has bought and not sold, or owes, with its symbol."""
    return [(pair.symbol, money) for _, pair, money in open_money(state) if money.held_shares]


def unhedged_worst_krw(state: RiskState) -> int:
    """What may be bought and not yet sold at one moment, KRW: a pair works on one clip at a time."""
    worst_krw = 0
    for open_ in commitments(state):
        pair = state.pairs[open_.pair_id]
        clip_krw = 0 if pair.ending else pair.clip_shares * pair.buy_limit_krw
        worst_krw += max(open_.held_krw + open_.working_krw, clip_krw)
    return worst_krw


def unhedged_krw(state: RiskState) -> int:
    """What is bought and not yet sold now, KRW at cost, without what a person already works on."""
    return sum(abs(money.held_cost_krw) for _, pair, money in open_money(state) if not pair.stranded)


def with_held_since(state: RiskState, now_ns: int) -> RiskState:
    """Remember since when each pair has held shares without a break; a stranded one is a person's."""
    holding = {
        pair_id for pair_id, pair, money in open_money(state) if money.held_shares and not pair.stranded
    }
    if holding == state.held_since_ns.keys():
        return state
    since = {pair_id: state.held_since_ns.get(pair_id, now_ns) for pair_id in sorted(holding)}
    remembered: RiskState = state.but(held_since_ns=since)
    return remembered


# -- what it would bring now ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Marked:
    """What held shares gain over their cost, KRW; `without_bid` could not be valued by a bid of now."""

    gain_krw: int
    without_bid: tuple[Symbol, ...]


def marked_gain(state: RiskState) -> Marked:
    """Value what every open pair holds."""
    return marked(state, held(state))


def marked(state: RiskState, holdings: Iterable[tuple[Symbol, Money]]) -> Marked:
    """Value holdings; a symbol without a price of now is named, and gains nothing."""
    gain_krw, unknown = 0, []
    for symbol, money in holdings:
        now_krw, old_krw = _gains(state, symbol, money)
        if now_krw:
            gain_krw += max(now_krw)
        else:
            unknown.append(symbol)
            gain_krw += min([0, *old_krw])
    return Marked(gain_krw, tuple(unknown))


def not_valued(state: RiskState) -> tuple[Symbol, ...]:
    """Held symbols without a price of now, but for those on which a person works already."""
    ours = ((pair.symbol, money) for _, pair, money in open_money(state) if not pair.stranded)
    return marked(state, [(symbol, money) for symbol, money in ours if money.held_shares]).without_bid


def _gains(state: RiskState, symbol: Symbol, money: Money) -> tuple[list[int], list[int]]:
    """What a holding gains at each venue's price of now, and at each older one."""
    now_krw: list[int] = []
    old_krw: list[int] = []
    for book in _books_of(state, symbol):
        side = book.quote.bids if money.held_shares > 0 else book.quote.asks
        if side:
            gain_krw = money.held_shares * side[0][0] - money.held_cost_krw
            (now_krw if _of_now(state, book) else old_krw).append(gain_krw)
    return now_krw, old_krw


def _books_of(state: RiskState, symbol: Symbol) -> Iterator[QuoteSeen]:
    return (state.books[symbol, venue] for venue in Venue if (symbol, venue) in state.books)


def _of_now(state: RiskState, book: QuoteSeen) -> bool:
    limits = STRICTEST if state.reference is None else state.reference.limits
    age_ms = (state.now_ns - book.ts_event_ns) // NS_PER_MS
    in_time = -CLOCK_SKEW_MS <= age_ms <= limits.max_quote_age_buy_ms
    newest = book.quote.connection_epoch >= state.venue.connection_epoch
    return in_time and newest and state.venue.feed_alive(book.quote.venue)
