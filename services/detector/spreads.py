"""The widest spreads of a group, for a screen: what each symbol is worth now in its better direction."""

from services.contracts.in_force import Reference
from services.contracts.limits import NS_PER_MS
from services.contracts.messages.status import DetectorStatus, SpreadSeen
from services.contracts.reference import SymbolEntry
from services.contracts.terms import Venue
from services.detector.intents import figures
from services.detector.state import DetectorState
from services.market.books import Legs, legs_of
from services.market.crossed_markets import Direction, age_and_mover
from services.market.edge import Edge, edge


def status_of(state: DetectorState, now_ns: int) -> DetectorStatus:
    """Return the group's counters and its `spreads_shown` best spreads, best first."""
    symbols, found = every_spread(state, now_ns)
    spreads = sorted(found, key=lambda spread: -spread.net_edge_bps)
    return DetectorStatus(
        group=state.group,
        symbols=symbols,
        quotes=state.quotes,
        quotes_skipped=state.quotes_skipped,
        intents=state.intents,
        crosses=state.crosses_ended + len(state.crosses),
        spreads=tuple(spreads[: state.spreads_shown]),
    )


def every_spread(state: DetectorState, now_ns: int) -> tuple[int, list[SpreadSeen]]:
    """Return how many symbols the group watches, and the better direction of each that has two books."""
    reference = state.reference
    if reference is None:
        return 0, []
    entries = [entry for entry in reference.symbols if entry.enabled and entry.group == state.group]
    found = (_best_of(state, reference, entry, now_ns) for entry in entries)
    return len(entries), [spread for spread in found if spread is not None]


def _best_of(
    state: DetectorState, reference: Reference, entry: SymbolEntry, now_ns: int
) -> SpreadSeen | None:
    both = [_spread(state, (entry.krx_code, venue), reference, entry, now_ns) for venue in Venue]
    return max((s for s in both if s is not None), key=lambda spread: spread.net_edge_krw, default=None)


def _spread(
    state: DetectorState, direction: Direction, reference: Reference, entry: SymbolEntry, now_ns: int
) -> SpreadSeen | None:
    legs = legs_of(state.books, *direction)
    if legs is None:
        return None
    _, moved_last = age_and_mover(state.crossed, direction, now_ns)
    worth = figures(reference, entry.krx_code, legs, moved_last) or _one_share(legs, reference, entry)
    if worth is None:
        return None
    oldest_ns = min(legs.buy.ts_event_ns, legs.sell.ts_event_ns)
    return SpreadSeen(
        symbol=entry.krx_code,
        name=entry.name,
        buy_venue=legs.buy_venue,
        sell_venue=legs.sell_venue,
        ask_krw=legs.buy.quote.asks[0][0],
        bid_krw=legs.sell.quote.bids[0][0],
        qty_shares=worth.qty_shares,
        net_edge_krw=worth.net_krw // worth.qty_shares,
        net_edge_bps=worth.net_bps,
        age_ms=max(0, now_ns - oldest_ns) // NS_PER_MS,
    )


def _one_share(legs: Legs, reference: Reference, entry: SymbolEntry) -> Edge | None:
    """What one share would lose where the books do not cross."""
    costs = reference.costs.get(entry.market)
    asks, bids = legs.buy.quote.asks, legs.sell.quote.bids
    return None if costs is None else edge(costs, legs.buy_venue, asks, legs.sell_venue, bids, 1)
