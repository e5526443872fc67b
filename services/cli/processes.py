"""Which processes of this machine belong to a run folder, and whether one is still the one that was recorded.

Each process is told its log file (`ARB_RUNTIME_LOG_FILE`), which lies in the run folder: so it says where it
belongs for as long as it lives, also when whoever started it was killed, or record and folder are gone.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from services.cli.stack_file import ProcessRecord, read_stack_file

LOG_FILE_VARIABLE: Final = "ARB_RUNTIME_LOG_FILE"
ADDRESS_VARIABLE: Final = "ARB_RUNTIME_REDIS_URL"
LOGS: Final = "logs"
REDIS: Final = "redis"
"""The name of a Redis that was started for a stack."""
REDIS_PROGRAM: Final = "redis-server"
MANAGER: Final = "supervisord"
CONFIG_FILE: Final = "supervisord.conf"
_SOCKET: Final = re.compile(r"unixsocket:(/.*/redis\.sock)")


def recorded(name: str, pid: int) -> ProcessRecord:
    """Return the record of a process that runs now."""
    return ProcessRecord(name=name, pid=pid, born=_born(pid))


def runs(record: ProcessRecord) -> bool:
    """Whether a process still runs; one that ended and was not collected does not."""
    fields = _stat(record.pid)
    if record.born or fields:
        return bool(fields) and fields[0] != "Z" and fields[19] == record.born
    try:
        os.kill(record.pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def strays(folder: Path) -> tuple[ProcessRecord, ...]:
    """Return the processes of a run folder that its record does not name, the oldest first.

    They run, and nobody would start them again or stop them: the manager that started them was killed, or was
    started by hand, or the record is gone.
    """
    stack = read_stack_file(folder)
    known = set() if stack is None else {(record.pid, record.born) for record in stack.processes}
    found = _of_this_machine().get(folder.resolve(), {})
    records = [recorded(found[pid].name, pid) for pid in sorted(found, key=lambda pid: found[pid].began_s)]
    roots = [record for record in records if found[record.pid].parent not in found]
    return tuple(record for record in roots if (record.pid, record.born) not in known)


def running_in(folder: Path) -> list[str]:
    """Return every process that runs in a run folder, as `name (pid)`, whoever started it."""
    return [f"{found.name} ({pid})" for pid, found in _of_this_machine().get(folder.resolve(), {}).items()]


def redis_of(folder: Path) -> str:
    """Return the Redis that the processes of a run folder were told of, empty where none was."""
    found = _of_this_machine().get(folder.resolve(), {})
    return next((process.redis_url for process in found.values() if process.redis_url), "")


def run_folders() -> dict[Path, int]:
    """Return how many processes run in each run folder of this machine, as far as this user may see them."""
    return {folder: len(found) for folder, found in _of_this_machine().items()}


@dataclass(frozen=True, slots=True)
class _Found:
    name: str
    parent: int
    began_s: float
    redis_url: str


def _of_this_machine() -> dict[Path, dict[int, _Found]]:
    folders: dict[Path, dict[int, _Found]] = {}
    for process in psutil.process_iter(["name", "cmdline", "environ", "ppid", "create_time", "status"]):
        info: dict[str, Any] = process.info
        place = _place_of(info["name"] or "", info["cmdline"] or [], info["environ"] or {})
        if place is None or info["status"] == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
            continue
        folder, name = place
        address = (info["environ"] or {}).get(ADDRESS_VARIABLE, "")
        found = _Found(name, info["ppid"], info["create_time"], address)
        folders.setdefault(folder, {})[process.pid] = found
    return folders


def _place_of(name: str, words: Sequence[str], environ: Mapping[str, str]) -> tuple[Path, str] | None:
    """Return the run folder of a process and its name there, None of one that is not ours.

    A Redis overwrites its environment with its title, which names its socket; a manager that was started by
    hand names its configuration.
    """
    log_file = Path(environ.get(LOG_FILE_VARIABLE, ""))
    if log_file.parent.name == LOGS:
        return log_file.parent.parent, log_file.stem
    if name == REDIS_PROGRAM and words and (socket := _SOCKET.search(words[0])):
        return Path(socket[1]).parent.parent, REDIS
    for word in words:
        manages = any(MANAGER in other for other in words if other != word)
        if manages and Path(word).name == CONFIG_FILE and Path(word).is_absolute():
            return Path(word).parent, MANAGER
    return None


def _stat(pid: int) -> list[str]:
    """The kernel's line about a process, from its state on; empty where there is none to read."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return []
    return stat.rpartition(")")[2].split()


def _born(pid: int) -> str:
    """Start time of a process in kernel ticks, so that a reused pid is never taken for ours."""
    fields = _stat(pid)
    return fields[19] if fields else ""
