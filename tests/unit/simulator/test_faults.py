"""Every fault does what its option promises, and nothing else: the books stay right."""

from dataclasses import replace
from typing import Any

import pytest

from services.contracts.terms import Venue
from services.simulator.options import BrokerOptions

from .harness import PROMPT, Desk, options

ASK, BID, CODE = 199_500, 199_400, "005930"


def faulty(**faults: Any) -> Desk:
    return Desk(options(faults))


def distant(**ways: Any) -> Desk:
    """A desk some of whose ways are longer."""
    return Desk(options(latency=replace(PROMPT, **ways)))


def test_a_chance_rejection_has_a_blank_number_and_no_frame() -> None:
    desk = faulty(reject_rate=1.0)
    assert desk.traded(1, CODE, 1, ASK) == ""
    assert desk.chejans == []
    assert desk.truth["arrivals"][0]["refusal"].startswith("[RC4007]")


def test_the_next_orders_can_be_rejected_on_demand() -> None:
    desk = faulty()
    desk.world.inject(desk.now_ns, "reject_next", {"count": 2})
    assert [bool(desk.traded(1, CODE, 1, ASK)) for _ in range(3)] == [False, False, True]


def test_a_late_rejection_comes_as_a_frame_after_the_number() -> None:
    desk = faulty(late_reject_rate=1.0)
    assert desk.traded(1, CODE, 1, ASK) != ""
    assert desk.sequence == ["answer", "거부"]
    assert desk.chejans[0][902] == "0"
    assert desk.truth["orderable_krw"] == 100_000_000


def test_faded_liquidity_fills_less_than_was_shown() -> None:
    desk = faulty(fade_rate=1.0)
    shown = desk.world.feed.book_frame(CODE, Venue.KRX).asks[0][1]
    desk.traded(1, CODE, shown, ASK, "10")
    order = desk.truth["orders"][0]
    assert order["filled_shares"] < shown
    assert order["closed"] == "killed"


def test_an_order_that_never_arrives_returned_0_and_left_no_trace() -> None:
    desk = faulty(never_arrives_rate=1.0)
    assert desk.order(1, CODE, 1, ASK) == 0
    desk.run(2_000)
    assert (desk.answers, desk.messages, desk.chejans, desk.truth["arrivals"]) == ([], [], [], [])


def test_a_failed_send_may_have_arrived_all_the_same() -> None:
    desk = faulty(send_fail_rate=1.0)
    for _ in range(20):
        assert desk.order(1, CODE, 1, 190_000) == -307
        desk.run(300)
    assert 0 < len(desk.truth["arrivals"]) < 20


def test_a_lost_answer_leaves_the_frames() -> None:
    desk = faulty(lost_ack_rate=1.0)
    desk.order(1, CODE, 1, ASK, screen="2077")
    desk.run(2_000)
    assert desk.answers == []
    assert desk.sequence == ["접수", "체결", "잔고"]
    assert desk.chejans[0][920] == "2077"


def test_lost_frames_leave_the_order_to_the_query() -> None:
    desk = faulty(lost_chejan_rate=1.0)
    number = desk.traded(1, CODE, 3, ASK)
    assert desk.chejans == []
    answer = desk.query("OPT10075", {"계좌번호": "8012345611", "체결구분": "0"})
    assert [row["주문번호"] for row in answer["rows"]] == [number]
    assert desk.truth["holdings"] == {CODE: 3}


def test_a_silently_killed_ioc_is_seen_only_by_query() -> None:
    desk = faulty(silent_close_rate=1.0)
    desk.traded(1, CODE, 3, BID - 1_000, "10")
    assert desk.sequence == ["answer", "접수"]
    assert desk.query("OPT10075", {"체결구분": "1"})["rows"] == []
    assert len(desk.query("OPT10075", {"체결구분": "0"})["rows"]) == 1


def test_frames_may_come_before_the_number() -> None:
    desk = faulty(chejan_first_rate=1.0)
    desk.order(1, CODE, 3, ASK)
    desk.run(2_000)
    assert desk.sequence == ["접수", "체결", "잔고", "answer"]


def test_a_frame_may_come_twice_with_the_same_execution_number() -> None:
    desk = faulty(duplicate_chejan_rate=1.0)
    desk.traded(1, CODE, 3, ASK)
    assert desk.sequence == ["answer", "접수", "접수", "체결", "잔고", "체결"]
    assert desk.chejans[2] == desk.chejans[4]
    assert desk.truth["holdings"] == {CODE: 3}


def test_an_unanswered_query_stays_unanswered() -> None:
    desk = faulty(query_fail_rate=1.0)
    assert desk.call("CommRqData", "r", "OPW00001", 0, "3000") == 0
    desk.run(3_000)
    assert desk.answers == []


def test_a_stall_holds_back_quotes_and_orders_in_order() -> None:
    desk = distant(line_ms=(100, 100, 100))
    desk.call("SetRealReg", "1000", CODE, "41", "0")
    desk.order(1, CODE, 3, ASK)
    desk.run(50)
    desk.world.inject(desk.now_ns, "stall", {"ms": 1_000})
    desk.run(900)
    assert (desk.sequence, desk.reals) == ([], [])
    desk.run(200)
    assert desk.sequence == ["answer", "접수", "체결", "잔고"]
    assert desk.reals


def test_stalls_come_by_themselves() -> None:
    desk = faulty(stalls_per_hour=3_600.0, stall_ms=(10, 20))
    desk.run(10_000)
    assert 3 < desk.world.happened["late_events"] < 20


def test_a_disconnect_says_106_once_and_loses_what_was_on_the_way() -> None:
    desk = distant(line_ms=(100, 100, 100))
    desk.call("SetRealReg", "1000", CODE, "41", "0")
    desk.order(1, CODE, 3, ASK)
    desk.run(50)
    desk.world.inject(desk.now_ns, "disconnect", {})
    desk.reset()
    desk.run(2_000)
    assert desk.connects == [-106]
    assert (desk.answers, desk.chejans, desk.reals) == ([], [], [])
    assert desk.call("GetConnectState") == 0
    assert desk.order(1, CODE, 3, ASK) == -106
    assert desk.truth["holdings"] == {CODE: 3}, "the market went on"
    desk.call("CommConnect")
    desk.run(200)
    assert desk.connects == [-106, 0]
    answer = desk.query("OPT10076", {"체결구분": "2"})
    assert len(answer["rows"]) == 1


def test_what_was_on_the_way_is_lost_even_when_the_next_login_is_quicker() -> None:
    desk = distant(line_ms=(500, 500, 500), login_ms=(1, 1, 1))
    desk.order(1, CODE, 3, ASK)
    desk.run(50)
    desk.world.inject(desk.now_ns, "disconnect", {})
    desk.call("CommConnect")
    desk.run(2_000)
    assert desk.connects == [0, -106, 0]
    assert desk.sequence == []


def test_however_unequal_the_delays_events_keep_their_order() -> None:
    desk = distant(report_ms=(1, 20, 200), line_ms=(1, 20, 200))
    for _ in range(20):
        desk.order(1, CODE, 3, ASK)
        desk.run(300)
    desk.run(1_000)
    assert desk.sequence == ["answer", "접수", "체결", "잔고"] * 20


def test_however_unequal_the_delays_orders_arrive_as_they_were_sent() -> None:
    desk = distant(order_ms=(1, 300, 3_000))
    for number in range(15):
        assert desk.order(1, CODE, number + 1, 190_000) == 0
        desk.run(250)
    desk.run(4_000)
    assert [arrival["qty_shares"] for arrival in desk.truth["arrivals"]] == list(range(1, 16))
    assert (
        desk.truth["arrivals"][-1]["arrived_ns"] - desk.truth["arrivals"][-1]["received_ns"] <= 3_000_000_000
    )


def test_a_second_login_cuts_off_the_first() -> None:
    desk = faulty()
    other = desk.world.connect()
    desk.world.call(other, desk.now_ns, "CommConnect", [])
    desk.run(200)
    assert desk.connects == [0, -106]


def test_a_frozen_venue_sends_nothing_while_its_market_goes_on() -> None:
    desk = faulty()
    desk.call("SetRealReg", "1000", CODE, "41", "0")
    desk.call("SetRealReg", "1001", f"{CODE}_NX", "41", "0")
    desk.run(2_000)
    desk.world.inject(desk.now_ns, "freeze_feed", {"venue": "NXT", "ms": 3_000})
    desk.reset()
    desk.run(2_900)
    assert {code for code, _, _ in desk.reals} == {CODE}
    assert desk.traded(21, CODE, 1, ASK, "10") != ""
    desk.run(3_000)
    assert {code for code, _, _ in desk.reals} == {CODE, f"{CODE}_NX"}


def test_shares_that_are_moved_in_are_held_and_belong_to_no_order() -> None:
    desk = faulty()
    desk.world.inject(desk.now_ns, "transfer", {"code": CODE, "qty_shares": 3})
    truth = desk.world.snapshot()
    assert truth["holdings"] == {CODE: 3}
    assert (truth["orders"], truth["cash_krw"]) == ([], truth["start_cash_krw"])


def test_a_hand_order_shows_as_a_frame_of_another_terminal() -> None:
    desk = faulty(reject_rate=1.0)
    desk.world.inject(desk.now_ns, "hand_order", {"code": CODE, "order_type": 1, "qty_shares": 2})
    desk.run(200)
    assert desk.sequence == ["접수", "체결", "잔고"]
    assert desk.chejans[0][921] != "0000007"
    order = desk.truth["orders"][0]
    assert (order["by_hand"], order["rqname"], order["screen"]) == (True, "", "")
    assert desk.truth["orders_admitted"] == 0


def test_an_old_build_names_no_venue() -> None:
    desk = faulty(venue_fids=False)
    desk.traded(21, CODE, 1, ASK)
    assert {desk.chejans[0][fid] for fid in (2134, 2135, 2136)} == {""}


@pytest.mark.parametrize(
    ("what", "args", "text"),
    [
        ("earthquake", {}, "known are"),
        ("halt", {"code": "999999"}, "999999"),
        ("halt", {}, "code"),
        ("vi", {"code": CODE, "venue": "NYSE"}, "NYSE"),
    ],
)
def test_a_wrong_injection_says_what_is_wrong(what: str, args: dict[str, Any], text: str) -> None:
    desk = faulty()
    with pytest.raises(ValueError, match=text):
        desk.world.inject(desk.now_ns, what, args)


def test_chance_faults_come_at_their_rates() -> None:
    desk = faulty(disconnects_per_hour=60.0, freezes_per_hour=60.0, hand_orders_per_hour=60.0)
    desk.run(600_000, step_ms=1_000)
    assert desk.connects.count(-106) == 1, "nobody logs in again"
    assert 3 <= len([o for o in desk.truth["orders"] if o["by_hand"]]) <= 25


def test_a_login_may_be_announced_twice() -> None:
    assert faulty(duplicate_connect_rate=1.0).connects == [0, 0]


def test_a_vi_frame_may_come_again_under_the_combined_code() -> None:
    desk = faulty(duplicate_vi_rate=1.0)
    desk.query("OPT10054", {})
    desk.world.inject(desk.now_ns, "vi", {"code": CODE, "venue": "KRX"})
    desk.run(100)
    shown = [fids for _, kind, fids in desk.reals if kind == "VI발동/해제"]
    assert [fids[9001] for fids in shown] == [CODE, f"{CODE}_AL"]
    assert shown[0][1223] == shown[1][1223]


def test_a_vi_frame_may_leave_out_when_it_began() -> None:
    desk = faulty(blank_vi_rate=1.0)
    desk.query("OPT10054", {})
    desk.world.inject(desk.now_ns, "vi", {"code": CODE, "venue": "KRX"})
    desk.run(100)
    assert [fids[1223].strip() for _, kind, fids in desk.reals if kind == "VI발동/해제"] == [""]


def test_a_refusal_may_show_its_quantity_as_open() -> None:
    desk = faulty(late_reject_rate=1.0, refusal_shows_rest_rate=1.0)
    desk.traded(1, CODE, 3, ASK)
    assert (desk.chejans[0][913].strip(), desk.chejans[0][902]) == ("거부", "3")
    assert desk.truth["orderable_krw"] == 100_000_000


def test_a_cancel_may_be_refused_by_a_frame_and_its_order_works_on() -> None:
    desk = faulty(cancel_reject_rate=1.0)
    number = desk.traded(1, CODE, 3, 190_000)
    assert desk.order(3, CODE, 0, 0, original=number) == 0
    desk.run(300)
    assert [frame[913].strip() for frame in desk.chejans] == ["접수", "거부"]
    assert desk.chejans[-1][904] == number
    assert desk.truth["orders"][0]["closed"] == ""


def test_another_account_of_the_login_may_have_frames_too() -> None:
    desk = faulty(other_account_rate=1.0)
    number = desk.traded(1, CODE, 1, 190_000)
    own, other = desk.chejans
    assert (own[9203], other[9203] != number) == (number, True)
    assert other[9201] not in ("", own[9201])
    assert len(desk.truth["orders"]) == 1


def test_one_row_of_an_answer_may_come_blank() -> None:
    desk = faulty(blank_row_rate=1.0)
    desk.traded(1, CODE, 1, 190_000)
    (row,) = desk.query("OPT10075", {"체결구분": "0"})["rows"]
    assert set(row.values()) == {""}


def test_a_row_that_came_blank_is_whole_for_as_long_as_two_looks_take() -> None:
    desk = faulty(blank_row_rate=1.0)
    desk.traded(1, CODE, 1, 190_000)
    blank = []
    for _ in range(12):
        (row,) = desk.query("OPT10075", {"체결구분": "0"})["rows"]
        blank.append(not any(row.values()))
        desk.run(1_000)
    assert blank[0] and 8 <= blank.index(True, 1) <= 10


def test_one_field_of_an_answer_may_come_blank() -> None:
    desk = faulty(blank_output_rate=1.0)
    desk.traded(1, CODE, 1, 190_000)
    (row,) = desk.query("OPT10075", {"체결구분": "0"})["table"]
    (whole,) = desk.query("OPT10075", {"체결구분": "0"})["table"]
    assert [seen for seen, there in zip(row, whole, strict=True) if seen != there] == [""]
    desk.query("OPW00001", {})
    assert desk.world.happened["blank_output"] == 2


def test_a_frame_may_leave_out_its_screen_and_its_venue() -> None:
    desk = faulty(blank_screen_rate=1.0, blank_venue_rate=1.0)
    desk.traded(21, CODE, 3, ASK)
    assert {(frame[920], frame[2134], frame[2136]) for frame in desk.chejans if 9203 in frame} == {
        ("", "", "")
    }


def test_others_may_leave_a_part_of_an_order_of_several_shares() -> None:
    desk = faulty(part_fill_rate=1.0)
    for qty_shares in (20, 50):
        desk.order(1, CODE, qty_shares, ASK, "10")
        desk.run(300)
    filled = [order["filled_shares"] for order in desk.truth["orders"]]
    assert 2 <= filled[0] <= 4 and 5 <= filled[1] <= 10
    assert all(order["remaining_shares"] == 0 for order in desk.truth["orders"])


def test_queries_of_the_hour_before_count_for_the_guard() -> None:
    desk = Desk(options(broker=BrokerOptions(sustained_queries=((10, 3600),), queries_used=8)))
    codes = []
    for _ in range(3):
        codes.append(desk.call("CommRqData", "q", "OPW00001", 0, "3000"))
        desk.run(1_000)
    assert codes == [0, 0, -209]


def test_a_registration_may_stay_silent_until_it_is_made_again() -> None:
    desk = faulty(silent_registration_rate=0.5)
    codes = ("005930", "000660", "247540", "005930_NX", "000660_NX", "247540_NX")
    assert desk.call("SetRealReg", "1000", ";".join(codes), "41", "0") == 0
    desk.run(3_000)
    heard = {code for code, _, _ in desk.reals}
    assert 0 < len(heard) < len(codes)
    for _ in range(12):
        desk.call("SetRealReg", "1000", ";".join(set(codes) - heard), "41", "1")
        desk.run(2_000)
        heard = {code for code, _, _ in desk.reals}
    assert heard == set(codes)
