"""The end of a clip and of a pair: each said once, with the money that the broker reported."""

from services.contracts.envelope import Message
from services.contracts.limits import NS_PER_MS
from services.contracts.messages.pairs import ClipCompleted, PairClosed, PairOutcome
from services.contracts.reference import TradeCosts
from services.contracts.terms import Side
from services.executor import notices
from services.executor.move import Move
from services.executor.order import Order
from services.executor.pair import Pair
from services.executor.phases import PairPhase, Turn
from services.executor.view import View


def clip_over(pair: Pair, stopping: str) -> Move:
    """The clip is over and holds nothing: say what it did, and take back what was alarming."""
    clip = pair.clip
    bought, sold = pair.bought_shares(clip), pair.sold_shares(clip)
    done = ClipCompleted(
        pair_id=pair.pair_id, symbol=pair.symbol, clip=clip, bought_shares=bought,
        bought_krw=pair.bought_krw(clip), sold_shares=sold, sold_krw=pair.sold_krw(clip),
        residual_shares=bought - sold,
    )  # fmt: skip
    return Move(pair.turned(Turn.CLIP_OVER, stopping=stopping), (done, *_all_clear(pair)))


def finish(pair: Pair, view: View) -> Move | None:
    """End a pair that holds nothing and has no order open, once its costs are in or waited for."""
    if _costs_missing(pair, view):
        return None
    return close(pair, view, PairOutcome.FLAT if pair.bought_shares() else PairOutcome.NOT_FILLED)


def close(pair: Pair, view: View, outcome: PairOutcome) -> Move:
    """Close the pair, with what a person's own sale brought where there was one."""
    turn = Turn.CLAIMED if outcome is PairOutcome.CLAIMED else Turn.ENDED
    ended = pair.turned(turn, exposure=pair.exposure.at(0, view.now_ns))
    closed = closing_statement(ended, view.now_ns, outcome, view.costs)
    told = (notices.pair_closed(closed),) if closed.trip else ()
    return Move(ended.but(statement=closed), (closed, *_all_clear(pair), *told))


def _all_clear(pair: Pair) -> tuple[Message, ...]:
    """Take back the alarms of a pair that holds nothing any more."""
    over: tuple[Message, ...] = ()
    if pair.phase is PairPhase.STRANDED:
        over = (notices.stranded_over(pair, "flat"),)
    if pair.phase in (PairPhase.STRANDED, PairPhase.FLATTENING) and pair.residual.ladder:
        over = (*over, notices.residual_over(pair))
    doubted = (order for order in pair.open_orders if order.warned)
    return (*over, *(notices.order_settled_by_person(pair, order) for order in doubted))


def closing_statement(
    pair: Pair, now_ns: int, outcome: PairOutcome, costs: TradeCosts | None = None
) -> PairClosed:
    """What a pair came to: sums over its orders of what the broker reported, and a claim on top.

    `costs` are what it was traded by, as far as they are known: they say whether it is provisional.
    """
    bought_krw, sold_krw = pair.bought_krw(), pair.sold_krw()
    costs_krw = pair.commission_krw + pair.tax_krw
    return PairClosed(
        pair_id=pair.pair_id, symbol=pair.symbol, outcome=outcome, trip=pair.bought_shares() > 0,
        clips=sum(pair.bought_shares(clip) > 0 for clip in range(1, pair.clip + 1)),
        bought_shares=pair.bought_shares(), bought_krw=bought_krw,
        sold_shares=pair.sold_shares(), sold_krw=sold_krw, commission_krw=pair.commission_krw,
        tax_krw=pair.tax_krw, realised_pnl_krw=sold_krw + pair.claimed_krw - bought_krw - costs_krw,
        residual_shares_max=pair.residual.shares_max, neutral_ms=pair.exposure.neutral_ms_max,
        uncovered_krw_ms=pair.exposure.krw_ms, opened_at_ns=pair.opened_at_ns, closed_at_ns=now_ns,
        closings=pair.closings + 1, provisional=costs is not None and costs.provisional,
    )  # fmt: skip


def _costs_missing(pair: Pair, view: View) -> bool:
    """Whether an order's costs are still to come. Waited for only so long: what the broker says counts."""
    ended_ns = max((order.ended_at_ns for order in pair.orders), default=0)
    if view.costs is None or view.now_ns - ended_ns >= view.settings.settle_ms * NS_PER_MS:
        return False
    return any(_unreported(order, view) for order in pair.orders)


def _unreported(order: Order, view: View) -> bool:
    assert view.costs is not None
    if order.cum_amount_krw == 0:
        return False
    if order.commission_krw == 0 and view.costs.commission_krw(order.venue, order.cum_amount_krw) > 0:
        return True
    taxed = order.side is Side.SELL and view.costs.sell_tax_krw(order.cum_amount_krw) > 0
    return taxed and order.tax_krw == 0
