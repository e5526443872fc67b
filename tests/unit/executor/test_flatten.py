"""The residual ladder, stranded positions, and what people do about them."""

import pytest

from services.contracts.envelope import Message
from services.contracts.limits import NS_PER_MS
from services.contracts.messages import orders as o
from services.contracts.messages.alerts import AlertKind, AlertRaised
from services.contracts.messages.commands import PlaceOrder
from services.contracts.messages.pairs import (
    PairClosed,
    PairOutcome,
    ResidualMarked,
    ResidualOpened,
    StrandReason,
)
from services.contracts.messages.venue_state import (
    ConnectionChanged,
    ConnectionState,
    DayFactsPublished,
    HaltKind,
)
from services.contracts.reasons import GateReason
from services.contracts.terms import OrderKind, SessionPhase, Severity, TradingState, Venue
from services.contracts.tick_grid import SHARE_TICKS as TICKS

from .desk import BID, SYMBOL, Desk, ask_flatten, fail_rungs, holding


@pytest.fixture
def desk() -> Desk:
    """A desk that has bought five shares at 100,000 and lost the spread."""
    return holding()


# -- the ladder ----------------------------------------------------------------------------


def test_each_rung_goes_further_through_the_better_bid(desk: Desk) -> None:
    desk.book(Venue.NXT, BID + 100, BID + 200)
    fail_rungs(desk, 3)
    first, *later = desk.flattens
    assert (first.kind, first.venue, first.price_krw) == (
        OrderKind.LIMIT_IOC,
        Venue.NXT,
        TICKS.step(BID, -1),
    )
    assert [(rung.venue, rung.price_krw) for rung in later] == [
        (Venue.NXT, TICKS.step(BID + 100, -attempt)) for attempt in (2, 3, 4)
    ]
    assert all(rung.reference_price_krw == BID + 100 for rung in later)


def test_rungs_are_spaced_by_the_interval(desk: Desk) -> None:
    desk.close(desk.flattens[0])
    desk.tick(400)
    assert len(desk.flattens) == 1
    desk.tick(100)
    assert len(desk.flattens) == 2


def test_the_last_attempt_is_a_market_order_where_krx_bids_more(desk: Desk) -> None:
    desk.book(Venue.KRX, BID + 100, BID + 200)
    fail_rungs(desk, 5)
    assert len(desk.flattens) == 6
    last = desk.flattens[-1]
    assert (last.kind, last.venue, last.price_krw) == (OrderKind.MARKET, Venue.KRX, 0)
    assert all(rung.kind is OrderKind.LIMIT_IOC for rung in desk.flattens[:-1])


@pytest.mark.parametrize("more", [100, 500, 2_500])
def test_the_last_attempt_goes_to_nxt_where_it_bids_more(desk: Desk, more: int) -> None:
    desk.book(Venue.KRX, BID + 100 - more, BID + 200 - more)
    desk.book(Venue.NXT, BID + 100, BID + 200)
    fail_rungs(desk, 5)
    last = desk.flattens[-1]
    assert (len(desk.flattens), last.kind, last.venue) == (6, OrderKind.LIMIT_IOC, Venue.NXT)


@pytest.mark.parametrize("spoil", ["halt", "phase", "deep", "thin"])
def test_no_market_order_where_krx_cannot_take_it_within_the_loss_bound(spoil: str) -> None:
    desk = holding()
    fail_rungs(desk, 4)
    if spoil == "halt":
        desk.halt_symbol(Venue.KRX)
    if spoil == "phase":
        desk.phase(Venue.KRX, SessionPhase.AFTER_MARKET)
    if spoil == "deep":
        desk.book(Venue.KRX, BID, BID + 100, qty=1)
        desk.hear(desk_deep(desk))
    if spoil == "thin":
        desk.book(Venue.KRX, BID, BID + 100, qty=4)
    fail_rungs(desk, 1)
    assert len(desk.flattens) == 6 and desk.flattens[-1].kind is OrderKind.LIMIT_IOC


def desk_deep(desk: Desk) -> Message:
    """KRX shows one share near, and the rest below the loss bound."""
    book = desk.state.books[SYMBOL, Venue.KRX].quote
    desk.seq += 1
    return book.model_copy(update={"bids": ((BID, 1), (90_000, 50)), "feed_seq": desk.seq})


def test_never_below_the_loss_bound_nor_out_of_the_band(desk: Desk) -> None:
    desk.limit(flatten_step_ticks=10, collar_ticks=50, max_loss_per_share_bps=100)
    fail_rungs(desk, 4)
    assert min(rung.price_krw for rung in desk.flattens) == 99_000


def test_a_bid_below_the_loss_bound_is_not_sold_into_and_strands(desk: Desk) -> None:
    desk.close(desk.flattens[0])
    desk.level(96_000)
    desk.tick(2_900)
    assert len(desk.flattens) == 1 and not desk.all(ResidualMarked)
    desk.tick(800)
    marked = desk.last(ResidualMarked)
    assert (marked.reason, marked.qty_shares, marked.cost_krw) == (StrandReason.LOSS_BOUND, 5, 500_000)


def test_a_bid_that_comes_back_within_the_bound_is_sold_into(desk: Desk) -> None:
    desk.close(desk.flattens[0])
    desk.level(96_000)
    desk.tick(2_000)
    desk.level(98_000)
    assert desk.flattens[-1].price_krw == TICKS.step(98_000, -2)
    desk.fill(desk.flattens[-1])
    assert desk.last(PairClosed).outcome is PairOutcome.FLAT


def test_in_a_vi_the_other_venue_takes_it(desk: Desk) -> None:
    desk.close(desk.flattens[0])
    halted = desk.flattens[0].venue
    desk.halt_symbol(halted)
    desk.tick(600)
    assert desk.flattens[-1].venue is halted.other


def test_shares_of_a_symbol_that_left_the_list_are_sold_on_krx() -> None:
    """Off the list, NXT's last book still stands there and bids more."""
    desk = Desk().open_day()
    desk.approve()
    desk.halt_symbol(Venue.NXT, kind=HaltKind.NOT_ELIGIBLE)
    desk.fill(desk.orders[0])
    desk.tick(2_000)
    assert {order.venue for order in desk.sells} == {Venue.KRX}
    desk.fill(desk.sells[-1])
    assert desk.last(PairClosed).sold_shares == 5


def test_a_halt_on_both_venues_is_waited_for_and_then_strands() -> None:
    desk = holding(flatten_wait_ms=20_000)
    desk.close(desk.flattens[0])
    for venue in Venue:
        desk.halt_symbol(venue)
    desk.tick(15_000)
    assert len(desk.flattens) == 1 and not desk.all(ResidualMarked)
    desk.halt_symbol(Venue.NXT, halted=False)
    assert desk.flattens[-1].venue is Venue.NXT, "the VI ended: at once"
    desk.close(desk.flattens[-1])
    desk.halt_symbol(Venue.NXT)
    desk.tick(21_000)
    assert desk.last(ResidualMarked).reason is StrandReason.NO_VENUE


def test_after_hours_it_strands_without_waiting(desk: Desk) -> None:
    desk.close(desk.flattens[0])
    desk.phase(Venue.KRX, SessionPhase.CLOSED)
    desk.phase(Venue.NXT, SessionPhase.CLOSED)
    assert desk.last(ResidualMarked).reason is StrandReason.AFTER_HOURS


@pytest.mark.parametrize("hindrance", ["no_connection", "halted"])
def test_after_hours_it_strands_at_once_whatever_else_stands_in_the_way(desk: Desk, hindrance: str) -> None:
    desk.close(desk.flattens[0])
    if hindrance == "halted":
        desk.trading(TradingState.HALTED)
    else:
        lost = ConnectionChanged(state=ConnectionState.DISCONNECTED, connection_epoch=1, planned=True)
        desk.hear(lost)
    desk.phase(Venue.KRX, SessionPhase.CLOSED)
    desk.tick(1_000)
    assert not desk.all(ResidualMarked), "one venue is still to trade"
    desk.phase(Venue.NXT, SessionPhase.CLOSED)
    assert desk.last(ResidualMarked).reason is StrandReason.AFTER_HOURS


@pytest.mark.parametrize("ready", [True, False])
def test_phases_that_nobody_told_are_not_the_end_of_the_day(desk: Desk, ready: bool) -> None:
    """A new date forgets the phases of the old one, until the gateway tells those of the new."""
    desk.close(desk.flattens[0])
    if not ready:
        desk.hear(ConnectionChanged(state=ConnectionState.CONNECTING, connection_epoch=2, planned=False))
    morrow = "2026-11-24"
    desk.hear(DayFactsPublished(trading_date=morrow, nxt_eligible=(SYMBOL,), order_warnings=(), bands={}))
    desk.phase(Venue.KRX, SessionPhase.CLOSED, morrow)
    desk.tick(5_000)
    assert not desk.all(ResidualMarked)
    desk.phase(Venue.NXT, SessionPhase.CLOSED, morrow)
    assert desk.last(ResidualMarked).reason is StrandReason.AFTER_HOURS


def test_one_word_of_another_date_stops_no_sale(desk: Desk) -> None:
    desk.close(desk.flattens[0])
    desk.phase(Venue.KRX, SessionPhase.CLOSED, "2026-11-25")
    before = len(desk.flattens)
    desk.tick(5_000)
    assert len(desk.flattens) > before and not desk.all(ResidualMarked)


def test_a_connection_lost_in_mid_day_is_not_the_end_of_the_day(desk: Desk) -> None:
    desk.close(desk.flattens[0])
    desk.hear(ConnectionChanged(state=ConnectionState.DISCONNECTED, connection_epoch=1, planned=False))
    desk.phase(Venue.KRX, SessionPhase.PAUSE)
    desk.phase(Venue.NXT, SessionPhase.PAUSE)
    desk.tick(60_000)
    assert not desk.all(ResidualMarked)


def test_in_the_nxt_after_market_a_limit_goes_and_is_cancelled_in_time(desk: Desk) -> None:
    desk.close(desk.flattens[0])
    desk.phase(Venue.KRX, SessionPhase.CLOSING_PRICE)
    desk.phase(Venue.NXT, SessionPhase.AFTER_MARKET)
    desk.tick(600)
    rung = desk.flattens[-1]
    assert (rung.venue, rung.kind) == (Venue.NXT, OrderKind.LIMIT)
    desk.accept(rung)
    desk.tick(1_100)
    assert desk.cancels[-1].target_order_id == rung.order_id


def test_the_krx_closing_auction_takes_it_and_the_order_rests(desk: Desk) -> None:
    desk.close(desk.flattens[0])
    desk.phase(Venue.NXT, SessionPhase.PAUSE)
    desk.phase(Venue.KRX, SessionPhase.CLOSING_AUCTION)
    desk.window(False, sweep=True)
    desk.tick(600)
    rung = desk.flattens[-1]
    assert (rung.venue, rung.kind, rung.price_krw) == (Venue.KRX, OrderKind.LIMIT, TICKS.step(BID, -10))
    desk.accept(rung)
    desk.window(False, sweep=True)
    desk.tick(120_000)
    assert not desk.cancels, "it waits for the closing print"
    desk.fill(rung, 99_500)
    assert desk.last(PairClosed).sold_krw == 497_500


@pytest.mark.parametrize("bid", [94_000, 95_500, 96_500, 98_000, 98_900, 99_500, 104_000])
def test_in_the_closing_auction_no_order_leaves_the_last_gates_reach(desk: Desk, bid: int) -> None:
    """It waits at the loss bound above the bid, but no further from it than the collar; else it strands."""
    desk.close(desk.flattens[0])
    desk.phase(Venue.NXT, SessionPhase.PAUSE)
    desk.phase(Venue.KRX, SessionPhase.CLOSING_AUCTION)
    desk.book(Venue.KRX, bid, bid + 100)
    desk.live(60_000)
    rungs = {rung.order_id: rung for rung in desk.flattens[1:]}
    for rung in rungs.values():
        away = TICKS.between(rung.reference_price_krw, rung.price_krw)
        assert abs(away) <= desk.limits.collar_ticks and rung.price_krw >= 97_000
    within = TICKS.step(bid, desk.limits.collar_ticks) >= 97_000
    assert len(rungs) == within
    if not within:
        assert desk.last(ResidualMarked).reason is StrandReason.LOSS_BOUND


def test_in_the_closing_auction_without_a_book_it_goes_by_what_was_paid(desk: Desk) -> None:
    desk.close(desk.flattens[0])
    desk.restart()
    desk.phase(Venue.NXT, SessionPhase.PAUSE)
    desk.phase(Venue.KRX, SessionPhase.CLOSING_AUCTION)
    desk.tick(600)
    assert desk.flattens[-1].price_krw == TICKS.step(100_000, -desk.limits.collar_ticks)


def test_an_auction_order_that_never_ends_is_taken_back_when_there_is_trading_again(desk: Desk) -> None:
    desk.close(desk.flattens[0])
    desk.phase(Venue.NXT, SessionPhase.PAUSE)
    desk.phase(Venue.KRX, SessionPhase.CLOSING_AUCTION)
    desk.tick(600)
    desk.accept(desk.flattens[-1])
    desk.phase(Venue.KRX, SessionPhase.CLOSING_PRICE)
    desk.tick(5_000)
    assert not desk.cancels
    desk.phase(Venue.NXT, SessionPhase.AFTER_MARKET)
    assert desk.cancels[-1].target_order_id == desk.flattens[-1].order_id


def test_an_auction_order_that_found_nothing_goes_on_in_the_after_market(desk: Desk) -> None:
    desk.close(desk.flattens[0])
    desk.phase(Venue.NXT, SessionPhase.PAUSE)
    desk.phase(Venue.KRX, SessionPhase.CLOSING_AUCTION)
    desk.tick(600)
    desk.phase(Venue.KRX, SessionPhase.CLOSING_PRICE)
    desk.phase(Venue.NXT, SessionPhase.AFTER_MARKET)
    desk.close(desk.flattens[-1])
    desk.tick(600)
    assert desk.flattens[-1].venue is Venue.NXT


def test_without_any_book_it_waits_and_strands(desk: Desk) -> None:
    desk.close(desk.flattens[0])
    desk.restart()
    desk.tick(4_900)
    assert len(desk.flattens) == 1 and not desk.all(ResidualMarked)
    desk.tick(300)
    assert desk.last(ResidualMarked).reason is StrandReason.NO_QUOTE


def test_without_a_connection_nothing_is_sent_and_it_goes_on_when_it_is_back(desk: Desk) -> None:
    desk.close(desk.flattens[0])
    desk.hear(ConnectionChanged(state=ConnectionState.DISCONNECTED, connection_epoch=1, planned=False))
    desk.tick(30_000)
    assert len(desk.flattens) == 1
    desk.hear(ConnectionChanged(state=ConnectionState.READY, connection_epoch=2, planned=False))
    desk.book(Venue.KRX, BID, BID + 100, epoch=2)
    assert len(desk.flattens) == 2


def deny_last(desk: Desk) -> None:
    """The gateway refuses the newest rung, if it is still open."""
    command = desk.flattens[-1]
    order = desk.pair.order(command.order_id)
    if order is not None and order.open:
        desk.hear(o.CommandDenied(
            order_id=command.order_id, pair_id="P1", symbol=SYMBOL, reason=GateReason.NOT_READY, detail="",
        ))  # fmt: skip


def test_denials_are_no_attempts_but_are_asked_ever_more_slowly(desk: Desk) -> None:
    for _ in range(600):
        if desk.all(ResidualMarked):
            break
        deny_last(desk)
        desk.live(500)
    assert desk.last(ResidualMarked).reason is StrandReason.DENIED
    assert desk.limits.flatten_attempts < len(desk.flattens) < 30
    assert len({rung.price_krw for rung in desk.flattens}) == 1


def test_an_obstacle_that_was_away_counts_from_its_return(desk: Desk) -> None:
    """Denied several times it waits seconds for its next attempt; a bid that is good meanwhile is none."""
    while len(desk.flattens) < 5:
        deny_last(desk)
        desk.live(500)
    deny_last(desk)
    desk.level(96_000)
    desk.tick(200)
    desk.level(BID)
    desk.live(4_000)
    desk.level(96_000)
    desk.tick(200)
    assert not desk.all(ResidualMarked)
    desk.tick(4_000)
    assert desk.last(ResidualMarked).reason is StrandReason.LOSS_BOUND


def test_partial_fills_leave_only_the_rest_to_sell(desk: Desk) -> None:
    desk.close(desk.flattens[0], 2)
    desk.tick(600)
    assert desk.flattens[-1].qty_shares == 3
    desk.fill(desk.flattens[-1])
    closed = desk.last(PairClosed)
    assert (closed.sold_shares, closed.residual_shares_max) == (5, 5)
    assert len(desk.all(ResidualOpened)) == 1


def test_the_residual_is_told_and_taken_back(desk: Desk) -> None:
    desk.now_ns += 250 * NS_PER_MS
    desk.fill(desk.flattens[0])
    alerts = [a for a in desk.all(AlertRaised) if a.kind is AlertKind.RESIDUAL]
    assert [(a.severity, a.resolved, a.alert_id) for a in alerts] == [
        (Severity.WARNING, False, "residual-P1"), (Severity.INFO, True, "residual-P1"),
    ]  # fmt: skip
    assert alerts[0].amount_krw == 500_000 and alerts[0].symbol == SYMBOL
    assert desk.last(PairClosed).uncovered_krw_ms == 500_000 * 250


# -- the trading state ------------------------------------------------------------------------


@pytest.mark.parametrize("state", [TradingState.REDUCE_ONLY, TradingState.PAUSE_ENTRY])
def test_residuals_are_flattened_while_exits_are_allowed(state: TradingState) -> None:
    desk = holding()
    desk.trading(state)
    desk.close(desk.flattens[0])
    desk.tick(600)
    assert len(desk.flattens) == 2


@pytest.mark.parametrize("state", [TradingState.HALTED, TradingState.DISARMED])
def test_in_a_halt_nothing_is_sold_until_a_person_asks(state: TradingState) -> None:
    desk = holding()
    desk.accept(desk.flattens[0])
    desk.trading(state)
    assert desk.cancels[-1].target_order_id == desk.flattens[0].order_id
    desk.close(desk.flattens[0])
    desk.live(20_000)
    assert len(desk.flattens) == 1
    ask_flatten(desk)
    assert len(desk.flattens) == 2
    desk.accept(desk.flattens[-1])
    assert len(desk.cancels) == 1
    desk.fill(desk.flattens[-1])
    assert desk.last(PairClosed).outcome is PairOutcome.FLAT


def test_a_residual_nobody_may_sell_becomes_a_stranded_position(desk: Desk) -> None:
    desk.close(desk.flattens[0])
    desk.trading(TradingState.HALTED)
    desk.tick(181_000)
    assert desk.last(ResidualMarked).reason is StrandReason.TRADING_STATE


def test_a_residual_that_opens_in_a_halt_needs_a_person_at_once() -> None:
    desk = Desk().open_day()
    desk.approve()
    buy = desk.last(PlaceOrder)
    desk.trading(TradingState.HALTED)
    desk.fill(buy)
    desk.tick(2_000)
    assert not desk.sells
    alert = next(a for a in desk.all(AlertRaised) if a.kind is AlertKind.RESIDUAL)
    assert alert.severity is Severity.CRITICAL and "arb flatten" in alert.next_step


def test_after_a_start_nothing_is_decided_before_what_was_missed_is_read() -> None:
    """The sell had filled while the process was away: no cancel, no alarm, no second sell."""
    desk = Desk().open_day()
    desk.approve()
    desk.fill(desk.orders[0])
    sell = desk.sells[0]
    desk.restart()
    desk.said.clear()
    desk.now_ns += 60_000 * NS_PER_MS
    desk.phase(Venue.KRX, SessionPhase.CONTINUOUS)
    desk.fill(sell)
    desk.tick()
    assert not desk.orders and not desk.cancels
    assert [a.kind for a in desk.all(AlertRaised)] == [AlertKind.PAIR_CLOSED]
    assert desk.last(PairClosed).sold_shares == 5


def test_a_venue_that_refused_goes_after_the_other_one(desk: Desk) -> None:
    desk.book(Venue.NXT, BID + 100, BID + 200)
    first = desk.flattens[-1]
    desk.hear(o.CommandDenied(
        order_id=first.order_id, pair_id="P1", symbol=SYMBOL, reason=GateReason.WINDOW_CLOSED, detail=""
    ))  # fmt: skip
    desk.live(500)
    desk.tick(600)
    assert [rung.venue for rung in desk.flattens] == [Venue.NXT, Venue.KRX]
    desk.close(desk.flattens[-1])
    desk.live(500)
    desk.tick(600)
    assert desk.flattens[-1].venue is Venue.NXT
