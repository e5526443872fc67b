"""When nothing strikes a virtual day, and nothing that struck it before can still be felt."""

from dataclasses import dataclass, field

from services.contracts.limits import NS_PER_MS, NS_PER_S
from services.lab.record import Span

SETTLED_NS = 2 * NS_PER_S
"""How long after the world has healed, and all runs again, what was struck before may be felt."""

DECISIONS_NS = 300 * NS_PER_MS
"""What the hops of a cross from frame to order take at most: each process acts once in 25 ms."""


@dataclass(slots=True)
class Calm:
    spans: list[Span] = field(default_factory=list)
    _healed_ns: int = 0
    _ready_ns: int = 0
    """Since when all run, in a healed world; 0 where they do not."""

    def healed(self, now_ns: int) -> None:
        """Nothing strikes from now on; 0 where somebody strikes again."""
        self._healed_ns = now_ns

    def note(self, now_ns: int, *, ready: bool) -> None:
        """After every step: whether the gateway runs and is connected."""
        if not self._healed_ns or not ready:
            self._ready_ns = 0
            return
        self._ready_ns = self._ready_ns or now_ns
        since_ns = max(self._healed_ns, self._ready_ns) + SETTLED_NS
        if now_ns <= since_ns:
            return
        if self.spans and self.spans[-1][0] == since_ns:
            self.spans.pop()
        self.spans.append((since_ns, now_ns))
