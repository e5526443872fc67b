"""What the owner of requests remembers of them, so that each is decided once (`request_life`).

An id is remembered for longer than any request lives: what comes later is expired by its own entry.
"""

from typing import Final

from pydantic import Field

from services.contracts.envelope import Part
from services.contracts.limits import NS_PER_MS
from services.contracts.messages.control import RequestWithdrawn
from services.contracts.request_life import MOST_LIFE_MS
from services.contracts.step import Received

REMEMBERED_NS: Final = 30 * MOST_LIFE_MS * NS_PER_MS
ASK_AGAIN: Final = "nothing was done; ask again if it is still wanted"


class RequestBook(Part):
    """Requests by message id: when each was decided, and which were withdrawn, by whom (ns, Redis time)."""

    decided: dict[str, int] = Field(default_factory=dict)
    withdrawn: dict[str, tuple[int, str]] = Field(default_factory=dict)

    def knows(self, request_id: str) -> bool:
        """Whether a request was decided: what comes of it again is a copy."""
        return request_id in self.decided

    def ended(self, event: Received) -> str:
        """Return why nothing of a request is obeyed any more, what it tightens included; else empty."""
        withdrawn = self.withdrawn.get(event.envelope.id)
        if withdrawn is not None:
            return f"{withdrawn[1]} withdrew it"
        if event.expired:
            late_ms = (event.now_ns - event.deadline_ns) // NS_PER_MS
            return f"it had expired {late_ms} ms before it was read: {ASK_AGAIN}"
        return ""

    def problem(self, event: Received) -> str:
        """Return why a request may not allow more any more, empty where it may."""
        if not event.envelope.life_ms:
            return f"it comes from a release that did not say how long it holds: {ASK_AGAIN}"
        return self.ended(event)

    def after(self, event: Received) -> "RequestBook":
        """Return the book with a request decided."""
        return self.model_copy(update={"decided": _with(self.decided, event.envelope.id, event.now_ns)})

    def without(self, withdrawal: RequestWithdrawn, now_ns: int) -> "RequestBook":
        """Return the book with a request withdrawn before it was decided."""
        kept = {key: seen for key, seen in self.withdrawn.items() if seen[0] > now_ns - REMEMBERED_NS}
        return self.model_copy(update={"withdrawn": {**kept, withdrawal.request_id: (now_ns, withdrawal.by)}})


def _with(decided: dict[str, int], request_id: str, now_ns: int) -> dict[str, int]:
    kept = {key: at_ns for key, at_ns in decided.items() if at_ns > now_ns - REMEMBERED_NS}
    return {**kept, request_id: now_ns}
