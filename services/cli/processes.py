"""Which processes of this machine belong to a run folder, and whether one is still the one that was recorded.

Each process is told its log file (`ARB_RUNTIME_LOG_FILE`), which lies in the run folder: so it says where it
belongs for as long as it lives, also when whoever started it was killed or its record is lost.
"""

import os
from pathlib import Path
from typing import Any, Final

import psutil

from services.cli.stack_file import ProcessRecord, read_stack_file

LOG_FILE_VARIABLE: Final = "ARB_RUNTIME_LOG_FILE"
LOGS: Final = "logs"


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

    They run, and nobody would start them again or stop them: the manager that started them was killed.
    """
    stack = read_stack_file(folder)
    known = () if stack is None else stack.processes
    return tuple(record for record in _rooted_in(folder) if record not in known)


def _rooted_in(folder: Path) -> tuple[ProcessRecord, ...]:
    """Return the processes of a run folder that none of the others started, the oldest first.

    While the manager runs that is the manager; once it was killed, everything that it had started.
    """
    logs = folder.resolve() / LOGS
    found: dict[int, tuple[float, int, str]] = {}
    for process in psutil.process_iter(["environ", "ppid", "create_time", "status"]):
        info: dict[str, Any] = process.info
        log_file = (info["environ"] or {}).get(LOG_FILE_VARIABLE, "")
        if info["status"] != psutil.STATUS_ZOMBIE and log_file and Path(log_file).parent == logs:
            found[process.pid] = (info["create_time"], info["ppid"], Path(log_file).stem)
    roots = sorted((born, pid, name) for pid, (born, parent, name) in found.items() if parent not in found)
    return tuple(recorded(name, pid) for _, pid, name in roots if pid != os.getpid())


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
