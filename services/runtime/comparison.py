"""What a reader compares now and then: which server answers, and where its streams end."""

from collections.abc import Callable, Iterable
from typing import Final

from services.contracts.limits import NS_PER_MS
from services.runtime.bus import Bus, BusUnavailable
from services.runtime.clock import mono_ns
from services.runtime.standing import Standing

EVERY_NS: Final = 500 * NS_PER_MS


class AnotherServer(BusUnavailable):
    """Another server answers on an old connection: what it knows has to be compared first."""


class Comparison:
    """One reader's; `monotonic_ns` is its machine's clock."""

    def __init__(self, bus: Bus, monotonic_ns: Callable[[], int] = mono_ns) -> None:
        self._bus, self._monotonic_ns = bus, monotonic_ns
        self._run_id = ""
        self._done_ns: int | None = None

    def begin(self) -> None:
        """Let the next look be taken at once."""
        self._done_ns = None

    def look(self, keys: Iterable[str]) -> Standing | None:
        """Return how the streams stand, None where that was looked at less than `EVERY_NS` ago.

        Raises:
            AnotherServer: it is not the server of the look before.
            BusUnavailable: no answer.
        """
        now_ns = self._monotonic_ns()
        if self._done_ns is not None and now_ns - self._done_ns < EVERY_NS:
            return None
        found = self._bus.standing(list(keys))
        self._done_ns = now_ns
        before, self._run_id = self._run_id, found.run_id
        if before not in ("", found.run_id):
            raise AnotherServer("another server answers: what it knows has to be compared first")
        return found
