"""What a reader compares now and then: which server answers, and where its streams end."""

import time
from collections.abc import Iterable
from typing import Final

from services.runtime.bus import Bus, BusUnavailable
from services.runtime.standing import Standing

EVERY_S: Final = 0.5


class AnotherServer(BusUnavailable):
    """Another server answers on an old connection: what it knows has to be compared first."""


class Comparison:
    """One reader's."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._run_id = ""
        self._done_s = 0.0

    def begin(self) -> None:
        """Let the next look be taken at once."""
        self._done_s = 0.0

    def look(self, keys: Iterable[str]) -> Standing | None:
        """Return how the streams stand, None where that was looked at less than `EVERY_S` ago.

        Raises:
            AnotherServer: it is not the server of the look before.
            BusUnavailable: no answer.
        """
        if time.monotonic() - self._done_s < EVERY_S:
            return None
        found = self._bus.standing(list(keys))
        self._done_s = time.monotonic()
        before, self._run_id = self._run_id, found.run_id
        if before not in ("", found.run_id):
            raise AnotherServer("another server answers: what it knows has to be compared first")
        return found
