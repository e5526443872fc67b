"""`arb observe` on a terminal, left in every way there is: nothing of it stays behind."""

import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.cli.processes import running_in
from tests.support.supervised import ROOT, until
from tests.support.terminal import Terminal

pytestmark = [pytest.mark.slow, pytest.mark.redis, pytest.mark.timeout(240)]
Leave = Callable[[Terminal], None]


@pytest.fixture
def run() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ob") as name:
        yield Path(name).resolve() / "run"


def press_and_close(terminal: Terminal) -> None:
    """`q`, and the terminal is closed while the processes are being stopped."""
    terminal.type("q")
    terminal.process.send_signal(signal.SIGHUP)
    terminal.process.send_signal(signal.SIGTERM)


@pytest.mark.parametrize(
    "leave",
    [
        press_and_close,
        pytest.param(lambda terminal: terminal.type("\x03"), id="ctrl_c"),
        pytest.param(lambda terminal: terminal.close(), id="the_terminal_is_closed"),
        pytest.param(lambda terminal: terminal.process.kill(), id="it_is_killed"),
    ],
)
def test_however_it_is_left_nothing_runs(leave: Leave, run: Path) -> None:
    command = [sys.executable, "-m", "services.cli", "observe", "--run", str(run)]
    env = {"PYTHONPATH": str(ROOT), "ARB_CONFIG_DIR": str(ROOT / "config")}
    with Terminal(command, env, 100, 30) as terminal:
        terminal.see("spreads")
        assert len(running_in(run)) >= 9
        leave(terminal)
        if terminal.is_open:
            terminal.ended()
        until("nothing runs", lambda: running_in(run) == [], lambda: ", ".join(running_in(run)))
        terminal.process.wait(20)
