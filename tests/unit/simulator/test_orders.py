"""Golden sequences of orders, as the Kiwoom sheet describes them, and every reason to be refused."""

from dataclasses import replace

import pytest

from services.contracts.terms import Market, SessionPhase, Venue
from services.simulator.options import BrokerOptions

from .harness import ACCOUNT, KRX_ONLY, QUIET, SAMSUNG, Desk, options, phases

BID, ASK = 199_400, 199_500
UPPER, LOWER = 259_000, 139_600
CODE = "005930"


@pytest.fixture
def desk() -> Desk:
    return Desk()


def ask_shares(desk: Desk, venue: Venue = Venue.KRX) -> int:
    return desk.world.feed.book_frame(CODE, venue).asks[0][1]


# -- golden sequences -----------------------------------------------------------------------


def test_a_filled_buy_is_answered_then_accepted_then_filled_then_balanced(desk: Desk) -> None:
    assert desk.order(1, CODE, 10, ASK, rqname="진입", screen="2001") == 0
    desk.run(100)
    assert desk.sequence == ["answer", "접수", "체결", "잔고"]
    answer = desk.answers[0]
    assert (answer["rqname"], answer["screen"]) == ("진입", "2001")
    assert len(answer["number"]) == 7
    accepted, fill, balance = desk.chejans
    for frame in (accepted, fill):
        assert frame[0] == "0"
        assert frame[9203] == answer["number"]
        assert frame[9201] == ACCOUNT
        assert frame[9001] == "A005930"
        assert frame[920] == "2001"
        assert (frame[900], frame[901], frame[905], frame[906], frame[907]) == (
            "10",
            "199500",
            "+매수",
            "보통",
            "2",
        )
        assert (frame[904], frame[912], frame[919]) == ("0000000", "JJ", "0")
        assert (frame[2134], frame[2135], frame[2136]) == ("1", "KRX", "N")
        assert len(frame[908]) == 6
    assert (accepted[913], accepted[902], accepted[903], accepted[909], accepted[911]) == (
        "접수",
        "10",
        "0",
        "",
        "",
    )
    assert (fill[913], fill[902], fill[903]) == ("체결", "0", "1995000")
    assert (fill[910], fill[911], fill[914], fill[915]) == ("199500", "10", "199500", "10")
    assert (fill[938], fill[939]) == ("299", "0")
    assert fill[909].isdigit()
    assert (balance[0], balance[9001], balance[930], balance[931]) == ("1", "A005930", "10", "199500")
    assert (balance[932], balance[933], balance[945], balance[946]) == ("1995000", "10", "10", "2")
    assert 2134 not in balance


def test_shares_bought_on_krx_are_sold_on_nxt_with_commission_and_tax_cumulative(desk: Desk) -> None:
    desk.traded(1, CODE, 10, ASK)
    desk.reset()
    desk.traded(22, CODE, 10, BID)
    fill, balance = desk.chejans[1:]
    assert (fill[905], fill[907], fill[2134], fill[2135]) == ("-매도", "1", "2", "NXT")
    assert (fill[938], fill[939]) == ("289", "3988")
    assert (balance[930], balance[933], balance[946], balance[950]) == ("0", "0", "1", "-1000")
    truth = desk.truth
    assert truth["cash_krw"] == 100_000_000 - 1_000 - 299 - 289 - 3_988
    assert truth["holdings"] == {}


def test_partial_fills_report_their_own_and_the_cumulative_numbers(desk: Desk) -> None:
    first = ask_shares(desk)
    desk.traded(1, CODE, first + 5, ASK + 100, "10")
    one, two = (frame for frame in desk.chejans if frame.get(913) == "체결")
    assert (one[914], one[915], one[911], one[902]) == ("199500", str(first), str(first), "5")
    assert (two[914], two[915], two[911], two[902]) == ("199600", "5", str(first + 5), "0")
    assert int(two[903]) == int(one[903]) + 5 * 199_600
    assert int(two[909]) > int(one[909])
    assert int(two[938]) == (int(two[903]) * 15 // 100_000)
    assert desk.sequence == ["answer", "접수", "체결", "잔고", "체결", "잔고"]


def test_an_ioc_leaves_nothing_and_closes_with_nothing_remaining(desk: Desk) -> None:
    first = ask_shares(desk)
    number = desk.traded(1, CODE, first + 7, ASK, "10")
    assert desk.sequence == ["answer", "접수", "체결", "잔고", "취소"]
    assert desk.chejans[-1][902] == "0"
    assert desk.chejans[-1][906] == "보통(IOC)"
    order = desk.truth["orders"][0]
    assert (order["order_no"], order["filled_shares"], order["closed"]) == (number, first, "killed")
    assert desk.truth["orderable_krw"] == desk.truth["cash_krw"]


def test_an_ioc_beside_the_market_dies_without_a_fill(desk: Desk) -> None:
    desk.traded(21, CODE, 5, BID - 500, "10")
    assert desk.sequence == ["answer", "접수", "취소"]
    assert desk.truth["holdings"] == {}


def test_a_fok_fills_whole_or_not_at_all(desk: Desk) -> None:
    first = ask_shares(desk)
    desk.traded(1, CODE, first + 1, ASK, "20")
    assert desk.truth["holdings"] == {}
    desk.traded(1, CODE, first, ASK, "20")
    assert desk.truth["holdings"] == {CODE: first}


def test_a_cancel_is_confirmed_under_its_own_number_and_closes_the_original(desk: Desk) -> None:
    number = desk.traded(1, CODE, 10, BID - 1_000)
    desk.reset()
    assert desk.order(3, CODE, 0, 0, original=number) == 0
    desk.run(100)
    assert desk.sequence == ["answer", "확인", "접수"]
    confirmed, closing = desk.chejans
    assert confirmed[9203] == desk.answers[0]["number"] != number
    assert (confirmed[904], confirmed[905], confirmed[900], confirmed[902]) == (number, "매수취소", "10", "0")
    assert (closing[9203], closing[902], closing[913]) == (number, "0", "접수")
    assert desk.truth["orderable_krw"] == 100_000_000


def test_nxt_has_one_cancel_number_for_both_sides(desk: Desk) -> None:
    desk.traded(1, CODE, 3, ASK)
    number = desk.traded(22, CODE, 3, ASK + 5_000)
    desk.reset()
    assert desk.order(24, CODE, 0, 0, original=number) == -300
    assert desk.order(23, CODE, 0, 0, original=number) == 0
    desk.run(100)
    assert desk.chejans[0][905] == "매도취소"
    assert desk.world.account.holding(CODE).sellable_shares == 3


def test_an_amended_order_lives_on_under_the_new_number_and_price(desk: Desk) -> None:
    number = desk.traded(1, CODE, 10, BID - 1_000)
    desk.reset()
    assert desk.order(5, CODE, 0, ASK, original=number) == 0
    desk.run(100)
    assert desk.sequence == ["answer", "확인", "접수", "체결", "잔고"]
    confirmed, closing, fill, _ = desk.chejans
    new = desk.answers[0]["number"]
    assert (confirmed[9203], confirmed[904], confirmed[905]) == (new, number, "매수정정")
    assert (confirmed[901], confirmed[902]) == ("199500", "10")
    assert (closing[9203], closing[902]) == (number, "0")
    assert (fill[9203], fill[915]) == (new, "10")


def test_an_amendment_that_cash_does_not_cover_leaves_the_original_alone() -> None:
    desk = Desk(options(world={}, faults={}))
    desk.world.account.cash_krw = desk.world.account.start_cash_krw = 2_000_000
    number = desk.traded(1, CODE, 10, 190_000)
    desk.reset()
    desk.order(5, CODE, 0, 210_000, original=number)
    desk.run(100)
    assert desk.answers[0]["number"] == ""
    assert "주문가능금액" in desk.messages[0]
    assert desk.truth["orders"][0]["remaining_shares"] == 10


def test_part_of_an_order_can_be_cancelled(desk: Desk) -> None:
    number = desk.traded(1, CODE, 10, BID - 1_000)
    desk.order(3, CODE, 4, 0, original=number)
    desk.run(100)
    assert desk.chejans[-1][902] == "6"
    assert desk.truth["orders"][0]["closed"] == ""


# -- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order_type", "code", "qty", "price", "hoga", "text"),
    [
        (1, CODE, 1, ASK + 50, "00", "호가단위"),
        (1, CODE, 1, UPPER + 500, "00", "상하한가"),
        (2, CODE, 1, LOWER - 100, "00", "상하한가"),
        (1, CODE, 1_000, ASK, "00", "주문가능금액"),
        (22, CODE, 1, BID, "00", "매도가능수량"),
        (21, CODE, 1, 0, "03", "주문유형"),
        (21, CODE, 1, 0, "13", "주문유형"),
        (1, CODE, 1, ASK, "77", "주문유형"),
        (1, CODE, 1, ASK, "03", "시장가"),
        (21, "069500", 1, 40_000, "00", "NXT 거래 대상"),
    ],
)
def test_a_refused_order_has_a_blank_number_a_reason_and_no_frame(
    desk: Desk, order_type: int, code: str, qty: int, price: int, hoga: str, text: str
) -> None:
    assert desk.traded(order_type, code, qty, price, hoga) == ""
    assert text in desk.messages[-1]
    assert desk.chejans == []
    assert desk.truth["orders"] == []
    assert desk.truth["arrivals"][0]["refusal"] == desk.messages[-1]
    assert desk.truth["orderable_krw"] == 100_000_000


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"order_type": 9}, -300),
        ({"code": "005930_NX"}, -300),
        ({"code": ""}, -500),
        ({"code": "999999"}, -500),
        ({"qty_shares": 0}, -300),
        ({"qty_shares": 15_000, "price_krw": 200_000}, -303),
        ({"qty_shares": 30_000, "price_krw": 200_000}, -304),
    ],
)
def test_what_never_leaves_the_machine_returns_its_code(
    desk: Desk, change: dict[str, object], code: int
) -> None:
    order = {"order_type": 1, "code": CODE, "qty_shares": 1, "price_krw": ASK} | change
    assert desk.order(**order) == code  # type: ignore[arg-type]
    desk.run(100)
    assert desk.truth["arrivals"] == []


def test_someone_elses_account_is_refused(desk: Desk) -> None:
    assert desk.call("SendOrder", "r", "2000", "1111111111", 1, CODE, 1, ASK, "00", "") == -302


def test_nothing_can_be_sent_before_the_login() -> None:
    desk = Desk(login=False)
    assert desk.order(1, CODE, 1, ASK) == -106
    assert desk.call("CommRqData", "r", "OPW00001", 0, "3000") == -106
    assert desk.call("SetRealReg", "1000", CODE, "41", "0") == -106


def test_an_order_cannot_be_cancelled_on_the_other_venue_nor_twice(desk: Desk) -> None:
    number = desk.traded(1, CODE, 10, BID - 1_000)
    for order_type, expected in ((23, ""), (4, ""), (3, "number"), (3, "")):
        desk.reset()
        desk.order(order_type, CODE, 0, 0, original=number)
        desk.run(100)
        assert bool(desk.answers[0]["number"]) == bool(expected)
        desk.run(1000)


def test_a_halted_symbol_takes_no_order_but_takes_a_cancel(desk: Desk) -> None:
    number = desk.traded(1, CODE, 10, BID - 1_000)
    desk.world.inject(desk.now_ns, "halt", {"code": CODE})
    assert "거래정지" in desk.call("GetMasterStockState", CODE)
    assert desk.traded(1, CODE, 1, ASK) == ""
    desk.order(3, CODE, 0, 0, original=number)
    desk.run(100)
    assert desk.truth["orders"][0]["closed"] == "cancelled"
    desk.world.inject(desk.now_ns, "resume", {"code": CODE})
    desk.run(1000)
    assert desk.traded(1, CODE, 1, ASK) != ""


# -- market orders, sessions, interruptions ----------------------------------------------------


def test_a_market_order_blocks_the_upper_limit_and_pays_the_market(desk: Desk) -> None:
    desk.world.account.cash_krw = desk.world.account.start_cash_krw = 10 * UPPER
    assert desk.traded(1, CODE, 10, 0, "03") == ""
    assert desk.traded(1, CODE, 9, 0, "03") != ""
    assert desk.chejans[1][901] == "0"
    assert desk.truth["orders"][0]["amount_krw"] == 9 * ASK


OPENING = phases(
    [
        (10, SessionPhase.OPENING_AUCTION),
        (20, SessionPhase.CONTINUOUS),
        (10, SessionPhase.CLOSING_AUCTION),
        (10, SessionPhase.PAUSE),
        (10, SessionPhase.CLOSING_PRICE),
        (40, SessionPhase.AFTER_MARKET),
    ],
    [
        (10, SessionPhase.PRE_MARKET),
        (10, SessionPhase.PAUSE),
        (10, SessionPhase.CONTINUOUS),
        (10, SessionPhase.PAUSE),
        (10, SessionPhase.AFTER_INTAKE),
        (40, SessionPhase.AFTER_MARKET),
    ],
)


def test_krx_orders_fill_at_one_price_when_the_auction_ends_and_die_with_the_session() -> None:
    desk = Desk(options(), schedule=OPENING)
    buy = desk.traded(1, CODE, 10, ASK + 1_000)
    assert desk.traded(1, CODE, 10, ASK, "10") == "", "an IOC has no place in an auction"
    assert desk.truth["holdings"] == {}
    desk.run(12_000, step_ms=50)
    assert desk.truth["holdings"] == {CODE: 10}
    fill = next(frame for frame in desk.chejans if frame.get(913) == "체결")
    assert (fill[9203], fill[914]) == (buy, "199400"), "the auction's price, not the order's"
    resting = desk.traded(1, CODE, 10, BID - 2_000)
    desk.run(30_000, step_ms=50)
    order = next(order for order in desk.truth["orders"] if order["order_no"] == resting)
    assert (order["closed"], order["remaining_shares"]) == ("expired", 0)
    assert desk.truth["orderable_krw"] == desk.truth["cash_krw"]
    assert desk.traded(1, CODE, 1, ASK) == "", "an evening's closing prices take no limit"


def test_the_krx_after_market_trades_limits_and_keeps_funds_out() -> None:
    fund = replace(KRX_ONLY, market=Market.ETF)
    desk = Desk(options(), schedule=OPENING, listings=[SAMSUNG, fund])
    desk.run(61_000, step_ms=50)
    assert desk.traded(1, CODE, 3, ASK + 1_000, "10")
    assert desk.truth["holdings"] == {CODE: 3}
    assert desk.traded(1, CODE, 3, BID - 2_000), "a limit rests there"
    assert desk.traded(1, CODE, 1, 0, "03") == "", "no market order"
    assert desk.traded(1, fund.code, 1, 40_500) == "", "no fund"


def test_nxt_may_take_no_ioc() -> None:
    desk = Desk(options(world={"nxt_takes_ioc": False}))
    assert desk.traded(21, CODE, 1, ASK, "10") == ""
    assert "407022" in desk.messages[-1]
    assert desk.traded(21, CODE, 1, ASK, "00") and desk.traded(1, CODE, 1, ASK, "10")


def test_an_nxt_order_outlives_the_pauses_and_fills_in_the_after_market() -> None:
    desk = Desk(options(world={"drift_rate": 0.0}), schedule=OPENING)
    number = desk.traded(21, CODE, 3, BID - 500)
    desk.run(12_000, step_ms=50)
    assert desk.traded(21, CODE, 1, BID) == "", "the pause takes no order"
    desk.run(40_000, step_ms=50)
    assert desk.truth["phases"]["NXT"] == "after_market"
    desk.world.exchange.instruments[CODE].fair -= 20
    desk.run(3_000, step_ms=50)
    order = desk.truth["orders"][0]
    assert (order["order_no"], order["filled_shares"], order["amount_krw"]) == (number, 3, 3 * (BID - 500))


def test_a_pause_may_refuse_a_cancel_by_frame() -> None:
    habits = BrokerOptions(nxt_pause_takes_cancels=False, pause_refuses_by_frame=True)
    desk = Desk(options(broker=habits), schedule=OPENING)
    number = desk.traded(21, CODE, 3, BID - 500)
    desk.run(12_000, step_ms=50)
    desk.order(23, CODE, 0, 0, original=number)
    desk.run(300)
    assert desk.answers[-1]["number"], "the cancel has a number of its own"
    assert (desk.chejans[-1][913], desk.chejans[-1][904]) == ("거부", number)
    assert desk.truth["orders"][0]["remaining_shares"] == 3


def test_a_vi_stops_one_venue_for_two_minutes_and_ends_in_a_single_print() -> None:
    desk = Desk()
    desk.world.inject(desk.now_ns, "vi", {"code": CODE, "venue": "KRX"})
    assert desk.traded(1, CODE, 5, ASK, "10") == "", "no IOC in an auction"
    number = desk.traded(1, CODE, 5, ASK + 100)
    assert desk.truth["holdings"] == {}
    assert desk.traded(21, CODE, 5, ASK, "10") != "", "NXT goes on"
    assert desk.truth["holdings"] == {CODE: 5}
    desk.run(121_000, step_ms=100)
    order = desk.truth["orders"][0]
    assert (order["order_no"], order["filled_shares"]) == (number, 5)
    assert desk.traded(1, CODE, 5, ASK, "10") != ""


def test_a_trade_three_percent_from_the_last_starts_a_vi_on_that_venue() -> None:
    desk = Desk(options(world={"trade_rate": 1.0}))
    args = {"code": CODE, "venue": "NXT", "bps": 320, "ms": 3_000, "rich": True}
    desk.query("OPT10054", {})
    desk.world.inject(desk.now_ns, "cross", args)
    desk.run(2_000)
    active = [fids for _, kind, fids in desk.reals if kind == "VI발동/해제"]
    assert [(fids[9001], fids[1224]) for fids in active] == [(f"{CODE}_NX", "000000")]
    assert desk.traded(21, CODE, 1, ASK, "10") == ""
    assert desk.traded(1, CODE, 1, ASK, "10") != ""


def test_a_market_order_in_an_auction_pays_the_print_and_never_its_limit(desk: Desk) -> None:
    desk.world.inject(desk.now_ns, "vi", {"code": CODE, "venue": "KRX"})
    desk.traded(1, CODE, 300, 0, "03")
    assert desk.truth["holdings"] == {}
    desk.run(121_000, step_ms=100)
    order = desk.truth["orders"][0]
    assert order["filled_shares"] > 0
    assert {fill["price_krw"] for fill in order["fills"]} == {BID}
    assert order["closed"] in ("filled", "expired"), "what the print left does not rest"
    assert desk.truth["orderable_krw"] == desk.truth["cash_krw"]


def test_own_orders_that_meet_on_one_venue_are_counted(desk: Desk) -> None:
    desk.traded(1, CODE, 5, ASK)
    desk.traded(2, CODE, 5, ASK + 200)
    desk.traded(1, CODE, 5_00, ASK + 200, "10")
    assert desk.truth["self_trades"] == 0, "behind the shares of others"
    book = desk.world.exchange.instruments[CODE].stalls[Venue.KRX].book
    book.asks.clear()
    book.own[int(desk.truth["orders"][1]["order_no"])].ahead_shares = 0
    desk.traded(1, CODE, 5, ASK + 200, "10")
    assert desk.truth["self_trades"] == 1
    assert QUIET.trade_rate == 0


def test_an_order_by_hand_that_meets_ours_is_counted_apart(desk: Desk) -> None:
    desk.traded(1, CODE, 5, ASK)
    desk.traded(2, CODE, 5, ASK + 200)
    book = desk.world.exchange.instruments[CODE].stalls[Venue.KRX].book
    book.asks.clear()
    book.own[int(desk.truth["orders"][1]["order_no"])].ahead_shares = 0
    desk.world.broker.place_by_hand(CODE, 1, 5, ASK + 200, "10")
    desk.run(500)
    assert (desk.truth["self_trades"], desk.truth["met_by_hand"]) == (0, 1)
