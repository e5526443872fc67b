"""The emulated OpenAPI+ control for Qt programs: the part of QAxWidget that a bridge uses.

Calls block on the socket; events that arrive meanwhile wait and are delivered from the Qt event
loop, one at a time and never from inside another event's slot: a nested loop in a slot waits for
ever, as with the real control (Kiwoom sheet 8.2).
"""

import os
import select
import socket
import time
from pathlib import Path
from typing import Any

from PyQt5.QtCore import QObject, QSocketNotifier, QTimer, pyqtSignal

from services.simulator.control_core import ControlCore
from services.simulator.events import Troubled
from services.simulator.prototypes import resolve
from services.simulator.trouble import befall
from services.simulator.wire import Address, decode, encode, parse_address

PROG_ID = "KHOPENAPI.KHOpenAPICtrl.1"
CLSID = "{A1574A0D-6BFA-4BD7-9020-DED88711818D}"
ADDRESS_VARIABLE = "ARB_SIMULATOR"
CALL_TIMEOUT_S = 10.0
START_TIMEOUT_S = 15.0
RETRY_S = 0.05
DIALOG_MS = 50
BURST = 64
"""Events delivered before the loop may turn to timers and sockets."""


class SimulatorAway(ConnectionError):
    """No simulator listens where it should: says where, and how to mend it."""


def _reached(address: Address) -> socket.socket:
    """Connect to a simulator; one that is just being started gets the time to listen."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            return address.connect(CALL_TIMEOUT_S)
        except OSError as error:
            if time.monotonic() > deadline:
                raise SimulatorAway(
                    f"no simulator listens at {address} ({error.strerror or error}). Start it with "
                    f"`python -m services.simulator --listen {address} --config-dir config`, or correct "
                    f"{ADDRESS_VARIABLE}."
                ) from error
            time.sleep(RETRY_S)


class SocketLink:
    """Requests and replies over one socket; event lines met on the way go to `on_event`."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._buffer = b""
        self._next = 0
        self.events: list[dict[str, Any]] = []

    def ask(self, name: str, args: list[Any]) -> Any:
        """Raises ConnectionError when the server is gone or silent, RuntimeError when it refuses."""
        self._next += 1
        number = self._next
        try:
            self.sock.sendall(encode({"id": number, "call": name, "args": args}))
            while True:
                for message in self._read():
                    if message.get("id") == number:
                        if "error" in message:
                            raise RuntimeError(f"{name}: {message['error']}")
                        return message["ret"]
        except OSError as error:
            raise ConnectionError(f"the simulator does not answer {name}: {error}") from error

    def poll(self) -> None:
        """Read what is there without waiting. Raises ConnectionError when the server is gone."""
        while select.select([self.sock], [], [], 0)[0]:
            self._read()

    def _read(self) -> list[dict[str, Any]]:
        data = self.sock.recv(262_144)
        if not data:
            raise ConnectionError("the simulator closed the connection")
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        replies: list[dict[str, Any]] = []
        for line in lines:
            message = decode(line)
            (self.events if "event" in message else replies).append(message)
        return replies

    def take_events(self) -> list[dict[str, Any]]:
        events, self.events = self.events, []
        return events


class QAxWidget(QObject):
    """The emulated control. Needs a QCoreApplication first, as the real one needs a QApplication."""

    OnEventConnect = pyqtSignal(int)
    OnReceiveTrData = pyqtSignal(str, str, str, str, str, int, str, str, str)
    OnReceiveRealData = pyqtSignal(str, str, str)
    OnReceiveMsg = pyqtSignal(str, str, str, str)
    OnReceiveChejanData = pyqtSignal(str, int, str)
    OnReceiveRealCondition = pyqtSignal(str, str, str, str)
    OnReceiveTrCondition = pyqtSignal(str, str, str, int, int)
    OnReceiveConditionVer = pyqtSignal(int, str)
    OnReceiveInvestRealData = pyqtSignal(str)

    def __init__(self, control: str | QObject | None = None, parent: QObject | None = None) -> None:
        super().__init__(control if isinstance(control, QObject) else parent)
        self._core: ControlCore | None = None
        self._link: SocketLink | None = None
        self._notifier: QSocketNotifier | None = None
        self._name = ""
        self._delivering = False
        self._armed = False
        self._dialog: Path | None = None
        if isinstance(control, str):
            self.setControl(control)

    def setControl(self, name: str) -> bool:
        """Create the control. False, and a null control, for any other name.

        Raises:
            SimulatorAway: nothing listens at the address.
        """
        self.clear()
        if name.upper() not in (PROG_ID.upper(), CLSID):
            return False
        address = os.environ.get(ADDRESS_VARIABLE, "")
        if not address:
            raise RuntimeError(
                f"set {ADDRESS_VARIABLE} to the simulator's address, e.g. unix:/run/simulator.sock"
            )
        link = SocketLink(_reached(parse_address(address)))
        self._link, self._core, self._name = link, ControlCore(link), name
        self._notifier = QSocketNotifier(link.sock.fileno(), QSocketNotifier.Type.Read, self)  # type: ignore[arg-type]
        self._notifier.activated.connect(self._on_readable)
        return True

    def control(self) -> str:
        return self._name

    def isNull(self) -> bool:
        return self._core is None

    def clear(self) -> None:
        """Shut the control down; must be done before the interpreter exits."""
        if self._notifier is not None:
            self._notifier.setEnabled(False)
            self._notifier.deleteLater()
        if self._link is not None:
            self._link.sock.close()
        self._core = self._link = self._notifier = None
        self._name = ""

    def dynamicCall(self, prototype: str, *args: Any) -> Any:
        """Call a method by prototype (Kiwoom sheet 1.1). Raises TypeError beyond eight values."""
        if self._core is None:
            return None
        resolved = resolve(prototype, args)
        if resolved is None:
            return None
        value = self._core.call(*resolved)
        if self._link is not None and self._link.events:
            self._collect()
        self._arm()
        return value

    # -- events ---------------------------------------------------------------------------

    def _on_readable(self, *_: object) -> None:
        if self._link is None or self._core is None:
            return
        try:
            self._link.poll()
        except OSError:
            if self._notifier is not None:
                self._notifier.setEnabled(False)
            self._collect()
            self._core.lost()
        self._collect()

    def _collect(self) -> None:
        """Move what arrived into the control's queue and have the loop deliver it."""
        if self._link is None or self._core is None:
            return
        for message in self._link.take_events():
            self._core.arrived(message)
        self._arm()

    def _arm(self) -> None:
        if not self._armed and self._core is not None and self._core.has_events:
            self._armed = True
            QTimer.singleShot(0, self._deliver)

    def _deliver(self) -> None:
        self._armed = False
        if self._delivering or self._blocked():
            return
        self._delivering = True
        try:
            for _ in range(BURST):
                core = self._core
                event = core.take() if core is not None else None
                if core is None or event is None:
                    break
                if isinstance(event, Troubled):
                    self._dialog = befall(event)
                    if self._blocked():
                        return
                    continue
                with core.deliver(event) as (name, values):
                    getattr(self, name).emit(*values)
        finally:
            self._delivering = False
        self._arm()

    def _blocked(self) -> bool:
        """A dialog is modal: nothing comes while it is open, and its timer looks whether it was closed."""
        if self._dialog is None:
            return False
        if not self._dialog.exists():
            self._dialog = None
            return False
        self._armed = True
        QTimer.singleShot(DIALOG_MS, self._deliver)
        return True
