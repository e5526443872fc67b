"""Orders and pairs come late, twice, over restarts and dates: risk's books end as the broker's.

The model knows only what the broker filled and charged, and what people claimed. Each stream keeps its own
order, as Redis does; between the two there is none.
"""

from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from services.contracts.envelope import Message
from services.contracts.messages.control import LatchSet
from services.contracts.messages.orders import OrderAccepted, OrderClosed, OrderFacts, OrderFilled, OrderSent
from services.contracts.messages.pairs import (
    PairApproved,
    PairOutcome,
    ResidualMarked,
    StrandReason,
)
from services.contracts.terms import Latch, Purpose, Side, Symbol, TradingDate, Venue
from services.risk.exposure import realised_krw, total_exposure_krw, unhedged_krw
from services.risk.state import RiskState
from services.runtime.parts import changed_parts, restore
from tests.unit.detector import world
from tests.unit.risk import desk as d
from tests.unit.risk.desk import Desk, facts

LIMITS = world.limits(
    max_open_pairs=3, max_pairs_per_symbol_window=20, cooldown_ms=0, max_pair_loss_krw=9_000,
    max_daily_loss_krw=90_000, max_losing_pairs_in_a_row=100,
)  # fmt: skip
NEXT_DATE = TradingDate("2026-11-24")
LOSSES = (Latch.PAIR_LOSS, Latch.CUMULATIVE_LOSS, Latch.LOSING_STREAK, Latch.UNHEDGED)


@dataclass
class Life:
    """One pair as broker, gateway and executor live it; `told` are their words, stream by stream."""

    pair: PairApproved
    rng: Random
    date: TradingDate = world.DATE
    orders: dict[str, OrderFacts] = field(default_factory=dict)
    claimed_krw: int = 0
    claimed_shares: int = 0
    closings: int = 0
    told: dict[str, list[Message]] = field(default_factory=lambda: {"orders": [], "pairs": []})

    def cash_krw(self) -> int:
        signed = (o.cum_amount_krw * (1 if o.side is Side.SELL else -1) for o in self.orders.values())
        return (
            sum(signed) - sum(o.commission_krw + o.tax_krw for o in self.orders.values()) + self.claimed_krw
        )

    def shares(self, side: Side) -> int:
        return sum(order.cum_qty_shares for order in self.orders.values() if order.side is side)

    def held(self) -> int:
        return self.shares(Side.BUY) - self.shares(Side.SELL) - self.claimed_shares

    def order(self, side: Side, qty: int, price_krw: int, *, known: bool = True, **costs: int) -> str:
        """An order that ends wholly filled; told in the steps of its life, or at its end at once."""
        order_id = f"{self.pair.pair_id}.1.{side.value[0]}.{len(self.orders) + 1}"
        end = facts(
            self.pair.pair_id, side, qty, qty * price_krw, order_id=order_id, symbol=self.pair.symbol,
            trading_date=self.date, purpose=Purpose.ENTRY if side is Side.BUY else Purpose.FLATTEN,
        ).model_copy(update=costs)  # fmt: skip
        self.orders[order_id] = end
        if known:
            begun = end.model_copy(update={
                "cum_qty_shares": 0, "cum_amount_krw": 0, "commission_krw": 0, "tax_krw": 0, "closed": False,
            })  # fmt: skip
            self.told["orders"] += [OrderSent(facts=begun), OrderAccepted(facts=begun)]
        filled = OrderFilled(facts=end, last_qty_shares=qty, last_amount_krw=qty * price_krw)
        self.told["orders"] += [filled, OrderClosed(facts=end, reason="filled")]
        return order_id

    def late_costs(self) -> None:
        order_id = self.rng.choice(list(self.orders))
        more = {"tax_krw": self.orders[order_id].tax_krw + self.rng.randint(1, 90)}
        self.orders[order_id] = self.orders[order_id].model_copy(update=more)
        self.told["orders"].append(
            OrderFilled(facts=self.orders[order_id], last_qty_shares=0, last_amount_krw=0)
        )

    def state_end(self, outcome: PairOutcome = PairOutcome.FLAT) -> None:
        self.closings += 1
        bought, sold = self.shares(Side.BUY), self.shares(Side.SELL)
        amounts = {
            side: sum(o.cum_amount_krw for o in self.orders.values() if o.side is side) for side in Side
        }
        self.told["pairs"].append(d.closed(
            self.pair.pair_id, symbol=self.pair.symbol, outcome=outcome, trip=bought > 0,
            bought_shares=bought,
            bought_krw=amounts[Side.BUY], sold_shares=sold, sold_krw=amounts[Side.SELL],
            commission_krw=sum(o.commission_krw for o in self.orders.values()),
            tax_krw=sum(o.tax_krw for o in self.orders.values()), realised_pnl_krw=self.cash_krw(),
            closings=self.closings,
        ))  # fmt: skip

    def mark(self) -> None:
        self.told["pairs"].append(ResidualMarked(
            pair_id=self.pair.pair_id, symbol=self.pair.symbol, qty_shares=self.held(), cost_krw=0,
            reason=StrandReason.AMBIGUOUS, detail="test",
        ))  # fmt: skip

    def claim(self) -> None:
        """A person trades what is held or owed, at 69,900 a share."""
        self.claimed_krw += self.held() * 69_900
        self.claimed_shares += self.held()
        self.state_end(PairOutcome.CLAIMED)

    def run(self) -> None:
        """A whole life: a clip or none, its end, and what is told after that."""
        rng = self.rng
        if rng.random() < 0.8:
            qty = rng.randint(1, 4)
            self.order(Side.BUY, qty, 70_000 - 100 * rng.randint(0, 1))
            self.order(Side.SELL, qty, 69_900 + 100 * rng.randint(0, 5), commission_krw=0, tax_krw=0)
        self.state_end()
        for _ in range(rng.randint(0, 3)):
            self.after_the_end(rng.choice(("costs", "buy", "short", "claim")))

    def after_the_end(self, what: str) -> None:
        if what == "costs" and self.orders:
            self.late_costs()
            self.state_end(PairOutcome.CLAIMED if self.claimed_shares else PairOutcome.FLAT)
        elif what == "buy" and not self.claimed_shares:
            self.order(Side.BUY, 1, 70_000, known=False)
            self.order(Side.SELL, 1, 69_900)
            self.state_end()
        elif what == "short" and self.orders and not self.claimed_shares:
            self.order(Side.SELL, 1, 70_000, known=False)
            self.mark()
            self.claim()
        elif what == "claim" and not self.claimed_shares:
            self.order(Side.BUY, 1, 70_000, known=False)
            self.mark()
            self.claim()


class Telling:
    """Brings the words of several lives to one risk, and looks at it after each."""

    def __init__(self, desk: Desk, rng: Random) -> None:
        self.desk, self.rng, self.at_ms = desk, rng, d.NOW
        self.heard: list[Message] = []

    def all(self, lives: list[Life]) -> None:
        queues = [[message for life in lives for message in life.told[name]] for name in ("orders", "pairs")]
        while any(queues):
            queue = self.rng.choice([queue for queue in queues if queue])
            self.one(queue.pop(0))
            if self.rng.random() < 0.2:
                self.one(self.rng.choice([m for m in self.heard if not isinstance(m, ResidualMarked)]))
            if self.rng.random() < 0.1:
                self.desk.state = restored(self.desk)
        for life in lives:
            life.told = {"orders": [], "pairs": []}

    def one(self, message: Message) -> None:
        self.heard.append(message)
        before_krw = total_exposure_krw(self.desk.state)
        self.at_ms += 1
        said = self.desk.tell(message, at_ms=self.at_ms)
        said += self.desk.tell(*both_books(), at_ms=self.at_ms)
        said += self.desk.tick(self.at_ms)
        assert [m.latch for m in d.of(said, LatchSet) if m.latch in LOSSES] == []
        late = isinstance(message, OrderFilled | OrderSent | OrderAccepted)
        assert late or total_exposure_krw(self.desk.state) <= before_krw


def both_books() -> list[Any]:
    return [
        world.quote(venue, 69_900, 70_000, symbol=symbol)
        for venue in Venue
        for symbol in (world.SAMSUNG, world.HYNIX)
    ]


def restored(desk: Desk) -> RiskState:
    again: RiskState = restore(RiskState(required_services=d.REQUIRED), changed_parts(None, desk.state))
    return again.but(books=desk.state.books, beats=desk.state.beats)


def approved(desk: Desk, name: str, symbol: Symbol, at_ms: int) -> PairApproved:
    desk.tell(
        *world.crossing(symbol), *(d.heartbeat(service) for service in (*d.REQUIRED, "risk")), at_ms=at_ms
    )
    verdict = desk.answer(d.intent(desk, at_ms=at_ms, name=name, symbol=symbol), at_ms=at_ms)
    assert isinstance(verdict, PairApproved), verdict
    return verdict


def unlatched(desk: Desk) -> None:
    trading = desk.state.trading.model_copy(update={"latches": (), "state": d.TradingState.ARMED})
    desk.state = desk.state.but(trading=trading)


@pytest.mark.parametrize("seed", range(8))
def test_whatever_comes_first_the_books_end_as_the_brokers(seed: int) -> None:
    rng, desk = Random(seed), d.armed(LIMITS)
    telling, lives = Telling(desk, rng), []
    for number in range(3):
        unlatched(desk)
        two = [
            Life(approved(desk, f"{seed}.{number}.{symbol}", symbol, telling.at_ms), rng)
            for symbol in (world.SAMSUNG, world.HYNIX)
        ]
        for life in two:
            life.run()
        telling.all(two)
        lives += two
        assert (desk.state.pairs, desk.state.orders, total_exposure_krw(desk.state)) == ({}, {}, 0)
        assert unhedged_krw(desk.state) == 0
        assert realised_krw(desk.state) == sum(life.cash_krw() for life in lives)
        assert sum(desk.state.day.trips.values()) == sum(life.shares(Side.BUY) > 0 for life in lives)


@pytest.mark.parametrize("seed", range(6))
def test_the_days_of_a_carried_pair_add_up_to_its_cash(seed: int) -> None:
    rng, desk = Random(seed), d.armed(LIMITS)
    telling = Telling(desk, rng)
    done = Life(approved(desk, "done", world.HYNIX, telling.at_ms), rng)
    done.run()
    kept = Life(approved(desk, "kept", world.SAMSUNG, telling.at_ms), rng)
    buy = kept.order(Side.BUY, rng.randint(3, 5), 70_000)
    kept.order(Side.SELL, rng.randint(1, 2), 69_900)
    kept.mark()
    telling.all([done, kept])
    first_krw = realised_krw(desk.state)
    desk.tell(*world.date_begins(NEXT_DATE), at_ms=telling.at_ms)
    assert realised_krw(desk.state) == 0, "nothing was done on this date yet"
    telling.heard = [OrderClosed(facts=kept.orders[buy], reason="told again")]
    kept.date = NEXT_DATE
    kept.order(Side.SELL, kept.held(), 69_900)
    kept.state_end()
    if rng.random() < 0.5:
        kept.after_the_end("claim")
    telling.all([kept])
    assert first_krw + realised_krw(desk.state) == done.cash_krw() + kept.cash_krw()
    assert (desk.state.pairs, total_exposure_krw(desk.state)) == ({}, 0)
