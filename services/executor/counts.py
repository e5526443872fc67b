"""What a step of the executor adds: pairs closed, clips, residuals, and how long a pair stood uncovered."""

from collections.abc import Iterable

from services.contracts.day_words import is_clip, is_first_close
from services.contracts.ids import order_id_of
from services.contracts.measures import executor as m
from services.contracts.measures.every import ORDER_PATH
from services.contracts.messages.commands import PlaceOrder
from services.contracts.messages.pairs import (
    ClipCompleted,
    ClipRecomputed,
    PairClosed,
    ResidualMarked,
    ResidualOpened,
)
from services.contracts.metric import Reading, seconds, seconds_of_ms
from services.contracts.step import Event, Step
from services.contracts.terms import Side
from services.executor.state import ExecutorState
from services.market.books import refusal_counted


def counted(before: ExecutorState, event: Event, step: Step[ExecutorState]) -> Iterable[Reading]:
    """Return what one step adds."""
    yield from refusal_counted(step.state.books, event)
    for out in step.out:
        match out.message:
            case PairClosed() as closed:
                yield from _closed(closed)
            case ClipCompleted() as done if is_clip(done):
                yield m.CLIPS.at(1)
            case ClipRecomputed(proceed=proceed):
                yield m.CLIPS_RECOMPUTED.at(1, "yes" if proceed else "no")
            case ResidualOpened(qty_shares=shares):
                yield m.RESIDUALS.at(1)
                yield m.RESIDUAL_SHARES.at(shares)
            case ResidualMarked(reason=reason):
                yield m.STRANDINGS.at(1, reason)
            case PlaceOrder() as order:
                yield from _commanded(step.state, order, event.now_ns)


def _closed(closed: PairClosed) -> Iterable[Reading]:
    if is_first_close(closed):
        yield m.PAIRS_CLOSED.at(1, closed.outcome)
    yield m.PAIR_DURATION.at(max(0.0, seconds(closed.closed_at_ns - closed.opened_at_ns)))
    if closed.trip:
        yield m.UNCOVERED_TOTAL.at(seconds_of_ms(closed.uncovered_krw_ms))
        yield m.TIME_TO_NEUTRAL.at(seconds_of_ms(closed.neutral_ms))


def _commanded(state: ExecutorState, order: PlaceOrder, now_ns: int) -> Iterable[Reading]:
    """A command given again into a silence has expired, and is no new one."""
    pair = state.pairs.get(order.pair_id)
    if order.expires_at_ns <= now_ns:
        return
    if pair is not None and order.order_id == order_id_of(order.pair_id, 1, Side.BUY, 1):
        yield ORDER_PATH.at(max(0.0, seconds(now_ns - pair.approval.approved_at_ns)), "command")
