"""From two books to an intent, and back: the same inputs give the same figures (invariant I11).

An intent carries both quotes, its clock value, how long the cross had stood, which quote moved last, and the
hash of what was in force. `figures` is the only arithmetic, so that whoever has the intent and the reference
can compute it again.
"""

from services.contracts.ids import derive_id
from services.contracts.in_force import Reference
from services.contracts.limits import INTENT_TTL_MS, NS_PER_MS
from services.contracts.messages.intents import IntentLeg, TradeIntent
from services.contracts.terms import MovedLast, Side, Symbol
from services.market.books import Legs
from services.market.edge import Edge, best_edge


def figures(reference: Reference, symbol: Symbol, legs: Legs, moved_last: MovedLast) -> Edge | None:
    """The best edge of a direction at its two books, or None where they do not cross or costs are unknown."""
    costs = reference.costs_of(symbol)
    if costs is None:
        return None
    asks, bids = legs.buy.quote.asks, legs.sell.quote.bids
    threshold = reference.threshold_of(symbol, moved_last)
    return best_edge(costs, reference.limits, legs.buy_venue, asks, legs.sell_venue, bids, threshold)


def intent_id_of(legs: Legs) -> str:
    """The id of the intent that two quotes lead to: theirs and nothing else."""
    return derive_id("intent", legs.buy.message_id, legs.sell.message_id)


def intent_of(
    reference: Reference, reference_hash: str, symbol: Symbol, legs: Legs, edge: Edge,
    cross: tuple[int, MovedLast], now_ns: int,
) -> TradeIntent:  # fmt: skip
    """Return the intent to trade `edge`, good for `INTENT_TTL_MS` from `now_ns`.

    `cross` is how long the cross has stood (ms), and the quote that moved last.
    """
    cross_age_ms, moved_last = cross
    return TradeIntent(
        intent_id=intent_id_of(legs),
        symbol=symbol,
        trading_date=reference.trading_date,
        side_a=IntentLeg(venue=legs.buy_venue, side=Side.BUY, price_krw=edge.buy_price_worst_krw),
        side_b=IntentLeg(venue=legs.sell_venue, side=Side.SELL, price_krw=edge.sell_price_worst_krw),
        qty_shares=edge.qty_shares,
        gross_edge_krw=edge.gross_krw,
        cost_krw=edge.cost_krw,
        net_edge_krw=edge.net_krw,
        threshold_krw=edge.threshold_krw(reference.limits, reference.threshold_of(symbol, moved_last)),
        quote_a=legs.buy,
        quote_b=legs.sell,
        decided_at_ns=now_ns,
        expires_at_ns=now_ns + INTENT_TTL_MS * NS_PER_MS,
        reference_hash=reference_hash,
        cross_age_ms=cross_age_ms,
        moved_last=moved_last,
    )


def recomputed(intent: TradeIntent, reference: Reference) -> TradeIntent | None:
    """Return the intent that its own quotes and clock value give, or None where they give none.

    Equal to `intent` whenever `reference` is the one that its hash names.
    """
    legs = Legs(intent.quote_a, intent.quote_b)
    edge = figures(reference, intent.symbol, legs, intent.moved_last)
    if edge is None:
        return None
    cross = (intent.cross_age_ms, intent.moved_last)
    return intent_of(reference, intent.reference_hash, intent.symbol, legs, edge, cross, intent.decided_at_ns)
