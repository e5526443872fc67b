"""Where the windows of the gateway's process are seen and closed: Windows itself, or a folder that stands in.

The emulated control keeps its dialogs as files in `ARB_EMULATED_WINDOWS`, one JSON object each; closing a
window removes its file, which is what the emulated dialog waits for.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

from services.gateway.supervisor.looks import Window

FOLDER_VARIABLE: Final = "ARB_EMULATED_WINDOWS"
WM_CLOSE: Final = 0x0010
WM_GETTEXT: Final = 0x000D
SMTO_ABORTIFHUNG: Final = 0x0002
TEXT_CHARS: Final = 2_048
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


class DesktopWindows:
    """The desktop of Windows, through user32. Texts are asked for with a time-out: a hung window has none."""

    def __init__(self) -> None:
        import ctypes
        from ctypes import wintypes

        library: Any = ctypes
        self._c: Any = ctypes
        self._user32 = library.WinDLL("user32", use_last_error=True)
        self._callback = library.WINFUNCTYPE(wintypes.BOOL, wintypes.HWND, wintypes.LPARAM)
        self._dword = wintypes.DWORD
        self._size: Any = ctypes.c_size_t
        self._user32.SendMessageTimeoutW.argtypes = (
            wintypes.HWND, wintypes.UINT, wintypes.WPARAM, wintypes.LPVOID, wintypes.UINT, wintypes.UINT,
            wintypes.LPVOID,
        )  # fmt: skip
        self._user32.PostMessageW.argtypes = (
            wintypes.HWND, wintypes.UINT, wintypes.WPARAM, wintypes.LPARAM
        )  # fmt: skip
        self._user32.IsWindowVisible.argtypes = (wintypes.HWND,)
        self._user32.GetWindowThreadProcessId.argtypes = (wintypes.HWND, wintypes.LPVOID)
        self._user32.EnumWindows.argtypes = (self._callback, wintypes.LPARAM)
        self._user32.EnumChildWindows.argtypes = (wintypes.HWND, self._callback, wintypes.LPARAM)

    def visible(self, pids: frozenset[int]) -> tuple[Window, ...]:
        found: list[Window] = []

        def each(handle: Any) -> None:
            if self._user32.IsWindowVisible(handle) and self._pid(handle) in pids:
                texts: list[str] = []
                self._walk(handle, lambda child: texts.append(self._text(child)))
                found.append(Window(int(handle), self._text(handle), "\n".join(filter(None, texts))))

        self._walk(None, each)
        return tuple(found)

    def close(self, window: Window) -> None:
        """Post WM_CLOSE: what the cross in its corner does, never an OK."""
        self._user32.PostMessageW(window.handle, WM_CLOSE, 0, 0)

    def _walk(self, parent: Any, each: Callable[[Any], None]) -> None:
        """Call `each` for every window below `parent`, None: for every top-level one."""

        def visit(handle: Any, unused: Any) -> bool:
            each(handle)
            return True

        callback = self._callback(visit)
        if parent is None:
            self._user32.EnumWindows(callback, 0)
        else:
            self._user32.EnumChildWindows(parent, callback, 0)

    def _pid(self, handle: Any) -> int:
        pid = self._dword()
        self._user32.GetWindowThreadProcessId(handle, self._c.byref(pid))
        return int(pid.value)

    def _text(self, handle: Any) -> str:
        buffer = self._c.create_unicode_buffer(TEXT_CHARS)
        done = self._size()
        answered = self._user32.SendMessageTimeoutW(
            handle, WM_GETTEXT, TEXT_CHARS, buffer, SMTO_ABORTIFHUNG, ASK_MS, self._c.byref(done)
        )
        return buffer.value if answered else ""


def window_source() -> WindowSource:
    """Return what this machine has: the emulated control's windows where its folder is named."""
    folder = os.environ.get(FOLDER_VARIABLE, "")
    if folder:
        return EmulatedWindows(Path(folder))
    return DesktopWindows() if sys.platform == "win32" else NoWindows()
