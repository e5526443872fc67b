"""A day has to be worth something: what an order could have earned for certain was tried.

For each cross that stood in the true books the judge asks a counterfactual: had an order been sent at its
first frame, would both legs have filled above the threshold in force? They would, where the quantity stood at
these prices for as long as the slowest frame, decision, orders and report of the day take together. Where the
desk then was armed, nothing had struck, no limit bound and no other pair was open, some entry of the symbol
must have been sent. Only what is certain counts: a cross that any of this leaves in doubt is not judged.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from math import ceil

from services.contracts.limits import NS_PER_MS, NS_PER_S
from services.contracts.messages.control import StopRequested, TradingStateChanged
from services.contracts.messages.orders import CommandDenied, ForeignOrderSeen
from services.contracts.messages.pairs import (
    ClipRecomputed,
    PairApproved,
    PairClosed,
    PairDenied,
    ResidualMarked,
    ResidualOpened,
)
from services.contracts.reasons import DenialReason, GateReason
from services.contracts.terms import Market, Side, TradingState, Venue
from services.contracts.trading_limits import BufferRule
from services.lab import rules
from services.lab.breach import Fact, Found, invariant
from services.lab.broker_books import CrossPoint, StandingCross
from services.lab.record import Record, Span

BUYS = (1, 21)
"""nOrderType of a new buy on KRX and on NXT (Kiwoom sheet 4.3)."""
MARGIN_BPS = 3
"""So much more than the threshold a cross must be worth to be judged: sizes round differently."""
FRESH_MARGIN_MS = 300
"""So much younger than the limits ask the books must be: a frame is on its way for a while."""
RECENT_NS = 2 * NS_PER_S
"""A cross that was traded so shortly before cools down."""
CALLS_LEFT = 2
"""So many orders of the last second leave room for an entry and its sells."""
SAID_NO = frozenset(
    {
        DenialReason.EDGE_GONE, DenialReason.STALE_QUOTE, DenialReason.QUOTE_SKEW, DenialReason.EXPIRED,
        DenialReason.ORDERS_SPENT, DenialReason.LOSS_LIMIT, DenialReason.REPEATED, DenialReason.CASH,
        DenialReason.NOT_READY,
    }
)  # fmt: skip
"""Denials that a cross of certain worth may meet: its larger size moved, or its symbol is done for today."""


@invariant("I16", Fact.MESSAGES | Fact.CROSSES)
def no_cross_is_missed(day: Record) -> Iterator[Found]:
    """Where an order sent at the first frame of a cross would for certain have filled both legs above the
    threshold, armed and ungated, an entry was sent."""
    worth = list(worthwhile(day))
    if not worth:
        return
    gates = _gates_of(day)
    for at_ns, cross in worth:
        if gates.allow(cross, at_ns, at_ns + day.slowest_ns):
            side = f"bought on {cross.buy_venue}"
            yield at_ns, f"a cross of {cross.code}, {side}, stood and paid, and nothing was sent"


@invariant("I16", Fact.MESSAGES | Fact.BROKER)
def something_was_traded(day: Record) -> Iterator[Found]:
    """A day that was run to show trading trades, unless no cross of it certainly paid."""
    if not day.trades_expected or any(pair.trip for pair in day.of(PairClosed)):
        return
    paid = sum(1 for _ in worthwhile(day))
    if paid or day.truth.crosses is None:
        yield f"nothing was traded, and {paid} crosses stood and paid"


def worthwhile(day: Record) -> Iterator[tuple[int, StandingCross]]:
    """Yield (ns, cross) of every first moment from which on a cross certainly paid for long enough."""
    for cross in day.truth.crosses or ():
        for at_ns in _first_moments(day, cross):
            yield at_ns, cross


def _first_moments(day: Record, cross: StandingCross) -> Iterator[int]:
    market = day.truth.markets.get(cross.code)
    if market is None or not day.trading_date or not day.slowest_ns:
        return
    since_ns = 0
    edges = [*(point.at_ns for point in cross.points), cross.until_ns]
    for point, (from_ns, until_ns) in zip(cross.points, pairwise(edges), strict=True):
        if not _pays(day, Market(market), cross.buy_venue, point) or not _fresh(day, point, until_ns):
            since_ns = 0
            continue
        since_ns = since_ns or from_ns
        if until_ns - since_ns > day.slowest_ns:
            yield since_ns
            return


def _pays(day: Record, market: Market, buy_venue: Venue, point: CrossPoint) -> bool:
    """Whether one share earns more than the threshold, and both sides show enough for it to count."""
    limits, date, ask_krw, bid_krw = day.limits, day.trading_date, point.ask_krw, point.bid_krw
    if min(point.ask_shares, point.bid_shares) * limits.max_displayed_share_pct < 100:
        return False
    costs_krw = rules.costs_krw(date, market, buy_venue, Side.BUY, ask_krw)
    costs_krw += rules.costs_krw(date, market, buy_venue.other, Side.SELL, bid_krw)
    net_krw, tick_krw = bid_krw - ask_krw - costs_krw, rules.tick_krw(market, bid_krw)
    due_krw = _due_krw(day, bid_krw, tick_krw, costs_krw)
    too_good = net_krw * 10_000 > (limits.sanity_ceiling_bps - MARGIN_BPS) * ask_krw
    return net_krw >= due_krw + ask_krw * MARGIN_BPS // 10_000 and not too_good


def _due_krw(day: Record, bid_krw: int, tick_krw: int, costs_krw: int) -> int:
    """What one share has to earn net by `limits.toml` and `threshold.toml`, rounded up."""
    limits, rule = day.limits, day.limits.buffer_rule
    buffer_krw = Decimal(bid_krw * limits.buffer_bps) / 10_000
    if rule is BufferRule.COST_PLUS_MAX_OF_BP_AND_TICK:
        return ceil(max(buffer_krw, Decimal(tick_krw)))
    plain_krw = max(buffer_krw, Decimal(tick_krw - costs_krw))
    if rule is BufferRule.MAX_OF_COST_PLUS_BP_AND_TICK:
        return ceil(plain_krw)
    return max(ceil(plain_krw + bid_krw * day.threshold.miss_bps / 10_000), day.threshold.floor_krw)


def _fresh(day: Record, point: CrossPoint, until_ns: int) -> bool:
    """Whether neither book is older, until the next change, than an order may go by."""
    limits = day.limits
    oldest_ms = min(limits.max_quote_age_buy_ms, limits.max_quote_age_sell_ms, limits.max_quote_skew_ms)
    return until_ns - point.stalest_ns < (oldest_ms - FRESH_MARGIN_MS) * NS_PER_MS


@dataclass(frozen=True, slots=True)
class Gates:
    """What may rightly keep the desk from a cross."""

    day: Record
    armed: tuple[Span, ...]
    busy: tuple[Span, ...]
    """While a pair is open, anywhere."""
    excused: Mapping[str, list[int]]
    """By symbol, when something was said that may rightly end it."""
    barred: Mapping[str, tuple[Span, ...]]
    """By symbol, when it is left alone."""
    tried: Mapping[str, list[int]]
    calls_ns: tuple[int, ...]

    def allow(self, cross: StandingCross, from_ns: int, until_ns: int) -> bool:
        """Whether nothing kept the desk from sending, and it did not."""
        code, span = cross.code, (from_ns, until_ns)
        spans = (self.day.calm_ns, self.day.windows_ns, self.armed)
        if not all(_covered(span, among) for among in spans):
            return False
        shut = (*self.busy, *self.barred.get(code, ()))
        if any(since < until_ns and from_ns < over for since, over in shut):
            return False
        if _any_within(self.excused[code], from_ns, until_ns):
            return False
        recent = bisect_right(self.calls_ns, until_ns) - bisect_right(self.calls_ns, from_ns - NS_PER_S)
        return recent <= CALLS_LEFT and not _any_within(self.tried[code], from_ns - RECENT_NS, until_ns)


def _covered(span: Span, among: Iterable[Span]) -> bool:
    return any(since <= span[0] and span[1] <= until for since, until in among)


def _any_within(times: Iterable[int], from_ns: int, until_ns: int) -> bool:
    return any(from_ns <= at_ns <= until_ns for at_ns in times)


def _gates_of(day: Record) -> Gates:
    tried: dict[str, list[int]] = defaultdict(list)
    for arrival in day.truth.arrivals:
        if arrival.order_type in BUYS and not arrival.by_hand:
            tried[arrival.code].append(arrival.received_ns)
    calls = sorted(arrival.received_ns for arrival in day.truth.arrivals if not arrival.by_hand)
    return Gates(day, _armed(day), _busy(day), _excused(day), _barred(day), tried, tuple(calls))


def _armed(day: Record) -> tuple[Span, ...]:
    """From each word of risk that the desk is armed to the next word, or request, that it is not."""
    spans, since_ns, last_ns = [], 0, 0
    for envelope in day.written(TradingStateChanged, StopRequested):
        body, last_ns = envelope.body, envelope.ts_init_ns
        armed = isinstance(body, TradingStateChanged) and body.state is TradingState.ARMED
        if armed and not since_ns:
            since_ns = last_ns
        elif not armed and since_ns:
            spans.append((since_ns, last_ns))
            since_ns = 0
    if since_ns:
        spans.append((since_ns, max((until for _, until in day.windows_ns), default=since_ns)))
    return tuple(spans)


def _busy(day: Record) -> tuple[Span, ...]:
    """From each approval to the end of its pair; one that a residual opens again goes on."""
    began: dict[str, int] = {}
    spans = []
    for envelope in day.written(PairApproved, ResidualOpened, ResidualMarked, PairClosed):
        body, at_ns = envelope.body, envelope.ts_init_ns
        if isinstance(body, PairClosed):
            spans.append((began.pop(body.pair_id, at_ns), at_ns))
        else:
            began.setdefault(body.pair_id, at_ns)
    never_ns = max((until for _, until in day.windows_ns), default=0)
    return (*spans, *((since_ns, max(since_ns, never_ns)) for since_ns in began.values()))


def _excused(day: Record) -> Mapping[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for envelope in day.written(PairDenied, ClipRecomputed, CommandDenied):
        body = envelope.body
        if not isinstance(body, ClipRecomputed):
            excuses = body.reason in SAID_NO or (isinstance(body, CommandDenied) and _passing(body.reason))
        else:
            excuses = not body.proceed
        if excuses:
            found[body.symbol].append(envelope.ts_init_ns)
    return found


def _passing(reason: GateReason) -> bool:
    return reason.of_the_moment


def _barred(day: Record) -> Mapping[str, tuple[Span, ...]]:
    """A symbol is out for a while after each loss, and for good of an order of a person or with its trips
    spent."""
    end_ns = max((until for _, until in day.windows_ns), default=0)
    barred: dict[str, list[Span]] = defaultdict(list)
    pairs: Counter[str] = Counter()
    losses: Counter[str] = Counter()
    most = min(day.limits.max_trips_per_symbol, day.limits.max_pairs_per_symbol_window)
    for envelope in day.written(ResidualOpened, ResidualMarked, ForeignOrderSeen, PairClosed, PairApproved):
        body, at_ns = envelope.body, envelope.ts_init_ns
        symbol, closed = body.symbol, isinstance(body, PairClosed)
        pairs[symbol] += isinstance(body, PairApproved)
        if isinstance(body, ResidualOpened) or (closed and body.sold_shares and body.realised_pnl_krw < 0):
            losses[symbol] += 1
            lasts_ns = day.limits.ghost_bar_ms * NS_PER_MS * 2 ** losses[symbol]
            barred[symbol].append((at_ns, at_ns + lasts_ns))
        if isinstance(body, ForeignOrderSeen | ResidualMarked) or pairs[symbol] >= most:
            barred[symbol].append((at_ns, max(at_ns, end_ns)))
    return {symbol: tuple(spans) for symbol, spans in barred.items()}
