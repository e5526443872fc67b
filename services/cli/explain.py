"""The story of one pair: every message that names it, in the order it happened.

Pure, given the messages. Times are counted from the first of them, in ms.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from services.cli.link import Seen
from services.cli.wording import krw, sentence
from services.contracts.envelope import Message
from services.contracts.limits import NS_PER_MS
from services.contracts.messages.commands import CancelOrder, PlaceOrder
from services.contracts.messages.intents import TradeIntent
from services.contracts.messages.orders import OrderAccepted, OrderClosed, OrderFilled, OrderSent
from services.contracts.messages.pairs import ClipCompleted, ClipRecomputed, PairApproved
from services.contracts.terms import MovedLast


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened, `after_ms` the first."""

    after_ms: int
    source: str
    type: str
    text: str
    message: Message


def story_of(pair_id: str, seen: Iterable[Seen]) -> list[Line]:
    """Return the lines of a pair, oldest first; empty where nothing names it."""
    everything = list(seen)
    intent_ids = {
        item.message.intent_id for item in everything
        if isinstance(item.message, PairApproved) and item.message.pair_id == pair_id
    }  # fmt: skip
    told = {item.envelope.id: item for item in everything if _names(item, pair_id, intent_ids)}
    ordered = sorted(told.values(), key=lambda item: (item.envelope.ts_init_ns, item.entry_id))
    return list(_lines(ordered))


def _names(item: Seen, pair_id: str, intent_ids: set[str]) -> bool:
    message: Any = item.message
    facts = getattr(message, "facts", None)
    if isinstance(message, TradeIntent):
        return message.intent_id in intent_ids
    return pair_id in (getattr(message, "pair_id", ""), getattr(facts, "pair_id", ""))


def _lines(ordered: list[Seen]) -> Iterator[Line]:
    for item in ordered:
        envelope, message = item.envelope, item.message
        after_ms = (envelope.ts_init_ns - ordered[0].envelope.ts_init_ns) // NS_PER_MS
        yield Line(after_ms, envelope.source, envelope.type, _words(message) or sentence(message), message)


def _words(message: Message) -> str:
    match message:
        case TradeIntent() as m:
            return (
                f"buy {m.side_a.venue} at {krw(m.side_a.price_krw)}, sell {m.side_b.venue} at "
                f"{krw(m.side_b.price_krw)}, {m.qty_shares} shares: net {m.net_edge_krw:+,} KRW, "
                f"needed {m.threshold_krw:,}; {_cross(m)}"
            )
        case PlaceOrder() as m:
            price = krw(m.price_krw) if m.price_krw else "market"
            return f"{m.order_id}: {m.purpose} {m.side} {m.qty_shares} on {m.venue} at {price} ({m.kind})"
        case CancelOrder() as m:
            return f"{m.order_id}: cancel {m.target_order_id}: {m.reason}"
        case OrderSent() | OrderAccepted() as m:
            return f"{m.facts.order_id} {m.facts.broker_order_no}".strip()
        case OrderFilled(last_qty_shares=0, facts=facts):
            return f"{facts.order_id}: commission {krw(facts.commission_krw)}, tax {krw(facts.tax_krw)} KRW"
        case OrderFilled() as m:
            return f"{m.facts.order_id}: {m.last_qty_shares} for {krw(m.last_amount_krw)} KRW"
        case OrderClosed() as m:
            return f"{m.facts.order_id}: {m.facts.cum_qty_shares} of {m.facts.qty_shares} filled ({m.reason})"
        case ClipCompleted() as m:
            left = f", {m.residual_shares} left" if m.residual_shares else ""
            return f"clip {m.clip}: bought {m.bought_shares}, sold {m.sold_shares}{left}"
        case ClipRecomputed() as m:
            return f"clip {m.clip}: {'go on' if m.proceed else 'stop'}: {m.reason}; {_cross(m)}"
    return ""


_MOVED_LAST: Final = {
    MovedLast.ASK: "the ask moved last",
    MovedLast.BID: "the bid moved last",
    MovedLast.UNKNOWN: "which quote moved last is not known",
}


def _cross(message: TradeIntent | ClipRecomputed) -> str:
    return f"the cross had stood for {message.cross_age_ms:,} ms, {_MOVED_LAST[message.moved_last]}"
