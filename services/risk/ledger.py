"""Takes what became of orders and pairs into risk's books.

Orders of open pairs and those of pairs closed today are kept apart, so that a fill rewrites little and
the day's bulk is written only when a pair closes. A new trading date forgets what is closed and carries
what is not: a stranded position counts against the day it is still held on.
"""

from collections.abc import Set

from services.contracts.limits import APPROVAL_TTL_MS, NS_PER_MS
from services.contracts.messages.orders import OrderFacts
from services.contracts.messages.pairs import PairApproved, PairClosed, PairOutcome
from services.risk.exposure import commitments
from services.risk.pnl import OrderTally, by_pair, claim, merge, money_of
from services.risk.state import Day, PairHeld, RiskState

CLAIM = ".claim"
"""How the order ends that stands for what a person sold by hand."""
FORGOTTEN_NS = 10_000 * NS_PER_MS
"""A pair that the executor has not named for so long is none of its any more: far longer than an approval is
good for, and than a close is on its way."""

assert FORGOTTEN_NS > 2 * APPROVAL_TTL_MS * NS_PER_MS


def with_facts(
    state: RiskState, facts: OrderFacts, *, definitely_over: bool = False, reopens: bool = False
) -> RiskState:
    """Take in one statement about an order; `definitely_over` where the message itself says so, `reopens`
    where it says that the order lives although it was told as over.

    An order of another date whose pair is not open was settled on its own day: it is not today's money.
    """
    if _of_another_day(state, facts):
        return state
    tally = OrderTally.of(facts)
    if definitely_over:
        tally = tally.model_copy(update={"closed": True})
    if facts.pair_id not in state.settled_krw:
        merged: RiskState = state.but(orders=merge(state.orders, facts.order_id, tally, reopens=reopens))
        return merged
    late: RiskState = state.but(settled=merge(state.settled, facts.order_id, tally, reopens=reopens))
    return _reopened(late, facts.pair_id) or _resettled(late, facts.pair_id)


def with_pair(state: RiskState, approved: PairApproved, quoted_at_ns: int = 0) -> RiskState:
    """Reserve both legs of an approved pair; `quoted_at_ns` is when its newer quote came."""
    pair = PairHeld(
        symbol=approved.symbol,
        trading_date=approved.trading_date,
        buy_venue=approved.buy_venue,
        sell_venue=approved.sell_venue,
        qty_shares=approved.qty_shares,
        buy_limit_krw=approved.buy_limit_krw,
        approved_at_ns=approved.approved_at_ns,
        clip_shares=approved.clip_shares,
        quoted_at_ns=quoted_at_ns,
    )
    reserved: RiskState = state.but(pairs={**state.pairs, approved.pair_id: pair})
    return reserved


def with_stranded(state: RiskState, pair_id: str) -> RiskState:
    pair = state.pairs.get(pair_id)
    if pair is None:
        return state
    stranded = pair.model_copy(update={"stranded": True})
    marked: RiskState = state.but(pairs={**state.pairs, pair_id: stranded})
    return marked


def without_pair(state: RiskState, closed: PairClosed) -> RiskState:
    """Settle a closed pair: its reservation goes, its orders and its result are kept for the day."""
    pair = state.pairs.get(closed.pair_id)
    own = {oid: tally for oid, tally in state.orders.items() if tally.pair_id == closed.pair_id}
    if pair is None and not own:
        return state
    if closed.outcome is PairOutcome.CLAIMED:
        sale = claim(closed.pair_id, closed.symbol, money_of(own.values()), closed.realised_pnl_krw)
        own[closed.pair_id + CLAIM] = sale
    settled: RiskState = state.but(
        pairs={pair_id: held for pair_id, held in state.pairs.items() if pair_id != closed.pair_id},
        orders={oid: tally for oid, tally in state.orders.items() if oid not in own},
        settled={**state.settled, **own},
        day=_with_trip(state.day, pair) if closed.trip and pair is not None else state.day,
    )
    return _resettled(settled, closed.pair_id)


def forgotten(state: RiskState, known: Set[str], now_ns: int) -> tuple[RiskState, list[str]]:
    """Return the pairs that nobody works on: the executor names none of them, nothing is held or working.

    Their approval or their close was lost with an emptied Redis, and with it who would free what they
    reserve. Whatever still holds shares stays: that is a difference for a person.
    """
    orders = by_pair(state.orders)
    since_ns = {
        pair_id: state.unknown_since_ns.get(pair_id, now_ns)
        for pair_id in state.pairs
        if pair_id not in known and _idle(orders.get(pair_id, []))
    }
    over = [pair_id for pair_id, at_ns in since_ns.items() if now_ns - at_ns >= FORGOTTEN_NS]
    left = {pair_id: at_ns for pair_id, at_ns in since_ns.items() if pair_id not in over}
    return state if left == state.unknown_since_ns else state.but(unknown_since_ns=left), over


def closing(state: RiskState, pair_id: str, now_ns: int) -> PairClosed:
    """The close that was lost, from what became of the pair's orders: all readers of pairs need it."""
    pair, money = state.pairs[pair_id], money_of(by_pair(state.orders).get(pair_id, []))
    trip = bool(money.bought_shares or money.sold_shares)
    return PairClosed(
        pair_id=pair_id,
        symbol=pair.symbol,
        outcome=PairOutcome.FLAT if trip else PairOutcome.NOT_FILLED,
        trip=trip,
        clips=0,
        bought_shares=money.bought_shares,
        bought_krw=money.bought_krw,
        sold_shares=money.sold_shares,
        sold_krw=money.sold_krw,
        commission_krw=money.commission_krw,
        tax_krw=money.tax_krw,
        realised_pnl_krw=money.cash_flow_krw,
        residual_shares_max=0,
        neutral_ms=0,
        uncovered_krw_ms=0,
        opened_at_ns=pair.approved_at_ns,
        closed_at_ns=now_ns,
    )


def _idle(orders: list[OrderTally]) -> bool:
    money = money_of(orders)
    return money.bought_shares == money.sold_shares and all(tally.closed for tally in orders)


def new_day(state: RiskState, day: Day) -> RiskState:
    """Begin a trading date: what is closed is forgotten, what is open is carried.

    Orders are day orders (market rules 4.4): those of others stay only for the person who has yet to say
    whose they were.
    """
    still_open = {open_.pair_id for open_ in commitments(state)} | set(state.pairs)
    carried: RiskState = state.but(
        day=day,
        orders={oid: tally for oid, tally in state.orders.items() if tally.pair_id in still_open},
        settled={},
        settled_krw={},
        account=None,
        approved_at_ns={},
        errors={},
        foreign={key: order for key, order in state.foreign.items() if order.symbol in state.paused},
    )
    return carried


def orders_of_the_day(state: RiskState) -> int:
    """How many orders were sent on this trading date; a claim is none, and what is carried counts on."""
    settled = sum(not order_id.endswith(CLAIM) for order_id in state.settled)
    return len(state.orders) + settled


def is_over(state: RiskState, order_id: str) -> bool:
    """Whether an order is known, and known to be over."""
    tally = state.orders.get(order_id) or state.settled.get(order_id)
    return tally is not None and tally.closed


def _of_another_day(state: RiskState, facts: OrderFacts) -> bool:
    known = (
        facts.order_id in state.orders or facts.pair_id in state.pairs or facts.pair_id in state.settled_krw
    )
    return not known and state.day.trading_date not in ("", facts.trading_date)


def _reopened(state: RiskState, pair_id: str) -> RiskState | None:
    """A closed pair that holds something after all counts as exposure until it is closed again."""
    own = {oid: tally for oid, tally in state.settled.items() if tally.pair_id == pair_id}
    if not (money_of(own.values()).held_shares or any(tally.working_shares for tally in own.values())):
        return None
    reopened: RiskState = state.but(
        orders={**state.orders, **own},
        settled={oid: tally for oid, tally in state.settled.items() if oid not in own},
        settled_krw={key: krw for key, krw in state.settled_krw.items() if key != pair_id},
    )
    return reopened


def _resettled(state: RiskState, pair_id: str) -> RiskState:
    own = [tally for tally in state.settled.values() if tally.pair_id == pair_id]
    result: RiskState = state.but(settled_krw={**state.settled_krw, pair_id: money_of(own).cash_flow_krw})
    return result


def _with_trip(day: Day, pair: PairHeld) -> Day:
    if pair.trading_date != day.trading_date:
        return day
    trips = {**day.trips, pair.symbol: day.trips.get(pair.symbol, 0) + 1}
    return day.model_copy(update={"trips": trips})
