"""The gateways that run on this machine, and the HALT file of each, whatever their settings look like now."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from services.cli.desk_addresses import DEFAULT, setting_of
from services.cli.processes import ADDRESS_VARIABLE
from services.gateway.settings import GatewaySettings

_MODULES: Final = ("services.gateway", "services.gateway.supervisor")
_HALT_FILE: Final = "ARB_GATEWAY_HALT_FILE"
DEFAULT_HALT_FILE: Final[Path] = GatewaySettings.model_fields["halt_file"].default


@dataclass(frozen=True, slots=True)
class GatewayHere:
    """A gateway or its supervisor. `halt_file` is None where this user may not see which it looks for, or its
    folders are not ours (a container)."""

    pid: int
    halt_file: Path | None = None
    address: str = ""


def gateways_here() -> list[GatewayHere]:
    """Return the gateways of this machine, as far as this user may see them, one a HALT file."""
    found: dict[Path | int, GatewayHere] = {}
    for process in psutil.process_iter(["cmdline"]):
        if process.pid != os.getpid() and any(word in _MODULES for word in process.info["cmdline"] or ()):
            seen = _seen(process)
            found.setdefault(seen.halt_file or seen.pid, seen)
    return list(found.values())


def _seen(process: Any) -> GatewayHere:
    try:
        environ, folder = process.environ(), Path(process.cwd())
        if _namespace(process.pid) != _namespace(os.getpid()):
            return GatewayHere(process.pid)
    except (psutil.Error, OSError):
        return GatewayHere(process.pid)
    address = setting_of(ADDRESS_VARIABLE, environ, folder) or DEFAULT
    return GatewayHere(process.pid, (folder / named_halt_file(environ, folder)).absolute(), address)


def named_halt_file(environ: Mapping[str, str], folder: Path) -> Path:
    """Return the HALT file of a gateway in `folder` with this environment, as its settings write it."""
    return Path(setting_of(_HALT_FILE, environ, folder) or DEFAULT_HALT_FILE)


def _namespace(pid: int) -> str:
    """What tells a container's files from ours; the same for all where the system has none."""
    try:
        return str(Path(f"/proc/{pid}/ns/mnt").readlink())
    except FileNotFoundError:
        return ""
