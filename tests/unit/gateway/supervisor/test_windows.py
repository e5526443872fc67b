"""The windows of the broker's programs, read through a desktop that stands in for that of Windows."""

from dataclasses import dataclass, field

from services.gateway.supervisor.dialogs import Action, rule_for
from services.gateway.supervisor.looks import Window
from services.gateway.supervisor.settings import SupervisorSettings
from services.gateway.supervisor.windows import DesktopWindows
from services.runtime.settings import load_settings

from .test_parts import DAY

OURS, OTHERS = 7, 8


@dataclass
class Made:
    """One window or control. `kept`: Windows has its text, else only its own thread does."""

    text: str
    pid: int = OURS
    visible: bool = True
    kept: bool = True
    inside: tuple[int, ...] = ()


@dataclass
class FakeDesktop:
    """`busy`: the threads of these processes answer nothing."""

    made: dict[int, Made]
    busy: frozenset[int] = frozenset()
    asked: list[int] = field(default_factory=list)
    closed: list[int] = field(default_factory=list)

    def top_level(self) -> list[int]:
        inside = {child for window in self.made.values() for child in window.inside}
        return [handle for handle in self.made if handle not in inside]

    def below(self, handle: int) -> list[int]:
        return list(self.made[handle].inside)

    def is_visible(self, handle: int) -> bool:
        return self.made[handle].visible

    def pid_of(self, handle: int) -> int:
        return self.made[handle].pid

    def caption(self, handle: int) -> str:
        return self.made[handle].text if self.made[handle].kept else ""

    def ask_text(self, handle: int, within_ms: int) -> str | None:
        self.asked.append(handle)
        return None if self.made[handle].pid in self.busy else self.made[handle].text

    def post_close(self, handle: int) -> None:
        self.closed.append(handle)


def login(busy: bool) -> FakeDesktop:
    made = {
        1: Made("Open API Login", inside=(2, 3, 4)),
        2: Made("고객 ID"), 3: Made("kim", kept=False), 4: Made("typed", kept=False),
        5: Made("Desktop of somebody else", pid=OTHERS), 6: Made("hidden", visible=False),
    }  # fmt: skip
    return FakeDesktop(made, frozenset({OURS}) if busy else frozenset())


def test_what_is_visible_of_our_processes_is_seen_with_all_its_text() -> None:
    found = DesktopWindows(login(busy=False)).visible(frozenset({OURS}))
    assert found == (Window(1, "Open API Login", "고객 ID\nkim\ntyped"),)


def test_a_busy_login_keeps_its_title_and_is_known() -> None:
    desktop = login(busy=True)
    (window,) = DesktopWindows(desktop).visible(frozenset({OURS}))
    assert (window.title, window.text) == ("Open API Login", "고객 ID")
    assert rule_for(window, load_settings(SupervisorSettings).dialogs, DAY).action is Action.IGNORE
    assert desktop.asked == [3], "one question without an answer is enough"


def test_a_busy_message_box_is_known_by_its_label() -> None:
    made = {1: Made("KHOpenAPI", inside=(2, 3)), 2: Made("", kept=False), 3: Made("통신 연결이 끊겼습니다.")}
    desktop = FakeDesktop(made, frozenset({OURS}))
    (window,) = DesktopWindows(desktop).visible(frozenset({OURS}))
    assert rule_for(window, load_settings(SupervisorSettings).dialogs, DAY).action is Action.CLOSE


def test_a_window_is_closed_by_its_cross() -> None:
    desktop = login(busy=False)
    DesktopWindows(desktop).close(Window(1, "Open API Login"))
    assert desktop.closed == [1]
