"""What gateway and risk say in every step, held against the broker's own account.

What the gateway tells of an order is a state in which the broker has had it, and never less than it told
before. Whenever all has been told and risk has heard all of it, its money and its trips are the account's.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from services.contracts.envelope import Envelope
from services.contracts.messages.orders import OrderFacts, Resolution
from services.contracts.messages.pairs import PairClosed
from services.contracts.streams import ORDERS, PAIRS
from services.contracts.terms import Side, Symbol
from services.risk.exposure import cash_flow_krw
from services.risk.state import RiskState
from services.simulator.orders import Action, Order
from services.simulator.virtual.bus import VirtualBus

Figures = tuple[int, int, int, int]
"""Shares and won filled, commission and tax."""


def figures_of(order: Order) -> Figures:
    money = order.money
    return money.filled_shares, money.amount_krw, money.commission_krw, money.tax_krw


def cash_krw_of(order: Order) -> int:
    """Return what an order did to the account's cash."""
    money = order.money
    amount_krw = -money.amount_krw if order.side is Side.BUY else money.amount_krw
    return amount_krw - money.commission_krw - money.tax_krw


def was_so(order: Order, shares: int, amount_krw: int) -> bool:
    """Whether the broker ever had so much of an order filled for so much."""
    had_shares = had_krw = 0
    for fill in order.fills:
        if had_shares >= shares:
            break
        had_shares, had_krw = had_shares + fill.qty_shares, had_krw + fill.qty_shares * fill.price_krw
    return (had_shares, had_krw) == (shares, amount_krw)


@dataclass
class Statements:
    """`untrue` are sentences: what was said and is not so."""

    bus: VirtualBus
    untrue: list[str] = field(default_factory=list)
    account_krw: Callable[[], int] | None = None
    """What our orders did to the cash of the account by the account itself; else by the orders."""
    _orders: dict[str, Order] = field(default_factory=dict)
    _told: dict[str, Figures] = field(default_factory=dict)
    _of_life: dict[str, Figures] = field(default_factory=dict)
    """What the gateway that runs now has told."""
    _life: int = 0
    _given_up: set[str] = field(default_factory=set)
    """Orders that were told as never arrived, and had not."""
    _behind: set[str] = field(default_factory=set)
    """Orders of which the streams do not say all that the broker has."""
    _cash_krw: Counter[str] = field(default_factory=Counter)
    """What each order did to the account, where it is not behind."""
    _closed: dict[str, PairClosed] = field(default_factory=dict)
    """Ends that were ever told, also those that the bus forgot again: risk may have them in mind. One that
    knows of shares stays: an executor that forgot them ends the pair once more without."""
    _losses: int = 0

    def arrived(self, order: Order) -> None:
        if order.action is Action.NEW:
            self._orders[order.request.rqname] = order
            self._behind.add(order.request.rqname)
            if order.request.rqname in self._given_up:
                self.untrue.append(f"{order.request.rqname} was told as never arrived, and arrives")

    def closed(self, order: Order) -> None:
        """An order is not open any more: it may have filled since it was last looked at."""
        self._behind.add(order.request.rqname)

    def said(self, envelope: Envelope, life: int) -> None:
        """A message was written, by the gateway's `life`-th process where it is the gateway's."""
        if isinstance(envelope.body, PairClosed):
            self._ended(envelope.body)
        facts = getattr(envelope.body, "facts", None)
        if not isinstance(facts, OrderFacts):
            return
        order = self._orders.get(facts.order_id)
        never = getattr(envelope.body, "resolution", None) is Resolution.NEVER_ARRIVED
        if order is not None:
            self._judge(facts, order, never=never)
        elif never:
            self._given_up.add(facts.order_id)
        elif facts.cum_qty_shares:
            self.untrue.append(f"{facts.order_id} is told to have filled, and the broker does not have it")
        self._not_less(facts, life)
        self._take(facts)

    def _ended(self, pair: PairClosed) -> None:
        if pair.bought_shares or pair.pair_id not in self._closed:
            self._closed[pair.pair_id] = pair

    def _judge(self, facts: OrderFacts, order: Order, *, never: bool) -> None:
        shares, amount_krw, commission_krw, tax_krw = figures_of(order)
        name = facts.order_id
        if not was_so(order, facts.cum_qty_shares, facts.cum_amount_krw):
            self.untrue.append(
                f"{name} is told with {facts.cum_qty_shares} for {facts.cum_amount_krw}, the broker has "
                f"{shares} for {amount_krw}"
            )
        if facts.commission_krw > commission_krw or facts.tax_krw > tax_krw:
            told = f"{facts.commission_krw}+{facts.tax_krw}"
            self.untrue.append(f"{name} is told to cost {told}, the account says {commission_krw}+{tax_krw}")
        if never:
            self.untrue.append(f"{name} is told never to have arrived, and the broker has it")
        elif facts.closed and (order.is_open or facts.cum_qty_shares != shares):
            self.untrue.append(f"{name} is told as over with {facts.cum_qty_shares}, the broker has {shares}")

    def _not_less(self, facts: OrderFacts, life: int) -> None:
        if life != self._life:
            self._life, self._of_life = life, {}
        now = _figures(facts)
        before = self._of_life.get(facts.order_id, now)
        if any(new < old for new, old in zip(now, before, strict=True)):
            self.untrue.append(f"{facts.order_id} is told with {now} after {before}")
        self._of_life[facts.order_id] = now

    def _take(self, facts: OrderFacts) -> None:
        known = self._told.get(facts.order_id, (0, 0, 0, 0))
        told = tuple(map(max, known, _figures(facts)))
        self._told[facts.order_id] = told[0], told[1], told[2], told[3]
        self._behind.add(facts.order_id)

    # -- every step ------------------------------------------------------------------------------

    def step(self, now_ns: int, working: Iterable[Order], risk: RiskState, heard: Mapping[str, str]) -> bool:
        """Compare risk's books, if it has `heard` (positions by stream) all that there is to hear; returns
        whether it has."""
        if self._losses != self.bus.losses:
            self._tell_anew()
        self._behind.update(order.request.rqname for order in working)
        for name in [name for name in self._behind if self._is_told(name)]:
            self._behind.discard(name)
        all_heard = all(heard.get(key, "0-0") == self.bus.newest(key) for key in (ORDERS.key, PAIRS.key))
        if self._behind or not all_heard:
            return False
        cash_krw = self._cash_krw.total() if self.account_krw is None else self.account_krw()
        if cash_flow_krw(risk) != cash_krw:
            self.untrue.append(
                f"risk's books say {cash_flow_krw(risk):+,} KRW at {now_ns}, the account says {cash_krw:+,}"
            )
        least, most, counted = self.trips(), self._trips(self._closed.values()), Counter(risk.day.trips)
        if not Counter(least) <= counted <= Counter(most):
            self.untrue.append(f"risk counts {dict(risk.day.trips)} trips at {now_ns}, the broker {least}")
        return True

    def _is_told(self, name: str) -> bool:
        order = self._orders.get(name)
        if order is None:
            return True
        if self._told.get(name) != figures_of(order):
            return False
        self._cash_krw[name] = cash_krw_of(order)
        return True

    def _tell_anew(self) -> None:
        """Redis forgot something: only what the streams still hold counts as told."""
        self._losses, self._told = self.bus.losses, {}
        for posted in self.bus.streams.get(ORDERS.key, []):
            facts = getattr(posted.envelope.body, "facts", None)
            if isinstance(facts, OrderFacts):
                self._take(facts)
        self._behind |= self._orders.keys()

    def has_ended(self, pair_id: str) -> bool:
        """Whether an end of a pair was ever told."""
        return pair_id in self._closed

    def trips(self) -> dict[Symbol, int]:
        """How many pairs of each symbol the streams close, and the broker filled."""
        posted = [entry.envelope.body for entry in self.bus.streams.get(PAIRS.key, [])]
        return self._trips(m for m in posted if isinstance(m, PairClosed))

    def _trips(self, ends: Iterable[PairClosed]) -> dict[Symbol, int]:
        closed = {m.pair_id: m.symbol for m in ends if m.bought_shares}
        bought = {
            name.partition(".")[0]
            for name, order in self._orders.items()
            if order.side is Side.BUY and order.money.filled_shares
        }
        return dict(Counter(symbol for pair_id, symbol in closed.items() if pair_id in bought))


def _figures(facts: OrderFacts) -> Figures:
    return facts.cum_qty_shares, facts.cum_amount_krw, facts.commission_krw, facts.tax_krw
