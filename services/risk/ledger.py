"""Takes what became of orders and pairs into risk's books.

Orders of open pairs and those of pairs closed today are kept apart, so that a fill rewrites little and
the day's bulk is written only when a pair closes. A new trading date forgets what is closed and carries
what is not: a stranded position counts against the day it is still held on.

Orders and pairs come on two streams, and either may be read first. Whether a pair is open is therefore
decided from what both say together (`_filed`): it is over once the executor has stated its end, no order
of it works, and no more was filled than the statement says.
"""

from collections import Counter
from collections.abc import Mapping, Set

from services.contracts.limits import APPROVAL_TTL_MS, NS_PER_MS
from services.contracts.messages.orders import OrderFacts
from services.contracts.messages.pairs import PairApproved, PairClosed, PairOutcome
from services.contracts.terms import Side
from services.risk.exposure import open_money
from services.risk.pnl import (
    Money,
    OrderTally,
    Tallies,
    by_pair,
    claimed_krw,
    merge,
    money_of,
    stated_money,
    with_stated,
)
from services.risk.state import Aside, Day, PairHeld, RiskState

FORGOTTEN_NS = 10_000 * NS_PER_MS
"""A pair that the executor has not named for so long is none of its any more: far longer than an approval is
good for, and than a close is on its way."""

assert FORGOTTEN_NS > 2 * APPROVAL_TTL_MS * NS_PER_MS


def with_facts(
    state: RiskState, facts: OrderFacts, *, definitely_over: bool = False, reopens: bool = False
) -> RiskState:
    """Take in one statement about an order; `definitely_over` where the message itself says so, `reopens`
    where it says that the order lives although it was told as over.

    An order of an earlier date whose pair is not known was settled on its own day: it is not today's money.
    One of a later date is taken in: that it has begun may be read after it.
    """
    pair = _pair(state, facts.pair_id)
    if pair is None and facts.trading_date < state.day.trading_date:
        return state
    tally = OrderTally.of(facts)
    if definitely_over:
        tally = tally.model_copy(update={"closed": True})
    if facts.pair_id in state.pairs and state.pairs[facts.pair_id].stated is None:
        merged: RiskState = state.but(orders=merge(state.orders, facts.order_id, tally, reopens=reopens))
        return merged
    before = _orders_of(state, facts.pair_id)
    after = merge(before, facts.order_id, tally, reopens=reopens)
    if after == before:
        return state
    return _filed(state, facts.pair_id, pair or _brought_back(state, facts), after)


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
    """A person's from now on. Of a pair whose late fill is not read yet it is remembered until then."""
    marks = {"stranded": True, "ending": True}
    if pair_id in state.pairs:
        open_: RiskState = state.but(
            pairs={**state.pairs, pair_id: state.pairs[pair_id].model_copy(update=marks)}
        )
        return open_
    if pair_id in state.closed:
        over: RiskState = state.but(
            closed={**state.closed, pair_id: state.closed[pair_id].model_copy(update=marks)}
        )
        return over
    return state


def with_phases(state: RiskState, working: Set[str], stranded: Set[str]) -> RiskState:
    """Which pairs the executor works on and which are a person's: one tried again is its own again."""
    changed = {
        pair_id: pair.model_copy(update={"stranded": pair_id in stranded, "ending": True})
        for pair_id, pair in state.pairs.items()
        if pair_id in (working if pair.stranded else stranded)
    }
    return state.but(pairs={**state.pairs, **changed}) if changed else state


def without_pair(state: RiskState, closed: PairClosed) -> RiskState:
    """Take in the executor's statement of a pair's end; the one of the most closings counts.

    What was filled beyond it keeps the pair open: the executor opens it again as soon as it hears of that,
    and states its end once more. A claim ends also what nobody knows the end of. Of a pair that Redis lost
    before this process began the end is remembered until one of its orders brings it back.
    """
    pair = _pair(state, closed.pair_id)
    if pair is None:
        early: RiskState = state.but(early_ends={**state.early_ends, closed.pair_id: closed})
        return early
    if pair.stated is not None and closed.closings < pair.stated.closings:
        return state
    own = _orders_of(state, closed.pair_id)
    over = pair.model_copy(update={"stated": closed, "stranded": False})
    if over.claimed:
        money = money_of(own.values())
        flat = {
            "claimed_shares": with_stated(money, closed).held_shares,
            "claimed_krw": claimed_krw(money, closed),
        }
        over = over.model_copy(update=flat)
        own = {order_id: tally.model_copy(update={"closed": True}) for order_id, tally in own.items()}
    return _filed(state, closed.pair_id, over, own, stating=True)


def forgotten(state: RiskState, known: Set[str], now_ns: int) -> tuple[RiskState, list[str]]:
    """Return the pairs that nobody works on: the executor names none of them, nothing is held or working.

    Their approval or their close was lost with an emptied Redis, and with it who would free what they
    reserve. Whatever still holds shares stays: that is a difference for a person.
    """
    orders = by_pair(state.orders)
    since_ns = {
        pair_id: state.unknown_since_ns.get(pair_id, now_ns)
        for pair_id, pair in state.pairs.items()
        if pair_id not in known and _idle(pair, orders.get(pair_id, []))
    }
    over = [pair_id for pair_id, at_ns in since_ns.items() if now_ns - at_ns >= FORGOTTEN_NS]
    left = {pair_id: at_ns for pair_id, at_ns in since_ns.items() if pair_id not in over}
    return state if left == state.unknown_since_ns else state.but(unknown_since_ns=left), over


def closing(state: RiskState, pair_id: str, now_ns: int) -> PairClosed:
    """The close that was lost, from what became of the pair's orders: all readers of pairs need it."""
    pair = state.pairs[pair_id]
    money = pair.money(_orders_of(state, pair_id).values())
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
        closings=1 if pair.stated is None else pair.stated.closings + 1,
        provisional=state.reference is not None and state.reference.provisional,
    )


def new_day(state: RiskState, day: Day) -> RiskState:
    """Begin a trading date: what is closed is forgotten, what is open is carried.

    What a carried pair had realised by then was counted on the dates before. Pairs of the date itself, told
    before it, are its own already. Orders are day orders (market rules 4.4): those of others stay only for
    the person who has yet to say whose they were.
    """
    carried_krw, pairs = 0, {}
    for pair_id, pair, money in open_money(state):
        earlier = pair.trading_date < day.trading_date
        carried_krw += money.held_cost_krw if earlier else 0
        pairs[pair_id] = pair.model_copy(update={"before_krw": money.realised_krw}) if earlier else pair
    own = {key: pair for key, pair in state.closed.items() if pair.trading_date >= day.trading_date}
    trips = Counter(pair.symbol for pair in own.values() if pair.trip_counted)
    carried: RiskState = state.but(
        day=day.model_copy(update={"carried_cost_krw": carried_krw, "trips": dict(trips)}),
        pairs=pairs,
        closed=own,
        settled={key: tally for key, tally in state.settled.items() if tally.pair_id in own},
        settled_krw={key: krw for key, krw in state.settled_krw.items() if key in own},
        account=None,
        early_ends={},
        approved_at_ns={},
        foreign={key: order for key, order in state.foreign.items() if order.symbol in state.paused},
    )
    return carried


def taken_back(state: RiskState, aside: Aside) -> RiskState:
    """Go back to the date that was set aside, with what has happened since: it is of that date."""
    closed = {**aside.closed, **state.closed}
    closed = {key: pair for key, pair in closed.items() if key not in state.pairs}
    krw = {
        key: krw + pair.before_krw - aside.before_krw.get(key, pair.before_krw)
        for key, krw in state.settled_krw.items()
        for pair in (state.closed[key],)
    }
    date = aside.day.trading_date
    trips = Counter(
        pair.symbol for pair in closed.values() if pair.trip_counted and pair.trading_date == date
    )
    settled = {**aside.settled, **state.settled}
    back: RiskState = state.but(
        day=aside.day.model_copy(update={"trips": dict(trips)}),
        aside=None,
        pairs=_with_before(state.pairs, aside.before_krw),
        closed=_with_before(closed, aside.before_krw),
        settled={key: tally for key, tally in settled.items() if tally.pair_id in closed},
        settled_krw={key: krw for key, krw in {**aside.settled_krw, **krw}.items() if key in closed},
        account=aside.account,
        approved_at_ns=aside.approved_at_ns,
        foreign={**aside.foreign, **state.foreign},
    )
    return back


def _with_before(pairs: Mapping[str, PairHeld], before_krw: Mapping[str, int]) -> dict[str, PairHeld]:
    return {
        key: pair.model_copy(update={"before_krw": before_krw.get(key, pair.before_krw)})
        for key, pair in pairs.items()
    }


def orders_of_the_day(state: RiskState) -> int:
    """How many orders were sent on this trading date; what is carried counts on."""
    return len(state.orders) + len(state.settled)


def is_over(state: RiskState, order_id: str) -> bool:
    """Whether an order is known, and known to be over."""
    tally = state.orders.get(order_id) or state.settled.get(order_id)
    return tally is not None and tally.closed


def _pair(state: RiskState, pair_id: str) -> PairHeld | None:
    return state.pairs.get(pair_id) or state.closed.get(pair_id)


def _orders_of(state: RiskState, pair_id: str) -> dict[str, OrderTally]:
    filed = state.orders if pair_id in state.pairs else state.settled
    return {order_id: tally for order_id, tally in filed.items() if tally.pair_id == pair_id}


def _brought_back(state: RiskState, facts: OrderFacts) -> PairHeld:
    """The pair of an order whose approval is lost: it ends with what it has bought."""
    buy_venue = facts.venue if facts.side is Side.BUY else facts.venue.other
    return PairHeld(
        symbol=facts.symbol,
        trading_date=facts.trading_date,
        buy_venue=buy_venue,
        sell_venue=buy_venue.other,
        qty_shares=facts.qty_shares,
        buy_limit_krw=facts.price_krw,
        approved_at_ns=state.now_ns,
        ending=True,
        stated=state.early_ends.get(facts.pair_id),
    )


def _filed(
    state: RiskState, pair_id: str, pair: PairHeld, own: Tallies, *, stating: bool = False
) -> RiskState:
    """File a pair and its orders among the open ones or those that are over, with what it brought.

    At the moment of a statement an order that still works for us is over for the executor.
    """
    over = pair.claimed or not (_beyond(pair, own) or (not stating and _works(own)))
    pairs = {key: value for key, value in state.pairs.items() if key != pair_id}
    orders = {key: tally for key, tally in state.orders.items() if tally.pair_id != pair_id}
    settled_krw = {key: krw for key, krw in state.settled_krw.items() if key != pair_id or over}
    if not over:
        open_ = pair.model_copy(update={"ending": pair.ending or pair.stated is not None, "looked_at": False})
        again: RiskState = state.but(
            pairs={**pairs, pair_id: open_},
            orders={**orders, **own},
            closed={key: value for key, value in state.closed.items() if key != pair_id},
            settled={key: tally for key, tally in state.settled.items() if key not in own},
            settled_krw=settled_krw,
        )
        return again
    money = pair.money(own.values())
    trip = money.bought_shares > 0 and not pair.trip_counted
    ended = pair.model_copy(update={"trip_counted": True}) if trip else pair
    settled: RiskState = state.but(
        pairs=pairs,
        orders=orders,
        closed={**state.closed, pair_id: ended},
        settled={**state.settled, **own},
        settled_krw={**settled_krw, pair_id: money.realised_krw - pair.before_krw},
        day=_with_trip(state.day, pair) if trip else state.day,
    )
    return settled


def _works(own: Tallies) -> bool:
    return any(tally.working_shares for tally in own.values())


def _beyond(pair: PairHeld, own: Tallies) -> bool:
    """Whether more was filled than the executor's statement says."""
    money = money_of(own.values())
    said = Money() if pair.stated is None else stated_money(pair.stated)
    return money.bought_shares > said.bought_shares or money.sold_shares > said.sold_shares


def _idle(pair: PairHeld, orders: list[OrderTally]) -> bool:
    flat = pair.money(orders).held_shares == 0
    return flat and all(tally.closed for tally in orders)


def _with_trip(day: Day, pair: PairHeld) -> Day:
    if pair.trading_date != day.trading_date:
        return day
    trips = {**day.trips, pair.symbol: day.trips.get(pair.symbol, 0) + 1}
    return day.model_copy(update={"trips": trips})
