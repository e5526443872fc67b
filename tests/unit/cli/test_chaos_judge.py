"""A judge that cannot find a broken rule is worth nothing: each rule is broken in a world of its own."""

from collections.abc import Sequence

import pytest

from services.cli.chaos_judge import DayVerdict, judge
from services.contracts.envelope import Envelope, Message
from services.contracts.messages.alerts import AlertKind, AlertRaised
from services.contracts.messages.control import LatchSet, ResidualClaimed
from services.contracts.messages.dead import EntryBuried
from services.contracts.messages.orders import (
    OrderClosed,
    OrderUnknown,
    ReconciliationCompleted,
)
from services.contracts.messages.pairs import PairOutcome, ResidualMarked, StrandReason
from services.contracts.terms import Latch, Severity, Side
from services.lab.broker_books import BrokerArrival, BrokerBooks, BrokerFill
from services.lab.invariants import breaches
from services.lab.record import Record
from tests.unit.cli.builders import (
    BOUGHT,
    BUY,
    DATE,
    SAMSUNG,
    SELL,
    SOLD,
    START_KRW,
    UNFILLED,
    approved,
    closed,
    envelope,
    facts,
    fill,
    order,
    truth,
)  # fmt: skip

APPROVED = approved()
BUY_FILL, SELL_FILL = fill(Side.BUY, BUY, 70_000), fill(Side.SELL, SELL, 70_300)
CLOSED = closed()
DAY: tuple[Message, ...] = (APPROVED, BUY_FILL, SELL_FILL, CLOSED)


def verdict(books: BrokerBooks, *messages: Message) -> DayVerdict:
    return judged(books, [envelope(message) for message in messages or DAY])


def judged(books: BrokerBooks, messages: Sequence[Envelope], risk_krw: int | None = None) -> DayVerdict:
    kept = {message.id: message for message in messages}
    return judge(Record(said=kept, kept=kept, books=books, healed_in_time=True), risk_krw)


def only(found: DayVerdict) -> str:
    """The one violation there is."""
    (words,) = found.violations
    return words


def test_a_day_on_which_all_agrees_is_clean() -> None:
    found = verdict(truth())
    assert found.violations == ()
    assert (found.pairs_closed, found.trips, found.doubled_orders, found.lost_fills) == (1, 1, 0, 0)
    assert found.realised_pnl_krw == found.account_cash_change_krw == 140
    assert (found.net_position_shares, found.neutral_ms, found.uncovered_krw_ms) == (0, (120,), 8_400_000)


def test_an_order_that_arrived_twice_is_found_even_if_the_broker_refused_it_once() -> None:
    arrivals = tuple(BrokerArrival(rqname=name, order_no=no, by_hand=False)
                     for name, no in ((BUY, ""), (BUY, "0000001"), (SELL, "0000002")))  # fmt: skip
    found = verdict(truth(arrivals=arrivals))
    assert found.doubled_orders == 1
    assert only(found) == f"order {BUY} arrived 2 times at the broker"


def test_orders_placed_by_hand_share_an_empty_id_and_are_not_doubled() -> None:
    by_hand = BrokerArrival(rqname="", order_no="0000009", by_hand=True)
    arrivals = (*truth().arrivals, by_hand, by_hand)
    assert verdict(truth(arrivals=arrivals)).doubled_orders == 0


def test_a_fill_that_no_fact_tells_is_lost() -> None:
    found = verdict(truth(), APPROVED, BUY_FILL, CLOSED)
    assert found.lost_fills == 1
    assert f"1 fills of {SELL} are in no book of ours" in found.violations


def test_a_fill_that_its_closed_pair_leaves_out_is_lost() -> None:
    second = order("P1.1.s.2", Side.SELL, 70_300, 3)
    more = order("P1.1.b.2", Side.BUY, 70_000, 2, order_no="0000007")
    told = (fill(Side.BUY, "P1.1.b.2", 70_000), fill(Side.SELL, "P1.1.s.2", 70_300))
    found = verdict(truth(BOUGHT, more, SOLD, second), *DAY[:-1], *told, CLOSED)
    assert found.lost_fills == 2
    assert any("closed with 1 bought shares, the broker has 2" in words for words in found.violations)
    assert any("pair P1 says +140 KRW" in words for words in found.violations)


def test_a_fill_that_we_invented_is_found() -> None:
    ghost = fill(Side.SELL, "P1.1.s.2", 70_300)
    assert "we say 1 filled of P1.1.s.2, the broker 0" in verdict(truth(), *DAY, ghost).violations


def test_a_wrong_amount_is_found() -> None:
    found = verdict(truth(), APPROVED, BUY_FILL, fill(Side.SELL, SELL, 70_200), CLOSED)
    assert f"we say {SELL} filled for 70200 KRW, the broker 70300" in found.violations


def test_a_pair_that_bought_more_than_was_approved_is_found_although_its_books_agree() -> None:
    fills = {krw: (BrokerFill(qty_shares=4, price_krw=krw // 4, ts_ns=1),) for krw in (280_000, 281_200)}
    bought = order(BUY, Side.BUY, 280_000, 1, qty_shares=4, filled_shares=4, fills=fills[280_000])
    sold = order(SELL, Side.SELL, 281_200, 2, qty_shares=4, filled_shares=4, fills=fills[281_200])
    told = (fill(Side.BUY, BUY, 280_000, cum_qty_shares=4), fill(Side.SELL, SELL, 281_200, cum_qty_shares=4))
    four = closed(
        bought_shares=4, bought_krw=280_000, sold_shares=4, sold_krw=281_200, realised_pnl_krw=1_040
    )
    assert set(verdict(truth(bought, sold), APPROVED, *told, four).violations) == {
        "pair P1 bought 4 shares, approved were 3",
        "clip P1.1 bought 4 shares, and a clip of its pair has 1",
    }


def test_a_won_in_the_books_of_risk_is_found() -> None:
    messages = [envelope(message) for message in DAY]
    assert judged(truth(), messages, 140).violations == ()
    assert only(judged(truth(), messages, 141)) == "risk says +141 KRW, the account +140 KRW"


def test_money_that_differs_by_one_won_is_found() -> None:
    found = verdict(truth(cash_krw=START_KRW + 141))
    assert only(found) == "money differs: the account has +1 KRW beyond what orders left"


def test_a_pair_closed_with_other_costs_than_the_brokers_is_found() -> None:
    found = verdict(truth(), *DAY[:-1], closed(commission_krw=10, realised_pnl_krw=150))
    said = "pair P1 says (10, 140) KRW of commission and tax, the account says (20, 140)"
    assert said in found.violations


def test_a_pair_closed_twice_is_found_and_counted_once() -> None:
    found = verdict(truth(), *DAY, closed(neutral_ms=121))
    assert only(found) == "pair P1 was closed 2 times"
    assert (found.pairs_closed, found.realised_pnl_krw) == (1, 140)


def test_a_pair_that_a_late_fill_opened_again_is_judged_by_its_last_closing() -> None:
    found = verdict(truth(), *DAY[:-1], closed(trip=False, realised_pnl_krw=0), closed(closings=2))
    assert found.violations == ()
    assert (found.pairs_closed, found.realised_pnl_krw) == (1, 140)


def test_one_message_read_twice_is_one_message() -> None:
    once = envelope(CLOSED)
    messages = [*(envelope(message) for message in DAY[:-1]), once]
    assert judged(truth(), messages).violations == ()


def test_a_pair_that_never_closed_is_found_with_what_it_holds() -> None:
    found = verdict(truth(BOUGHT), APPROVED, BUY_FILL)
    assert "pair P1 is still open" in found.violations
    assert "pair P1 filled 1 shares at the broker and was never closed; it holds 1" in found.violations
    assert found.net_position_shares == 1


def test_a_pair_that_nobody_approved_any_more_but_the_broker_filled_is_found() -> None:
    found = verdict(truth(), BUY_FILL, SELL_FILL)
    assert "pair P1 filled 2 shares at the broker and was never closed; it holds 0" in found.violations


def test_more_sold_than_bought_is_found() -> None:
    again = order("P1.1.s.2", Side.SELL, 70_300, 3)
    told = fill(Side.SELL, "P1.1.s.2", 70_300)
    twice = closed(sold_shares=2, sold_krw=140_600, commission_krw=30, tax_krw=280, realised_pnl_krw=70_290)
    found = verdict(truth(BOUGHT, SOLD, again), *DAY[:-1], told, twice)
    assert "pair P1 sold 2 and bought 1" in found.violations
    assert "pair P1 sold 2 of 1 bought" in found.violations
    assert "pair P1 was closed and holds -1 shares" in found.violations


def test_a_sale_before_its_purchase_is_found_although_it_ends_flat() -> None:
    early = order(SELL, Side.SELL, 70_300, 0)
    assert only(verdict(truth(BOUGHT, early))) == "pair P1 sold 1 of 0 bought"


MARKED = ResidualMarked(
    pair_id="P1", symbol=SAMSUNG, qty_shares=1, cost_krw=70_000, reason=StrandReason.LOSS_BOUND, detail="low"
)
ALARM = AlertRaised(
    alert_id="stranded-P1", kind=AlertKind.STRANDED, severity=Severity.CRITICAL, title="held", detail="",
    next_step="Sell it.", pair_id="P1",
)  # fmt: skip


LEFT = "pair P1 is left stranded with 1 shares of 005930"


def test_a_named_and_alarmed_stranded_position_is_the_one_thing_that_is_left() -> None:
    found = verdict(truth(BOUGHT), APPROVED, BUY_FILL, MARKED, ALARM)
    assert only(found) == LEFT
    assert (found.stranded, found.strandings, found.net_position_shares) == (("P1",), 1, 1)


def test_a_stranded_position_that_nobody_was_told_of_is_found() -> None:
    found = verdict(truth(BOUGHT), APPROVED, BUY_FILL, MARKED)
    assert set(found.violations) == {LEFT, "the stranded position of P1 was never alarmed"}


def test_a_stranded_position_of_another_size_than_is_held_is_found() -> None:
    marked = MARKED.model_copy(update={"qty_shares": 2})
    found = verdict(truth(BOUGHT), APPROVED, BUY_FILL, marked, ALARM)
    assert "pair P1 is named with 2 shares and holds 1" in found.violations


def test_a_stranded_position_that_was_sold_later_is_not_listed() -> None:
    found = verdict(truth(), APPROVED, BUY_FILL, MARKED, ALARM, SELL_FILL, CLOSED)
    assert found.violations == ()
    assert (found.stranded, found.strandings) == ((), 1)


def test_a_claimed_pair_leaves_out_of_the_account_what_a_person_sold_by_hand() -> None:
    by_hand = order("", Side.SELL, 70_000, 4, by_hand=True)
    claim = closed(
        outcome=PairOutcome.CLAIMED, sold_shares=0, sold_krw=0, commission_krw=10, tax_krw=0,
        realised_pnl_krw=-160,
    )  # fmt: skip
    said = ResidualClaimed(pair_id="P1", qty_shares=1, amount_krw=69_850, by="kim", reason="sold by hand")
    assert verdict(truth(BOUGHT, by_hand), APPROVED, BUY_FILL, said, claim).violations == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"orders_refused": 1}, "the broker refused 1 orders for their rate"),
        ({"queries_refused": 2}, "the broker refused 2 queries for their rate"),
        ({"max_orders_per_s": 6}, "6 orders in one second"),
        ({"max_queries_per_s": 6}, "6 queries in one second"),
        ({"self_trades": 1}, "own orders met 1 times on one venue"),
    ],
)
def test_conduct_at_the_broker_is_judged(changes: dict[str, int], words: str) -> None:
    assert only(verdict(truth(**changes))) == words


@pytest.mark.parametrize("still", ["", None])
def test_an_order_left_working_is_found(still: str | None) -> None:
    resting = order("P1.1.b.2", Side.BUY, 0, 3, **{**UNFILLED, "closed": still})
    assert only(verdict(truth(BOUGHT, SOLD, resting))) == "order 0000003 (P1.1.b.2) still works at the broker"


def test_a_cancel_is_no_order_that_works() -> None:
    cancel = order("P1.1.b.1.x1", Side.BUY, 0, 3, **{**UNFILLED, "action": "cancel", "closed": ""})
    assert verdict(truth(BOUGHT, SOLD, cancel)).violations == ()


def test_buried_entries_and_differing_books_are_violations() -> None:
    buried = EntryBuried(stream_key="s", entry_id="1-0", service="risk", reason="bad", tries=3, text="")
    differing = ReconciliationCompleted(trading_date=DATE, connection_epoch=1, differences=("1 share",))
    agreeing = ReconciliationCompleted(trading_date=DATE, connection_epoch=1, differences=())
    found = verdict(truth(), *DAY, buried, differing, agreeing)
    assert set(found.violations) == {"risk could not handle s: bad", "books differed: 1 share"}


def test_facts_merge_by_maximum_whatever_their_order() -> None:
    late = OrderClosed(facts=facts(Side.SELL, SELL), reason="by_query")
    assert verdict(truth(), *DAY, late).violations == ()


def test_latches_and_unknown_orders_are_counted() -> None:
    latch = LatchSet(latch=Latch.UNPLANNED_DISCONNECT, detail="cut")
    unknown = OrderUnknown(facts=facts(Side.BUY, BUY), reason="no answer")
    found = verdict(truth(), *DAY, latch, unknown, unknown)
    assert (found.latches, found.orders_unknown) == ({"unplanned_disconnect": 1}, 1)
    assert only(found) == f"order {BUY} is still unknown"


def test_a_won_moved_from_one_pair_to_another_is_found() -> None:
    second = (order("P2.1.b.1", Side.BUY, 70_000, 3), order("P2.1.s.1", Side.SELL, 70_300, 4))
    told = [fill(one.side, one.rqname, one.amount_krw, pair_id="P2") for one in second]
    ends = closed(realised_pnl_krw=1_140), closed("P2", realised_pnl_krw=-860)
    found = verdict(truth(BOUGHT, SOLD, *second), *DAY[:-1], approved("P2"), *told, *ends)
    assert {
        "pair P1 says +1,140 KRW, the account says +140",
        "pair P2 says -860 KRW, the account says +140",
    } <= set(found.violations)


def test_a_second_purchase_of_one_clip_is_found_below_what_the_pair_may_buy() -> None:
    more = order("P1.1.b.2", Side.BUY, 70_000, 1, order_no="0000008"), order("P1.1.s.2", Side.SELL, 70_300, 3)
    told = fill(Side.BUY, "P1.1.b.2", 70_000), fill(Side.SELL, "P1.1.s.2", 70_300)
    both = closed(
        bought_shares=2, bought_krw=140_000, sold_shares=2, sold_krw=140_600, commission_krw=40, tax_krw=280,
        realised_pnl_krw=280,
    )  # fmt: skip
    found = verdict(truth(BOUGHT, more[0], SOLD, more[1]), *DAY[:-1], *told, both)
    assert only(found) == "clip P1.1 bought 2 shares, and a clip of its pair has 1"


def test_streams_alone_are_judged_by_what_they_say() -> None:
    """The archive has no books of the broker: a close is held against its own fills."""
    wrong = closed(sold_krw=70_301, realised_pnl_krw=141)
    for end, found in ((CLOSED, 0), (wrong, 2)):
        kept = {message.id: message for message in map(envelope, (*DAY[:-1], end))}
        assert len(breaches(Record(said=kept, kept=kept))) == found
