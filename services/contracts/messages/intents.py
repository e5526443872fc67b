"""What a detector saw: an executable cross, and how long it lasted."""

from pydantic import Field

from services.contracts.envelope import Message, Part
from services.contracts.messages.market_data import QuoteUpdated
from services.contracts.terms import MovedLast, Side, Symbol, TradingDate, Venue


class IntentLeg(Part):
    """One side of the pair: the worst price at which the whole size is executable now."""

    venue: Venue
    side: Side
    price_krw: int = Field(gt=0)


class QuoteSeen(Part):
    """A quote as the detector had it, with the message that carried it and when it happened.

    `ask_moved_ns` and `bid_moved_ns` are the times of the frames since which its reader has seen the best ask
    and the best bid at this price; 0 where the reader did not say.
    """

    message_id: str
    ts_event_ns: int
    quote: QuoteUpdated
    ask_moved_ns: int = 0
    bid_moved_ns: int = 0


class TradeIntent(Message):
    """Buy `side_a`, sell `side_b`, `qty_shares` each. It grants nothing: risk decides.

    Money is KRW for the whole quantity. `net_edge_krw` is the sell amount less the buy amount
    and all costs; `threshold_krw` what it had to reach. The two quotes are the inputs of the
    decision and `decided_at_ns` its clock, so that it can be computed again. `cross_age_ms` is how long the
    cross had stood above break-even without interruption, and `moved_last` the quote that moved last: an
    intent of a build that knew neither is too young for any threshold.
    """

    intent_id: str
    symbol: Symbol
    trading_date: TradingDate
    side_a: IntentLeg
    side_b: IntentLeg
    qty_shares: int = Field(gt=0)
    gross_edge_krw: int
    cost_krw: int
    net_edge_krw: int
    threshold_krw: int
    quote_a: QuoteSeen
    quote_b: QuoteSeen
    decided_at_ns: int
    expires_at_ns: int
    reference_hash: str
    cross_age_ms: int = 0
    moved_last: MovedLast = MovedLast.UNKNOWN


class CrossEnded(Message):
    """A cross above cost is over: the measurement that says whether the business exists.

    `moved_last` is the quote that moved last while it stood. `too_young`: its edge was large enough, and it
    ended before it had stood long enough.
    """

    symbol: Symbol
    buy_venue: Venue
    sell_venue: Venue
    opened_at_ns: int
    duration_ms: int
    peak_net_edge_krw: int
    peak_qty_shares: int
    moved_last: MovedLast = MovedLast.UNKNOWN
    too_young: bool = False
