"""One checker for each invariant of the design, against the world's own books.

A checker is fed what happened (`Sighting`s, in order) and the truth of the world; it returns sentences,
one for each violation. It never looks at what a service believes except to compare it with the truth.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from services.contracts.envelope import Envelope
from services.contracts.ids import pair_id_of
from services.contracts.in_force import Reference
from services.contracts.limits import APPROVAL_TTL_MS, BROKER_ORDERS_PER_SECOND, ENTRY_WAIT_MS, NS_PER_MS
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.control import (
    ReferencePublished,
)
from services.contracts.messages.intents import TradeIntent
from services.contracts.messages.orders import OrderFacts, ReconciliationCompleted
from services.contracts.messages.pairs import (
    ClipRecomputed,
    PairApproved,
    PairClosed,
    PairDenied,
    ResidualMarked,
)
from services.contracts.terms import Severity, Side, Venue
from services.contracts.trading_limits import TradingLimits
from services.detector.intents import recomputed
from services.market.edge import clip_allowed, executable_edge
from services.market.hoga import OrderAction
from services.simulator.virtual.sends import EntrySent, ExitSent


@dataclass
class Witness:
    """All that is remembered of a day. `books` is the world's snapshot at its end."""

    limits: TradingLimits = field(default_factory=TradingLimits)
    entries: list[EntrySent] = field(default_factory=list)
    exits: list[ExitSent] = field(default_factory=list)
    said: dict[str, Envelope] = field(default_factory=dict)
    """Every message that was ever written, by id, also what the bus forgot later."""
    kept: dict[str, Envelope] = field(default_factory=dict)
    """What the streams hold at the end, by id."""
    exposures: list[tuple[int, str, int]] = field(default_factory=list)
    """(ns, symbol or "" for all, worst case in KRW) where a limit was passed."""
    second_pairs: list[tuple[int, str, str]] = field(default_factory=list)
    """(ns, pair id, pair id) of an approval in a symbol of which another pair was open."""
    left_over: list[tuple[int, str]] = field(default_factory=list)
    """(ns, order id) of entries that were open at the broker while their venue paused."""
    trips_passed: list[tuple[int, str, int]] = field(default_factory=list)
    """(ns, pair id, trips) of an approval in a symbol that had made all the trips of its day."""
    rushed: list[tuple[int, str]] = field(default_factory=list)
    """(ns, order id) of what was sent within a second of a refusal for the rate."""
    asked_against: list[tuple[str, str]] = field(default_factory=list)
    """(order id, order id) of a sell that was asked for and the buy of its pair that worked there."""
    given_up: list[tuple[str, int, int]] = field(default_factory=list)
    """(pair id, orders, orders due) of a pair whose liquidation was given up too early."""
    let_through: list[str] = field(default_factory=list)
    """What `Probes` found."""
    untrue: list[str] = field(default_factory=list)
    """What `Statements` found."""
    opposed: list[tuple[int, str]] = field(default_factory=list)
    """(ns, order id) of orders that worked on a venue where one of ours of the other side did."""
    could_arrive: list[str] = field(default_factory=list)
    """The id of each SendOrder that did not come back with a code that means "not sent"."""
    failures: list[str] = field(default_factory=list)
    """Processes that ended by a failure of their own."""
    books: Mapping[str, Any] = field(default_factory=dict)
    known: Mapping[str, OrderFacts] | None = None
    """What the gateway knew of each order at the end; None where it was not running."""
    risk_cash_flow_krw: int | None = None
    """What risk's books said at the end that all pairs brought in cash; None where nobody asked it."""
    healed_in_time: bool = False
    """Whether both venues went on trading for long after the world healed."""

    def of(self, kind: type[Any]) -> list[Any]:
        """Messages of a kind that the streams hold at the end."""
        return [envelope.body for envelope in self.kept.values() if isinstance(envelope.body, kind)]

    def ever(self, kind: type[Any]) -> list[Any]:
        """Messages of a kind that were ever written."""
        return [envelope.body for envelope in self.said.values() if isinstance(envelope.body, kind)]

    def orders(self) -> list[Mapping[str, Any]]:
        """The broker's orders that are ours, by their rqname."""
        return [order for order in self.books["orders"] if not order["by_hand"]]


def at_most_once(day: Witness) -> list[str]:
    """I1: one order id, at most one SendOrder that could have arrived."""
    arrived = Counter(a["rqname"] for a in day.books["arrivals"] if not a["by_hand"])
    found = [
        f"I1 {order_id} reached the broker {count} times" for order_id, count in arrived.items() if count > 1
    ]
    could = Counter(day.could_arrive)
    return found + [
        f"I1 {order_id} was sent {count} times that could have arrived"
        for order_id, count in could.items()
        if count > 1
    ]


def never_oversold(day: Witness) -> list[str]:
    """I2: fills of a pair never exceed its approval; at no moment more sold than bought."""
    approved = {pair.pair_id: pair.qty_shares for pair in day.ever(PairApproved)}
    fills: dict[str, list[tuple[int, int, str, int]]] = defaultdict(list)
    for order in day.orders():
        pair_id = order["rqname"].split(".")[0]
        for fill in order["fills"]:
            fills[pair_id].append(
                (fill["ts_ns"], int(fill["execution_no"]), order["side"], fill["qty_shares"])
            )
    found = []
    for pair_id, rows in fills.items():
        bought = sold = 0
        for _, _, side, qty in sorted(rows):
            bought, sold = (bought + qty, sold) if side == Side.BUY.value else (bought, sold + qty)
            if sold > bought:
                found.append(f"I2 {pair_id} sold {sold} of {bought} bought")
                break
        if bought > approved.get(pair_id, 0):
            found.append(f"I2 {pair_id} bought {bought}, approved {approved.get(pair_id, 0)}")
    return found + [
        f"I2 {sent.order_id} was to sell {sent.qty_shares} of {sent.free_shares} free"
        for sent in day.exits
        if sent.qty_shares > sent.free_shares
    ]


def exposure_within_limits(day: Witness) -> list[str]:
    """I3: worst-case exposure within limits after every event, and one open pair a symbol."""
    found = [f"I3 at {ns}: {symbol or 'all'} stand for {krw:,} KRW" for ns, symbol, krw in day.exposures]
    found += [
        f"I3 at {ns}: {pair_id} was approved while {other} was open"
        for ns, pair_id, other in day.second_pairs
    ]
    return found + [
        f"I3 at {ns}: {pair_id} was approved after {trips} trips of its symbol"
        for ns, pair_id, trips in day.trips_passed
    ]


def no_entry_after_a_stop(day: Witness) -> list[str]:
    """I4: after a stop at any step, no later entry order; none without a lease; in a halt nothing is sold
    but by a person."""
    found = [f"I4 {sent.order_id} was sent in a halt" for sent in day.entries if sent.halted]
    found += [f"I4 {sent.order_id} was sent while not armed" for sent in day.entries if not sent.armed]
    found += [
        f"I4 {sent.order_id} was sold in a halt" for sent in day.exits if sent.halted and not sent.by_person
    ]
    found += [
        f"I4 {sent.order_id} was sent on a lease held {sent.lease_beyond_ns / 1e6:.0f} ms beyond its renewal"
        for sent in day.entries
        if sent.lease_beyond_ns > 0
    ]
    return found + [
        f"I4 {sent.order_id} was sent {-sent.lease_left_ns / 1e6:.0f} ms after the lease"
        for sent in day.entries
        if sent.lease_left_ns < 0
    ]


def our_books_are_the_brokers(day: Witness) -> list[str]:
    """I5: no effect twice, none lost: what closed pairs say was filled is what the broker filled."""
    ours = {pair.pair_id: pair for pair in day.of(PairClosed)}
    closings = Counter(_closing(pair) for pair in day.of(PairClosed))
    found = [f"I5 {pair_id} was closed twice" for (pair_id, _), count in closings.items() if count > 1]
    truth: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for order in day.orders():
        sums = truth[order["rqname"].split(".")[0]]
        at = 0 if order["side"] == Side.BUY.value else 2
        sums[at] += order["filled_shares"]
        sums[at + 1] += order["amount_krw"]
    for pair_id, pair in ours.items():
        sums = truth[pair_id]
        said = [pair.bought_shares, pair.bought_krw, pair.sold_shares, pair.sold_krw]
        if said != sums:
            found.append(f"I5 {pair_id} closed with {said}, the broker filled {sums}")
    differences = {"; ".join(m.differences) for m in day.ever(ReconciliationCompleted) if m.differences}
    return [*found, *_gateway_knows(day), *(f"I5 the gateway found: {text}" for text in sorted(differences))]


def _gateway_knows(day: Witness) -> list[str]:
    """The gateway's orders of the day are the broker's, each to its last share and won."""
    if day.known is None:
        return []
    found = []
    for order in day.orders():
        if order["action"] != OrderAction.NEW:
            continue
        facts = day.known.get(order["rqname"])
        if facts is None:
            found.append(f"I5 the gateway knows nothing of {order['rqname']}")
            continue
        said = (facts.cum_qty_shares, facts.cum_amount_krw, facts.commission_krw, facts.tax_krw, facts.closed)
        due = (
            order["filled_shares"], order["amount_krw"], order["commission_krw"], order["tax_krw"],
            order["closed"] is not None,
        )  # fmt: skip
        if said != due:
            found.append(f"I5 the gateway says {said} of {order['rqname']}, the broker {due}")
    return found


def _closing(pair: PairClosed) -> tuple[str, int]:
    """Which closing of which pair: a fill told late opens a pair again, and it is closed once more."""
    return pair.pair_id, pair.closings


def everything_closes(day: Witness) -> list[str]:
    """I6: when the world healed, every pair is closed and neutral, or named as stranded with an alarm."""
    closed = {pair.pair_id for pair in day.of(PairClosed)}
    stranded = {mark.pair_id for mark in day.of(ResidualMarked)} - closed
    alarmed = {a.pair_id for a in day.ever(AlertRaised) if a.severity is Severity.CRITICAL}
    found = [f"I6 stranded {pair_id} raised no alarm" for pair_id in stranded - alarmed]
    found += [f"I6 {pair_id} was given up after {n} orders of {due}" for pair_id, n, due in day.given_up]
    if day.healed_in_time:
        found += [f"I6 {pair_id} is stranded though all venues traded on" for pair_id in sorted(stranded)]
    held: Counter[str] = Counter()
    for order in day.orders():
        sign = 1 if order["side"] == Side.BUY.value else -1
        held[order["rqname"].split(".")[0]] += sign * order["filled_shares"]
    for pair in day.of(PairApproved):
        if pair.pair_id not in closed | stranded:
            found.append(
                f"I6 {pair.pair_id} is neither closed nor named as stranded; it holds {held[pair.pair_id]}"
            )
    found += [f"I6 closed {pair_id} holds {held[pair_id]}" for pair_id in closed if held[pair_id]]
    named = closed | stranded | {pair.pair_id for pair in day.of(PairApproved)}
    return found + [
        f"I6 nobody names {pair_id}, and it holds {qty}"
        for pair_id, qty in held.items()
        if qty and pair_id not in named
    ]


def money_to_the_won(day: Witness) -> list[str]:
    """I7: profit, commission and tax of closed pairs are what their orders did to the account's cash, and
    risk's books of the day say the same."""
    closed = {pair.pair_id: pair.realised_pnl_krw for pair in day.of(PairClosed)}
    charged = {pair.pair_id: (pair.commission_krw, pair.tax_krw) for pair in day.of(PairClosed)}
    cash: Counter[str] = Counter()
    costs: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for order in day.orders():
        sign = -1 if order["side"] == Side.BUY.value else 1
        change = sign * order["amount_krw"] - order["commission_krw"] - order["tax_krw"]
        pair_id = order["rqname"].split(".")[0]
        cash[pair_id] += change
        commission_krw, tax_krw = costs[pair_id]
        costs[pair_id] = commission_krw + order["commission_krw"], tax_krw + order["tax_krw"]
    found = [
        f"I7 {pair_id} says {said} KRW of commission and tax, the account says {costs[pair_id]}"
        for pair_id, said in charged.items()
        if said != costs[pair_id]
    ]
    found += _charged_by_the_rates(day)
    if day.risk_cash_flow_krw not in (None, sum(cash.values())):
        said_krw, cash_krw = day.risk_cash_flow_krw, sum(cash.values())
        found.append(f"I7 risk's books say {said_krw:+,} KRW, the account says {cash_krw:+,}")
    return found + [
        f"I7 {pair_id} says {krw:+,} KRW, the account says {cash[pair_id]:+,}"
        for pair_id, krw in closed.items()
        if krw != cash[pair_id]
    ]


def _charged_by_the_rates(day: Witness) -> list[str]:
    """Commission and both taxes are shares of what an order filled for, each without its part of a won."""
    references: list[Reference] = [published.reference for published in day.of(ReferencePublished)]
    found = []
    for order in day.orders():
        costs = references[0].costs_of(order["code"]) if references else None
        if costs is None:
            continue
        rates = [costs.transaction_tax_rate, costs.rural_tax_rate] if order["side"] == Side.SELL.value else []
        tax_krw = sum(int(order["amount_krw"] * rate) for rate in rates)
        rate = costs.commission.krx if order["venue"] == Venue.KRX.value else costs.commission.nxt
        commission_krw = int(order["amount_krw"] * rate)
        if (order["commission_krw"], order["tax_krw"]) != (commission_krw, tax_krw):
            found.append(
                f"I7 {order['rqname']} cost {order['commission_krw']}+{order['tax_krw']} KRW, by the rates "
                f"{commission_krw}+{tax_krw}"
            )
    return found


def within_the_brokers_rates(day: Witness) -> list[str]:
    """I8: never more than 5 orders, nor 5 queries, in any sliding second at the broker."""
    orders, queries = day.books["max_orders_per_s"], day.books["max_queries_per_s"]
    turned_away = [
        f"I8 {day.books[key]} {what} too many for a second were turned away"
        for what, key in (("orders", "orders_refused"), ("queries", "queries_refused"))
        if day.books[key]
    ]
    turned_away += [f"I8 {order_id} was sent at {ns} into a full second" for ns, order_id in day.rushed]
    return turned_away + [
        f"I8 {count} {what} in one second"
        for what, count in (("orders", orders), ("queries", queries))
        if count > 5
    ]


def exits_have_room(day: Witness) -> list[str]:
    """I12: an entry leaves only where its own first sell, and those of other pairs, still fit into the
    broker's second, and never late."""
    limit_ns = ENTRY_WAIT_MS * NS_PER_MS
    found = [
        f"I12 {s.order_id} left with {s.calls} sent and {s.owed} owed, and its sell needs {s.sell_needs}"
        for s in day.entries
        if s.calls + s.owed + 1 + s.sell_needs > BROKER_ORDERS_PER_SECOND
    ]
    return found + [
        f"I12 {s.order_id} left {s.waited_ns // NS_PER_MS} ms after its arrival"
        for s in day.entries
        if s.waited_ns > limit_ns
    ]


def only_in_the_windows(day: Witness) -> list[str]:
    """I9: no entry outside the windows; no entry order open across a pause."""
    found = [
        f"I9 {sent.order_id} was sent outside the window" for sent in day.entries if not sent.window_open
    ]
    found += [
        f"I9 {s.order_id} was sent to a venue that paused" for s in day.entries if not s.venue_continuous
    ]
    return found + [f"I9 {order_id} was open across a pause at {ns}" for ns, order_id in day.left_over]


def own_orders_never_meet(day: Witness) -> list[str]:
    """I10: own orders never meet on one venue."""
    found = [f"I10 {day.books['self_trades']} own trades"] if day.books["self_trades"] else []
    found += [f"I10 {sell} was asked for where {buy} works" for sell, buy in day.asked_against]
    return found + [f"I10 {order_id} worked against our own at {ns}" for ns, order_id in day.opposed]


def within_what_was_decided(day: Witness) -> list[str]:
    """I13: an order leaves within the life of its command; an entry at the price and size of its approval, a
    sell neither below break-even or the loss bound nor, of a residual, short of the bid."""
    found = []
    sends: list[EntrySent | ExitSent] = [*day.entries, *day.exits]
    for sent in sends:
        if sent.expired_ns > 0:
            late_ms = sent.expired_ns // NS_PER_MS
            found.append(f"I13 {sent.order_id} left {late_ms} ms after its command ended")
        if sent.price_krw and not sent.bounds.allows(sent.price_krw):
            found.append(f"I13 {sent.order_id} left at {sent.price_krw} KRW, which is beyond {sent.bounds}")
    return found + [
        f"I13 {entry.order_id} was to buy {entry.qty_shares} of a clip of {entry.clip_shares}"
        for entry in day.entries
        if entry.qty_shares > entry.clip_shares > 0
    ]


def nothing_slips_through(day: Witness) -> list[str]:
    """I15: what passes the last gate, or risk, would not pass with any one thing wrong that forbids it."""
    return [f"I15 {sentence}" for sentence in day.let_through]


def told_as_it_is(day: Witness) -> list[str]:
    """I14: in every step what the gateway tells of an order is the broker's, and risk's money and trips are
    the account's once it has heard all."""
    return [f"I14 {sentence}" for sentence in day.untrue]


def decisions_recompute(day: Witness) -> list[str]:
    """I11: each decision names its inputs and clock value, and gives the same again."""
    references: dict[str, Reference] = {p.reference_hash: p.reference for p in day.of(ReferencePublished)}
    found = []
    for intent in day.of(TradeIntent):
        reference = references.get(intent.reference_hash)
        if reference is None or recomputed(intent, reference) != intent:
            found.append(f"I11 intent {intent.intent_id} does not compute again")
    return found + _verdicts_recompute(day, references) + _clips_recompute(day, references)


def _verdicts_recompute(day: Witness, references: Mapping[str, Reference]) -> list[str]:
    """An approval follows from its intent; a denial's figures are the reason that it names."""
    intents = {intent.intent_id: intent for intent in day.of(TradeIntent)}
    found = []
    for pair in day.of(PairApproved):
        intent, reference = intents.get(pair.intent_id), references.get(pair.reference_hash)
        if reference is None or (intent is not None and not _follows(pair, intent, reference)):
            found.append(f"I11 approval {pair.pair_id} does not follow from its intent")
    for denied in day.of(PairDenied):
        figures = dict(word.split("=", 1) for word in denied.detail.split() if "=" in word)
        if "worst_krw" in figures and int(figures["worst_krw"]) <= int(figures["limit_krw"]):
            found.append(f"I11 intent {denied.intent_id} was denied with {denied.detail}")
    return found


def _follows(pair: PairApproved, intent: TradeIntent, reference: Reference) -> bool:
    """Neither limit may lie above the intent's: risk's own books, newer than these, can only lower it."""
    said = (
        pair.pair_id, pair.symbol, pair.trading_date, pair.buy_venue, pair.sell_venue, pair.qty_shares,
        pair.clip_shares, pair.expires_at_ns,
    )  # fmt: skip
    due = (
        pair_id_of(intent.intent_id), intent.symbol, intent.trading_date, intent.side_a.venue,
        intent.side_b.venue, intent.qty_shares,
        clip_allowed(reference.limits, intent.side_a.price_krw, intent.qty_shares),
        pair.approved_at_ns + APPROVAL_TTL_MS * NS_PER_MS,
    )  # fmt: skip
    within = pair.buy_limit_krw <= intent.side_a.price_krw and pair.sell_limit_krw <= intent.side_b.price_krw
    return said == due and within and pair.approved_at_ns <= intent.expires_at_ns


def _clips_recompute(day: Witness, references: Mapping[str, Reference]) -> list[str]:
    """A clip goes on only if its own two quotes pay for it, with the net edge that it says."""
    pairs = {pair.pair_id: pair for pair in day.of(PairApproved)}
    return [
        f"I11 clip {clip.clip} of {clip.pair_id} does not compute again"
        for clip in day.of(ClipRecomputed)
        if clip.pair_id in pairs and not _clip_follows(clip, pairs[clip.pair_id], references)
    ]


def _clip_follows(clip: ClipRecomputed, pair: PairApproved, references: Mapping[str, Reference]) -> bool:
    """Whether some size of a clip gives its figures. One that stopped before the arithmetic has none."""
    reference = references.get(pair.reference_hash)
    if not clip.proceed and clip.net_edge_krw == 0:
        return True
    if reference is None or clip.quote_buy is None or clip.quote_sell is None:
        return False
    costs, limits = reference.costs_of(clip.symbol), reference.limits
    asks, bids = clip.quote_buy.quote.asks, clip.quote_sell.quote.bids
    if costs is None or (clip.quote_buy.quote.venue, clip.quote_sell.quote.venue) != (
        pair.buy_venue, pair.sell_venue,
    ):  # fmt: skip
        return False
    for qty_shares in range(1, pair.clip_shares + 1):
        again = executable_edge(costs, limits, pair.buy_venue, asks, pair.sell_venue, bids, qty_shares)
        if again is None or again.net_krw != clip.net_edge_krw:
            continue
        row = reference.threshold_of(clip.symbol).of_part(qty_shares, pair.qty_shares)
        pays = again.reaches(limits, row) and not again.beyond_ceiling(limits)
        if not clip.proceed or (pays and again.buy_price_worst_krw <= pair.buy_limit_krw):
            return True
    return False


def nothing_failed(day: Witness) -> list[str]:
    """No process ends by a failure of its own: faults come from outside."""
    return [f"FAILED {sentence}" for sentence in day.failures]


CHECKERS: tuple[Callable[[Witness], list[str]], ...] = (
    at_most_once,
    never_oversold,
    exposure_within_limits,
    no_entry_after_a_stop,
    our_books_are_the_brokers,
    everything_closes,
    money_to_the_won,
    within_the_brokers_rates,
    exits_have_room,
    only_in_the_windows,
    own_orders_never_meet,
    within_what_was_decided,
    nothing_slips_through,
    told_as_it_is,
    decisions_recompute,
    nothing_failed,
)


def violations(day: Witness) -> list[str]:
    """Every violation of every invariant, a sentence each."""
    return [sentence for checker in CHECKERS for sentence in checker(day)]
