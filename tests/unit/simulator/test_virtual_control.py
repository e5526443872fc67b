"""The control for virtual time: the same calls and events, in one thread."""

from dataclasses import fields
from typing import Any

from services.simulator.options import load_options, preset_names
from services.simulator.virtual_control import VirtualControl

from .harness import ACCOUNT, MS, START_NS, Desk, options

SEND_ORDER = "SendOrder(QString, QString, QString, int, QString, int, int, QString, QString)"


class Day:
    def __init__(self) -> None:
        desk = Desk(options(), login=False)
        self.world, self.now_ns = desk.world, START_NS
        self.control = VirtualControl(self.world, lambda: self.now_ns)

    def run(self, ms: int) -> None:
        self.now_ns += ms * MS
        out = self.world.advance(self.now_ns)
        self.control.deliver(event for number, event in out if number == self.control.session.number)
        self.control.pump()


def test_a_bridge_trades_in_virtual_time() -> None:
    day, seen = Day(), []
    control = day.control
    control.OnEventConnect.connect(lambda error: seen.append(("connect", error)))
    control.OnReceiveTrData.connect(lambda screen, rqname: seen.append(("tr", rqname)))

    def on_chejan(gubun: str, *_: Any) -> None:
        seen.append((gubun, control.dynamicCall("GetChejanData(int)", "913").strip()))

    control.OnReceiveChejanData.connect(on_chejan)
    assert control.dynamicCall("CommConnect()") == 0
    day.run(100)
    assert control.dynamicCall(SEND_ORDER, ["r", "2000", ACCOUNT, 1, "005930", 1, 199500, "10", ""]) == 0
    day.run(100)
    assert seen == [("connect", 0), ("tr", "r"), ("0", "접수"), ("0", "체결"), ("1", "")]
    assert control.dynamicCall("GetChejanData(int)", 9201) == "", "the last frame had it"


def test_pumping_inside_a_slot_fires_nothing() -> None:
    day, inner = Day(), []
    day.control.OnReceiveMsg.connect(lambda: inner.append(day.control.pump()))
    day.control.dynamicCall("CommConnect()")
    day.run(100)
    for _ in range(3):
        day.control.dynamicCall("CommRqData(QString, QString, int, QString)", "r", "OPW00001", 0, "3000")
    day.run(200)
    assert inner == [0, 0, 0]


def test_a_cleared_control_hears_nothing_while_the_world_goes_on() -> None:
    day, seen = Day(), []
    day.control.dynamicCall("CommConnect()")
    day.run(100)
    day.control.OnReceiveChejanData.connect(lambda: seen.append(1))
    day.control.dynamicCall(SEND_ORDER, ["r", "2000", ACCOUNT, 1, "005930", 1, 199500, "10", ""])
    day.control.clear()
    day.run(500)
    assert seen == []
    assert day.world.snapshot()["holdings"] == {"005930": 1}


def test_presets_can_be_read_and_demo_is_the_milder() -> None:
    assert preset_names() == ["chaos", "demo", "storm"]
    demo, storm = load_options("demo").faults, load_options("storm").faults
    assert 0 < demo.reject_rate < storm.reject_rate
    assert demo.fade_rate > 0
    assert demo.disconnects_per_hour == demo.lost_ack_rate == demo.never_arrives_rate == 0
    rates = [getattr(storm, field.name) for field in fields(storm) if field.name.endswith("_rate")]
    assert len(rates) > 10
    assert all(rate > 0 for rate in rates), "the storm shows every fault"
