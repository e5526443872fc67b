"""Signals to stop, also many, late and in the middle of anything."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from services.runtime.stop_signals import StopFlag, stopped_by_signals

REPO = Path(__file__).parents[3]
HANG_S = 20.0

# A signal at each line that the main thread passes while it waits, is told to stop, and looks.
AT_EACH_LINE = """
    import os, signal, sys
    from {module} import stop_on_signals
    def line(frame, event, arg):
        signal.raise_signal(signal.SIGTERM)
        return line
    for _ in range(3):
        stop = stop_on_signals()
        sys.settrace(line)
        while not stop.is_set():
            stop.wait(0.01)
        stop.set()
        stop.wait(0.01)
        sys.settrace(None)
    os._exit(0)
"""
IN_A_STORM = """
    import os
    from {module} import stop_on_signals
    stop_on_signals()
    print("ready", flush=True)
    for _ in range(300):
        stop = stop_on_signals()
        while not stop.is_set():
            stop.wait(0.0005)
    os._exit(0)
"""


def start(program: str) -> "subprocess.Popen[str]":
    text = textwrap.dedent(program.format(module=stopped_by_signals.__module__))
    return subprocess.Popen([sys.executable, "-c", text], cwd=REPO, stdout=subprocess.PIPE, text=True)


def test_a_signal_at_any_line_leaves_nothing_waiting_for_itself() -> None:
    with start(AT_EACH_LINE) as child:
        try:
            assert child.wait(HANG_S) == 0
        finally:
            child.kill()


def test_a_storm_of_signals_ends_a_process_in_order() -> None:
    with start(IN_A_STORM) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            deadline = time.monotonic() + HANG_S
            while child.poll() is None and time.monotonic() < deadline:
                for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                    child.send_signal(number)
            assert child.poll() == 0
        finally:
            child.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_handlers_that_were_there_are_back_after_the_block(number: signal.Signals) -> None:
    inherited = signal.signal(number, signal.SIG_DFL)
    try:
        with stopped_by_signals() as stop:
            assert not stop.wait(0)
            os.kill(os.getpid(), number)
            assert stop.wait(HANG_S)
            os.kill(os.getpid(), signal.SIGINT)
            assert stop.is_set(), "a second one changes nothing and raises nothing"
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        signal.signal(number, inherited)


def test_what_nohup_told_to_be_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stopped_by_signals() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop.wait(0.01)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_wait_ends_after_its_time() -> None:
    began = time.monotonic()
    assert not StopFlag().wait(0.06)
    assert time.monotonic() - began >= 0.06
