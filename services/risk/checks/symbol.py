"""May this symbol be traded now, and is nothing of it open?"""

from services.contracts.limits import NS_PER_MS
from services.contracts.terms import Side, Venue
from services.risk.checks.case import Case


def known(case: Case) -> str | None:
    return None if case.costs is not None else f"symbol={case.intent.symbol}"


def eligible(case: Case) -> str | None:
    return None if case.state.venue.eligible(case.intent.symbol) else f"symbol={case.intent.symbol}"


def halted(case: Case) -> str | None:
    halts = case.state.venue.halts.get(case.intent.symbol, ())
    return " ".join(f"{halt.venue}={halt.kind}" for halt in halts) or None


def paused(case: Case) -> str | None:
    why = case.state.paused.get(case.intent.symbol)
    return None if why is None else f"why={why}"


def order_warning(case: Case) -> str | None:
    return f"symbol={case.intent.symbol}" if case.state.venue.warned(case.intent.symbol) else None


def pair_open(case: Case) -> str | None:
    """A pair that is not closed, also one that was brought back by an order."""
    symbol = case.intent.symbol
    pairs = sorted(pair_id for pair_id, pair in case.state.pairs.items() if pair.symbol == symbol)
    return f"pairs={','.join(pairs)}" if pairs else None


def repeated(case: Case) -> str | None:
    since_ns = case.now_ns - case.limits.repeat_window_ms * NS_PER_MS
    lately = [at for at in case.state.approved_at_ns.get(case.intent.symbol, ()) if at > since_ns]
    limit = case.limits.max_pairs_per_symbol_window
    return f"pairs={len(lately)} limit={limit}" if len(lately) >= limit else None


def trips(case: Case) -> str | None:
    """A trip is a pair with a fill; an attempt that filled nothing costs none."""
    spent, limit = case.state.day.trips.get(case.intent.symbol, 0), case.limits.max_trips_per_symbol
    return f"trips={spent} limit={limit}" if spent >= limit else None


def open_pairs(case: Case) -> str | None:
    """Stranded pairs owe the order budget nothing: a person works on those."""
    working = sum(not pair.stranded for pair in case.state.pairs.values())
    limit = case.limits.max_open_pairs
    return f"open={working} limit={limit}" if working >= limit else None


def self_cross(case: Case) -> str | None:
    """Own orders must not meet on one venue; orders placed by hand count as own (market rules 6)."""
    meets = {(case.buy_venue, Side.SELL), (case.sell_venue, Side.BUY)}
    found = sorted(_working(case) & meets)
    return " ".join(f"{venue}={side}" for venue, side in found) or None


def _working(case: Case) -> set[tuple[Venue, Side]]:
    tallies = (*case.state.orders.values(), *case.state.settled.values())
    ours = {
        (tally.venue, tally.side)
        for tally in tallies
        if tally.symbol == case.intent.symbol and not tally.closed
    }
    by_hand = {
        (order.venue, order.side)
        for order in case.state.foreign.values()
        if (order.symbol, order.trading_date) == (case.intent.symbol, case.intent.trading_date)
        and not order.closed
    }
    return ours | by_hand
