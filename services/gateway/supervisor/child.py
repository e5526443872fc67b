"""The gateway's process, started here or found alive, with what psutil can tell of it.

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
_MB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """The process as it is now. An end is told once; `memory_mb` is what it holds for itself."""

    life: Life
    pid: int = 0
    exit_code: int | None = None
    memory_mb: int = 0


class Child:
    """At most one gateway. `folder` is its state folder, `out` takes what it prints."""

    def __init__(self, command: Sequence[str], folder: Path, out: Path, log_file: Path) -> None:
        self._command, self._folder, self._out, self._log_file = tuple(command), folder, out, log_file
        self._popen: subprocess.Popen[bytes] | None = None
        self._process: psutil.Process | None = None
        self._stillborn = False
        self._log = structlog.get_logger(service="gateway-supervisor")
        folder.mkdir(parents=True, exist_ok=True)
        self._adopt()

    def start(self) -> None:
        """Start a gateway; where that fails, the next sample says that it ended."""
        (self._folder / STOP_FILE).unlink(missing_ok=True)
        (self._folder / PULSE_FILE).unlink(missing_ok=True)
        env = {**os.environ, "ARB_RUNTIME_LOG_FILE": str(self._log_file)}
        self._out.parent.mkdir(parents=True, exist_ok=True)
        alone: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            alone = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        try:
            with self._out.open("ab") as out:
                self._popen = subprocess.Popen(
                    self._command, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, **alone
                )
            self._process = psutil.Process(self._popen.pid)
            self._remember(self._process)
        except (OSError, psutil.Error):
            self._log.exception("the gateway cannot be started", command=self._command)
            self._stillborn = self._popen is None

    def sample(self) -> Sample:
        """Return how it is; the end of a process is returned once, then it is absent."""
        if self._stillborn:
            self._stillborn = False
            return Sample(Life.ENDED, exit_code=NOT_STARTED)
        process = self._process
        if process is None:
            return Sample(Life.ABSENT)
        if self._runs(process):
            return Sample(Life.ALIVE, process.pid, memory_mb=_memory_mb(process))
        code = None if self._popen is None else self._popen.returncode
        self._process = self._popen = None
        return Sample(Life.ENDED, process.pid, code)

    def pids(self) -> frozenset[int]:
        """Return the process and what it started: the broker's login is a program of its own."""
        if self._process is None:
            return frozenset()
        with suppress(psutil.Error):
            return frozenset({self._process.pid, *(p.pid for p in self._process.children(recursive=True))})
        return frozenset({self._process.pid})

    def ask_to_stop(self) -> None:
        """Leave the request that the gateway looks for with each pulse."""
        if self._process is not None:
            (self._folder / STOP_FILE).write_text(f"{self._process.pid}\n", encoding="ascii")

    def kill(self) -> None:
        """End it and what it started, at once."""
        if self._process is None:
            return
        doomed = [self._process]
        with suppress(psutil.Error):
            doomed += self._process.children(recursive=True)
        for process in doomed:
            with suppress(psutil.Error):
                process.kill()

    def _runs(self, process: psutil.Process) -> bool:
        if self._popen is not None:
            return self._popen.poll() is None
        try:
            return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.Error:
            return False

    def _remember(self, process: psutil.Process) -> None:
        record = {"pid": process.pid, "created": process.create_time()}
        (self._folder / RECORD).write_text(json.dumps(record), encoding="ascii")

    def _adopt(self) -> None:
        """Find the gateway that an earlier supervisor started, if it lives."""
        with suppress(OSError, ValueError, KeyError, TypeError, psutil.Error):
            record = json.loads((self._folder / RECORD).read_text(encoding="ascii"))
            process = psutil.Process(int(record["pid"]))
            if abs(process.create_time() - float(record["created"])) < 1.0 and self._runs(process):
                self._process = process
                self._log.info("found a running gateway", pid=process.pid)


def _memory_mb(process: psutil.Process) -> int:
    with suppress(psutil.Error):
        info = process.memory_info()
        return int(getattr(info, "private", info.rss) // _MB)
    return 0
