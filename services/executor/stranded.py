"""A stranded position: named, and tried again by itself when a session opens or a bid returns.

It stays stranded meanwhile: the person who was called is called off only when it is sold. At most
`stranded_attempts` orders a session, one at a time, and `max_pair_loss_krw` a day; then only a person
tries (`arb flatten`). Nothing is tried while what is held is not certain, while the trading state allows
no sale, or while a sale by hand in its symbol may be one of its shares: until that ended with nothing sold,
the account still holds the pair's shares, the date is over, or a person resumes the symbol.
"""

from services.contracts.limits import NS_PER_MS
from services.contracts.messages.pairs import ResidualMarked, StrandReason
from services.contracts.terms import Purpose, Venue
from services.executor import notices
from services.executor.certain import doubt, untold
from services.executor.closing import clip_over
from services.executor.move import Ask, Move, place
from services.executor.order import Order
from services.executor.pair import Pair
from services.executor.phases import PairPhase, Turn
from services.executor.pricing import loss_floor
from services.executor.rung import Attempt, Obstacle, rung
from services.executor.view import View

_UNCERTAIN = (StrandReason.AMBIGUOUS, StrandReason.FAULT)


def strand(
    pair: Pair, view: View, reason: StrandReason, detail: str, *, obstructed: bool = False
) -> Move:  # fmt: skip
    """Name the position, and call a person. `obstructed`: it is tried again once nothing is in the way."""
    residual = pair.residual.model_copy(
        update={
            "reason": reason,
            "detail": detail,
            "obstacle": reason if obstructed else None,
            "marked_shares": pair.uncovered_shares,
            "strands": pair.residual.strands + 1,
            "tries": pair.residual.tries.of_session(view.session),
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


def stranded(pair: Pair, view: View) -> Move | None:
    """Close what proves to be sold, name again what has changed, and try to sell the rest."""
    if pair.uncovered_shares == 0 and not pair.open_orders:
        return clip_over(pair, pair.stopping)
    named = _named_truly(pair, view)
    if named is not None:
        return named
    if pair.uncovered_shares != pair.residual.marked_shares:
        reason = pair.residual.reason or StrandReason.NO_VENUE
        return strand(pair, view, reason, pair.residual.detail)
    return None if refusal(pair, view) else _again(pair, view)


def _named_truly(pair: Pair, view: View) -> Move | None:
    """Name it as uncertain once it is, and as certain once it is again: then it is tried again."""
    reason = pair.residual.reason
    if reason is StrandReason.FAULT or untold(pair, view):
        return None
    why, uncertain = doubt(pair, view), reason is StrandReason.AMBIGUOUS
    if why and not uncertain:
        return strand(pair, view, StrandReason.AMBIGUOUS, why)
    if uncertain and not (why or pair.residual.unheard):
        return strand(pair, view, StrandReason.SETTLED, "", obstructed=True)
    return None


def refusal(pair: Pair, view: View) -> str:
    """Why a stranded position is not tried again by itself now, in plain words; empty if it is."""
    if pair.ambiguous or pair.uncovered_shares < 1 or pair.residual.reason in _UNCERTAIN:
        return "what is held is not certain"
    if pair.sold_by_hand(view.venues.trading_date):
        return "an order by hand was seen in its symbol"
    tries, most = pair.residual.tries.of_session(view.session), view.limits.stranded_attempts
    if tries.orders >= most and not _sold_wholly(_last(pair)):
        return f"its {most} attempts of this session are spent"
    if _may_lose_krw(pair, view) < 0:
        return "it has lost what a pair may lose in a day"
    return view.sell_refusal(by_person=False)


def outlook(pair: Pair, view: View) -> str:
    """When a stranded position is tried again by itself, or why it is not, in plain words."""
    why = refusal(pair, view)
    if why:
        return f"not tried again by itself: {why}"
    left = view.limits.stranded_attempts - pair.residual.tries.of_session(view.session).orders
    return f"tried again when a session opens or a bid returns, {left} attempts left in this session"


def _again(pair: Pair, view: View) -> Move | None:
    if untold(pair, view) or pair.open_orders or pair.available_shares < 1:
        return None
    tries = pair.residual.tries.of_session(view.session)
    found = rung(pair, view, Attempt(tries.orders + 1, _floor_krw(pair, view)))
    if isinstance(found, Obstacle):
        return _obstructed(pair, found)
    last = _last(pair)
    news = pair.residual.obstacle is not None or tries.session != pair.residual.tries.session
    soon = news or _sold_wholly(last)
    wait_ms = view.limits.flatten_interval_ms if soon else view.limits.stranded_interval_ms
    if last is not None and view.now_ns < last.placed_at_ns + wait_ms * NS_PER_MS:
        return None
    return _tried(pair, view, found)


def _obstructed(pair: Pair, obstacle: Obstacle) -> Move | None:
    """Remember that something stands in the way: when it is gone, that is news."""
    if pair.residual.obstacle is not None:
        return None
    return Move(pair.but(residual=pair.residual.model_copy(update={"obstacle": obstacle.reason})))


def _tried(pair: Pair, view: View, ask: Ask) -> Move:
    tries = pair.residual.tries.of_session(view.session)
    tries = tries.of_date(view.venues.trading_date, _result_before_krw(pair, view))
    counted = tries if tries.orders and _sold_wholly(_last(pair)) else tries.counted()
    residual = pair.residual.model_copy(update={"tries": counted, "obstacle": None})
    return place(pair.but(residual=residual), view, ask)


def _last(pair: Pair) -> Order | None:
    return next((order for order in reversed(pair.orders) if order.purpose is Purpose.FLATTEN), None)


def _sold_wholly(order: Order | None) -> bool:
    """Whether an order sold all that it carried: then the rest goes on as the same attempt."""
    return order is not None and order.cum_qty_shares == order.qty_shares


# -- what it may lose ---------------------------------------------------------------------


def _floor_krw(pair: Pair, view: View) -> int:
    """The lowest price that loses no more than the share may lose, and no more than the pair may today."""
    held, paid_krw = pair.available_shares, pair.buy_price_krw
    floor_krw = loss_floor(view.limits, paid_krw)
    kept_krw = max(1, paid_krw - _may_lose_krw(pair, view) // held)
    if view.costs is None:
        return max(floor_krw, kept_krw)
    buy = pair.approval.buy_venue
    return max(floor_krw, *(view.costs.break_even_sell_price_krw(buy, kept_krw, v, held) for v in Venue))


def _may_lose_krw(pair: Pair, view: View) -> int:
    """What the pair may still lose on this date; negative where it has lost more."""
    return view.limits.max_pair_loss_krw + pair.result_krw - _result_before_krw(pair, view)


def _result_before_krw(pair: Pair, view: View) -> int:
    """The pair's result when the date began: nothing, unless it is carried over from an earlier one."""
    today, tries = view.venues.trading_date, pair.residual.tries
    if tries.trading_date == today:
        return tries.result_krw
    return 0 if pair.approval.trading_date == today else pair.result_krw
