"""The end of the console or of the Windows session: seconds are left, and trading stops in the first of them.

A closed console, a log-off and a shutdown end this process whatever it does. The HALT file is laid right in
the call that Windows makes, on its thread; the watch then stops the gateway as if told to, in a hurry. The
gateway has a console of its own, so a closed console never reaches it: one that does not end in time goes on
under the HALT file, and the next supervisor finds both.

Windows tells a console program by a control event. One that has loaded user32, as this has, is told of
log-off and shutdown only by messages to a window (Microsoft, HandlerRoutine). Both ways lead here.
"""

import sys
import threading
from collections.abc import Callable
from typing import Final

import structlog

from services.gateway.supervisor.win32 import WM_ENDSESSION, WM_QUERYENDSESSION

GRANTED_S: Final = 4.5
"""Windows ends a process that has not returned after five seconds (HungAppTimeout)."""
ASKED_S: Final = 1.0
REASON: Final = "The trading gateway is being stopped."
CTRL_CLOSE, CTRL_LOGOFF, CTRL_SHUTDOWN = 2, 5, 6
_CONSOLE_ENDS: Final = {
    CTRL_CLOSE: "its console is closed",
    CTRL_LOGOFF: "somebody logs off",
    CTRL_SHUTDOWN: "the machine shuts down",
}


class SessionEnd:
    """`stop` tells the watch to end, `lay_halt` lays the supervisor's HALT file with a reason.

    `asked`: Windows asks whether the session may end, and nobody has said no. `hurried`: it ends now.
    """

    def __init__(self, stop: Callable[[], None], lay_halt: Callable[[str], None]) -> None:
        self._stop, self._lay_halt = stop, lay_halt
        self._over = threading.Event()
        self.asked = self.hurried = False
        self._log = structlog.get_logger(service="gateway-supervisor")

    def console_event(self, event: int) -> bool:
        """Take a control event; Ctrl-C and Ctrl-Break are left to Python's own signals."""
        why = _CONSOLE_ENDS.get(event, "")
        if why:
            self._end(why)
        return bool(why)

    def session_message(self, message: int, wparam: int) -> int | None:
        """Take a window's message; returns its result, None for what is not ours.

        The answer to the question is yes, after a second in which the gateway takes back what is open, since
        it may be ended right after. Somebody else may still say no, and then trading goes on.
        """
        if message == WM_QUERYENDSESSION:
            self.asked = True  # first: a watch that sees the file must know that it is to stay
            self._halt("the Windows session is about to end")
            self._over.wait(ASKED_S)
            return 1
        if message != WM_ENDSESSION:
            return None
        if wparam:
            self._end("the Windows session ends")
        self.asked = False
        return 0

    def over(self) -> None:
        """The supervisor has done what it had to: nobody waits any longer."""
        self._over.set()

    def _end(self, why: str) -> None:
        """Stop trading, and return when the supervisor has ended or its time is over."""
        self.hurried = True
        self._stop()  # first, as above
        self._halt(f"the supervisor is being ended: {why}")
        self._over.wait(GRANTED_S)

    def _halt(self, why: str) -> None:
        try:
            self._lay_halt(why)
        except OSError:
            self._log.exception("the HALT file could not be laid")
        self._log.warning("trading is halted", why=why)


def watch_session(ending: SessionEnd) -> None:
    """Let Windows tell `ending`; elsewhere signals say the same, and there is nothing to do.

    Called after the handlers of signals are set: the newest console handler is asked first.
    """
    if sys.platform == "win32":
        from services.gateway.supervisor import win32

        win32.on_console_event(ending.console_event)
        win32.on_session_message(ending.session_message, REASON)
