"""A cross that was certain to pay and that nobody tried: what makes it one, and what excuses the desk."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from services.contracts.envelope import Envelope, Message
from services.contracts.limits import NS_PER_MS, NS_PER_S
from services.contracts.messages.control import StopRequested, TradingStateChanged
from services.contracts.messages.orders import ForeignOrderSeen
from services.contracts.messages.pairs import PairApproved, PairDenied, ResidualOpened
from services.contracts.reasons import DenialReason
from services.contracts.terms import Side, Symbol, TradingDate, TradingState, Venue
from services.contracts.trading_limits import BufferRule, TradingLimits
from services.lab.broker_books import BrokerArrival, BrokerBooks, CrossPoint, StandingCross
from services.lab.invariants import no_cross_is_missed, something_was_traded
from services.lab.record import Record

DATE, CODE = TradingDate("2026-11-23"), Symbol("005930")
MS = NS_PER_MS
T0 = 100 * NS_PER_S
"""When the cross begins: 70,000 asked on KRX, 70,500 bid on NXT, which leaves 339 won a share."""
POINT = CrossPoint(at_ns=T0, ask_krw=70_000, ask_shares=10, bid_krw=70_500, bid_shares=10, stalest_ns=T0)
BOOKS: dict[str, Any] = {
    "start_cash_krw": 0, "cash_krw": 0, "commission_krw": 0, "tax_krw": 0, "start_holdings": {},
    "holdings": {}, "orders_admitted": 0, "orders_refused": 0, "max_orders_per_s": 0, "queries_admitted": 0,
    "queries_refused": 0, "max_queries_per_s": 0, "markets": {CODE: "KOSPI"},
    "base_prices_krw": {CODE: 70_000},
}  # fmt: skip


def books(points: Sequence[CrossPoint] = (POINT,), lasts_ms: int = 600, **changes: Any) -> BrokerBooks:
    cross = StandingCross(code=CODE, buy_venue=Venue.KRX, until_ns=T0 + lasts_ms * MS, points=tuple(points))
    return BrokerBooks(**{**BOOKS, "crosses": (cross,), **changes})


def said(*messages: tuple[int, Message]) -> dict[str, Envelope]:
    """Messages with the time at which each was made, after the desk was armed."""
    armed = TradingStateChanged(
        state=TradingState.ARMED, previous=TradingState.DISARMED, by="kim", reason="", latches=()
    )
    made = [
        Envelope.wrap(message, source="x", now_ns=at_ns, causation_id=str(number))
        for number, (at_ns, message) in enumerate(((T0 - 10 * NS_PER_S, armed), *messages))
    ]
    return {envelope.id: envelope for envelope in made}


def record(broker: BrokerBooks | None = None, *messages: tuple[int, Message], **changes: Any) -> Record:
    span = ((T0 - 20 * NS_PER_S, T0 + 20 * NS_PER_S),)
    kept = said(*messages)
    day = Record(
        trading_date=DATE, limits=TradingLimits(buffer_rule=BufferRule.MAX_OF_COST_PLUS_BP_AND_TICK),
        said=kept, kept=kept, books=broker or books(), calm_ns=span, windows_ns=span, slowest_ns=500 * MS,
    )  # fmt: skip
    return replace(day, **changes)


def missed(*args: Any, **changes: Any) -> bool:
    return bool(no_cross_is_missed(record(*args, **changes)))


def test_a_cross_that_stood_and_paid_is_missed() -> None:
    (breach,) = no_cross_is_missed(record())
    assert (breach.code, breach.at_ns) == ("I16", T0)


@pytest.mark.parametrize(
    "changes",
    [
        {"ask_krw": 70_400},
        {"ask_shares": 0},
        {"bid_krw": 74_000},
        {"stalest_ns": T0 - NS_PER_S},
    ],
    ids=["pays too little", "shows nothing", "too good to be true", "one book is old"],
)
def test_a_cross_that_may_not_be_traded_is_not_missed(changes: dict[str, int]) -> None:
    assert not missed(books((POINT.model_copy(update=changes),)))


def test_a_cross_that_ends_before_orders_could_fill_is_not_missed() -> None:
    assert not missed(books(lasts_ms=500))
    assert missed(books(lasts_ms=501))


def test_time_counts_anew_where_the_cross_paid_nothing_in_between() -> None:
    poor = POINT.model_copy(update={"at_ns": T0 + 300 * MS, "ask_krw": 70_400})
    again = POINT.model_copy(update={"at_ns": T0 + 400 * MS, "stalest_ns": T0 + 400 * MS})
    assert not missed(books((POINT, poor, again), lasts_ms=800))
    assert missed(books((POINT, poor, again), lasts_ms=1_000))


@pytest.mark.parametrize("what", ["calm_ns", "windows_ns"])
def test_nothing_is_missed_outside_the_calm_and_the_windows(what: str) -> None:
    assert not missed(**{what: ((T0 + MS, T0 + 20 * NS_PER_S),)})


APPROVED = PairApproved(
    pair_id="P1", intent_id="I1", symbol=Symbol("000660"), trading_date=DATE, buy_venue=Venue.KRX,
    sell_venue=Venue.NXT, qty_shares=1, clip_shares=1, buy_limit_krw=1, sell_limit_krw=1, approved_at_ns=1,
    expires_at_ns=2, reference_hash="",
)  # fmt: skip
RESIDUAL = ResidualOpened(pair_id="P1", symbol=CODE, qty_shares=1, cost_krw=1, opened_at_ns=1, reason="")
FOREIGN = ForeignOrderSeen(
    broker_order_no="1", symbol=CODE, venue=Venue.KRX, side=Side.BUY, qty_shares=1, cum_qty_shares=0,
    cum_amount_krw=0, closed=False, trading_date=DATE,
)  # fmt: skip
STOP = StopRequested(target=TradingState.PAUSE_ENTRY, by="kim", reason="lunch")


def denied(reason: DenialReason) -> PairDenied:
    return PairDenied(intent_id="I1", symbol=CODE, reason=reason, detail="", decided_at_ns=1)


@pytest.mark.parametrize(
    ("at_ns", "message"),
    [
        (T0 - NS_PER_S, STOP),
        (T0 - NS_PER_S, APPROVED),
        (T0 - NS_PER_S, RESIDUAL),
        (T0 - 9 * NS_PER_S, FOREIGN),
        (T0 + 50 * MS, denied(DenialReason.EDGE_GONE)),
    ],
    ids=["stopped", "another pair is open", "liquidated before", "a person's order", "the edge was gone"],
)
def test_what_may_rightly_keep_the_desk_excuses_it(at_ns: int, message: Message) -> None:
    assert not missed(None, (at_ns, message))


def test_a_denial_for_a_limit_that_does_not_bind_excuses_nothing() -> None:
    assert missed(None, (T0 + 50 * MS, denied(DenialReason.EXPOSURE_TOTAL)))


def test_an_entry_of_the_symbol_is_a_try_and_a_sell_is_none() -> None:
    buy = BrokerArrival(
        rqname="P1.1.b.1", order_no="1", by_hand=False, order_type=1, code=CODE, received_ns=T0 + 100 * MS
    )
    assert not missed(books(arrivals=(buy,)))
    assert missed(books(arrivals=(buy.model_copy(update={"order_type": 22}),)))
    assert missed(books(arrivals=(buy.model_copy(update={"code": "000660"}),)))


def test_many_orders_of_the_last_second_leave_no_room() -> None:
    one = BrokerArrival(
        rqname="P1.1.s.1", order_no="1", by_hand=False, order_type=22, code="000660", received_ns=T0
    )
    assert missed(books(arrivals=(one,) * 2))
    assert not missed(books(arrivals=(one,) * 3))


@pytest.mark.parametrize(("broker", "found"), [(books(), True), (books(crosses=()), False)])
def test_a_day_that_was_to_trade_has_to(broker: BrokerBooks, found: bool) -> None:
    assert bool(something_was_traded(record(broker, trades_expected=True))) is found
    assert not something_was_traded(record(broker))
