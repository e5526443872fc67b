"""What a step of the detector adds: intents spoken, crosses that ended, the way from quote to intent."""

from collections.abc import Iterable

from services.contracts.measures import detector as m
from services.contracts.measures.every import ORDER_PATH
from services.contracts.messages.intents import CrossEnded, TradeIntent
from services.contracts.metric import Reading, seconds, seconds_of_ms
from services.contracts.step import Event, Step
from services.detector.state import DetectorState
from services.market.books import refusal_counted


def counted(before: DetectorState, event: Event, step: Step[DetectorState]) -> Iterable[Reading]:
    """Return what one step adds."""
    yield from refusal_counted(step.state.books, event)
    for out in step.out:
        if isinstance(out.message, TradeIntent):
            yield from _spoken(out.message)
        elif isinstance(out.message, CrossEnded):
            yield from _ended(out.message)


def _spoken(intent: TradeIntent) -> Iterable[Reading]:
    newer_ns = max(intent.quote_a.ts_event_ns, intent.quote_b.ts_event_ns)
    yield m.INTENTS.at(1, intent.symbol)
    yield m.CROSS_AGE.at(seconds_of_ms(intent.cross_age_ms), intent.moved_last)
    yield ORDER_PATH.at(max(0.0, seconds(intent.decided_at_ns - newer_ns)), "intent")


def _ended(cross: CrossEnded) -> Iterable[Reading]:
    yield m.CROSSES.at(1, cross.symbol, cross.buy_venue)
    yield m.CROSS_DURATION.at(seconds_of_ms(cross.duration_ms), cross.moved_last)
    if cross.too_young:
        yield m.CROSSES_TOO_YOUNG.at(1, cross.moved_last)
    yield m.CROSS_PEAK.at(cross.peak_net_edge_krw)
    yield m.CROSS_SIZE.at(cross.peak_qty_shares)
