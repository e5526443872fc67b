"""When a day is over everything is closed, or named as what it is."""

from collections import Counter
from collections.abc import Iterator

from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.orders import OrderFacts, OrderResolved, OrderUnknown, Resolution
from services.contracts.messages.pairs import PairApproved, PairClosed, PairOutcome, ResidualMarked
from services.contracts.terms import Severity
from services.lab.breach import Fact, Found, invariant
from services.lab.broker_books import NEW
from services.lab.record import Record


@invariant("I6", Fact.MESSAGES | Fact.BROKER)
def everything_closes(day: Record) -> Iterator[Found]:
    """When the world has healed, every pair is closed and neutral, or named as stranded with the number that
    it holds and an alarm; no order works, and none is unknown."""
    closed = {pair.pair_id: pair for pair in day.of(PairClosed)}
    approved = {pair.pair_id for pair in day.of(PairApproved)}
    marked = {mark.pair_id: mark for mark in day.of(ResidualMarked) if mark.pair_id not in closed}
    held, filled = Counter[str](), Counter[str]()
    for order in day.orders():
        held[order.pair_id] += order.sign * order.filled_shares
        filled[order.pair_id] += order.filled_shares
        if order.action == NEW and not order.closed:
            yield f"order {order.order_no} ({order.rqname}) still works at the broker"
    yield from _stranded(day, marked, held)
    for pair_id in sorted(approved - closed.keys() - marked.keys()):
        yield f"pair {pair_id} is still open"
    for pair_id, pair in closed.items():
        if pair.sold_shares > pair.bought_shares:
            yield f"pair {pair_id} sold {pair.sold_shares} and bought {pair.bought_shares}"
        if held[pair_id] and pair.outcome is not PairOutcome.CLAIMED:
            yield f"pair {pair_id} was closed and holds {held[pair_id]} shares"
    for pair_id in sorted(filled.keys() - closed.keys() - marked.keys()):
        if filled[pair_id]:
            shares = f"{filled[pair_id]} shares at the broker"
            yield f"pair {pair_id} filled {shares} and was never closed; it holds {held[pair_id]}"
    for order_id in _unknown(day):
        yield f"order {order_id} is still unknown"


def _stranded(day: Record, marked: dict[str, ResidualMarked], held: Counter[str]) -> Iterator[Found]:
    alarmed = {a.pair_id for a in day.ever(AlertRaised) if a.severity is Severity.CRITICAL}
    for pair_id, mark in sorted(marked.items()):
        if pair_id not in alarmed:
            yield f"the stranded position of {pair_id} was never alarmed"
        if mark.qty_shares != held[pair_id]:
            yield f"pair {pair_id} is named with {mark.qty_shares} shares and holds {held[pair_id]}"
        if day.healed_in_time:
            left = f"{mark.qty_shares} shares of {mark.symbol}"
            yield f"pair {pair_id} is left stranded with {left}"
    for pair_id, left_orders, due in day.given_up:
        yield f"{pair_id} was given up after {left_orders} orders of {due}"


def _unknown(day: Record) -> list[str]:
    """Orders whose last word is that nobody knows: nothing told since says what became of them."""
    unknown: dict[str, None] = {}
    for envelope in day.kept.values():
        body = envelope.body
        facts = getattr(body, "facts", None)
        if not isinstance(facts, OrderFacts):
            continue
        resolved = not isinstance(body, OrderResolved) or body.resolution is not Resolution.AMBIGUOUS
        if isinstance(body, OrderUnknown):
            unknown[facts.order_id] = None
        elif resolved:
            unknown.pop(facts.order_id, None)
    return list(unknown)
