"""The claim of a Redis: each process makes sure that it serves its own system before it takes an epoch.

The first process of a system writes the identity, each later one compares. A Redis that came back empty is
claimed again by whatever runs, at its next take-over.
"""

import datetime as dt
import socket
from pathlib import Path
from typing import Any, Final

import redis

from services.contracts.streams import SYSTEM_KEY
from services.contracts.system import SystemIdentity, identity_of
from services.runtime.settings import RuntimeSettings

# KEYS: the hash of the identity. ARGV: the fields and values of ours. Returns what it holds then.
_CLAIM: Final = """
if redis.call('HEXISTS', KEYS[1], 'name') == 0 then
  redis.call('HSET', KEYS[1], unpack(ARGV))
end
return redis.call('HGETALL', KEYS[1])
"""


class ForeignSystem(RuntimeError):
    """This Redis belongs to another system: nothing of it is taken for ours, and nothing is written."""


class Claim:
    """Claims the Redis of `client` for one system; without a system it claims nothing."""

    def __init__(self, client: "redis.Redis", system: SystemIdentity | None) -> None:
        self._script = client.register_script(_CLAIM)
        self._system = system

    def make(self) -> None:
        """Write the identity where there is none, compare it where there is one.

        Raises:
            ForeignSystem: the Redis belongs to another system; says to which, and how to mend it.
            redis.RedisError: no answer, or a refusal.
        """
        own = self._system
        if own is None:
            return
        flat: list[Any] = self._script(
            keys=[SYSTEM_KEY], args=[part for pair in own.fields().items() for part in pair]
        )
        texts = [part.decode(errors="replace") if isinstance(part, bytes) else str(part) for part in flat]
        found = identity_of(dict(zip(texts[::2], texts[1::2], strict=True)))
        if found is None or not found.is_same(own):
            raise ForeignSystem(refusal(found, own))
        self._system = found


def refusal(found: SystemIdentity | None, own: SystemIdentity) -> str:
    """Say whose a Redis is that another system claimed, and how to mend it."""
    whose = found.shown() if found else "that this build does not know"
    mend = "the name of its own (system in runtime.toml; `arb system adopt` moves a Redis to another name)"
    if found is not None and found.mode is not own.mode:
        mend = "an empty database: what one with another broker wrote is no state for it"
    return f"this Redis belongs to the system {whose}; {own} needs its own Redis (redis_url), or {mend}"


def own_system(runtime: RuntimeSettings) -> SystemIdentity:
    """Return the identity that this process claims a Redis with, stamped with this machine and folder."""
    return SystemIdentity(
        runtime.system, runtime.system_mode, str(Path.cwd()), socket.gethostname(),
        f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ}",
    )  # fmt: skip
