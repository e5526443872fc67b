"""The control's methods by their own names, over whatever answers `dynamicCall`.

Every method is one `dynamicCall` with the prototype of the sheet (Kiwoom sheet 1.1). SendOrder's nine
values go as one list, because the variadic form takes eight.
"""

from collections.abc import Callable
from typing import Any


class Ocx:
    """One control: the real widget, or one that emulates it. All calls belong to the Qt thread."""

    def __init__(self, control: Any) -> None:
        self._control = control

    def on(self, event: str, slot: Callable[..., None]) -> None:
        getattr(self._control, event).connect(slot)

    def connect(self) -> int:
        return self._number("CommConnect()")

    def login_info(self, tag: str) -> str:
        return self._text("GetLoginInfo(QString)", tag)

    def set_input(self, name: str, value: str) -> None:
        self._control.dynamicCall("SetInputValue(QString, QString)", name, value)

    def request(self, rqname: str, trcode: str, prevnext: int, screen: str) -> int:
        return self._number("CommRqData(QString, QString, int, QString)", rqname, trcode, prevnext, screen)

    def request_many(self, codes: str, count: int, rqname: str, screen: str) -> int:
        prototype = "CommKwRqData(QString, int, int, int, QString, QString)"
        return self._number(prototype, codes, 0, count, 0, rqname, screen)

    def repeat_count(self, trcode: str, record: str) -> int:
        return self._number("GetRepeatCnt(QString, QString)", trcode, record)

    def comm_data(self, trcode: str, record: str, row: int, field: str) -> str:
        return self._text("GetCommData(QString, QString, int, QString)", trcode, record, row, field)

    def real_data(self, code: str, fid: int) -> str:
        return self._text("GetCommRealData(QString, int)", code, fid)

    def chejan_data(self, fid: int) -> str:
        return self._text("GetChejanData(int)", fid)

    def register(self, screen: str, codes: str, fids: str, *, adds: bool = False) -> int:
        prototype = "SetRealReg(QString, QString, QString, QString)"
        return self._number(prototype, screen, codes, fids, "1" if adds else "0")

    def unregister(self, screen: str, code: str) -> None:
        self._control.dynamicCall("SetRealRemove(QString, QString)", screen, code)

    def drop_screen(self, screen: str) -> None:
        self._control.dynamicCall("DisconnectRealData(QString)", screen)

    def codes_by_market(self, market: str) -> str:
        return self._text("GetCodeListByMarket(QString)", market)

    def stock_state(self, code: str) -> str:
        return self._text("GetMasterStockState(QString)", code)

    def function(self, name: str, argument: str) -> str:
        return self._text("KOA_Functions(QString, QString)", name, argument)

    def send_order(self, args: list[Any]) -> int:
        prototype = "SendOrder(QString, QString, QString, int, QString, int, int, QString, QString)"
        return int(self._control.dynamicCall(prototype, args))

    def clear(self) -> None:
        """Let go of the control; must come before the interpreter exits."""
        self._control.clear()

    def _number(self, prototype: str, *args: Any) -> int:
        value = self._control.dynamicCall(prototype, *args)
        return 0 if value is None else int(value)

    def _text(self, prototype: str, *args: Any) -> str:
        value = self._control.dynamicCall(prototype, *args)
        return "" if value is None else str(value)
