"""One verdict for each intent: every reason of the closed list, and the approval itself."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from services.contracts.ids import pair_id_of
from services.contracts.limits import APPROVAL_TTL_MS, CLOCK_SKEW_MS, INTENT_TTL_MS
from services.contracts.messages.control import LatchClearRequested, SymbolResumeRequested
from services.contracts.messages.intents import TradeIntent
from services.contracts.messages.orders import ForeignOrderSeen
from services.contracts.messages.pairs import PairApproved, PairDenied, ResidualMarked, StrandReason
from services.contracts.messages.venue_state import ConnectionState, HaltKind, PriceBand, SymbolHaltChanged
from services.contracts.reasons import DenialReason
from services.contracts.terms import Latch, MovedLast, SessionPhase, Side, Symbol, TradingState, Venue
from services.contracts.threshold import MissFigures, ThresholdTable
from services.risk.checks.order import CHECKS
from tests.unit.detector import world
from tests.unit.detector.world import HYNIX, OTHER_GROUP, SAMSUNG, ms, quote
from tests.unit.risk import desk as d
from tests.unit.risk.desk import Desk, account, armed, ask, closed, facts, filled, heartbeat, intent, leg

Made = tuple[Desk, TradeIntent]


DEAR_BID = {
    "ask_moved_last": MissFigures(miss_rate=Decimal(0), loss_bps=Decimal(0)),
    "bid_moved_last": MissFigures(miss_rate=Decimal("0.9"), loss_bps=Decimal(100)),
}  # fmt: skip
"""A cross of 48 bps pays where the ask moved last, and nowhere else."""


def made(desk: Desk, **changes: Any) -> Made:
    return desk, intent(desk, **changes)


def after(*messages: Any, at_ms: int = d.NOW, **limit_changes: Any) -> Made:
    """An armed desk that was told something more."""
    desk = armed(world.limits(**limit_changes))
    desk.tell(*messages, at_ms=at_ms)
    return made(desk)


def vi(venue: Venue) -> SymbolHaltChanged:
    return SymbolHaltChanged(symbol=SAMSUNG, venue=venue, kind=HaltKind.VOLATILITY_INTERRUPTION, halted=True)


def foreign(side: Side, venue: Venue) -> ForeignOrderSeen:
    return ForeignOrderSeen(
        broker_order_no="77", symbol=SAMSUNG, venue=venue, side=side, qty_shares=3, cum_qty_shares=0,
        cum_amount_krw=0, closed=False, trading_date=world.DATE,
    )  # fmt: skip


def resumed() -> SymbolResumeRequested:
    return SymbolResumeRequested(symbol=SAMSUNG, by="kim", reason="mine", stop_count=-1)


def duplicate() -> Made:
    desk = armed(world.limits(cooldown_ms=0))
    first = intent(desk)
    assert isinstance(desk.answer(first), PairApproved)
    return desk, first


def another_pair_of(symbol: Symbol, **limit_changes: Any) -> Made:
    desk = armed(world.limits(**limit_changes))
    desk.tell(*world.crossing(symbol), at_ms=0)
    assert isinstance(desk.answer(intent(desk, name="other", symbol=symbol)), PairApproved)
    return made(desk)


def after_pairs(count: int, *, trip: bool, **limit_changes: Any) -> Made:
    desk = armed(world.limits(**limit_changes))
    for number in range(count):
        pair = desk.answer(intent(desk, name=f"earlier {number}"))
        assert isinstance(pair, PairApproved)
        desk.tell(closed(pair.pair_id, trip=trip))
    return made(desk)


def after_loss(*, marked: bool) -> Made:
    """A pair of another symbol lost 30,000; no tick has come to latch it."""
    desk = armed(world.limits(max_daily_loss_krw=30_000, max_open_pairs=4))
    desk.tell(*world.crossing(HYNIX), at_ms=0)
    pair = desk.answer(intent(desk, name="other", symbol=HYNIX))
    assert isinstance(pair, PairApproved)
    bought = facts(pair.pair_id, Side.BUY, 5, 350_000, symbol=HYNIX)
    desk.tell(filled(bought))
    if marked:
        desk.tell(*d.quotes(HYNIX, 63_000))
    else:
        desk.tell(filled(facts(pair.pair_id, Side.SELL, 5, 320_000, symbol=HYNIX)))
    return made(desk)


def held_without_bid() -> Made:
    desk, asked = after_loss(marked=True)
    desk.state = desk.state.but(
        books={key: book for key, book in desk.state.books.items() if key[0] != HYNIX}
    )
    return desk, asked


def working_sell() -> Made:
    """A sell of a pair that is closed still works on KRX: it must not be met by a purchase there."""
    desk = armed(world.limits(cooldown_ms=0))
    pair = desk.answer(intent(desk, name="earlier"))
    assert isinstance(pair, PairApproved)
    lost = facts(pair.pair_id, Side.SELL, 5, 0, venue=Venue.KRX, cum_qty_shares=0, closed=False)
    desk.tell(filled(lost), closed(pair.pair_id))
    return made(desk)


def at(at_ms: int) -> Made:
    """The books of the opening, `at_ms` later."""
    desk = armed()
    desk.tell(*(heartbeat(service) for service in (*d.REQUIRED, "risk")), at_ms=at_ms)
    return desk, intent(desk, at_ms=at_ms)


def sell_book(bid_krw: int, *, qty: int = 10, at_ms: int = d.NOW) -> Made:
    """A new book of the sell venue."""
    desk, _ = at(at_ms)
    desk.tell(quote(Venue.NXT, bid_krw, bid_krw + 100, qty=qty), at_ms=at_ms)
    return desk, intent(desk, at_ms=at_ms)


def residual(symbol: Symbol, pair_id: str) -> ResidualMarked:
    return ResidualMarked(
        pair_id=pair_id,
        symbol=symbol,
        qty_shares=5,
        cost_krw=350_000,
        reason=StrandReason.NO_VENUE,
        detail="",
    )


def without(**fields: Any) -> Made:
    desk = armed()
    asked = intent(desk)
    desk.state = desk.state.but(**fields)
    return desk, asked


BAND = PriceBand(base_krw=70_000, lower_krw=49_000, upper_krw=70_400)
FAR = leg(Venue.KRX, Side.BUY, 71_200)

CASES: dict[tuple[DenialReason, str], Callable[[], Made]] = {
    (DenialReason.DUPLICATE, "seen again"): duplicate,
    (DenialReason.CLOCK_SKEW, "from the future"): lambda: made(
        armed(), decided_at_ns=ms(d.NOW + CLOCK_SKEW_MS) + 1, expires_at_ns=ms(5_000)
    ),
    (DenialReason.EXPIRED, "over"): lambda: made(armed(), expires_at_ns=ms(d.NOW)),
    (DenialReason.EXPIRED, "claims to live longer than it may"): lambda: made(
        armed(), decided_at_ns=ms(d.NOW - INTENT_TTL_MS), expires_at_ns=ms(60_000)
    ),
    (DenialReason.LATCHED, "unplanned disconnect"): lambda: after(
        world.connection(ConnectionState.DISCONNECTED)
    ),
    (DenialReason.LATCHED, "reconciliation"): lambda: after(d.reconciled(1, "one share too many")),
    (DenialReason.TRADING_STATE, "never armed"): lambda: made(d.ready()),
    **{
        (DenialReason.TRADING_STATE, state.value): lambda state=state: after(ask(state))  # type: ignore[misc]
        for state in TradingState
        if not state.allows_entries
    },
    (DenialReason.NOT_READY, "planned disconnect"): lambda: after(
        world.connection(ConnectionState.DISCONNECTED, planned=True)
    ),
    (DenialReason.NOT_READY, "connected anew, not reconciled"): lambda: after(world.connection(epoch=2)),
    (DenialReason.NOT_READY, "account unknown"): lambda: without(account=None),
    (DenialReason.NOT_READY, "account of another date"): lambda: after(account(trading_date="2026-11-20")),
    (DenialReason.NOT_READY, "nothing in force"): lambda: without(reference=None),
    (DenialReason.NOT_READY, "facts unknown"): lambda: without(
        venue=armed().state.venue.model_copy(update={"facts": None})
    ),
    (DenialReason.NOT_READY, "a service is silent"): lambda: without(beats={}),
    (DenialReason.NOT_READY, "builds differ"): lambda: after(heartbeat("executor", build_id="b2")),
    (DenialReason.NOT_READY, "a service computes with other data"): lambda: after(
        heartbeat("gateway", reference_hash="old")
    ),
    (DenialReason.STALE_REFERENCE, "other hash"): lambda: made(armed(), reference_hash="old"),
    (DenialReason.STALE_REFERENCE, "other date"): lambda: made(armed(), trading_date="2026-11-20"),
    (DenialReason.WINDOW_CLOSED, "closed"): lambda: after(world.window(is_open=False)),
    (DenialReason.WINDOW_CLOSED, "over"): lambda: after(world.window(closes_at_ns=ms(d.NOW))),
    (DenialReason.WINDOW_CLOSED, "unknown"): lambda: without(
        venue=armed().state.venue.model_copy(update={"window": None})
    ),
    (DenialReason.WINDOW_CLOSED, "one venue pauses"): lambda: after(
        world.phase(Venue.NXT, SessionPhase.PAUSE)
    ),
    (DenialReason.SYMBOL_UNKNOWN, "not in the map"): lambda: after_unknown(),
    (DenialReason.NOT_ELIGIBLE, "off the list"): lambda: not_eligible(),
    (DenialReason.SYMBOL_HALTED, "VI on the buy venue"): lambda: after(vi(Venue.KRX)),
    (DenialReason.SYMBOL_HALTED, "VI on the sell venue"): lambda: after(vi(Venue.NXT)),
    (DenialReason.SYMBOL_PAUSED, "a foreign order"): lambda: after(foreign(Side.BUY, Venue.KRX)),
    (DenialReason.ORDER_WARNING, "dialog"): lambda: after(world.facts(order_warnings=(SAMSUNG,))),
    (DenialReason.PAIR_OPEN, "not closed"): lambda: another_pair_of(SAMSUNG),
    (DenialReason.REPEATED, "four in ten seconds"): lambda: after_pairs(4, trip=False),
    (DenialReason.TRIPS_SPENT, "one of one"): lambda: after_pairs(1, trip=True, max_trips_per_symbol=1),
    (DenialReason.OPEN_PAIRS, "one of one"): lambda: another_pair_of(HYNIX, max_open_pairs=1),
    (DenialReason.SELF_CROSS, "an own sell works on the buy venue"): working_sell,
    (DenialReason.SELF_CROSS, "an order by hand on the sell venue"): lambda: after(
        foreign(Side.BUY, Venue.NXT), resumed()
    ),
    (DenialReason.STALE_QUOTE, "no book"): lambda: without(books={}),
    (DenialReason.STALE_QUOTE, "old"): lambda: at(1_100),
    (DenialReason.STALE_QUOTE, "of another connection"): lambda: after(
        world.connection(epoch=2), d.reconciled(2)
    ),
    (DenialReason.STALE_QUOTE, "feed dead"): lambda: after(world.feed(Venue.NXT, alive=False)),
    (DenialReason.QUOTE_SKEW, "apart in time"): lambda: sell_book(70_500, at_ms=1_800),
    (DenialReason.EDGE_GONE, "bid fell"): lambda: sell_book(70_100),
    (DenialReason.EDGE_GONE, "pays its costs but not the buffer"): lambda: after(buffer_bps=60),
    (DenialReason.EDGE_GONE, "depth is gone"): lambda: sell_book(70_500, qty=2),
    (DenialReason.CROSS_AGE, "in risk's own books"): lambda: under({"min_cross_ms": 11}, cross_age_ms=400),
    (DenialReason.CROSS_AGE, "as the intent says"): lambda: under({"min_cross_ms": 10}, cross_age_ms=9),
    (DenialReason.MOVED_LAST, "risk saw no ask move"): lambda: under(DEAR_BID, moved_last=MovedLast.ASK),
    (DenialReason.EDGE_GONE, "by the side of the intent"): lambda: under(DEAR_BID, moved_last=MovedLast.BID),
    (DenialReason.SANITY_CEILING, "too good"): lambda: sell_book(80_000),
    (DenialReason.COLLAR, "above the band"): lambda: after(
        world.facts(bands={SAMSUNG: BAND})
    ),
    (DenialReason.COLLAR, "no band"): lambda: after(world.facts(bands={})),
    (DenialReason.COLLAR, "too far from the book"): lambda: made(armed(), side_a=FAR),
    (DenialReason.COLLAR, "off tick"): lambda: made(
        armed(), side_a=leg(Venue.KRX, Side.BUY, 70_050)
    ),
    (DenialReason.COLLAR, "both legs buy"): lambda: made(
        armed(), side_b=leg(Venue.NXT, Side.BUY, 70_500)
    ),
    (DenialReason.ORDER_SIZE, "more than a pair may be"): lambda: made(armed(), qty_shares=6),
    (DenialReason.ORDER_SIZE, "one share too dear"): lambda: made(armed(world.limits(max_order_krw=60_000))),
    (DenialReason.EXPOSURE_SYMBOL, "one pair too large"): lambda: made(
        armed(world.limits(max_exposure_symbol_krw=349_999, max_order_krw=100_000))
    ),
    (DenialReason.EXPOSURE_TOTAL, "two pairs too large"): lambda: another_pair_of(
        HYNIX, max_exposure_total_krw=699_999, max_exposure_symbol_krw=400_000, max_order_krw=100_000
    ),
    (DenialReason.UNHEDGED, "one clip too large"): lambda: made(
        armed(world.limits(max_unhedged_krw=349_999, clip_shares=5))
    ),
    (DenialReason.UNHEDGED, "with the clip of an open pair"): lambda: another_pair_of(
        HYNIX, max_unhedged_krw=699_999, clip_shares=5
    ),
    (DenialReason.UNHEDGED, "with what is held"): lambda: holding_hynix(max_unhedged_krw=419_999),
    (DenialReason.ORDERS_SPENT, "ten of ten"): lambda: after_orders(10),
    (DenialReason.CASH, "not enough"): lambda: after(account(350_051)),
    (DenialReason.CASH, "reserved by an open pair"): lambda: with_cash(700_103),
    (DenialReason.LOSS_LIMIT, "realised"): lambda: after_loss(marked=False),
    (DenialReason.LOSS_LIMIT, "marked"): lambda: after_loss(marked=True),
    (DenialReason.LOSS_LIMIT, "held without a bid"): held_without_bid,
}  # fmt: skip


LATER = {(DenialReason.STALE_QUOTE, "old"): 1_100, (DenialReason.QUOTE_SKEW, "apart in time"): 1_800}
"""When the cases of age are asked, ms of the morning."""


def under(row: dict[str, Any], **changes: Any) -> Made:
    """A desk with another default row of the threshold table. Its cross stands since 0 ms."""
    desk, table = armed(), ThresholdTable(default=world.AT_ONCE.default.model_copy(update=row))
    asks = (ask(TradingState.DISARMED), d.files(threshold=table), ask(TradingState.ARMED))
    desk.tell(*asks)
    return made(desk, **changes)


def after_unknown() -> Made:
    """The broker lists it, the desk's map does not."""
    stranger = Symbol("105560")
    desk = armed()
    desk.tell(world.facts(symbols=(SAMSUNG, stranger)))
    return made(desk, symbol=stranger)


def not_eligible() -> Made:
    desk = armed()
    desk.tell(world.facts(symbols=(HYNIX, OTHER_GROUP)))
    return made(desk)


def holding_hynix(**limits: int) -> Made:
    """A pair of one-share clips that holds all five."""
    desk, asked = another_pair_of(HYNIX, clip_shares=1, **limits)
    (pair_id,) = desk.state.pairs
    desk.tell(filled(facts(pair_id, Side.BUY, 5, 350_000, symbol=HYNIX)))
    return desk, asked


def after_orders(count: int) -> Made:
    """So many orders of pairs that are closed."""
    desk = armed(world.limits(max_orders_per_day=10))
    pair = desk.answer(intent(desk, name="earlier"))
    assert isinstance(pair, PairApproved)
    dead = facts(pair.pair_id, Side.BUY, 5, 0, cum_qty_shares=0)
    for number in range(count):
        desk.tell(filled(dead.model_copy(update={"order_id": f"{pair.pair_id}.1.b.{number}"})))
    desk.tell(closed(pair.pair_id, trip=False))
    return made(desk)


def with_cash(orderable_krw: int) -> Made:
    desk = armed()
    desk.tell(*world.crossing(HYNIX), account(orderable_krw), at_ms=0)
    assert isinstance(desk.answer(intent(desk, name="other", symbol=HYNIX)), PairApproved)
    return made(desk)


@pytest.mark.parametrize(("reason", "case"), CASES.keys(), ids=[f"{r}: {c}" for r, c in CASES])
def test_each_reason_is_given_for_its_own_cause(reason: DenialReason, case: str) -> None:
    desk, asked = CASES[reason, case]()
    verdict = desk.answer(asked, at_ms=LATER.get((reason, case), d.NOW))
    assert isinstance(verdict, PairDenied), verdict
    assert verdict.reason is reason, verdict
    assert verdict.detail


def test_every_reason_has_a_check_and_a_test() -> None:
    assert {reason for reason, _ in CASES} == set(DenialReason)
    assert sorted(reason for reason, _ in CHECKS) == sorted(DenialReason)


def test_an_approval_reserves_both_legs_at_the_prices_of_the_intent() -> None:
    desk = armed(world.limits(clip_shares=2))
    asked = intent(desk)
    pair = desk.answer(asked)
    assert isinstance(pair, PairApproved)
    assert pair.pair_id == pair_id_of(asked.intent_id)
    assert (pair.buy_venue, pair.sell_venue) == (Venue.KRX, Venue.NXT)
    assert (pair.buy_limit_krw, pair.sell_limit_krw) == (70_000, 70_500)
    assert (pair.qty_shares, pair.clip_shares) == (5, 2)
    assert pair.expires_at_ns == ms(d.NOW + APPROVAL_TTL_MS)
    assert pair.reference_hash == asked.reference_hash


def test_an_approval_goes_by_risks_own_books_where_they_came_down() -> None:
    desk = armed()
    asked = intent(
        desk, side_a=d.leg(Venue.KRX, Side.BUY, 70_900), side_b=d.leg(Venue.NXT, Side.SELL, 71_400)
    )
    desk.tell(world.quote(Venue.KRX, 69_900, 70_000), world.quote(Venue.NXT, 70_500, 70_600))
    pair = desk.answer(asked)
    assert isinstance(pair, PairApproved)
    assert (pair.buy_limit_krw, pair.sell_limit_krw) == (70_000, 70_500)


def test_an_approval_pays_no_more_than_was_asked_where_the_books_went_up() -> None:
    desk = armed()
    asked = intent(desk)
    desk.tell(world.quote(Venue.KRX, 70_000, 70_100), world.quote(Venue.NXT, 70_700, 70_800))
    pair = desk.answer(asked)
    assert isinstance(pair, PairApproved)
    assert (pair.buy_limit_krw, pair.sell_limit_krw) == (70_000, 70_500)


def test_a_clip_is_never_worth_more_than_one_order_may_be() -> None:
    desk = armed(world.limits(clip_shares=5, max_order_krw=150_000))
    pair = desk.answer(intent(desk))
    assert isinstance(pair, PairApproved) and pair.clip_shares == 2


def test_a_clock_apart_by_no_more_than_is_tolerated_is_no_skew() -> None:
    desk = armed()
    ahead = intent(desk, decided_at_ns=ms(d.NOW + CLOCK_SKEW_MS), expires_at_ns=ms(5_000))
    assert isinstance(desk.answer(ahead), PairApproved)


def test_a_loss_denies_at_its_limit_and_not_one_won_below() -> None:
    desk = armed(world.limits(max_daily_loss_krw=30_052))
    desk.tell(*world.crossing(HYNIX), at_ms=0)
    pair = desk.answer(intent(desk, name="other", symbol=HYNIX))
    assert isinstance(pair, PairApproved)
    sold = facts(pair.pair_id, Side.SELL, 5, 320_001, symbol=HYNIX, commission_krw=0, tax_krw=0)
    desk.tell(filled(facts(pair.pair_id, Side.BUY, 5, 350_000, symbol=HYNIX)))
    lost = sold.model_copy(update={"cum_amount_krw": 320_000})
    below, at_limit = Desk(desk.state), Desk(desk.state)
    below.tell(filled(sold))
    assert isinstance(below.answer(intent(below)), PairApproved)
    at_limit.tell(filled(lost))
    verdict = at_limit.answer(intent(at_limit))
    assert isinstance(verdict, PairDenied) and verdict.reason is DenialReason.LOSS_LIMIT


def test_exactly_the_cash_that_is_needed_is_enough() -> None:
    desk = armed()
    desk.tell(account(350_052))
    assert isinstance(desk.answer(intent(desk)), PairApproved)


def test_an_attempt_that_filled_nothing_costs_no_trip() -> None:
    desk, asked = after_pairs(1, trip=False, max_trips_per_symbol=1)
    assert isinstance(desk.answer(asked), PairApproved)


def test_pairs_repeated_long_ago_do_not_count() -> None:
    desk, _ = after_pairs(4, trip=False)
    later = 10_011
    desk.tell(*world.crossing(), *(heartbeat(s) for s in (*d.REQUIRED, "risk")), at_ms=later)
    assert isinstance(desk.answer(intent(desk, at_ms=later, name="late"), at_ms=later), PairApproved)


def test_a_stranded_pair_owes_the_order_budget_nothing_once_its_latch_is_lifted() -> None:
    desk, asked = another_pair_of(HYNIX, max_open_pairs=1)
    (other,) = desk.state.pairs
    desk.tell(residual(HYNIX, other))
    assert desk.state.trading.latched == (Latch.RESIDUAL_STRANDED,)
    assert desk.state.trading.state is TradingState.REDUCE_ONLY
    desk.tell(LatchClearRequested(latch=Latch.RESIDUAL_STRANDED, by="kim", reason="will sell it"))
    desk.tell(ask(TradingState.ARMED))
    assert isinstance(desk.answer(asked), PairApproved)


def test_verdicts_are_counted_by_reason() -> None:
    desk = armed()
    desk.answer(intent(desk))
    desk.answer(intent(desk, name="second"))
    assert (desk.state.day.intents, desk.state.day.approvals) == (2, 1)
    assert desk.state.day.denials == {"pair_open": 1}
