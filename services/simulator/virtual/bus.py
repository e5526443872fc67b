"""A bus in memory that promises what Redis promises, and breaks what Redis may break.

Promised: the entries of one stream keep their order; a commit is all or nothing, fenced by epoch and owner,
and numbered. Broken on purpose: a link from one stream to one reader may stall, so that streams are seen
reordered against each other, or a reader may take several streams in any order between them; the last second
may be forgotten as a whole, state, epochs and streams alike; all may be gone; a stream may be deleted; a
write may be taken and its reply lost; an entry may come twice, or be junk; no answer at all for a while.

A `Connection` is what one process has of it: the `Bus` of its loop, with the refusals of `RedisBus`. Messages
and parts of a state are carried as objects, or as JSON where the bus is `coded`.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from random import Random
from typing import Any, Final, TypeVar

from services.contracts.envelope import Envelope
from services.contracts.limits import NS_PER_MS, NS_PER_S
from services.runtime.bus import (
    BusUnavailable,
    CommitLate,
    CommitsAhead,
    Entry,
    Fenced,
    KeysLost,
    Stored,
    Write,
)
from services.runtime.parts import JSON, OBJECTS, PartsCodec
from services.runtime.standing import Standing, entry_order

UNDO_NS: Final = 2 * NS_PER_S
"""So far back writes may be forgotten."""
NO_MESSAGE: Final = Envelope(
    type="", version=0, id="", correlation_id="", causation_id="", ts_event_ns=0, ts_init_ns=0, source="",
    body=None,
)  # fmt: skip
"""What an entry says that is junk."""
T = TypeVar("T")


class Killed(BaseException):
    """The process is gone in the middle of a call. No handler of the product may catch it."""


@dataclass
class VirtualTime:
    """The one clock of a virtual day; what each machine reads of it may be wrong by its own shift."""

    now_ns: int


@dataclass(frozen=True, slots=True)
class Posted(Entry):
    """One entry: its number (of all streams, never given twice), when it was taken, and what it says.

    `text` is empty but on a coded bus, where readers decode it.
    """

    number: int = 0
    taken_ns: int = 0
    envelope: Envelope = NO_MESSAGE

    def decoded(self) -> Envelope:
        return Entry.decoded(self) if self.text else self.envelope

    @property
    def raw(self) -> bytes:
        return self.text or self.envelope.encode().encode()

    @property
    def fingerprint(self) -> int:
        return self.number


@dataclass(frozen=True, slots=True)
class Kept:
    """What one service has committed; `commits` numbers its commits."""

    epoch: int = 0
    owner: str = ""
    commits: int = 0
    positions: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Undo:
    """How one write is forgotten: entries per stream before it, and what the service had before."""

    at_ns: int
    lengths: Mapping[str, int]
    service: str
    before: Kept | None


class VirtualBus:
    """The server: streams by key, what each service has committed, and the faults that befall both."""

    def __init__(self, time: VirtualTime | None = None, *, coded: bool = False) -> None:
        self.time = time or VirtualTime(0)
        self.coded = coded
        self.streams: dict[str, list[Posted]] = {}
        self.kept: dict[str, Kept] = {}
        self.down_until_ns = 0
        self.losses = 0
        """How often the server was replaced by an older state of itself."""
        self._orders: dict[str, list[tuple[int, int]]] = {}
        """The ids of each stream as numbers, beside its entries."""
        self._written: list[Posted] = []
        self._followers: dict[str, list[Connection]] = {}
        self._stalled_until_ns: dict[tuple[str, str], int] = {}
        self._reordered_until_ns: dict[str, int] = {}
        self._reply_lost: set[str] = set()
        self._rng = Random(0)
        self._undo: deque[_Undo] = deque()
        self._number = self._connections = 0

    def connect(self, name: str, wrong_ns: Callable[[], int] = lambda: 0) -> "Connection":
        """Return a connection of the process `name`, which reads the time of the bus wrong by `wrong_ns`."""
        self._connections += 1
        return Connection(self, name, f"{name}-{self._connections}", wrong_ns)

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
        last = self.streams[key][-1]
        self._post(key, last.envelope, last.book)

    def post_text(self, key: str, text: bytes) -> None:
        """Append what no build of ours may have written."""
        self._remember((key,))
        self._post(key, NO_MESSAGE, "", text)

    def usurp(self, service: str) -> None:
        """Take the epoch of a service as a rival does that then says nothing."""
        self.take_over(service, f"rival-{self._number}", held=0, acknowledged=0)

    def forget_since(self, since_ns: int) -> int:
        """Lose every write taken after `since_ns`, epochs too, as a server does that lost its last second.

        Returns how many writes went.
        """
        lost = 0
        while self._undo and self._undo[-1].at_ns > since_ns:
            undo = self._undo.pop()
            for key, length in undo.lengths.items():
                self._cut(key, length)
            if undo.before is not None:
                self.kept[undo.service] = undo.before
            else:
                self.kept.pop(undo.service, None)
            lost += 1
        self.losses += 1
        return lost

    def empty(self) -> None:
        """Come back with nothing at all."""
        for key in self.streams:
            self._cut(key, 0)
        self.kept.clear()
        self._undo.clear()
        self.losses += 1

    def delete(self, key: str) -> None:
        """Delete a stream under its readers, without any error: it begins anew."""
        self._undo.clear()
        self._cut(key, 0)

    def heal(self) -> None:
        self.down_until_ns = 0
        self._stalled_until_ns.clear()
        self._reordered_until_ns.clear()
        self._reply_lost.clear()

    def reaches(self, reader: str, key: str, now_ns: int) -> bool:
        """Whether a reader that asks now sees all of a stream."""
        return now_ns >= max(self.down_until_ns, self._stalled_until_ns.get((reader, key), 0))

    # -- who looks on ---------------------------------------------------------------------

    def newest(self, key: str) -> str:
        """Return the id that a stream gave last, "0-0" where it holds nothing."""
        stream = self.streams.get(key)
        return stream[-1].entry_id if stream else "0-0"

    def take_written(self) -> list[Posted]:
        """Return every message written since the last call, in order, also those forgotten since."""
        written, self._written = self._written, []
        return written

    # -- what a connection asks -----------------------------------------------------------

    def read(self, line: "Connection", cursors: Mapping[str, str], count: int) -> list[Posted]:
        """Return up to `count` entries of each stream after its cursor, in the order they were taken."""
        now_ns, found = self.time.now_ns, list[Posted]()
        for key, cursor in cursors.items():
            if key not in line.followed:
                line.followed.add(key)
                self._followers.setdefault(key, []).append(line)
            stream = self.streams.get(key)
            if not stream or stream[-1].entry_id == cursor:
                line.news.discard(key)
                continue
            if self._stalled_until_ns.get((line.name, key), 0) > now_ns:
                line.news.add(key)
                continue
            start = bisect_right(self._orders[key], entry_order(cursor))
            found += stream[start : start + count]
            if len(stream) > start + count:
                line.news.add(key)
            else:
                line.news.discard(key)
        found.sort(key=_number)
        if found and self._reordered_until_ns.get(line.name, 0) > now_ns:
            return _interleaved(found, self._rng)
        return found

    def take_over(self, service: str, owner: str, held: int, acknowledged: int) -> int:
        """Take the next epoch of a service; returns the one that was there. Raises Fenced, CommitsAhead."""
        kept = self.kept.get(service, Kept())
        if 0 < held <= kept.epoch:
            if kept.owner != owner:
                raise Fenced(f"{service}: epoch {kept.epoch} is another's, ours was {held}")
            if kept.commits > acknowledged + 1:
                raise CommitsAhead(f"{service}: commit {kept.commits} is stored, our last was {acknowledged}")
        self._remember((), service)
        self.kept[service] = replace(kept, epoch=max(kept.epoch, held) + 1, owner=owner)
        return kept.epoch

    def commit(
        self, service: str, held: Kept, parts: Mapping[str, Any], positions: Mapping[str, str],
        writes: Sequence[Write], before_ms: int,
    ) -> bool:  # fmt: skip
        """Write all if epoch, owner and number of commits are those `held`. Returns whether it is answered.

        Raises Fenced, CommitsAhead, KeysLost, CommitLate: nothing was written.
        """
        kept = self.kept.get(service)
        if kept is None or kept.epoch < held.epoch:
            raise KeysLost(f"{service}: epoch {held.epoch} is gone")
        if (kept.epoch, kept.owner) != (held.epoch, held.owner):
            raise Fenced(f"{service}: epoch {held.epoch} is not {kept.epoch}")
        if kept.commits < held.commits:
            raise KeysLost(f"{service}: commits after {kept.commits} are gone, {held.commits} was the last")
        if kept.commits > held.commits:
            raise CommitsAhead(f"{service}: commit {kept.commits} is stored, our last was {held.commits}")
        now_ms = self.time.now_ns // NS_PER_MS
        if 0 < before_ms <= now_ms:
            raise CommitLate(f"LATE {now_ms}")
        self._append(writes, service)
        self.kept[service] = replace(
            kept, commits=kept.commits + 1, parts={**kept.parts, **parts}, positions=dict(positions)
        )
        answered = service not in self._reply_lost
        self._reply_lost.discard(service)
        return answered

    def append(self, writes: Sequence[Write]) -> None:
        self._append(writes)

    def _append(self, writes: Sequence[Write], service: str = "") -> None:
        self._remember((write.key for write in writes), service)
        for write in writes:
            self._post(write.key, write.envelope, write.book)

    def _post(self, key: str, envelope: Envelope, book: str, text: bytes = b"") -> None:
        stream, orders = self.streams.setdefault(key, []), self._orders.setdefault(key, [])
        ms, number = self.time.now_ns // NS_PER_MS, 0
        if orders and ms <= orders[-1][0]:
            ms, number = orders[-1][0], orders[-1][1] + 1
        self._number += 1
        if self.coded and not text:
            text = envelope.encode().encode()
        posted = Posted(
            key, f"{ms}-{number}", text, book, number=self._number, taken_ns=self.time.now_ns,
            envelope=envelope,
        )  # fmt: skip
        stream.append(posted)
        orders.append((ms, number))
        if envelope is not NO_MESSAGE:
            self._written.append(posted)
        for line in self._followers.get(key, ()):
            line.news.add(key)

    def _cut(self, key: str, length: int) -> None:
        del self.streams[key][length:]
        del self._orders[key][length:]

    def _remember(self, keys: Iterable[str], service: str = "") -> None:
        lengths = {key: len(self.streams.get(key, ())) for key in keys}
        now_ns = self.time.now_ns
        self._undo.append(_Undo(now_ns, lengths, service, self.kept.get(service)))
        while self._undo[0].at_ns < now_ns - UNDO_NS:
            self._undo.popleft()

    def leave(self, line: "Connection") -> None:
        """A process is gone: nothing is news to it any more."""
        for key in line.followed:
            self._followers[key].remove(line)


class Connection:
    """The bus as one process has it. `dies` is "before" or "after": its next commit is the last it asks."""

    def __init__(self, bus: VirtualBus, name: str, owner: str, wrong_ns: Callable[[], int]) -> None:
        self.name, self.asked, self.dies = name, 0, ""
        self.codec: PartsCodec = JSON if bus.coded else OBJECTS
        self.news: set[str] = set()
        """Followed streams that may hold something which the last read did not give."""
        self.followed: set[str] = set()
        self._bus, self._owner, self._wrong_ns = bus, owner, wrong_ns
        self._held: dict[str, Kept] = {}
        """Epoch, owner and number of the last acknowledged commit, by service that took over."""
        self._server = -1
        self._made = self._seen = 0
        """How often there was another connection, and how many of them were seen."""

    def close(self) -> None:
        self._bus.leave(self)

    @property
    def stale(self) -> bool:
        """Whether the server is another one than it last spoke to."""
        return self._server != self._bus.losses

    def time_ns(self) -> int:
        self._reach()
        return self._bus.time.now_ns + self._wrong_ns()

    def refuse_old(self) -> None:
        self._reach()

    def read(self, cursors: Mapping[str, str], *, count: int, block_ms: int) -> list[Entry]:
        self.asked = count
        return self._ask(lambda: list[Entry](self._bus.read(self, cursors, count)))

    def tail(self, key: str, count: int) -> list[Entry]:
        return self._ask(lambda: list[Entry](self._bus.streams.get(key, [])[-count:]))

    def standing(self, keys: Sequence[str]) -> Standing:
        self._reach()
        return Standing(f"{self._bus.losses:x}", {key: self._bus.newest(key) for key in keys})

    def entry(self, key: str, entry_id: str) -> Entry | None:
        def find() -> Entry | None:
            found = (entry for entry in self._bus.streams.get(key, ()) if entry.entry_id == entry_id)
            return next(found, None)

        return self._ask(find)

    def parts(self, service: str) -> Mapping[str, Any]:
        self._reach()
        return self._bus.kept.get(service, Kept()).parts

    def take_over(self, service: str, held: int = 0) -> Stored:
        self._reach()
        acknowledged = self._held.get(service, Kept()).commits
        before = self._bus.take_over(service, self._owner, held, acknowledged)
        self.replaced()
        kept = self._held[service] = self._bus.kept[service]
        lost = before < held or (held > 0 and kept.commits < acknowledged)
        emptied = held > 0 and before == 0
        return Stored(kept.epoch, kept.positions, kept.parts, kept.commits, lost=lost, emptied=emptied)

    def commit(
        self, service: str, epoch: int, parts: Mapping[str, Any], positions: Mapping[str, str],
        writes: Sequence[Write], before_ms: int = 0,
    ) -> Sequence[str]:  # fmt: skip
        if self.dies == "before":
            raise Killed
        held = replace(self._held.get(service, Kept()), epoch=epoch, owner=self._owner)
        self._ask(lambda: self._commit(service, held, parts, positions, writes, before_ms))
        self._held[service] = replace(held, commits=held.commits + 1)
        if self.dies == "after":
            raise Killed
        return ()

    def _commit(
        self, service: str, held: Kept, parts: Mapping[str, Any], positions: Mapping[str, str],
        writes: Sequence[Write], before_ms: int,
    ) -> None:  # fmt: skip
        if not self._bus.commit(service, held, parts, positions, writes, before_ms):
            self.renew()
            raise BusUnavailable(f"{service}: the reply was lost")

    def append(self, writes: Sequence[Write]) -> Sequence[str]:
        self._ask(lambda: self._bus.append(writes))
        return ()

    def renew(self) -> None:
        self._server = -1

    def replaced(self) -> bool:
        before, self._seen = self._seen, self._made
        return before not in (0, self._made)

    def _reach(self) -> None:
        if self._bus.time.now_ns < self._bus.down_until_ns:
            self.renew()
            raise BusUnavailable("the bus is down")
        if self._server != self._bus.losses:
            self._server = self._bus.losses
            self._made += 1

    def _ask(self, call: Callable[[], T]) -> T:
        """As `RedisBus`: what took over and comes to another connection may be speaking to another server."""
        self._reach()
        answer = call()
        if self._held and self.replaced():
            raise BusUnavailable("the connection is a new one: what the bus knows has to be compared first")
        return answer


_number = attrgetter("number")


def _interleaved(found: list[Posted], rng: Random) -> list[Posted]:
    """The same entries with the order within each stream, and none between streams."""
    streams: dict[str, list[Posted]] = {}
    for entry in reversed(found):
        streams.setdefault(entry.key, []).append(entry)
    keys = [entry.key for entry in found]
    rng.shuffle(keys)
    return [streams[key].pop() for key in keys]
