"""One order of a pair: what was commanded, what is known of it, what it filled.

Owns the merging of order truth (design 4.3): quantities, amounts and costs merge by maximum, so that
an event told late, twice or out of order does no harm. What the gateway says an order *is* (quantity,
price) wins over what we remember commanding: its log on disk outlives a Redis that forgot a second.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Self

from services.contracts.envelope import Message, Part
from services.contracts.limits import COMMAND_TTL_MS, NS_PER_MS
from services.contracts.messages.orders import (
    CancelRejected,
    OrderAccepted,
    OrderClosed,
    OrderFacts,
    OrderFilled,
    OrderRejected,
    OrderResolved,
    OrderSent,
    OrderUnknown,
    Resolution,
)
from services.contracts.terms import OrderKind, Purpose, Side, TradingDate, Venue
from services.executor.phases import Evidence, OrderLife, next_life

OrderEvent = (
    OrderSent | OrderAccepted | OrderFilled | OrderClosed | OrderRejected | OrderUnknown | OrderResolved
    | CancelRejected
)  # fmt: skip

_ORDER_ID: Final = re.compile(r"(?P<pair>[^.]+)\.(?P<clip>[0-9]{1,6})\.[bs]\.(?P<attempt>[0-9]{1,6})")
"""What `ids.order_id_of` makes."""

SILENCE_NS: Final = 2 * COMMAND_TTL_MS * NS_PER_MS
"""An order without any event this long after its command expired counts as unknown (design 4.2)."""

_EVIDENCE: Final[Mapping[type[Message], Evidence]] = MappingProxyType({
    OrderSent: Evidence.SENT,
    OrderAccepted: Evidence.ACCEPTED,
    OrderFilled: Evidence.FILLED,
    OrderClosed: Evidence.CLOSED,
    OrderRejected: Evidence.REJECTED,
    OrderUnknown: Evidence.UNKNOWN,
    CancelRejected: Evidence.SENT,  # no news of the target's life but what its facts say
})  # fmt: skip
_RESOLVED: Final[Mapping[Resolution, Evidence]] = MappingProxyType({
    Resolution.FOUND: Evidence.FOUND,
    Resolution.NEVER_ARRIVED: Evidence.NEVER_ARRIVED,
    Resolution.AMBIGUOUS: Evidence.AMBIGUOUS,
})  # fmt: skip
_OUTRANKED_BY_CLOSED: Final = frozenset({Evidence.SENT, Evidence.ACCEPTED, Evidence.FILLED, Evidence.FOUND})
"""Events of a living order: where their facts say closed, that is the news."""


class Order(Part):
    """`ladder` numbers the run of the flatten ladder it belongs to, 0 for none. `trading_date` is the date it
    is an order of: it works on no other.

    `cancel_at_ns` is when it is next to be cancelled, None for an order that rests on purpose;
    `cancels` counts the cancels asked for; `asked_again_ns` is when the command was last repeated into a
    silence; `warned` that a person was told of it.
    """

    order_id: str
    clip: int
    attempt: int
    venue: Venue
    side: Side
    kind: OrderKind
    purpose: Purpose
    qty_shares: int
    price_krw: int
    placed_at_ns: int
    expires_at_ns: int
    cancel_at_ns: int | None
    trading_date: TradingDate = TradingDate("")
    ladder: int = 0
    life: OrderLife = OrderLife.COMMANDED
    cum_qty_shares: int = 0
    cum_amount_krw: int = 0
    commission_krw: int = 0
    tax_krw: int = 0
    first_fill_ns: int = 0
    ended_at_ns: int = 0
    cancels: int = 0
    asked_again_ns: int = 0
    warned: bool = False

    @property
    def open(self) -> bool:
        """Whether it may still fill, as far as anyone knows."""
        return not self.life.ended

    @property
    def at_risk_shares(self) -> int:
        """The most this order can have filled in the end."""
        return max(self.qty_shares, self.cum_qty_shares) if self.open else self.cum_qty_shares

    def but(self, **changes: object) -> Self:
        return self.model_copy(update=changes)

    def after(self, evidence: Evidence, now_ns: int) -> Self:
        """Return the order when `evidence` about its life was heard."""
        life = next_life(self.life, evidence)
        if life is self.life:
            return self
        return self.but(life=life, ended_at_ns=now_ns if life.ended else 0)

    def merged(self, event: OrderEvent, now_ns: int) -> Self:
        """Return the order with an event's facts taken in: fill state by maximum, life by table."""
        evidence = evidence_of(event)
        if event.facts.closed and evidence in _OUTRANKED_BY_CLOSED:
            evidence = Evidence.CLOSED
        order = self._filled(event.facts, now_ns).after(evidence, now_ns)
        return self if order == self else order

    def _filled(self, facts: OrderFacts, now_ns: int) -> Self:
        first_ns = self.first_fill_ns or (now_ns if facts.cum_qty_shares else 0)
        return self.but(
            venue=facts.venue,
            kind=facts.kind,
            qty_shares=facts.qty_shares,
            price_krw=facts.price_krw,
            trading_date=facts.trading_date,
            cum_qty_shares=max(self.cum_qty_shares, facts.cum_qty_shares),
            cum_amount_krw=max(self.cum_amount_krw, facts.cum_amount_krw),
            commission_krw=max(self.commission_krw, facts.commission_krw),
            tax_krw=max(self.tax_krw, facts.tax_krw),
            first_fill_ns=first_ns,
        )


def evidence_of(event: OrderEvent) -> Evidence:
    """Return what an event says of the order's life."""
    if isinstance(event, OrderResolved):
        return Evidence.REOPENED if event.reopens else _RESOLVED[event.resolution]
    return _EVIDENCE[type(event)]


def adopted(facts: OrderFacts, now_ns: int) -> Order | None:
    """Return an order of ours that our own state has lost, from the gateway's facts; None if not ours.

    Redis may lose its last second; the gateway's log does not, and tells of the order again.
    """
    ours = _ORDER_ID.fullmatch(facts.order_id)
    if ours is None or ours["pair"] != facts.pair_id:
        return None
    clip, attempt = clip_and_attempt(facts.order_id)
    return Order(
        order_id=facts.order_id, clip=clip, attempt=attempt, venue=facts.venue,
        side=facts.side, kind=facts.kind, purpose=facts.purpose, qty_shares=facts.qty_shares,
        price_krw=facts.price_krw, trading_date=facts.trading_date, placed_at_ns=now_ns,
        expires_at_ns=now_ns, cancel_at_ns=now_ns,
    )  # fmt: skip


def clip_and_attempt(order_id: str) -> tuple[int, int]:
    """Return what an order id says of itself; (0, 0) for one that `order_id_of` did not make."""
    ours = _ORDER_ID.fullmatch(order_id)
    return (0, 0) if ours is None else (int(ours["clip"]), int(ours["attempt"]))
