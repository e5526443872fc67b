"""A desk for one executor: a clock, two books, and a hand that plays risk, the gateway and people."""

from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from services.contracts.envelope import Envelope, Message
from services.contracts.in_force import Reference
from services.contracts.limits import NS_PER_MS
from services.contracts.messages import orders as o
from services.contracts.messages.commands import CancelOrder, PlaceOrder
from services.contracts.messages.control import FlattenRequested, ReferencePublished, TradingStateChanged
from services.contracts.messages.market_data import QuoteUpdated
from services.contracts.messages.pairs import PairApproved
from services.contracts.messages.venue_state import (
    ConfirmedBy,
    ConnectionChanged,
    ConnectionState,
    DayFactsPublished,
    EntryWindowChanged,
    FeedLivenessChanged,
    HaltKind,
    PriceBand,
    SessionPhaseChanged,
    SymbolHaltChanged,
)
from services.contracts.reference import CommissionRates, SymbolEntry, TradeCosts
from services.contracts.step import Received, Tick
from services.contracts.terms import Market, Purpose, SessionPhase, Side, TradingState, Venue
from services.contracts.trading_limits import TradingLimits
from services.executor.core import decide
from services.executor.pair import Pair
from services.executor.settings import ExecutorSettings
from services.executor.state import ExecutorState
from services.market.files import HOGA_FILE, load_toml
from services.market.hoga import HogaTable
from services.runtime.parts import changed_parts, restore
from tests.unit.detector.world import AT_ONCE

BID = 99_900
SYMBOL, OTHER = "005930", "000660"
DATE = "2026-11-23"
START_NS = 1_795_392_000 * 10**9
HOGA = load_toml(Path(__file__).parents[3] / "config" / HOGA_FILE, HogaTable)
MessageT = TypeVar("MessageT", bound=Message)

COSTS = TradeCosts(
    trading_date=DATE, market=Market.KOSPI,
    commission=CommissionRates(krx=Decimal("0.00015"), nxt=Decimal("0.000145")),
    transaction_tax_rate=Decimal("0.0005"), rural_tax_rate=Decimal("0.0015"),
)  # fmt: skip
LIMITS = TradingLimits(clip_shares=5, max_pair_shares=50, sell_after_first_fill_ms=150)


def _entry(code: str) -> SymbolEntry:
    return SymbolEntry(
        krx_code=code, nxt_code=f"{code}_NX", name=code, market=Market.KOSPI, group="g1", enabled=True
    )


class Desk:
    """`said` is everything the executor ever wrote, in order; money helpers charge the real costs."""

    def __init__(self, limits: TradingLimits | None = None, **settings: Any) -> None:
        self.now_ns = START_NS
        self.seq = 0
        self.said: list[Message] = []
        self.initial = ExecutorState(settings=ExecutorSettings(_env_file=None, **settings))
        self.state = self.initial
        self.limits = limits or LIMITS

    # -- time and messages -----------------------------------------------------------

    def hear(self, message: Message, age_ms: int = 0, entry_id: str = "") -> list[Message]:
        """Let the executor hear a message; returns what it says to that."""
        self.seq += 1
        envelope = Envelope.wrap(
            message, source="test", now_ns=self.now_ns, causation_id=f"c{self.seq}",
            event_ns=self.now_ns - age_ms * NS_PER_MS,
        )  # fmt: skip
        entry_id = entry_id or f"{self.now_ns // NS_PER_MS + self.seq}-0"
        return self._decide(Received(envelope, "key", entry_id, self.now_ns))

    def tick(self, ms: int = 0, *, behind: bool = False) -> list[Message]:
        """Let `ms` pass in ticks of at most 100 ms; returns what was said meanwhile."""
        heard: list[Message] = []
        left = ms
        while True:
            step = min(left, 100)
            self.now_ns += step * NS_PER_MS
            heard += self._decide(Tick(self.now_ns, behind=behind))
            left -= step
            if left <= 0:
                return heard

    def _decide(self, event: Received | Tick) -> list[Message]:
        step = decide(self.state, event)
        self.state = step.state
        messages = [out.message for out in step.out]
        self.said += messages
        return messages

    def restart(self) -> None:
        """A crash: only what was stored comes back, and nothing is decided before the next tick."""
        self.state = restore(self.initial, changed_parts(None, self.state))

    # -- the day ----------------------------------------------------------------------

    def open_day(self, state: TradingState = TradingState.ARMED) -> "Desk":
        reference = Reference(
            trading_date=DATE, symbols=(_entry(SYMBOL), _entry(OTHER)), costs={Market.KOSPI: COSTS},
            limits=self.limits, threshold=AT_ONCE,
        )  # fmt: skip
        self.hear(ReferencePublished(reference=reference, reference_hash="h", by="risk", reason="start"))
        self.hear(ConnectionChanged(state=ConnectionState.READY, connection_epoch=1, planned=False))
        self.phase(Venue.KRX, SessionPhase.CONTINUOUS)
        self.phase(Venue.NXT, SessionPhase.CONTINUOUS)
        self.facts_of_day()
        for venue in Venue:
            self.hear(FeedLivenessChanged(venue=venue, alive=True, last_event_ns=self.now_ns))
        self.window(True)
        self.trading(state)
        self.crossed()
        self.tick()
        return self

    def facts_of_day(self, date: str = DATE) -> None:
        band = PriceBand(base_krw=100_000, lower_krw=70_000, upper_krw=130_000)
        self.hear(DayFactsPublished(
            trading_date=date, nxt_eligible=(SYMBOL, OTHER), order_warnings=(),
            bands={SYMBOL: band, OTHER: band},
        ))  # fmt: skip

    def limit(self, **changes: Any) -> None:
        self.limits = self.limits.model_copy(update=changes)
        assert self.state.reference is not None
        changed = self.state.reference.model_copy(update={"limits": self.limits})
        self.hear(ReferencePublished(reference=changed, reference_hash="h2", by="risk", reason="test"))

    def phase(self, venue: Venue, phase: SessionPhase, date: str = DATE) -> list[Message]:
        return self.hear(SessionPhaseChanged(
            venue=venue, phase=phase, trading_date=date, market_time="10:00:00",
            confirmed_by=ConfirmedBy.TIMETABLE, order_kinds=tuple(sorted(HOGA.kinds(venue, phase))),
        ))  # fmt: skip

    def window(self, open_: bool, sweep: bool = False) -> list[Message]:
        return self.hear(EntryWindowChanged(
            open=open_, reason="", trading_date=DATE, market_time="10:00:00",
            closes_at_ns=self.now_ns + 3_600_000 * NS_PER_MS, sweep=sweep,
        ))  # fmt: skip

    def trading(self, state: TradingState) -> list[Message]:
        """Risk's word, which has taken in every stop that was heard here."""
        return self.hear(TradingStateChanged(
            state=state, by="risk", reason="test", latches=(), stop_id=self.state.trading.stop_id
        ))  # fmt: skip

    def halt_symbol(
        self, venue: Venue, halted: bool = True, kind: HaltKind = HaltKind.VOLATILITY_INTERRUPTION
    ) -> list[Message]:
        return self.hear(SymbolHaltChanged(symbol=SYMBOL, venue=venue, kind=kind, halted=halted))

    def book(
        self, venue: Venue, bid: int, ask: int, qty: int = 100, symbol: str = SYMBOL, epoch: int = 1
    ) -> list[Message]:
        self.seq += 1
        bids = ((bid, qty),) if bid else ()
        return self.hear(QuoteUpdated(
            symbol=symbol, venue=venue, bids=bids, asks=((ask, qty),),
            exchange_time="100000", connection_epoch=epoch, feed_seq=self.seq,
        ))  # fmt: skip

    def live(self, ms: int) -> None:
        """Let `ms` pass in a market that tells its books again every 500 ms."""
        for _ in range(ms // 500):
            self.retell()
            self.tick(500)

    def retell(self) -> None:
        """Tell every book again as it is."""
        for seen in list(self.state.books.values()):
            self.seq += 1
            self.hear(seen.quote.model_copy(update={"feed_seq": self.seq}))

    def crossed(self, symbol: str = SYMBOL) -> None:
        """KRX offers at 100,000; NXT bids 100,500: half a percent, well above cost."""
        self.book(Venue.KRX, 99_900, 100_000, symbol=symbol)
        self.book(Venue.NXT, 100_500, 100_600, symbol=symbol)

    def level(self, bid: int = 99_900) -> None:
        """The spread is gone: both venues bid the same."""
        self.book(Venue.KRX, bid, bid + 100)
        self.book(Venue.NXT, bid, bid + 100)

    def approve(
        self, pair_id: str = "P1", qty: int = 5, clip: int = 5, symbol: str = SYMBOL,
        buy: Venue = Venue.KRX, ttl_ms: int = 1_500,
    ) -> list[Message]:  # fmt: skip
        return self.hear(PairApproved(
            pair_id=pair_id, intent_id=f"i{pair_id}", symbol=symbol, trading_date=DATE, buy_venue=buy,
            sell_venue=buy.other, qty_shares=qty, clip_shares=clip, buy_limit_krw=100_000,
            sell_limit_krw=100_300, approved_at_ns=self.now_ns,
            expires_at_ns=self.now_ns + ttl_ms * NS_PER_MS, reference_hash="h",
        ))  # fmt: skip

    # -- the gateway --------------------------------------------------------------------

    def facts(self, command: PlaceOrder, qty: int = 0, price: int = 0, closed: bool = False) -> o.OrderFacts:
        """The fill state of a command after `qty` shares at `price`, costs by the table."""
        price = price or command.price_krw or command.reference_price_krw
        amount = qty * price
        sell = command.side is Side.SELL
        return o.OrderFacts(
            order_id=command.order_id, pair_id=command.pair_id, symbol=command.symbol, venue=command.venue,
            side=command.side, kind=command.kind, purpose=command.purpose, qty_shares=command.qty_shares,
            price_krw=command.price_krw, trading_date=DATE, broker_order_no="77", cum_qty_shares=qty,
            cum_amount_krw=amount, commission_krw=COSTS.commission_krw(command.venue, amount),
            tax_krw=COSTS.sell_tax_krw(amount) if sell else 0, closed=closed,
        )  # fmt: skip

    def accept(self, command: PlaceOrder) -> list[Message]:
        return self.hear(o.OrderAccepted(facts=self.facts(command)))

    def part_fill(self, command: PlaceOrder, qty: int, price: int = 0) -> list[Message]:
        facts = self.facts(command, qty, price)
        return self.hear(o.OrderFilled(facts=facts, last_qty_shares=qty, last_amount_krw=1))

    def close(self, command: PlaceOrder, qty: int = 0, price: int = 0) -> list[Message]:
        """The order ends with `qty` filled."""
        facts = self.facts(command, qty, price, closed=True)
        said = []
        if qty:
            said = self.hear(o.OrderFilled(facts=facts, last_qty_shares=qty, last_amount_krw=1))
        reason = "filled" if qty == command.qty_shares else "ioc_remainder"
        return said + self.hear(o.OrderClosed(facts=facts, reason=reason))

    def fill(self, command: PlaceOrder, price: int = 0) -> list[Message]:
        return self.close(command, command.qty_shares, price)

    def unknown(self, command: PlaceOrder) -> list[Message]:
        return self.hear(o.OrderUnknown(facts=self.facts(command), reason="no answer"))

    def resolve(self, command: PlaceOrder, resolution: o.Resolution, qty: int = 0) -> list[Message]:
        found = resolution is o.Resolution.FOUND
        facts = self.facts(command, qty, closed=found)
        return self.hear(o.OrderResolved(facts=facts, resolution=resolution, evidence="two queries"))

    # -- what was said ----------------------------------------------------------------------

    def all(self, kind: type[MessageT]) -> list[MessageT]:
        return [message for message in self.said if isinstance(message, kind)]

    def last(self, kind: type[MessageT]) -> MessageT:
        return self.all(kind)[-1]

    @property
    def orders(self) -> list[PlaceOrder]:
        return self.all(PlaceOrder)

    @property
    def sells(self) -> list[PlaceOrder]:
        return [order for order in self.orders if order.side is Side.SELL]

    @property
    def flattens(self) -> list[PlaceOrder]:
        return [order for order in self.orders if order.purpose is Purpose.FLATTEN]

    @property
    def cancels(self) -> list[CancelOrder]:
        return self.all(CancelOrder)

    @property
    def pair(self) -> Pair:
        return next(iter(self.state.pairs.values()))


def holding(**limits: Any) -> Desk:
    """Return a desk that has bought five shares at 100,000 and lost the spread."""
    desk = Desk(LIMITS.model_copy(update=limits)).open_day()
    desk.approve()
    desk.level(BID)
    desk.fill(desk.orders[0])
    return desk


def fail_rungs(desk: Desk, rungs: int) -> None:
    """Let `rungs` attempts die unfilled, one interval apart."""
    for _ in range(rungs):
        desk.close(desk.flattens[-1])
        desk.live(500)
        desk.tick(100)


def ask_flatten(desk: Desk, symbol: str = "") -> None:
    desk.hear(FlattenRequested(symbol=symbol, by="kim", reason="test"))
