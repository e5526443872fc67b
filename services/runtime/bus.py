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
from dataclasses import dataclass
from typing import Any, Final, Protocol

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from services.contracts.envelope import MAX_MESSAGE_BYTES, Envelope, Unreadable, decode
from services.contracts.limits import BURIED_TEXT_BYTES, NS_PER_MS, NS_PER_S
from services.contracts.said import SAID, said_field
from services.contracts.streams import BOOK_FIELD, ENTRY_FIELD, SAID_KEY, state_key
from services.runtime.parts import StateUnreadable
from services.runtime.portion import Portion
from services.runtime.redaction import redacted
from services.runtime.state_hash import refuse_junk, value_of

_SCAN_COUNT: Final = 500

# KEYS: the state hash, then one stream for each output. ARGV: epoch, owner, number of the last acknowledged
# commit, when the commit comes too late (ms of Redis time, 0 for never), number of fields, the fields and
# values, then for each output: maxlen ("" for none), number of parts, the parts.
_COMMIT: Final = """
local held = redis.call('HMGET', KEYS[1], 'epoch', 'owner', 'commits')
if not held[1] then
  return redis.error_reply('EMPTIED the state of this service is gone')
end
if (tonumber(held[1]) or 0) < tonumber(ARGV[1]) then
  return redis.error_reply('EMPTIED what this service wrote last is gone, its epoch with it')
end
if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] then
  return redis.error_reply('FENCED another instance has taken over')
end
local kept, acknowledged = tonumber(held[3] or '0'), tonumber(ARGV[3])
if kept < acknowledged then
  return redis.error_reply('EMPTIED commits after ' .. kept .. ' are gone, the last was ' .. acknowledged)
end
if kept > acknowledged then
  return redis.error_reply('AHEAD commit ' .. kept .. ' is stored, our last was ' .. acknowledged)
end
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
if tonumber(ARGV[4]) > 0 and now_ms >= tonumber(ARGV[4]) then
  return redis.error_reply(string.format('LATE %d', now_ms))
end
local at = 6 + tonumber(ARGV[5])
for i = 2, #KEYS do
  local maxlen, parts = ARGV[at], tonumber(ARGV[at + 1])
  local entry = {unpack(ARGV, at + 2, at + 1 + parts)}
  if maxlen == '' then
    redis.call('XADD', KEYS[i], '*', unpack(entry))
  else
    redis.call('XADD', KEYS[i], 'MAXLEN', '~', maxlen, '*', unpack(entry))
  end
  at = at + 2 + parts
end
redis.call('HSET', KEYS[1], 'commits', string.format('%d', kept + 1), unpack(ARGV, 6, 5 + tonumber(ARGV[5])))
return #KEYS - 1
"""

# KEYS: the state hash. ARGV: the epoch held so far (0 at first), owner, number of the last acknowledged
# commit. Returns the epoch that was there (0 for none) and the whole hash with the new one. The commit after
# the acknowledged one may be stored: its reply was lost.
_TAKE_OVER: Final = """
local found = redis.call('HMGET', KEYS[1], 'epoch', 'owner', 'commits')
local epoch, held = tonumber(found[1] or '0') or 0, tonumber(ARGV[1])
if held > 0 and epoch >= held and found[2] ~= ARGV[2] then
  return redis.error_reply('FENCED another instance has taken over')
end
if held > 0 and epoch >= held and tonumber(found[3] or '0') > tonumber(ARGV[3]) + 1 then
  return redis.error_reply('AHEAD commit ' .. found[3] .. ' is stored, our last was ' .. ARGV[3])
end
local next_epoch = string.format('%d', math.max(epoch, held) + 1)
redis.call('HSET', KEYS[1], 'epoch', next_epoch, 'owner', ARGV[2])
return {epoch, redis.call('HGETALL', KEYS[1])}
"""


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
            Unreadable: too large, or not a message that this build reads.
        """
        if self.whole_bytes:
            raise Unreadable(f"message of {self.whole_bytes} bytes, more than {MAX_MESSAGE_BYTES}")
        return decode(self.text)

    @property
    def name(self) -> str:
        """What tells this entry from every other: its stream and its id there."""
        return f"{self.key}/{self.entry_id}"

    @property
    def order(self) -> tuple[int, int]:
        """Sorts entries of several streams by the time Redis took them."""
        ms, _, seq = self.entry_id.partition("-")
        return int(ms), int(seq or 0)


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
    parts: Mapping[str, str]
    commits: int = 0
    lost: bool = False
    emptied: bool = False


class Bus(Protocol):
    """What a service needs of the bus; the simulation has its own."""

    def time_ns(self) -> int: ...
    def read(self, cursors: Mapping[str, str], *, count: int, block_ms: int) -> list[Entry]: ...
    def tail(self, key: str, count: int) -> list[Entry]: ...
    def parts(self, service: str) -> Mapping[str, str]: ...
    def take_over(self, service: str, held: int = 0) -> Stored: ...
    def commit(
        self, service: str, epoch: int, parts: Mapping[str, str], positions: Mapping[str, str],
        writes: Sequence[Write], before_ms: int = 0,
    ) -> None: ...  # fmt: skip
    def append(self, writes: Sequence[Write]) -> None: ...


class Lines:
    """Counts the connections of one client: redis-py replaces one that has ended without an error."""

    def __init__(self) -> None:
        self._made = self._seen = 0

    def __call__(self, connection: Any) -> None:
        """Begin a connection, as redis-py does by itself."""
        connection.on_connect()
        self._made += 1

    def replaced(self) -> bool:
        """Return whether there is another connection than at the last call; the first is no other."""
        before, self._seen = self._seen, self._made
        return before not in (0, self._made)


class RedisBus:
    """The bus over a real Redis (or fakeredis). Not shared between threads: make one each.

    Every method raises `BusUnavailable` when Redis does not answer or refuses. What took over with one
    bus commits with the same: it is its `owner`. A refusal ends the connection: behind one address another
    server may have become the one that writes.
    """

    def __init__(self, client: "redis.Redis", lines: Lines | None = None) -> None:
        self._redis = client
        self._lines = lines or Lines()
        self._commits: dict[str, int] = {}
        """The number of the last commit that Redis acknowledged, by service that took over."""
        self._commit = client.register_script(_COMMIT)
        self._take_over = client.register_script(_TAKE_OVER)
        self._owner = secrets.token_hex(8)
        self.portion = Portion()

    def time_ns(self) -> int:
        """Return Redis's own time, ns since the epoch (1 us resolution)."""
        seconds, micros = self._guard(lambda: self._redis.time())
        return int(seconds) * NS_PER_S + int(micros) * 1_000

    def read(self, cursors: Mapping[str, str], *, count: int, block_ms: int) -> list[Entry]:
        """Return up to `count` entries of each stream after its cursor, in the order Redis took them.

        Fewer where the reader has just begun, or entries are large. Waits up to `block_ms` if there is none;
        0 does not wait.
        """
        if not cursors:
            return []
        wanted: dict[Any, Any] = dict(cursors)
        block = block_ms if block_ms > 0 else None
        most = self.portion.of(count)
        reply = _rows(self._ask(lambda: self._redis.xread(wanted, count=most, block=block)))
        self.portion.got(bytes_of(fields) for _, rows in reply for _, fields in rows)
        entries = [entry_of(_text(key), entry_id, fields) for key, rows in reply for entry_id, fields in rows]
        return sorted(entries, key=lambda entry: entry.order)

    def tail(self, key: str, count: int) -> list[Entry]:
        """Return the last `count` entries of a stream, oldest first."""
        rows = self._ask(lambda: self._redis.xrevrange(key, count=count))
        return [entry_of(key, entry_id, fields) for entry_id, fields in reversed(rows)]

    def entry(self, key: str, entry_id: str) -> Entry | None:
        """Return one entry of a stream, None where the stream does not hold it."""
        rows = self._ask(lambda: self._redis.xrange(key, min=entry_id, max=entry_id, count=1))
        return entry_of(key, *rows[0]) if rows else None

    def length(self, key: str) -> int:
        return int(self._ask(lambda: self._redis.xlen(key)))

    def take_over(self, service: str, held: int = 0) -> Stored:
        """Take the next epoch of a service and return what it had committed. Fences all earlier instances.

        `held` is the epoch this instance had before it lost touch with Redis, 0 at its start.

        Raises:
            Fenced: another instance has taken over since.
            CommitsAhead: more is stored than this bus has written.
            StateUnreadable: positions or commits are none.
        """
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
    ) -> None:  # fmt: skip
        """Write outputs, state and positions of one step, all or nothing, if the epoch is still ours.

        `before_ms` is the Redis time at which what the step takes in has expired, 0 where nothing does.

        Raises:
            CommitLate: it had expired; nothing was written.
            Fenced: another instance took over; nothing was written.
            CommitsAhead: more is stored than this bus has written; nothing was written.
            KeysLost: the keys of this service, its epoch or its last commit are gone; nothing was written.
            BusUnavailable: no answer; the write may have taken place.
        """
        fields: list[str] = [item for pair in {**parts, **_said_by(writes)}.items() for item in pair]
        if positions:
            fields += ["positions", json.dumps(dict(positions), sort_keys=True)]
        argv: list[str | int] = [epoch, self._owner, self._commits.get(service, 0), before_ms]
        argv += [len(fields), *fields]
        for write in writes:
            entry = _fields(write)
            argv += ["" if write.kept is None else write.kept, len(entry), *entry]
        keys = [state_key(service), *(write.key for write in writes)]
        self._ask(lambda: self._commit(keys=keys, args=argv))
        self._commits[service] = self._commits.get(service, 0) + 1

    def append(self, writes: Sequence[Write]) -> None:
        """Append without a state: people's requests and ticks. What Redis took before an error stays."""
        if not writes:
            return
        pipeline = self._redis.pipeline(transaction=False)
        for write in writes:
            entry = _fields(write)
            fields: dict[Any, Any] = dict(zip(entry[::2], entry[1::2], strict=True))
            pipeline.xadd(write.key, fields, maxlen=write.kept, approximate=True)
        said: dict[Any, Any] = _said_by(writes)
        if said:
            pipeline.hset(SAID_KEY, mapping=said)
        self._ask(pipeline.execute)

    def said(self) -> list[Envelope]:
        """Return what every service said last of how things are; what this build cannot read is left out."""
        found: list[Envelope] = self._guard(self._said)
        return found

    def _said(self) -> list[Envelope]:
        scan = self._redis.scan_iter
        patterns = (SAID_KEY, state_key("*"))
        keys = [key for each in patterns for key in scan(match=each, count=_SCAN_COUNT, _type="hash")]
        pipeline = self._redis.pipeline(transaction=False)
        for key in keys:
            pipeline.hkeys(key)
        asked = [
            (key, names)
            for key, found in zip(keys, pipeline.execute(), strict=True)
            if (names := [name for name in found if name.startswith(SAID.encode())])
        ]
        for key, names in asked:
            pipeline.hmget(key, names)
        texts = [text for found in pipeline.execute() for text in found if text is not None]
        return [envelope for text in texts if (envelope := _readable(text)) is not None]

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
            self._redis.connection_pool.disconnect()
            raise BusUnavailable(f"Redis refused: {error}") from error
        except (redis.exceptions.RedisError, OSError) as error:
            self._redis.connection_pool.disconnect()
            raise BusUnavailable(f"Redis did not answer: {redacted(str(error))}") from error


_REFUSALS: Final = (
    ("FENCED", Fenced), ("AHEAD", CommitsAhead), ("EMPTIED", KeysLost), ("LATE", CommitLate),
)  # fmt: skip
"""What our own scripts refuse with."""


def connect(url: str, *, timeout_s: int = 5) -> RedisBus:
    """Return a bus over `url` (`redis://`, `rediss://` or `unix://`) whose client never retries a write.

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
    return RedisBus(client, lines)


def _said_by(writes: Sequence[Write]) -> dict[str, str]:
    """Return what of `writes` tells how things are, by the field that keeps it."""
    found = ((said_field(write.envelope.body), write) for write in writes)
    return {name: write.envelope.encode() for name, write in found if name}


def _readable(text: bytes) -> Envelope | None:
    try:
        return decode(text)
    except Unreadable:
        return None


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
