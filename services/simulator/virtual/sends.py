"""What an order that leaves the gateway is held against: the command it comes from, what risk approved, what
its pair holds by the broker's own fills, and the last word of the broker on rates.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from services.contracts.envelope import Envelope
from services.contracts.messages.commands import PlaceOrder
from services.contracts.messages.control import (
    FlattenRequested,
    FlattenStarted,
    StopRequested,
    TradingStateChanged,
)
from services.contracts.messages.pairs import PairApproved
from services.contracts.terms import OrderKind, Purpose, Side, Symbol, TradingState, Venue
from services.contracts.tick_grid import TickGrid
from services.contracts.trading_limits import TradingLimits
from services.lab.sends import Bounds
from services.simulator.account import Costs
from services.simulator.orders import Order

BPS = 10_000


@dataclass(frozen=True, slots=True)
class Word:
    """What the streams, read from their beginning, say of orders (design, 6). `flatten` holds symbols,
    the empty text for all."""

    armed: bool = False
    halted: bool = False
    flatten: frozenset[str] = frozenset()

    def flattens(self, symbol: Symbol) -> bool:
        return "" in self.flatten or symbol in self.flatten


def word_of(said: Iterable[Envelope]) -> Word:
    """Read the streams: a stop holds from its request on, until risk that has taken it in says another state.
    One that forbids sells ends what was ordered to be flattened before it."""
    state, asked, stop_id, flatten = TradingState.DISARMED, TradingState.ARMED, "", frozenset[str]()
    wishes, ended = set[str](), set[str]()
    for envelope in said:
        message = envelope.body
        sold = state.stricter(asked).allows_exits
        if isinstance(message, StopRequested):
            asked, stop_id = asked.stricter(message.target), envelope.id
            sold = sold or not message.target.allows_exits
        elif isinstance(message, TradingStateChanged):
            state = message.state
            asked = TradingState.ARMED if message.stop_id == stop_id else asked
        elif isinstance(message, FlattenRequested):
            wishes.add(envelope.id)
        elif isinstance(message, FlattenStarted) and envelope.causation_id not in ended:
            flatten |= {message.symbol}
        now = state.stricter(asked)
        if sold and not now.allows_exits:
            flatten, ended = frozenset(), ended | wishes
        elif now.allows_entries:
            flatten = frozenset()
    now = state.stricter(asked)
    return Word(now is TradingState.ARMED, now is TradingState.HALTED, flatten)


@dataclass(slots=True)
class Asked:
    """The commands and approvals that were ever written."""

    commands: dict[str, PlaceOrder] = field(default_factory=dict)
    approved: dict[str, PairApproved] = field(default_factory=dict)
    _entries: dict[tuple[Symbol, Venue], PlaceOrder] = field(default_factory=dict)

    def hear(self, message: object) -> None:
        if isinstance(message, PlaceOrder):
            self.commands[message.order_id] = message
            if message.purpose is Purpose.ENTRY:
                self._entries[message.symbol, message.venue] = message
        elif isinstance(message, PairApproved):
            self.approved[message.pair_id] = message

    def entry_on(self, symbol: Symbol, venue: Venue) -> PlaceOrder | None:
        """Return the newest command to buy a share on a venue."""
        return self._entries.get((symbol, venue))

    def entry_bounds(self, pair_id: str) -> Bounds:
        """An entry pays no more than its pair was approved for."""
        approved = self.approved.get(pair_id)
        return Bounds() if approved is None else Bounds(0, approved.buy_limit_krw)

    def clip_shares(self, pair_id: str) -> int:
        """How many shares an entry of the pair may buy; 0 where it was never approved."""
        approved = self.approved.get(pair_id)
        return 0 if approved is None else approved.clip_shares


def sell_bounds(order: PlaceOrder, orders: Iterable[Order], limits: TradingLimits, ticks: TickGrid) -> Bounds:
    """Return what bounds a sell of a pair with these orders, in the exchange's own ticks of the share.

    The executor may not have heard of the newest fills: a price that any state of the purchases allows is
    allowed. A market order has no price.
    """
    bought = [fill.price_krw for each in orders if each.side is Side.BUY for fill in each.fills]
    if not bought or order.kind is OrderKind.MARKET:
        return Bounds()
    if order.purpose is Purpose.EXIT:
        return Bounds(_break_even_krw(order, orders, ticks))
    least_krw = -(-min(bought) * (BPS - limits.max_loss_per_share_bps) // BPS)
    floor_krw = ticks.snap_up(-(-max(bought) * (BPS - limits.max_loss_per_share_bps) // BPS))
    bid_krw = ticks.snap_down(order.reference_price_krw)
    through_krw = ticks.step(bid_krw, -min(limits.flatten_step_ticks, limits.collar_ticks))
    return Bounds(least_krw, max(through_krw, floor_krw))


def _break_even_krw(order: PlaceOrder, orders: Iterable[Order], ticks: TickGrid) -> int:
    """The lowest price at which a sell loses nothing against any state that its clip's purchase was in."""
    clip = order.order_id.rsplit(".", 2)[0]
    found = []
    for buy in orders:
        if buy.side is Side.BUY and buy.request.rqname.rsplit(".", 2)[0] == clip:
            costs = buy.money.costs
            found += [_lowest_krw(order, paid, buy, costs, ticks) for paid in averages(buy)]
    return min(found, default=0)


def averages(buy: Order) -> Iterator[Fraction]:
    """Yield what a share cost on average after each fill."""
    shares = amount_krw = 0
    for fill in buy.fills:
        shares, amount_krw = shares + fill.qty_shares, amount_krw + fill.qty_shares * fill.price_krw
        yield Fraction(amount_krw, shares)


def _lowest_krw(order: PlaceOrder, paid_krw: Fraction, buy: Order, costs: Costs, ticks: TickGrid) -> int:
    """The lowest price on the grid that loses nothing, counted up from below in whole ticks."""
    qty = order.qty_shares
    cost_krw = qty * paid_krw
    cost_krw += costs.commission_krw(buy.venue, int(cost_krw))
    price_krw = ticks.snap_up(-(-paid_krw.numerator // paid_krw.denominator))
    while _proceeds_krw(order, price_krw, costs) < cost_krw:
        price_krw += ticks.size(price_krw)
    return price_krw


def _proceeds_krw(order: PlaceOrder, price_krw: int, costs: Costs) -> int:
    amount_krw = order.qty_shares * price_krw
    return amount_krw - costs.commission_krw(order.venue, amount_krw) - costs.sell_tax_krw(amount_krw)
