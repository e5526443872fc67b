"""What pairs and the day lost, beside the day's own limit: one pair, pairs in a row, a fall from the best.

Money is counted from the orders' own facts, as everywhere in risk. Lifting a latch of this kind begins
its count anew: a person has looked at what was counted.
"""

from collections.abc import Iterator

from services.contracts.step import Outgoing, Step
from services.contracts.terms import Latch
from services.risk.exposure import marked, marked_gain, not_valued, open_money, realised_krw
from services.risk.latches import set_latch
from services.risk.pnl import money_of
from services.risk.state import Day, RiskState


def result_krw(state: RiskState) -> int | None:
    """The day's result, realised and marked; None while something held has no bid of now to be valued at.

    What a person works on does not hide the rest: without such a bid it counts as far as it has lost.
    """
    return None if not_valued(state) else realised_krw(state) + marked_gain(state).gain_krw


def with_best(state: RiskState) -> RiskState:
    """Remember the best that the day has seen."""
    result = result_krw(state)
    if result is None or result <= state.day.best_krw:
        return state
    return _but_day(state, best_krw=result)


def after_news(before: RiskState, state: RiskState, pair_id: str, now_ns: int) -> Step[RiskState]:
    """Count what a closed pair brought as it is known now, and latch what has become too much.

    A close, costs told late and a pair opened again all change it; said twice they change nothing.
    """
    result, was = _result_of(state, pair_id), _result_of(before, pair_id)
    if state.reference is None or result == was:
        return Step(state)
    limits, row = state.reference.limits, _losing_row(state)
    found: list[tuple[Latch, str]] = []
    worse = result is not None and (was is None or result < was)
    spent = was is not None and -was >= limits.max_pair_loss_krw
    if worse and result is not None and 0 < -result >= limits.max_pair_loss_krw and not spent:
        found.append((Latch.PAIR_LOSS, _of_pair(state, pair_id, -result, limits.max_pair_loss_krw)))
    if worse and row >= limits.max_losing_pairs_in_a_row and row > state.day.losses_in_a_row:
        lost = f"{row} pairs in a row lost money, the last {-(result or 0)} KRW."
        found.append((Latch.LOSING_STREAK, lost))
    out: list[Outgoing] = []
    state = _but_day(state, losses_in_a_row=row)
    for latch, detail in found:
        step = set_latch(state, latch, detail, now_ns)
        state, out = step.state, [*out, *step.out]
    return Step(state, tuple(out))


def _result_of(state: RiskState, pair_id: str) -> int | None:
    """What a closed pair with a fill brought in its whole life, KRW; None for any other."""
    pair = state.closed.get(pair_id)
    if pair is None or not pair.trip_counted:
        return None
    return state.settled_krw[pair_id] + pair.before_krw


def _losing_row(state: RiskState) -> int:
    """How many pairs lost money one after the other up to now, since a person last looked at them."""
    row = 0
    for pair_id in reversed(state.settled_krw):
        result = _result_of(state, pair_id)
        if result is None:
            continue
        if result >= 0 or state.closed[pair_id].looked_at:
            break
        row += 1
    return row


def due(state: RiskState) -> Iterator[tuple[Latch, str]]:
    """Yield what an open pair, or the day since its best, has lost too much of."""
    if state.reference is None:
        return
    limits = state.reference.limits
    for pair_id, loss_krw in _open_losses(state):
        if loss_krw >= limits.max_pair_loss_krw:
            yield Latch.PAIR_LOSS, _of_pair(state, pair_id, loss_krw, limits.max_pair_loss_krw)
    result = result_krw(state)
    fallen_krw = 0 if result is None else state.day.best_krw - result
    if state.day.best_krw > 0 and fallen_krw >= limits.max_drawdown_krw > 0:
        yield (
            Latch.DRAWDOWN,
            f"The day stands {fallen_krw} KRW below its best, {state.day.best_krw} KRW; "
            f"the limit is {limits.max_drawdown_krw} KRW.",
        )


def forgiven(state: RiskState, latch: Latch) -> RiskState:
    """Begin the count of a latch that is being lifted anew."""
    if latch not in state.trading.latched:
        return state
    if latch is Latch.LOSING_STREAK:
        seen = {key: pair.model_copy(update={"looked_at": True}) for key, pair in state.closed.items()}
        return _but_day(state.but(closed=seen), losses_in_a_row=0)
    if latch is Latch.DRAWDOWN:
        result = result_krw(state)
        return state if result is None else _but_day(state, best_krw=max(0, result))
    return state


def _open_losses(state: RiskState) -> Iterator[tuple[str, int]]:
    """What each open pair has lost, valued as `exposure` says; a stranded one is a person's already."""
    for pair_id, pair, money in open_money(state):
        valued = marked(state, [(pair.symbol, money)] if money.held_shares else [])
        loss_krw = -(money.realised_krw + valued.gain_krw)
        if loss_krw > 0 and not pair.stranded:
            yield pair_id, loss_krw


def _of_pair(state: RiskState, pair_id: str, loss_krw: int, limit_krw: int) -> str:
    own = [*state.orders.values(), *state.settled.values()]
    money = money_of(tally for tally in own if tally.pair_id == pair_id)
    costs_krw = money.commission_krw + money.tax_krw
    return (
        f"The pair {pair_id} has lost {loss_krw} KRW, {min(costs_krw, loss_krw)} KRW of it in costs; "
        f"the limit is {limit_krw} KRW."
    )


def _but_day(state: RiskState, **changes: int) -> RiskState:
    day: Day = state.day.model_copy(update=changes)
    changed: RiskState = state.but(day=day)
    return changed
