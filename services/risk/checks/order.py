"""The fixed order of the checks: each denial reason exactly once."""

from collections.abc import Callable

from services.contracts.reasons import DenialReason
from services.risk.checks import money, quotes, standing, symbol
from services.risk.checks.case import Case

Check = Callable[[Case], str | None]

CHECKS: tuple[tuple[DenialReason, Check], ...] = (
    (DenialReason.DUPLICATE, standing.duplicate),
    (DenialReason.CLOCK_SKEW, standing.clock_skew),
    (DenialReason.EXPIRED, standing.expired),
    (DenialReason.LATCHED, standing.latched),
    (DenialReason.TRADING_STATE, standing.trading_state),
    (DenialReason.NOT_READY, standing.ready),
    (DenialReason.STALE_REFERENCE, standing.reference),
    (DenialReason.WINDOW_CLOSED, standing.window),
    (DenialReason.NOT_ELIGIBLE, symbol.eligible),
    (DenialReason.SYMBOL_UNKNOWN, symbol.known),
    (DenialReason.SYMBOL_HALTED, symbol.halted),
    (DenialReason.SYMBOL_PAUSED, symbol.paused),
    (DenialReason.ORDER_WARNING, symbol.order_warning),
    (DenialReason.PAIR_OPEN, symbol.pair_open),
    (DenialReason.REPEATED, symbol.repeated),
    (DenialReason.TRIPS_SPENT, symbol.trips),
    (DenialReason.OPEN_PAIRS, symbol.open_pairs),
    (DenialReason.SELF_CROSS, symbol.self_cross),
    (DenialReason.STALE_QUOTE, quotes.stale),
    (DenialReason.QUOTE_SKEW, quotes.skew),
    (DenialReason.CROSS_AGE, quotes.cross_age),
    (DenialReason.EDGE_GONE, quotes.edge_gone),
    (DenialReason.MOVED_LAST, quotes.moved_last),
    (DenialReason.SANITY_CEILING, quotes.sanity),
    (DenialReason.COLLAR, quotes.collar),
    (DenialReason.ORDER_SIZE, money.order_size),
    (DenialReason.EXPOSURE_SYMBOL, money.exposure_symbol),
    (DenialReason.EXPOSURE_TOTAL, money.exposure_total),
    (DenialReason.UNHEDGED, money.unhedged),
    (DenialReason.ORDERS_SPENT, money.orders_left),
    (DenialReason.CASH, money.cash),
    (DenialReason.LOSS_LIMIT, money.loss),
)
"""NOT_ELIGIBLE before SYMBOL_UNKNOWN: what the broker took off the list is also disabled in the map."""


def first_denial(case: Case) -> tuple[DenialReason, str] | None:
    """Return the first reason to deny with the figures that decided, or None: the pair may trade."""
    for reason, check in CHECKS:
        detail = check(case)
        if detail is not None:
            return reason, detail
    return None
