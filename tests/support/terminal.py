"""A terminal as `ssh` gives one: a command on a pseudo-terminal, and what a person would see on it."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

import pyte

PATIENCE_S = 20.0


class Terminal:
    """A command with a screen of `columns` by `lines`. Leaving the block kills what still runs."""

    def __init__(
        self, command: Sequence[str], environ: Mapping[str, str], columns: int = 80, lines: int = 24
    ) -> None:
        self._command = list(command)
        inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        self._environ = {**inherited, "TERM": "xterm-256color", **environ}
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self._size = (columns, lines)
        self.raw = b""

    def __enter__(self) -> Self:
        self._master, slave = pty.openpty()
        self._resize()
        self.before = termios.tcgetattr(slave)
        self.process = subprocess.Popen(
            self._command, stdin=slave, stdout=slave, stderr=slave, env=self._environ, start_new_session=True,
            preexec_fn=_in_the_background,
        )  # fmt: skip
        self._slave = slave
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._slave)
        self.close()

    @property
    def is_open(self) -> bool:
        return self._master >= 0

    def close(self) -> None:
        """Close the window: what runs in it is hung up."""
        if self._master >= 0:
            os.close(self._master)
        self._master = -1

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def resize(self, columns: int, lines: int) -> None:
        self._size = (columns, lines)
        self._screen.resize(lines, columns)
        self._resize()

    def _resize(self) -> None:
        columns, lines = self._size
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    @property
    def lines(self) -> list[str]:
        """The screen now, each line without its blanks at the end."""
        return [line.rstrip() for line in self._screen.display]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def see(self, wanted: str | Callable[[str], bool]) -> str:
        """Wait until the screen shows it; returns the screen. Fails with what was there instead."""
        deadline = time.monotonic() + PATIENCE_S
        shows = wanted if callable(wanted) else lambda text: wanted in text
        while not shows(self.text):
            if time.monotonic() > deadline:
                raise AssertionError(f"never seen: {wanted!r}\n--- the screen:\n{self.text}")
            self._read(0.05)
        return self.text

    def ended(self) -> int:
        """Wait for the command's end; returns its exit code."""
        deadline = time.monotonic() + PATIENCE_S
        while self.process.poll() is None and time.monotonic() < deadline:
            self._read(0.05)
        while self._read(0.05):
            """All that it wrote is wanted, and a read takes some 4 kB at most."""
        assert self.process.returncode is not None, f"it goes on\n{self.text}"
        return self.process.returncode

    def settings(self) -> list[object]:
        """How the terminal is set now (`termios.tcgetattr`)."""
        return termios.tcgetattr(self._slave)

    def _read(self, wait_s: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], wait_s)
        if ready:
            data = os.read(self._master, 65_536)
            self.raw += data
            self._stream.feed(data)
        return bool(ready)


def _in_the_background() -> None:
    """The terminal is the command's own, and Ctrl-C is ignored as a shell hands it to what runs with `&`."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
