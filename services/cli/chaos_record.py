"""What the streams hold of a day, also after Redis lost its tail.

Pure. Entries are kept as they are read; when Redis comes back without its last second, those that it
no longer has are taken out again, because for the services they never were.
"""

from collections.abc import Collection, Iterator
from typing import Final

from services.cli.figures import FIGURE_KEYS
from services.cli.link import Seen
from services.contracts.envelope import Envelope
from services.contracts.streams import ALERTS, key_of

RECORDED_KEYS: Final = (*FIGURE_KEYS, key_of(ALERTS))


class Record:
    """Entries by key and id, in the order in which they were read."""

    def __init__(self) -> None:
        self._entries: dict[str, dict[str, Envelope]] = {key: {} for key in RECORDED_KEYS}
        self.lost = 0

    def take(self, item: Seen) -> None:
        if item.key in self._entries:
            self._entries[item.key][item.entry_id] = item.envelope

    def forget_lost(self, key: str, since_ms: int, survivors: Collection[str]) -> None:
        """Take out what was written since `since_ms` and did not survive."""
        for entry_id in [name for name in self._entries[key] if int(name.partition("-")[0]) >= since_ms]:
            if entry_id not in survivors:
                del self._entries[key][entry_id]
                self.lost += 1

    def envelopes(self) -> Iterator[Envelope]:
        """Every message that the streams hold, each once, stream by stream in order."""
        seen: set[str] = set()
        for entries in self._entries.values():
            for envelope in entries.values():
                if envelope.id not in seen:
                    seen.add(envelope.id)
                    yield envelope
