"""Money to the won: merging in any order and number, and the day's profit and loss against its cash."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.messages.control import LatchSet
from services.contracts.messages.orders import OrderRejected, OrderResolved, OrderUnknown, Resolution
from services.contracts.messages.pairs import PairApproved, PairDenied, PairOutcome
from services.contracts.messages.status import RiskStatus
from services.contracts.reasons import DenialReason
from services.contracts.terms import Latch, Side, Symbol, TradingState
from services.risk.exposure import Marked, cash_flow_krw, held, marked_gain, realised_krw
from services.risk.pnl import OrderTally, merge, money_of
from tests.unit.detector import world
from tests.unit.detector.world import SAMSUNG
from tests.unit.risk.desk import (
    Desk,
    account,
    armed,
    closed,
    facts,
    filled,
    heartbeat,
    intent,
    money_by_pair,
    of,
    order_closed,
    quotes,
)


@st.composite
def order_lives(draw: st.DrawFn) -> list[tuple[str, OrderTally]]:
    """The statements about a few orders of one pair, each order's figures growing."""
    statements = []
    for number in range(draw(st.integers(1, 4))):
        side = draw(st.sampled_from(Side))
        qty = amount = commission = tax = 0
        for _ in range(draw(st.integers(1, 4))):
            more = draw(st.integers(0, 5))
            qty, amount = qty + more, amount + more * draw(st.integers(100, 900))
            commission += draw(st.integers(0, 3))
            tax += draw(st.integers(0, 3)) if side is Side.SELL else 0
            tally = OrderTally(
                pair_id="P", symbol=SAMSUNG, venue="KRX", side=side, qty_shares=20, cum_qty_shares=qty,
                cum_amount_krw=amount, commission_krw=commission, tax_krw=tax, closed=draw(st.booleans()),
            )  # fmt: skip
            statements.append((f"o{number}", tally))
    return statements


@given(order_lives(), st.data())
def test_order_and_number_of_statements_make_no_difference(
    statements: list[tuple[str, OrderTally]], data: st.DataObject
) -> None:
    doubled = statements + data.draw(st.lists(st.sampled_from(statements), max_size=8))
    shuffled = data.draw(st.permutations(doubled))
    expected: dict[str, OrderTally] = {}
    for order_id, tally in statements:
        expected = merge(expected, order_id, tally)
    found: dict[str, OrderTally] = {}
    for order_id, tally in shuffled:
        found = merge(found, order_id, tally)
    assert found == expected
    last = dict(statements)
    assert {k: v.cum_amount_krw for k, v in found.items()} == {k: v.cum_amount_krw for k, v in last.items()}


@given(order_lives())
def test_realised_and_cost_of_what_is_held_are_the_cash_flow(
    statements: list[tuple[str, OrderTally]],
) -> None:
    orders = dict(statements)
    money = money_of(orders.values())
    assert money.realised_krw - money.held_cost_krw == money.cash_flow_krw
    assert -money.sold_krw <= money.held_cost_krw <= money.bought_krw
    assert (money.held_cost_krw > 0) <= (money.held_shares > 0)
    assert (money.held_cost_krw < 0) <= (money.held_shares < 0), "what is owed is no profit"
    if not money.held_shares:
        assert money.realised_krw == money.cash_flow_krw
    assert money_by_pair(orders) == {"P": money}


def pair_on(desk: Desk, name: str = "i1", symbol: Symbol = SAMSUNG) -> str:
    verdict = desk.answer(intent(desk, name=name, symbol=symbol))
    assert isinstance(verdict, PairApproved)
    return verdict.pair_id


def status(desk: Desk, at_ms: int) -> RiskStatus:
    desk.tell(*(heartbeat(service) for service in ("gateway", "executor")), at_ms=at_ms)
    (said,) = of(desk.tick(at_ms), RiskStatus)
    return said


def test_a_round_trip_brings_what_the_account_shows() -> None:
    desk = armed()
    pair = pair_on(desk)
    buy, sell = facts(pair, Side.BUY, 5, 350_000), facts(pair, Side.SELL, 5, 352_500)
    desk.tell(filled(buy), order_closed(buy))
    assert cash_flow_krw(desk.state) == -350_052
    assert realised_krw(desk.state) == -52
    desk.tell(filled(sell), order_closed(sell), closed(pair))
    expected = 352_500 - 350_000 - 52 - 51 - 176 - 528
    assert realised_krw(desk.state) == cash_flow_krw(desk.state) == expected
    desk.tell(account(100_000_000 + expected))
    said = status(desk, 2_000)
    assert said.cash_change_krw == said.realised_pnl_krw == expected
    assert (said.trips, said.open_pairs, said.marked_pnl_krw) == (1, 0, 0)


def test_late_and_doubled_facts_of_a_closed_pair_change_what_they_should_and_nothing_else() -> None:
    desk = armed()
    pair = pair_on(desk)
    buy, sell = facts(pair, Side.BUY, 5, 350_000), facts(pair, Side.SELL, 5, 352_500)
    desk.tell(filled(buy), filled(sell), closed(pair))
    before = realised_krw(desk.state)
    desk.tell(filled(buy), filled(sell), closed(pair))
    assert realised_krw(desk.state) == before
    desk.tell(filled(sell.model_copy(update={"commission_krw": sell.commission_krw + 9})))
    assert realised_krw(desk.state) == before - 9


def test_what_is_held_is_marked_at_the_better_bid() -> None:
    desk = armed()
    pair = pair_on(desk)
    desk.tell(filled(facts(pair, Side.BUY, 4, 280_000)))
    desk.tell(*quotes(SAMSUNG, 69_000))
    assert marked_gain(desk.state).gain_krw == 4 * (69_000 - 70_000)
    desk.tell(world.quote(world.Venue.NXT, 69_500, 69_600))
    assert marked_gain(desk.state).gain_krw == 4 * (69_500 - 70_000)
    said = status(desk, 2_000)
    assert (said.realised_pnl_krw, said.marked_pnl_krw) == (-42, -2_000)


def test_what_is_held_without_a_bid_is_named_not_guessed() -> None:
    desk = armed()
    pair = pair_on(desk)
    desk.tell(filled(facts(pair, Side.BUY, 4, 280_000)))
    desk.state = desk.state.but(books={})
    valued = marked_gain(desk.state)
    assert (valued.gain_krw, valued.without_bid) == (0, (SAMSUNG,))
    assert of(desk.tick(20), LatchSet) == []


@pytest.mark.parametrize("old", ["feed", "age", "connection", "future"])
def test_a_bid_that_is_not_of_now_hides_no_loss_and_is_no_gain(old: str) -> None:
    desk = armed()
    pair = pair_on(desk)
    desk.tell(filled(facts(pair, Side.BUY, 5, 350_000)), world.quote(world.Venue.NXT, 70_500, 70_600))
    at_ms = {"age": 3_000, "future": -3_000}.get(old, 20)
    if old == "feed":
        desk.tell(world.feed(world.Venue.NXT, alive=False))
    if old == "connection":
        desk.tell(world.connection(epoch=2))
    epoch = 2 if old == "connection" else 1
    desk.tell(world.quote(world.Venue.KRX, 69_000, 69_100, epoch=epoch), at_ms=at_ms)
    assert marked_gain(desk.state) == Marked(5 * (69_000 - 70_000), ())
    desk.state = desk.state.but(books={k: b for k, b in desk.state.books.items() if k[1] == world.Venue.NXT})
    assert marked_gain(desk.state) == Marked(0, (SAMSUNG,))
    desk.tell(world.quote(world.Venue.NXT, 68_000, 68_100, epoch=epoch))
    desk.tell(world.feed(world.Venue.NXT, alive=False), at_ms=at_ms)
    assert marked_gain(desk.state) == Marked(5 * (68_000 - 70_000), (SAMSUNG,))


def test_what_cannot_be_valued_now_bars_entries_unless_a_person_works_on_it() -> None:
    desk = armed()
    pair = pair_on(desk)
    desk.tell(filled(facts(pair, Side.BUY, 5, 350_000)))
    beats = [heartbeat(service) for service in ("gateway", "executor")]
    desk.tell(*beats, *world.crossing(world.HYNIX), at_ms=3_000)
    verdict = desk.answer(intent(desk, at_ms=3_000, name="i2", symbol=world.HYNIX), at_ms=3_000)
    assert isinstance(verdict, PairDenied) and verdict.reason is DenialReason.LOSS_LIMIT
    held_pair = desk.state.pairs[pair].model_copy(update={"stranded": True, "ending": True})
    desk.state = desk.state.but(pairs={pair: held_pair})
    verdict = desk.answer(intent(desk, at_ms=3_000, name="i3", symbol=world.HYNIX), at_ms=3_000)
    assert isinstance(verdict, PairApproved), verdict


def test_a_loss_at_its_limit_is_latched_once() -> None:
    desk = armed(world.limits(max_daily_loss_krw=10_000))
    pair = pair_on(desk)
    desk.tell(filled(facts(pair, Side.BUY, 5, 350_000)), *quotes(SAMSUNG, 68_100))
    assert of(desk.tick(20), LatchSet) == []
    desk.tell(*quotes(SAMSUNG, 68_000))
    (latch,) = of(desk.tick(30), LatchSet)
    assert latch.latch is Latch.CUMULATIVE_LOSS and "10052" in latch.detail
    assert desk.state.trading.state is TradingState.REDUCE_ONLY
    assert of(desk.tick(40), LatchSet) == []


def test_a_limit_of_nothing_allows_no_loss_but_does_allow_trading() -> None:
    desk = armed(world.limits(max_daily_loss_krw=0))
    assert of(desk.tick(20), LatchSet) == []
    pair = pair_on(desk)
    desk.tell(filled(facts(pair, Side.BUY, 5, 350_000)), *quotes(SAMSUNG, 70_000))
    assert [m.latch for m in of(desk.tick(30), LatchSet)] == [Latch.CUMULATIVE_LOSS]


def test_a_position_that_a_person_sold_counts_at_what_they_got() -> None:
    desk = armed()
    pair = pair_on(desk)
    desk.tell(filled(facts(pair, Side.BUY, 5, 350_000)))
    claimed = closed(pair, outcome=PairOutcome.CLAIMED, sold_shares=0, realised_pnl_krw=345_000 - 350_052)
    desk.tell(claimed)
    assert realised_krw(desk.state) == 345_000 - 350_052
    assert held(desk.state) == []


def test_a_rejected_and_a_never_arrived_order_work_no_more() -> None:
    desk = armed()
    pair = pair_on(desk)
    gone = facts(pair, Side.BUY, 5, 0, cum_qty_shares=0, closed=False)
    desk.tell(OrderRejected(facts=gone, code="-308", text="too fast"))
    assert desk.state.orders[gone.order_id].closed
    lost = gone.model_copy(update={"order_id": f"{pair}.1.b.2"})
    desk.tell(OrderUnknown(facts=lost, reason="no reply"))
    assert desk.state.orders[lost.order_id].working_shares == 5
    desk.tell(OrderResolved(facts=lost, resolution=Resolution.AMBIGUOUS, evidence="two rows"))
    assert desk.state.orders[lost.order_id].working_shares == 5
    desk.tell(OrderResolved(facts=lost, resolution=Resolution.NEVER_ARRIVED, evidence="two queries"))
    assert desk.state.orders[lost.order_id].closed


def test_a_new_day_forgets_what_is_closed_and_carries_what_is_held() -> None:
    desk = armed(world.limits(max_open_pairs=2))
    done = pair_on(desk)
    desk.tell(filled(facts(done, Side.BUY, 5, 350_000)), filled(facts(done, Side.SELL, 5, 352_500)))
    desk.tell(closed(done), *world.crossing(world.HYNIX))
    kept = pair_on(desk, "i2", world.HYNIX)
    desk.tell(filled(facts(kept, Side.BUY, 5, 350_000, symbol=world.HYNIX)))
    desk.tell(*world.date_begins("2026-11-24"))
    assert [symbol for symbol, _ in held(desk.state)] == [world.HYNIX]
    assert realised_krw(desk.state) == cash_flow_krw(desk.state) == 0, "that was yesterday's"
    assert desk.state.settled == {} and desk.state.day.trips == {}
    assert list(desk.state.pairs) == [kept]


def test_orders_of_an_earlier_date_that_are_told_again_are_not_todays_money() -> None:
    desk = armed()
    pair = pair_on(desk)
    buy, sell = facts(pair, Side.BUY, 5, 350_000), facts(pair, Side.SELL, 5, 352_500)
    desk.tell(filled(buy), filled(sell), closed(pair))
    desk.tell(*world.date_begins("2026-11-24"))
    desk.tell(order_closed(buy), order_closed(sell))
    assert realised_krw(desk.state) == 0 and desk.state.orders == {}
