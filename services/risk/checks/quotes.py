"""Does the cross still stand at risk's own books and clock, at prices that an order may carry?"""

from services.contracts.limits import NS_PER_MS
from services.market.books import BookFault, fault_of
from services.risk.checks.case import Case


def stale(case: Case) -> str | None:
    if not case.state.venue.feeds_alive:
        return "feed=dead"
    fault = _fault(case)
    if fault is None or fault is BookFault.SKEW:
        return None
    return f"fault={fault} {_ages(case)}".strip()


def skew(case: Case) -> str | None:
    return _ages(case) if _fault(case) is BookFault.SKEW else None


def cross_age(case: Case) -> str | None:
    """Both the intent and risk's own books must say that the cross has stood long enough."""
    needed_ms = case.threshold(case.moved_last).min_cross_ms
    said_ms, own_ms = case.intent.cross_age_ms, case.cross_age_ms
    return (
        f"age_ms={own_ms} intent_ms={said_ms} needed_ms={needed_ms}"
        if min(said_ms, own_ms) < needed_ms
        else None
    )


def edge_gone(case: Case) -> str | None:
    """Recomputed for the whole size from the freshest books."""
    threshold_krw = case.threshold_krw(case.intent.moved_last)
    if case.edge is None or threshold_krw is None:
        return f"depth=thin qty={case.intent.qty_shares}"
    if case.edge.net_krw >= threshold_krw:
        return None
    return f"net_krw={case.edge.net_krw} threshold_krw={threshold_krw}"


def moved_last(case: Case) -> str | None:
    """The same by the side that moved last in risk's own books, where it is another than the intent's."""
    threshold_krw = case.threshold_krw(case.moved_last)
    if case.edge is None or threshold_krw is None or case.edge.net_krw >= threshold_krw:
        return None
    return (
        f"moved_last={case.moved_last} intent={case.intent.moved_last} net_krw={case.edge.net_krw} "
        f"threshold_krw={threshold_krw}"
    )


def sanity(case: Case) -> str | None:
    if case.edge is None or case.edge.beyond_ceiling(case.limits):
        net_bps = "unknown" if case.edge is None else case.edge.net_bps
        return f"net_bps={net_bps} ceiling_bps={case.limits.sanity_ceiling_bps}"
    return None


def collar(case: Case) -> str | None:
    """Both limits on the tick grid, inside the day's band, near the fresh best price they will meet."""
    band = case.state.venue.band(case.intent.symbol)
    if band is None or case.legs is None or case.costs is None or not case.well_formed:
        return "band=unknown" if band is None else "legs=unusable"
    references = (case.legs.buy.quote.asks[0][0], case.legs.sell.quote.bids[0][0])
    for leg, reference_krw in zip((case.intent.side_a, case.intent.side_b), references, strict=True):
        ticks = case.costs.ticks(leg.venue)
        if not ticks.is_on(leg.price_krw) or not ticks.is_on(reference_krw):
            return f"{leg.side}_krw={leg.price_krw} reference_krw={reference_krw} off_tick=true"
        if not band.lower_krw <= leg.price_krw <= band.upper_krw:
            return f"{leg.side}_krw={leg.price_krw} band_krw={band.lower_krw}-{band.upper_krw}"
        away = abs(ticks.between(reference_krw, leg.price_krw))
        if away > case.limits.collar_ticks:
            return f"{leg.side}_krw={leg.price_krw} reference_krw={reference_krw} ticks={away}"
    return None


def _fault(case: Case) -> BookFault | None:
    return fault_of(case.legs, case.limits, case.state.venue.connection_epoch, case.now_ns)


def _ages(case: Case) -> str:
    if case.legs is None:
        return ""
    buy_ms, sell_ms = (
        (case.now_ns - book.ts_event_ns) // NS_PER_MS for book in (case.legs.buy, case.legs.sell)
    )
    return f"buy_age_ms={buy_ms} sell_age_ms={sell_ms}"
