"""Where `contracts/said.py` is kept: in each state hash, and in one hash of those without a state."""

from collections.abc import Iterable
from typing import Final

import redis

from services.contracts.envelope import Envelope, Unreadable, decode
from services.contracts.said import SAID, said_field
from services.contracts.streams import SAID_KEY, state_key

_SCAN_COUNT: Final = 500


def said_by(envelopes: Iterable[Envelope]) -> dict[str, str]:
    """Return what of them tells how things are, by the field that keeps it."""
    found = ((said_field(envelope.body), envelope) for envelope in envelopes)
    return {name: envelope.encode() for name, envelope in found if name}


def read_said(client: "redis.Redis") -> list[Envelope]:
    """Return what every service said last; what this build cannot read is left out.

    Raises:
        RedisError: redis-py's own.
    """
    scan = client.scan_iter
    patterns = (SAID_KEY, state_key("*"))
    keys = [key for each in patterns for key in scan(match=each, count=_SCAN_COUNT, _type="hash")]
    pipeline = client.pipeline(transaction=False)
    for key in keys:
        pipeline.hkeys(key)
    asked = [
        (key, names)
        for key, found in zip(keys, pipeline.execute(), strict=True)
        if (names := [name for name in found if name.startswith(SAID.encode())])
    ]
    for key, names in asked:
        pipeline.hmget(key, names)
    texts = [text for found in pipeline.execute() for text in found if text is not None]
    return [envelope for text in texts if (envelope := _readable(text)) is not None]


def _readable(text: bytes) -> Envelope | None:
    try:
        return decode(text)
    except Unreadable:
        return None
