"""A wrapper that others wrote for the real control (`pykiwoom`) runs unchanged against the emulated one."""

import json
import zipfile
from pathlib import Path

import pytest

from .conftest import Simulator, run_program

pytestmark = pytest.mark.slow

CASH_DAT = """[INPUT]
@START_예수금상세현황요청
계좌번호 = CHAR
비밀번호 = CHAR
@END_예수금상세현황요청
[OUTPUT]
@START_예수금상세현황=*,*,*
예수금 = INT
주문가능금액 = INT
@END_예수금상세현황
"""

ORDERS_DAT = """[INPUT]
@START_미체결요청
계좌번호 = CHAR
@END_미체결요청
[OUTPUT]
@START_미체결=*,*,*
주문번호 = CHAR
주문상태 = CHAR
미체결수량 = INT
@END_미체결
"""

PROGRAM = """
import contextlib, io, json, os, queue, time
import pythoncom
from pykiwoom.kiwoom import Kiwoom

frames = queue.Queue()
with contextlib.redirect_stdout(io.StringIO()):
    kiwoom = Kiwoom(chejan_dqueue=frames)
    kiwoom.CommConnect(block=True)
    account = kiwoom.GetLoginInfo("ACCNO")[0]
    out = {
        "account": account,
        "nxt": "005930" in kiwoom.GetCodeListByMarket("NXT"),
        "name": kiwoom.GetMasterCodeName("005930"),
        "last": kiwoom.GetMasterLastPrice("005930"),
        "state": kiwoom.GetConnectState(),
        "sent": kiwoom.SendOrder("매수", "2000", account, 1, "005930", 3, 199500, "00", ""),
    }
    deadline = time.monotonic() + 20
    chejans = []
    while len(chejans) < 3 and time.monotonic() < deadline:
        pythoncom.PumpWaitingMessages()
        while not frames.empty():
            chejans.append(frames.get())
    out["chejan"] = [(c["gubun"], c.get("913", "").strip(), c.get("930", "").strip()) for c in chejans]
    cash = kiwoom.block_request(
        "opw00001", 계좌번호=account, 비밀번호="", 비밀번호입력매체구분="00", 조회구분="2",
        output="예수금상세현황", next=0)
    out["orderable"] = int(cash["주문가능금액"][0])
    orders = kiwoom.block_request(
        "opt10075", 계좌번호=account, 전체종목구분="0", 매매구분="0", 체결구분="0", output="미체결", next=0)
    out["orders"] = orders.values.tolist()
print(json.dumps(out, ensure_ascii=False), flush=True)
kiwoom.ocx.clear()
os._exit(0)
"""


def write_field_files(folder: Path) -> None:
    """The client's own descriptions of two queries, where the wrapper looks for them."""
    data = folder / "C:" / "OpenAPI" / "data"
    data.mkdir(parents=True)
    for name, text in (("opw00001", CASH_DAT), ("opt10075", ORDERS_DAT)):
        with zipfile.ZipFile(data / f"{name}.enc", "w") as archive:
            archive.writestr(f"{name.upper()}.dat", text.encode("cp949"))


def test_pykiwoom_logs_in_queries_and_trades(simulator: Simulator, tmp_path: Path) -> None:
    write_field_files(tmp_path)
    done = run_program(PROGRAM, tmp_path, simulator.address)
    assert done.stdout, done.stderr
    out = json.loads(done.stdout)
    assert out["account"] == "8012345611"
    assert out["nxt"] is True
    assert (out["name"], out["last"], out["state"], out["sent"]) == ("삼성전자", 199_400, 1, 0)
    assert out["chejan"] == [["0", "접수", ""], ["0", "체결", ""], ["1", "", "3"]]
    with simulator.admin() as admin:
        truth = admin.snapshot()
    assert out["orderable"] == truth["orderable_krw"]
    assert out["orders"] == [[truth["orders"][0]["order_no"], "체결", "0"]]
