"""The residual ladder: sell what was bought and not sold, at once, at the better bid of both venues.

NXT takes no market order, nor does the KRX after-market (market rules 4.2). So: a marketable limit a
widening number of ticks through the better bid; a market order only on KRX in its regular session as
the last attempts; the KRX closing auction where that is what trades; in a VI the other venue. Bounded
by attempts, by loss per share and by time. What cannot be sold is marked by name, and a person called.
"""

from dataclasses import dataclass, replace

from services.contracts.limits import NS_PER_MS
from services.contracts.messages.pairs import ResidualMarked, ResidualOpened, StrandReason
from services.contracts.terms import OrderKind, Purpose, Side, Venue
from services.executor import notices
from services.executor.closing import clip_over
from services.executor.move import Ask, Move, place
from services.executor.pair import Pair
from services.executor.phases import OrderLife, PairPhase, Turn
from services.executor.pricing import loss_floor, rung_price
from services.executor.view import View
from services.market.edge import walk

_DENIALS_DOUBLED = 5
"""A gateway that refuses is asked ever more slowly, up to 32 intervals apart."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why no rung can be taken now, and how long that may last before the position is stranded."""

    reason: StrandReason
    detail: str
    patience_ms: int


def open_residual(pair: Pair, view: View, reason: str) -> Move:
    """Start the ladder."""
    laddered = _on_ladder(pair, view, pair.stopping or reason, Turn.RESIDUAL)
    opened = ResidualOpened(
        pair_id=pair.pair_id, symbol=pair.symbol, qty_shares=pair.uncovered_shares,
        cost_krw=pair.uncovered_krw, opened_at_ns=view.now_ns, reason=reason,
    )  # fmt: skip
    refusal = view.sell_refusal(by_person=pair.by_person)
    return Move(laddered, (opened, notices.residual_opened(laddered, view.now_ns, reason, refusal)))


def retry(pair: Pair, view: View) -> Move:
    """A person asks for a stranded position to be tried again: a new ladder."""
    again = _on_ladder(pair, view, pair.stopping, Turn.RETRIED)
    return Move(again.but(by_person=True), (notices.stranded_over(pair, "again"),))


def flattening(pair: Pair, view: View) -> Move | None:
    """Take the next rung, wait, or give up."""
    if pair.open_sell is not None:
        return None
    if pair.available_shares < 1:
        return None if pair.open_orders else clip_over(pair, pair.stopping)
    if _taken(pair) >= view.limits.flatten_attempts:
        return strand(pair, view, StrandReason.ATTEMPTS_SPENT, f"{_taken(pair)} attempts")
    rung = _rung(pair, view)
    if isinstance(rung, Obstacle):
        return _obstructed(pair, view, rung)
    free = _cleared(pair)
    if view.now_ns >= _not_before_ns(pair, view):
        return place(free, view, rung)
    return None if free is pair else Move(free)


def stranded(pair: Pair, view: View) -> Move | None:
    """Nothing is done for a stranded position; but fills told late change what it is."""
    if pair.uncovered_shares == 0 and not pair.open_orders:
        return clip_over(pair, pair.stopping)
    if pair.uncovered_shares != pair.residual.marked_shares:
        reason = pair.residual.reason or StrandReason.NO_VENUE
        return strand(pair, view, reason, pair.residual.detail)
    return None


def strand(pair: Pair, view: View, reason: StrandReason, detail: str) -> Move:
    """Name the position, and call a person."""
    residual = pair.residual.model_copy(
        update={
            "reason": reason,
            "detail": detail,
            "obstacle": None,
            "marked_shares": pair.uncovered_shares,
            "strands": pair.residual.strands + 1,
        }
    )
    before = () if pair.phase is not PairPhase.STRANDED else (notices.stranded_over(pair, "changed"),)
    marked = pair.turned(
        Turn.STRANDED, residual=residual, by_person=False, stopping=pair.stopping or "stranded"
    )
    said = ResidualMarked(
        pair_id=pair.pair_id, symbol=pair.symbol, qty_shares=pair.uncovered_shares,
        cost_krw=pair.uncovered_krw, reason=reason, detail=detail,
    )  # fmt: skip
    return Move(marked, (said, *before, notices.stranded(marked, view.now_ns)))


# -- the ladder's run ---------------------------------------------------------------------


def _on_ladder(pair: Pair, view: View, stopping: str, turn: Turn) -> Pair:
    run = pair.residual.ladder + 1
    fresh = {"ladder": run, "started_ns": view.now_ns, "obstacle": None, "reason": None, "detail": ""}
    return pair.turned(turn, residual=pair.residual.model_copy(update=fresh), stopping=stopping)


def _taken(pair: Pair) -> int:
    """Attempts that reached the broker; what the gateway refused unsent is none."""
    return sum(1 for order in pair.rungs if order.life is not OrderLife.DENIED)


def _denials_in_row(pair: Pair) -> int:
    lives = [order.life for order in reversed(pair.rungs)]
    return next((n for n, life in enumerate(lives) if life is not OrderLife.DENIED), len(lives))


def _not_before_ns(pair: Pair, view: View) -> int:
    if not pair.rungs:
        return 0
    doubled = min(max(_denials_in_row(pair) - 1, 0), _DENIALS_DOUBLED)
    interval_ms = view.limits.flatten_interval_ms << doubled
    return pair.rungs[-1].placed_at_ns + interval_ms * NS_PER_MS


def _obstructed(pair: Pair, view: View, obstacle: Obstacle) -> Move | None:
    residual = pair.residual
    since_ns = residual.obstacle_since_ns if residual.obstacle is obstacle.reason else view.now_ns
    if view.now_ns - since_ns >= obstacle.patience_ms * NS_PER_MS or _out_of_time(pair, view):
        return strand(pair, view, obstacle.reason, obstacle.detail)
    if residual.obstacle is obstacle.reason:
        return None
    update = {"obstacle": obstacle.reason, "obstacle_since_ns": since_ns}
    return Move(pair.but(residual=residual.model_copy(update=update)))


def _out_of_time(pair: Pair, view: View) -> bool:
    """Whether nothing has moved for so long that the obstacles, whatever they are, count as lasting."""
    moved_ns = max([pair.residual.started_ns, *(o.ended_at_ns for o in pair.rungs if o.cum_qty_shares)])
    return view.now_ns - moved_ns >= view.settings.flatten_wait_ms * NS_PER_MS


def _cleared(pair: Pair) -> Pair:
    if pair.residual.obstacle is None:
        return pair
    return pair.but(residual=pair.residual.model_copy(update={"obstacle": None}))


# -- one rung -----------------------------------------------------------------------------


def _rung(pair: Pair, view: View) -> Ask | Obstacle:
    if view.day_over:
        return Obstacle(StrandReason.AFTER_HOURS, "", 0)
    refusal = view.sell_refusal(by_person=pair.by_person)
    wait_ms = view.settings.flatten_wait_ms
    if refusal:
        return Obstacle(StrandReason.TRADING_STATE, refusal, wait_ms)
    if not view.venues.ready:
        return Obstacle(StrandReason.NO_VENUE, "the gateway is not connected to the broker", wait_ms)
    if _denials_in_row(pair) and _out_of_time(pair, view):
        return Obstacle(StrandReason.DENIED, "see the denials of its orders", 0)
    if view.closing_auction:
        return _auction(pair, view)
    return _continuous(pair, view)


def _continuous(pair: Pair, view: View) -> Ask | Obstacle:
    buy = pair.open_buy
    venues = [v for v in Venue if view.marketable_kind(v) and (buy is None or buy.venue is not v)]
    if not venues:
        return _no_venue(view)
    quoted = [venue for venue in venues if view.bids(venue)]
    if not quoted:
        return Obstacle(StrandReason.NO_QUOTE, "no bid is known", view.settings.quote_wait_ms)
    venue = max(quoted, key=lambda v: (view.bids(v)[0], v is pair.approval.sell_venue))
    floor_krw = loss_floor(view.limits, pair.buy_price_krw, view.ticks(venue))
    best_krw = view.bids(venue)[0][0]
    if best_krw < floor_krw:
        patience_ms = view.limits.flatten_attempts * view.limits.flatten_interval_ms
        detail = f"the better bid is {best_krw}, the lowest allowed {floor_krw} KRW"
        return Obstacle(StrandReason.LOSS_BOUND, detail, patience_ms)
    return _market(pair, view, venues, floor_krw) or _limit(pair, view, venue, floor_krw)


def _no_venue(view: View) -> Obstacle:
    states = ", ".join(f"{v} {'halted' if view.halted(v) else view.phase(v)}" for v in Venue)
    return Obstacle(StrandReason.NO_VENUE, states, view.settings.flatten_wait_ms)


def _limit(pair: Pair, view: View, venue: Venue, floor_krw: int) -> Ask:
    bid_krw, kind = view.bids(venue)[0][0], view.marketable_kind(venue)
    assert kind is not None, "only tradable venues are asked"
    price_krw = rung_price(view.limits, bid_krw, _taken(pair) + 1, floor_krw, view.band, view.ticks(venue))
    return _ask(pair, venue, kind, price_krw, bid_krw)


def _market(pair: Pair, view: View, venues: list[Venue], floor_krw: int) -> Ask | None:
    """A market order for the last attempts, where the book shows the whole quantity within the loss bound."""
    attempt, last = _taken(pair) + 1, view.limits.flatten_attempts
    bids = view.bids(Venue.KRX)
    if attempt == 1 or attempt <= last - view.settings.market_attempts or Venue.KRX not in venues:
        return None
    shown = walk(bids, pair.available_shares)
    if not view.market_order_on(Venue.KRX) or shown is None or shown.worst_price_krw < floor_krw:
        return None
    return _ask(pair, Venue.KRX, OrderKind.MARKET, 0, bids[0][0])


def _auction(pair: Pair, view: View) -> Ask | Obstacle:
    """The KRX closing auction takes it at one price for all: a limit well through lets it join."""
    buy = pair.open_buy
    if buy is not None and buy.venue is Venue.KRX:
        return Obstacle(StrandReason.NO_VENUE, "the buy on KRX is not closed", view.settings.flatten_wait_ms)
    bids, ticks = view.bids(Venue.KRX), view.ticks(Venue.KRX)
    reference_krw = bids[0][0] if bids else ticks.snap_down(pair.buy_price_krw)
    floor_krw = loss_floor(view.limits, pair.buy_price_krw, ticks)
    price_krw = rung_price(view.limits, reference_krw, view.limits.collar_ticks, floor_krw, view.band, ticks)
    return replace(_ask(pair, Venue.KRX, OrderKind.LIMIT, price_krw, reference_krw), rests=True)


def _ask(pair: Pair, venue: Venue, kind: OrderKind, price_krw: int, reference_krw: int) -> Ask:
    return Ask(
        side=Side.SELL, venue=venue, kind=kind, purpose=Purpose.FLATTEN, qty_shares=pair.available_shares,
        price_krw=price_krw, reference_price_krw=reference_krw,
    )  # fmt: skip
