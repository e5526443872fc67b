"""A console that closes and a session that ends: trading stops first, in the seconds that Windows grants."""

import threading
import time
from dataclasses import dataclass, field

import pytest

from services.gateway.supervisor import session_end
from services.gateway.supervisor.session_end import (
    CTRL_CLOSE,
    CTRL_LOGOFF,
    CTRL_SHUTDOWN,
    SessionEnd,
)
from services.gateway.supervisor.win32 import WM_ENDSESSION, WM_QUERYENDSESSION

CTRL_C, CTRL_BREAK, WM_TIMER = 0, 1, 0x0113


@dataclass
class Watch:
    """The supervisor that is told, in the order in which it is."""

    told: list[str] = field(default_factory=list)
    disk_full: bool = False

    def ending(self) -> SessionEnd:
        return SessionEnd(lambda: self.told.append("stop"), self._lay)

    def _lay(self, why: str) -> None:
        if self.disk_full:
            raise OSError("no space left")
        self.told.append(why)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_end, "GRANTED_S", 0.02)
    monkeypatch.setattr(session_end, "ASKED_S", 0.02)


@pytest.mark.parametrize("event", [CTRL_CLOSE, CTRL_LOGOFF, CTRL_SHUTDOWN])
def test_an_ending_console_halts_before_the_handler_returns(event: int) -> None:
    watch = Watch()
    ending = watch.ending()
    assert ending.console_event(event)
    assert watch.told[0] == "stop" and "being ended" in watch.told[1] and ending.hurried


@pytest.mark.parametrize("event", [CTRL_C, CTRL_BREAK])
def test_keys_are_left_to_the_signals(event: int) -> None:
    watch = Watch()
    assert not watch.ending().console_event(event)
    assert watch.told == []


def test_the_question_halts_and_ends_nothing() -> None:
    """The gateway may be ended right after the answer."""
    watch = Watch()
    ending = watch.ending()
    assert ending.session_message(WM_QUERYENDSESSION, 0) == 1
    assert "about to end" in watch.told[0] and ending.asked
    assert ending.session_message(WM_ENDSESSION, 0) == 0, "somebody else said no"
    assert ending.session_message(WM_TIMER, 1) is None
    assert len(watch.told) == 1 and not ending.asked and not ending.hurried


def test_the_watch_knows_before_it_sees_the_file() -> None:
    """Else it would lift the file: all is well."""
    seen: list[bool] = []
    ending = SessionEnd(lambda: None, lambda why: seen.append(ending.asked))
    ending.session_message(WM_QUERYENDSESSION, 0)
    assert seen == [True]


def test_an_ended_session_halts() -> None:
    watch = Watch()
    assert watch.ending().session_message(WM_ENDSESSION, 1) == 0
    assert watch.told[0] == "stop" and "session" in watch.told[1]


def test_the_handler_holds_windows_up_until_the_supervisor_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Returning is what ends the process."""
    monkeypatch.setattr(session_end, "GRANTED_S", 30.0)
    watch, returned = Watch(), threading.Event()
    ending = watch.ending()
    thread = threading.Thread(target=lambda: (ending.console_event(CTRL_CLOSE), returned.set()))
    thread.start()
    deadline = time.monotonic() + 20
    while len(watch.told) < 2 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert not returned.is_set()
    ending.over()
    assert returned.wait(20)
    thread.join()


def test_a_full_disk_does_not_keep_the_gateway_from_being_stopped() -> None:
    watch = Watch(disk_full=True)
    assert watch.ending().console_event(CTRL_CLOSE)
    assert watch.told == ["stop"]
