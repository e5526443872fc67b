"""What must hold before a cross is measured, and before an intent is spoken. Everything missing is a no.

Two lists, each in its order. MARKET says whether two books can cross at all: only then is a cross
measured, whatever we ourselves may do. SPEECH is about us: freshness to the millisecond, the entry
window, the day's trips, and that the symbol is not already spoken for.
"""

from collections.abc import Callable
from enum import StrEnum

from services.contracts.terms import Symbol
from services.detector.ghosts import barred
from services.detector.state import DetectorState, Said
from services.market.books import Legs, fault_of


class Missing(StrEnum):
    """Which condition does not hold."""

    REFERENCE = "reference"
    SYMBOL = "symbol"
    ELIGIBILITY = "eligibility"
    BOOKS = "books"
    CONNECTION = "connection"
    PHASES = "phases"
    FEED = "feed"
    HALT = "halt"
    WINDOW = "window"
    FRESHNESS = "freshness"
    STANDING = "standing"
    GHOST = "ghost"
    TRIPS = "trips"
    PAIR_OPEN = "pair_open"
    VERDICT_DUE = "verdict_due"
    COOLDOWN = "cooldown"


Condition = tuple[Missing, Callable[[DetectorState, Symbol, Legs | None, int], bool]]
"""A name, and whether it holds for a symbol and its two books at a time (ns)."""


def _reference(state: DetectorState, symbol: Symbol, legs: Legs | None, now_ns: int) -> bool:
    return state.reference is not None and state.reference.trading_date == state.venue.trading_date


def _symbol(state: DetectorState, symbol: Symbol, legs: Legs | None, now_ns: int) -> bool:
    reference = state.reference
    entry = None if reference is None else reference.entry(symbol)
    return (
        reference is not None
        and entry is not None
        and entry.group == state.group
        and entry.market in reference.costs
    )


def _eligible(state: DetectorState, symbol: Symbol, legs: Legs | None, now_ns: int) -> bool:
    return state.venue.eligible(symbol)


def _books(state: DetectorState, symbol: Symbol, legs: Legs | None, now_ns: int) -> bool:
    return legs is not None


def _connection(state: DetectorState, symbol: Symbol, legs: Legs | None, now_ns: int) -> bool:
    return (
        legs is not None
        and state.venue.ready
        and legs.buy.quote.connection_epoch
        == legs.sell.quote.connection_epoch
        >= state.venue.connection_epoch
    )


def _phases(state: DetectorState, symbol: Symbol, legs: Legs | None, now_ns: int) -> bool:
    entry = None if state.reference is None else state.reference.entry(symbol)
    return entry is not None and state.venue.both_trade(entry.market)


def _feeds(state: DetectorState, symbol: Symbol, legs: Legs | None, now_ns: int) -> bool:
    return state.venue.feeds_alive


def _no_halt(state: DetectorState, symbol: Symbol, legs: Legs | None, now_ns: int) -> bool:
    return not state.venue.halted(symbol)


def _window(state: DetectorState, symbol: Symbol, legs: Legs | None, now_ns: int) -> bool:
    return state.venue.window_open(now_ns)


def _fresh(state: DetectorState, symbol: Symbol, legs: Legs | None, now_ns: int) -> bool:
    reference = state.reference
    return (
        reference is not None
        and fault_of(legs, reference.limits, state.venue.connection_epoch, now_ns) is None
    )


def _not_standing(state: DetectorState, symbol: Symbol, legs: Legs | None, now_ns: int) -> bool:
    cross = None if legs is None else state.crosses.get((symbol, legs.buy_venue))
    return cross is None or not cross.standing


def _no_ghost(state: DetectorState, symbol: Symbol, legs: Legs | None, now_ns: int) -> bool:
    return legs is not None and not barred(state, (symbol, legs.buy_venue), now_ns)


def _trips_left(state: DetectorState, symbol: Symbol, legs: Legs | None, now_ns: int) -> bool:
    reference = state.reference
    spent = state.trips.of(symbol, state.venue.trading_date)
    return reference is not None and spent < reference.limits.max_trips_per_symbol


def _no_pair(state: DetectorState, symbol: Symbol, legs: Legs | None, now_ns: int) -> bool:
    """A pair of an earlier date is risk's to deny: an emptied Redis may have lost us its close."""
    today = state.venue.trading_date
    return all(pair.symbol != symbol or pair.trading_date < today for pair in state.pairs.values())


def _verdict_had(state: DetectorState, symbol: Symbol, legs: Legs | None, now_ns: int) -> bool:
    return not state.said.get(symbol, Said()).awaits_verdict(now_ns)


def _cooled_down(state: DetectorState, symbol: Symbol, legs: Legs | None, now_ns: int) -> bool:
    reference = state.reference
    said = state.said.get(symbol, Said())
    return reference is not None and not said.cools_down(reference.limits.cooldown_ms, now_ns)


MARKET: tuple[Condition, ...] = (
    (Missing.REFERENCE, _reference),
    (Missing.SYMBOL, _symbol),
    (Missing.ELIGIBILITY, _eligible),
    (Missing.BOOKS, _books),
    (Missing.CONNECTION, _connection),
    (Missing.PHASES, _phases),
    (Missing.FEED, _feeds),
    (Missing.HALT, _no_halt),
)

SPEECH: tuple[Condition, ...] = (
    (Missing.WINDOW, _window),
    (Missing.FRESHNESS, _fresh),
    (Missing.STANDING, _not_standing),
    (Missing.GHOST, _no_ghost),
    (Missing.TRIPS, _trips_left),
    (Missing.PAIR_OPEN, _no_pair),
    (Missing.VERDICT_DUE, _verdict_had),
    (Missing.COOLDOWN, _cooled_down),
)


def missing(
    conditions: tuple[Condition, ...], state: DetectorState, symbol: Symbol, legs: Legs | None, now_ns: int
) -> Missing | None:
    """Return the first condition that does not hold, or None."""
    return next((name for name, holds in conditions if not holds(state, symbol, legs, now_ns)), None)
