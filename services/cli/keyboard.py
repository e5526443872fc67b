"""The keyboard of a terminal, key by key: `with Keyboard() as keyboard: keyboard.pressed(0.25)`."""

import os
import select
import sys
import termios
import tty
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

READ_AT_ONCE: Final = 1_024
_SEQUENCES: Final = {
    "\x1b[A": "up", "\x1b[B": "down", "\x1b[C": "right", "\x1b[D": "left",
    "\x1bOA": "up", "\x1bOB": "down", "\x1bOC": "right", "\x1bOD": "left",
    "\x1b[5~": "page up", "\x1b[6~": "page down", "\x1b[H": "home", "\x1b[F": "end",
    "\x1b[1~": "home", "\x1b[4~": "end", "\x1b[Z": "back tab",
}  # fmt: skip
_NAMED: Final = {
    "\x1b": "escape", "\r": "enter", "\n": "enter", "\t": "tab", "\x7f": "backspace", "\b": "backspace",
    " ": "space", "\x04": "q",
}  # fmt: skip


def keys_of(text: str) -> list[str]:
    """Return the keys that a terminal sent, named (`up`, `enter`) or as the character typed.

    An escape sequence that is not known here is dropped whole, so that none of its letters acts as a key.
    """
    keys: list[str] = []
    while text:
        key, text = _first(text)
        if key:
            keys.append(key)
    return keys


def _first(text: str) -> tuple[str, str]:
    for sequence, name in _SEQUENCES.items():
        if text.startswith(sequence):
            return name, text[len(sequence) :]
    if text.startswith(("\x1b[", "\x1bO")):
        end = next((i for i, char in enumerate(text[2:], 2) if "@" <= char <= "~"), len(text) - 1)
        return "", text[end + 1 :]
    named = _NAMED.get(text[0], text[0] if text[0].isprintable() else "")
    return named, text[1:]


class Keyboard:
    """Standard input without echo and without waiting for the line's end; put back as it was on leaving.

    Ctrl-C stays an interrupt. What a multi-byte character has sent so far waits for its rest.
    """

    def __init__(self, stream: int | None = None) -> None:
        self._stream = sys.stdin.fileno() if stream is None else stream
        self._bytes = b""

    def __enter__(self) -> Self:
        self._before = termios.tcgetattr(self._stream)
        tty.setcbreak(self._stream, termios.TCSADRAIN)  # what was typed before stays to be read
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(termios.error):  # the terminal may be gone
            termios.tcsetattr(self._stream, termios.TCSADRAIN, self._before)

    def pressed(self, wait_s: float) -> list[str]:
        """Return the keys pressed, after at most `wait_s`; a terminal that is gone presses `q`."""
        ready, _, _ = select.select([self._stream], [], [], wait_s)
        if not ready:
            return []
        try:
            more = os.read(self._stream, READ_AT_ONCE)
        except OSError:
            more = b""
        if not more:
            return ["q"]
        text, self._bytes = _whole_characters(self._bytes + more)
        return keys_of(text)


def _whole_characters(data: bytes) -> tuple[str, bytes]:
    """Return what is complete UTF-8 as text, and the begun character at the end."""
    for cut in range(min(4, len(data)) + 1):
        try:
            return data[: len(data) - cut].decode(), data[len(data) - cut :]
        except UnicodeDecodeError:
            continue
    return data.decode(errors="ignore"), b""
