"""What became of orders: facts from the broker, and the gateway's own refusals.

Every event carries the order's whole fill state so far, so that readers merge by maximum:
a late, doubled or reordered event can do no harm.
"""

from enum import StrEnum

from services.contracts.envelope import Message, Part
from services.contracts.reasons import GateReason
from services.contracts.terms import Krw, OrderKind, Purpose, Shares, Side, Symbol, TradingDate, Venue


class OrderFacts(Part):
    """What an order is and how far it got.

    `cum_qty_shares` and `cum_amount_krw` are cumulative, `commission_krw` and `tax_krw` as the
    broker reports them for this order today (FIDs 938, 939). `closed`: nothing can fill any more.
    """

    order_id: str
    pair_id: str
    symbol: Symbol
    venue: Venue
    side: Side
    kind: OrderKind
    purpose: Purpose
    qty_shares: Shares
    price_krw: Krw
    trading_date: TradingDate
    broker_order_no: str = ""
    cum_qty_shares: Shares = 0
    cum_amount_krw: Krw = 0
    commission_krw: Krw = 0
    tax_krw: Krw = 0
    closed: bool = False

    def merged(self, told: "OrderFacts") -> "OrderFacts":
        """Return what is known of the order once more was told, in any order: figures only grow."""
        grown = {name: max(getattr(self, name), getattr(told, name)) for name in _GROWING}
        return self.model_copy(update=grown)


_GROWING = ("cum_qty_shares", "cum_amount_krw", "commission_krw", "tax_krw", "closed")


class OrderSent(Message):
    """SendOrder returned 0: the request left the machine. Nothing is accepted yet.

    `waited_ms` is the time from the arrival of its command at the gateway to the call of SendOrder, None
    where that is told again or not known.
    """

    facts: OrderFacts
    waited_ms: int | None = None


class OrderAccepted(Message):
    facts: OrderFacts


class OrderFilled(Message):
    """The fill state grew by `last_qty_shares` for `last_amount_krw`; both are 0 where only costs came."""

    facts: OrderFacts
    last_qty_shares: int
    last_amount_krw: int
    by_query: bool = False


class OrderClosed(Message):
    """Nothing is left working: filled, cancelled, or the rest of an IOC died."""

    facts: OrderFacts
    reason: str


class OrderRejected(Message):
    """Definite evidence that the broker did not take the order: it never worked."""

    facts: OrderFacts
    code: str
    text: str


class OrderUnknown(Message):
    """Nobody knows whether the order arrived. Never sent again, never taken as failed."""

    facts: OrderFacts
    reason: str


class Resolution(StrEnum):
    FOUND = "found"
    NEVER_ARRIVED = "never_arrived"
    AMBIGUOUS = "ambiguous"


class OrderResolved(Message):
    """Evidence turned an unknown order into a known one. `ambiguous` needs a person.

    `reopens`: the order had been told as over, and positive evidence shows that it lives.
    """

    facts: OrderFacts
    resolution: Resolution
    evidence: str
    reopens: bool = False


class CancelRejected(Message):
    """The broker refused a cancel or amend; the target lives on as `facts` says."""

    facts: OrderFacts
    code: str
    text: str


class CommandDenied(Message):
    """The gateway's own refusal at the last gate: nothing was sent.

    `order_id` is the command's own id; `target_order_id` the order that a cancel or amend named.
    """

    order_id: str
    pair_id: str
    symbol: Symbol
    reason: GateReason
    detail: str
    target_order_id: str = ""


class ForeignOrderSeen(Message):
    """An order in the account that is not ours: placed by hand, or forgotten."""

    broker_order_no: str
    symbol: Symbol
    venue: Venue
    side: Side
    qty_shares: Shares
    cum_qty_shares: Shares
    cum_amount_krw: Krw
    closed: bool
    trading_date: TradingDate


class AccountReported(Message):
    """The account as the broker's own query says. Cash is the deposit; orderable is at 100 % margin."""

    cash_krw: int
    orderable_krw: int
    holdings: dict[Symbol, int]
    trading_date: TradingDate


class ReconciliationCompleted(Message):
    """Stream and broker were compared; `differences` is empty when they agree.

    `begun_ns` is when its first query was sent (Redis time). `at_rest`: nothing worked or moved around it, so
    that the account reported just before and the orders told until then are of one moment. `bought_shares`
    and `sold_shares` are what our orders of the date have filled by then; None from an older gateway.
    """

    trading_date: TradingDate
    connection_epoch: int
    differences: tuple[str, ...]
    begun_ns: int = 0
    at_rest: bool = False
    bought_shares: dict[Symbol, int] | None = None
    sold_shares: dict[Symbol, int] | None = None
