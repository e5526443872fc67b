"""Redis lost the approval of a pair and everything after it; the gateway still knows its orders."""

import pytest

from services.contracts.messages import orders as o
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.commands import PlaceOrder
from services.contracts.messages.control import ResidualClaimed
from services.contracts.messages.pairs import PairClosed, ResidualMarked, ResidualOpened, StrandReason
from services.contracts.terms import OrderKind, Purpose, Severity, Side, TradingState, Venue
from services.executor.closed_pair import brought_back
from services.executor.pair import Pair
from services.executor.phases import PairPhase

from .desk import DATE, SYMBOL, Desk


@pytest.fixture
def desk() -> Desk:
    """A desk that knows of no pair."""
    return Desk().open_day()


def command(order_id: str, side: Side, venue: Venue, qty: int = 1, price: int = 100_000) -> PlaceOrder:
    """An order as it was commanded before the loss."""
    return PlaceOrder(
        order_id=order_id, pair_id="P7", symbol=SYMBOL, venue=venue, side=side, kind=OrderKind.LIMIT_IOC,
        purpose=Purpose.ENTRY if side is Side.BUY else Purpose.EXIT, qty_shares=qty, price_krw=price,
        reference_price_krw=price, expires_at_ns=1,
    )  # fmt: skip


BUY = command("P7.1.b.1", Side.BUY, Venue.KRX)
SELL = command("P7.1.s.1", Side.SELL, Venue.NXT, price=100_300)


def closed_pair(desk: Desk) -> PairClosed:
    desk.tick(4_000)
    (closed,) = desk.all(PairClosed)
    return closed


def test_a_fill_of_a_lost_pair_is_flattened_and_closed_with_its_money(desk: Desk) -> None:
    desk.fill(BUY)
    desk.tick(4_000)
    assert [opened.pair_id for opened in desk.all(ResidualOpened)] == ["P7"]
    (sell,) = desk.flattens
    assert (sell.pair_id, sell.qty_shares, sell.order_id) == ("P7", 1, "P7.1.s.1")
    desk.fill(sell, 99_900)
    closed = closed_pair(desk)
    assert (closed.bought_krw, closed.sold_krw) == (100_000, 99_900)
    assert closed.realised_pnl_krw == -100 - closed.commission_krw - closed.tax_krw


def test_an_order_of_a_lost_pair_that_still_works_is_taken_back(desk: Desk) -> None:
    desk.hear(o.OrderAccepted(facts=desk.facts(BUY)))
    desk.tick(200)
    assert [cancel.target_order_id for cancel in desk.cancels] == ["P7.1.b.1"]
    desk.close(BUY)
    assert closed_pair(desk).bought_shares == 0


def test_a_sale_that_was_made_before_the_loss_counts_and_is_not_made_again(desk: Desk) -> None:
    desk.fill(BUY)
    desk.fill(SELL, 100_300)
    closed = closed_pair(desk)
    assert (closed.bought_shares, closed.sold_shares, closed.sold_krw) == (1, 1, 100_300)
    assert desk.sells == [] and desk.all(ResidualOpened) == []


def test_an_order_of_a_lost_pair_sells_nothing_before_the_others_were_told(desk: Desk) -> None:
    desk.fill(BUY)
    desk.tick(2_500)
    desk.fill(SELL, 100_300)
    closed = closed_pair(desk)
    assert closed.sold_krw == 100_300 and desk.sells == []


@pytest.mark.parametrize("date", [DATE, "2026-11-20"])
def test_what_an_order_cost_brings_no_pair_back(desk: Desk, date: str) -> None:
    costs = {"commission_krw": 80, "trading_date": date}
    facts = desk.facts(BUY, 1, closed=True).model_copy(update=costs)
    desk.hear(o.OrderFilled(facts=facts, last_qty_shares=0, last_amount_krw=0))
    assert desk.state.pairs == {} and desk.all(AlertRaised) == []


def test_a_pair_that_is_too_old_to_be_remembered_is_not_sold_again() -> None:
    desk = Desk(closed_pairs_kept=16).open_day()
    told = []
    for number in range(18):
        desk.crossed()
        desk.approve(f"Q{number}")
        told.append(desk.orders[-1])
        desk.fill(desk.orders[-1])
        told.append(desk.orders[-1])
        desk.fill(desk.orders[-1])
        desk.tick(100)
    before = len(desk.orders)
    for order in told:
        desk.close(order, order.qty_shares)
        desk.tick(100)
    desk.tick(4_000)
    assert len(desk.orders) == before and desk.state.pairs == {}


def test_a_pair_brought_back_waits_for_orders_that_are_told_one_by_one(desk: Desk) -> None:
    """Found by a virtual day: its first clip was flat before the second clip's buy was told."""
    desk.fill(BUY)
    desk.fill(SELL, 100_300)
    desk.tick(500)
    assert desk.all(PairClosed) == []
    desk.fill(command("P7.2.b.1", Side.BUY, Venue.KRX))
    desk.tick(4_000)
    desk.fill(desk.flattens[-1], 99_900)
    closed = closed_pair(desk)
    assert (closed.bought_shares, closed.sold_shares) == (2, 2)


def test_nothing_is_bought_for_a_lost_pair(desk: Desk) -> None:
    desk.fill(command("P7.1.b.1", Side.BUY, Venue.KRX, qty=5))
    desk.tick(4_000)
    desk.fill(desk.flattens[-1])
    desk.tick(3_000)
    assert [order for order in desk.orders if order.side is Side.BUY] == []
    assert desk.state.pairs == {}


def test_a_person_is_told_that_a_pair_was_brought_back(desk: Desk) -> None:
    said = desk.hear(o.OrderAccepted(facts=desk.facts(BUY)))
    (alert,) = [message for message in said if isinstance(message, AlertRaised)]
    assert (alert.pair_id, alert.severity) == ("P7", Severity.WARNING)


def test_a_closed_pair_is_not_brought_back_by_what_it_was_closed_with(desk: Desk) -> None:
    desk.approve()
    desk.close(desk.orders[0])
    desk.tick(2_000)
    assert len(desk.all(PairClosed)) == 1
    desk.close(desk.orders[0])
    assert desk.state.pairs == {}


def test_an_order_that_came_to_nothing_brings_no_pair_back(desk: Desk) -> None:
    desk.close(BUY)
    desk.hear(o.OrderRejected(facts=desk.facts(BUY), code="-", text="no"))
    desk.resolve(BUY, o.Resolution.NEVER_ARRIVED)
    assert desk.state.pairs == {}
    assert desk.all(AlertRaised) == []


def test_a_sale_whose_purchase_is_told_after_it_is_no_trouble(desk: Desk) -> None:
    desk.fill(SELL, 100_300)
    desk.tick(1_000)
    desk.fill(BUY)
    closed = closed_pair(desk)
    assert (closed.bought_shares, closed.sold_shares, closed.sold_krw) == (1, 1, 100_300)
    assert desk.orders == [] and desk.all(ResidualMarked) == []


def test_a_sale_whose_purchase_is_never_told_is_a_named_stranded_position(desk: Desk) -> None:
    desk.fill(SELL, 100_300)
    desk.tick(4_000)
    (marked,) = desk.all(ResidualMarked)
    assert (marked.pair_id, marked.qty_shares, marked.reason) == ("P7", -1, StrandReason.AMBIGUOUS)
    assert Severity.CRITICAL in [alert.severity for alert in desk.all(AlertRaised)]
    assert desk.orders == []
    desk.hear(ResidualClaimed(pair_id="P7", qty_shares=1, amount_krw=100_100, by="me", reason="bought back"))
    (closed,) = desk.all(PairClosed)
    assert closed.realised_pnl_krw == 100_300 - 100_100 - closed.commission_krw - closed.tax_krw


def test_a_fill_of_another_day_is_left_to_a_person(desk: Desk) -> None:
    facts = desk.facts(BUY, 1, closed=True).model_copy(update={"trading_date": "2026-11-20"})
    desk.hear(o.OrderFilled(facts=facts, last_qty_shares=1, last_amount_krw=1))
    assert desk.state.pairs == {}
    assert [alert.severity for alert in desk.all(AlertRaised)] == [Severity.CRITICAL]
    assert facts.trading_date != DATE


def test_a_pair_brought_back_is_stored_and_goes_on_after_a_crash(desk: Desk) -> None:
    desk.hear(o.OrderFilled(facts=desk.facts(BUY, 1, closed=True), last_qty_shares=1, last_amount_krw=1))
    desk.restart()
    desk.crossed()
    desk.tick(4_000)
    assert desk.pair.phase is PairPhase.FLATTENING
    desk.fill(desk.flattens[-1])
    assert closed_pair(desk).sold_shares == 1


def test_a_fill_whose_id_is_not_of_its_pair_is_left_to_a_person(desk: Desk) -> None:
    desk.fill(BUY.model_copy(update={"pair_id": "P8"}))
    assert desk.state.pairs == {}
    assert [alert.severity for alert in desk.all(AlertRaised)] == [Severity.CRITICAL]


def test_a_pair_waits_after_a_start_for_an_order_that_redis_forgot(desk: Desk) -> None:
    """The approval survived, the buy did not: closed at once, the pair would not take up its fill."""
    desk.trading(TradingState.PAUSE_ENTRY)
    desk.now_ns += 1
    desk.state = desk.state.with_pair(lost_buy(desk))
    desk.restart()
    desk.crossed()
    desk.tick(1_600)
    assert desk.all(PairClosed) == []
    desk.fill(BUY)
    desk.tick(4_000)
    desk.fill(desk.flattens[-1])
    assert closed_pair(desk).bought_shares == 1


def test_a_pair_for_which_nothing_was_forgotten_closes_when_the_wait_is_over(desk: Desk) -> None:
    desk.trading(TradingState.PAUSE_ENTRY)
    desk.now_ns += 1
    desk.state = desk.state.with_pair(lost_buy(desk))
    desk.restart()
    desk.tick(4_000)
    (closed,) = desk.all(PairClosed)
    assert not closed.trip


def lost_buy(desk: Desk) -> Pair:
    """A pair whose approval is stored and nothing else."""
    return brought_back(desk.facts(BUY), desk.now_ns - 1).but(stopping="")
