"""The verdict on a day of faults: the broker's own books against everything the services said.

Pure. The books are the simulator's snapshot, which no fault touches; the messages are those that the
streams hold at the end. Whatever the faults were, the same must hold: no order arrived twice, no fill
is unaccounted for, no pair bought more than was approved, nothing is held, and the money agrees to the won,
also in risk's own books. What is still held is told apart as stranded, by name, or as held by nobody.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from pydantic import BaseModel, ConfigDict

from services.cli.books import Books
from services.contracts.envelope import Envelope
from services.contracts.limits import BROKER_ORDERS_PER_SECOND, BROKER_QUERIES_PER_SECOND
from services.contracts.messages.alerts import AlertKind, AlertRaised
from services.contracts.messages.control import LatchSet
from services.contracts.messages.dead import EntryBuried
from services.contracts.messages.orders import OrderFacts, OrderUnknown, ReconciliationCompleted
from services.contracts.messages.pairs import PairApproved, PairClosed, PairOutcome, ResidualMarked
from services.contracts.terms import Severity, Side
from services.simulator.promptness import Promptness

NEW: Final = "new"


class BrokerFill(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    qty_shares: int
    price_krw: int
    ts_ns: int


class BrokerOrder(BaseModel):
    """One order in the broker's books. `rqname` is our order id, empty for one placed by hand."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    order_no: str
    action: str
    code: str
    side: Side
    qty_shares: int
    filled_shares: int
    amount_krw: int
    commission_krw: int
    tax_krw: int
    closed: str | None
    rqname: str
    by_hand: bool
    fills: tuple[BrokerFill, ...] = ()

    @property
    def pair_id(self) -> str:
        return self.rqname.partition(".")[0]

    @property
    def costs_krw(self) -> int:
        return self.commission_krw + self.tax_krw

    @property
    def cash_flow_krw(self) -> int:
        signed = self.amount_krw if self.side is Side.SELL else -self.amount_krw
        return signed - self.costs_krw


class BrokerArrival(BaseModel):
    """One request as it came in at the broker, taken or refused."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    rqname: str
    order_no: str
    by_hand: bool


class Truth(Books):
    """The books with every order and every arrival."""

    orders: tuple[BrokerOrder, ...]
    arrivals: tuple[BrokerArrival, ...]

    @property
    def ours(self) -> tuple[BrokerOrder, ...]:
        return tuple(order for order in self.orders if not order.by_hand)


class DayVerdict(BaseModel):
    """What a day of faults came to; money in KRW. `violations` is empty where everything held."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pairs_closed: int
    trips: int
    doubled_orders: int
    lost_fills: int
    net_position_shares: int
    realised_pnl_krw: int
    account_cash_change_krw: int
    stranded: tuple[str, ...]
    strandings: int
    neutral_ms: tuple[int, ...]
    uncovered_krw_ms: int
    first_sell_waits_ms: tuple[int, ...] = ()
    entries_denied_late: int = 0
    orders_unknown: int
    max_orders_in_any_second: int
    max_queries_in_any_second: int
    latches: dict[str, int]
    violations: tuple[str, ...]


@dataclass(slots=True)
class Said:
    """What the services said, sorted."""

    facts: dict[str, OrderFacts] = field(default_factory=dict)
    approved: dict[str, int] = field(default_factory=dict)
    """Shares by pair."""
    closed: dict[str, list[PairClosed]] = field(default_factory=lambda: defaultdict(list))
    marked: dict[str, ResidualMarked] = field(default_factory=dict)
    strandings: int = 0
    alarmed: set[str] = field(default_factory=set)
    latches: Counter[str] = field(default_factory=Counter)
    unknown: set[str] = field(default_factory=set)
    troubles: list[str] = field(default_factory=list)
    promptness: Promptness = field(default_factory=Promptness)

    def last_closed(self) -> Iterator[PairClosed]:
        return (statements[-1] for statements in self.closed.values())

    @property
    def still_open(self) -> set[str]:
        return self.approved.keys() - self.closed.keys()

    @property
    def stranded(self) -> tuple[str, ...]:
        """Pairs that are still open because what they hold could not be sold."""
        return tuple(sorted(self.marked.keys() - self.closed.keys()))


def judge(truth: Truth, messages: Iterable[Envelope], risk_pnl_krw: int | None = None) -> DayVerdict:
    """Hold what was said against the books. `risk_pnl_krw` is what risk last said to have been realised."""
    said = listen(messages)
    doubled = doubled_arrivals(truth)
    lost = lost_fills(truth, said)
    closed = tuple(said.last_closed())
    violations = [
        *(f"order {name} arrived {count} times at the broker" for name, count in sorted(doubled.items())),
        *(f"{count} fills of {name} are in no book of ours" for name, count in sorted(lost.items())),
        *_invented(truth, said),
        *_closings(truth, said),
        *_position(truth, said),
        *_money(truth, said),
        *_books_of_risk(truth, said, risk_pnl_krw),
        *_conduct(truth),
        *said.troubles,
    ]
    return DayVerdict(
        pairs_closed=len(closed), trips=sum(pair.trip for pair in closed),
        doubled_orders=sum(count - 1 for count in doubled.values()), lost_fills=sum(lost.values()),
        net_position_shares=truth.net_position_shares,
        realised_pnl_krw=sum(pair.realised_pnl_krw for pair in closed),
        account_cash_change_krw=truth.cash_change_krw, stranded=said.stranded, strandings=said.strandings,
        neutral_ms=tuple(sorted(pair.neutral_ms for pair in closed if pair.trip)),
        uncovered_krw_ms=said.promptness.unhedged_krw_ms,
        first_sell_waits_ms=tuple(sorted(said.promptness.first_sell_waits_ms)),
        entries_denied_late=len(said.promptness.entries_denied_late),
        orders_unknown=len(said.unknown), max_orders_in_any_second=truth.max_orders_per_s,
        max_queries_in_any_second=truth.max_queries_per_s, latches=dict(sorted(said.latches.items())),
        violations=tuple(violations),
    )  # fmt: skip


def listen(messages: Iterable[Envelope]) -> Said:
    """Sort messages; order facts merge by maximum, as every reader of them does."""
    said = Said()
    for envelope in messages:
        body = envelope.body
        said.promptness.take(body)
        match body:
            case PairApproved():
                said.approved[body.pair_id] = body.qty_shares
            case PairClosed():
                said.closed[body.pair_id].append(body)
            case ResidualMarked():
                said.marked[body.pair_id] = body
                said.strandings += 1
            case AlertRaised(kind=AlertKind.STRANDED, severity=Severity.CRITICAL):
                said.alarmed.add(body.pair_id)
            case LatchSet():
                said.latches[body.latch] += 1
            case EntryBuried():
                said.troubles.append(f"{body.service} could not handle {body.stream_key}: {body.reason}")
            case ReconciliationCompleted() if body.differences:
                said.troubles.append("books differed: " + "; ".join(body.differences))
            case _:
                _hear_order(said, body)
    return said


def _hear_order(said: Said, body: object) -> None:
    facts = getattr(body, "facts", None)
    if not isinstance(facts, OrderFacts):
        return
    if isinstance(body, OrderUnknown):
        said.unknown.add(facts.order_id)
    known = said.facts.get(facts.order_id)
    said.facts[facts.order_id] = facts if known is None else _merged(known, facts)


def _merged(known: OrderFacts, told: OrderFacts) -> OrderFacts:
    fields = ("cum_qty_shares", "cum_amount_krw", "commission_krw", "tax_krw", "closed")
    return known.model_copy(update={name: max(getattr(known, name), getattr(told, name)) for name in fields})


# -- the rules -----------------------------------------------------------------------------------


def doubled_arrivals(truth: Truth) -> dict[str, int]:
    """Return the order ids that came in more than once, with how often."""
    counts = Counter(arrival.rqname for arrival in truth.arrivals if not arrival.by_hand)
    return {name: count for name, count in counts.items() if count > 1}


def lost_fills(truth: Truth, said: Said) -> dict[str, int]:
    """Return how many of each order's fills neither the order's facts nor its closed pair account for."""
    lost = {}
    left: dict[tuple[str, Side], int] = {}
    for closed in said.last_closed():
        left[closed.pair_id, Side.BUY] = closed.bought_shares
        left[closed.pair_id, Side.SELL] = closed.sold_shares
    for order in truth.ours:
        facts = said.facts.get(order.rqname)
        known = 0 if facts is None else facts.cum_qty_shares
        key = (order.pair_id, order.side)
        if key in left:
            known, left[key] = min(known, max(left[key], 0)), left[key] - order.filled_shares
        count = _beyond(order.fills, known)
        if count:
            lost[order.rqname] = count
    return lost


def _beyond(fills: Sequence[BrokerFill], known_shares: int) -> int:
    """How many fills, in their order, lie beyond the first `known_shares`."""
    count = total = 0
    for fill in fills:
        total += fill.qty_shares
        count += total > known_shares
    return count


def _invented(truth: Truth, said: Said) -> Iterator[str]:
    """Fills and amounts that we tell and the broker does not know."""
    books = {order.rqname: order for order in truth.ours if order.rqname}
    for order_id, facts in sorted(said.facts.items()):
        order = books.get(order_id)
        filled, amount_krw = (0, 0) if order is None else (order.filled_shares, order.amount_krw)
        if facts.cum_qty_shares > filled:
            yield f"we say {facts.cum_qty_shares} filled of {order_id}, the broker {filled}"
        elif facts.cum_qty_shares == filled and facts.cum_amount_krw != amount_krw:
            yield f"we say {order_id} filled for {facts.cum_amount_krw} KRW, the broker {amount_krw}"


def _closings(truth: Truth, said: Said) -> Iterator[str]:
    """Each pair is closed once, or once more each time it was open again, with the money of its orders."""
    for pair_id, statements in sorted(said.closed.items()):
        times = Counter(closed.closings for closed in statements)
        if max(times.values()) > 1:
            yield f"pair {pair_id} was closed {max(times.values())} times"
    by_pair: dict[str, list[BrokerOrder]] = defaultdict(list)
    for order in truth.ours:
        by_pair[order.pair_id].append(order)
    for pair in said.last_closed():
        yield from _closing(pair, by_pair.get(pair.pair_id, []))
    for pair_id, approved in sorted(said.approved.items()):
        bought = _shares(by_pair.get(pair_id, []), Side.BUY)
        if bought > approved:
            yield f"pair {pair_id} bought {bought} shares, approved were {approved}"
    for pair_id in sorted(by_pair.keys() - said.closed.keys() - set(said.stranded)):
        filled = sum(order.filled_shares for order in by_pair[pair_id])
        if filled:
            yield f"pair {pair_id} filled {filled} shares at the broker and was never closed"
    for pair_id in sorted(said.still_open - set(said.stranded)):
        yield f"pair {pair_id} is still open"


def _closing(pair: PairClosed, orders: Sequence[BrokerOrder]) -> Iterator[str]:
    books = {
        "bought shares": (pair.bought_shares, _shares(orders, Side.BUY)),
        "bought KRW": (pair.bought_krw, _amount(orders, Side.BUY)),
        "sold shares": (pair.sold_shares, _shares(orders, Side.SELL)),
        "sold KRW": (pair.sold_krw, _amount(orders, Side.SELL)),
        "costs in KRW": (pair.commission_krw + pair.tax_krw, sum(order.costs_krw for order in orders)),
    }
    for what, (ours, theirs) in books.items():
        if ours != theirs:
            yield f"pair {pair.pair_id} was closed with {ours} {what}, the broker has {theirs}"
    if pair.sold_shares > pair.bought_shares:
        yield f"pair {pair.pair_id} sold {pair.sold_shares} and bought {pair.bought_shares}"
    if pair.sold_shares < pair.bought_shares and pair.outcome is not PairOutcome.CLAIMED:
        yield f"pair {pair.pair_id} was closed with {pair.bought_shares - pair.sold_shares} shares unsold"


def _shares(orders: Iterable[BrokerOrder], side: Side) -> int:
    return sum(order.filled_shares for order in orders if order.side is side)


def _amount(orders: Iterable[BrokerOrder], side: Side) -> int:
    return sum(order.amount_krw for order in orders if order.side is side)


def _position(truth: Truth, said: Said) -> Iterator[str]:
    """Nothing is left; what is left all the same is what named stranded positions hold, each alarmed."""
    named: Counter[str] = Counter()
    for pair_id in said.stranded:
        mark = said.marked[pair_id]
        named[mark.symbol] += mark.qty_shares
        yield f"pair {pair_id} is left stranded with {mark.qty_shares} shares of {mark.symbol}"
        if pair_id not in said.alarmed:
            yield f"the stranded position of {pair_id} was never alarmed"
    for code in sorted(truth.holdings.keys() | truth.start_holdings.keys() | named.keys()):
        held = truth.holdings.get(code, 0) - truth.start_holdings.get(code, 0)
        if held != named[code]:
            yield f"the account holds {held} of {code}, named as stranded are {named[code]}"


def _money(truth: Truth, said: Said) -> Iterator[str]:
    """Realised profit is the change of cash; what a stranded pair has paid so far stands apart."""
    realised = sum(pair.realised_pnl_krw for pair in said.last_closed())
    claimed = sum(
        pair.realised_pnl_krw - (pair.sold_krw - pair.bought_krw - pair.commission_krw - pair.tax_krw)
        for pair in said.last_closed()
        if pair.outcome is PairOutcome.CLAIMED
    )
    open_flow = sum(order.cash_flow_krw for order in truth.ours if order.pair_id in said.stranded)
    by_hand = sum(order.cash_flow_krw for order in truth.orders if order.by_hand)
    expected = realised - claimed + open_flow + by_hand
    if expected != truth.cash_change_krw:
        yield f"money differs: services say {expected:+,} KRW, the account {truth.cash_change_krw:+,} KRW"


def _books_of_risk(truth: Truth, said: Said, risk_pnl_krw: int | None) -> Iterator[str]:
    """Risk adds up orders, not pairs. While something is held or a person traded, cash says another thing."""
    by_hand = any(order.by_hand for order in truth.orders)
    if risk_pnl_krw is None or said.stranded or by_hand or risk_pnl_krw == truth.cash_change_krw:
        return
    yield f"risk says {risk_pnl_krw:+,} KRW, the account {truth.cash_change_krw:+,} KRW"


def _conduct(truth: Truth) -> Iterator[str]:
    """Rates, own orders against each other, orders left working, and shares sold that were not held."""
    checks = (
        (truth.orders_refused, f"the broker refused {truth.orders_refused} orders for their rate"),
        (truth.queries_refused, f"the broker refused {truth.queries_refused} queries for their rate"),
        (truth.max_orders_per_s > BROKER_ORDERS_PER_SECOND, f"{truth.max_orders_per_s} orders in one second"),
        (truth.max_queries_per_s > BROKER_QUERIES_PER_SECOND,
         f"{truth.max_queries_per_s} queries in one second"),
        (truth.self_trades, f"own orders met {truth.self_trades} times on one venue"),
    )  # fmt: skip
    yield from (words for wrong, words in checks if wrong)
    for order in truth.ours:
        if order.action == NEW and not order.closed:
            yield f"order {order.order_no} ({order.rqname}) still works at the broker"
    yield from _oversold(truth)


def _oversold(truth: Truth) -> Iterator[str]:
    """No pair ever sold more than it had bought by then."""
    moves = sorted(
        (fill.ts_ns, order.side is Side.SELL, order.pair_id, fill.qty_shares)
        for order in truth.ours
        for fill in order.fills
    )
    held: Counter[str] = Counter()
    for _, sells, pair_id, qty_shares in moves:
        held[pair_id] += -qty_shares if sells else qty_shares
        if held[pair_id] < 0:
            yield f"pair {pair_id} had sold {-held[pair_id]} shares more than it had bought"
            held[pair_id] = 0
