"""A clip: buy the cheap leg, sell what was bought, look again, go on or stop."""

from collections.abc import Callable

import pytest

from services.contracts.messages import orders as o
from services.contracts.messages.alerts import AlertKind, AlertRaised
from services.contracts.messages.commands import PlaceOrder
from services.contracts.messages.market_data import QuoteUpdated
from services.contracts.messages.pairs import (
    ClipCompleted,
    ClipRecomputed,
    PairClosed,
    PairOutcome,
    ResidualOpened,
)
from services.contracts.messages.venue_state import ConnectionChanged, ConnectionState
from services.contracts.reasons import GateReason
from services.contracts.terms import OrderKind, Purpose, SessionPhase, Side, TradingState, Venue
from services.market.edge import edge

from .desk import COSTS, OTHER, SYMBOL, Desk


@pytest.fixture
def desk() -> Desk:
    return Desk().open_day()


def test_one_clip_is_bought_and_sold_and_the_pair_closes_with_exact_money(desk: Desk) -> None:
    desk.approve(qty=5, clip=5)
    buy = desk.last(PlaceOrder)
    assert (buy.side, buy.venue, buy.kind, buy.purpose) == (
        Side.BUY, Venue.KRX, OrderKind.LIMIT_IOC, Purpose.ENTRY,
    )  # fmt: skip
    assert (buy.qty_shares, buy.price_krw, buy.order_id) == (5, 100_000, "P1.1.b.1")
    desk.fill(buy)
    sell = desk.last(PlaceOrder)
    assert (sell.side, sell.venue, sell.kind, sell.purpose) == (
        Side.SELL, Venue.NXT, OrderKind.LIMIT_IOC, Purpose.EXIT,
    )  # fmt: skip
    assert (sell.qty_shares, sell.price_krw, sell.order_id) == (5, 100_500, "P1.1.s.1")
    desk.now_ns += 40_000_000
    desk.fill(sell)
    closed = desk.last(PairClosed)
    commission = COSTS.commission_krw(Venue.KRX, 500_000) + COSTS.commission_krw(Venue.NXT, 502_500)
    tax = COSTS.sell_tax_krw(502_500)
    assert closed.outcome is PairOutcome.FLAT and closed.trip and closed.clips == 1
    assert (closed.bought_krw, closed.sold_krw) == (500_000, 502_500)
    assert (closed.commission_krw, closed.tax_krw) == (commission, tax)
    assert closed.realised_pnl_krw == 2_500 - commission - tax
    assert (closed.neutral_ms, closed.uncovered_krw_ms, closed.residual_shares_max) == (40, 500_000 * 40, 0)
    assert not desk.state.pairs and len(desk.all(PairClosed)) == 1
    assert desk.last(AlertRaised).kind is AlertKind.PAIR_CLOSED


# -- the buy -----------------------------------------------------------------------------


def test_the_sell_starts_a_little_after_the_first_fill_while_the_buy_still_works(desk: Desk) -> None:
    desk.approve()
    buy = desk.last(PlaceOrder)
    desk.part_fill(buy, 2)
    assert not desk.sells
    desk.tick(100)
    assert not desk.sells
    desk.tick(100)
    assert [sell.qty_shares for sell in desk.sells] == [2]
    desk.close(buy, 5)
    assert len(desk.sells) == 1, "one sell at a time"
    desk.fill(desk.sells[0])
    assert [sell.qty_shares for sell in desk.sells] == [2, 3]
    assert desk.sells[1].supersedes == desk.sells[0].order_id
    desk.fill(desk.sells[1])
    assert desk.last(PairClosed).sold_shares == 5


def test_a_second_sell_waits_for_the_buy_to_close(desk: Desk) -> None:
    desk.approve()
    buy = desk.last(PlaceOrder)
    desk.part_fill(buy, 2)
    desk.tick(200)
    desk.fill(desk.sells[0])
    desk.part_fill(buy, 3)
    assert len(desk.sells) == 1
    desk.close(buy, 3)
    assert [sell.qty_shares for sell in desk.sells] == [2, 1]


def test_a_buy_that_does_not_end_is_cancelled_and_waited_for(desk: Desk) -> None:
    desk.approve()
    buy = desk.last(PlaceOrder)
    desk.accept(buy)
    desk.tick(900)
    assert not desk.cancels
    desk.tick(200)
    assert [c.target_order_id for c in desk.cancels] == [buy.order_id]
    desk.tick(500)
    assert desk.state.pairs and len(desk.orders) == 1, "a cancel request is not a cancel"
    desk.close(buy, 2)
    assert [sell.qty_shares for sell in desk.sells] == [2]


def test_cancels_are_few_and_then_a_person_is_told_once(desk: Desk) -> None:
    desk.approve()
    desk.accept(desk.last(PlaceOrder))
    desk.tick(60_000)
    assert len({c.order_id for c in desk.cancels}) == len(desk.cancels) == 3
    told = [a for a in desk.all(AlertRaised) if a.kind is AlertKind.ORDER_UNKNOWN]
    assert len(told) == 1 and not told[0].resolved
    desk.close(desk.orders[0])
    assert desk.last(PairClosed).outcome is PairOutcome.NOT_FILLED
    assert [a.resolved for a in desk.all(AlertRaised) if a.alert_id == told[0].alert_id] == [False, True]


def test_a_buy_that_finds_nothing_ends_the_pair_without_a_trip(desk: Desk) -> None:
    desk.approve(qty=5, clip=1)
    desk.close(desk.last(PlaceOrder))
    closed = desk.last(PairClosed)
    assert closed.outcome is PairOutcome.NOT_FILLED and not closed.trip and closed.realised_pnl_krw == 0
    assert len(desk.orders) == 1
    assert not [a for a in desk.all(AlertRaised) if a.kind is AlertKind.PAIR_CLOSED]


@pytest.mark.parametrize("phase", [SessionPhase.PRE_MARKET, SessionPhase.AFTER_MARKET])
def test_where_nxt_takes_no_ioc_a_limit_goes_with_a_cancel_deadline(phase: SessionPhase) -> None:
    desk = Desk().open_day()
    desk.phase(Venue.NXT, phase)
    desk.book(Venue.NXT, 99_900, 100_000)
    desk.book(Venue.KRX, 100_500, 100_600)
    desk.approve(buy=Venue.NXT)
    buy = desk.last(PlaceOrder)
    assert (buy.venue, buy.kind) == (Venue.NXT, OrderKind.LIMIT)
    desk.accept(buy)
    desk.tick(1_000)
    assert desk.cancels[-1].target_order_id == buy.order_id


def test_a_sell_on_the_venue_of_the_buy_waits_until_the_buy_is_surely_closed(desk: Desk) -> None:
    """The rich venue is in a VI and the ladder turns to the buy's own venue, where the buy still lives."""
    desk.approve()
    buy = desk.last(PlaceOrder)
    desk.part_fill(buy, 2)
    desk.halt_symbol(Venue.NXT)
    desk.tick(2_000)
    assert desk.all(ResidualOpened) and desk.cancels
    assert not desk.sells
    desk.close(buy, 2)
    assert [(sell.venue, sell.qty_shares) for sell in desk.sells] == [(Venue.KRX, 2)]


# -- the sell ----------------------------------------------------------------------------


def test_the_sell_goes_as_deep_as_its_quantity_but_not_below_break_even(desk: Desk) -> None:
    desk.approve()
    desk.hear(desk_book(desk, ((100_500, 2), (100_300, 2), (99_000, 50))))
    desk.fill(desk.last(PlaceOrder))
    floor = COSTS.break_even_sell_price_krw(Venue.KRX, 100_000, Venue.NXT, 5)
    assert desk.sells[0].price_krw == floor > 99_000
    assert desk.sells[0].reference_price_krw == 100_500


def desk_book(desk: Desk, bids: tuple[tuple[int, int], ...]) -> QuoteUpdated:
    desk.seq += 1
    return QuoteUpdated(
        symbol=SYMBOL, venue=Venue.NXT, bids=bids, asks=((100_600, 5),), exchange_time="100000",
        connection_epoch=1, feed_seq=desk.seq,
    )  # fmt: skip


def test_at_most_two_sells_a_clip_and_then_the_ladder(desk: Desk) -> None:
    desk.approve()
    desk.fill(desk.last(PlaceOrder))
    desk.close(desk.sells[0], 1)
    assert [sell.qty_shares for sell in desk.sells] == [5, 4]
    desk.close(desk.sells[1], 1)
    assert [(s.purpose, s.qty_shares) for s in desk.sells[2:]] == [(Purpose.FLATTEN, 3)]
    opened = desk.last(ResidualOpened)
    assert (opened.qty_shares, opened.cost_krw) == (3, 300_000)


def test_when_the_spread_is_gone_it_is_flattened_at_once(desk: Desk) -> None:
    desk.approve()
    desk.level()
    desk.fill(desk.last(PlaceOrder))
    assert [sell.purpose for sell in desk.sells] == [Purpose.FLATTEN]
    assert "spread is gone" in desk.last(ResidualOpened).reason


def test_a_denied_sell_is_definite_and_the_next_one_goes(desk: Desk) -> None:
    desk.approve()
    desk.fill(desk.last(PlaceOrder))
    desk.hear(denial(desk.sells[0], GateReason.ORDER_BUDGET))
    assert [sell.order_id for sell in desk.sells] == ["P1.1.s.1", "P1.1.s.2"]


def denial(command: PlaceOrder, reason: GateReason) -> o.CommandDenied:
    return o.CommandDenied(
        order_id=command.order_id, pair_id=command.pair_id, symbol=command.symbol, reason=reason, detail=""
    )


def test_a_rejected_sell_is_definite_and_the_next_one_goes(desk: Desk) -> None:
    desk.approve()
    desk.fill(desk.last(PlaceOrder))
    facts = desk.facts(desk.sells[0], closed=True)
    desk.hear(o.OrderRejected(facts=facts, code="407022", text="order type not possible"))
    assert len(desk.sells) == 2


def test_an_unknown_sell_is_never_sent_again_and_nothing_more_is_sold(desk: Desk) -> None:
    desk.approve()
    desk.fill(desk.last(PlaceOrder))
    desk.unknown(desk.sells[0])
    desk.level(95_000)
    desk.tick(10_000)
    assert not [a for a in desk.all(AlertRaised) if a.kind is AlertKind.ORDER_UNKNOWN], "it is being asked"
    desk.tick(110_000)
    assert len(desk.sells) == 1 and not desk.all(PairClosed)
    told = [a for a in desk.all(AlertRaised) if a.kind is AlertKind.ORDER_UNKNOWN]
    assert [(a.severity, a.resolved) for a in told] == [("critical", False)]
    desk.crossed()
    desk.resolve(desk.sells[0], o.Resolution.FOUND, 5)
    assert desk.last(PairClosed).sold_shares == 5
    assert [a.resolved for a in desk.all(AlertRaised) if a.kind is AlertKind.ORDER_UNKNOWN] == [False, True]


def test_a_sell_that_never_arrived_is_sold_by_the_next_attempt(desk: Desk) -> None:
    desk.approve()
    desk.fill(desk.last(PlaceOrder))
    desk.unknown(desk.sells[0])
    desk.resolve(desk.sells[0], o.Resolution.NEVER_ARRIVED)
    assert [sell.order_id for sell in desk.sells] == ["P1.1.s.1", "P1.1.s.2"]


def test_a_known_fill_of_an_unknown_buy_is_sold_meanwhile(desk: Desk) -> None:
    desk.approve()
    buy = desk.last(PlaceOrder)
    desk.unknown(buy)
    desk.live(30_000)
    assert len(desk.orders) == 1
    desk.resolve(buy, o.Resolution.FOUND, 4)
    assert [sell.qty_shares for sell in desk.sells] == [4]


def test_a_gateway_that_says_nothing_makes_the_order_unknown(desk: Desk) -> None:
    desk.approve()
    desk.fill(desk.last(PlaceOrder))
    desk.tick(20_000)
    assert {sell.order_id for sell in desk.sells} == {"P1.1.s.1"}
    assert [a.alert_id for a in desk.all(AlertRaised) if a.kind is AlertKind.ORDER_UNKNOWN] == [
        "unknown-P1.1.s.1"
    ]
    desk.crossed()
    desk.hear(denial(desk.sells[0], GateReason.EXPIRED))
    assert desk.sells[-1].order_id == "P1.1.s.2", "a late denial is definite: it never left the machine"


def test_a_silent_gateway_is_asked_again_by_a_command_too_old_to_be_sent(desk: Desk) -> None:
    desk.approve()
    first = desk.last(PlaceOrder)
    desk.tick(20_000)
    assert len(desk.orders) > 1
    for asked in desk.orders[1:]:
        assert asked == first.model_copy(update={"reference_price_krw": asked.reference_price_krw})
        assert asked.expires_at_ns < desk.now_ns
    desk.accept(first)
    heard = len(desk.orders)
    desk.tick(20_000)
    assert len(desk.orders) == heard, "the order is known: there is nothing to ask"


def test_a_denial_as_duplicate_says_nothing_of_the_first(desk: Desk) -> None:
    desk.approve()
    desk.fill(desk.last(PlaceOrder))
    desk.hear(denial(desk.sells[0], GateReason.DUPLICATE))
    assert len(desk.sells) == 1
    desk.fill(desk.sells[0])
    assert desk.last(PairClosed).outcome is PairOutcome.FLAT


def test_an_order_cancelled_in_the_queue_never_was(desk: Desk) -> None:
    desk.approve()
    buy = desk.last(PlaceOrder)
    desk.tick(1_100)
    cancel = desk.cancels[-1]
    desk.hear(o.CommandDenied(
        order_id=cancel.order_id, pair_id="P1", symbol=SYMBOL, reason=GateReason.REMOVED, detail="",
        target_order_id=buy.order_id,
    ))  # fmt: skip
    assert desk.last(PairClosed).outcome is PairOutcome.NOT_FILLED


def test_a_refused_cancel_says_nothing_of_its_target(desk: Desk) -> None:
    desk.approve()
    buy = desk.last(PlaceOrder)
    desk.accept(buy)
    desk.tick(1_100)
    cancel = desk.cancels[-1]
    desk.hear(o.CommandDenied(
        order_id=cancel.order_id, pair_id="P1", symbol=SYMBOL, reason=GateReason.TARGET_UNKNOWN, detail="",
        target_order_id=buy.order_id,
    ))  # fmt: skip
    assert desk.state.pairs
    desk.fill(buy)
    assert [sell.qty_shares for sell in desk.sells] == [5]


# -- facts told late, twice, out of order ------------------------------------------------------


def test_a_fill_told_after_the_close_of_the_buy_is_sold_too(desk: Desk) -> None:
    desk.approve()
    buy = desk.last(PlaceOrder)
    desk.trading(TradingState.PAUSE_ENTRY)
    desk.hear(o.OrderClosed(facts=desk.facts(buy, 2, closed=True), reason="cancelled"))
    assert [sell.qty_shares for sell in desk.sells] == [2]
    desk.part_fill(buy, 3)
    desk.fill(desk.sells[0])
    assert [sell.qty_shares for sell in desk.sells] == [2, 1]
    desk.fill(desk.sells[1])
    assert desk.last(PairClosed).bought_shares == desk.last(PairClosed).sold_shares == 3


def test_events_told_twice_or_late_change_nothing(desk: Desk) -> None:
    desk.approve()
    buy = desk.last(PlaceOrder)
    desk.part_fill(buy, 2)
    desk.part_fill(buy, 1)
    desk.accept(buy)
    desk.part_fill(buy, 2)
    assert desk.pair.bought_shares() == 2
    desk.close(buy, 2)
    desk.accept(buy)
    assert desk.pair.open_buy is None


def test_an_order_that_our_state_has_lost_is_taken_up_from_the_gateway(desk: Desk) -> None:
    """Redis forgot its last second: the pair is there, the buy it had sent is not."""
    desk.trading(TradingState.DISARMED)
    before = Desk().open_day()
    before.approve()
    buy = before.last(PlaceOrder)
    desk.book(Venue.KRX, 0, 100_000, epoch=0)
    desk.state = desk.state.but(books={})
    desk.trading(TradingState.ARMED)
    desk.approve()
    assert not desk.orders, "no books: nothing is bought yet"
    desk.close(buy, 5)
    desk.crossed()
    assert desk.pair.bought_shares() == 5
    assert [sell.qty_shares for sell in desk.sells] == [5]
    desk.fill(desk.sells[0])
    assert desk.last(PairClosed).bought_shares == 5
    assert not [order for order in desk.orders if order.side is Side.BUY]


# -- the next clip -----------------------------------------------------------------------------


def test_clips_go_on_while_fresh_quotes_pay_until_the_quantity_is_spent(desk: Desk) -> None:
    desk.approve(qty=5, clip=2)
    for _ in range(3):
        desk.fill(desk.last(PlaceOrder))
        desk.fill(desk.last(PlaceOrder))
    sizes = [order.qty_shares for order in desk.orders if order.side is Side.BUY]
    assert sizes == [2, 2, 1]
    closed = desk.last(PairClosed)
    assert (closed.clips, closed.bought_shares, closed.sold_shares) == (3, 5, 5)
    assert [done.clip for done in desk.all(ClipCompleted)] == [1, 2, 3]
    looked = desk.all(ClipRecomputed)
    assert [(r.clip, r.proceed) for r in looked] == [(1, True), (2, True), (3, True)]
    assert all(r.quote_buy and r.quote_sell and r.decided_at_ns == desk.now_ns for r in looked)


def test_a_recomputation_names_what_it_looked_at_and_can_be_done_again(desk: Desk) -> None:
    desk.approve(qty=4, clip=2)
    desk.fill(desk.last(PlaceOrder))
    desk.fill(desk.last(PlaceOrder))
    said = desk.last(ClipRecomputed)
    assert said.quote_buy is not None and said.quote_sell is not None
    again = edge(
        COSTS, Venue.KRX, said.quote_buy.quote.asks, Venue.NXT, said.quote_sell.quote.bids, 2
    )  # fmt: skip
    assert again is not None and again.net_krw == said.net_edge_krw


def one_share_bought(desk: Desk) -> None:
    desk.approve(qty=5, clip=1)
    desk.fill(desk.last(PlaceOrder))


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda d: d.level(), id="edge gone"),
        pytest.param(lambda d: d.trading(TradingState.PAUSE_ENTRY), id="pause entry"),
        pytest.param(lambda d: d.trading(TradingState.REDUCE_ONLY), id="reduce only"),
        pytest.param(lambda d: d.window(False), id="window closed"),
        pytest.param(lambda d: d.window(False, sweep=True), id="sweep"),
        pytest.param(lambda d: d.halt_symbol(Venue.KRX), id="halt on one venue"),
        pytest.param(lambda d: d.book(Venue.KRX, 99_900, 100_200), id="ask above the approved limit"),
        pytest.param(lambda d: d.book(Venue.NXT, 120_000, 120_100), id="too good to be true"),
        pytest.param(lambda d: d.tick(5_000), id="quotes too old"),
    ],
)
def test_no_further_clip_when(desk: Desk, spoil: Callable[[Desk], object]) -> None:
    one_share_bought(desk)
    sell = desk.sells[0]
    desk.accept(sell)
    spoil(desk)
    desk.fill(sell)
    closed = desk.last(PairClosed)
    assert (closed.outcome, closed.clips, closed.sold_shares) == (PairOutcome.FLAT, 1, 1)
    looked = desk.last(ClipRecomputed)
    assert not looked.proceed and looked.reason


def test_no_further_clip_after_one_that_had_a_residual(desk: Desk) -> None:
    desk.approve(qty=5, clip=1)
    desk.level()
    desk.fill(desk.last(PlaceOrder))
    desk.crossed()
    desk.fill(desk.flattens[0])
    assert desk.last(PairClosed).clips == 1 and desk.last(PairClosed).residual_shares_max == 1


# -- approvals ---------------------------------------------------------------------------------


def test_an_approval_is_taken_once(desk: Desk) -> None:
    desk.approve()
    desk.approve()
    assert len(desk.orders) == 1
    desk.fill(desk.orders[0])
    desk.fill(desk.orders[1])
    desk.said.clear()
    desk.approve()
    assert not desk.said


def test_an_approval_without_books_expires(desk: Desk) -> None:
    desk.state = desk.state.but(books={})
    desk.approve()
    desk.tick(1_400)
    assert not desk.all(PairClosed)
    desk.tick(200)
    assert desk.last(PairClosed).outcome is PairOutcome.EXPIRED and not desk.orders


def test_a_book_of_an_older_connection_is_no_book(desk: Desk) -> None:
    desk.hear(ConnectionChanged(state=ConnectionState.READY, connection_epoch=2, planned=False))
    desk.approve()
    assert not desk.orders
    desk.book(Venue.KRX, 99_900, 100_000, epoch=2)
    desk.book(Venue.NXT, 100_500, 100_600, epoch=2)
    assert len(desk.orders) == 1


@pytest.mark.parametrize("state", [s for s in TradingState if s is not TradingState.ARMED])
def test_an_approval_is_stopped_unless_armed(state: TradingState) -> None:
    desk = Desk().open_day(state)
    desk.approve()
    assert desk.last(PairClosed).outcome is PairOutcome.STOPPED and not desk.orders


def test_a_second_pair_of_one_symbol_is_stopped_and_another_symbol_trades(desk: Desk) -> None:
    desk.crossed(OTHER)
    desk.approve("P1")
    desk.approve("P2")
    desk.approve("P3", symbol=OTHER)
    assert [order.pair_id for order in desk.orders] == ["P1", "P3"]
    assert [(c.pair_id, c.outcome) for c in desk.all(PairClosed)] == [("P2", PairOutcome.STOPPED)]


def test_costs_told_after_the_close_are_waited_for(desk: Desk) -> None:
    desk.approve()
    desk.fill(desk.last(PlaceOrder))
    sell = desk.sells[0]
    bare = desk.facts(sell, 5, closed=True).model_copy(update={"commission_krw": 0, "tax_krw": 0})
    desk.hear(o.OrderFilled(facts=bare, last_qty_shares=5, last_amount_krw=502_500))
    assert not desk.all(PairClosed)
    desk.fill(sell)
    assert desk.last(PairClosed).tax_krw == COSTS.sell_tax_krw(502_500)


def test_costs_that_never_come_are_not_waited_for_longer_than_that(desk: Desk) -> None:
    desk.approve()
    desk.fill(desk.last(PlaceOrder))
    bare = desk.facts(desk.sells[0], 5, closed=True).model_copy(update={"commission_krw": 0, "tax_krw": 0})
    desk.hear(o.OrderFilled(facts=bare, last_qty_shares=5, last_amount_krw=502_500))
    desk.tick(600)
    assert desk.last(PairClosed).tax_krw == 0
