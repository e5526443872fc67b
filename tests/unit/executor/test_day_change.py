"""An order whose end was never told, when its day is over: it works no more, a person says what it did."""

import pytest

from services.contracts.limits import NS_PER_S
from services.contracts.messages import orders as o
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.commands import PlaceOrder
from services.contracts.messages.control import ResidualClaimed
from services.contracts.messages.pairs import PairClosed, PairOutcome, ResidualMarked, StrandReason
from services.contracts.reasons import GateReason
from services.contracts.terms import SessionPhase, Severity, TradingState, Venue
from services.executor.phases import OrderLife, PairPhase

from .desk import BID, DATE, SYMBOL, Desk, ask_flatten, fail_rungs, holding

MORROW = "2026-11-24"


@pytest.fixture
def desk() -> Desk:
    """A desk that has bought five shares at 100,000, and lost the spread."""
    return holding()


def next_day(desk: Desk) -> None:
    """The evening passes, and the gateway begins another date."""
    for venue in Venue:
        desk.phase(venue, SessionPhase.CLOSED)
    desk.now_ns += 8 * 3_600 * NS_PER_S
    desk.trading(TradingState.DISARMED)
    for venue in Venue:
        desk.phase(venue, SessionPhase.CLOSED, MORROW)
    desk.tick(100)


def claim(desk: Desk, qty: int, amount: int) -> None:
    desk.hear(ResidualClaimed(pair_id="P1", qty_shares=qty, amount_krw=amount, by="kim", reason="sold"))


@pytest.mark.parametrize("known", ["sent", "accepted", "unknown", "part_filled"])
def test_a_sell_that_outlived_its_day_is_a_persons_to_settle(desk: Desk, known: str) -> None:
    sell = desk.flattens[0]
    tell(desk, sell, known)
    next_day(desk)
    marked = desk.last(ResidualMarked)
    assert marked.reason is StrandReason.AMBIGUOUS and DATE in marked.detail
    desk.hear(o.OrderUnknown(facts=desk.facts(sell), reason="that day never saw its end"))
    desk.tick(60_000)
    assert desk.pair.phase is PairPhase.STRANDED
    claim(desk, qty=5, amount=495_000)
    assert desk.last(PairClosed).outcome is PairOutcome.CLAIMED and not desk.state.pairs
    raised = {a.alert_id for a in desk.all(AlertRaised) if a.severity is not Severity.INFO}
    assert raised and raised == {a.alert_id for a in desk.all(AlertRaised) if a.resolved}


def tell(desk: Desk, command: PlaceOrder, known: str) -> None:
    if known == "sent":
        desk.hear(o.OrderSent(facts=desk.facts(command)))
    elif known == "accepted":
        desk.accept(command)
    elif known == "unknown":
        desk.unknown(command)
    else:
        desk.part_fill(command, 2)


def test_a_buy_that_outlived_its_day_and_holds_nothing_is_claimed_with_no_share() -> None:
    desk = Desk().open_day()
    desk.approve()
    desk.unknown(desk.orders[0])
    next_day(desk)
    assert desk.last(ResidualMarked).reason is StrandReason.AMBIGUOUS
    claim(desk, qty=0, amount=0)
    assert desk.last(PairClosed).realised_pnl_krw == 0


def test_what_is_told_of_it_after_all_settles_it(desk: Desk) -> None:
    sell = desk.flattens[0]
    desk.unknown(sell)
    next_day(desk)
    desk.fill(sell)
    assert desk.last(PairClosed).outcome is PairOutcome.FLAT


def test_a_command_that_the_gateway_never_saw_is_denied_the_next_day_too(desk: Desk) -> None:
    """The gateway knows the log of the date before: it says whether the command was ever sent."""
    sell = desk.flattens[0]
    next_day(desk)
    assert desk.pair.order(sell.order_id).life is OrderLife.SILENT  # type: ignore[union-attr]
    assert not desk.all(ResidualMarked)
    desk.hear(o.CommandDenied(
        order_id=sell.order_id, pair_id="P1", symbol=SYMBOL, reason=GateReason.EXPIRED, detail="",
    ))  # fmt: skip
    assert desk.last(ResidualMarked).reason is StrandReason.AFTER_HOURS


def test_a_retry_on_another_day_cancels_in_the_log_of_that_day(desk: Desk) -> None:
    fail_rungs(desk, desk.limits.flatten_attempts)
    next_day(desk)
    desk.facts_of_day(MORROW)
    for venue in Venue:
        desk.phase(venue, SessionPhase.CONTINUOUS, MORROW)
        desk.book(venue, BID, BID + 100)
    ask_flatten(desk)
    desk.hear(
        o.OrderAccepted(facts=desk.facts(desk.flattens[-1]).model_copy(update={"trading_date": MORROW}))
    )
    desk.tick(3_000)
    assert desk.cancels[-1].target_order_id == desk.flattens[-1].order_id
    assert desk.cancels[-1].trading_date == MORROW
