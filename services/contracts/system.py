"""Which system a Redis belongs to: a configured name, and whether its broker is the real or a simulated one.

Two desks that share a Redis by mistake would take each other's epochs and trade each other's pairs. So each
process claims the Redis for its system before it takes an epoch, and ends where another one holds it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from services.contracts.terms import GatewayMode

SHIPPED_NAME: Final = "arb"
"""The name of a system that nobody has named: simulated ones keep it, live trading refuses it."""


class SystemMode(StrEnum):
    """What its broker is. A gateway that observes and one that trades live are both `real`."""

    REAL = "real"
    SIMULATED = "simulated"


@dataclass(frozen=True, slots=True)
class SystemIdentity:
    """`name` and `mode` are compared; the others are only shown to people."""

    name: str
    mode: SystemMode
    folder: str = ""
    host: str = ""
    since: str = ""
    """When the Redis was claimed, ISO 8601."""
    by: str = ""
    reason: str = ""
    """Who moved the Redis to this system and why; empty where a process claimed it."""

    def __str__(self) -> str:
        return f"{self.name} ({self.mode})"

    def is_same(self, other: "SystemIdentity") -> bool:
        return (self.name, self.mode) == (other.name, other.mode)

    def fields(self) -> dict[str, str]:
        """Return the fields of the hash that holds it."""
        return {
            "name": self.name, "mode": self.mode.value, "folder": self.folder, "host": self.host,
            "since": self.since, "by": self.by, "reason": self.reason,
        }  # fmt: skip

    def shown(self) -> str:
        """Return one line for people: who it is, where, since when."""
        where = f" of {self.folder} on {self.host}" if self.host else ""
        since = f" since {self.since}" if self.since else ""
        moved = f", adopted by {self.by}: {self.reason}" if self.by else ""
        return f"{self}{where}{since}{moved}"


def identity_of(fields: Mapping[str, str]) -> SystemIdentity | None:
    """Return the identity that a hash holds, None where it holds none that this build knows."""
    if "name" not in fields or fields.get("mode") not in tuple(SystemMode):
        return None
    known = {name: fields.get(name, "") for name in ("name", "folder", "host", "since", "by", "reason")}
    return SystemIdentity(mode=SystemMode(fields["mode"]), **known)


def mode_of(gateway: GatewayMode, configured: SystemMode) -> SystemMode:
    """Return the mode of a gateway's system: simulated orders never stand in the Redis of a real account."""
    return SystemMode.SIMULATED if gateway is GatewayMode.SIMULATED else configured
