"""The whole simulated world in one object: pure, driven by `advance(now_ns)`.

    world = World(listings, costs, day, options, seed, start_ns)
    session = world.connect()
    code = world.call(session, now_ns, "SendOrder", [...])
    events = world.advance(now_ns)     # [(session number, event), ...]

The same seed, calls and times give the same world. `snapshot` is the truth of its books; `inject`
makes a fault happen now.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from services.contracts.terms import Market, Venue
from services.simulator.account import Account, Costs
from services.simulator.agenda import Agenda
from services.simulator.broker import Broker
from services.simulator.day import SECOND_NS, TradingDay
from services.simulator.events import Troubled
from services.simulator.feed import Feed
from services.simulator.market.crosses import CrossLog
from services.simulator.market.dislocated import DislocatedExchange
from services.simulator.market.exchange import Exchange
from services.simulator.market.instrument import Interruption, Listing
from services.simulator.openapi import OpenApi
from services.simulator.options import FaultOptions, SimulatorOptions
from services.simulator.outputs import Outputs
from services.simulator.queries import Queries
from services.simulator.sessions import MS, Outbound, Session, Sessions
from services.simulator.snapshot import snapshot
from services.simulator.trouble import KINDS


class World:
    """Raises ValueError when a holding of the options names a symbol that is not listed."""

    def __init__(
        self,
        listings: list[Listing],
        costs: Mapping[Market, Costs],
        day: TradingDay,
        options: SimulatorOptions,
        seed: int,
        start_ns: int,
    ) -> None:
        rng = Random(seed)
        self.options, self.day, self.seed = options, day, seed
        self._faults = options.faults
        self.agenda = Agenda(start_ns)
        self.sessions = Sessions(self.agenda, options.faults, options.latency, seed, Random(rng.random()))
        market_rng = Random(rng.random())
        self.exchange = (
            Exchange(listings, options.world, day, self.agenda, seed)
            if options.world.preset
            else DislocatedExchange(listings, options.world, day, self.agenda, market_rng)
        )
        self.crosses = CrossLog(self.exchange)
        self.account = Account(options.account.cash_krw)
        self.feed = Feed(self.exchange, self.sessions, options.latency, seed)
        desk_rng = Random(rng.random())
        self.broker = Broker(self.exchange, self.account, costs, options, self.sessions, self.feed, desk_rng)
        faults = options.faults
        outputs = Outputs(faults.unnamed_outputs_blank_rate, faults.venue_fids, seed)
        self.queries = Queries(self.broker, self.feed, self.account, outputs)
        self.openapi = OpenApi(self.broker, self.feed, self.queries, self.sessions)
        self._rng = Random(rng.random())
        for code, qty_shares, average_krw in options.account.holdings:
            if code not in self.exchange.instruments:
                raise ValueError(f"options.account.holdings: {code} is not listed")
            self.account.deposit_shares(code, qty_shares, average_krw)
        self.start_holdings = {code: h.qty_shares for code, h in self.account.holdings.items()}
        self.exchange.start(self)
        self._start_chances()

    # -- driving ---------------------------------------------------------------------------

    def advance(self, now_ns: int) -> list[Outbound]:
        """Do all that is due and return the events for the controls, in order."""
        self.agenda.run_until(now_ns)
        return self.sessions.drain()

    @property
    def next_due_ns(self) -> int | None:
        return self.agenda.next_due_ns

    def connect(self) -> Session:
        return self.sessions.connect()

    def drop(self, session: Session) -> None:
        """The control's process is gone. Orders and market go on."""
        self.sessions.drop(session.number)
        self.feed.reindex()

    def call(self, session: Session, now_ns: int, name: str, args: list[Any]) -> Any:
        """A method of the control. Raises KeyError for an unknown name, TypeError for wrong arguments.

        Events that became due are kept for the next `advance`.
        """
        self.agenda.run_until(now_ns)
        return self.openapi.call(session, name, args)

    @property
    def happened(self) -> Counter[str]:
        """How often each kind of fault has struck so far."""
        return self.sessions.happened

    def snapshot(self) -> dict[str, Any]:
        """The truth of the broker's books as a JSON-like object."""
        return snapshot(self)

    # -- interventions ------------------------------------------------------------------------

    def inject(self, now_ns: int, what: str, args: Mapping[str, Any]) -> None:
        """Make something happen now: see `_injections`. Raises ValueError with what is wrong."""
        self.agenda.run_until(now_ns)
        action = self._injections().get(what)
        if action is None:
            raise ValueError(f"cannot inject {what!r}; known are {', '.join(sorted(self._injections()))}")
        code = args.get("code")
        if code is not None and code not in self.exchange.instruments:
            raise ValueError(f"no symbol {code!r}")
        try:
            action(args)
        except KeyError as error:
            raise ValueError(f"{what} needs {error}") from error

    def _injections(self) -> dict[str, Callable[[Mapping[str, Any]], object]]:
        return {
            "disconnect": lambda args: self.openapi.disconnect_all(),
            "freeze_feed": lambda args: self.freeze(Venue(args["venue"]), int(args.get("ms", 5000))),
            "stall": lambda args: self.sessions.hold(int(args.get("ms", 1000))),
            "halt": lambda args: self.exchange.halt(args["code"], True),
            "resume": lambda args: self.exchange.halt(args["code"], False),
            "delist": lambda args: self.exchange.delist(args["code"], True),
            "relist": lambda args: self.exchange.delist(args["code"], False),
            "vi": lambda args: self.exchange.interrupt(
                args["code"], Venue(args["venue"]), bool(args.get("up", True))
            ),
            "cross": lambda args: self.exchange.cross(
                args["code"],
                Venue(args["venue"]),
                int(args.get("bps", 50)),
                int(args.get("ms", 2000)),
                int(args.get("shares", 100)),
                bool(args.get("rich", True)),
            ),
            "move": lambda args: self.exchange.move(
                args["code"], Venue(args["venue"]), int(args.get("bps", 50)), bool(args.get("up", True))
            ),
            "hand_order": lambda args: self.broker.place_by_hand(
                args["code"],
                int(args.get("order_type", 1)),
                int(args.get("qty_shares", 1)),
                int(args.get("price_krw", 0)),
                str(args.get("hoga", "00" if args.get("price_krw") else "03")),
            ),
            "transfer": lambda args: self.account.deposit_shares(
                args["code"], int(args["qty_shares"]), int(args.get("average_krw", 0))
            ),
            "reject_next": lambda args: setattr(self.broker, "reject_next", int(args.get("count", 1))),
            "trouble": lambda args: self._trouble(args),
            "trip_query_guard": lambda args: setattr(self.openapi.guard, "tripped", True),
        }

    def _trouble(self, args: Mapping[str, Any]) -> None:
        """Something befalls the process of each control that is connected (`trouble.KINDS`)."""
        kind = str(args["kind"])
        if kind not in KINDS:
            raise ValueError(f"no trouble is called {kind!r}; known are {', '.join(KINDS)}")
        trouble = Troubled(
            kind, int(args.get("amount", 0)), str(args.get("title", "")), str(args.get("text", ""))
        )
        for session in self.sessions.by_number.values():
            self.sessions.post(session, trouble)

    def calm(self) -> None:
        """No more faults from now on; what is already on its way or hidden stays so."""
        calm = FaultOptions()
        self._faults = self.sessions.faults = self.broker.faults = self.feed.faults = calm
        self.feed.frozen.clear()

    def freeze(self, venue: Venue, ms: int) -> None:
        self.happened["frozen_feed"] += 1
        self.feed.frozen.add(venue)
        self.agenda.at(self.agenda.now_ns + ms * MS, lambda _: self.feed.frozen.discard(venue))

    def _start_chances(self) -> None:
        faults, rng = self._faults, self._rng
        self._repeat(faults.disconnects_per_hour, self.openapi.disconnect_all)
        self._repeat(
            faults.freezes_per_hour,
            lambda: self.freeze(rng.choice(list(Venue)), rng.randint(*faults.freeze_ms)),
        )
        self._repeat(faults.stalls_per_hour, lambda: self.sessions.hold(rng.randint(*faults.stall_ms)))
        self._repeat(faults.hand_orders_per_hour, self._hand_order)

    def _repeat(self, per_hour: float, action: Callable[[], None]) -> None:
        """Do something at random moments of wall time, `per_hour` on average, until the world is calm."""
        if per_hour <= 0:
            return
        faults = self._faults

        def act(_: int) -> None:
            if self._faults is not faults:
                return
            action()
            self._repeat(per_hour, action)

        wait_ns = int(self._rng.expovariate(per_hour / 3600) * SECOND_NS)
        self.agenda.at(self.agenda.now_ns + wait_ns, act)

    def _hand_order(self) -> None:
        code = self._rng.choice(list(self.exchange.instruments))
        ask_krw = self.feed.touch(code, Venue.KRX).ask_krw
        if ask_krw:
            self.broker.place_by_hand(code, 1, 1, ask_krw, "00")

    # -- what the exchange tells (the exchange's Listener) ---------------------------------------

    def on_execution(
        self, venue: Venue, code: str, order_no: int, price_krw: int, qty: int, ts_ns: int
    ) -> None:
        self.broker.on_execution(code, venue, order_no, price_krw, qty)

    def on_expired(self, order_no: int, ts_ns: int) -> None:
        self.broker.on_expired(order_no)

    def on_book(self, venue: Venue, code: str, ts_ns: int) -> None:
        self.crosses.on_book(venue, code, ts_ns)
        self.feed.on_book(venue, code)

    def on_trade(self, venue: Venue, code: str, price_krw: int, signed_shares: int, ts_ns: int) -> None:
        self.feed.on_trade(venue, code, price_krw, signed_shares)

    def on_phase(self, venue: Venue, announcement: str, ts_ns: int) -> None:
        self.crosses.on_phase(ts_ns)
        self.broker.on_phase(venue)
        self.feed.on_phase(venue, announcement)

    def on_interruption(self, venue: Venue, code: str, vi: Interruption, active: bool, ts_ns: int) -> None:
        self.happened["vi"] += active
        self.crosses.on_interruption(code, ts_ns)
        self.feed.on_interruption(venue, code, vi, active)
