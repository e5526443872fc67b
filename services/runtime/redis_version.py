"""Which Redis is too old: before 7 `XINFO STREAM` does not tell how many entries a stream ever took."""

from typing import Any, Final

import redis

OLDEST: Final = (7, 0)


class TooOld(RuntimeError):
    """This Redis cannot be used; says its version."""


def version_of(text: str) -> tuple[int, ...]:
    """Return a version as numbers.

    >>> version_of("7.0.15")
    (7, 0, 15)
    """
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def refuse_old(client: "redis.Redis") -> None:
    """See to it that a server is new enough; one that does not tell its version passes.

    Raises:
        TooOld: it is not.
        ConnectionError: it does not answer (redis-py's own).
    """
    try:
        told: Any = client.info("server")
    except redis.exceptions.ResponseError:
        return
    text = str(told.get("redis_version", ""))
    if text and version_of(text) < OLDEST:
        raise TooOld(
            f"this Redis is version {text}, and 7.0 or newer is needed: install one, or name another"
        )
