"""What the last gate and risk would let through: asked of their own states, with no consequence for the day.

Whenever an order is commanded, or an intent written, that would pass as things stand, it is shown again with
one thing wrong that forbids it: late, in a halt, more than is held, beyond a limit. Each has to be denied.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from services.contracts.envelope import Envelope
from services.contracts.ids import pair_id_of
from services.contracts.limits import (
    BROKER_ORDERS_PER_SECOND,
    INTENT_TTL_MS,
    LEASE_CANCEL_AFTER_MS,
    NS_PER_MS,
    NS_PER_S,
)
from services.contracts.messages.commands import PlaceOrder
from services.contracts.messages.intents import TradeIntent
from services.contracts.messages.pairs import PairApproved
from services.contracts.messages.venue_state import HaltKind
from services.contracts.step import Received
from services.contracts.terms import Purpose, Side
from services.gateway.core import decide
from services.gateway.effects import Send
from services.gateway.facts import Clocked, Delivered, Moment
from services.gateway.gate import GateView, check
from services.gateway.order_desk import gate_view
from services.gateway.order_table import Stage
from services.gateway.state import GatewayState
from services.gateway.turn import Turn
from services.risk.exposure import cash_flow_krw
from services.risk.pnl import OrderTally
from services.risk.state import RiskState
from services.risk.verdict import on_intent

MUCH_KRW = 10**12
ON_ITS_WAY_NS = 50 * NS_PER_MS
"""So much longer than the next a call may be on its way: by our count the second is over, there it is not."""


@dataclass
class Probes:
    """`let_through` are sentences: what would have passed."""

    let_through: list[str] = field(default_factory=list)

    # -- the last gate ---------------------------------------------------------------------------

    def commanded(
        self, state: GatewayState, order: PlaceOrder, now_ns: int, mono_ns: int, free_shares: int
    ) -> None:
        """An order was commanded, of whose pair `free_shares` may be sold by the broker's books."""
        view = gate_view(Turn(state, Moment(Clocked(), now_ns, mono_ns)))
        if check(view, order) is not None:
            return
        wrong = _entry_wrong(view, order) if order.purpose.adds_exposure else _sell_wrong(view, order)
        for what, seen, asked in (*wrong, *_always_wrong(view, order)):
            self._ask(what, seen, asked)
        if not order.purpose.adds_exposure:
            more = order.model_copy(update={"qty_shares": free_shares + 1})
            self._ask("of more than its pair holds", view, more)

    def in_doubt(
        self, state: GatewayState, order: PlaceOrder, now_ns: int, mono_ns: int, free_shares: int
    ) -> None:
        """A sell is unknown: nothing of what it may sell is sold on the other venue meanwhile."""
        view = gate_view(Turn(state, Moment(Clocked(), now_ns, mono_ns)))
        changes = {
            "venue": order.venue.other, "qty_shares": free_shares + 1, "order_id": f"{order.order_id}0",
            "expires_at_ns": now_ns + NS_PER_S, "purpose": Purpose.FLATTEN,
        }  # fmt: skip
        again = order.model_copy(update=changes)
        self._ask("beside an unknown one of its pair", view, again)

    def sold(self, state: GatewayState, entry: PlaceOrder, now_ns: int, mono_ns: int) -> None:
        """A sell has just left, and nobody has heard of it yet: `entry` would buy where it may work."""
        view = gate_view(Turn(state, Moment(Clocked(), now_ns, mono_ns)))
        changes = {"expires_at_ns": now_ns + NS_PER_S, "order_id": f"{entry.order_id}0"}
        fresh = entry.model_copy(update=changes)
        self._ask("against an own order that has just left", view, fresh)

    def cancelled(self, state: GatewayState, cancel: Envelope, now_ns: int, mono_ns: int) -> None:
        """A cancel was commanded: it waits where five have just left, or may have just arrived."""
        if not _sends(state, cancel, now_ns, mono_ns):
            return
        for ago_ns in (0, NS_PER_S + ON_ITS_WAY_NS):
            full = state.but(order_history=(now_ns - ago_ns,) * BROKER_ORDERS_PER_SECOND)
            if _sends(full, cancel, now_ns, mono_ns):
                self.let_through.append(
                    f"the gateway would send a cancel {ago_ns // NS_PER_MS} ms after five orders"
                )

    def lapsed(self, state: GatewayState, mono_ns: int, renewed_mono_ns: int) -> None:
        """Entries are taken back `LEASE_CANCEL_AFTER_MS` after the last renewal, if none comes."""
        due_ns = renewed_mono_ns + LEASE_CANCEL_AFTER_MS * NS_PER_MS
        if not state.lease.must_cancel(max(mono_ns, due_ns)):
            self.let_through.append("the gateway would leave entries at work after the lease")

    def _ask(self, what: str, view: GateView, order: PlaceOrder) -> None:
        if check(view, order) is None:
            self.let_through.append(f"the gateway would send {order.order_id} {what}")

    # -- risk --------------------------------------------------------------------------------------

    def intended(self, state: RiskState, intent: TradeIntent, now_ns: int) -> None:
        """An intent was written. Risk is asked as if it had not heard of it."""
        state = _before(state, intent)
        if not _approved(state, intent, now_ns):
            return
        old = {
            "decided_at_ns": now_ns - INTENT_TTL_MS * NS_PER_MS, "expires_at_ns": now_ns + 60 * NS_PER_S
        }  # fmt: skip
        asked = [("that is too old", state, intent.model_copy(update=old))]
        asked += [(what, wrong, intent) for what, wrong in _risk_wrong(state, intent)]
        self.let_through += [
            f"risk would approve {intent.intent_id} {what}"
            for what, wrong, order in asked
            if _approved(wrong, order, now_ns)
        ]


def _sends(state: GatewayState, command: Envelope, now_ns: int, mono_ns: int) -> bool:
    fact = Delivered(Received(command, "", "0-0", now_ns))
    return any(isinstance(effect, Send) for effect in decide(state, Moment(fact, now_ns, mono_ns)).effects)


Wrong = tuple[str, GateView, PlaceOrder]


def _always_wrong(view: GateView, order: PlaceOrder) -> Iterator[Wrong]:
    late = order.model_copy(update={"expires_at_ns": view.now_ns - NS_PER_MS})
    yield "after its command ended", view, late
    yield "beside a HALT file", replace(view, halt_file=True), order
    yield "in a halt", replace(view, halted=True, flatten=frozenset()), order


def _entry_wrong(view: GateView, order: PlaceOrder) -> Iterator[Wrong]:
    for venue in (order.venue, order.venue.other):
        board, _ = view.halts.set(order.symbol, venue, HaltKind.TRADING_HALT, True)
        yield f"while {venue} does not trade its share", replace(view, halts=board), order
    yield "without a lease", replace(view, lease_problem="none"), order
    yield "outside the window", replace(view, entry_window=False), order


def _sell_wrong(view: GateView, order: PlaceOrder) -> Iterator[Wrong]:
    by_person = replace(view, halted=True, flatten=frozenset({""}))
    yield (
        "in a halt, as no part of a liquidation",
        by_person,
        order.model_copy(update={"purpose": Purpose.EXIT}),
    )


def unknown_sells(state: GatewayState) -> list[str]:
    """Return the ids of sells of which nobody knows whether they work."""
    return [
        record.order_id
        for record in state.orders.working.values()
        if record.stage is Stage.UNKNOWN and record.is_order and record.facts.side is Side.SELL
    ]


def _before(state: RiskState, intent: TradeIntent) -> RiskState:
    pair_id = pair_id_of(intent.intent_id)
    pairs = {key: pair for key, pair in state.pairs.items() if key != pair_id}
    verdicts = {key: at_ns for key, at_ns in state.verdicts.items() if key != intent.intent_id}
    before: RiskState = state.but(pairs=pairs, verdicts=verdicts)
    return before


def _approved(state: RiskState, intent: TradeIntent, now_ns: int) -> bool:
    step = on_intent(state, intent, now_ns)
    return any(isinstance(out.message, PairApproved) for out in step.out)


def _risk_wrong(state: RiskState, intent: TradeIntent) -> Iterator[tuple[str, RiskState]]:
    if state.reference is None or state.account is None:
        return
    trips = {**state.day.trips, intent.symbol: state.reference.limits.max_trips_per_symbol}
    yield "beyond the trips of its day", state.but(day=state.day.model_copy(update={"trips": trips}))
    empty = state.account.report.model_copy(update={"orderable_krw": 0})
    sold_since = {"report": empty, "cash_flow_krw": cash_flow_krw(state) - MUCH_KRW}
    account = state.account.model_copy(update=sold_since)
    yield "with the cash of sales that no report shows", state.but(account=account)
    sell = OrderTally(
        pair_id="of a closed one", symbol=intent.symbol, venue=intent.side_a.venue, side=Side.SELL,
        qty_shares=1,
    )  # fmt: skip
    yield "where a sell of a closed pair works", state.but(settled={**state.settled, "probe": sell})
