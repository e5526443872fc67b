"""Whether a Redis that answers also takes writes: a replica, a full one and one without a disk do not."""

from typing import Any, Final

import redis

from services.contracts.streams import PROBE_KEY

_LIFE_MS: Final = 1_000


def refusal_of_writes(client: "redis.Redis") -> str:
    """Say why this Redis takes no writes, empty where it does. Writes a key that lives a second.

    Raises:
        ConnectionError: it does not answer (redis-py's own).
    """
    try:
        role: Any = client.execute_command("ROLE")  # type: ignore[no-untyped-call]
        if _text(role[0]) in ("slave", "replica"):
            return f"it is a replica of {_text(role[1])}:{role[2]}: name the primary"
    except redis.exceptions.ResponseError:
        pass  # an access list without ROLE: the write tells
    try:
        client.set(PROBE_KEY, "1", px=_LIFE_MS)
        client.delete(PROBE_KEY)
    except redis.exceptions.ReadOnlyError:
        return "it is a read-only replica: name the primary"
    except redis.exceptions.OutOfMemoryError:
        return "its memory is full: raise maxmemory, or see which stream has grown"
    except redis.exceptions.ResponseError as error:
        if str(error).startswith("MISCONF"):
            return "it cannot save to its disk: see to the room and the rights of its folder"
        return f"it refuses: {error}"
    return ""


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
