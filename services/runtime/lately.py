"""What a process did lately and Redis acknowledged: enough to say again what a Redis has lost of it.

Redis may come back without what it took last. What others wrote after that moment and this process has
handled is in its memory; what this process wrote is here, commit by commit. Entries that were handled are
remembered too: their stream goes on from an earlier id, so that what is new is read from there, and what
was handled and is still there is passed over.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from services.runtime.bus import Entry
from services.runtime.standing import entry_order

ENTRIES: Final = 4_096
"""Of so many handled entries it is known that they were: more than a second brings."""
COMMITS: Final = 2_000
"""So many commits can be said again: more than a second holds."""

T = TypeVar("T")


@dataclass
class Said(Generic[T]):
    """What was written, by the number of its commit, and what of it Redis does not know any more.

    `commits` is the number of the last commit that took place. `lost` is None while nothing is; what it
    holds is to be written again with the next commit, and the whole state with it.
    """

    commits: int = 0
    lost: list[T] | None = None
    _by_commit: deque[tuple[int, tuple[T, ...]]] = field(default_factory=lambda: deque(maxlen=COMMITS))
    _in_doubt: tuple[T, ...] | None = None

    def trying(self, writes: Iterable[T]) -> None:
        """A commit of these is sent to Redis."""
        self._in_doubt = tuple(writes)

    def took_place(self) -> None:
        """The commit that was sent is stored."""
        self.commits += 1
        if self._in_doubt:
            self._by_commit.append((self.commits, self._in_doubt))
        self.lost = self._in_doubt = None

    def settle(self, commits: int, *, lost: bool) -> bool:
        """Compare with the number of the last commit that Redis knows. Return whether the one in doubt, whose
        reply was lost, has taken place."""
        stored = not lost and self._in_doubt is not None and commits == self.commits + 1
        if lost:
            gone = [write for at, writes in self._by_commit if at > commits for write in writes]
            self.lost = [*(self.lost or ()), *gone]
            self._by_commit = deque((item for item in self._by_commit if item[0] <= commits), COMMITS)
        elif stored:
            self.took_place()
        self.commits, self._in_doubt = commits, None
        return stored


@dataclass
class HandledEntries:
    """Which entries of a few streams were handled last, and where to read from to meet none that was not."""

    _order: deque[tuple[str, str, int]] = field(default_factory=deque)
    _known: set[tuple[str, str, int]] = field(default_factory=set)
    _before: dict[str, str] = field(default_factory=dict)

    def begin(self, positions: Iterable[tuple[str, str]]) -> None:
        """Nothing before these positions, by stream key, will be asked for."""
        for key, entry_id in positions:
            self._before.setdefault(key, entry_id)

    def add(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self._order.append(_name(entry))
            self._known.add(_name(entry))
            if len(self._order) > ENTRIES:
                old = self._order.popleft()
                self._known.discard(old)
                self._before[old[0]] = old[1]

    def has(self, entry: Entry) -> bool:
        return _name(entry) in self._known

    def begin_anew(self, keys: Iterable[str], last_ids: Mapping[str, str]) -> None:
        """These streams end, at `last_ids`, before what was read of them. One that ends before all that is
        remembered of it is asked for from its very start."""
        for key in keys:
            last_id = last_ids.get(key, "0-0")
            if entry_order(last_id) < entry_order(self._before.get(key, "0-0")):
                self._before[key] = "0-0"

    def left_of(self, key: str, entry: Callable[[str, str], Entry | None]) -> str:
        """Return from where to read a stream when our own keys are gone: it may be there still, its past
        included. `entry` looks one up by key and id."""
        last = next((entry_id for of, entry_id, _ in reversed(self._order) if of == key), "")
        found = entry(key, last) if last else None
        return self.start_of((key,))[key] if found is not None and self.has(found) else "0-0"

    def start_of(self, keys: Sequence[str]) -> dict[str, str]:
        """Return from where each stream is to be read again."""
        return {key: self._before.get(key, "0-0") for key in keys}


def _name(entry: Entry) -> tuple[str, str, int]:
    """An id alone may come twice: once from the Redis that was, once from the one that is."""
    return entry.key, entry.entry_id, entry.fingerprint
