"""Queries: names, padding and pages as the control has them, and values that agree with the books."""

from services.contracts.terms import Market
from services.simulator.market.instrument import Listing
from services.simulator.options import AccountOptions, BrokerOptions
from services.simulator.outputs import listed

from .harness import Desk, options

ASK, BID, CODE = 199_500, 199_400, "005930"


def test_orders_of_the_day_show_dead_and_open_ones_newest_first() -> None:
    desk = Desk()
    killed = desk.traded(1, CODE, 1, BID - 500, "10")
    filled = desk.traded(21, CODE, 2, ASK)
    resting = desk.traded(1, CODE, 3, BID - 500)

    def numbers(**inputs: str) -> list[str]:
        return [row["주문번호"] for row in desk.query("OPT10075", inputs)["rows"]]

    assert numbers(체결구분="0", 거래소구분="0") == [resting, filled, killed]
    desk.run(1_000)
    assert numbers(체결구분="1") == [resting]
    assert numbers(체결구분="2") == [filled]
    assert numbers(거래소구분="2") == [filled]
    desk.run(1_000)
    assert numbers(매매구분="1") == []
    assert numbers(종목코드="000660") == []
    desk.run(1_000)
    assert numbers(전체종목구분="1", 종목코드="000660", 체결구분="1") == []
    assert numbers(전체종목구분="1", 종목코드=CODE, 체결구분="1") == [resting]
    assert numbers(전체종목구분="0", 종목코드="000660") == [resting, filled, killed]


def test_a_query_row_carries_what_the_frames_carried() -> None:
    desk = Desk()
    number = desk.traded(21, CODE, 2, ASK)
    fill = desk.chejans[1]
    answer = desk.query("OPT10075", {"체결구분": "2", "거래소구분": "0"})
    row = desk.world.queries.answer("OPT10075", {}).rows[0]
    assert answer["read"]["체결번호"] == fill[909]
    assert row["주문번호"] == number
    for name, fid in (("체결누계금액", 903), ("당일매매수수료", 938), ("당일매매세금", 939), ("체결량", 911)):
        assert row[name].strip() == fill[fid]
    assert (row["주문구분"], row["매매구분"], row["주문상태"]) == ("+매수", "보통", "체결")
    assert (row["거래소구분"], row["거래소구분텍스트"]) == ("2", "NXT")


def test_no_answer_holds_a_field_that_the_brokers_list_does_not_have() -> None:
    desk = Desk(options(account=AccountOptions(holdings=(("000660", 5, 900_000),))))
    desk.traded(21, CODE, 2, ASK)
    for trcode, outputs in listed().items():
        table = desk.world.queries.answer(trcode, {"종목코드": CODE})
        assert set(table.single) <= set(outputs.single)
        assert all(set(row) <= set(outputs.rows) for row in table.rows)
    (fill,) = desk.world.queries.answer("OPT10076", {}).rows
    assert not {"체결누계금액", "시간", "체결번호", "단위체결가", "단위체결량", "계좌번호"} & set(fill)
    assert len(desk.world.queries.answer("OPW00004", {}).rows[0]["보유수량"]) == 12
    assert len(desk.world.queries.answer("OPW00018", {}).rows[0]["보유수량"]) == 15


def test_fields_beyond_the_sheet_may_be_blank_from_beginning_to_end() -> None:
    desk = Desk(options({"unnamed_outputs_blank_rate": 1.0, "venue_fids": False}))
    number = desk.traded(21, CODE, 2, ASK)
    (row,) = desk.world.queries.answer("OPT10075", {}).rows
    assert set(row) <= {name for name, one in listed()["OPT10075"].rows.items() if one.source == "sheet"}
    assert (row["주문번호"], row["체결누계금액"].strip()) == (number, str(2 * ASK))


def test_pages_go_on_with_prevnext_2_and_break_when_another_query_comes_between() -> None:
    desk = Desk(options(broker=BrokerOptions(page_rows=4)))
    for _ in range(10):
        desk.order(1, CODE, 1, BID - 500)
        desk.run(300)
    first = desk.query("OPT10075", {})
    second = desk.query("OPT10075", {}, more=2)
    third = desk.query("OPT10075", {}, more=2)
    assert [len(page["rows"]) for page in (first, second, third)] == [4, 4, 2]
    assert [page["more"] for page in (first, second, third)] == ["2", "2", ""]
    numbers = {row["주문번호"] for page in (first, second, third) for row in page["rows"]}
    assert len(numbers) == 10
    desk.run(1_500)
    desk.query("OPT10075", {})
    desk.query("OPW00001", {})
    assert desk.query("OPT10075", {}, more=2)["rows"] == []
    desk.run(1_500)
    desk.query("OPT10075", {})
    desk.query("OPT10076", {})
    assert desk.query("OPT10075", {}, more=2)["rows"] == []


def test_cash_is_zero_filled_and_agrees_with_the_account() -> None:
    desk = Desk()
    desk.traded(1, CODE, 10, ASK)
    desk.traded(1, CODE, 10, BID - 1_000)
    read = desk.query("OPW00001", {"계좌번호": "8012345611", "조회구분": "2"})["read"]
    truth = desk.truth
    assert len(read["주문가능금액"]) == 15
    assert int(read["주문가능금액"]) == truth["orderable_krw"]
    assert int(read["d+2추정예수금"]) == truth["cash_krw"]
    assert read["없는항목"] == ""


def test_holdings_list_the_pool_and_what_can_be_sold() -> None:
    desk = Desk(options(account=AccountOptions(holdings=(("000660", 5, 900_000),))))
    desk.traded(1, CODE, 10, ASK)
    desk.traded(22, CODE, 4, ASK + 10_000)
    table = desk.world.queries.answer("OPW00018", {})
    held = {row["종목번호"]: (int(row["보유수량"]), int(row["매매가능수량"])) for row in table.rows}
    assert held == {"A000660": (5, 5), f"A{CODE}": (10, 6)}
    assert int(desk.world.queries.answer("OPW00004", {}).single["D+2추정예수금"]) == desk.truth["cash_krw"]
    returns = {row["종목코드"]: row for row in desk.world.queries.answer("OPT10085", {}).rows}
    assert int(returns[CODE]["청산가능수량"]) == 6
    settled = desk.world.queries.answer("OPW00005", {})
    assert int(settled.single["100주문가능금액"]) == desk.truth["orderable_krw"]
    assert [int(row["현재잔고"]) for row in settled.rows] == [5, 10]
    log = desk.world.queries.answer("OPW00007", {}).rows
    assert [int(row["체결수량"]) for row in log] == [0, 10]


def test_basic_info_names_limits_and_base_price_with_signs() -> None:
    desk = Desk()
    read = desk.query("OPT10001", {"종목코드": CODE})["read"]
    assert (read["상한가"], read["하한가"], read["기준가"]) == (" +259000", " -139600", " 199400")


def test_a_book_query_takes_a_suffix_and_has_the_irregular_sixth_level() -> None:
    desk = Desk()
    krx = desk.query("OPT10004", {"종목코드": CODE})["read"]
    nxt = desk.query("OPT10004", {"종목코드": f"{CODE}_NX"})["read"]
    assert krx["매도최우선호가"] == nxt["매도최우선호가"] == " +199500"
    assert krx["매수최우선호가"] == " 199400"
    assert krx["매도최우선잔량"] != nxt["매도최우선잔량"]
    assert krx["매도6차선호가"] == " +200000"
    assert krx["매수6우선호가"] == " -198900"
    assert krx["매도6우선잔량"].strip().isdigit()


def test_one_watch_list_query_seeds_many_symbols_on_both_venues() -> None:
    """In one page, however few rows other pages have: days of small pages had no price limits."""
    desk = Desk(options(broker=BrokerOptions(page_rows=1)))
    codes = f"{CODE};{CODE}_NX;000660;069500_NX;999999"
    assert desk.call("CommKwRqData", codes, 0, 5, 0, "관심", "3000") == 0
    desk.run(200)
    assert [row[0] for row in desk.answers[0]["table"]] == [CODE, f"{CODE}_NX", "000660"]
    assert desk.answers[0]["trcode"] == "OPTKWFID"
    assert desk.call("CommKwRqData", ";".join(["005930"] * 101), 0, 101, 0, "관심", "3000") == -204


def test_an_unknown_query_is_told_in_words() -> None:
    desk = Desk()
    assert desk.call("CommRqData", "r", "OPT99999", 0, "3000") == 0
    desk.run(200)
    assert desk.answers == []
    assert "-22" in desk.messages[0]


def test_inputs_are_used_once() -> None:
    desk = Desk()
    desk.query("OPT10001", {"종목코드": CODE})
    assert desk.query("OPT10001", {})["read"]["기준가"] == ""


def test_data_is_readable_only_inside_its_event() -> None:
    desk = Desk()
    desk.query("OPW00001", {})
    assert desk.call("GetCommData", "OPW00001", "조회", 0, "주문가능금액") == ""
    assert desk.call("GetRepeatCnt", "OPW00001", "조회") == 0
    assert desk.call("GetChejanData", 9203) == ""
    assert desk.call("GetCommRealData", CODE, 10) == ""


def test_master_data_and_login_info() -> None:
    desk = Desk(
        listings=[
            Listing(CODE, "삼성전자", Market.KOSPI, 199_400),
            Listing("247540", "에코", Market.KOSDAQ, 150_000, nxt=False),
        ]
    )
    assert desk.call("GetLoginInfo", "ACCNO") == "8012345611;"
    assert (
        desk.call("GetLoginInfo", "GetServerGubun") == desk.call("KOA_Functions", "GetServerGubun", "") == "1"
    )
    assert desk.call("GetCodeListByMarket", "NXT") == f"{CODE};"
    assert desk.call("GetCodeListByMarket", "10") == "247540;"
    assert desk.call("GetCodeListByMarket", "") == f"{CODE};247540;"
    assert desk.call("GetMasterCodeName", CODE) == "삼성전자"
    assert desk.call("GetMasterLastPrice", CODE) == "199400"
    assert desk.call("GetCodeListByMarket", "8") == ""
    assert desk.call("KOA_Functions", "IsOrderWarningStock", CODE) == "0"
    assert desk.call("KOA_Functions", "IsOrderWarningETF", CODE) == "0"
    assert desk.call("GetMasterConstruction", CODE) == "정상"
    assert desk.call("GetMasterConstruction", "999999") == ""
