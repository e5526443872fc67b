"""A clip: buy the cheaper leg, then sell what was bought, at most so many times.

Decides when a clip begins, when its shares are due to be sold, and when selling at the rich venue has
failed and the residual ladder takes over (design 5). One buy a clip, never sent again; one sell at a
time; a sell on the venue of the buy only when the buy is surely closed, so that own orders never meet.
"""

from services.contracts.limits import HARD_CLIP_SHARES, NS_PER_MS
from services.contracts.messages.pairs import ClipRecomputed, PairOutcome
from services.contracts.terms import Purpose, Side
from services.executor import flatten
from services.executor.certain import untold
from services.executor.closing import clip_over, close, finish
from services.executor.move import Ask, Move, place
from services.executor.order import Order
from services.executor.pair import Pair
from services.executor.phases import PairPhase, Turn
from services.executor.pricing import buy_limit, order_shares, sell_limit
from services.executor.recompute import recompute
from services.executor.view import View


def ready(pair: Pair, view: View) -> Move | None:
    """Between clips: begin one, or end the pair.

    A pair that stands as it stood before the last start is not ended at once: Redis may have forgotten
    an order of it that the gateway is about to tell of, and a closed pair takes up no fill.
    """
    move = _begin_or_end(pair, view)
    ends = move is not None and move.pair.phase is PairPhase.CLOSED
    return None if ends and untold(pair, view) else move


def _begin_or_end(pair: Pair, view: View) -> Move | None:
    if pair.open_orders or pair.uncovered_shares < 0:
        return None
    if pair.uncovered_shares:
        if pair.lost and untold(pair, view):
            return None
        return flatten.open_residual(pair, view, "a fill came after its order was taken for closed")
    if pair.clip == 0:
        return _first(pair, view)
    if pair.stopping or pair.unspent_shares < 1:
        return finish(pair, view)
    return _next(pair, view)


def buying(pair: Pair, view: View) -> Move | None:
    """The buy is out: sell when it has closed, or shortly after its first fill."""
    buy = pair.open_buy
    if buy is None and not pair.uncovered_shares and not pair.open_orders:
        return clip_over(pair, pair.stopping or "the buy found nothing")
    if buy is not None and not _filled_a_while_ago(buy, view):
        return None
    return Move(pair.turned(Turn.SELL_DUE, sell_due_ns=view.now_ns))


def _filled_a_while_ago(buy: Order, view: View) -> bool:
    wait_ns = view.limits.sell_after_first_fill_ms * NS_PER_MS
    return buy.first_fill_ns > 0 and view.now_ns - buy.first_fill_ns >= wait_ns


def selling(pair: Pair, view: View) -> Move | None:
    """Sell what was bought at the rich venue; what that cannot do goes to the ladder."""
    if pair.open_sell is not None:
        return None
    if pair.available_shares < 1:
        return None if pair.open_orders else clip_over(pair, pair.stopping)
    reason = _why_flatten(pair, view)
    if reason:
        return flatten.open_residual(pair, view, reason)
    move = None if _waits_for_buy(pair) else _sell(pair, view)
    if move is None and _too_late(pair, view):
        return flatten.open_residual(pair, view, "nothing could be sold at the rich venue in time")
    return move


# -- beginning a clip -------------------------------------------------------------------


def _first(pair: Pair, view: View) -> Move | None:
    """The first clip goes like any other, by fresh quotes; they are waited for while the approval is good."""
    approval = pair.approval
    if view.now_ns >= approval.expires_at_ns:
        return close(pair, view, PairOutcome.EXPIRED)
    if pair.stopping or view.entry_refusal():
        return close(pair, view, PairOutcome.STOPPED)
    if view.fault(approval.buy_venue) is not None:
        return None
    return _next(pair, view)


def _next(pair: Pair, view: View) -> Move:
    """A clip goes only if fresh quotes pay for it, and says what it looked at."""
    found = recompute(pair, view, _size(pair, view))
    said = ClipRecomputed(
        pair_id=pair.pair_id, symbol=pair.symbol, clip=pair.clip + 1, proceed=not found.refusal,
        net_edge_krw=found.net_krw, quote_buy=found.quote_buy, quote_sell=found.quote_sell,
        decided_at_ns=view.now_ns, reason=found.refusal or "the edge still pays",
        threshold_krw=found.threshold_krw, reference_hash=view.reference_hash,
        cross_age_ms=found.cross_age_ms, moved_last=found.moved_last,
    )  # fmt: skip
    if found.refusal:
        return Move(pair.but(stopping=found.refusal), (said,))
    move = _buy(pair, view, found.buy_price_krw)
    return Move(move.pair, (said, *move.out))


def _size(pair: Pair, view: View) -> int:
    allowed = min(pair.approval.clip_shares, view.limits.clip_shares, HARD_CLIP_SHARES)
    return min(allowed, pair.unspent_shares)


def _buy(pair: Pair, view: View, price_krw: int) -> Move:
    venue = pair.approval.buy_venue
    kind = view.marketable_kind(venue)
    assert kind is not None, "entry_refusal comes first"
    asks = view.asks(venue)
    started = pair.turned(Turn.CLIP_STARTED, clip=pair.clip + 1, sell_due_ns=0)
    ask = Ask(
        side=Side.BUY, venue=venue, kind=kind, purpose=Purpose.ENTRY, qty_shares=_size(pair, view),
        price_krw=buy_limit(price_krw, asks, view.limits.collar_ticks, view.ticks(venue)),
        reference_price_krw=asks[0][0] if asks else price_krw,
    )  # fmt: skip
    return place(started, view, ask)


# -- selling ------------------------------------------------------------------------------


def _sell(pair: Pair, view: View) -> Move | None:
    venue = pair.approval.sell_venue
    kind, bids = view.marketable_kind(venue), view.bids(venue)
    if kind is None or not bids or not view.venues.ready or view.sell_refusal(by_person=False):
        return None
    if view.costs is None:
        return flatten.open_residual(pair, view, "the costs that break-even is computed from are not known")
    shares = order_shares(pair.available_shares, bids[0][0])
    floor_krw = view.costs.break_even_sell_price_krw(venue.other, pair.buy_price_krw, venue, shares)
    price = sell_limit(floor_krw, bids, shares, view.limits.collar_ticks, view.ticks(venue))
    if price is None:
        return flatten.open_residual(pair, view, "the spread is gone")
    ask = Ask(
        side=Side.SELL, venue=venue, kind=kind, purpose=Purpose.EXIT, qty_shares=shares,
        price_krw=price, reference_price_krw=bids[0][0],
    )  # fmt: skip
    return place(pair, view, ask)


def _why_flatten(pair: Pair, view: View) -> str:
    """Why the rich venue is given up, empty while it is not."""
    if pair.by_person:
        return "a person asked to be flat"
    if pair.exit_sells(pair.clip) >= view.limits.max_sells_per_clip:
        return "the sells of the clip are spent"
    return ""


def _too_late(pair: Pair, view: View) -> bool:
    """Whether shares have waited too long for the rich venue: since they came, or its last order ended."""
    came_ns = max(pair.sell_due_ns, pair.exposure.open_since_ns, view.started_ns)
    waited_from_ns = max([came_ns, *(order.ended_at_ns for order in pair.orders)])
    return view.now_ns - waited_from_ns >= view.limits.sell_timeout_ms * NS_PER_MS


def _waits_for_buy(pair: Pair) -> bool:
    """Whether a sell must wait: on the buy's venue always; a second one while the buy goes its usual way."""
    buy = pair.open_buy
    if buy is None:
        return False
    if buy.venue is pair.approval.sell_venue:
        return True
    return pair.exit_sells(pair.clip) > 0 and not buy.life.doubtful and buy.cancels == 0
