"""What happens when: a queue of actions in time order, ties in order of entry.

The only source of time in the core. An action receives the time it was due, so that a world
advanced late or in large steps does exactly what it does in small ones.
"""

import heapq
from collections.abc import Callable

Action = Callable[[int], None]


class Agenda:
    __slots__ = ("_heap", "_seq", "now_ns")

    def __init__(self, start_ns: int) -> None:
        self.now_ns = start_ns
        self._heap: list[tuple[int, int, Action]] = []
        self._seq = 0

    def at(self, due_ns: int, action: Action) -> None:
        """Do `action` at `due_ns`, or as soon as possible when that is past."""
        self._seq += 1
        heapq.heappush(self._heap, (max(due_ns, self.now_ns), self._seq, action))

    @property
    def next_due_ns(self) -> int | None:
        return self._heap[0][0] if self._heap else None

    def run_until(self, now_ns: int) -> int:
        """Do all that is due by `now_ns`; returns how many actions were done."""
        heap, done = self._heap, 0
        while heap and heap[0][0] <= now_ns:
            due_ns, _, action = heapq.heappop(heap)
            self.now_ns = due_ns
            action(due_ns)
            done += 1
        self.now_ns = max(self.now_ns, now_ns)
        return done
