"""The last gate: everything that is checked again right before an order leaves (design, 6).

Pure and complete: `check` names the first reason against an order, or None. It is asked at every
send, with the lease and the clock of that moment. Entries must pass everything; what sells passes
what protects from selling wrongly; cancels are never stopped here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from services.contracts.in_force import Reference
from services.contracts.limits import (
    CLOCK_SKEW_MS,
    COMMAND_TTL_MS,
    HARD_CLIP_SHARES,
    HARD_EXIT_KRW,
    HARD_ORDER_KRW,
    NS_PER_MS,
)
from services.contracts.messages.commands import PlaceOrder
from services.contracts.messages.venue_state import HaltKind, PriceBand
from services.contracts.reasons import GateReason
from services.contracts.terms import (
    GatewayMode,
    OrderKind,
    Purpose,
    SessionPhase,
    Side,
    Symbol,
    TradingState,
    Venue,
)
from services.contracts.tick_grid import TickGrid
from services.gateway.order_table import OrderTable
from services.gateway.vi_halts import HaltBoard
from services.market.hoga import HogaTable, NoSuchOrderKind
from services.market.instruments import trades_in

Denial = tuple[GateReason, str]
CANCEL_TAKES_MS = 3_000
"""An order may be without an answer for so long before it can be cancelled."""


@dataclass(frozen=True, slots=True)
class GateView:
    """All that the gate looks at, as it is at this moment."""

    now_ns: int
    mode: GatewayMode
    halt_file: bool
    halted: bool
    trading_state: TradingState
    flatten: frozenset[str]
    """Symbols a person ordered to be sold; the empty text stands for all."""
    lease_problem: str
    """Why the lease lets no entry leave, empty where it does."""
    ready: bool
    not_ready_because: str
    watched: bool
    """Whether the broker tells this connection of interruptions."""
    entry_window: bool
    phases: Mapping[Venue, SessionPhase]
    halts: HaltBoard
    reference: Reference | None
    warnings: frozenset[Symbol]
    bands: Mapping[Symbol, PriceBand]
    hoga: HogaTable
    orders: OrderTable
    superseded: frozenset[str]
    paused: Mapping[Symbol, int] = field(default_factory=dict)
    entries_barred: str = ""
    """Why the broker's own restrictions let no entry leave; what is held is sold all the same."""
    rests_until_ns: int = 0
    """When (Redis time) the NXT session ends that the next sweep belongs to; 0 where none is left."""

    def flattens(self, symbol: Symbol) -> bool:
        return "" in self.flatten or symbol in self.flatten


Check = Callable[[GateView, PlaceOrder], Denial | None]


def check(view: GateView, order: PlaceOrder) -> Denial | None:
    """Return the first reason against sending `order` now, with its figures, or None."""
    for one in CHECKS:
        denial = one(view, order)
        if denial is not None:
            return denial
    return None


def _mode(view: GateView, order: PlaceOrder) -> Denial | None:
    return (GateReason.MODE, "mode is observe") if view.mode is GatewayMode.OBSERVE else None


def _halt(view: GateView, order: PlaceOrder) -> Denial | None:
    if view.halt_file:
        return GateReason.HALT_FILE, "remove what `arb status` names to go on"
    if not view.halted or (order.purpose is Purpose.FLATTEN and view.flattens(order.symbol)):
        return None
    return GateReason.HALTED, ""


def _trading_state(view: GateView, order: PlaceOrder) -> Denial | None:
    state = view.trading_state
    allowed = state.allows_entries if order.purpose.adds_exposure else state.allows_exits
    by_hand = order.purpose is Purpose.FLATTEN and view.flattens(order.symbol)
    return None if allowed or by_hand else (GateReason.TRADING_STATE, f"state={state}")


def _age(view: GateView, order: PlaceOrder) -> Denial | None:
    late_ms = (view.now_ns - order.expires_at_ns) // NS_PER_MS
    if late_ms > 0:
        return GateReason.EXPIRED, f"late_ms={late_ms}"
    if -late_ms > COMMAND_TTL_MS + CLOCK_SKEW_MS:
        return GateReason.EXPIRED, f"expires {-late_ms} ms ahead: the clocks disagree"
    return None


def _superseded(view: GateView, order: PlaceOrder) -> Denial | None:
    return (GateReason.SUPERSEDED, "") if order.order_id in view.superseded else None


def _lease(view: GateView, order: PlaceOrder) -> Denial | None:
    stopped = order.purpose.adds_exposure and view.lease_problem
    return (GateReason.LEASE, view.lease_problem) if stopped else None


def _ready(view: GateView, order: PlaceOrder) -> Denial | None:
    if not view.ready:
        return GateReason.NOT_READY, view.not_ready_because
    if order.purpose.adds_exposure and view.entries_barred:
        return GateReason.NOT_READY, view.entries_barred
    blind = order.purpose.adds_exposure and not view.watched
    return (GateReason.NOT_READY, "interruptions are not told of yet") if blind else None


def _sides(view: GateView, order: PlaceOrder) -> Denial | None:
    wanted = Side.BUY if order.purpose.adds_exposure else Side.SELL
    return (
        None if order.side is wanted else (GateReason.ORDER_KIND, f"{order.purpose} with side {order.side}")
    )


def _known(view: GateView, order: PlaceOrder) -> Denial | None:
    """An entry needs an enabled symbol; what was bought may be sold while the map names it at all."""
    if view.reference is None:
        return GateReason.SYMBOL_UNKNOWN, "no reference data yet"
    listed = [entry for entry in view.reference.symbols if entry.krx_code == order.symbol]
    known = any(entry.enabled or not order.purpose.adds_exposure for entry in listed)
    return None if known else (GateReason.SYMBOL_UNKNOWN, f"symbol={order.symbol}")


def _halts(view: GateView, order: PlaceOrder) -> Denial | None:
    """A halt on one venue blocks entries on both; a resting sell may wait in the auction of a VI."""
    venues = tuple(Venue) if order.purpose.adds_exposure else (order.venue,)
    for venue in venues:
        kinds = view.halts.halted(order.symbol, venue)
        rests = not order.purpose.adds_exposure and order.kind is OrderKind.LIMIT
        stopping = kinds - {HaltKind.VOLATILITY_INTERRUPTION} if rests else kinds
        if stopping:
            return GateReason.SYMBOL_HALTED, f"venue={venue} {','.join(sorted(stopping))}"
    return None


def _paused(view: GateView, order: PlaceOrder) -> Denial | None:
    """Nothing new in a symbol that a person paused: risk's verdict may be older than that."""
    paused = order.purpose.adds_exposure and order.symbol in view.paused
    return (GateReason.SYMBOL_PAUSED, "`arb symbols resume` lets it trade again") if paused else None


def _warning(view: GateView, order: PlaceOrder) -> Denial | None:
    """Only a purchase raises the dialog (Kiwoom sheet 1.1)."""
    raises = order.side is Side.BUY and order.symbol in view.warnings
    return (GateReason.ORDER_WARNING, "") if raises else None


def _size(view: GateView, order: PlaceOrder) -> Denial | None:
    shares, value_krw = HARD_CLIP_SHARES, HARD_EXIT_KRW
    if order.purpose.adds_exposure and view.reference is not None:
        limits = view.reference.limits
        shares, value_krw = min(shares, limits.clip_shares), min(HARD_ORDER_KRW, limits.max_order_krw)
    amount_krw = order.qty_shares * (order.price_krw or order.reference_price_krw)
    if order.qty_shares > shares:
        return GateReason.ORDER_SIZE, f"qty_shares={order.qty_shares} ceiling={shares}"
    if amount_krw > value_krw:
        return GateReason.ORDER_SIZE, f"amount_krw={amount_krw} ceiling={value_krw}"
    return None


def _kind(view: GateView, order: PlaceOrder) -> Denial | None:
    phase = view.phases.get(order.venue, SessionPhase.CLOSED)
    listed = None if view.reference is None else view.reference.listed(order.symbol)
    if listed is not None and not trades_in(listed.market, order.venue, phase):
        return GateReason.ORDER_KIND, f"market={listed.market} does not trade on {order.venue} in {phase}"
    try:
        view.hoga.hoga_code(order.venue, phase, order.kind)
    except NoSuchOrderKind as problem:
        return GateReason.ORDER_KIND, str(problem)
    return None


def _window(view: GateView, order: PlaceOrder) -> Denial | None:
    if order.purpose.adds_exposure and not view.entry_window:
        return GateReason.WINDOW_CLOSED, "outside the entry window"
    return None


def _rest(view: GateView, order: PlaceOrder) -> Denial | None:
    """What rests on NXT outlives the pause (market rules 4.3): none leaves that a cancel may not reach."""
    rests = order.venue is Venue.NXT and order.kind is OrderKind.LIMIT and view.rests_until_ns
    left_ms = (view.rests_until_ns - view.now_ns) // NS_PER_MS
    if rests and left_ms < CANCEL_TAKES_MS:
        return GateReason.WINDOW_CLOSED, f"its session ends in {left_ms} ms, too soon to be cancelled"
    return None


def _collar(view: GateView, order: PlaceOrder) -> Denial | None:
    """What sells goes also where the broker has not told the day's limits: near its reference price it loses
    nothing, and the exchange refuses a price beyond them."""
    if order.kind is OrderKind.MARKET:
        return None if order.price_krw == 0 else (GateReason.COLLAR, "a market order carries no price")
    band = view.bands.get(order.symbol)
    if band is None and order.purpose.adds_exposure:
        return GateReason.COLLAR, "the day's limits are not known"
    ticks = None if view.reference is None else view.reference.ticks_of(order.symbol, order.venue)
    if ticks is None:
        return GateReason.COLLAR, "the ticks of the symbol are not known"
    if not ticks.is_on(order.price_krw):
        return GateReason.COLLAR, f"price_krw={order.price_krw} is off its tick"
    if band is not None and not band.lower_krw <= order.price_krw <= band.upper_krw:
        return GateReason.COLLAR, f"price_krw={order.price_krw} band={band.lower_krw}..{band.upper_krw}"
    return _distance(view, order, ticks)


def _distance(view: GateView, order: PlaceOrder, ticks: TickGrid) -> Denial | None:
    if not ticks.is_on(order.reference_price_krw) or view.reference is None:
        return GateReason.COLLAR, f"reference_price_krw={order.reference_price_krw} is no price"
    limits = view.reference.limits
    away = abs(ticks.between(order.reference_price_krw, order.price_krw))
    allowed = limits.collar_ticks
    if order.purpose is Purpose.FLATTEN:
        allowed += limits.flatten_step_ticks * limits.flatten_attempts
    return None if away <= allowed else (GateReason.COLLAR, f"ticks={away} allowed={allowed}")


def _self_cross(view: GateView, order: PlaceOrder) -> Denial | None:
    """An order that is not ours bars every entry, and of exits those that could meet it."""
    limit_krw = None if order.purpose.adds_exposure else order.price_krw
    other = view.orders.works_against(order.symbol, order.venue, order.side, limit_krw)
    return (GateReason.SELF_CROSS, f"order={other}") if other else None


def _by_hand(view: GateView, order: PlaceOrder) -> Denial | None:
    """Nothing new in a symbol that somebody trades by hand: risk pauses it once it has read of that."""
    if not order.purpose.adds_exposure:
        return None
    others = (seen for seen in view.orders.others_working() if seen.symbol == order.symbol)
    other = next(others, None)
    return (GateReason.SYMBOL_PAUSED, f"order {other.broker_order_no} is not ours") if other else None


def _unacknowledged(view: GateView, order: PlaceOrder) -> Denial | None:
    other = view.orders.unacknowledged(order.symbol, order.venue, order.side)
    return (GateReason.UNACKNOWLEDGED, f"order={other}") if other else None


def _oversell(view: GateView, order: PlaceOrder) -> Denial | None:
    if order.side is Side.BUY:
        return None
    free = view.orders.sellable_shares(order.pair_id)
    if order.qty_shares <= free:
        return None
    return GateReason.OVERSELL, f"qty_shares={order.qty_shares} free={free}"


CHECKS: tuple[Check, ...] = (
    _mode, _halt, _trading_state, _age, _superseded, _ready, _sides, _lease, _window, _rest, _known, _halts,
    _paused, _warning, _size, _kind, _collar, _self_cross, _by_hand, _unacknowledged, _oversell,
)  # fmt: skip
