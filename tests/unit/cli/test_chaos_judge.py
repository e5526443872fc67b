"""A judge that cannot find a broken rule is worth nothing: each rule is broken in a world of its own."""

from typing import Any

import pytest

from services.cli.chaos_judge import BrokerArrival, BrokerFill, BrokerOrder, DayVerdict, Truth, judge
from services.contracts.envelope import Message
from services.contracts.messages.alerts import AlertKind, AlertRaised
from services.contracts.messages.control import LatchSet
from services.contracts.messages.dead import EntryBuried
from services.contracts.messages.orders import (
    OrderClosed,
    OrderFilled,
    OrderUnknown,
    ReconciliationCompleted,
)
from services.contracts.messages.pairs import PairOutcome, ResidualMarked, StrandReason
from services.contracts.terms import Latch, Severity, Side
from tests.unit.cli.builders import DATE, SAMSUNG, approved, closed, envelope, facts

BUY, SELL = "P1.1.b.1", "P1.1.s.1"
START_KRW = 100_000_000


def order(rqname: str, side: Side, amount_krw: int, at_ns: int = 1, **changes: Any) -> BrokerOrder:
    values: dict[str, Any] = {
        "order_no": f"000000{at_ns}", "action": "new", "code": SAMSUNG, "side": side, "qty_shares": 1,
        "filled_shares": 1, "amount_krw": amount_krw, "commission_krw": 10,
        "tax_krw": 140 if side is Side.SELL else 0, "closed": "filled", "rqname": rqname, "by_hand": False,
        "fills": (BrokerFill(qty_shares=1, price_krw=amount_krw, ts_ns=at_ns),),
    }  # fmt: skip
    return BrokerOrder(**{**values, **changes})


BOUGHT = order(BUY, Side.BUY, 70_000, 1)
SOLD = order(SELL, Side.SELL, 70_300, 2)
UNFILLED: dict[str, Any] = {
    "filled_shares": 0, "commission_krw": 0, "tax_krw": 0, "closed": "killed", "fills": (),
}  # fmt: skip


def truth(*orders: BrokerOrder, **changes: Any) -> Truth:
    """Books that hold `orders`, with the cash and the holdings that follow from them."""
    orders = orders or (BOUGHT, SOLD)
    held = sum(o.filled_shares if o.side is Side.BUY else -o.filled_shares for o in orders)
    values: dict[str, Any] = {
        "start_cash_krw": START_KRW, "cash_krw": START_KRW + sum(o.cash_flow_krw for o in orders),
        "commission_krw": 20, "tax_krw": 140, "start_holdings": {},
        "holdings": {SAMSUNG: held} if held else {},
        "orders_admitted": 2, "orders_refused": 0, "max_orders_per_s": 2, "queries_admitted": 3,
        "queries_refused": 0, "max_queries_per_s": 2, "orders": orders,
        "arrivals": tuple(
            BrokerArrival(rqname=o.rqname, order_no=o.order_no, by_hand=o.by_hand) for o in orders
        ),
    }  # fmt: skip
    return Truth(**{**values, **changes})


def fill(side: Side, order_id: str, amount_krw: int, **changes: Any) -> OrderFilled:
    filled = facts(side, order_id).model_copy(
        update={"cum_qty_shares": 1, "cum_amount_krw": amount_krw, **changes}
    )
    return OrderFilled(facts=filled, last_qty_shares=1, last_amount_krw=amount_krw)


APPROVED = approved()
BUY_FILL, SELL_FILL = fill(Side.BUY, BUY, 70_000), fill(Side.SELL, SELL, 70_300)
CLOSED = closed()
DAY: tuple[Message, ...] = (APPROVED, BUY_FILL, SELL_FILL, CLOSED)


def verdict(books: Truth, *messages: Message) -> DayVerdict:
    return judge(books, [envelope(message) for message in messages or DAY])


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
    assert only(found) == f"1 fills of {SELL} are in no book of ours"


def test_a_fill_that_its_closed_pair_leaves_out_is_lost() -> None:
    second = order("P1.1.s.2", Side.SELL, 70_300, 3)
    more = order("P1.1.b.2", Side.BUY, 70_000, 2, order_no="0000007")
    told = (fill(Side.BUY, "P1.1.b.2", 70_000), fill(Side.SELL, "P1.1.s.2", 70_300))
    found = verdict(truth(BOUGHT, more, SOLD, second), *DAY[:-1], *told, CLOSED)
    assert found.lost_fills == 2
    assert any("closed with 1 bought shares, the broker has 2" in words for words in found.violations)
    assert any("money differs" in words for words in found.violations)


def test_a_fill_that_we_invented_is_found() -> None:
    ghost = fill(Side.SELL, "P1.1.s.2", 70_300)
    assert "we say 1 filled of P1.1.s.2, the broker 0" in only(verdict(truth(), *DAY, ghost))


def test_a_wrong_amount_is_found() -> None:
    found = verdict(truth(), APPROVED, BUY_FILL, fill(Side.SELL, SELL, 70_200), CLOSED)
    assert only(found) == f"we say {SELL} filled for 70200 KRW, the broker 70300"


def test_a_pair_that_bought_more_than_was_approved_is_found_although_its_books_agree() -> None:
    bought = order(BUY, Side.BUY, 280_000, 1, qty_shares=4, filled_shares=4)
    sold = order(SELL, Side.SELL, 281_200, 2, qty_shares=4, filled_shares=4)
    told = (fill(Side.BUY, BUY, 280_000, cum_qty_shares=4), fill(Side.SELL, SELL, 281_200, cum_qty_shares=4))
    four = closed(
        bought_shares=4, bought_krw=280_000, sold_shares=4, sold_krw=281_200, realised_pnl_krw=1_040
    )
    assert only(verdict(truth(bought, sold), APPROVED, *told, four)) == (
        "pair P1 bought 4 shares, approved were 3"
    )


def test_a_won_in_the_books_of_risk_is_found() -> None:
    messages = [envelope(message) for message in DAY]
    assert judge(truth(), messages, 140).violations == ()
    assert only(judge(truth(), messages, 141)) == "risk says +141 KRW, the account +140 KRW"


def test_money_that_differs_by_one_won_is_found() -> None:
    found = verdict(truth(cash_krw=START_KRW + 141))
    assert only(found) == "money differs: services say +140 KRW, the account +141 KRW"


def test_a_pair_closed_with_other_costs_than_the_brokers_is_found() -> None:
    found = verdict(truth(), *DAY[:-1], closed(commission_krw=10, realised_pnl_krw=150))
    assert any("150 costs in KRW, the broker has 160" in words for words in found.violations)


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
    assert judge(truth(), messages).violations == ()


def test_a_pair_that_never_closed_is_found_with_what_it_holds() -> None:
    found = verdict(truth(BOUGHT), APPROVED, BUY_FILL)
    assert "pair P1 is still open" in found.violations
    assert "pair P1 filled 1 shares at the broker and was never closed" in found.violations
    assert "the account holds 1 of 005930, named as stranded are 0" in found.violations
    assert found.net_position_shares == 1


def test_a_pair_that_nobody_approved_any_more_but_the_broker_filled_is_found() -> None:
    found = verdict(truth(), BUY_FILL, SELL_FILL)
    assert "pair P1 filled 2 shares at the broker and was never closed" in found.violations


def test_more_sold_than_bought_is_found() -> None:
    again = order("P1.1.s.2", Side.SELL, 70_300, 3)
    told = fill(Side.SELL, "P1.1.s.2", 70_300)
    twice = closed(sold_shares=2, sold_krw=140_600, commission_krw=30, tax_krw=280, realised_pnl_krw=70_290)
    found = verdict(truth(BOUGHT, SOLD, again), *DAY[:-1], told, twice)
    assert "pair P1 sold 2 and bought 1" in found.violations
    assert "pair P1 had sold 1 shares more than it had bought" in found.violations
    assert "the account holds -1 of 005930, named as stranded are 0" in found.violations


def test_a_sale_before_its_purchase_is_found_although_it_ends_flat() -> None:
    early = order(SELL, Side.SELL, 70_300, 0)
    assert only(verdict(truth(BOUGHT, early))) == "pair P1 had sold 1 shares more than it had bought"


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
    assert found.violations == (LEFT, "the stranded position of P1 was never alarmed")


def test_a_stranded_position_of_another_size_than_is_held_is_found() -> None:
    marked = MARKED.model_copy(update={"qty_shares": 2})
    found = verdict(truth(BOUGHT), APPROVED, BUY_FILL, marked, ALARM)
    assert "the account holds 1 of 005930, named as stranded are 2" in found.violations


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
    assert verdict(truth(BOUGHT, by_hand), APPROVED, BUY_FILL, claim).violations == ()


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
    assert found.violations == ("risk could not handle s: bad", "books differed: 1 share")


def test_facts_merge_by_maximum_whatever_their_order() -> None:
    late = OrderClosed(facts=facts(Side.SELL, SELL), reason="by_query")
    assert verdict(truth(), *DAY, late).violations == ()


def test_latches_and_unknown_orders_are_counted() -> None:
    latch = LatchSet(latch=Latch.UNPLANNED_DISCONNECT, detail="cut")
    unknown = OrderUnknown(facts=facts(Side.BUY, BUY), reason="no answer")
    found = verdict(truth(), *DAY, latch, unknown, unknown)
    assert (found.latches, found.orders_unknown) == ({"unplanned_disconnect": 1}, 1)
    assert found.violations == ()
