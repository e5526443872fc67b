"""One pair: what risk approved, every order of it, and what it has cost.

Owns two invariants: money is the sum over orders of what the broker reported, and never more is sold
than was bought, where a sell that works or is unknown counts as sold in full (design 5, I2).
"""

from collections.abc import Iterable
from typing import Self

from services.contracts.envelope import Part
from services.contracts.ids import order_id_of
from services.contracts.limits import NS_PER_MS
from services.contracts.messages.orders import ForeignOrderSeen
from services.contracts.messages.pairs import PairApproved, PairClosed, StrandReason
from services.contracts.terms import Purpose, Side, Symbol, TradingDate, Venue
from services.executor.order import Order
from services.executor.phases import OrderLife, PairPhase, Turn, next_phase


class Exposure(Part):
    """What is bought and not sold, measured: KRW now, its integral over time, and time to neutral.

    The value stands between two changes, so the integral is added to only when it changes.
    """

    krw: int = 0
    since_ns: int = 0
    krw_ms: int = 0
    open_since_ns: int = 0
    neutral_ms_max: int = 0

    def at(self, krw: int, now_ns: int) -> Self:
        """Return the measure with `krw` uncovered from `now_ns` on."""
        if krw == self.krw:
            return self
        changes: dict[str, int] = {
            "krw": krw,
            "since_ns": now_ns,
            "krw_ms": self.krw_ms + self.krw * (now_ns - self.since_ns) // NS_PER_MS,
        }
        if self.krw == 0:
            changes["open_since_ns"] = now_ns
        if krw == 0:
            lasted_ms = (now_ns - self.open_since_ns) // NS_PER_MS
            changes["neutral_ms_max"] = max(self.neutral_ms_max, lasted_ms)
        return self.model_copy(update=changes)

    def age_ms(self, now_ns: int) -> int:
        """How long something has been uncovered; 0 when nothing is."""
        return (now_ns - self.open_since_ns) // NS_PER_MS if self.krw else 0


class Tries(Part):
    """How a stranded position was tried again by itself: `orders` so far in `session`.

    `result_krw` is what the pair had won when its first order of `trading_date` was asked for.
    """

    session: str = ""
    orders: int = 0
    trading_date: TradingDate = TradingDate("")
    result_krw: int = 0

    def of_session(self, session: str) -> Self:
        """Return the count for a session: a new one begins at 0. Empty is no session, and changes nothing."""
        if session in ("", self.session):
            return self
        return self.model_copy(update={"session": session, "orders": 0})

    def counted(self) -> Self:
        return self.model_copy(update={"orders": self.orders + 1})

    def of_date(self, trading_date: TradingDate, result_krw: int) -> Self:
        """Return the count with the result of the pair at the first order of a date."""
        if trading_date == self.trading_date:
            return self
        return self.model_copy(update={"trading_date": trading_date, "result_krw": result_krw})


class HandSale(Part):
    """A sale in the pair's symbol that is not ours. `ended_ns` is when its end was told, 0 before; `others`
    that it sold nothing of the pair: it ended with nothing sold, or a person or the account says so."""

    order_no: str
    trading_date: TradingDate
    ended_ns: int = 0
    others: bool = False

    def bars(self, trading_date: TradingDate) -> bool:
        """Whether the pair is left to it on a date."""
        return not self.others and trading_date in ("", self.trading_date)

    def as_of_others(self) -> Self:
        return self.model_copy(update={"others": True})


class Residual(Part):
    """The flattening of what was not sold in time, and what stands in its way.

    `ladder` numbers the runs: a person's retry starts a new one. `started_ns` is 0 before the first.
    `marked_shares` is the quantity that the stranded position was last named with. `hand_sales` are
    the sales that are not ours and were seen in its symbol. `unheard` are the ids of the orders
    of which an event was given up and none that ends them was heard since.
    """

    ladder: int = 0
    started_ns: int = 0
    obstacle: StrandReason | None = None
    obstacle_since_ns: int = 0
    marked_shares: int = 0
    shares_max: int = 0
    strands: int = 0
    reason: StrandReason | None = None
    detail: str = ""
    tries: Tries = Tries()
    hand_sales: tuple[HandSale, ...] = ()
    unheard: tuple[str, ...] = ()


class Pair(Part):
    """`stopping` says why there is no further clip, empty while there may be one. `by_person`: somebody
    asked for it to be flat now. `sell_due_ns` is when the clip's shares were first to be sold; `closings`
    how often it was closed and opened again since, `statement` the last of its closings. `claimed_shares` are
    what a person sold by hand of it (negative: bought back) and `claimed_krw` what that brought."""

    approval: PairApproved
    opened_at_ns: int
    phase: PairPhase = PairPhase.READY
    clip: int = 0
    orders: tuple[Order, ...] = ()
    stopping: str = ""
    by_person: bool = False
    sell_due_ns: int = 0
    closings: int = 0
    statement: PairClosed | None = None
    claimed_shares: int = 0
    claimed_krw: int = 0
    claimed_by: str = ""
    """Who says that it was sold by hand, in a claim that does not fit: nothing of it is sold meanwhile."""
    exposure: Exposure = Exposure()
    residual: Residual = Residual()

    # -- who it is -------------------------------------------------------------------

    @property
    def pair_id(self) -> str:
        return self.approval.pair_id

    @property
    def symbol(self) -> Symbol:
        return self.approval.symbol

    @property
    def brought_back(self) -> bool:
        """Whether its orders brought it back, after its approval was lost or it was closed: there may be
        more of them."""
        return not self.approval.intent_id

    @property
    def lost(self) -> bool:
        """Whether nothing but its orders is known of it: its sale may be told after its purchase."""
        return self.brought_back and self.closings == 0

    @property
    def moved_ns(self) -> int:
        """When it was opened, or an order of it ended last."""
        return max([self.opened_at_ns, *(order.ended_at_ns for order in self.orders)])

    # -- orders ----------------------------------------------------------------------

    @property
    def open_orders(self) -> tuple[Order, ...]:
        return tuple(order for order in self.orders if order.open)

    @property
    def open_sell(self) -> Order | None:
        return next((order for order in self.orders if order.open and order.side is Side.SELL), None)

    @property
    def open_buy(self) -> Order | None:
        return next((order for order in self.orders if order.open and order.side is Side.BUY), None)

    @property
    def ambiguous(self) -> bool:
        return any(order.life is OrderLife.AMBIGUOUS for order in self.orders)

    def order(self, order_id: str) -> Order | None:
        return next((order for order in self.orders if order.order_id == order_id), None)

    @property
    def refused_at(self) -> Venue | None:
        """The venue of the newest sell, where the gateway denied it; None where it did not."""
        sells = [order for order in self.orders if order.side is Side.SELL]
        return sells[-1].venue if sells and sells[-1].life is OrderLife.DENIED else None

    def exit_sells(self, clip: int) -> int:
        """How many sells of a clip were sent at the rich venue."""
        return sum(1 for o in self.orders if o.clip == clip and o.purpose is Purpose.EXIT)

    @property
    def rungs(self) -> tuple[Order, ...]:
        """The orders of the ladder's present run."""
        return tuple(order for order in self.orders if order.ladder == self.residual.ladder > 0)

    def next_order_id(self, side: Side) -> tuple[str, int, str]:
        """Return (id, attempt, id of the attempt that it replaces or empty) of the clip's next order."""
        attempts = [o.attempt for o in self.orders if o.clip == self.clip and o.side is side]
        last = max(attempts, default=0)
        replaced = order_id_of(self.pair_id, self.clip, side, last) if last else ""
        return order_id_of(self.pair_id, self.clip, side, last + 1), last + 1, replaced

    # -- quantities and money, from what the broker reported ----------------------------

    def _sum(self, side: Side, field: str, clip: int = 0) -> int:
        return sum(getattr(o, field) for o in self.orders if o.side is side and clip in (0, o.clip))

    def bought_shares(self, clip: int = 0) -> int:
        """Shares bought, in the whole pair or in one clip."""
        return self._sum(Side.BUY, "cum_qty_shares", clip)

    def bought_krw(self, clip: int = 0) -> int:
        return self._sum(Side.BUY, "cum_amount_krw", clip)

    def sold_shares(self, clip: int = 0) -> int:
        return self._sum(Side.SELL, "cum_qty_shares", clip)

    def sold_krw(self, clip: int = 0) -> int:
        return self._sum(Side.SELL, "cum_amount_krw", clip)

    @property
    def commission_krw(self) -> int:
        return sum(order.commission_krw for order in self.orders)

    @property
    def tax_krw(self) -> int:
        return sum(order.tax_krw for order in self.orders)

    @property
    def uncovered_shares(self) -> int:
        """Shares bought and not sold; negative if more was sold than bought, which must not be."""
        return self.bought_shares() - self.sold_shares()

    @property
    def uncovered_krw(self) -> int:
        """What the uncovered shares were bought for, rounded up: what was bought first is sold first."""
        left, cost_krw = self.uncovered_shares, 0
        for order in sorted(self._buys, key=lambda buy: buy.clip, reverse=True):
            if left <= 0:
                break
            held = min(left, order.cum_qty_shares)
            cost_krw += -(-order.cum_amount_krw * held // order.cum_qty_shares)
            left -= held
        return cost_krw

    @property
    def _buys(self) -> tuple[Order, ...]:
        return tuple(order for order in self.orders if order.side is Side.BUY and order.cum_qty_shares)

    @property
    def available_shares(self) -> int:
        """What may be sold now: bought, less sold, less every sell that works or is unknown."""
        return self.bought_shares() - self._sum(Side.SELL, "at_risk_shares")

    @property
    def buy_price_krw(self) -> int:
        """What a share that is held was bought for on average, rounded up; 0 where none is held."""
        held = self.uncovered_shares
        return -(-self.uncovered_krw // held) if held > 0 else 0

    @property
    def result_krw(self) -> int:
        """What was won so far after costs, with the shares that are held valued at what they cost."""
        costs_krw = self.commission_krw + self.tax_krw
        return self.sold_krw() + self.uncovered_krw - self.bought_krw() - costs_krw

    @property
    def unspent_shares(self) -> int:
        """What approval and open buys leave to be bought."""
        return self.approval.qty_shares - self._sum(Side.BUY, "at_risk_shares")

    # -- changes ---------------------------------------------------------------------

    def but(self, **changes: object) -> Self:
        return self.model_copy(update=changes)

    def turned(self, turn: Turn, **changes: object) -> Self:
        """Return the pair after a turn. Raises ValueError where the table has no such row."""
        return self.but(phase=next_phase(self.phase, turn), **changes)

    def sold_by_hand(self, trading_date: TradingDate) -> bool:
        """Whether the pair is left to a sale by hand of a date: then it is not tried again by itself."""
        return any(sale.bars(trading_date) for sale in self.residual.hand_sales)

    def left_to(self, seen: ForeignOrderSeen, now_ns: int) -> Self:
        """Return the pair with a sale by hand heard. What ended with nothing sold was no sale of the pair's,
        and what a person took for none stays none."""
        sales = {sale.order_no: sale for sale in self.residual.hand_sales}
        known = sales.get(seen.broker_order_no) or HandSale(
            order_no=seen.broker_order_no, trading_date=seen.trading_date
        )
        update = {
            "ended_ns": (known.ended_ns or now_ns) if seen.closed else 0,
            "others": known.others or (seen.closed and not seen.cum_qty_shares),
        }
        return self._with_hand_sales(
            tuple({**sales, known.order_no: known.model_copy(update=update)}.values())
        )

    def handed_back(self, ended_by_ns: int | None = None) -> Self:
        """Return the pair with every sale by hand taken for others', or only those that ended by a time."""
        sales = self.residual.hand_sales
        return self._with_hand_sales(
            tuple(
                sale
                if ended_by_ns is not None and not 0 < sale.ended_ns <= ended_by_ns
                else sale.as_of_others()
                for sale in sales
            )
        )

    def _with_hand_sales(self, sales: tuple[HandSale, ...]) -> Self:
        if sales == self.residual.hand_sales:
            return self
        return self.but(residual=self.residual.model_copy(update={"hand_sales": sales}))

    def unheard(self, order_ids: Iterable[str]) -> Self:
        """Return the pair with an event given up of these orders: what they filled is not certain."""
        ids = tuple(dict.fromkeys((*self.residual.unheard, *order_ids)))
        return self.but(residual=self.residual.model_copy(update={"unheard": ids}))

    def heard(self, order: Order) -> Self:
        """Return the pair when an order was told of: one that has ended is told of in full."""
        if order.open or order.order_id not in self.residual.unheard:
            return self
        ids = tuple(unheard for unheard in self.residual.unheard if unheard != order.order_id)
        return self.but(residual=self.residual.model_copy(update={"unheard": ids}))

    def with_order(self, order: Order) -> Self:
        """Return the pair with an order added, or replaced by id."""
        if self.order(order.order_id) is None:
            return self.but(orders=(*self.orders, order), clip=max(self.clip, order.clip))
        same = order.order_id
        return self.but(orders=tuple(order if o.order_id == same else o for o in self.orders))

    def measured(self, now_ns: int) -> Self:
        """Return the pair with its exposure measured at `now_ns`."""
        exposure = self.exposure.at(self.uncovered_krw, now_ns)
        holds = self.phase in (PairPhase.FLATTENING, PairPhase.STRANDED)
        most = max(self.residual.shares_max, self.uncovered_shares if holds else 0)
        if exposure is self.exposure and most == self.residual.shares_max:
            return self
        return self.but(exposure=exposure, residual=self.residual.model_copy(update={"shares_max": most}))
