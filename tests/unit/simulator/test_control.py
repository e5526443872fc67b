"""The emulated control's calling rules: those of the real binding."""

import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from services.simulator import control, host
from services.simulator.prototypes import PROTOTYPES, resolve
from services.simulator.wire import Address

SEND_ORDER = "SendOrder(QString, QString, QString, int, QString, int, int, QString, QString)"
NINE = ["주문", "2000", "8012345611", 1, "005930", 1, 199500, "00", ""]


def silent(prototype: str, *args: Any) -> tuple[Any, list[str]]:
    said: list[str] = []
    return resolve(prototype, args, said.append), said


def test_nine_values_go_as_one_list_and_never_one_by_one() -> None:
    assert silent(SEND_ORDER, NINE)[0] == ("SendOrder", NINE)
    with pytest.raises(TypeError, match="did not match"):
        resolve(SEND_ORDER, tuple(NINE))


def test_up_to_eight_values_may_be_given_either_way() -> None:
    prototype = "SetRealReg(QString, QString, QString, QString)"
    values = ["1000", "005930", "41", "0"]
    assert silent(prototype, *values)[0] == silent(prototype, values)[0] == ("SetRealReg", values)


def test_values_become_what_the_prototype_declares() -> None:
    changed = ["주문", 2000, "8012345611", "1", "005930", "10", "19950x", "00", None]
    resolved, _ = silent(SEND_ORDER, changed)
    assert resolved is not None
    assert resolved[1] == ["주문", "2000", "8012345611", 1, "005930", 10, 0, "00", ""]


@pytest.mark.parametrize(
    ("prototype", "args"),
    [
        ("GetConnectState", ()),
        ("Nonsense()", ()),
        ("GetLoginInfo(int)", ("ACCNO",)),
        ("GetLoginInfo(QString, QString)", ("ACCNO", "")),
        ("GetLoginInfo(QString)", ()),
        ("GetLoginInfo(QString)", ("ACCNO", "x")),
        (SEND_ORDER, (NINE[:8],)),
    ],
)
def test_a_wrong_prototype_or_count_gives_none_and_a_warning(prototype: str, args: tuple[Any, ...]) -> None:
    resolved, said = silent(prototype, *args)
    assert resolved is None
    assert len(said) == 1
    assert "QAxBase" in said[0]


def test_spacing_and_the_bool_of_some_bridges_do_not_matter() -> None:
    assert silent("GetCommRealData( QString,int )", "005930", "10")[0] == ("GetCommRealData", ["005930", 10])
    watch = "CommKwRqData(QString, bool, int, int, QString, QString)"
    assert silent(watch, "005930", False, 1, 0, "관심", "3000")[0] == (
        "CommKwRqData",
        ["005930", 0, 1, 0, "관심", "3000"],
    )


def test_every_prototype_of_the_sheet_resolves() -> None:
    for name, types in PROTOTYPES.items():
        resolved, said = silent(f"{name}({', '.join(types)})", list("1" * len(types)))
        assert said == []
        assert resolved is not None
        assert resolved[0] == name


def test_a_simulator_that_is_still_being_started_is_waited_for(tmp_path: Path) -> None:
    address, listening = Address(path=str(tmp_path / "s")), socket.socket(socket.AF_UNIX)

    def listen() -> None:
        listening.bind(address.path)
        time.sleep(0.05)  # bound and not yet listening: refused
        listening.listen()

    late = threading.Timer(0.1, listen)
    late.start()
    with listening, control._reached(address) as link:
        assert link.getpeername() == address.path
    late.join()


def test_a_simulator_that_never_comes_is_named_in_a_plain_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "START_TIMEOUT_S", 0.1)
    program = "from services.simulator.control import QAxWidget\nQAxWidget('KHOPENAPI.KHOpenAPICtrl.1')\n"
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("ARB_SIMULATOR", f"unix:{tmp_path}/s")
    monkeypatch.setenv("ARB_RUNTIME_SYSTEM_MODE", "simulated")  # `main` sets it for the whole process
    monkeypatch.setattr(sys, "argv", ["host", "program"])
    monkeypatch.setattr(host, "install", lambda: None)
    with pytest.raises(SystemExit, match=f"^error: no simulator listens at unix:{tmp_path}/s .*ARB_SIM"):
        host.main()
