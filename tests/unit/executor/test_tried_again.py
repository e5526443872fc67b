"""A stranded position is tried again by itself: when a session opens or a bid returns, within bounds."""

import pytest

from services.contracts.envelope import Message
from services.contracts.limits import NS_PER_MS
from services.contracts.messages import orders as o
from services.contracts.messages.alerts import AlertKind, AlertRaised
from services.contracts.messages.orders import CommandDenied, ForeignOrderSeen
from services.contracts.messages.pairs import PairClosed, PairOutcome, ResidualMarked, StrandReason
from services.contracts.messages.status import ExecutorStatus
from services.contracts.reasons import GateReason
from services.contracts.terms import OrderKind, SessionPhase, Side, TradingState, Venue
from services.executor.phases import PairPhase

from .desk import BID, DATE, LIMITS, SYMBOL, Desk, ask_flatten, fail_rungs, holding
from .test_what_is_held import late_fill_of_an_earlier_clip

MORROW = "2026-11-24"


def die(desk: Desk) -> None:
    """Let every order that is out find nothing."""
    for order in desk.flattens:
        if desk.pair.order(order.order_id).open:  # type: ignore[union-attr]
            desk.close(order)


def wait(desk: Desk, ms: int) -> None:
    """Let `ms` pass in a market that tells its books, in which no order finds anything."""
    for _ in range(ms // 500):
        pass_by(desk, 500)
        die(desk)


def pass_by(desk: Desk, ms: int) -> None:
    """Let `ms` pass in a market that tells its books."""
    for _ in range(ms // 500):
        desk.now_ns += 500 * NS_PER_MS
        desk.retell()
        desk.tick()


def next_try(desk: Desk) -> str:
    pass_by(desk, 1_500)
    return desk.last(ExecutorStatus).stranded[0].next_try


@pytest.fixture
def desk() -> Desk:
    """A desk whose ladder met a bid six times in vain, in the regular session."""
    desk = holding(stranded_interval_ms=10_000)
    fail_rungs(desk, 6)
    assert desk.pair.phase is PairPhase.STRANDED
    return desk


@pytest.fixture
def evening() -> Desk:
    """A desk that strands in the pause before the after-market, with the closing auction behind it."""
    desk = holding(flatten_wait_ms=20_000, stranded_interval_ms=10_000)
    desk.close(desk.flattens[0])
    desk.phase(Venue.NXT, SessionPhase.PAUSE)
    desk.phase(Venue.KRX, SessionPhase.CLOSING_PRICE)
    pass_by(desk, 30_000)
    assert desk.last(ResidualMarked).reason is StrandReason.NO_VENUE
    return desk


def test_it_is_sold_when_the_after_market_opens(evening: Desk) -> None:
    evening.phase(Venue.NXT, SessionPhase.AFTER_MARKET)
    evening.book(Venue.NXT, BID, BID + 100)
    rung = evening.flattens[-1]
    assert (len(evening.flattens), rung.venue, rung.kind) == (2, Venue.NXT, OrderKind.LIMIT)
    evening.fill(rung)
    closed = evening.last(PairClosed)
    assert (closed.outcome, closed.sold_shares) == (PairOutcome.FLAT, 5)
    raised = {a.alert_id for a in evening.all(AlertRaised) if a.kind is AlertKind.STRANDED and not a.resolved}
    over = {a.alert_id for a in evening.all(AlertRaised) if a.kind is AlertKind.STRANDED and a.resolved}
    assert raised == over and len(raised) == 1, "told once, taken back once"


def test_it_is_sold_when_a_bid_returns() -> None:
    desk = holding()
    desk.close(desk.flattens[0])
    desk.level(90_000)
    pass_by(desk, 10_000)
    assert desk.last(ResidualMarked).reason is StrandReason.LOSS_BOUND
    desk.level(BID)
    assert len(desk.flattens) == 2
    desk.fill(desk.flattens[-1])
    assert desk.last(PairClosed).outcome is PairOutcome.FLAT


def test_it_is_sold_when_a_halt_is_over() -> None:
    desk = holding(flatten_wait_ms=10_000)
    desk.close(desk.flattens[0])
    for venue in Venue:
        desk.halt_symbol(venue)
    pass_by(desk, 15_000)
    assert desk.pair.phase is PairPhase.STRANDED
    desk.halt_symbol(Venue.KRX, halted=False)
    assert [order.venue for order in desk.flattens[1:]] == [Venue.KRX]


def test_a_bid_that_never_went_is_tried_once_in_the_interval_and_six_times_a_session(desk: Desk) -> None:
    wait(desk, 8_000)
    assert len(desk.flattens) == 6
    wait(desk, 3_000)
    assert len(desk.flattens) == 7
    wait(desk, 80_000)
    assert len(desk.flattens) == 12
    assert "attempts of this session are spent" in next_try(desk)
    assert desk.pair.phase is PairPhase.STRANDED


def test_a_bid_that_comes_and_goes_spends_no_more_than_six(desk: Desk) -> None:
    for _ in range(40):
        desk.level(90_000)
        wait(desk, 1_000)
        desk.level(BID)
        wait(desk, 1_000)
    assert len(desk.flattens) == 12


def test_each_session_begins_with_six_anew(desk: Desk) -> None:
    wait(desk, 80_000)
    desk.phase(Venue.KRX, SessionPhase.CLOSING_PRICE)
    desk.phase(Venue.NXT, SessionPhase.PAUSE)
    wait(desk, 5_000)
    desk.phase(Venue.NXT, SessionPhase.AFTER_MARKET)
    wait(desk, 80_000)
    assert len(desk.flattens) == 18


def test_a_phase_that_changes_within_a_session_begins_nothing_anew(evening: Desk) -> None:
    evening.phase(Venue.NXT, SessionPhase.AFTER_MARKET)
    wait(evening, 80_000)
    evening.phase(Venue.KRX, SessionPhase.AFTER_INTAKE)
    wait(evening, 80_000)
    evening.phase(Venue.KRX, SessionPhase.CLOSED)
    wait(evening, 80_000)
    assert len(evening.flattens) == 7


def test_a_denied_try_counts(desk: Desk) -> None:
    for _ in range(300):
        pass_by(desk, 500)
        if desk.pair.open_orders:
            last = desk.flattens[-1]
            desk.hear(CommandDenied(
                order_id=last.order_id, pair_id="P1", symbol=SYMBOL, reason=GateReason.NOT_READY, detail="",
            ))  # fmt: skip
    assert len(desk.flattens) == 12


def test_the_count_survives_a_restart(desk: Desk) -> None:
    for _ in range(20):
        wait(desk, 11_000)
        desk.restart()
        desk.level(BID)
    assert len(desk.flattens) == 12


def test_none_is_tried_by_itself_where_the_limit_says_so() -> None:
    desk = holding(stranded_attempts=0)
    fail_rungs(desk, 6)
    wait(desk, 60_000)
    assert len(desk.flattens) == 6


@pytest.mark.parametrize("state", [TradingState.HALTED, TradingState.DISARMED])
def test_a_stop_ends_the_tries_until_it_is_lifted(desk: Desk, state: TradingState) -> None:
    desk.trading(state)
    wait(desk, 40_000)
    assert len(desk.flattens) == 6 and state.value in next_try(desk)
    desk.trading(TradingState.REDUCE_ONLY)
    pass_by(desk, 500)
    assert len(desk.flattens) == 7


@pytest.mark.parametrize("state", [TradingState.PAUSE_ENTRY, TradingState.REDUCE_ONLY])
def test_it_is_tried_while_sales_are_allowed(desk: Desk, state: TradingState) -> None:
    desk.trading(state)
    wait(desk, 11_000)
    assert len(desk.flattens) == 7


def test_what_is_not_certain_is_not_tried() -> None:
    desk = holding()
    desk.unknown(desk.flattens[0])
    desk.resolve(desk.flattens[0], o.Resolution.AMBIGUOUS)
    pass_by(desk, 40_000)
    assert len(desk.flattens) == 1 and "not certain" in next_try(desk)


def test_a_sale_by_hand_in_its_symbol_leaves_it_to_the_person(desk: Desk) -> None:
    desk.hear(by_hand(Side.SELL))
    wait(desk, 40_000)
    assert len(desk.flattens) == 6 and "by hand" in next_try(desk)
    ask_flatten(desk)
    assert len(desk.flattens) == 7, "a person hands it back"


def test_a_purchase_by_hand_is_no_sale_of_it(desk: Desk) -> None:
    desk.hear(by_hand(Side.BUY))
    wait(desk, 11_000)
    assert len(desk.flattens) == 7


def by_hand(side: Side) -> Message:
    return ForeignOrderSeen(
        broker_order_no="9", symbol=SYMBOL, venue=Venue.KRX, side=side, qty_shares=5, cum_qty_shares=0,
        cum_amount_krw=0, closed=False, trading_date=DATE,
    )  # fmt: skip


def test_it_loses_no_more_than_a_pair_may_lose_in_a_day() -> None:
    """Five shares that cost 500,000: a loss of 5,000 with costs leaves nothing below about 99,200."""
    desk = holding(max_pair_loss_krw=5_000)
    fail_rungs(desk, 6)
    desk.level(99_100)
    wait(desk, 40_000)
    assert len(desk.flattens) == 6
    desk.level(99_300)
    wait(desk, 2_000)
    (tried,) = desk.flattens[6:]
    assert 99_200 <= tried.price_krw <= 99_300


def test_what_it_has_lost_today_is_part_of_that() -> None:
    desk = holding(max_pair_loss_krw=5_000)
    desk.close(desk.flattens[-1], 2, 98_500)
    pass_by(desk, 500)
    fail_rungs(desk, 5)
    desk.level(99_000)
    wait(desk, 40_000)
    sent = len(desk.flattens)
    desk.level(99_800)
    wait(desk, 2_000)
    assert len(desk.flattens) == sent + 1
    assert desk.flattens[-1].price_krw * 3 > 3 * 100_000 - (5_000 - 3_000)


def test_what_was_lost_the_day_before_is_not() -> None:
    desk = holding(max_pair_loss_krw=4_000)
    desk.close(desk.flattens[-1], 2, 97_500)
    pass_by(desk, 500)
    fail_rungs(desk, 5)
    wait(desk, 40_000)
    sent = len(desk.flattens)
    assert "may lose in a day" in next_try(desk)
    tomorrow(desk)
    wait(desk, 2_000)
    assert len(desk.flattens) == sent + 1


def tomorrow(desk: Desk) -> None:
    for phase in (SessionPhase.CLOSED, SessionPhase.CONTINUOUS):
        for venue in Venue:
            desk.phase(venue, phase, MORROW)
    desk.facts_of_day(MORROW)
    desk.level(BID)


def test_the_next_day_it_is_tried_once_the_desk_sells_again(desk: Desk) -> None:
    wait(desk, 80_000)
    desk.trading(TradingState.DISARMED)
    tomorrow(desk)
    wait(desk, 60_000)
    assert len(desk.flattens) == 12
    desk.trading(TradingState.ARMED)
    wait(desk, 80_000)
    assert len(desk.flattens) == 18


def test_a_part_that_is_sold_is_named_with_what_is_left(desk: Desk) -> None:
    pass_by(desk, 11_000)
    desk.close(desk.flattens[-1], 2)
    assert desk.last(ResidualMarked).qty_shares == 3
    assert desk.pair.phase is PairPhase.STRANDED
    wait(desk, 11_000)
    assert desk.flattens[-1].qty_shares == 3


def test_an_order_of_it_is_cancelled_in_a_stop(desk: Desk) -> None:
    pass_by(desk, 11_000)
    desk.accept(desk.flattens[-1])
    desk.trading(TradingState.HALTED)
    assert desk.cancels[-1].target_order_id == desk.flattens[-1].order_id


def test_one_order_at_a_time_and_none_beside_an_unknown_one(desk: Desk) -> None:
    pass_by(desk, 11_000)
    desk.unknown(desk.flattens[-1])
    pass_by(desk, 60_000)
    assert len(desk.flattens) == 7


def test_more_than_one_order_may_carry_goes_one_after_the_other() -> None:
    """What sold wholly is no attempt spent: what is left of it goes on at once."""
    desk = late_fill_of_an_earlier_clip()
    desk.limit(stranded_interval_ms=10_000, stranded_attempts=2)
    desk.level(BID)
    desk.close(desk.sells[-1])
    fail_rungs(desk, 6)
    assert desk.pair.phase is PairPhase.STRANDED
    pass_by(desk, 25_000)
    tried = {order.order_id: order.qty_shares for order in desk.flattens[6:]}
    assert list(tried.values()) == [50], "forty wait for it"
    desk.fill(desk.flattens[-1])
    pass_by(desk, 1_000)
    desk.fill(desk.flattens[-1])
    assert desk.last(PairClosed).sold_shares == 100


def test_it_is_never_a_market_order(desk: Desk) -> None:
    """What a try may lose is bounded, and nothing bounds the price of a market order."""
    desk.book(Venue.KRX, BID + 100, BID + 200)
    wait(desk, 80_000)
    assert len(desk.flattens) == 12
    assert {order.kind for order in desk.flattens[6:]} == {OrderKind.LIMIT_IOC}


def test_the_closing_auction_is_a_session_of_its_own(desk: Desk) -> None:
    desk.phase(Venue.NXT, SessionPhase.PAUSE)
    desk.phase(Venue.KRX, SessionPhase.CLOSING_AUCTION)
    rung = desk.flattens[-1]
    assert (len(desk.flattens), rung.venue, rung.kind) == (7, Venue.KRX, OrderKind.LIMIT)
    desk.accept(rung)
    pass_by(desk, 40_000)
    assert len(desk.flattens) == 7 and not desk.cancels, "it rests for the print"


def test_the_limits_stand_in_one_place() -> None:
    """The ladder, its waits and what comes after are published by risk; none is a setting of a service."""
    ours = {name for name in type(LIMITS).model_fields if name.split("_")[0] in ("flatten", "stranded")}
    settings = set(type(Desk().initial.settings).model_fields)
    assert ours and not settings & set(type(LIMITS).model_fields)
