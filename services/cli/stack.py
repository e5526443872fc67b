"""The processes of one machine: start them, see who died, kill one, stop all in order.

Each process gets its own session, so that Ctrl-C reaches only the command, which then stops the
others in the order that leaves nothing half done: last started, first stopped. Structured lines go
to `logs/<name>.log`, what a process prints besides (a traceback at its start) to `logs/<name>.out`.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from services.cli.faults import Fault, UsageFault
from services.cli.processes import (
    ADDRESS_VARIABLE,
    LOG_FILE_VARIABLE,
    LOGS,
    REDIS,
    recorded,
    redis_of,
    runs,
    strays,
)
from services.cli.stack_file import (
    ProcessRecord,
    StackRecord,
    read_stack_file,
    remove_stack_file,
    write_stack_file,
)
from services.runtime.lifeline import ends_with_parent
from services.runtime.private import private_folder

STOP_TIMEOUT_S: Final = 8.0
POLL_S: Final = 0.02
LAST_LINES: Final = 12


@dataclass(frozen=True, slots=True)
class Program:
    """What to run: `argv` whole, and the environment on top of the stack's own."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Death:
    """A process that ended without being told to."""

    name: str
    exit_code: int | None
    """Negative: the signal that ended it. None: not our child, nobody knows."""
    last_lines: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} {_exit_words(self.exit_code)}"


class Process:
    """One running program, started here or found by its record."""

    def __init__(self, record: ProcessRecord, child: "subprocess.Popen[bytes] | None" = None) -> None:
        self.record = record
        self._child = child

    @property
    def alive(self) -> bool:
        if self._child is not None:
            return self._child.poll() is None
        return runs(self.record)

    @property
    def exit_code(self) -> int | None:
        return None if self._child is None else self._child.poll()

    def send(self, number: int) -> None:
        """Send a signal; one that has ended gets none. Raises Fault where this user may not."""
        if self.alive:
            self._signal(os.kill, number)

    def kill(self) -> None:
        """SIGKILL to it, and to what it started where it leads a group of its own, as our programs do."""
        if self.alive:
            self._signal(_send_to_group, signal.SIGKILL)

    def _signal(self, send: Callable[[int, int], None], number: int) -> None:
        try:
            send(self.record.pid, number)
        except ProcessLookupError:
            return
        except PermissionError as error:
            raise Fault(f"{self.record.name} (pid {self.record.pid}) belongs to another user and runs on",
                        "Run the command as that user.") from error  # fmt: skip

    def wait(self, timeout_s: float) -> bool:
        """Wait until it is gone; returns whether it is."""
        deadline = time.monotonic() + timeout_s
        while self.alive:
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_S)
        return True


class Stack:
    """The processes of one run folder.

    `redis_url` is what all of them talk to, `environ` what they inherit, and `cwd` where they run:
    settings read the `.env` of that folder. What is `tied` ends with this process, also when that is killed.
    """

    def __init__(
        self, folder: Path, redis_url: str, environ: Mapping[str, str] = os.environ, cwd: Path | None = None,
        *, tied: bool = False,
    ) -> None:  # fmt: skip
        self.folder = folder
        self.redis_url = redis_url
        self.environ = dict(environ)
        self.cwd = cwd or folder
        self._before = ends_with_parent() if tied else None
        self.processes: dict[str, Process] = {}
        self.programs: dict[str, Program] = {}

    @classmethod
    def attach(cls, folder: Path) -> "Stack | None":
        """Return the stack that another command started in `folder`, None where there is none.

        Also what runs there without a record: see `strays`; its `redis_url` is then what they were told.
        """
        record, unnamed = read_stack_file(folder), strays(folder)
        if record is None and not unnamed:
            return None
        stack = cls(folder, record.redis_url if record is not None else redis_of(folder))
        servers = [item for item in unnamed if item.name == REDIS]
        others = [item for item in unnamed if item.name != REDIS]
        for item in (*servers, *(record.processes if record is not None else ()), *others):
            name = item.name if item.name not in stack.processes else f"{item.name} ({item.pid})"
            stack.processes[name] = Process(item)
        return stack

    def start(self, program: Program) -> None:
        """Start one program, or start it again.

        Raises:
            UsageFault: it cannot be run at all.
        """
        logs = self.folder / LOGS
        private_folder(logs)
        own = {
            ADDRESS_VARIABLE: self.redis_url,
            LOG_FILE_VARIABLE: str(logs / f"{program.name}.log"),
        }
        with (logs / f"{program.name}.out").open("ab") as out:
            try:
                child = subprocess.Popen(
                    program.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                    cwd=self.cwd, env={**self.environ, **own, **program.env}, start_new_session=True,
                    preexec_fn=self._before,
                )  # fmt: skip
            except OSError as error:
                raise UsageFault(f"{program.name} cannot be started: {' '.join(program.argv)}: {error}",
                                 "Run `arb doctor` to see what this machine lacks.") from error  # fmt: skip
        record = recorded(program.name, child.pid)
        self.processes[program.name] = Process(record, child)
        self.programs[program.name] = program
        self._write_record()

    def adopt(self, name: str, child: "subprocess.Popen[bytes]") -> None:
        """Take in a process that was started elsewhere (the embedded Redis), to be stopped last."""
        record = recorded(name, child.pid)
        self.processes = {name: Process(record, child), **self.processes}
        self._write_record()

    @property
    def alive(self) -> list[str]:
        """The names of the processes that run, first started first."""
        return [name for name, process in self.processes.items() if process.alive]

    def deaths(self) -> list[Death]:
        """Return every process that is gone although nobody stopped it."""
        return [
            Death(name, process.exit_code, self.last_lines(name))
            for name, process in self.processes.items()
            if not process.alive
        ]

    def last_lines(self, name: str, count: int = LAST_LINES) -> tuple[str, ...]:
        """Return the end of what a process said: what it printed if it printed, else its log."""
        for path in (self.folder / LOGS / f"{name}.out", self.folder / LOGS / f"{name}.log"):
            if path.is_file() and (text := _end_of(path).strip()):
                return tuple(text.splitlines()[-count:])
        return ()

    def kill(self, name: str) -> None:
        """End one process as a crash would (SIGKILL) and wait until it is gone."""
        self.processes[name].kill()
        self.processes[name].wait(STOP_TIMEOUT_S)

    def restart(self, name: str) -> None:
        self.start(self.programs[name])

    def stop_all(self, timeout_s: float = STOP_TIMEOUT_S) -> list[str]:
        """Stop every process, last started first; returns a sentence for each that did not end well."""
        unwell = []
        for name, process in reversed(list(self.processes.items())):
            process.send(signal.SIGTERM)
            if not process.wait(timeout_s):
                process.kill()
                process.wait(STOP_TIMEOUT_S)
                unwell.append(f"{name} did not stop in {timeout_s:g} s and was killed")
            elif process.exit_code not in (None, 0, -signal.SIGTERM):
                unwell.append(f"{name} {_exit_words(process.exit_code)} when it was stopped")
        self.processes.clear()
        remove_stack_file(self.folder)
        return unwell

    def _write_record(self) -> None:
        records = tuple(process.record for process in self.processes.values())
        write_stack_file(self.folder, StackRecord(redis_url=self.redis_url, processes=records))


def _send_to_group(pid: int, number: int) -> None:
    if os.getpgid(pid) == pid:
        os.killpg(pid, number)
    else:
        os.kill(pid, number)


def died(deaths: list[Death], folder: Path) -> Fault:
    """Return the fault that says which process died, how, and its last words."""
    lines = [f"{death}; the end of what it said:\n" + "\n".join(f"    {line}" for line in death.last_lines)
             for death in deaths]  # fmt: skip
    return Fault("\n".join(lines), f"All logs are in {folder / 'logs'}.")


def _end_of(path: Path, size: int = 16_384) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - size))
        return file.read().decode(errors="replace")


def _exit_words(code: int | None) -> str:
    if code is None:
        return "ended"
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
