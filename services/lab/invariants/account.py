"""The account is the judge: cash and shares at the broker against what the services say, to the won."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from operator import itemgetter

from services.contracts.messages.control import ResidualClaimed
from services.contracts.messages.orders import OrderFacts, ReconciliationCompleted
from services.contracts.messages.pairs import PairClosed, PairOutcome
from services.contracts.terms import Market, Side
from services.lab import rules
from services.lab.breach import Fact, Found, invariant
from services.lab.broker_books import NEW, BrokerFill, BrokerOrder
from services.lab.closings import problems_of_close
from services.lab.record import Record

MOST_SAID = 3
"""So many executions are named of an account that goes wrong at each of them."""


def told_facts(record: Record) -> dict[str, OrderFacts]:
    """Return what was told of each order, merged by maximum, as every reader of facts merges them."""
    told: dict[str, OrderFacts] = {}
    for envelope in record.kept.values():
        facts = getattr(envelope.body, "facts", None)
        if isinstance(facts, OrderFacts):
            known = told.get(facts.order_id)
            told[facts.order_id] = facts if known is None else known.merged(facts)
    return told


def last_closings(record: Record) -> dict[str, PairClosed]:
    """Return the last end of each pair that the streams hold."""
    return {closed.pair_id: closed for closed in record.of(PairClosed)}


def lost_fills(record: Record) -> dict[str, int]:
    """Return how many of each order's fills neither the order's facts nor its closed pair account for."""
    told, lost = told_facts(record), {}
    left: dict[tuple[str, Side], int] = {}
    for closed in last_closings(record).values():
        left[closed.pair_id, Side.BUY] = closed.bought_shares
        left[closed.pair_id, Side.SELL] = closed.sold_shares
    for order in record.orders():
        facts = told.get(order.rqname)
        known = 0 if facts is None else facts.cum_qty_shares
        key = (order.pair_id, order.side)
        if key in left:
            known, left[key] = min(known, max(left[key], 0)), left[key] - order.filled_shares
        if count := _beyond(order.fills, known):
            lost[order.rqname] = count
    return lost


def _beyond(fills: Sequence[BrokerFill], known_shares: int) -> int:
    """How many fills, in their order, lie beyond the first `known_shares`."""
    count = total = 0
    for fill in fills:
        total += fill.qty_shares
        count += total > known_shares
    return count


def _by_pair(record: Record) -> dict[str, list[BrokerOrder]]:
    by_pair: dict[str, list[BrokerOrder]] = defaultdict(list)
    for order in record.orders():
        by_pair[order.pair_id].append(order)
    return by_pair


# -- I5 ------------------------------------------------------------------------------------------


@invariant("I5", Fact.MESSAGES | Fact.BROKER)
def our_books_are_the_brokers(day: Record) -> Iterator[Found]:
    """No effect twice, none lost: what orders and closed pairs say was filled is what the broker filled."""
    for (pair_id, _), count in Counter((m.pair_id, m.closings) for m in day.of(PairClosed)).items():
        if count > 1:
            yield f"pair {pair_id} was closed {count} times"
    by_pair = _by_pair(day)
    for pair_id, pair in last_closings(day).items():
        said = {
            "bought shares": pair.bought_shares, "bought KRW": pair.bought_krw,
            "sold shares": pair.sold_shares, "sold KRW": pair.sold_krw,
        }  # fmt: skip
        due = _filled(by_pair.get(pair_id, []))
        for what, ours in said.items():
            if ours != due[what]:
                yield f"pair {pair_id} was closed with {ours} {what}, the broker has {due[what]}"
    for order_id, count in sorted(lost_fills(day).items()):
        yield f"{count} fills of {order_id} are in no book of ours"
    yield from _invented(day)
    yield from _gateway_knows(day)
    for text in sorted(
        {"; ".join(m.differences) for m in day.ever(ReconciliationCompleted) if m.differences}
    ):
        yield f"books differed: {text}"


def _filled(orders: Sequence[BrokerOrder]) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for order in orders:
        done = "bought" if order.side is Side.BUY else "sold"
        sums[f"{done} shares"] += order.filled_shares
        sums[f"{done} KRW"] += order.amount_krw
    return sums


def _invented(day: Record) -> Iterator[Found]:
    """Fills and amounts that we tell and the broker does not know."""
    books = {order.rqname: order for order in day.orders() if order.rqname}
    for order_id, facts in sorted(told_facts(day).items()):
        order = books.get(order_id)
        filled, amount_krw = (0, 0) if order is None else (order.filled_shares, order.amount_krw)
        if facts.cum_qty_shares > filled:
            yield f"we say {facts.cum_qty_shares} filled of {order_id}, the broker {filled}"
        elif facts.cum_qty_shares == filled and facts.cum_amount_krw != amount_krw:
            yield f"we say {order_id} filled for {facts.cum_amount_krw} KRW, the broker {amount_krw}"


def _gateway_knows(day: Record) -> Iterator[Found]:
    """The gateway's orders of the day are the broker's, each to its last share and won, open or closed."""
    if day.known is None:
        return
    for order in day.orders():
        if order.action != NEW:
            continue
        facts = day.known.get(order.rqname)
        if facts is None:
            yield f"the gateway knows nothing of {order.rqname}"
            continue
        said = (facts.cum_qty_shares, facts.cum_amount_krw, facts.commission_krw, facts.tax_krw, facts.closed)
        due = (
            order.filled_shares, order.amount_krw, order.commission_krw, order.tax_krw, bool(order.closed)
        )  # fmt: skip
        if said != due:
            yield f"the gateway says {said} of {order.rqname}, the broker {due}"


@invariant("I19", Fact.MESSAGES)
def closings_follow(day: Record) -> Iterator[Found]:
    """The close of a pair is what was told of its own orders, and what a person claimed."""
    by_pair: dict[str, list[OrderFacts]] = defaultdict(list)
    for facts in told_facts(day).values():
        by_pair[facts.pair_id].append(facts)
    claims: dict[str, list[ResidualClaimed]] = defaultdict(list)
    for claim in day.ever(ResidualClaimed):
        claims[claim.pair_id].append(claim)
    for pair_id, closed in last_closings(day).items():
        for problem in problems_of_close(closed, by_pair.get(pair_id, []), claims.get(pair_id, [])):
            yield f"pair {pair_id}: {problem}"


# -- I7 ------------------------------------------------------------------------------------------


@invariant("I7", Fact.MESSAGES | Fact.BROKER)
def money_to_the_won(day: Record) -> Iterator[Found]:
    """Profit, commission and tax of each closed pair are what its orders did to the account's cash, and
    risk's books say what the account says."""
    by_pair, claimed = _by_pair(day), False
    for pair_id, pair in last_closings(day).items():
        orders = by_pair.get(pair_id, [])
        said = (pair.commission_krw, pair.tax_krw)
        due = (sum(o.commission_krw for o in orders), sum(o.tax_krw for o in orders))
        if said != due:
            yield f"pair {pair_id} says {said} KRW of commission and tax, the account says {due}"
        cash_krw = sum(order.cash_flow_krw for order in orders)
        if pair.outcome is PairOutcome.CLAIMED:
            claimed = True
        elif pair.realised_pnl_krw != cash_krw:
            yield f"pair {pair_id} says {pair.realised_pnl_krw:+,} KRW, the account says {cash_krw:+,}"
    books, risk_krw = day.truth, day.risk_cash_flow_krw
    account_krw = books.cash_change_krw - books.by_hand_krw
    if risk_krw is not None and not claimed and risk_krw != account_krw:
        yield f"risk says {risk_krw:+,} KRW, the account {account_krw:+,} KRW"


# -- I17 -----------------------------------------------------------------------------------------


@invariant("I17", Fact.BROKER)
def account_adds_up(day: Record) -> Iterator[Found]:
    """After every execution the account holds the cash and the shares that its orders and the published
    charges leave, and so it does at the end."""
    books = day.truth
    yield from _charged_by_the_rates(day)
    cash_krw, held = books.start_cash_krw, Counter(books.start_holdings)
    wrong = 0
    for fill, order, costs_krw in _executions(day):
        cash_krw -= order.sign * fill.qty_shares * fill.price_krw + costs_krw
        held[order.code] += order.sign * fill.qty_shares
        if fill.cash_krw is None or fill.held_shares is None:
            continue
        named = order.rqname or f"order {order.order_no} by hand"
        if fill.cash_krw != cash_krw and (wrong := wrong + 1) <= MOST_SAID:
            yield (
                fill.ts_ns,
                f"after a fill of {named} the account has {fill.cash_krw - cash_krw:+,} KRW too much",
            )
        if fill.held_shares != held[order.code] and (wrong := wrong + 1) <= MOST_SAID:
            due = f"{order.code}, bought and not sold were {held[order.code]}"
            yield fill.ts_ns, f"after a fill of {named} the account holds {fill.held_shares} of {due}"
        cash_krw, held[order.code] = fill.cash_krw, fill.held_shares
    if books.cash_krw != cash_krw:
        yield f"money differs: the account has {books.cash_krw - cash_krw:+,} KRW beyond what orders left"
    for code in sorted(books.holdings.keys() | held.keys()):
        if books.holdings.get(code, 0) != held[code]:
            has = books.holdings.get(code, 0)
            yield f"the account holds {has} of {code}, bought and not sold were {held[code]}"


def _executions(day: Record) -> Iterator[tuple[BrokerFill, BrokerOrder, int]]:
    """Every fill in its order, with its order and what it added to the order's costs."""
    found = [
        (fill.ts_ns, fill.execution_no, fill, order) for order in day.truth.orders for fill in order.fills
    ]
    amounts: Counter[str] = Counter()
    for _, _, fill, order in sorted(found, key=itemgetter(0, 1)):
        before_krw = amounts[order.order_no]
        after_krw = amounts[order.order_no] = before_krw + fill.qty_shares * fill.price_krw
        yield fill, order, _costs_krw(day, order, after_krw) - _costs_krw(day, order, before_krw)


def _costs_krw(day: Record, order: BrokerOrder, amount_krw: int) -> int:
    """By the published charges; the order's own where the record has no date or market to judge them by."""
    market = day.truth.markets.get(order.code)
    if not day.trading_date or market is None or order.venue is None:
        return order.costs_krw if amount_krw >= order.amount_krw > 0 else 0
    return rules.costs_krw(day.trading_date, Market(market), order.venue, order.side, amount_krw)


def _charged_by_the_rates(day: Record) -> Iterator[Found]:
    """Commission and both taxes are shares of what an order filled for, each without its part of a won."""
    markets = day.truth.markets
    for order in day.orders():
        market = markets.get(order.code)
        if not day.trading_date or market is None or order.venue is None:
            continue
        commission_krw = rules.commission_krw(order.venue, order.amount_krw)
        tax_krw = 0
        if order.side is Side.SELL:
            tax_krw = rules.sale_tax_krw(day.trading_date, Market(market), order.amount_krw)
        said, due = (order.commission_krw, order.tax_krw), (commission_krw, tax_krw)
        if said != due:
            yield f"{order.rqname} cost {said} KRW of commission and tax, by the rates {due}"
