"""What the gateway shows at a scrape: feed, day, connection, orders, the broker's limits, stops."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product

from services.contracts.limits import NS_PER_S
from services.contracts.measures import gateway as m
from services.contracts.messages.market_data import BookTrouble
from services.contracts.messages.venue_state import ConnectionState, HaltKind
from services.contracts.metric import Reading, seconds, seconds_of_ms, states
from services.contracts.terms import GatewayMode, SessionPhase, Symbol, TradingState, Venue
from services.gateway.date_desk import table_ends
from services.gateway.limiter import ORDER_LADDER, QUERY_LADDER, History, Ladder, tokens
from services.gateway.order_budget import exits_owed
from services.gateway.order_table import Stage
from services.gateway.state import GatewayState
from services.market.hoga import OrderAction

WINDOWS = ("1s", "3m", "1h")
"""What the rungs of a ladder are called, shortest first."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the shell last left: the core's state and what only the shell counts. Times in ns."""

    state: GatewayState
    now_ns: int
    mono_ns: int
    frames: Mapping[Venue, int] = field(default_factory=dict)
    last_book_ns: Mapping[Venue, int] = field(default_factory=dict)
    apart_ns: Mapping[Venue, int] = field(default_factory=dict)
    refused: Mapping[tuple[Venue, BookTrouble], int] = field(default_factory=dict)
    queues: Mapping[str, int] = field(default_factory=dict)
    published: int = 0
    conflated: int = 0
    control_failures: int = 0


def readings(seen: Seen, mono_ns: int) -> Iterable[Reading]:
    """Return every figure at a monotonic time after what was seen."""
    now_ns = seen.now_ns + mono_ns - seen.mono_ns
    yield from _feed(seen, now_ns)
    yield from _day(seen.state, now_ns)
    yield from _connection(seen.state)
    yield from _orders(seen.state, now_ns)
    yield from _limits(seen.state, now_ns)
    yield from _stops(seen.state, mono_ns)


def _feed(seen: Seen, now_ns: int) -> Iterable[Reading]:
    state = seen.state
    for venue in Venue:
        yield m.QUOTES.at(seen.frames.get(venue, 0), venue)
        yield m.FEED_ALIVE.at(state.rhythm.alive.get(venue, False), venue)
    for venue, trouble in product(Venue, BookTrouble):
        yield m.FRAMES_REFUSED.at(seen.refused.get((venue, trouble), 0), venue, trouble)
    for venue, at_ns in seen.last_book_ns.items():
        yield m.QUOTE_AGE.at(max(0.0, seconds(now_ns - at_ns)), venue)
    for venue, apart_ns in seen.apart_ns.items():
        yield m.TIME_APART.at(seconds(apart_ns), venue)
    yield m.PUBLISHED.at(seen.published)
    yield m.CONFLATED.at(seen.conflated)
    yield m.CODES.at(sum(len(item.codes) for item in state.registered))
    yield m.CONTROL_FAILURES.at(seen.control_failures)
    for queue, count in {**seen.queues, "commands": len(state.queue)}.items():
        yield m.QUEUE.at(count, queue)


def _day(state: GatewayState, now_ns: int) -> Iterable[Reading]:
    for venue in Venue:
        yield from states(m.PHASE, SessionPhase, state.session.phases.get(venue), venue)
        for kind in HaltKind:
            yield m.HALTED_SYMBOLS.at(len(_halted(state, venue, kind)), venue, kind)
    window = state.session.window
    yield m.WINDOW.at(window.open and now_ns < window.closes_at_ns)
    yield m.MARKET_TIME.at(seconds(state.clock.market_ns(now_ns)))
    for file, end in table_ends(state).items():
        yield m.TABLE_LEFT.at(end.days * 86_400, file)
    for finding in state.dates.findings:
        yield m.PROVISIONAL.at(finding.provisional, finding.subject)


def _halted(state: GatewayState, venue: Venue, kind: HaltKind) -> list[Symbol]:
    return [symbol for (symbol, at), kinds in state.halts.by_book.items() if at is venue and kind in kinds]


def _connection(state: GatewayState) -> Iterable[Reading]:
    yield from states(m.MODE, GatewayMode, state.settings.mode)
    yield from states(m.CONNECTION, ConnectionState, state.link.state)
    yield m.RECONCILED.at(state.link.reconciled)
    yield m.RESTRICTED.at(state.link.orders_restricted)


def _orders(state: GatewayState, now_ns: int) -> Iterable[Reading]:
    orders = state.orders
    working = [record for record in orders.working.values() if record.is_order]
    yield m.UNKNOWN.at(sum(record.stage is Stage.UNKNOWN for record in working))
    yield m.WORKING.at(sum(record.stage is Stage.ACCEPTED for record in working))
    yield m.FOREIGN.at(len(orders.foreign))
    yield m.EXITS_OWED.at(len(exits_owed(state, now_ns)))
    requests = (*orders.done.values(), *orders.working.values())
    traded = sum(record.is_order and record.facts.cum_qty_shares > 0 for record in requests)
    new = sum(record.action is OrderAction.NEW for record in requests)
    cancelled = {record.target_id for record in requests if record.action is OrderAction.CANCEL}
    yield m.ORDER_TO_TRADE.at(len(requests) / max(1, traded))
    yield m.CANCEL_RATIO.at(len(cancelled) / max(1, new))


def _limits(state: GatewayState, now_ns: int) -> Iterable[Reading]:
    yield m.CALLS.at(state.rhythm.order_calls, "order")
    yield m.CALLS.at(state.desk.sent, "query")
    yield from _tokens("order", state.order_history, ORDER_LADDER, now_ns)
    yield from _tokens("query", state.desk.history, QUERY_LADDER, now_ns)
    yield m.MOST_IN_WINDOW.at(state.rhythm.orders_in_window_max)


def _tokens(call: str, history: History, ladder: Ladder, now_ns: int) -> Iterable[Reading]:
    for rung, window in zip(ladder, WINDOWS, strict=False):
        yield m.TOKENS.at(tokens(history, now_ns, (rung,)), call, window)
        yield m.TOKENS_MAX.at(rung[0], call, window)


def _stops(state: GatewayState, mono_ns: int) -> Iterable[Reading]:
    yield m.LEASE_LEFT.at(seconds_of_ms(state.lease.left_ms(mono_ns)))
    yield m.LEASE_HELD.at(state.lease.held(mono_ns))
    yield m.HALT_FILE.at(state.rhythm.halt_file)
    yield m.HALTED.at(state.control.in_force is TradingState.HALTED)


assert len(WINDOWS) >= len(QUERY_LADDER) and ORDER_LADDER[0][1] < 2 * NS_PER_S
