"""The broker's order desk: numbers, acceptance, fills, and the frames and answers that follow.

The sequence of an order is the sheet's (Kiwoom sheet 1.3): SendOrder returns, then OnReceiveTrData
with the order number (blank: rejected), then Chejan 접수, 체결 per fill with a balance frame each.
A cancel or amend has a number of its own, 확인, and a closing frame of the original with 902 = 0.
The desk's books (`orders`, `arrivals`, the account) are the truth that everything else is judged by.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from services.contracts.terms import Market, Side, Venue
from services.simulator import acceptance
from services.simulator.account import Account, Costs, OrderMoney
from services.simulator.agenda import Agenda
from services.simulator.chejan import balance_frame, order_frame, order_trcode
from services.simulator.events import Answered, Chejan, Event, Told
from services.simulator.feed import Feed
from services.simulator.latency import Way
from services.simulator.limits import SlidingLimit
from services.simulator.market.book import Incoming
from services.simulator.market.exchange import Exchange
from services.simulator.options import SimulatorOptions
from services.simulator.orders import HOGA, ORDER_TYPES, Action, Fill, Order, OrderRequest
from services.simulator.sessions import MS, Sessions

NOT_SENT, OVERFLOW, WRONG_INPUT, NO_CODE = -307, -308, -300, -500
OTHER_ACCOUNT, OVER_2_BN, OVER_5_BN = -302, -303, -304
PARTED = 5
"""An order of so many shares can find 10 to 20 % of them."""
OTHER_ACCOUNT_NO = "8099999911"
"""Another account of the same login; the settings of a test may use any other."""


@dataclass(slots=True)
class Arrival:
    """A SendOrder that reached the broker and what became of it."""

    request: OrderRequest
    order_no: int = 0
    refusal: str = ""
    arrived_ns: int = 0


class Broker:
    def __init__(
        self,
        exchange: Exchange,
        account: Account,
        costs: Mapping[Market, Costs],
        options: SimulatorOptions,
        sessions: Sessions,
        feed: Feed,
        rng: Random,
    ) -> None:
        self.exchange, self.account, self.costs, self.options = exchange, account, costs, options
        self.faults, self.sessions, self.feed, self.rng = options.faults, sessions, feed, rng
        self.agenda: Agenda = exchange.agenda
        self.happened = sessions.happened
        self._order_way = Way(options.latency.order_ms, feed.seed, "order")
        self._late: dict[int, Order] = {}
        """Accepted orders that have not met the book yet (a fault)."""
        self.limit = SlidingLimit(options.broker.orders_per_s)
        self.orders: dict[int, Order] = {}
        self.arrivals: list[Arrival] = []
        self.self_trades = 0
        self.met_by_hand = 0
        """Trades between an order of ours and one that a person placed: it may have been told of too late."""
        self.reject_next = 0
        """How many of the next new orders are refused whatever they are."""
        self._number = rng.randrange(1, 90_000)
        self._execution = rng.randrange(100_000, 900_000)
        self._last_arrival_ns = 0
        """Orders arrive in the order in which they were sent, however long each took."""
        self._taking: Order | None = None

    # -- intake -----------------------------------------------------------------------

    def send_order(self, account: str, request: OrderRequest) -> int:
        """SendOrder's return value: 0 means that the request left, nothing more."""
        error = self._input_error(account, request)
        if error:
            return error
        chance = self.rng.random
        if chance() < self.faults.order_overflow_rate:
            return self._strike("order_overflow", OVERFLOW)
        if chance() < self.faults.hand_twin_rate:
            self._twin(request)
        if not self.limit.admit(request.received_ns):
            return OVERFLOW
        failed = chance() < self.faults.send_fail_rate
        if failed:
            self.happened["send_failed"] += 1
            if chance() < 0.5:
                return NOT_SENT
        elif chance() < self.faults.never_arrives_rate:
            return self._strike("never_arrives", 0)
        due_ns = request.received_ns + self._way_ns()
        due_ns = self._last_arrival_ns = max(due_ns, self._last_arrival_ns)
        arrival = Arrival(request)
        self.agenda.at(due_ns, lambda at_ns: self._arrive(arrival, at_ns))
        return NOT_SENT if failed else 0

    def _way_ns(self) -> int:
        """How long an order is on its way."""
        if self.rng.random() >= self.faults.late_arrival_rate:
            return self._order_way.ns()
        self.happened["late_arrival"] += 1
        return self.sessions.delay_ns(self.faults.late_arrival_ms)

    def _strike(self, kind: str, code: int) -> int:
        self.happened[kind] += 1
        return code

    def _twin(self, request: OrderRequest) -> None:
        """A person has the same idea: the same shares at the same price, as a plain limit order."""
        if ORDER_TYPES[request.order_type][::2] != (Action.NEW, Side.BUY) or not HOGA[request.hoga].immediate:
            return
        self.happened["hand_twin"] += 1
        due_ns = self.agenda.now_ns + self.rng.randint(0, 400) * MS
        asked = (request.code, request.order_type, request.qty_shares, request.price_krw, "00")
        self.agenda.at(due_ns, lambda _: self.place_by_hand(*asked))

    def place_by_hand(self, code: str, order_type: int, qty_shares: int, price_krw: int, hoga: str) -> None:
        """An order of a person at another terminal of the same account."""
        self.happened["hand_order"] += 1
        now_ns = self.agenda.now_ns
        request = OrderRequest(None, "", "", order_type, code, qty_shares, price_krw, hoga, "", now_ns)
        self._arrive(Arrival(request), now_ns)

    def _input_error(self, account: str, request: OrderRequest) -> int:
        kind = ORDER_TYPES.get(request.order_type)
        if not request.code:
            return NO_CODE
        if account != self.options.account.number:
            return OTHER_ACCOUNT
        if kind is None or "_" in request.code or request.qty_shares < 0 or request.price_krw < 0:
            return WRONG_INPUT
        if request.code not in self.exchange.instruments:
            return NO_CODE
        if kind[0] is Action.NEW and request.qty_shares == 0:
            return WRONG_INPUT
        amount_krw = request.qty_shares * request.price_krw
        return OVER_5_BN if amount_krw > 5_000_000_000 else OVER_2_BN if amount_krw > 2_000_000_000 else 0

    def _arrive(self, arrival: Arrival, at_ns: int) -> None:
        arrival.arrived_ns = at_ns
        self.arrivals.append(arrival)
        action, venue, side = ORDER_TYPES[arrival.request.order_type]
        if action is Action.NEW and side is not None:
            self._new(arrival, venue, side)
        else:
            self._change(arrival, action, venue, side)

    # -- new orders -------------------------------------------------------------------

    def _new(self, arrival: Arrival, venue: Venue, side: Side) -> None:
        request = arrival.request
        hoga = HOGA.get(request.hoga)
        refusal = acceptance.session_refusal(self.exchange, request.code, venue, hoga)
        if refusal or hoga is None:
            self._refuse(arrival, Action.NEW, venue, side, refusal or "")
            return
        refusal = acceptance.price_refusal(self.exchange, request, hoga)
        money = self._money(request.code, venue, side, request.price_krw, request.qty_shares)
        if not refusal and not self.account.affords(money):
            refusal = acceptance.NO_CASH if side is Side.BUY else acceptance.NO_SHARES
        if not refusal and not request.by_hand and self._unlucky():
            self.happened["rejection"] += 1
            refusal = acceptance.BY_CHANCE
        if refusal:
            self._refuse(arrival, Action.NEW, venue, side, refusal)
            return
        order = self._book_order(arrival, Action.NEW, venue, side, money)
        self.account.open(money)
        self._answer(order)
        if self.rng.random() < self.faults.late_reject_rate and not request.by_hand:
            self.happened["late_rejection"] += 1
            rest = order.remaining_shares if self._strikes("refusal_shows_rest_rate") else 0
            self._close(order, order.remaining_shares, "rejected", "거부", shown_shares=rest)
            return
        self._frame(order, "접수")
        if not request.by_hand and self.rng.random() < self.faults.slow_match_rate:
            self._late[order.number] = order
            due_ns = self.agenda.now_ns + self.sessions.delay_ns(self.faults.slow_match_ms)
            self.agenda.at(due_ns, lambda _: self._match_late(order))
            return
        self._match(order)

    def _match_late(self, order: Order) -> None:
        if self._late.pop(order.number, None) is not None and order.is_open:
            self.happened["late_fill"] += 1
            self._match(order)

    def on_phase(self, venue: Venue) -> None:
        """No order waits for its book across a change of phase."""
        for order in [order for order in self._late.values() if order.venue is venue]:
            self._match_late(order)

    def _unlucky(self) -> bool:
        if self.reject_next > 0:
            self.reject_next -= 1
            return True
        return self.rng.random() < self.faults.reject_rate

    def _money(self, code: str, venue: Venue, side: Side, price_krw: int, qty_shares: int) -> OrderMoney:
        instrument = self.exchange.instruments[code]
        limit_krw = price_krw or instrument.ladder.upper_krw
        return OrderMoney(code, venue, side, self.costs[instrument.listing.market], limit_krw, qty_shares)

    def _book_order(
        self, arrival: Arrival, action: Action, venue: Venue, side: Side, money: OrderMoney
    ) -> Order:
        self._number += self.rng.randint(1, 40)
        request = arrival.request
        order = Order(
            number=self._number,
            request=request,
            action=action,
            venue=venue,
            side=side,
            hoga=HOGA.get(request.hoga, HOGA["00"]),
            price_krw=request.price_krw,
            qty_shares=money.open_shares,
            money=money,
            hhmmss=self.feed.clock(),
        )
        order.silent = not request.by_hand and self.rng.random() < self.faults.lost_chejan_rate
        self.happened["lost_frames"] += order.silent
        arrival.order_no = order.number
        self.orders[order.number] = order
        return order

    def _match(self, order: Order) -> None:
        limit = acceptance.limit_index(self.exchange, order.code, order.side, order.price_krw)
        if not order.request.by_hand and order.qty_shares >= PARTED and self._strikes("part_fill_rate"):
            left_shares = self.rng.randint(-(-order.qty_shares // 10), order.qty_shares // 5)
            book = self.exchange.instruments[order.code].stalls[order.venue].book
            book.leave(order.side, limit, left_shares)
        elif not order.request.by_hand and self.rng.random() < self.faults.fade_rate:
            self.happened["fade"] += 1
            self.exchange.fade(order.code, order.venue, order.side, limit)
        hoga = order.hoga
        rests = not hoga.immediate and not (hoga.market and self.exchange.matches(order.code, order.venue))
        self._taking = order
        incoming = Incoming(
            order.number, order.side, limit, order.remaining_shares, rests, hoga.all_or_none, hoga.market
        )
        left = self.exchange.enter(order.code, order.venue, incoming)
        self._taking = None
        if left and not rests:
            self._close(order, left, "killed", "취소")

    def _strikes(self, fault: str) -> bool:
        """Whether a fault happens now; one that is off costs no chance, so that seeds keep their days."""
        rate = getattr(self.faults, fault)
        if not rate or self.rng.random() >= rate:
            return False
        self.happened[fault.removesuffix("_rate")] += 1
        return True

    def _close(self, order: Order, qty_shares: int, why: str, status: str, shown_shares: int = 0) -> None:
        """Nothing of the order is open any more; says so unless a fault keeps it silent."""
        self.account.release(order.money, qty_shares)
        order.closed, order.status = why, status
        if why == "killed" and self.rng.random() < self.faults.silent_close_rate:
            self.happened["silent_close"] += 1
            return
        self._frame(order, status, shown_shares=shown_shares)

    # -- cancels and amendments ---------------------------------------------------------

    def _change(self, arrival: Arrival, action: Action, venue: Venue, side: Side | None) -> None:
        request = arrival.request
        original = self.orders.get(int(request.original)) if request.original.isdigit() else None
        if original is not None and original.number in self._late and self.rng.random() < 0.5:
            self._match_late(original)
        if original is not None and original.closed == "filled":
            self.happened["fill_against_cancel"] += 1
        habits = self.options.broker
        refusal = acceptance.cancel_refusal(self.exchange, venue, habits.nxt_pause_takes_cancels)
        by_frame = action is Action.CANCEL and habits.pause_refuses_by_frame and bool(refusal)
        if original is None or not self._changeable(original, request.code, venue, side):
            refusal, by_frame = acceptance.NO_ORIGINAL, False
        if original is None or (refusal and not by_frame):
            self._refuse(arrival, action, venue, side or Side.BUY, refusal or "")
            return
        qty_shares = min(request.qty_shares or original.remaining_shares, original.remaining_shares)
        if action is Action.AMEND:
            self._amend(arrival, original, qty_shares)
        else:
            self._cancel(arrival, original, qty_shares, refused=by_frame)

    @staticmethod
    def _changeable(original: Order, code: str, venue: Venue, side: Side | None) -> bool:
        """A change names an open order by its own code, venue and (where it has one) side."""
        same = original.code == code and original.venue is venue
        return same and original.is_open and side in (None, original.side)

    def _cancel(self, arrival: Arrival, original: Order, qty_shares: int, *, refused: bool) -> None:
        money = self._money(original.code, original.venue, original.side, original.price_krw, qty_shares)
        order = self._book_order(arrival, Action.CANCEL, original.venue, original.side, money)
        order.original, order.hoga = original.number, original.hoga
        money.open_shares = 0
        refused = refused or (not arrival.request.by_hand and self._strikes("cancel_reject_rate"))
        order.closed, order.status = "done", "거부" if refused else "확인"
        self._answer(order)
        if refused:
            self._frame(order, "거부")
            return
        self._frame(order, "확인")
        self._reduce(original, qty_shares, "cancelled")

    def _amend(self, arrival: Arrival, original: Order, qty_shares: int) -> None:
        request = arrival.request
        money = self._money(original.code, original.venue, original.side, request.price_krw, qty_shares)
        refusal = acceptance.price_refusal(self.exchange, request, original.hoga)
        freed_krw = self.account.freed_krw(original.money, qty_shares)
        if not refusal and original.side is Side.BUY:
            short = self.account.needs_krw(money) > self.account.orderable_krw + freed_krw
            refusal = acceptance.NO_CASH if short else None
        if refusal:
            self._refuse(arrival, Action.AMEND, original.venue, original.side, refusal)
            return
        order = self._book_order(arrival, Action.AMEND, original.venue, original.side, money)
        order.original, order.hoga, order.status = original.number, original.hoga, "확인"
        self._answer(order)
        self._frame(order, "확인")
        self._reduce(original, qty_shares, "amended")
        self.account.open(money)
        self._match(order)

    def _reduce(self, original: Order, qty_shares: int, why: str) -> None:
        self.exchange.withdraw(original.number, original.code, original.venue, qty_shares)
        self.account.release(original.money, qty_shares)
        if original.remaining_shares == 0:
            original.closed = why
        self._frame(original, original.status)

    # -- what the exchange tells ---------------------------------------------------------

    def on_execution(self, code: str, venue: Venue, order_no: int, price_krw: int, qty_shares: int) -> None:
        order = self.orders[order_no]
        if self._taking is not None and order is not self._taking:
            by_hand = order.request.by_hand or self._taking.request.by_hand
            self.met_by_hand += by_hand
            self.self_trades += not by_hand
        self.account.fill(order.money, qty_shares, price_krw)
        self._execution += self.rng.randint(1, 30)
        fill = Fill(
            self._execution, qty_shares, price_krw, self.agenda.now_ns, self.feed.clock(),
            self.account.cash_krw, self.account.holding(code).qty_shares,
        )  # fmt: skip
        order.fills.append(fill)
        order.status = "체결"
        if order.remaining_shares == 0:
            order.closed = "filled"
        self._frame(order, "체결", fill)

    def on_expired(self, order_no: int) -> None:
        """The session ended under a resting order. No frame tells it (Kiwoom sheet is silent)."""
        order = self.orders[order_no]
        self.account.release(order.money, order.remaining_shares)
        order.closed = "expired"

    # -- telling the control ----------------------------------------------------------------

    def _refuse(self, arrival: Arrival, action: Action, venue: Venue, side: Side, text: str) -> None:
        arrival.refusal = text
        self._tell(arrival.request, action, venue, side, "", text)

    def _answer(self, order: Order) -> None:
        verb = {Action.NEW: "주문", Action.CANCEL: "취소주문", Action.AMEND: "정정주문"}[order.action]
        side = "매수" if order.side is Side.BUY else "매도"
        text = f"[100000] {order.venue.value} {side}{verb}이 완료되었습니다."
        self._tell(order.request, order.action, order.venue, order.side, order.number_text, text)

    def _tell(
        self, request: OrderRequest, action: Action, venue: Venue, side: Side, number: str, text: str
    ) -> None:
        session = self.sessions.by_number.get(request.session or 0)
        if session is None:
            return
        if self.rng.random() < self.faults.lost_ack_rate:
            self.happened["lost_ack"] += 1
            return
        kosdaq = self.exchange.instruments[request.code].listing.market is Market.KOSDAQ
        trcode = order_trcode(action, side, kosdaq, venue)
        answer: tuple[Event, ...] = (
            Answered(request.screen, request.rqname, trcode, "", single={"주문번호": number}),
            Told(request.screen, request.rqname, trcode, text),
        )
        late = bool(number) and self.rng.random() < self.faults.chejan_first_rate
        self.happened["chejan_first"] += late
        self.sessions.report(
            session, *answer, out_of_order_ns=self.rng.randint(30, 300) * 1_000_000 if late else 0
        )

    def _frame(self, order: Order, status: str, fill: Fill | None = None, *, shown_shares: int = 0) -> None:
        session = self.sessions.current
        if session is None or order.silent:
            return
        account, touch = self.options.account.number, self.feed.touch(order.code, order.venue)
        name = self.exchange.instruments[order.code].listing.name
        at = fill.hhmmss if fill else self.feed.clock()
        venue_fids = self.faults.venue_fids and not self._strikes("blank_venue_rate")
        values = order_frame(account, name, order, status, at, touch, fill, venue_fids)
        if self._strikes("blank_screen_rate"):
            values["920"] = ""
        if shown_shares:
            values["902"] = str(shown_shares)
        events: list[Event] = [Chejan("0", values)]
        if self._strikes("other_account_rate"):
            other = {"9201": OTHER_ACCOUNT_NO, "9203": f"{9_000_000 + order.number % 1_000_000:07d}"}
            events.append(Chejan("0", values | other))
        if fill is not None:
            holding = self.account.holding(order.code)
            events.append(Chejan("1", balance_frame(account, name, order, holding, touch)))
        if self.rng.random() < self.faults.duplicate_chejan_rate:
            events += events[:1]
            self.happened["duplicate_fill" if fill is not None else "duplicate_frame"] += 1
        self.sessions.report(session, *events)
