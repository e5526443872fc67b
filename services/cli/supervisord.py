"""supervisord for the services of one machine: its configuration, written from the fleet, and its answers.

It starts a process again that ended, waits longer each time one fails at its start, gives up one whose end
says that a new start changes nothing, and stops all in the order in which nothing is left half done: last
started, first stopped. What a process prints is kept and rotated; its structured lines it keeps itself.
"""

import http.client
import shlex
import sys
import time
import xmlrpc.client
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from services.cli.faults import UsageFault
from services.cli.processes import CONFIG_FILE, LOG_FILE_VARIABLE, LOGS, MANAGER
from services.cli.stack import STOP_TIMEOUT_S, Program
from services.runtime.private import OTHERS, private_folder
from services.runtime.process import EXIT_BAD_SETTINGS, EXIT_FOREIGN, EXIT_STATE, SUPERVISED_START_S
from services.runtime.sockets import socket_path

SOCKET: Final = "supervisord.sock"
PID_FILE: Final = "supervisord.pid"
FUTILE: Final = (EXIT_BAD_SETTINGS, EXIT_STATE, EXIT_FOREIGN)
"""Exit codes after which a new start would end the same way."""
_MEANING: Final = {
    EXIT_BAD_SETTINGS: " (its settings cannot be used)",
    EXIT_STATE: " (its stored state does not fit this build, or Redis does not take its writes)",
    EXIT_FOREIGN: " (its Redis belongs to another system)",
}
START_SECONDS: Final = SUPERVISED_START_S
"""One that ends sooner failed at its start: the next try waits a second longer than the one before."""
START_TRIES: Final = 20
OUT_BYTES: Final = 5_000_000
OUT_BACKUPS: Final = 3
AGAIN_S: Final = 5
RUNNING: Final = frozenset({"RUNNING"})
UP: Final = RUNNING | {"STARTING"}
FAILING: Final = "BACKOFF"
DOWN: Final = frozenset({"FATAL", "EXITED", "STOPPED", "UNKNOWN"})


@dataclass(frozen=True, slots=True)
class Managed:
    """One process as supervisord sees it. `state` in its words; `up_s` since its last start."""

    name: str
    state: str
    pid: int
    up_s: int
    exit_code: int

    @property
    def given_up(self) -> bool:
        return self.state in DOWN

    @property
    def runs(self) -> bool:
        """Whether there is a process; supervisord says STARTING for its first seconds."""
        return self.pid != 0 and self.state in UP


def configuration_of(programs: Sequence[Program], folder: Path, cwd: Path) -> str:
    """Return supervisord's configuration. What is secret (addresses) it inherits, it is not written."""
    logs = folder / LOGS
    sections = [
        _section("supervisord", {
            "nodaemon": "true", "directory": cwd, "umask": f"{OTHERS:03o}", "strip_ansi": "true",
            "pidfile": folder / PID_FILE, "logfile": logs / "supervisord.out",
            "logfile_maxbytes": OUT_BYTES, "logfile_backups": OUT_BACKUPS, "childlogdir": logs,
        }),
        _section("unix_http_server", {"file": socket_path(folder, SOCKET), "chmod": "0700"}),
        _section("rpcinterface:supervisor", {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        }),
    ]  # fmt: skip
    for place, program in enumerate(programs):
        sections.append(_section(f"program:{program.name}", _settings(program, place, logs)))
    return "\n".join(sections)


def _settings(program: Program, place: int, logs: Path) -> Mapping[str, object]:
    env = {LOG_FILE_VARIABLE: str(logs / f"{program.name}.log"), **program.env}
    # `env` hands the values over as they are: supervisord's own way of quoting them loses quotes.
    command = shlex.join(("env", *(f"{name}={value}" for name, value in env.items()), *program.argv))
    if " ;" in command or " #" in command:
        raise UsageFault(f"{command} holds what supervisord takes for a comment",
                         "Choose folders without ' ;' and ' #' in their names.")  # fmt: skip
    return {
        "command": command,
        "priority": 10 * (place + 1),
        "autorestart": "unexpected",
        "exitcodes": ",".join(map(str, FUTILE)),
        "startsecs": START_SECONDS,
        "startretries": START_TRIES,
        "stopsignal": "TERM",
        "stopwaitsecs": int(STOP_TIMEOUT_S),
        "stopasgroup": "true",
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": logs / f"{program.name}.out",
        "stdout_logfile_maxbytes": OUT_BYTES,
        "stdout_logfile_backups": OUT_BACKUPS,
    }


def _section(name: str, values: Mapping[str, object]) -> str:
    lines = (f"{key} = {str(value).replace('%', '%%')}" for key, value in values.items())
    return "\n".join((f"[{name}]", *lines, ""))


def manager_program(programs: Sequence[Program], folder: Path, cwd: Path) -> Program:
    """Write the configuration, and return the program that runs all the others."""
    private_folder(folder / LOGS)
    path = folder / CONFIG_FILE
    path.write_text(configuration_of(programs, folder, cwd), encoding="utf-8")
    return Program(MANAGER, (sys.executable, "-m", "supervisor.supervisord", "-c", str(path)))


def managed(folder: Path) -> tuple[Managed, ...]:
    """Return the processes of the supervisord of a run folder, empty where none answers."""
    path = socket_path(folder, SOCKET)
    if not path.exists():
        return ()
    try:
        found: Any = _server(path).supervisor.getAllProcessInfo()
    except (OSError, http.client.HTTPException, xmlrpc.client.Error):
        return ()
    now_s = int(time.time())
    return tuple(
        Managed(
            str(item["name"]), str(item["statename"]), int(item["pid"]),
            max(0, now_s - int(item["start"])) if item["pid"] else 0, int(item["exitstatus"]),
        )
        for item in found
    )  # fmt: skip


def process_lines(processes: Sequence[Managed], up_s: int | None = None) -> list[str]:
    """Say what is not as it was started: a line for each process that is down, or was started again.

    `up_s` is since when the manager runs; a process that is younger by more than its start took was
    started again.
    """
    lines = []
    for process in processes:
        if process.given_up:
            meaning = _MEANING.get(process.exit_code, "")
            lines.append(
                f"{process.name} is down: it ended with exit code {process.exit_code}{meaning}; "
                f"`arb logs {process.name}` says why, `arb down` and `arb up` start all again"
            )
        elif process.state == FAILING:
            lines.append(
                f"{process.name} failed at its start and is tried again; `arb logs {process.name}` says why"
            )
        elif process.state not in RUNNING:
            lines.append(f"{process.name} is being started ({process.state.lower()})")
        elif up_s is not None and up_s - process.up_s > AGAIN_S:
            lines.append(f"{process.name} was started again {process.up_s} s ago")
    return lines


def manager_up_s(folder: Path) -> int | None:
    """Return for how many seconds the supervisord of a run folder has been up, None where none is."""
    try:
        return max(0, int(time.time() - (folder / PID_FILE).stat().st_mtime))
    except OSError:
        return None


def _server(path: Path) -> Any:
    from supervisor.xmlrpc import SupervisorTransport

    transport = SupervisorTransport(None, None, serverurl=f"unix://{path}")
    return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
