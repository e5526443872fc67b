"""What pairs and the day lost, beside the day's own limit: one pair, pairs in a row, a fall from the best.

Money is counted from the orders' own facts, as everywhere in risk. Lifting a latch of this kind begins
its count anew: a person has looked at what was counted.
"""

from collections.abc import Iterator

from services.contracts.step import Outgoing, Step
from services.contracts.terms import Latch
from services.risk.exposure import best_bids, marked_gain, realised_krw
from services.risk.latches import set_latch
from services.risk.pnl import marked, money_by_pair, money_of
from services.risk.state import Day, RiskState


def result_krw(state: RiskState) -> int | None:
    """The day's result, realised and marked; None while something held has no bid to be valued at."""
    valued = marked_gain(state)
    return None if valued.without_bid else realised_krw(state) + valued.gain_krw


def with_best(state: RiskState) -> RiskState:
    """Remember the best that the day has seen."""
    result = result_krw(state)
    if result is None or result <= state.day.best_krw:
        return state
    return _but_day(state, best_krw=result)


def after_close(state: RiskState, pair_id: str, now_ns: int) -> Step[RiskState]:
    """Count a pair that has just been settled with a fill, and latch what is too much."""
    if state.reference is None:
        return Step(state)
    limits, result = state.reference.limits, state.settled_krw.get(pair_id, 0)
    row = state.day.losses_in_a_row + 1 if result < 0 else 0
    state = _but_day(state, losses_in_a_row=row)
    found: list[tuple[Latch, str]] = []
    if result < 0 and -result >= limits.max_pair_loss_krw:
        found.append((Latch.PAIR_LOSS, _of_pair(state, pair_id, -result, limits.max_pair_loss_krw)))
    if row >= limits.max_losing_pairs_in_a_row:
        found.append((Latch.LOSING_STREAK, f"{row} pairs in a row lost money, the last {-result} KRW."))
    out: list[Outgoing] = []
    for latch, detail in found:
        step = set_latch(state, latch, detail, now_ns)
        state, out = step.state, [*out, *step.out]
    return Step(state, tuple(out))


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
        return _but_day(state, losses_in_a_row=0)
    if latch is Latch.DRAWDOWN:
        result = result_krw(state)
        return state if result is None else _but_day(state, best_krw=max(0, result))
    return state


def _open_losses(state: RiskState) -> Iterator[tuple[str, int]]:
    """What each open pair has lost, valued at the better bid; a stranded one is a person's already."""
    bids = best_bids(state, {pair.symbol for pair in state.pairs.values()})
    for pair_id, money in money_by_pair(state.orders).items():
        pair = state.pairs.get(pair_id)
        if pair is None or pair.stranded:
            continue
        valued = marked([(pair.symbol, money)] if money.held_shares else [], bids)
        loss_krw = -(money.realised_krw + valued.gain_krw)
        if loss_krw > 0 and not valued.without_bid:
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
