"""The simulated broker's own books, as its snapshot gives them: the ground truth of a day."""

from typing import Final

from pydantic import BaseModel, ConfigDict

from services.contracts.terms import Side, Venue

NEW: Final = "new"


class _Truth(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class BrokerFill(_Truth):
    """One execution. `cash_krw` and `held_shares` are what the account held after it; None where the
    snapshot does not say."""

    qty_shares: int
    price_krw: int
    ts_ns: int
    execution_no: int = 0
    cash_krw: int | None = None
    held_shares: int | None = None


class BrokerOrder(_Truth):
    """One order in the broker's books. `rqname` is our order id, empty for one placed by hand."""

    order_no: str
    action: str
    code: str
    side: Side
    qty_shares: int
    filled_shares: int
    amount_krw: int
    commission_krw: int
    tax_krw: int
    closed: str | None
    rqname: str
    by_hand: bool
    fills: tuple[BrokerFill, ...] = ()
    venue: Venue | None = None
    price_krw: int = 0

    @property
    def pair_id(self) -> str:
        return self.rqname.partition(".")[0]

    @property
    def costs_krw(self) -> int:
        return self.commission_krw + self.tax_krw

    @property
    def sign(self) -> int:
        """1 for a buy, -1 for a sell: what a share of it does to the position."""
        return 1 if self.side is Side.BUY else -1

    @property
    def cash_flow_krw(self) -> int:
        return -self.sign * self.amount_krw - self.costs_krw


class BrokerArrival(_Truth):
    """One request as it came in at the broker, taken or refused."""

    rqname: str
    order_no: str
    by_hand: bool
    order_type: int = 0
    code: str = ""
    price_krw: int = 0
    hoga: str = ""
    received_ns: int = 0
    refusal: str = ""


class CrossPoint(_Truth):
    """The best prices and quantities of a cross from `at_ns` on; `stalest_ns` is when the book that has
    stood still for longer last changed."""

    at_ns: int
    ask_krw: int
    ask_shares: int
    bid_krw: int
    bid_shares: int
    stalest_ns: int


class StandingCross(_Truth):
    """The time in which one venue's bid stood above the other's ask while both matched."""

    code: str
    buy_venue: Venue
    until_ns: int
    points: tuple[CrossPoint, ...]


class BrokerBooks(_Truth):
    """Cash in KRW, holdings in shares, every order and arrival, and the most requests of any second."""

    start_cash_krw: int
    cash_krw: int
    commission_krw: int
    tax_krw: int
    start_holdings: dict[str, int]
    holdings: dict[str, int]
    orders_admitted: int
    orders_refused: int
    max_orders_per_s: int
    queries_admitted: int
    queries_refused: int
    max_queries_per_s: int
    self_trades: int = 0
    ways_ms: int = 0
    """What the slowest frame, buy, report and sell of a day without faults are on their way, together."""
    markets: dict[str, str] = {}
    """Where each code is listed; empty where the snapshot does not say."""
    base_prices_krw: dict[str, int] = {}
    orders: tuple[BrokerOrder, ...] = ()
    arrivals: tuple[BrokerArrival, ...] = ()
    crosses: tuple[StandingCross, ...] | None = None

    @property
    def ours(self) -> tuple[BrokerOrder, ...]:
        return tuple(order for order in self.orders if not order.by_hand)

    @property
    def working_orders(self) -> int:
        return sum(1 for order in self.orders if order.action == NEW and not order.closed)

    @property
    def cash_change_krw(self) -> int:
        return self.cash_krw - self.start_cash_krw

    @property
    def by_hand_krw(self) -> int:
        """What orders of a person did to the cash."""
        return sum(order.cash_flow_krw for order in self.orders if order.by_hand)

    @property
    def net_position_shares(self) -> int:
        """Shares held beyond, or missing from, what was held at the start."""
        codes = self.holdings.keys() | self.start_holdings.keys()
        return sum(abs(self.holdings.get(code, 0) - self.start_holdings.get(code, 0)) for code in codes)
