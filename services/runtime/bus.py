"""What a service needs of the bus: read, and commit one step in one transaction.

`redis_bus` is the one over Redis Streams; a virtual day has one in memory.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from services.contracts.envelope import MAX_MESSAGE_BYTES, Envelope, Unreadable, decode
from services.contracts.limits import NS_PER_MS
from services.contracts.streams import stream_of
from services.runtime.parts import PartsCodec
from services.runtime.standing import Standing, entry_order


class Fenced(RuntimeError):
    """Another instance has taken this service's epoch: this one must write no more."""


class CommitsAhead(Fenced):
    """Redis holds commits under our epoch and name that we did not make. That cannot be: we stop."""


class KeysLost(RuntimeError):
    """Redis answers and does not know our epoch or our last commit: keys are gone, or what was written last.

    Nothing was written. Nobody has taken over: neither number falls but where Redis has forgotten it.
    """


class CommitLate(RuntimeError):
    """A request that this commit takes in had expired by Redis's own time. Nothing was written."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.now_ns = int(said.split()[1]) * NS_PER_MS


class BusUnavailable(ConnectionError):
    """Redis did not answer, or refused. Whether a write took place is not known."""


class Unwritable(BusUnavailable):
    """Redis answers and takes nothing for a key: it is of another type, or its ids are spent.

    Trying again changes nothing until a person has mended it. Of a commit nothing was written.
    """


@dataclass(frozen=True, slots=True)
class Entry:
    """One raw entry. `book` is the tick stream's conflation key, empty elsewhere.

    Of an entry that is too large for a message only the beginning is carried on: then `whole_bytes` is its
    length and `sha256` its hash (hex), else 0 and empty.
    """

    key: str
    entry_id: str
    text: bytes
    book: str = ""
    whole_bytes: int = 0
    sha256: str = ""

    def decoded(self) -> Envelope:
        """Return the envelope with its typed body.

        Raises:
            Unreadable: too large, not a message that this build reads, or one that does not travel here.
        """
        if self.whole_bytes:
            raise Unreadable(f"message of {self.whole_bytes} bytes, more than {MAX_MESSAGE_BYTES}")
        envelope, found = decode(self.text), stream_of(self.key)
        if found is not None and type(envelope.body) not in found[0].types:
            raise Unreadable(f"{envelope.type} does not travel on the stream {found[0].name}")
        return envelope

    @property
    def raw(self) -> bytes:
        """The text, also where the bus carries the envelope without one."""
        return self.text

    @property
    def fingerprint(self) -> int:
        """Tells apart two entries that have one id: one of the Redis that was, one of the one that is."""
        return hash(self.text)

    @property
    def name(self) -> str:
        """What tells this entry from every other: its stream and its id there."""
        return f"{self.key}/{self.entry_id}"

    @property
    def order(self) -> tuple[int, int]:
        """Sorts entries of several streams by the time Redis took them."""
        return entry_order(self.entry_id)


@dataclass(frozen=True, slots=True)
class Write:
    """One entry to append: where, what, and how many to keep (None: all)."""

    key: str
    envelope: Envelope
    kept: int | None = None
    book: str = ""


@dataclass(frozen=True, slots=True)
class Stored:
    """What a service had committed: its new epoch, positions by stream key, parts of its state.

    `commits` is the number of the last commit. `lost`: Redis had acknowledged a later one, or an epoch that
    it does not know any more. `emptied`: it knows nothing of the service any more.
    """

    epoch: int
    positions: Mapping[str, str]
    parts: Mapping[str, Any]
    commits: int = 0
    lost: bool = False
    emptied: bool = False


def may_be_left_out(key: str) -> bool:
    """Whether a step takes place without its outputs to a stream that Redis does not take."""
    found = stream_of(key)
    return found is not None and found[0].may_be_left_out


class Bus(Protocol):
    """What a service, or the gateway, needs of the bus: Redis (`redis_bus`), or the memory of a virtual day.

    One connection of one process, not shared between threads. `asked` is how many entries of a stream the
    last read asked for at most, `codec` how the durable parts of a state are kept.
    """

    asked: int

    @property
    def codec(self) -> PartsCodec: ...

    def time_ns(self) -> int:
        """Return the bus's own time, ns since the epoch. Raises BusUnavailable, as all that ask it do."""
        ...

    def refuse_old(self) -> None:
        """See to it that the server is new enough. Raises TooOld."""
        ...

    def read(self, cursors: Mapping[str, str], *, count: int, block_ms: int) -> list[Entry]:
        """Return up to `count` entries of each stream after its cursor; waits up to `block_ms` for one.

        Within one stream they are in order. Nobody may rely on the order of two streams.
        """
        ...

    def tail(self, key: str, count: int) -> list[Entry]:
        """Return the last `count` entries of a stream, oldest first."""
        ...

    def standing(self, keys: Sequence[str]) -> Standing:
        """Return which server answers and where these streams end, all of one moment."""
        ...

    def entry(self, key: str, entry_id: str) -> Entry | None:
        """Return one entry of a stream, None where the stream does not hold it."""
        ...

    def parts(self, service: str) -> Mapping[str, Any]:
        """Return what is stored of a service without taking its epoch. Raises StateUnreadable."""
        ...

    def take_over(self, service: str, held: int = 0) -> Stored:
        """Take the next epoch of a service and return what it had committed. Fences all earlier instances.

        `held` is the epoch this instance had before it lost touch, 0 at its start.

        Raises:
            ForeignSystem: this Redis belongs to another system; only at the start.
            Fenced: another instance has taken over since.
            CommitsAhead: more is stored than this connection has written.
            StateUnreadable: positions or commits are none.
        """
        ...

    def commit(
        self, service: str, epoch: int, parts: Mapping[str, Any], positions: Mapping[str, str],
        writes: Sequence[Write], before_ms: int = 0,
    ) -> Sequence[str]:  # fmt: skip
        """Write outputs, state and positions of one step, all or nothing, if the epoch is still ours.

        `before_ms` is the time of the bus at which what the step takes in has expired, 0 where nothing does.

        Returns the streams whose outputs were left out, of those that may be: the bus does not take them.

        Raises:
            CommitLate: it had expired; nothing was written.
            Unwritable: the state, or a stream that may not be left out, cannot be written; nothing was.
            Fenced: another instance took over; nothing was written.
            CommitsAhead: more is stored than this connection has written; nothing was written.
            KeysLost: the keys of this service, its epoch or its last commit are gone; nothing was written.
            BusUnavailable: no answer; the write may have taken place.
        """
        ...

    def append(self, writes: Sequence[Write]) -> Sequence[str]:
        """Append without a state: people's requests and ticks. What was taken besides an error stays.

        Returns the streams whose outputs were left out, of those that may be.

        Raises:
            Unwritable: another stream, or what is kept beside the streams, cannot be written.
            BusUnavailable: no answer, or a refusal.
        """
        ...

    def renew(self) -> None:
        """End the connection: the next call makes another."""
        ...

    def replaced(self) -> bool:
        """Return whether the connection is another one than at the last call."""
        ...
