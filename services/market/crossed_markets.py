"""How long each crossed market has stood above break-even, and which of its two quotes moved last.

A market is crossed where one share, bought at the best ask of one venue and sold at the best bid of the
other, earns more than its costs. Detector, risk and executor each measure it on their own books with this one
fold, by the times that the frames carry. It is never stored, so that a process begins with no age.

The age counts from the frame that opened the cross where both books could be traded on before it and did not
cross. In every other case it counts from now, and nobody knows which quote moved last: after a start, a new
connection, a book that was stale or none, a halt, a dead feed, other costs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from services.contracts.in_force import Reference
from services.contracts.limits import NS_PER_MS
from services.contracts.reference import TradeCosts
from services.contracts.terms import MovedLast, Symbol, Venue
from services.market.books import Books, Legs, fault_of, legs_of
from services.market.venue_view import VenueView

Direction = tuple[Symbol, Venue]
"""A symbol and the venue to buy it on."""


@dataclass(frozen=True, slots=True)
class CrossedMarket:
    """A cross that stands: since when, and whose move at `moved_ns` last opened or widened it."""

    since_ns: int
    moved_last: MovedLast
    moved_ns: int

    def age_ms(self, as_of_ns: int) -> int:
        return max(0, (as_of_ns - self.since_ns) // NS_PER_MS)


CrossedMarkets = Mapping[Direction, CrossedMarket]
"""The crosses that stand, by direction. Replaced with each change, never changed in place."""


def age_and_mover(crossed: CrossedMarkets, direction: Direction, as_of_ns: int) -> tuple[int, MovedLast]:
    """Return the age (ms) of a cross and the quote that moved last: 0 and unknown where none stands."""
    found = crossed.get(direction)
    return (0, MovedLast.UNKNOWN) if found is None else (found.age_ms(as_of_ns), found.moved_last)


def after_book(
    crossed: CrossedMarkets, before: Books, books: Books, changed: tuple[Symbol, Venue],
    reference: Reference | None, venues: VenueView, now_ns: int,
) -> CrossedMarkets:  # fmt: skip
    """Return the crosses after one book of `before` was replaced; the same object where none changed."""
    if books is before:
        return crossed
    symbol, venue = changed
    for buy_venue in Venue:
        direction = (symbol, buy_venue)
        known, legs = crossed.get(direction), legs_of(books, symbol, buy_venue)
        if legs is None or (known is None and not _touching(legs)):
            continue
        found = None
        if reference is not None and _stands(legs, reference, venues, now_ns):
            earlier = legs_of(before, symbol, buy_venue)
            found = _after_move(known, earlier, legs, venue, reference, venues, now_ns)
        if found != known:
            others = {key: value for key, value in crossed.items() if key != direction}
            crossed = others if found is None else {**others, direction: found}
    return crossed


def while_trading(crossed: CrossedMarkets, reference: Reference | None, venues: VenueView) -> CrossedMarkets:
    """Return the crosses of symbols that trade on both venues; the same object where all do."""
    left = {
        direction: cross
        for direction, cross in crossed.items()
        if reference is not None and _trades(direction[0], reference, venues)
    }
    return crossed if len(left) == len(crossed) else left


def _trades(symbol: Symbol, reference: Reference, venues: VenueView) -> bool:
    costs = reference.costs_of(symbol)
    return (
        costs is not None
        and venues.ready
        and venues.feeds_alive
        and not venues.halted(symbol)
        and venues.both_trade(costs.market)
    )


def _stands(legs: Legs, reference: Reference, venues: VenueView, now_ns: int) -> bool:
    """Whether two books may be traded on together at `now_ns`, and pay for one share."""
    symbol = legs.buy.quote.symbol
    costs = reference.costs_of(symbol)
    return (
        costs is not None
        and _pays(legs, costs)
        and fault_of(legs, reference.limits, venues.connection_epoch, now_ns) is None
        and _trades(symbol, reference, venues)
    )


def _touching(legs: Legs) -> bool:
    asks, bids = legs.buy.quote.asks, legs.sell.quote.bids
    return bool(asks and bids) and bids[0][0] > asks[0][0]


def _pays(legs: Legs, costs: TradeCosts) -> bool:
    """Whether one share at the best prices earns more than its costs.

    Each charge is floored by itself, so that no larger size earns more a share.
    """
    if not _touching(legs):
        return False
    ask_krw, bid_krw = legs.buy.quote.asks[0][0], legs.sell.quote.bids[0][0]
    return costs.net_krw(legs.buy_venue, ask_krw, legs.sell_venue, bid_krw) > 0


def _after_move(
    known: CrossedMarket | None, earlier: Legs | None, legs: Legs, venue: Venue, reference: Reference,
    venues: VenueView, now_ns: int,
) -> CrossedMarket:  # fmt: skip
    """The cross that stands after a frame of `venue`."""
    frame, other = (legs.buy, legs.sell) if venue is legs.buy_venue else (legs.sell, legs.buy)
    at_ns = frame.ts_event_ns
    if fault_of(earlier, reference.limits, venues.connection_epoch, at_ns) is not None:
        return _unwitnessed(at_ns, now_ns)
    assert earlier is not None, "two books of which one is missing are a fault"
    side = MovedLast.ASK if venue is legs.buy_venue else MovedLast.BID
    if known is not None:
        return _widened(known, side, at_ns) if _widens(earlier, legs) else known
    costs = reference.costs_of(frame.quote.symbol)
    if costs is None or _pays(earlier, costs):
        return _unwitnessed(at_ns, now_ns)
    other_ns = other.bid_moved_ns if side is MovedLast.ASK else other.ask_moved_ns
    moved_last = side if at_ns > other_ns else MovedLast.UNKNOWN
    return CrossedMarket(max(at_ns, other.ts_event_ns), moved_last, max(at_ns, other_ns))


def _unwitnessed(at_ns: int, now_ns: int) -> CrossedMarket:
    since_ns = max(at_ns, now_ns)
    return CrossedMarket(since_ns, MovedLast.UNKNOWN, since_ns)


def _widens(earlier: Legs, legs: Legs) -> bool:
    """Whether the frame brought the bid further above the ask. A move the other way says nothing new: the
    quote that follows the other one down is not the one that leads."""
    return _width_krw(legs) > _width_krw(earlier)


def _width_krw(legs: Legs) -> int:
    return legs.sell.quote.bids[0][0] - legs.buy.quote.asks[0][0]


def _widened(known: CrossedMarket, side: MovedLast, at_ns: int) -> CrossedMarket:
    """A frame that is stamped before the last move changes nothing; two sides at one time tell nothing."""
    if at_ns < known.moved_ns or side is known.moved_last:
        return replace(known, moved_ns=max(at_ns, known.moved_ns))
    return replace(known, moved_last=side if at_ns > known.moved_ns else MovedLast.UNKNOWN, moved_ns=at_ns)
