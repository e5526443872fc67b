"""The residual ladder: sell what was bought and not sold, at once, at the better bid of both venues.

Each rung goes a step further than the one before (`rung`). Bounded by attempts, by loss per share and by
time. What cannot be sold is marked by name, and a person called (`stranded`).
"""

from services.contracts.limits import NS_PER_MS
from services.contracts.messages.pairs import ResidualOpened, StrandReason
from services.executor import notices
from services.executor.closing import clip_over
from services.executor.move import Ask, Move, place
from services.executor.pair import Pair
from services.executor.phases import OrderLife, Turn
from services.executor.pricing import loss_floor
from services.executor.rung import Attempt, Obstacle, rung
from services.executor.stranded import strand
from services.executor.view import View

_DENIALS_DOUBLED = 5
"""A gateway that refuses is asked ever more slowly, up to 32 intervals apart."""


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
    again = _on_ladder(pair, view, pair.stopping, Turn.RETRIED).handed_back()
    return Move(again.but(by_person=True), (notices.stranded_over(pair, "again"),))


def flattening(pair: Pair, view: View) -> Move | None:
    """Take the next rung, wait, or give up."""
    if pair.open_sell is not None:
        return None
    if pair.available_shares < 1:
        return None if pair.open_orders else clip_over(pair, pair.stopping)
    if _taken(pair) >= view.limits.flatten_attempts:
        return strand(pair, view, StrandReason.ATTEMPTS_SPENT, f"{_taken(pair)} attempts")
    found = _next_rung(pair, view)
    if isinstance(found, Obstacle):
        return _obstructed(pair, view, found)
    free = _cleared(pair)
    if view.now_ns >= _not_before_ns(pair, view):
        return place(free, view, found)
    return None if free is pair else Move(free)


def _on_ladder(pair: Pair, view: View, stopping: str, turn: Turn) -> Pair:
    run = pair.residual.ladder + 1
    fresh = {
        "ladder": run,
        "started_ns": view.now_ns,
        "obstacle": None,
        "reason": None,
        "detail": "",
        "unheard": (),
    }
    return pair.turned(turn, residual=pair.residual.model_copy(update=fresh), stopping=stopping)


def _next_rung(pair: Pair, view: View) -> Ask | Obstacle:
    number, floor_krw = _taken(pair) + 1, loss_floor(view.limits, pair.buy_price_krw)
    market = number > max(1, view.limits.flatten_attempts - view.limits.market_attempts)
    found = rung(pair, view, Attempt(number, floor_krw, market))
    if not isinstance(found, Obstacle) and _denials_in_row(pair) and _out_of_time(pair, view):
        return Obstacle(StrandReason.DENIED, "see the denials of its orders", 0)
    return found


def _taken(pair: Pair) -> int:
    """Attempts that left something unsold. What the gateway refused unsent is none, nor what sold wholly."""
    return sum(
        order.life is not OrderLife.DENIED and order.cum_qty_shares < order.qty_shares
        for order in pair.rungs
    )  # fmt: skip


def _denials_in_row(pair: Pair) -> int:
    lives = [order.life for order in reversed(pair.rungs)]
    return next((n for n, life in enumerate(lives) if life is not OrderLife.DENIED), len(lives))


def _not_before_ns(pair: Pair, view: View) -> int:
    last = pair.rungs[-1] if pair.rungs else None
    if last is None or last.cum_qty_shares == last.qty_shares:
        return 0
    doubled = min(max(_denials_in_row(pair) - 1, 0), _DENIALS_DOUBLED)
    interval_ms = view.limits.flatten_interval_ms << doubled
    return last.placed_at_ns + interval_ms * NS_PER_MS


def _obstructed(pair: Pair, view: View, obstacle: Obstacle) -> Move | None:
    residual = pair.residual
    since_ns = residual.obstacle_since_ns if residual.obstacle is obstacle.reason else view.now_ns
    if view.now_ns - since_ns >= obstacle.patience_ms * NS_PER_MS or _out_of_time(pair, view):
        return strand(pair, view, obstacle.reason, obstacle.detail, obstructed=True)
    if residual.obstacle is obstacle.reason:
        return None
    update = {"obstacle": obstacle.reason, "obstacle_since_ns": since_ns}
    return Move(pair.but(residual=residual.model_copy(update=update)))


def _out_of_time(pair: Pair, view: View) -> bool:
    """Whether nothing has moved for so long that the obstacles, whatever they are, count as lasting."""
    moved_ns = max([pair.residual.started_ns, *(o.ended_at_ns for o in pair.rungs if o.cum_qty_shares)])
    return view.now_ns - moved_ns >= view.limits.flatten_wait_ms * NS_PER_MS


def _cleared(pair: Pair) -> Pair:
    if pair.residual.obstacle is None:
        return pair
    return pair.but(residual=pair.residual.model_copy(update={"obstacle": None}))
