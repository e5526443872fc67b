"""The pace of a webhook, shared by those who post to it: a key in Redis that lives while it is taken.

Slack takes one message a second from a webhook and lets short bursts pass. So the notifier asks nobody: it
posts when it must, and says for how long the webhook is taken by it. A digest goes out only where the
key is not there, and makes it itself: it waits for what is urgent, and nothing urgent waits for it.
"""

from typing import Final

import redis

from services.notifier.lane import PACE_S

_KEY: Final = "rq:arb-digests:taken:"
"""Beside rq's own keys: the side jobs live by it."""


def take(client: "redis.Redis", webhook: str) -> float:
    """Take webhook `webhook` for one message; returns 0, or for how many seconds somebody else has it."""
    key = _KEY + webhook
    if client.set(key, 1, nx=True, px=round(PACE_S * 1_000)):
        return 0.0
    return max(1, int(client.pttl(key))) / 1_000


def say_taken(client: "redis.Redis", webhook: str, seconds: float) -> None:
    """Keep digests from a webhook for `seconds` from now; a longer time that was said before stays."""
    key, for_ms = _KEY + webhook, max(1, round(seconds * 1_000))
    if not client.set(key, 1, nx=True, px=for_ms):
        client.pexpire(key, for_ms, gt=True)
