"""The emulated control without Qt: calls over the socket, and the data each event makes readable.

`GetCommData`, `GetCommRealData` and `GetChejanData` mean something only while their event is being
delivered (`deliver`); outside it they give an empty text, as the real control does.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from services.simulator.events import (
    Answered,
    Chejan,
    ConditionsLoaded,
    Connected,
    Event,
    Ticked,
    Told,
    Troubled,
    event_from_wire,
)
from services.simulator.frames import kind_of


class Link(Protocol):
    """A blocking way to the server. Raises ConnectionError when it is gone."""

    def ask(self, name: str, args: list[Any]) -> Any: ...


class ControlCore:
    """One control: `call` for methods, `arrived` for server lines, `take` and `deliver` for events."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._inputs: dict[str, str] = {}
        self._waiting: deque[Event] = deque()
        self._current: Event | None = None
        self._connected = False
        self._lost = False
        self._local: dict[str, Callable[..., Any]] = {
            "SetInputValue": self._set_input,
            "CommRqData": self._comm_rq_data,
            "GetRepeatCnt": self.repeat_count,
            "GetCommData": self.comm_data,
            "GetCommDataEx": self.comm_data_ex,
            "GetCommRealData": self.real_data,
            "GetChejanData": self.chejan_data,
            "GetConnectState": lambda: int(self._connected),
        }

    # -- methods ---------------------------------------------------------------------------

    def call(self, name: str, args: list[Any]) -> Any:
        """The method's value. A lost connection gives what the real control gives: an error code or ''."""
        local = self._local.get(name)
        if local is not None:
            return local(*args)
        return self._ask(name, args)

    def _ask(self, name: str, args: list[Any]) -> Any:
        if self._lost:
            return self._without_link(name)
        try:
            return self._link.ask(name, args)
        except ConnectionError:
            self.lost()
            return self._without_link(name)

    @staticmethod
    def _without_link(name: str) -> Any:
        if name.startswith("SendOrder"):
            return -307
        if name in ("CommConnect", "CommKwRqData", "CommRqData", "SetRealReg"):
            return -106
        return "" if name.startswith(("Get", "KOA")) else None

    def _set_input(self, name: str, value: str) -> None:
        self._inputs[name] = value

    def _comm_rq_data(self, rqname: str, trcode: str, prevnext: int, screen: str) -> int:
        inputs, self._inputs = self._inputs, {}
        code: int = self._ask("CommRqData", [rqname, trcode, prevnext, screen, inputs])
        return code

    # -- events -----------------------------------------------------------------------------

    def arrived(self, message: dict[str, Any]) -> None:
        """An event line from the server: kept until it is taken."""
        self._waiting.append(event_from_wire(message))

    def put(self, event: Event) -> None:
        """An event that came without a wire."""
        self._waiting.append(event)

    def lost(self) -> None:
        """The server is gone: the control says so once."""
        if not self._lost:
            self._lost = True
            self._waiting.append(Connected(-106))

    @property
    def has_events(self) -> bool:
        return bool(self._waiting)

    def take(self) -> Event | None:
        """The next event to deliver, in order."""
        return self._waiting.popleft() if self._waiting else None

    @contextmanager
    def deliver(self, event: Event) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """While open, the event's data can be read. Gives the event's name and its arguments."""
        self._current = event
        if isinstance(event, Connected):
            self._connected = event.error == 0
        try:
            yield signal_of(event)
        finally:
            self._current = None

    # -- reading inside an event ----------------------------------------------------------------

    def repeat_count(self, trcode: str, record: str) -> int:
        event = self._current
        return len(event.rows) if isinstance(event, Answered) else 0

    def comm_data(self, trcode: str, record: str, index: int, field: str) -> str:
        event = self._current
        if not isinstance(event, Answered):
            return ""
        name = field.strip()
        if 0 <= index < len(event.rows) and name in event.rows[index]:
            return event.rows[index][name]
        return event.single.get(name, "") if index == 0 else ""

    def comm_data_ex(self, trcode: str, record: str) -> list[list[str]] | None:
        event = self._current
        return [list(row.values()) for row in event.rows] if isinstance(event, Answered) else None

    def real_data(self, code: str, fid: int) -> str:
        event = self._current
        if not isinstance(event, Ticked) or code not in (event.code, kind_of(event.frame)):
            return ""
        return event.frame.text(fid)

    def chejan_data(self, fid: int) -> str:
        event = self._current
        return event.values.get(str(fid), "") if isinstance(event, Chejan) else ""


def signal_of(event: Event) -> tuple[str, tuple[Any, ...]]:
    """The event's name and arguments, in the order of the control (Kiwoom sheet 1.2)."""
    match event:
        case Connected():
            return "OnEventConnect", (event.error,)
        case Answered():
            more = "2" if event.more else ""
            names = (event.screen, event.rqname, event.trcode, event.record, more)
            return "OnReceiveTrData", (*names, 0, "", "", "")
        case Told():
            return "OnReceiveMsg", (event.screen, event.rqname, event.trcode, event.text)
        case Ticked():
            return "OnReceiveRealData", (event.code, kind_of(event.frame), "")
        case Chejan():
            return "OnReceiveChejanData", (event.gubun, len(event.values), ";".join(event.values))
        case ConditionsLoaded():
            return "OnReceiveConditionVer", (event.ok, event.text)
        case Troubled():
            raise TypeError("a trouble is no event that a program hears")
