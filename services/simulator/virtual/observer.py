"""Who watches a virtual day: what left the gateway, what was written, what is open at the broker.

Everything is judged by the world's own clock and books and by what the streams hold; what a service
believes is looked at once, when the day is over, to be compared with the truth.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from services.contracts.envelope import Envelope
from services.contracts.limits import LEASE_MS, NS_PER_MS, NS_PER_S
from services.contracts.messages.commands import CancelOrder, PlaceOrder
from services.contracts.messages.intents import TradeIntent
from services.contracts.messages.orders import OrderResolved, Resolution
from services.contracts.messages.pairs import PairApproved, PairClosed, ResidualMarked, StrandReason
from services.contracts.messages.venue_state import ConnectionState
from services.contracts.streams import CONTROL, LEASE, PAIRS, STATUS, STOPS, TICKS, home_of
from services.contracts.terms import OrderKind, Purpose, Side, Symbol, Venue
from services.lab.broker_books import BrokerBooks
from services.lab.person_files import limits_in, threshold_in
from services.lab.record import Record
from services.lab.sends import Bounds, EntrySent, ExitSent
from services.market.hoga import HogaTable, OrderAction
from services.market.market_clock import DayPlan
from services.market.sessions import Window
from services.risk.exposure import cash_flow_krw, total_exposure_krw
from services.risk.state import RiskState
from services.simulator.orders import Order
from services.simulator.virtual.bus import Posted, VirtualBus
from services.simulator.virtual.calm import DECISIONS_NS, Calm
from services.simulator.virtual.failures import is_failure
from services.simulator.virtual.gateway import VirtualGateway
from services.simulator.virtual.on_way import OnWay
from services.simulator.virtual.probes import Probes, unknown_sells
from services.simulator.virtual.process import MONO_BEHIND_NS, VirtualProcess
from services.simulator.virtual.room import Room
from services.simulator.virtual.sends import Asked, Word, sell_bounds, word_of
from services.simulator.virtual.statements import Statements, cash_krw_of
from services.simulator.world import World

CANCEL_NS = 1_500 * NS_PER_MS
"""How long a cancel may take: the last five calls, or a refusal of the broker, bar the next for a second."""
DECISIONS = (STOPS.key, CONTROL.key)
"""The streams that say whether orders may leave."""


@dataclass
class Observer:
    """`tell` takes a line for the timeline, None where none is kept."""

    world: World
    bus: VirtualBus
    gateway: VirtualGateway
    plan: DayPlan
    windows: Sequence[Window]
    hoga: HogaTable
    files: Path
    """The folder that holds the desk's limits, as a person wrote them."""
    tell: Callable[[str], None] | None = None
    could_read_ns: dict[str, int] = field(default_factory=lambda: dict.fromkeys(DECISIONS, 0))
    """By key of a stream of decisions, the last turn of the gateway that began with all that it held."""
    witness: Record = field(init=False)
    room: Room = field(default_factory=Room)
    asked: Asked = field(default_factory=Asked)
    calm: Calm = field(default_factory=Calm)
    on_way: OnWay = field(default_factory=OnWay)
    statements: Statements = field(init=False)
    probes: Probes = field(init=False)
    _intents: list[TradeIntent] = field(default_factory=list)
    """Written since the last look at risk's books."""
    _open: set[str] = field(default_factory=set)
    _working: list[Order] = field(default_factory=list)
    _of_pair: dict[str, list[Order]] = field(default_factory=dict)
    _orders_seen: int = 0
    _arrivals_seen: int = 0
    _watched_ns: int = 0
    _words: list[Posted] = field(default_factory=list)
    """All that was ever said of the trading state, also what was forgotten since."""
    _renewed_ns: int = 0
    """When the newest renewal of the lease was taken, also one that was forgotten since."""
    _full_ns: int = 0
    """When the broker last refused an order for its rate, in the gateway's present life."""
    _full_life: int = 0
    _liquidations: Counter[str] = field(default_factory=Counter)
    """By pair, how many orders of its ladder have left."""
    _by_hand: list[Order] = field(default_factory=list)
    _cancellable_ns: Counter[str] = field(default_factory=Counter)
    """By order id, for how long the gateway could have taken an entry back since the sweep began."""

    def __post_init__(self) -> None:
        self.witness = Record(
            trading_date=self.plan.trading_date, limits=limits_in(self.files),
            threshold=threshold_in(self.files), observed=True,
        )  # fmt: skip
        self.statements = Statements(self.bus, self.witness.untrue, account_krw=self._account_krw)
        self.probes = Probes(self.witness.let_through)

    def at_stake(self) -> bool:
        """Whether a pair was approved and not closed since, as far as was ever said."""
        return bool(self._open)

    def open_pairs(self) -> dict[str, PairApproved]:
        """Pairs that the streams have approved, and neither closed nor named as stranded."""
        posted = [entry.envelope.body for entry in self.bus.streams.get(PAIRS.key, [])]
        over = {m.pair_id for m in posted if isinstance(m, PairClosed | ResidualMarked)}
        return {m.pair_id: m for m in posted if isinstance(m, PairApproved) and m.pair_id not in over}

    # -- what was written ------------------------------------------------------------------

    def remember(self, now_ns: int) -> None:
        """Take in every message that was written since, also those that the bus forgot again."""
        self._take_new_orders()
        for posted in self.bus.take_written():
            if posted.key == LEASE.key:
                self._renewed_ns = posted.taken_ns
            if posted.key in DECISIONS:
                self._words.append(posted)
            if home_of(type(posted.envelope.body)) is not TICKS:
                self._said(posted.envelope, now_ns)

    def _said(self, envelope: Envelope, now_ns: int) -> None:
        body = envelope.body
        told_again = envelope.id in self.witness.said
        self.witness.said[envelope.id] = envelope
        if not told_again:
            self.statements.said(envelope, self.gateway.life)
        self.asked.hear(body)
        if isinstance(body, PlaceOrder):
            self._commanded(body, now_ns)
        elif isinstance(body, CancelOrder) and self.gateway.up and not told_again:
            self.probes.cancelled(self.gateway.state, envelope, *self._gateways_time(now_ns))
        elif isinstance(body, TradeIntent) and not told_again:
            self._intents.append(body)
        if is_failure(body):
            self.witness.failures.append(f"{envelope.source}: {body!r}")
        if isinstance(body, PairApproved):
            self._open.add(body.pair_id)
            if not told_again:
                self._approved(body)
        elif isinstance(body, PairClosed):
            self._open.discard(body.pair_id)
        elif isinstance(body, ResidualMarked) and body.reason is StrandReason.ATTEMPTS_SPENT:
            self._given_up(body)
        elif isinstance(body, OrderResolved) and body.resolution is Resolution.NEVER_ARRIVED:
            self.on_way.over(body.facts.order_id)
        if self.tell is not None and home_of(type(body)) not in (STATUS, LEASE):
            self.tell(f"{envelope.source}: {body!r}")

    def _approved(self, approved: PairApproved) -> None:
        """What risk may have let in: every pair that is open by the streams, by the broker's own fills.

        Risk hears of a fill later than this, and no fill makes the worst case of a pair larger. What a
        stranded pair holds counts on.
        """
        self._take_new_orders()
        spent, limits = self.statements.trips().get(approved.symbol, 0), self.witness.limits
        if spent >= limits.max_trips_per_symbol:
            self.witness.trips_passed.append((approved.approved_at_ns, approved.pair_id, spent))
        by_symbol = Counter[str]()
        open_pairs = self.open_pairs()
        for pair in open_pairs.values():
            bought, held_krw = self._bought_by(pair.pair_id)
            by_symbol[pair.symbol] += held_krw + max(0, pair.qty_shares - bought) * pair.buy_limit_krw
            if pair.symbol == approved.symbol and pair.pair_id != approved.pair_id:
                self.witness.second_pairs.append((approved.approved_at_ns, approved.pair_id, pair.pair_id))
        for pair_id in self._stranded():
            for order in self._of_pair.get(pair_id, ())[:1]:
                by_symbol[order.code] += self._bought_by(pair_id)[1]
        self._judge_exposure(approved.approved_at_ns, by_symbol)

    def _stranded(self) -> set[str]:
        posted = [entry.envelope.body for entry in self.bus.streams.get(PAIRS.key, [])]
        closed = {m.pair_id for m in posted if isinstance(m, PairClosed)}
        return {m.pair_id for m in posted if isinstance(m, ResidualMarked)} - closed

    def _given_up(self, mark: ResidualMarked) -> None:
        left, due = self._liquidations[mark.pair_id], self.witness.limits.flatten_attempts
        if left < due:
            self.witness.given_up.append((mark.pair_id, left, due))

    # -- what is sent ----------------------------------------------------------------------

    def sending(self, effect: Any, now_ns: int) -> None:
        """The gateway is about to send: judged by the world's clock, not by the gateway's."""
        record = effect.intention.get("record", {})
        facts = record.get("facts", {})
        if self.tell is not None:
            self.tell(f"SEND {effect.order_id} {effect.args}")
        if self._full_life == self.gateway.life and now_ns - self._full_ns < NS_PER_S:
            self.witness.rushed.append((now_ns, effect.order_id))
        if record.get("action") != OrderAction.NEW:
            return
        self.room.sending(effect.order_id, Venue(facts["venue"]))
        self.on_way.sending(effect.order_id, facts)
        if facts["purpose"] == Purpose.ENTRY:
            self._entry(effect, facts, now_ns)
        else:
            self._exit(effect.order_id, facts, now_ns)

    def _expired_ns(self, order_id: str, now_ns: int) -> int:
        """How long ago the gateway's own clock passed the end of an order's command."""
        command = self.asked.commands.get(order_id)
        return 0 if command is None else now_ns + self.gateway.clock_error_ns - command.expires_at_ns

    def _entry(self, effect: Any, facts: dict[str, Any], now_ns: int) -> None:
        order_id, venue, pair_id = effect.order_id, Venue(facts["venue"]), facts["pair_id"]
        lease_until_ns = effect.lease_until_mono_ns + MONO_BEHIND_NS
        word = self._word_on_the_bus()
        renewals = self.bus.streams.get(LEASE.key, [])
        renewed_ns = renewals[-1].taken_ns if renewals else 0
        # A clock that is wrong by less than distrust begins at moves the window by as much: in a day
        # this short that is minutes of market time. What the venue really does is judged beside it.
        market_ns = self.plan.market_ns(now_ns + self.gateway.clock_error_ns)
        self.witness.entries.append(
            EntrySent(
                at_ns=now_ns,
                order_id=order_id,
                halted=word.halted,
                armed=word.armed,
                lease_left_ns=renewed_ns + LEASE_MS * NS_PER_MS - now_ns,
                window_open=any(window.contains(market_ns) for window in self.windows),
                venue_continuous=self.world.exchange.phases[venue].matches_continuously,
                waited_ns=now_ns - self.gateway.read_ns.get(order_id, now_ns),
                calls=self.room.calls(now_ns),
                owed=self._owed(order_id, now_ns),
                sell_needs=self._sell_needs(venue),
                expired_ns=self._expired_ns(order_id, now_ns),
                lease_beyond_ns=lease_until_ns - max(renewed_ns, self._renewed_ns) - LEASE_MS * NS_PER_MS,
                price_krw=facts["price_krw"],
                bounds=self.asked.entry_bounds(pair_id),
                qty_shares=facts["qty_shares"],
                clip_shares=self.asked.clip_shares(pair_id),
                market_ns=market_ns,
            )
        )

    def _owed(self, order_id: str, now_ns: int) -> int:
        """What the first sells of other clips may still take, for as long as they are due."""
        limits = self.witness.limits
        due_ns = (limits.sell_timeout_ms + limits.flatten_interval_ms) * NS_PER_MS
        self._take_new_orders()
        others = (venue for name, venue in self.room.unsold(now_ns, due_ns) if name != order_id)
        return sum(self._sell_needs(venue) for venue in others)

    def _sell_needs(self, buy_venue: Venue) -> int:
        """One order where IOC is taken; where a limit takes its place its cancel counts too."""
        venue = buy_venue.other
        kinds = self.hoga.kinds(venue, self.world.exchange.phases[venue])
        return 1 if OrderKind.LIMIT_IOC in kinds else 2

    def left(self, order_id: str, now_ns: int) -> None:
        """A SendOrder came back, and the order may have left."""
        self.witness.could_arrive.append(order_id)
        self.room.left(order_id, now_ns)
        self.on_way.left(order_id)

    def rate_refused(self, now_ns: int) -> None:
        """SendOrder came back with the broker's word that its second is full."""
        self._full_ns, self._full_life = now_ns, self.gateway.life

    def _commanded(self, order: PlaceOrder, now_ns: int) -> None:
        """An order is asked for, and not read yet: no sell where a buy of its pair works."""
        working = self._of_pair.get(order.pair_id, ()) if order.side is Side.SELL else ()
        for other in working:
            if other.side is Side.BUY and other.venue is order.venue and other.remaining_shares:
                self.witness.asked_against.append((order.order_id, other.request.rqname))
        if self.gateway.up:
            self.probes.commanded(
                self.gateway.state, order, *self._gateways_time(now_ns), self._free_shares(order.pair_id)
            )

    def _gateways_time(self, now_ns: int) -> tuple[int, int]:
        """Redis time as the gateway reads it, and its monotonic time."""
        return now_ns + self.gateway.clock_error_ns, now_ns - MONO_BEHIND_NS

    def _free_shares(self, pair_id: str) -> int:
        """What a pair has bought and neither sold nor put on sale, by the broker's books."""
        free = 0
        for order in self._of_pair.get(pair_id, ()):
            filled = order.money.filled_shares
            free += filled if order.side is Side.BUY else -filled - order.remaining_shares
        return free - self.on_way.for_sale(pair_id)

    def _probe_gateway(self, now_ns: int) -> None:
        if not self.gateway.up:
            return
        state, renewed_ns = self.gateway.state, self._renewed_ns - MONO_BEHIND_NS
        self.probes.lapsed(state, now_ns - MONO_BEHIND_NS, renewed_ns)
        for order_id in unknown_sells(state):
            command = self.asked.commands.get(order_id)
            if command is not None:
                free = self._free_shares(command.pair_id)
                self.probes.in_doubt(state, command, *self._gateways_time(now_ns), free)

    def _exit(self, order_id: str, facts: dict[str, Any], now_ns: int) -> None:
        self._take_new_orders()
        free = self._free_shares(facts["pair_id"])
        if facts["purpose"] == Purpose.FLATTEN:
            self._liquidations[facts["pair_id"]] += 1
        word = self._word_on_the_bus()
        entry = self.asked.entry_on(Symbol(facts["symbol"]), Venue(facts["venue"]))
        if entry is not None:
            self.probes.sold(self.gateway.state, entry, *self._gateways_time(now_ns))
        command = self.asked.commands.get(order_id)
        pair = self._of_pair.get(facts["pair_id"], ())
        self.witness.exits.append(
            ExitSent(
                at_ns=now_ns,
                order_id=order_id,
                halted=word.halted,
                by_person=facts["purpose"] == Purpose.FLATTEN and word.flattens(Symbol(facts["symbol"])),
                qty_shares=facts["qty_shares"],
                free_shares=free,
                expired_ns=self._expired_ns(order_id, now_ns),
                price_krw=facts["price_krw"],
                bounds=Bounds() if command is None else self._sell_bounds(command, pair),
            )
        )

    def _sell_bounds(self, command: PlaceOrder, pair: Iterable[Order]) -> Bounds:
        ticks = self.world.exchange.instruments[command.symbol].listing.ticks
        return sell_bounds(command, pair, self.witness.limits, ticks)

    def _word_on_the_bus(self) -> Word:
        """What the streams say to whoever could read them: the gateway's own belief is not asked.

        Each stream counts as far as it could be read: one may reach the gateway later than the other. What
        they have just lost holds until the gateway could notice that.
        """
        held = [entry for key in DECISIONS for entry in self.bus.streams.get(key, [])]
        entries = self._words if self.gateway.in_doubt else held
        read = [entry for entry in entries if entry.taken_ns < self.could_read_ns[entry.key]]
        return word_of(entry.envelope for entry in sorted(read, key=lambda entry: entry.number))

    # -- what the broker has ----------------------------------------------------------------

    def hold_books(self, now_ns: int, risk: "VirtualProcess[RiskState]") -> None:
        """After every step: risk's money and trips against the account, and what would slip through."""
        intents, self._intents = self._intents, []
        self._probe_gateway(now_ns)
        if risk.up and risk.loaded:
            for intent in intents:
                self.probes.intended(risk.state, intent, now_ns + risk.clock_error_ns)
            heard_all = self.statements.step(now_ns, self._working_orders(), risk.state, risk.positions)
            if heard_all:
                self._hold_exposure(now_ns, risk.state)

    def _hold_exposure(self, now_ns: int, risk: RiskState) -> None:
        """Risk's worst case is no less than what is held by the broker's books and may still be bought. Of a
        pair whose end the bus forgot risk may know that it is over."""
        closed = {m.pair_id for m in self._on_stream(PairClosed)}
        marked = {m.pair_id for m in self._on_stream(ResidualMarked)}
        worst_krw = 0
        approved = {pair.pair_id: pair for pair in self._on_stream(PairApproved)}
        for pair in approved.values():
            if pair.pair_id in closed:
                continue
            bought, held_krw = self._bought_by(pair.pair_id)
            left = max(0, pair.qty_shares - bought) * pair.buy_limit_krw
            over = pair.pair_id in marked or self.statements.has_ended(pair.pair_id)
            worst_krw += held_krw + (self._working_krw(pair.pair_id) if over else left)
        if total_exposure_krw(risk) < worst_krw:
            said = total_exposure_krw(risk)
            self.witness.untrue.append(f"risk's worst case is {said:,} KRW at {now_ns}, and is {worst_krw:,}")

    def _on_stream(self, kind: type[Any]) -> list[Any]:
        posted = [entry.envelope.body for entry in self.bus.streams.get(PAIRS.key, [])]
        return [message for message in posted if isinstance(message, kind)]

    def _working_krw(self, pair_id: str) -> int:
        """What the buys of a pair that work may still spend."""
        orders = [o for o in self._of_pair.get(pair_id, ()) if o.side is Side.BUY and o.is_open]
        return sum(order.remaining_shares * order.price_krw for order in orders)

    def watch(self, now_ns: int) -> None:
        """Exposure and what is open at the broker, after every step."""
        by_symbol = Counter[str]()
        sides: dict[tuple[str, Venue], Side] = {}
        for order in self._working_orders():
            entry = order.side is Side.BUY
            if entry and self._is_left_over(order, now_ns):
                self.witness.left_over.append((now_ns, order.request.rqname))
            side = sides.setdefault((order.code, order.venue), order.side)
            if side is not order.side:
                self.witness.opposed.append((now_ns, order.request.rqname))
            if entry:
                by_symbol[order.code] += order.price_krw * order.remaining_shares
        for going in self.on_way:
            if sides.get((going.code, going.venue), going.side) is not going.side:
                self.witness.opposed.append((now_ns, going.order_id))
            if going.side is Side.BUY:
                by_symbol[going.code] += going.amount_krw
        for pair_id, orders in self._of_pair.items():
            by_symbol[orders[0].code] += self._bought_by(pair_id)[1]
        self._judge_exposure(now_ns, by_symbol)
        self._watched_ns = now_ns
        ready = self.gateway.up and self.gateway.state.link.state is ConnectionState.READY
        self.calm.note(now_ns, ready=ready)

    def _is_left_over(self, order: Order, now_ns: int) -> bool:
        """Whether an entry is open while its venue pauses, though the gateway had time to take it back.

        A real sweep has a minute; here it is two seconds, some of which the gateway may be dead, cut off, or
        not know the order's number.
        """
        gateway, rqname = self.gateway, order.request.rqname
        if self.plan.market_ns(now_ns) < self.windows[-1].end_ns:
            return False
        record = gateway.state.orders.get(rqname) if gateway.up else None
        ready = gateway.up and gateway.state.link.state is ConnectionState.READY
        if ready and now_ns >= gateway.paused_until_ns and record and record.facts.broker_order_no:
            self._cancellable_ns[rqname] += now_ns - self._watched_ns
        if self.world.exchange.phases[order.venue].matches_continuously:
            return False
        return self._cancellable_ns[rqname] > CANCEL_NS

    def _bought_by(self, pair_id: str) -> tuple[int, int]:
        """(shares bought by a pair's orders, cost in KRW of those not yet sold)."""
        bought = sold = cost_krw = 0
        for order in self._of_pair.get(pair_id, ()):
            if order.side is Side.BUY:
                bought += order.money.filled_shares
                cost_krw += order.money.amount_krw
            else:
                sold += order.money.filled_shares
        return bought, cost_krw * max(0, bought - sold) // bought if bought else 0

    def _judge_exposure(self, at_ns: int, by_symbol: Counter[str]) -> None:
        limits, total = self.witness.limits, sum(by_symbol.values())
        for code, krw in by_symbol.items():
            if krw > limits.max_exposure_symbol_krw:
                self.witness.exposures.append((at_ns, code, krw))
        if total > limits.max_exposure_total_krw:
            self.witness.exposures.append((at_ns, "", total))

    def _working_orders(self) -> list[Order]:
        """Our orders that the broker has open. One that has closed is not looked at again."""
        self._take_new_orders()
        for order in self._working:
            if order.closed:
                self.statements.closed(order)
        self._working = [order for order in self._working if not order.closed]
        return self._working

    def _take_new_orders(self) -> None:
        """File what came in at the broker since, but for orders of a person."""
        arrivals = self.world.broker.arrivals
        for arrival in arrivals[self._arrivals_seen :]:
            self.on_way.over(arrival.request.rqname)
            if arrival.refusal:
                self.room.refused(arrival.request.rqname)
        self._arrivals_seen = len(arrivals)
        orders = self.world.broker.orders
        if len(orders) == self._orders_seen:
            return
        new = list(islice(orders.values(), self._orders_seen, None))
        self._orders_seen = len(orders)
        ours = [order for order in new if not order.request.by_hand]
        self._by_hand += [order for order in new if order.request.by_hand]
        for order in ours:
            self._of_pair.setdefault(order.request.rqname.partition(".")[0], []).append(order)
            self.room.arrived(order)
            self.statements.arrived(order)
        self._working += ours

    # -- the end ---------------------------------------------------------------------------

    def conclude(self, risk: RiskState) -> None:
        """The day is over: keep the broker's books, what the streams hold, and what our own books say."""
        record = self.witness
        record.books = BrokerBooks.model_validate(self.world.snapshot())
        record.windows_ns = tuple(
            (self.plan.wall_ns(w.start_ns), self.plan.wall_ns(w.end_ns)) for w in self.windows
        )
        record.calm_ns = tuple(self.calm.spans)
        ways_ms = record.books.ways_ms + record.threshold.min_cross_ms
        record.slowest_ns = ways_ms * NS_PER_MS + DECISIONS_NS
        for entries in self.bus.streams.values():
            self.witness.kept.update((entry.envelope.id, entry.envelope) for entry in entries)
        self.witness.risk_cash_flow_krw = cash_flow_krw(risk)
        if not self.gateway.recovered:
            return
        table = self.gateway.state.orders
        self.witness.known = {
            record.order_id: record.facts
            for record in (*table.done.values(), *table.working.values())
            if record.action is OrderAction.NEW
        }

    def _account_krw(self) -> int:
        """What our orders did to the account's cash by the account itself: a person's orders aside."""
        account = self.world.account
        return account.cash_krw - account.start_cash_krw - sum(map(cash_krw_of, self._by_hand))
