"""The bus as a whole, in figures: how long each stream is, and how far behind each reader.

A reader's own heartbeat says how far it had read when it beat, and the heartbeat's entry id when that
was: what lies between the two it has yet to handle. A reader that no longer beats is held against the
end of the stream, so that its lag grows. One that never beat lately is known by what it committed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from services.contracts.limits import NS_PER_MS
from services.contracts.measures import notifier as m
from services.contracts.metric import Reading, seconds
from services.contracts.streams import stream_of

SILENT_MS = 5_000
"""A heartbeat older than this says nothing of now."""
COUNTED = 1_000
"""More entries than this are not counted: the age of the oldest tells the rest."""
END = "+"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reader stands in a stream; entries up to `until_id` (a whole millisecond) are its lag."""

    reader: str
    key: str
    position: str
    until_id: str = END


@dataclass(frozen=True, slots=True)
class Lag:
    """What lies before a reader: how many entries, and the id of the oldest, empty where there is none."""

    place: Place
    entries: int
    oldest_id: str = ""


@dataclass(frozen=True, slots=True)
class StreamSeen:
    key: str
    length: int
    added: int


@dataclass(frozen=True, slots=True)
class BusSeen:
    """One look at Redis. `now_ns` is its own time; `up` is False where it did not answer.

    `gateway_rests` is what the gateway's supervisor says, None where none is heard.
    """

    up: bool
    now_ns: int = 0
    ping_s: float = 0.0
    streams: tuple[StreamSeen, ...] = ()
    lags: tuple[Lag, ...] = ()
    memory_bytes: int = 0
    memory_limit_bytes: int = 0
    clients: int = 0
    persistence_ok: bool = True
    gateway_rests: bool | None = None
    jobs: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Beat:
    """A service's newest heartbeat: when it was made (ms of Redis time), and its positions by stream key."""

    service: str
    made_ms: int
    positions: Mapping[str, str]


def places(
    beats: Iterable[Beat], committed: Mapping[str, Mapping[str, str]], now_ns: int
) -> tuple[Place, ...]:
    """Return where each reader stands; `committed` are positions by service, for those that do not beat."""
    found: list[Place] = []
    heard: set[str] = set()
    for beat in beats:
        heard.add(beat.service)
        until_id = str(beat.made_ms) if now_ns // NS_PER_MS - beat.made_ms <= SILENT_MS else END
        found += [Place(beat.service, key, at, until_id) for key, at in beat.positions.items()]
    for service, positions in committed.items():
        if service not in heard:
            found += [Place(service, key, at) for key, at in positions.items()]
    return tuple(place for place in found if stream_of(place.key) is not None)


def id_ms(entry_id: str) -> int:
    """Return when Redis took an entry, ms since the epoch."""
    return int(entry_id.partition("-")[0])


def readings(seen: BusSeen) -> Iterable[Reading]:
    """Return the figures of one look. Without an answer only that is said."""
    yield m.REDIS_UP.at(seen.up)
    if not seen.up:
        return
    yield m.REDIS_PING.at(seen.ping_s)
    yield m.REDIS_MEMORY.at(seen.memory_bytes)
    yield m.REDIS_MEMORY_LIMIT.at(seen.memory_limit_bytes)
    yield m.REDIS_CLIENTS.at(seen.clients)
    yield m.REDIS_SAVES.at(seen.persistence_ok)
    if seen.gateway_rests is not None:
        yield m.GATEWAY_RESTS.at(seen.gateway_rests)
    for state, count in seen.jobs.items():
        yield m.DIGEST_JOBS.at(count, state)
    for stream in seen.streams:
        yield m.STREAM_LENGTH.at(stream.length, *_named(stream.key))
        yield m.STREAM_ADDED.at(stream.added, *_named(stream.key))
    for lag in seen.lags:
        labels = (lag.place.reader, *_named(lag.place.key))
        yield m.READER_LAG.at(lag.entries, *labels)
        yield m.READER_LAG_TIME.at(_age_s(lag, seen.now_ns), *labels)


def _age_s(lag: Lag, now_ns: int) -> float:
    if not lag.oldest_id:
        return 0.0
    until_ns = now_ns if lag.place.until_id == END else id_ms(lag.place.until_id) * NS_PER_MS
    return max(0.0, seconds(until_ns - id_ms(lag.oldest_id) * NS_PER_MS))


def _named(key: str) -> tuple[str, str]:
    found = stream_of(key)
    return (key, "") if found is None else (found[0].name, found[1])
