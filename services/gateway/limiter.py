"""Sliding windows over what was sent to the broker.

Owns the invariant that no sliding second at the broker sees more than five orders or five
queries: what was sent is kept as times, and a call is made only when every window still has
room for it (Kiwoom sheet 5.1). The limits are the broker's, not the process's, so a history of
times survives a restart (design, 4.7).
"""

from services.contracts.limits import BROKER_ORDERS_PER_SECOND, LIMITER_WINDOW_NS, QUERY_LADDER

History = tuple[int, ...]
"""When calls were made, ns, ascending."""
Ladder = tuple[tuple[int, int], ...]
"""Rungs of (at most so many calls, in any window of so many ns)."""

ORDER_LADDER: Ladder = ((BROKER_ORDERS_PER_SECOND, LIMITER_WINDOW_NS),)


def wait_needed(history: History, now_ns: int, ladder: Ladder, kept: int = 0) -> int:
    """Return how long to wait, ns, until one more call fits every rung; 0 means now.

    `kept` calls of each rung are left for others, but never more than half a rung.
    """
    waits = [0]
    for count, window_ns in ladder:
        room = count - min(kept, count // 2)
        recent = [at for at in history if at > now_ns - window_ns]
        if len(recent) >= room:
            waits.append(recent[-room] + window_ns - now_ns)
    return max(waits)


def after_call(history: History, now_ns: int, ladder: Ladder) -> History:
    """Return the history with a call made now, and without what no rung remembers."""
    oldest_ns = now_ns - max(window_ns for _, window_ns in ladder)
    return (*(at for at in history if at > oldest_ns), now_ns)


def shifted(history: History, now_ns: int) -> History:
    """Return the history with nothing ahead of now: the newest is now, the distances stay."""
    ahead_ns = max(history, default=now_ns) - now_ns
    if ahead_ns <= 0:
        return history
    return tuple(sorted(at - ahead_ns if at > now_ns else at for at in history))


def in_window(history: History, now_ns: int, window_ns: int = LIMITER_WINDOW_NS) -> int:
    """Return how many calls the window that ends now holds."""
    return sum(1 for at in history if at > now_ns - window_ns)


def tokens(history: History, now_ns: int, ladder: Ladder) -> int:
    """Return how many calls could be made at once."""
    return max(0, min(count - in_window(history, now_ns, window_ns) for count, window_ns in ladder))


__all__ = [
    "ORDER_LADDER",
    "QUERY_LADDER",
    "History",
    "Ladder",
    "after_call",
    "in_window",
    "shifted",
    "tokens",
    "wait_needed",
]
