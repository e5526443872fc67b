"""The order budget (design, 5): an entry leaves only if its own first sell, and what others owe, still fit.

The sum is taken at the instant an entry leaves: orders sent in the last 1.1 s, what other pairs owe, the
entry, and what its own first sell needs stay within what the broker takes in a second. A sell needs one
order where its venue takes IOC, and two where a limit takes its place, because the broker counts its cancel.

A pair owes an exit while its buy may still fill, while an exit of it waits here, and while it holds shares
for which an attempt is due. The gateway tells that from its own orders: the executor makes the next attempt
within `sell_timeout_ms` + `flatten_interval_ms` of the last thing that happened to the pair, or of the moment
from which the connection takes orders. After that the position waits for a venue, a bid or a person, and owes
nothing: when its attempt comes, it goes before every entry.
"""

from collections.abc import Mapping

from services.contracts.limits import BROKER_ORDERS_PER_SECOND, NS_PER_MS
from services.contracts.messages.commands import PlaceOrder
from services.contracts.terms import OrderKind, SessionPhase, Side, Venue
from services.gateway.limiter import in_window
from services.gateway.order_table import OrderRecord, OrderTable
from services.gateway.state import GatewayState
from services.market.hoga import OrderAction


def shortage(state: GatewayState, now_ns: int, pair_id: str, buy_venue: Venue) -> str:
    """Return why an entry of a pair may not leave now, in figures; empty if it may."""
    sent = in_window(state.order_history, now_ns)
    owed = sum(count for other, count in exits_owed(state, now_ns).items() if other != pair_id)
    own = sell_needs(state, buy_venue.other)
    if sent + owed + 1 + own <= BROKER_ORDERS_PER_SECOND:
        return ""
    return f"sent={sent} owed={owed} own_sell={own} limit={BROKER_ORDERS_PER_SECOND}"


def sell_needs(state: GatewayState, venue: Venue) -> int:
    """Return how many orders of the broker's count a sell on a venue may take now."""
    kinds = state.rules.hoga.kinds(venue, state.session.phases.get(venue, SessionPhase.CLOSED))
    return 2 if OrderKind.LIMIT in kinds and OrderKind.LIMIT_IOC not in kinds else 1


def exits_owed(state: GatewayState, now_ns: int) -> Mapping[str, int]:
    """Return how many orders each pair still owes, by pair; none where nothing is due."""
    orders, waiting = state.orders, _exits_waiting(state)
    sells = [r for r in orders.working.values() if r.is_order and r.facts.side is Side.SELL]
    pairs = {*orders.pairs_owing_an_exit(), *waiting, *(record.facts.pair_id for record in sells)}
    owed = {}
    for pair_id in pairs:
        records = tuple(orders.of_pair(pair_id))
        if pair_id in waiting or _may_fill(records):
            owed[pair_id] = _sell_of(state, records)
        elif now_ns - _moved_ns(state, records) <= _due_ns(state):
            free = orders.sellable_shares(pair_id) > 0
            owed[pair_id] = _sell_of(state, records) if free else _cancels_due(orders, records)
    return {pair_id: count for pair_id, count in owed.items() if count}


def _exits_waiting(state: GatewayState) -> frozenset[str]:
    """Pairs of which an exit waits here, or the cancel of an order that the broker has numbered."""
    found = set()
    for item in state.queue:
        command = item.command
        if isinstance(command, PlaceOrder):
            due = not command.purpose.adds_exposure
        else:
            target = state.orders.get(command.target_order_id)
            due = target is not None and bool(target.facts.broker_order_no)
        if due:
            found.add(command.pair_id)
    return frozenset(found)


def _may_fill(records: tuple[OrderRecord, ...]) -> bool:
    """Whether a buy may still fill. Of an ambiguous one only a person can tell: it is not waited for."""
    return any(r.is_order and r.facts.side is Side.BUY and r.open_shares and not r.ambiguous for r in records)


def _sell_of(state: GatewayState, records: tuple[OrderRecord, ...]) -> int:
    """What a sell of the pair needs; of one whose buy is of an earlier date on whichever venue needs most."""
    bought_on = {record.facts.venue for record in records if record.facts.side is Side.BUY} or set(Venue)
    return max(sell_needs(state, venue.other) for venue in bought_on)


def _cancels_due(orders: OrderTable, records: tuple[OrderRecord, ...]) -> int:
    """A limit sell that works may have to be taken back."""
    cancelled = {r.target_id for r in orders.working.values() if r.action is OrderAction.CANCEL}
    limits = [r for r in records if r.is_order and r.open_shares and r.facts.kind is OrderKind.LIMIT]
    return sum(record.order_id not in cancelled for record in limits)


def _moved_ns(state: GatewayState, records: tuple[OrderRecord, ...]) -> int:
    """When something last happened to a pair, or the connection began to take orders."""
    return max([state.link.since_ns, *(max(record.sent_ns, record.moved_ns) for record in records)])


def _due_ns(state: GatewayState) -> int:
    limits = None if state.reference is None else state.reference.limits
    return 0 if limits is None else (limits.sell_timeout_ms + limits.flatten_interval_ms) * NS_PER_MS
