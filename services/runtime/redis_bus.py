"""The bus over Redis Streams: read, and commit one step in one transaction.

An entry has the field `m`, an envelope as JSON, and on tick streams `k`, the book it
replaces, so that a late reader can skip without decoding. What a service knows lives in one
hash: `epoch`, `owner`, `commits`, `positions`, a field for each durable part of its state, and what it said
last of how things are (`contracts/said.py`).

Whoever took the newest epoch may write; an instance that has lost touch with Redis takes a new one when
it is back, unless another has taken over meanwhile: then it is fenced, and waits (see `fenced`).

`commits` numbers the commits of a service. A number below the last one that Redis acknowledged shows that
Redis was replaced by an older state. A new connection may lead to such a Redis without any error: a bus that
took over refuses what it read or wrote on one, so that its service takes over again and compares.

Writing clients do not retry: redis-py would send a write again whose reply was lost, and
double it. After any error in a commit the caller drops its memory and loads again.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import zip_longest
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from services.contracts.envelope import MAX_MESSAGE_BYTES, Envelope
from services.contracts.limits import BURIED_TEXT_BYTES, NS_PER_S
from services.contracts.said import SAID
from services.contracts.streams import BOOK_FIELD, ENTRY_FIELD, SAID_KEY, state_key
from services.contracts.system import SystemIdentity
from services.runtime.bus import (
    BusUnavailable,
    CommitLate,
    CommitsAhead,
    Entry,
    Fenced,
    KeysLost,
    Stored,
    Unwritable,
    Write,
    may_be_left_out,
)
from services.runtime.bus_scripts import COMMIT, STANDING, TAKE_OVER
from services.runtime.lines import Lines
from services.runtime.parts import JSON, PartsCodec, StateUnreadable
from services.runtime.portion import Portion
from services.runtime.redaction import redacted
from services.runtime.redis_version import refuse_old
from services.runtime.said_fields import read_said, said_by
from services.runtime.standing import Standing
from services.runtime.state_hash import refuse_junk, value_of
from services.runtime.system import Claim, ForeignSystem


class RedisBus:
    """The bus over a real Redis (or fakeredis). Not shared between threads: make one each.

    Every method raises `BusUnavailable` when Redis does not answer or refuses. What took over with one
    bus commits with the same: it is its `owner`. A refusal ends the connection: behind one address another
    server may have become the one that writes.
    """

    def __init__(
        self, client: "redis.Redis", lines: Lines | None = None, system: SystemIdentity | None = None
    ) -> None:
        self._redis = client
        self._lines = lines or Lines()
        self._claim = Claim(client, system)
        self._commits: dict[str, int] = {}
        """The number of the last commit that Redis acknowledged, by service that took over."""
        self._commit = client.register_script(COMMIT)
        self._take_over = client.register_script(TAKE_OVER)
        self._standing = client.register_script(STANDING)
        self._owner = secrets.token_hex(8)
        self.codec: PartsCodec = JSON
        self.portion = Portion()
        self.asked = 0

    def refuse_old(self) -> None:
        """See to it that the server is new enough. Raises TooOld."""
        self._guard(lambda: refuse_old(self._redis))

    def time_ns(self) -> int:
        """Return Redis's own time, ns since the epoch (1 us resolution)."""
        seconds, micros = self._guard(lambda: self._redis.time())
        return int(seconds) * NS_PER_S + int(micros) * 1_000

    def read(self, cursors: Mapping[str, str], *, count: int, block_ms: int) -> list[Entry]:
        """Return up to `count` entries of each stream after its cursor, sorted by id.

        Within one stream that is the order in which Redis took them. Between streams it is so to the
        millisecond: each counts its own entries within one, and a reader that waited is woken by one stream
        of a commit. Nobody may rely on the order of two streams.

        Fewer where the reader has just begun, or entries are large. Waits up to `block_ms` if there is none;
        0 does not wait. A key that is no stream has nothing to read.
        """
        if not cursors:
            return []
        wanted: dict[Any, Any] = dict(cursors)
        block = block_ms if block_ms > 0 else None
        most = self.asked = self.portion.of(count)
        try:
            reply = _rows(self._ask(lambda: self._redis.xread(wanted, count=most, block=block)))
        except Unwritable:
            left = self.standing(list(cursors)).last_ids
            if len(left) == len(cursors):
                raise
            return self.read({key: cursors[key] for key in left}, count=count, block_ms=block_ms)
        self.portion.got(bytes_of(fields) for _, rows in reply for _, fields in rows)
        entries = [entry_of(_text(key), entry_id, fields) for key, rows in reply for entry_id, fields in rows]
        return sorted(entries, key=lambda entry: entry.order)

    def tail(self, key: str, count: int) -> list[Entry]:
        """Return the last `count` entries of a stream, oldest first; none of a key that is no stream."""
        try:
            rows = self._ask(lambda: self._redis.xrevrange(key, count=count))
        except Unwritable:
            return []
        return [entry_of(key, entry_id, fields) for entry_id, fields in reversed(rows)]

    def standing(self, keys: Sequence[str]) -> Standing:
        """Return which server answers and where these streams end, all of one moment."""
        run_id, *last = (_text(item) for item in self._guard(lambda: self._standing(keys=list(keys))))
        return Standing(run_id, {key: last_id for key, last_id in zip(keys, last, strict=True) if last_id})

    def entry(self, key: str, entry_id: str) -> Entry | None:
        """Return one entry of a stream, None where the stream does not hold it."""
        rows = self._ask(lambda: self._redis.xrange(key, min=entry_id, max=entry_id, count=1))
        return entry_of(key, *rows[0]) if rows else None

    def length(self, key: str) -> int:
        return int(self._ask(lambda: self._redis.xlen(key)))

    def claim(self) -> None:
        """Claim this Redis for the system of this bus. Raises ForeignSystem: it belongs to another."""
        self._guard(self._claim.make)

    def take_over(self, service: str, held: int = 0) -> Stored:
        """Take the next epoch of a service and return what it had committed. Fences all earlier instances.

        `held` is the epoch this instance had before it lost touch with Redis, 0 at its start. One that ran
        already waits for its own Redis where it finds that of another system.

        Raises:
            ForeignSystem: this Redis belongs to another system; only at the start.
            Fenced: another instance has taken over since.
            CommitsAhead: more is stored than this bus has written.
            StateUnreadable: positions or commits are none.
        """
        try:
            self.claim()
        except ForeignSystem as error:
            if held:
                raise BusUnavailable(str(error)) from error
            raise
        keys: list[str] = [state_key(service)]
        acknowledged = self._commits.get(service, 0)
        args: list[str | int] = [held, self._owner, acknowledged]
        before, flat = self._guard(lambda: self._take_over(keys=keys, args=args))
        self._lines.replaced()
        texts = [_text(item) for item in flat]
        every = zip(texts[::2], texts[1::2], strict=True)
        stored = {name: text for name, text in every if not name.startswith(SAID)}
        epoch, _ = int(stored.pop("epoch")), stored.pop("owner")
        positions = value_of(keys[0], "positions", stored.pop("positions", "{}"))
        commits = self._commits[service] = value_of(keys[0], "commits", stored.pop("commits", "0"))
        lost = int(before) < held or (held > 0 and commits < acknowledged)
        emptied = held > 0 and int(before) == 0
        return Stored(epoch, positions, stored, commits=commits, lost=lost, emptied=emptied)

    def commit(
        self, service: str, epoch: int, parts: Mapping[str, str], positions: Mapping[str, str],
        writes: Sequence[Write], before_ms: int = 0,
    ) -> Sequence[str]:  # fmt: skip
        """Write outputs, state and positions of one step, all or nothing, if the epoch is still ours.

        `before_ms` is the Redis time at which what the step takes in has expired, 0 where nothing does.

        Returns the streams whose outputs were left out, of those that may be: Redis does not take them.

        Raises:
            CommitLate: it had expired; nothing was written.
            Unwritable: the state, or a stream that may not be left out, cannot be written; nothing was.
            Fenced: another instance took over; nothing was written.
            CommitsAhead: more is stored than this bus has written; nothing was written.
            KeysLost: the keys of this service, its epoch or its last commit are gone; nothing was written.
            BusUnavailable: no answer; the write may have taken place.
        """
        fields: list[str] = [
            item for pair in {**parts, **said_by(write.envelope for write in writes)}.items() for item in pair
        ]
        if positions:
            fields += ["positions", json.dumps(dict(positions), sort_keys=True)]
        argv: list[str | int] = [epoch, self._owner, self._commits.get(service, 0), before_ms]
        argv += [len(fields), *fields]
        for write in writes:
            entry = _fields(write)
            kept = "" if write.kept is None else write.kept
            argv += [kept, "1" if may_be_left_out(write.key) else "", len(entry), *entry]
        keys = [state_key(service), *(write.key for write in writes)]
        left_out = self._ask(lambda: self._commit(keys=keys, args=argv))
        self._commits[service] = self._commits.get(service, 0) + 1
        return [_text(key) for key in left_out]

    def append(self, writes: Sequence[Write]) -> Sequence[str]:
        """Append without a state: people's requests and ticks. What Redis took besides an error stays.

        Returns the streams whose outputs were left out, of those that may be: Redis does not take them.

        Raises:
            Unwritable: another stream, or what is kept beside the streams, cannot be written.
            BusUnavailable: no answer, or a refusal.
        """
        if not writes:
            return ()
        pipeline = self._redis.pipeline(transaction=False)
        for write in writes:
            entry = _fields(write)
            fields: dict[Any, Any] = dict(zip(entry[::2], entry[1::2], strict=True))
            pipeline.xadd(write.key, fields, maxlen=write.kept, approximate=True)
        said: dict[Any, Any] = said_by(write.envelope for write in writes)
        if said:
            pipeline.hset(SAID_KEY, mapping=said)
        answers = self._ask(lambda: pipeline.execute(raise_on_error=False))
        left_out: list[str] = []
        for write, answer in zip_longest(writes, answers):
            if not isinstance(answer, Exception):
                continue
            if write is not None and may_be_left_out(write.key) and _for_good(answer):
                left_out.append(write.key)
            else:
                self._guard(partial(_raise, answer, SAID_KEY if write is None else write.key))
        return left_out

    def said(self) -> list[Envelope]:
        """Return what every service said last of how things are; what this build cannot read is left out."""
        found: list[Envelope] = self._guard(lambda: read_said(self._redis))
        return found

    def positions(self, service: str) -> Mapping[str, str]:
        """Return what a service has committed reading, by stream key; empty if it never ran.

        Raises:
            StateUnreadable: what stands there are no positions.
        """
        stored = self._guard(lambda: self._redis.hget(state_key(service), "positions"))
        return dict(value_of(state_key(service), "positions", _text(stored))) if stored else {}

    def part(self, service: str, name: str) -> str:
        """Return one stored part of a service's state, empty where there is none."""
        stored = self._guard(lambda: self._redis.hget(state_key(service), name))
        return _text(stored) if stored is not None else ""

    def parts(self, service: str) -> Mapping[str, str]:
        """Return what is stored of a service, its parts among it, without taking its epoch.

        Raises:
            StateUnreadable: the key is no hash, or epoch, commits or positions in it are none.
        """
        key = state_key(service)
        kind = _text(self._guard(lambda: self._redis.type(key)))
        if kind not in ("none", "hash"):
            raise StateUnreadable(f"{key} is a {kind} and no hash: nothing of ours. Delete it by hand.")
        found = self._guard(lambda: self._redis.hgetall(key))
        stored = {_text(name): _text(value) for name, value in found.items()}
        refuse_junk(key, stored)
        return stored

    def trim_before(self, key: str, entry_id: str) -> int:
        """Drop entries older than `entry_id`; returns how many went."""
        return int(self._guard(lambda: self._redis.xtrim(key, minid=entry_id, approximate=True)))

    def renew(self) -> None:
        """End the connection: the next call makes another."""
        self._redis.connection_pool.disconnect()

    def replaced(self) -> bool:
        """Return whether the connection is another one than at the last call."""
        return self._lines.replaced()

    def _ask(self, call: Any) -> Any:
        """Read or write. What took over and comes to another connection may be speaking to another Redis."""
        answer = self._guard(call)
        if self._commits and self._lines.replaced():
            raise BusUnavailable("the connection is a new one: what Redis knows has to be compared first")
        return answer

    def _guard(self, call: Any) -> Any:
        try:
            return call()
        except redis.exceptions.ResponseError as error:
            said = str(error)
            for word, meaning in _REFUSALS:
                if said.startswith(word):
                    raise meaning(said) from error
            if _for_good(error):
                raise Unwritable(f"Redis refused: {error}") from error
            self._redis.connection_pool.disconnect()
            raise BusUnavailable(f"Redis refused: {error}") from error
        except (redis.exceptions.RedisError, OSError) as error:
            self._redis.connection_pool.disconnect()
            raise BusUnavailable(f"Redis did not answer: {redacted(str(error))}") from error


_REFUSALS: Final = (
    ("FENCED", Fenced), ("AHEAD", CommitsAhead), ("EMPTIED", KeysLost), ("LATE", CommitLate),
    ("UNWRITABLE", Unwritable),
)  # fmt: skip
"""What our own scripts refuse with."""


def _for_good(error: Exception) -> bool:
    """Whether Redis says that a key is of another type, or that the ids of a stream are spent."""
    return "WRONGTYPE" in str(error) or "exhausted the last possible ID" in str(error)


def _raise(error: Exception, key: str) -> None:
    error.args = (f"{error} ({key})",)
    raise error


def connect(url: str, *, timeout_s: int = 5, system: SystemIdentity | None = None) -> RedisBus:
    """Return a bus over `url` (`redis://`, `rediss://` or `unix://`) whose client never retries a write.

    What takes over with it claims the Redis for `system` first.

    Raises:
        ValueError: not an address that redis-py understands.
    """
    lines = Lines()
    client = redis.Redis.from_url(
        url,
        redis_connect_func=lines,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        health_check_interval=0,
    )
    return RedisBus(client, lines, system)


def _fields(write: Write) -> list[str]:
    fields = [ENTRY_FIELD, write.envelope.encode()]
    return [*fields, BOOK_FIELD, write.book] if write.book else fields


def entry_of(key: str, entry_id: Any, fields: Any) -> Entry:
    """Return an entry as Redis gave it; of one that is too large, its beginning."""
    named: Mapping[Any, Any] = fields or {}
    text, book = _field(named, ENTRY_FIELD), _text(_field(named, BOOK_FIELD)[:BURIED_TEXT_BYTES])
    if len(text) <= MAX_MESSAGE_BYTES:
        return Entry(key, _text(entry_id), text, book)
    digest = hashlib.sha256(text).hexdigest()
    return Entry(key, _text(entry_id), text[:BURIED_TEXT_BYTES], book, len(text), digest)


def _field(fields: Mapping[Any, Any], name: str) -> bytes:
    value = fields.get(name.encode(), fields.get(name, b""))
    return value if isinstance(value, bytes) else str(value).encode()


def bytes_of(fields: Any) -> int:
    """Return the bytes of an entry as Redis gave it, names of fields included."""
    return sum(len(name) + len(value) for name, value in (fields or {}).items())


def _rows(reply: Any) -> list[tuple[Any, Any]]:
    if isinstance(reply, dict):
        return [(key, rows[0] if rows and isinstance(rows[0], list) else rows) for key, rows in reply.items()]
    return list(reply or [])


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
