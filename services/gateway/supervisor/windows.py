"""Where the windows of the gateway's process are seen and closed: Windows itself, or a folder that stands in.

The emulated control keeps its dialogs as files in `ARB_EMULATED_WINDOWS`, one JSON object each; closing a
window removes its file, which is what the emulated dialog waits for.
"""

import json
import os
import sys
from pathlib import Path
from typing import Final, Protocol

from services.gateway.supervisor.looks import Window

FOLDER_VARIABLE: Final = "ARB_EMULATED_WINDOWS"
ASK_MS: Final = 200


class WindowSource(Protocol):
    """Seen from another process, so that a hung one cannot hang us."""

    def visible(self, pids: frozenset[int]) -> tuple[Window, ...]: ...
    def close(self, window: Window) -> None: ...


class NoWindows:
    """A system without windows to look at."""

    def visible(self, pids: frozenset[int]) -> tuple[Window, ...]:
        return ()

    def close(self, window: Window) -> None:
        return None


class EmulatedWindows:
    """The windows of an emulated control: files `<handle>.json` with `pid`, `title`, `text`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def visible(self, pids: frozenset[int]) -> tuple[Window, ...]:
        found = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                data = json.loads(path.read_text(encoding="utf-8"))
                if int(data["pid"]) in pids:
                    found.append(Window(int(path.stem), str(data["title"]), str(data["text"])))
            except (OSError, ValueError, KeyError, TypeError):
                continue
        return tuple(found)

    def close(self, window: Window) -> None:
        (self._folder / f"{window.handle}.json").unlink(missing_ok=True)


class Desktop(Protocol):
    """Windows by handle: `win32.User32`."""

    def top_level(self) -> list[int]: ...
    def below(self, handle: int) -> list[int]: ...
    def is_visible(self, handle: int) -> bool: ...
    def pid_of(self, handle: int) -> int: ...
    def caption(self, handle: int) -> str: ...
    def ask_text(self, handle: int, within_ms: int) -> str | None: ...
    def post_close(self, handle: int) -> None: ...


class DesktopWindows:
    """The desktop of Windows. A busy or hung window still has its title and the text of plain labels."""

    def __init__(self, desktop: Desktop) -> None:
        self._desktop = desktop

    def visible(self, pids: frozenset[int]) -> tuple[Window, ...]:
        desktop = self._desktop
        return tuple(
            Window(handle, desktop.caption(handle), self._text(handle))
            for handle in desktop.top_level()
            if desktop.is_visible(handle) and desktop.pid_of(handle) in pids
        )

    def close(self, window: Window) -> None:
        self._desktop.post_close(window.handle)

    def _text(self, handle: int) -> str:
        """Return what a window says. Its thread is asked only for controls of which Windows keeps no text,
        and after one question without an answer no more: each costs `ASK_MS`."""
        desktop, answers, texts = self._desktop, True, []
        for control in desktop.below(handle):
            text = desktop.caption(control)
            if not text and answers:
                asked = desktop.ask_text(control, ASK_MS)
                answers, text = asked is not None, asked or ""
            texts.append(text)
        return "\n".join(filter(None, texts))


def window_source() -> WindowSource:
    """Return what this machine has: the emulated control's windows where its folder is named."""
    folder = os.environ.get(FOLDER_VARIABLE, "")
    if folder:
        return EmulatedWindows(Path(folder))
    if sys.platform == "win32":
        from services.gateway.supervisor.win32 import User32

        return DesktopWindows(User32())
    return NoWindows()
