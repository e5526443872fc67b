"""The gateway's process, started here or found alive, with what psutil can tell of it.

The process that was started need not be the gateway: `python.exe` of a Windows venv starts the real Python as
its child and waits. The gateway is the descendant that writes the pulse.

A gateway outlives its supervisor: one that trades well is not ended because its watcher died. The record
`supervised.json` in the state folder lets the next supervisor find it; the time at which it was created
tells it from a later owner of its pid.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil
import structlog

from services.gateway.pulse import PULSE_FILE, STOP_FILE
from services.gateway.supervisor.looks import Life

RECORD: Final = "supervised.json"
NOT_STARTED: Final = 127
"""The exit code of what could not be started at all."""
VENV_VARIABLE: Final = "__PYVENV_LAUNCHER__"
"""Tells a Python of Windows whose venv it is in: the supervisor's need not be the gateway's."""
_MB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """The gateway as it is now. An end is told once; `memory_mb` is what it and its launcher hold.

    `pid` is the gateway's once it has beaten, before that of the process that was started. `pids` are both
    and all that they started: the broker's login is a program of its own.
    """

    life: Life
    pid: int = 0
    exit_code: int | None = None
    memory_mb: int = 0
    pids: frozenset[int] = frozenset()


class Child:
    """At most one gateway. `folder` is its state folder, `out` takes what it prints."""

    def __init__(self, command: Sequence[str], folder: Path, out: Path, log_file: Path) -> None:
        self._command, self._folder, self._out, self._log_file = tuple(command), folder, out, log_file
        self._popen: subprocess.Popen[bytes] | None = None
        self._started: psutil.Process | None = None
        self._gateway: psutil.Process | None = None
        self._family: dict[int, psutil.Process] = {}
        self._stillborn = False
        self._log = structlog.get_logger(service="gateway-supervisor")
        folder.mkdir(parents=True, exist_ok=True)
        self._adopt()

    def start(self) -> None:
        """Start a gateway; where that fails, the next sample says that it ended."""
        (self._folder / STOP_FILE).unlink(missing_ok=True)
        (self._folder / PULSE_FILE).unlink(missing_ok=True)
        env = {**os.environ, "ARB_RUNTIME_LOG_FILE": str(self._log_file)}
        env.pop(VENV_VARIABLE, None)
        self._out.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._out.open("ab") as out:
                self._popen = subprocess.Popen(
                    self._command, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, **_alone()
                )
            self._started, self._gateway, self._family = psutil.Process(self._popen.pid), None, {}
            self._remember()
        except (OSError, psutil.Error):
            self._log.exception("the gateway cannot be started", command=self._command)
            self._stillborn = self._popen is None

    def sample(self, beating: int = 0) -> Sample:
        """Return how it is; the end of a process is returned once, then it is absent.

        `beating` is the pid in the newest pulse, 0 where there is none. A stranger's counts for nothing.
        """
        if self._stillborn:
            self._stillborn = False
            return Sample(Life.ENDED, exit_code=NOT_STARTED)
        started = self._started
        if started is None:
            return Sample(Life.ABSENT)
        self._look_around(started)
        self._recognise(beating)
        gateway = self._gateway or started
        if gateway is not started and not self._runs(started) and _lives(gateway):
            # The launcher is gone: how the gateway will end, nobody is told.
            self._started, self._popen = gateway, None
        if self._runs(self._started or gateway):
            memory_mb = sum(_memory_mb(process) for process in {started, gateway})
            return Sample(Life.ALIVE, gateway.pid, memory_mb=memory_mb, pids=frozenset(self._family))
        code = None if self._popen is None else self._popen.returncode
        self._started = self._gateway = self._popen = None
        return Sample(Life.ENDED, gateway.pid, code)

    def ask_to_stop(self) -> None:
        """Leave the request that the gateway looks for with each pulse, to whichever of them it is."""
        if self._started is not None:
            self._look_around(self._started)
            text = "".join(f"{pid}\n" for pid in sorted(self._family))
            (self._folder / STOP_FILE).write_text(text, encoding="ascii")

    def kill(self) -> None:
        """End it and what it started, at once."""
        if self._started is None:
            return
        self._look_around(self._started)
        for process in self._family.values():
            with suppress(psutil.Error):
                process.kill()

    def _look_around(self, started: psutil.Process) -> None:
        """Find what descends from it; who was found stays known when its parent has ended."""
        family = {started.pid: started, **{pid: p for pid, p in self._family.items() if _lives(p)}}
        with suppress(psutil.Error):
            family.update((child.pid, child) for child in started.children(recursive=True))
        self._family = family

    def _recognise(self, beating: int) -> None:
        found = self._family.get(beating)
        if found is None or found == (self._gateway or self._started):
            return
        self._gateway = found
        self._log.info("the gateway is a descendant of what was started", pid=found.pid)
        with suppress(OSError, psutil.Error):
            self._remember()

    def _runs(self, process: psutil.Process) -> bool:
        return _lives(process) if self._popen is None else self._popen.poll() is None

    def _remember(self) -> None:
        known = [{"pid": p.pid, "created": p.create_time()} for p in (self._gateway, self._started) if p]
        (self._folder / RECORD).write_text(json.dumps({**known[0], "others": known[1:]}), encoding="ascii")

    def _adopt(self) -> None:
        """Find the gateway that an earlier supervisor started, if it lives."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            record = json.loads((self._folder / RECORD).read_text(encoding="ascii"))
            known = [process for each in (record, *record.get("others", ())) if (process := _still(each))]
            if known:
                self._gateway, self._started = known[0], known[-1]
                self._log.info("found a running gateway", pid=known[0].pid)


def _alone() -> dict[str, Any]:
    """How a gateway is started so that what befalls the supervisor's console or terminal misses it.

    `CREATE_NO_WINDOW` gives it a console of its own, which the launcher's child inherits. `DETACHED_PROCESS`
    would give it none, and the child would open a visible one.
    """
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def _still(record: dict[str, Any]) -> psutil.Process | None:
    """Return the process of a record, None where its pid is free or somebody else's."""
    with suppress(psutil.Error):
        process = psutil.Process(int(record["pid"]))
        if abs(process.create_time() - float(record["created"])) < 1.0 and _lives(process):
            return process
    return None


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _memory_mb(process: psutil.Process) -> int:
    with suppress(psutil.Error):
        info = process.memory_info()
        return int(getattr(info, "private", info.rss) // _MB)
    return 0
