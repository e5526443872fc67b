"""Orders: each once, of no more than was decided, at prices that exist, and never against our own."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from services.contracts.ids import leg_of
from services.contracts.limits import NS_PER_MS
from services.contracts.messages.pairs import PairApproved
from services.contracts.terms import Market, Side
from services.lab import rules
from services.lab.breach import Fact, Found, invariant
from services.lab.broker_books import BrokerBooks
from services.lab.record import Record
from services.lab.sends import EntrySent, ExitSent


def doubled_arrivals(books: BrokerBooks) -> dict[str, int]:
    """Return the order ids that came in more than once, with how often."""
    counts = Counter(arrival.rqname for arrival in books.arrivals if not arrival.by_hand)
    return {name: count for name, count in counts.items() if count > 1}


@invariant("I1", Fact.BROKER)
def at_most_once(day: Record) -> Iterator[Found]:
    """One order id, at most one SendOrder that could have arrived, and one purchase a clip."""
    for order_id, count in doubled_arrivals(day.truth).items():
        yield f"order {order_id} arrived {count} times at the broker"
    for order_id, count in Counter(day.could_arrive).items():
        if count > 1:
            yield f"{order_id} was sent {count} times that could have arrived"
    clips = {pair.pair_id: pair.clip_shares for pair in day.ever(PairApproved)}
    bought: Counter[str] = Counter()
    for order in day.orders():
        clip, side, _ = leg_of(order.rqname) or ("", Side.SELL, 0)
        if side is Side.BUY:
            bought[clip] += order.filled_shares
    for clip, shares in bought.items():
        due = clips.get(clip.partition(".")[0], shares)
        if shares > due:
            yield f"clip {clip} bought {shares} shares, and a clip of its pair has {due}"


@invariant("I2", Fact.BROKER)
def never_oversold(day: Record) -> Iterator[Found]:
    """Fills of a pair never exceed its approval; at no moment more sold than bought, or put on sale."""
    approved = {pair.pair_id: pair.qty_shares for pair in day.ever(PairApproved)}
    fills: dict[str, list[tuple[int, int, Side, int]]] = defaultdict(list)
    for order in day.orders():
        fills[order.pair_id] += [
            (fill.ts_ns, fill.execution_no, order.side, fill.qty_shares) for fill in order.fills
        ]
    for pair_id, rows in fills.items():
        bought = sold = 0
        for at_ns, _, side, qty in sorted(rows):
            bought, sold = (bought + qty, sold) if side is Side.BUY else (bought, sold + qty)
            if sold > bought:
                yield at_ns, f"pair {pair_id} sold {sold} of {bought} bought"
                break
        if bought > approved.get(pair_id, 0):
            yield f"pair {pair_id} bought {bought} shares, approved were {approved.get(pair_id, 0)}"
    for sent in day.exits:
        if sent.qty_shares > sent.free_shares:
            yield sent.at_ns, f"{sent.order_id} was to sell {sent.qty_shares} of {sent.free_shares} free"


@invariant("I3", Fact.OBSERVED)
def exposure_within_limits(day: Record) -> Iterator[Found]:
    """Worst-case exposure within limits after every event, and one open pair a symbol."""
    for at_ns, symbol, krw in day.exposures:
        yield at_ns, f"{symbol or 'all'} stand for {krw:,} KRW"
    for at_ns, pair_id, other in day.second_pairs:
        yield at_ns, f"{pair_id} was approved while {other} was open"
    for at_ns, pair_id, trips in day.trips_passed:
        yield at_ns, f"{pair_id} was approved after {trips} trips of its symbol"


@invariant("I10", Fact.BROKER)
def own_orders_never_meet(day: Record) -> Iterator[Found]:
    """Own orders never meet on one venue."""
    if day.truth.self_trades:
        yield f"own orders met {day.truth.self_trades} times on one venue"
    for sell, buy in day.asked_against:
        yield f"{sell} was asked for where {buy} works"
    for at_ns, order_id in day.opposed:
        yield at_ns, f"{order_id} worked against our own"


@invariant("I13", Fact.SENDS)
def within_what_was_decided(day: Record) -> Iterator[Found]:
    """An order leaves within the life of its command; an entry at the price and size of its approval, a sell
    neither below break-even or the loss bound nor, of a residual, short of the bid."""
    sends: list[EntrySent | ExitSent] = [*day.entries, *day.exits]
    for sent in sends:
        if sent.expired_ns > 0:
            late_ms = sent.expired_ns // NS_PER_MS
            yield sent.at_ns, f"{sent.order_id} left {late_ms} ms after its command ended"
        if sent.price_krw and not sent.bounds.allows(sent.price_krw):
            yield sent.at_ns, f"{sent.order_id} left at {sent.price_krw} KRW, which is beyond {sent.bounds}"
    for entry in day.entries:
        if entry.qty_shares > entry.clip_shares > 0:
            clip = f"a clip of {entry.clip_shares}"
            yield entry.at_ns, f"{entry.order_id} was to buy {entry.qty_shares} of {clip}"


@invariant("I18", Fact.BROKER)
def prices_on_the_grid(day: Record) -> Iterator[Found]:
    """Every order of ours came in at a price that the sources allow: on its tick, within the day's band."""
    books = day.truth
    for arrival in books.arrivals:
        market = books.markets.get(arrival.code)
        if market is None or arrival.by_hand or not arrival.price_krw:
            continue
        if not rules.is_price(Market(market), books.base_prices_krw[arrival.code], arrival.price_krw):
            yield (
                arrival.received_ns,
                f"{arrival.rqname} came in at {arrival.price_krw} KRW, which is no price",
            )
