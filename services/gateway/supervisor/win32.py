"""The calls of Windows that the supervisor needs. Nothing is decided here: this runs on Windows alone."""

import ctypes
import threading
from collections.abc import Callable
from typing import Any

WM_CLOSE = 0x0010
WM_GETTEXT = 0x000D
WM_QUERYENDSESSION, WM_ENDSESSION = 0x0011, 0x0016
SMTO_ABORTIFHUNG = 0x0002
TEXT_CHARS = 2_048
FIRST_TO_END = 0x3FF
"""Processes are ended from high levels to low ones. Others have 0x280, so the gateway ends after us."""

_c: Any = ctypes
"""The names that ctypes has on Windows alone are unknown to a type checker elsewhere."""


class User32:
    """Windows by handle. Handles are plain numbers."""

    def __init__(self) -> None:
        from ctypes import wintypes as w

        self._dll = _c.WinDLL("user32", use_last_error=True)
        self._each = _c.WINFUNCTYPE(w.BOOL, w.HWND, w.LPARAM)
        self._dll.SendMessageTimeoutW.argtypes = (
            w.HWND, w.UINT, w.WPARAM, w.LPVOID, w.UINT, w.UINT, w.LPVOID
        )  # fmt: skip
        self._dll.GetWindowTextW.argtypes = (w.HWND, w.LPWSTR, _c.c_int)
        self._dll.PostMessageW.argtypes = (w.HWND, w.UINT, w.WPARAM, w.LPARAM)
        self._dll.IsWindowVisible.argtypes = (w.HWND,)
        self._dll.GetWindowThreadProcessId.argtypes = (w.HWND, w.LPVOID)
        self._dll.EnumWindows.argtypes = (self._each, w.LPARAM)
        self._dll.EnumChildWindows.argtypes = (w.HWND, self._each, w.LPARAM)

    def top_level(self) -> list[int]:
        found: list[int] = []
        self._dll.EnumWindows(self._collector(found), 0)
        return found

    def below(self, handle: int) -> list[int]:
        """Return all windows inside one, however deep."""
        found: list[int] = []
        self._dll.EnumChildWindows(handle, self._collector(found), 0)
        return found

    def is_visible(self, handle: int) -> bool:
        return bool(self._dll.IsWindowVisible(handle))

    def pid_of(self, handle: int) -> int:
        pid = _c.c_ulong()
        self._dll.GetWindowThreadProcessId(handle, _c.byref(pid))
        return int(pid.value)

    def caption(self, handle: int) -> str:
        """Return the text that Windows itself keeps of a window.

        Of another process's window `GetWindowTextW` reads it without a message, so its thread may be busy or
        hang (Microsoft, GetWindowTextW). A control that keeps its text itself, such as an edit, has none.
        """
        buffer = _c.create_unicode_buffer(TEXT_CHARS)
        self._dll.GetWindowTextW(handle, buffer, TEXT_CHARS)
        return str(buffer.value)

    def ask_text(self, handle: int, within_ms: int) -> str | None:
        """Ask a window's own thread for its text; None where it does not answer in time."""
        buffer, length = _c.create_unicode_buffer(TEXT_CHARS), _c.c_size_t()
        answered = self._dll.SendMessageTimeoutW(
            handle, WM_GETTEXT, TEXT_CHARS, buffer, SMTO_ABORTIFHUNG, within_ms, _c.byref(length)
        )
        return str(buffer.value) if answered else None

    def post_close(self, handle: int) -> None:
        """Do what the cross in its corner does, never an OK."""
        self._dll.PostMessageW(handle, WM_CLOSE, 0, 0)

    def _collector(self, found: list[int]) -> Any:
        def take(handle: int, _: int) -> bool:
            found.append(int(handle))
            return True

        return self._each(take)


def on_console_event(handler: Callable[[int], bool]) -> None:
    """Call `handler` with each control event of the console, on a thread that Windows makes for it.

    True: handled, which for a console that closes ends this process at once. The newest handler is asked
    first, so this one stands before that of Python's own signals.
    """
    from ctypes import wintypes as w

    routine = _c.WINFUNCTYPE(w.BOOL, w.DWORD)(handler)
    _kept.append(routine)
    _c.WinDLL("kernel32").SetConsoleCtrlHandler(routine, True)


def on_session_message(handler: Callable[[int, int], int | None], reason: str) -> None:
    """Call `handler` with (message, wparam) of a hidden window, on a thread of its own.

    It returns the message's result, None for the default. `reason` is what Windows shows while we hold it up.
    """
    threading.Thread(target=_pump, args=(handler, reason), name="session-messages", daemon=True).start()


_kept: list[Any] = []
"""Callbacks that Windows may call until the process ends."""


def _pump(handler: Callable[[int, int], int | None], reason: str) -> None:
    """Run a window that nobody sees. A message-only one would not be told of a session's end."""
    from ctypes import wintypes as w

    user32, kernel32 = _c.WinDLL("user32", use_last_error=True), _c.WinDLL("kernel32")
    procedure_type = _c.WINFUNCTYPE(_c.c_ssize_t, w.HWND, w.UINT, w.WPARAM, w.LPARAM)

    class WindowClass(ctypes.Structure):
        _fields_ = (
            ("style", w.UINT), ("procedure", procedure_type), ("class_extra", _c.c_int),
            ("window_extra", _c.c_int), ("instance", w.HINSTANCE), ("icon", w.HANDLE), ("cursor", w.HANDLE),
            ("background", w.HANDLE), ("menu", w.LPCWSTR), ("name", w.LPCWSTR),
        )  # fmt: skip

    user32.DefWindowProcW.restype = _c.c_ssize_t
    user32.DefWindowProcW.argtypes = (w.HWND, w.UINT, w.WPARAM, w.LPARAM)
    user32.CreateWindowExW.restype = w.HWND
    user32.CreateWindowExW.argtypes = (
        w.DWORD, w.LPCWSTR, w.LPCWSTR, w.DWORD, _c.c_int, _c.c_int, _c.c_int, _c.c_int, w.HWND, w.HANDLE,
        w.HINSTANCE, w.LPVOID,
    )  # fmt: skip
    user32.ShutdownBlockReasonCreate.argtypes = (w.HWND, w.LPCWSTR)
    user32.ShutdownBlockReasonDestroy.argtypes = (w.HWND,)
    kernel32.GetModuleHandleW.restype = w.HMODULE
    kernel32.GetModuleHandleW.argtypes = (w.LPCWSTR,)

    def procedure(window: int, message: int, wparam: int, lparam: int) -> int:
        if message == WM_QUERYENDSESSION:
            user32.ShutdownBlockReasonCreate(window, reason)
        result = handler(message, wparam)
        if message == WM_ENDSESSION:
            user32.ShutdownBlockReasonDestroy(window)
        if result is None:
            result = int(user32.DefWindowProcW(window, message, wparam, lparam))
        return result

    name = "ArbSupervisor"
    made = WindowClass(
        procedure=procedure_type(procedure), instance=kernel32.GetModuleHandleW(None), name=name
    )
    _kept.append(made)
    user32.RegisterClassW(_c.byref(made))
    user32.CreateWindowExW(0, name, name, 0, 0, 0, 0, 0, None, None, made.instance, None)
    kernel32.SetProcessShutdownParameters(FIRST_TO_END, 0)
    message = w.MSG()
    while user32.GetMessageW(_c.byref(message), None, 0, 0) > 0:
        user32.DispatchMessageW(_c.byref(message))
