"""The simulator as a process: controls come and go, the world goes on, and Qt programs run against it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from services.simulator.admin import SimulatorRefused
from services.simulator.wire import AddressError, parse_address

from .conftest import REPO, Simulator, run_program, start_simulator, wait_for
from .harness import ACCOUNT

pytestmark = pytest.mark.slow
SEND_ORDER = "SendOrder(QString, QString, QString, int, QString, int, int, QString, QString)"
COMM_RQ = "CommRqData(QString, QString, int, QString)"
REAL_REG = "SetRealReg(QString, QString, QString, QString)"
CODE, ASK, BID = "005930", 199_500, 199_400


class Program:
    """A Qt program around the control: it keeps what its slots saw."""

    def __init__(self, qt: Any) -> None:
        from services.simulator.control import QAxWidget

        self.qt = qt
        self.seen: list[tuple[Any, ...]] = []
        self.ocx = QAxWidget("KHOPENAPI.KHOpenAPICtrl.1")
        self.ocx.OnEventConnect.connect(lambda error: self.seen.append(("connect", error)))
        self.ocx.OnReceiveTrData.connect(self._on_tr)
        self.ocx.OnReceiveChejanData.connect(self._on_chejan)
        self.ocx.OnReceiveRealData.connect(self._on_real)

    def _on_tr(self, screen: str, rqname: str, trcode: str) -> None:
        prototype = "GetCommData(QString, QString, int, QString)"
        number = self.ocx.dynamicCall(prototype, trcode, rqname, 0, "주문번호").strip()
        self.seen.append(("tr", rqname, number))

    def _on_chejan(self, gubun: str) -> None:
        read = [self.ocx.dynamicCall("GetChejanData(int)", fid).strip() for fid in (9203, 913, 902)]
        self.seen.append(("chejan", gubun, *read))

    def _on_real(self, code: str, kind: str, data: str) -> None:
        self.seen.append(
            ("real", code, kind, self.ocx.dynamicCall("GetCommRealData(QString, int)", code, 41))
        )

    def until(self, *start: Any) -> tuple[Any, ...]:
        """Turn the loop until a slot saw something that begins like this, and give it."""

        def found() -> tuple[Any, ...] | None:
            self.qt.processEvents()
            return next((seen for seen in self.seen if seen[: len(start)] == start), None)

        return tuple(wait_for(found))

    def order(self, order_type: int, qty: int, price: int, hoga: str = "00", rqname: str = "주문") -> int:
        values = [rqname, "2000", ACCOUNT, order_type, CODE, qty, price, hoga, ""]
        return int(self.ocx.dynamicCall(SEND_ORDER, values))


@contextmanager
def program(qt: Any, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    monkeypatch.setenv("ARB_SIMULATOR", simulator.address)
    made = Program(qt)
    try:
        assert made.ocx.dynamicCall("CommConnect()") == 0
        made.until("connect", 0)
        yield made
    finally:
        made.ocx.clear()


def test_a_qt_program_logs_in_sees_books_and_trades(
    qt: Any, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with program(qt, simulator, monkeypatch) as desk:
        assert desk.ocx.dynamicCall("GetConnectState()") == 1
        assert desk.ocx.dynamicCall("GetLoginInfo(QString)", "ACCNO") == f"{ACCOUNT};"
        assert desk.ocx.dynamicCall(REAL_REG, "1000", f"{CODE};{CODE}_NX", "41;61;51;71", "0") == 0
        assert desk.until("real", f"{CODE}_NX", "주식호가잔량")[3] == "+199500"
        assert desk.order(21, 3, ASK, "10") == 0
        number = desk.until("tr", "주문")[2]
        assert desk.until("chejan", "0", number, "체결")[4] == "0"
        assert desk.until("chejan", "1")
        assert desk.ocx.dynamicCall("GetChejanData(int)", 9203) == ""
    with simulator.admin() as admin:
        assert admin.snapshot()["holdings"] == {CODE: 3}


def test_a_fill_while_no_control_is_connected_is_seen_only_by_query(
    qt: Any, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with program(qt, simulator, monkeypatch) as desk:
        desk.order(1, 4, BID - 300)
        number = desk.until("tr", "주문")[2]
    with simulator.admin() as admin:
        wait_for(lambda: not admin.snapshot()["logged_in"])
        admin.inject("cross", code=CODE, venue="KRX", bps=60, ms=500, shares=100, rich=False)
        wait_for(lambda: admin.snapshot()["holdings"] == {CODE: 4})
    with program(qt, simulator, monkeypatch) as again:
        again.ocx.dynamicCall("SetInputValue(QString, QString)", "체결구분", "2")
        assert again.ocx.dynamicCall(COMM_RQ, "체결", "OPT10076", 0, "3000") == 0
        assert again.until("tr", "체결")[2] == number
        assert not [seen for seen in again.seen if seen[0] == "chejan"]


def test_no_event_is_delivered_inside_another_events_slot(
    qt: Any, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with program(qt, simulator, monkeypatch) as desk:
        depth, deepest = 0, 0

        def nested(code: str) -> None:
            nonlocal depth, deepest
            depth += 1
            deepest = max(deepest, depth)
            desk.ocx.dynamicCall("GetMasterLastPrice(QString)", CODE)
            for _ in range(5):
                qt.processEvents()
            depth -= 1

        desk.ocx.OnReceiveRealData.connect(nested)
        desk.ocx.dynamicCall(REAL_REG, "1000", f"{CODE};{CODE}_NX;000660", "41", "0")
        wait_for(lambda: (qt.processEvents(), len([s for s in desk.seen if s[0] == "real"]) > 10)[1])
        assert deepest == 1


def test_when_the_server_goes_the_control_says_106_and_orders_are_of_unknown_fate(
    qt: Any, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with program(qt, simulator, monkeypatch) as desk:
        simulator.process.kill()
        simulator.process.wait(20)
        assert desk.order(1, 1, ASK) == -307
        assert desk.until("connect", -106)
        assert desk.order(1, 1, ASK) == -307
        assert desk.ocx.dynamicCall(COMM_RQ, "r", "OPW00001", 0, "3000") == -106
        assert desk.ocx.dynamicCall("GetConnectState()") == 0
        assert desk.seen.count(("connect", -106)) == 1


def test_only_the_right_control_name_gives_a_control(qt: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from services.simulator.control import QAxWidget

    control = QAxWidget()
    assert control.isNull()
    assert control.setControl("Shell.Explorer") is False
    assert control.dynamicCall("GetConnectState()") is None
    monkeypatch.delenv("ARB_SIMULATOR", raising=False)
    with pytest.raises(RuntimeError, match="ARB_SIMULATOR"):
        control.setControl("KHOPENAPI.KHOpenAPICtrl.1")


def test_the_admin_verbs_and_what_is_left_at_the_end(tmp_path: Path) -> None:
    simulator = start_simulator(tmp_path, listen="tcp:127.0.0.1:0")
    assert simulator.address.startswith("tcp:127.0.0.1:")
    with simulator.admin() as admin:
        admin.inject("hand_order", code=CODE, order_type=1, qty_shares=2)
        with pytest.raises(SimulatorRefused, match="known are"):
            admin.inject("earthquake")
        truth = admin.snapshot()
        assert truth["holdings"] == {CODE: 2}
        assert truth["phases"] == {"KRX": "continuous", "NXT": "continuous"}
        admin.stop()
    assert simulator.process.wait(20) == 0
    left = json.loads(simulator.truth_file.read_text(encoding="utf-8"))
    assert left["cash_krw"] == truth["cash_krw"]
    assert left["orders"] == truth["orders"]


def test_an_unreadable_message_ends_that_connection_only(simulator: Simulator) -> None:
    sock = parse_address(simulator.address).connect(5.0)
    sock.sendall(b"nonsense\n")
    assert b"unreadable" in sock.recv(10_000)
    assert sock.recv(10_000) == b""
    sock.close()
    with simulator.admin() as admin:
        assert admin.snapshot()["orders"] == []


def test_sigterm_ends_it_and_leaves_the_truth(simulator: Simulator) -> None:
    assert simulator.stop() == 0
    assert json.loads(simulator.truth_file.read_text(encoding="utf-8"))["orders"] == []


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["--listen", "tcp:0.0.0.0:1", "--config-dir", "config"], "is not an address"),
        (["--listen", "unix:{tmp}/s", "--config-dir", "{tmp}"], "sessions.toml"),
        (["--listen", "unix:{tmp}/s", "--config-dir", "config", "--options", "{tmp}/none.json"], "none.json"),
        (["--listen", "unix:{tmp}/no/s", "--config-dir", "config"], "simulator:"),
        (
            ["--listen", "unix:{tmp}/s", "--config-dir", "config", "--day-plan", "{tmp}/none.json"],
            "none.json",
        ),
    ],
)
def test_unusable_input_ends_with_2_and_says_what(args: list[str], text: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "services.simulator", *(arg.format(tmp=tmp_path) for arg in args)]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert text in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("text", ["", "unix:", "tcp:example.com:1", "tcp:127.0.0.1:x", "http://x"])
def test_addresses_are_local_or_refused(text: str) -> None:
    with pytest.raises(AddressError, match="write unix:"):
        parse_address(text)


HOSTED = """
import sys
from PyQt5.QtCore import QCoreApplication, QTimer
from PyQt5.QAxContainer import QAxWidget

app = QCoreApplication(sys.argv)
ocx = QAxWidget("KHOPENAPI.KHOpenAPICtrl.1")
ocx.OnEventConnect.connect(lambda error: (print("login", error), ocx.clear(), app.quit()))
ocx.dynamicCall("CommConnect()")
QTimer.singleShot(20000, app.quit)
app.exec_()
"""


def test_a_windows_program_runs_under_the_host_as_it_is(simulator: Simulator, tmp_path: Path) -> None:
    done = run_program(HOSTED, tmp_path, simulator.address)
    assert done.stdout.strip() == "login 0", done.stderr
    assert done.returncode == 0
