"""A bus in memory that promises what Redis promises, and breaks what Redis may break.

Promised: the entries of one stream keep their order; a commit is all or nothing and fenced by epoch.
Broken on purpose: a link from one stream to one reader may stall, so that streams are seen reordered
against each other, or a reader may take several streams in any order between them; the last second may be
forgotten as a whole, state and streams alike; a write may be taken and its reply lost; an entry may come
twice; no answer at all for a while.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from random import Random

from services.contracts.envelope import Envelope
from services.contracts.limits import NS_PER_MS, NS_PER_S
from services.contracts.step import State


class Unavailable(ConnectionError):
    """The bus does not answer now: nothing was written, or nobody knows."""


class Forgot(RuntimeError):
    """The bus does not know the service's last commit any more. Nothing was written."""


class Overtaken(RuntimeError):
    """Another instance took the epoch. Nothing was written."""


@dataclass(frozen=True, slots=True)
class Posted:
    """One entry: its number (of all streams, never given twice), its id, and when it was taken."""

    key: str
    number: int
    entry_id: str
    taken_ns: int
    envelope: Envelope


@dataclass(slots=True)
class Kept:
    """What one service has committed. `state` is None before its first commit; `commits` numbers them."""

    epoch: int = 0
    state: State | None = None
    positions: dict[str, int] = field(default_factory=dict)
    commits: int = 0


@dataclass(frozen=True, slots=True)
class _Undo:
    """How one write is forgotten: entries per stream before it, and what the service had before."""

    at_ns: int
    lengths: Mapping[str, int]
    service: str
    before: Kept


class Late(RuntimeError):
    """A request that the commit takes in had expired. Nothing was written."""

    def __init__(self, now_ns: int) -> None:
        super().__init__(f"the bus's time is {now_ns}")
        self.now_ns = now_ns


class VirtualBus:
    """Streams by key, and what each service has committed. A position is the number last read."""

    def __init__(self) -> None:
        self.streams: dict[str, list[Posted]] = {}
        self.kept: dict[str, Kept] = {}
        self.down_until_ns = 0
        self.losses = 0
        self._written: list[Posted] = []
        self._readers: dict[str, set[str]] = {}
        self._has_news: set[str] = set()
        self._stalled_until_ns: dict[tuple[str, str], int] = {}
        self._reordered_until_ns: dict[str, int] = {}
        self._reply_lost: set[str] = set()
        self._rng = Random(0)
        self._undo: deque[_Undo] = deque()
        self._last_id = (0, 0)
        self._number = 0
        self._newest: dict[str, int] = {}

    # -- faults ------------------------------------------------------------------------

    def go_down(self, until_ns: int) -> None:
        """Do not answer until then."""
        self.down_until_ns = max(self.down_until_ns, until_ns)

    def stall(self, reader: str, key: str, until_ns: int) -> None:
        """Let a reader see nothing new of one stream until then."""
        self._stalled_until_ns[reader, key] = until_ns

    def reorder(self, reader: str, until_ns: int, seed: int) -> None:
        """Let a reader see streams in any order between them until then."""
        self._reordered_until_ns[reader] = until_ns
        self._rng = Random(seed)

    def lose_reply(self, service: str) -> None:
        """The next commit of a service is taken, and it never hears so."""
        self._reply_lost.add(service)

    def repeat(self, key: str, now_ns: int) -> None:
        """Write the newest entry of a stream again, as a writer does that did not hear of the first time."""
        self._post([(key, self.streams[key][-1].envelope)], now_ns)

    def forget_since(self, since_ns: int) -> int:
        """Lose every write taken after `since_ns`, as a server does that lost its last second.

        Epochs stay: a restarted server gives no epoch twice (they are taken with a synced write).
        Returns how many writes went.
        """
        lost = 0
        while self._undo and self._undo[-1].at_ns > since_ns:
            undo = self._undo.pop()
            for key, length in undo.lengths.items():
                del self.streams[key][length:]
            if undo.service:
                kept, before = self.kept[undo.service], undo.before
                kept.state, kept.positions, kept.commits = before.state, before.positions, before.commits
            lost += 1
        self.losses += 1
        return lost

    def heal(self) -> None:
        self.down_until_ns = 0
        self._stalled_until_ns.clear()
        self._reordered_until_ns.clear()
        self._reply_lost.clear()

    def reaches(self, reader: str, key: str, now_ns: int) -> bool:
        """Whether a reader that asks now sees all of a stream."""
        return now_ns >= max(self.down_until_ns, self._stalled_until_ns.get((reader, key), 0))

    # -- the bus --------------------------------------------------------------------------

    def take_over(self, service: str, now_ns: int, held: int = 0) -> Kept:
        """Take the next epoch, after `held`; returns a copy of what was committed. Raises both errors."""
        self._answer(now_ns)
        kept = self.kept.setdefault(service, Kept())
        if held and kept.epoch != held:
            raise Overtaken(f"{service}: epoch {held} is not {kept.epoch}")
        kept.epoch += 1
        return replace(kept, positions=dict(kept.positions))

    def newest(self, key: str) -> int:
        """Return the number of the newest entry of a stream, 0 where there never was one."""
        return self._newest.get(key, 0)

    def follow(self, reader: str, keys: Iterable[str]) -> None:
        """Let a reader read these streams, and `has_news` tell it of them, from what they hold now."""
        for key in keys:
            self._readers.setdefault(key, set()).add(reader)
        self._has_news.add(reader)

    def has_news(self, reader: str) -> bool:
        """Whether a follower may find something that its last read did not give."""
        return reader in self._has_news

    def take_written(self) -> list[Posted]:
        """Return every entry written since the last call, in order, also those forgotten since."""
        written, self._written = self._written, []
        return written

    def read(self, reader: str, cursors: Mapping[str, int], now_ns: int, most: int = 256) -> list[Posted]:
        """Return what is new to a follower, in the order it was taken. Raises Unavailable."""
        self._answer(now_ns)
        if reader not in self._has_news:
            return []
        self._has_news.discard(reader)
        found: list[Posted] = []
        for key, cursor in cursors.items():
            if self._newest.get(key, 0) <= cursor:
                continue
            if self._stalled_until_ns.get((reader, key), 0) > now_ns:
                self._has_news.add(reader)
                continue
            entries = self.streams[key]
            start = bisect_right(entries, cursor, key=_number)
            if len(entries) > start + most:
                self._has_news.add(reader)
            found += entries[start : start + most]
        found.sort(key=_number)
        if found and self._reordered_until_ns.get(reader, 0) > now_ns:
            return _interleaved(found, self._rng)
        return found

    def commit(
        self, service: str, epoch: int, commits: int, state: State | None, positions: Mapping[str, int],
        writes: Sequence[tuple[str, Envelope]], now_ns: int, before_ns: int = 0,
    ) -> None:  # fmt: skip
        """Append, and keep state and positions, if the epoch is still the service's and `commits` its last
        commit, before `before_ns` (0: at any time). Raises all four errors."""
        self._answer(now_ns)
        kept = self.kept[service]
        if kept.epoch != epoch:
            raise Overtaken(f"{service}: epoch {epoch} is not {kept.epoch}")
        if kept.commits < commits:
            raise Forgot(f"{service}: commits after {kept.commits} are gone, {commits} was the last")
        assert kept.commits == commits, f"{service}: commit {kept.commits} is none of ours after {commits}"
        if 0 < before_ns <= now_ns:
            raise Late(now_ns)
        self._remember(now_ns, writes, service, replace(kept))
        self._post(writes, now_ns)
        kept.state, kept.positions, kept.commits = state, dict(positions), commits + 1
        if service in self._reply_lost:
            self._reply_lost.remove(service)
            raise Unavailable(f"{service}: the reply was lost")

    def append(self, writes: Sequence[tuple[str, Envelope]], now_ns: int) -> None:
        """Append without a state. Raises Unavailable."""
        self._answer(now_ns)
        self._remember(now_ns, writes, "", Kept())
        self._post(writes, now_ns)

    def _answer(self, now_ns: int) -> None:
        if now_ns < self.down_until_ns:
            raise Unavailable("the bus is down")

    def _post(self, writes: Sequence[tuple[str, Envelope]], now_ns: int) -> None:
        ms = max(now_ns // NS_PER_MS, self._last_id[0])
        for key, envelope in writes:
            self._last_id = (ms, self._last_id[1] + 1 if ms == self._last_id[0] else 0)
            self._number += 1
            entry_id = f"{self._last_id[0]}-{self._last_id[1]}"
            posted = Posted(key, self._number, entry_id, now_ns, envelope)
            self.streams.setdefault(key, []).append(posted)
            self._written.append(posted)
            self._newest[key] = self._number
            self._has_news.update(self._readers.get(key, ()))

    def _remember(
        self, now_ns: int, writes: Sequence[tuple[str, Envelope]], service: str, before: Kept
    ) -> None:
        lengths = {key: len(self.streams.setdefault(key, [])) for key, _ in writes}
        self._undo.append(_Undo(now_ns, lengths, service, before))
        while self._undo[0].at_ns < now_ns - 2 * NS_PER_S:
            self._undo.popleft()


_number = attrgetter("number")


def _interleaved(found: list[Posted], rng: Random) -> list[Posted]:
    """The same entries with the order within each stream, and none between streams."""
    streams: dict[str, list[Posted]] = {}
    for entry in reversed(found):
        streams.setdefault(entry.key, []).append(entry)
    keys = [entry.key for entry in found]
    rng.shuffle(keys)
    return [streams[key].pop() for key in keys]
