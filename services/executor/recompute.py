"""Whether a further clip still pays, from fresh quotes: the same arithmetic as the intent's (I11)."""

from dataclasses import dataclass

from services.contracts.messages.intents import QuoteSeen
from services.contracts.terms import MovedLast
from services.executor.pair import Pair
from services.executor.view import View
from services.market.books import Legs
from services.market.edge import executable_edge


@dataclass(frozen=True, slots=True)
class Recomputed:
    """`refusal` is why there is no further clip, empty to go on at `buy_price_krw`."""

    refusal: str
    net_krw: int = 0
    threshold_krw: int | None = None
    buy_price_krw: int = 0
    quote_buy: QuoteSeen | None = None
    quote_sell: QuoteSeen | None = None
    cross_age_ms: int = 0
    moved_last: MovedLast = MovedLast.UNKNOWN


def recompute(pair: Pair, view: View, qty_shares: int) -> Recomputed:
    """Look at both books again for `qty_shares`, in the direction that was approved.

    A clip has to earn what its size asks for by the quote that moved last, and its part of the floor of the
    whole pair, in a cross that has stood long enough.
    """
    legs = view.legs(pair.approval.buy_venue)
    refusal = view.entry_refusal()
    if refusal or legs is None:
        return _refused(refusal or "there is no book of one venue", legs)
    fault = view.fault(pair.approval.buy_venue)
    if fault is not None:
        return _refused(f"the books cannot be traded on together: {fault}", legs)
    return _priced(pair, view, legs, qty_shares)


def _priced(pair: Pair, view: View, legs: Legs, qty_shares: int) -> Recomputed:
    assert view.costs is not None, "entry_refusal comes first"
    buy, sell = legs.buy.quote, legs.sell.quote
    found = executable_edge(
        view.costs, view.limits, legs.buy_venue, buy.asks, legs.sell_venue, sell.bids, qty_shares
    )
    if found is None:
        return _refused("the books do not hold the size of a clip", legs)
    age_ms, moved_last = view.cross(legs.buy_venue)
    threshold = view.thresholds.at(moved_last).of_part(qty_shares, pair.approval.qty_shares)
    threshold_krw, refusal = found.threshold_krw(view.limits, threshold), ""
    if age_ms < threshold.min_cross_ms:
        refusal = f"the cross has stood for {age_ms} of {threshold.min_cross_ms} ms"
    elif found.net_krw < threshold_krw:
        refusal = f"the edge is gone: {found.net_krw} KRW of {threshold_krw} needed"
    elif found.beyond_ceiling(view.limits):
        refusal = "the edge is too good to be true"
    elif found.buy_price_worst_krw > pair.approval.buy_limit_krw:
        refusal = "the ask is above the approved limit"
    elif not (view.venues.feeds_alive):
        refusal = "a feed is not alive"
    return Recomputed(
        refusal,
        found.net_krw,
        threshold_krw,
        found.buy_price_worst_krw,
        legs.buy,
        legs.sell,
        age_ms,
        moved_last,
    )


def _refused(refusal: str, legs: Legs | None) -> Recomputed:
    if legs is None:
        return Recomputed(refusal)
    return Recomputed(refusal, quote_buy=legs.buy, quote_sell=legs.sell)
