"""The broker's request limits, measured where it measures them: on arrival (Kiwoom sheet 5.1)."""

from collections import deque
from collections.abc import Iterable

SECOND_NS = 1_000_000_000


class SlidingLimit:
    """At most `limit` admissions in any closed second. Remembers the most that were ever let in
    within one, and how many were turned away."""

    __slots__ = ("_recent", "admitted", "limit", "max_observed", "refused")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.admitted = self.refused = self.max_observed = 0
        self._recent: deque[int] = deque()

    def admit(self, now_ns: int) -> bool:
        recent = self._recent
        while recent and recent[0] < now_ns - SECOND_NS:
            recent.popleft()
        if len(recent) >= self.limit:
            self.refused += 1
            return False
        recent.append(now_ns)
        self.admitted += 1
        self.max_observed = max(self.max_observed, len(recent))
        return True


class LoadGuard:
    """The guard against sustained queries: once tripped, everything is refused until `reset`."""

    __slots__ = ("_ladder", "_times", "tripped")

    def __init__(self, ladder: tuple[tuple[int, int], ...]) -> None:
        self._ladder = ladder
        self._times: deque[int] = deque()
        self.tripped = False

    def used(self, times_ns: Iterable[int]) -> None:
        """Count queries that were asked before, oldest first."""
        self._times.extend(times_ns)

    def admit(self, now_ns: int) -> bool:
        if not self._ladder:
            return True
        longest_ns = max(seconds for _, seconds in self._ladder) * SECOND_NS
        while self._times and self._times[0] <= now_ns - longest_ns:
            self._times.popleft()
        for count, seconds in self._ladder:
            if sum(1 for at_ns in self._times if at_ns > now_ns - seconds * SECOND_NS) >= count:
                self.tripped = True
        if not self.tripped:
            self._times.append(now_ns)
        return not self.tripped

    def reset(self) -> None:
        self.tripped = False


def queries_before(count: int, now_ns: int) -> list[int]:
    """Return when so many queries of the last hour were asked, evenly until 200 s ago."""
    first_ns, last_ns = now_ns - 3_590 * SECOND_NS, now_ns - 200 * SECOND_NS
    return [first_ns + (last_ns - first_ns) * place // max(1, count - 1) for place in range(count)]
