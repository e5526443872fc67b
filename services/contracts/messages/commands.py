"""Orders to a gateway. One id leads to at most one order that could have reached the broker."""

from pydantic import Field

from services.contracts.envelope import Message
from services.contracts.terms import OrderKind, Purpose, Side, Symbol, TradingDate, Venue


class PlaceOrder(Message):
    """Send one order. `price_krw` is 0 for a market order only.

    After `expires_at_ns` (Redis time) it is denied unsent. `supersedes` names the earlier
    attempt of the same leg that this one replaces: once this is seen, that one is never sent.
    `reference_price_krw` is the fresh opposite best the price was derived from (collar).
    """

    order_id: str
    pair_id: str
    symbol: Symbol
    venue: Venue
    side: Side
    kind: OrderKind
    purpose: Purpose
    qty_shares: int = Field(gt=0)
    price_krw: int = Field(ge=0)
    reference_price_krw: int = Field(ge=0)
    expires_at_ns: int
    supersedes: str = ""


class AmendOrder(Message):
    """Change price and quantity of a working order; the kind and the venue stay."""

    order_id: str
    target_order_id: str
    pair_id: str
    qty_shares: int = Field(gt=0)
    price_krw: int = Field(gt=0)
    expires_at_ns: int


class CancelOrder(Message):
    """Take back what is left of an order; one still queued in the gateway is removed there.

    `trading_date` is the date of the target, empty where it is not known. On that date the gateway can
    say of a target that it never heard of that it was never sent: its log of the date would know.
    """

    order_id: str
    target_order_id: str
    pair_id: str
    reason: str
    trading_date: TradingDate = TradingDate("")
