"""One attempt to sell what is held: which venue, which kind of order, which price; or what stands in the way.

NXT takes no market order, nor does the KRX after-market (market rules 4.2). So: a marketable limit a
widening number of ticks through the better living bid; a market order only on KRX in its regular session
as the last attempts, where KRX bids more; the KRX closing auction where that is what trades; in a VI the
other venue. A venue where nothing was refused goes before one that has just refused, a fresh book before a
quiet one, and only a fresh one backs a market order. A day whose price band nobody told bars no sale: the
last gate lets it go near a living bid, and the exchange refuses a price beyond its limits.
"""

from dataclasses import dataclass, replace

from services.contracts.messages.pairs import StrandReason
from services.contracts.terms import OrderKind, Purpose, Side, Venue
from services.executor.move import Ask
from services.executor.pair import Pair
from services.executor.pricing import order_shares, rung_price
from services.executor.view import View
from services.market.edge import walk


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why no rung can be taken now, and how long that may last before the position is stranded."""

    reason: StrandReason
    detail: str
    patience_ms: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """The `number`-th attempt, never below `floor_krw`, whether or not a tick lies there.

    `market`: it may be a market order, whose price nothing bounds but the book.
    """

    number: int
    floor_krw: int
    market: bool = False


def rung(pair: Pair, view: View, attempt: Attempt) -> Ask | Obstacle:
    """Return the order that sells what may be sold now, or what keeps it from being sent."""
    if view.day_over:
        return Obstacle(StrandReason.AFTER_HOURS, "", 0)
    refusal = view.sell_refusal(by_person=pair.by_person)
    wait_ms = view.limits.flatten_wait_ms
    if refusal:
        return Obstacle(StrandReason.TRADING_STATE, refusal, wait_ms)
    if not view.venues.ready:
        return Obstacle(StrandReason.NO_VENUE, "the gateway is not connected to the broker", wait_ms)
    if view.closing_auction:
        return _auction(pair, view, attempt)
    return _continuous(pair, view, attempt)


def _continuous(pair: Pair, view: View, attempt: Attempt) -> Ask | Obstacle:
    buy = pair.open_buy
    venues = [v for v in Venue if view.marketable_kind(v) and (buy is None or buy.venue is not v)]
    if not venues:
        return _no_venue(view)
    bids = {venue: view.bids(venue)[0][0] for venue in venues if view.bids(venue)}
    if not bids:
        return Obstacle(StrandReason.NO_QUOTE, "no living bid is known", view.limits.quote_wait_ms)
    paying = [venue for venue in bids if bids[venue] >= attempt.floor_krw]
    if not paying:
        return _below_floor(view, max(bids.values()), attempt)
    refusing = pair.refused_at
    venue = max(
        paying, key=lambda v: (v is not refusing, view.fresh(v), bids[v], v is pair.approval.sell_venue)
    )
    return _market(pair, view, venue, attempt) or _limit(pair, view, venue, attempt)


def _no_venue(view: View) -> Obstacle:
    states = ", ".join(f"{v} {'halted' if view.halted(v) else view.phase(v)}" for v in Venue)
    return Obstacle(StrandReason.NO_VENUE, states, view.limits.flatten_wait_ms)


def _below_floor(view: View, bid_krw: int, attempt: Attempt) -> Obstacle:
    patience_ms = view.limits.flatten_attempts * view.limits.flatten_interval_ms
    detail = f"the better bid is {bid_krw}, the lowest allowed {attempt.floor_krw} KRW"
    return Obstacle(StrandReason.LOSS_BOUND, detail, patience_ms)


def _limit(pair: Pair, view: View, venue: Venue, attempt: Attempt) -> Ask:
    bid_krw, kind, ticks = view.bids(venue)[0][0], view.marketable_kind(venue), view.ticks(venue)
    assert kind is not None, "only tradable venues are asked"
    price_krw = rung_price(view.limits, bid_krw, attempt.number, attempt.floor_krw, view.band, ticks)
    return _ask(pair, venue, kind, price_krw, bid_krw)


def _market(pair: Pair, view: View, venue: Venue, attempt: Attempt) -> Ask | None:
    """A market order, where the book shows the whole quantity within the loss bound."""
    if not (attempt.market and view.market_order_on(venue) and view.fresh(venue)):
        return None
    ask = _ask(pair, venue, OrderKind.MARKET, 0, view.bids(venue)[0][0])
    shown = walk(view.bids(venue), ask.qty_shares)
    return ask if shown is not None and shown.worst_price_krw >= attempt.floor_krw else None


def _auction(pair: Pair, view: View, attempt: Attempt) -> Ask | Obstacle:
    """The KRX closing auction takes it at one price for all: a limit well through lets it join.

    Where the floor lies above the bid the order waits there for a better print, unless that is further from
    the bid than the last gate lets an order be.
    """
    buy, band, collar = pair.open_buy, view.band, view.limits.collar_ticks
    if buy is not None and buy.venue is Venue.KRX:
        return Obstacle(StrandReason.NO_VENUE, "the buy on KRX is not closed", view.limits.flatten_wait_ms)
    bid_krw, ticks = view.auction_bid_krw(Venue.KRX), view.ticks(Venue.KRX)
    reference_krw = ticks.snap_down(pair.buy_price_krw if bid_krw is None else bid_krw)
    price_krw = rung_price(view.limits, reference_krw, collar, attempt.floor_krw, band, ticks)
    outside = band is not None and price_krw > band.upper_krw
    if outside or ticks.between(reference_krw, price_krw) > collar:
        return _below_floor(view, reference_krw, attempt)
    return replace(_ask(pair, Venue.KRX, OrderKind.LIMIT, price_krw, reference_krw), rests=True)


def _ask(pair: Pair, venue: Venue, kind: OrderKind, price_krw: int, reference_krw: int) -> Ask:
    return Ask(
        side=Side.SELL, venue=venue, kind=kind, purpose=Purpose.FLATTEN, price_krw=price_krw,
        qty_shares=order_shares(pair.available_shares, reference_krw), reference_price_krw=reference_krw,
    )  # fmt: skip
