"""The thread that looks at Redis every few seconds, for the figures of the bus.

It also has each Redis that it meets for the first time write its append-only file anew: a Redis that began
with a file torn within a transaction goes on behind an open MULTI, and what it takes from then on can be gone
at its next start (Redis 7.0; Valkey mends it in PR 4342).
"""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import redis
import structlog

from services.contracts.envelope import Envelope
from services.contracts.limits import NS_PER_MS
from services.contracts.messages.status import Heartbeat
from services.contracts.messages.supervision import SupervisorStatus
from services.contracts.metric import Reading
from services.notifier.bus_figures import (
    COUNTED,
    SILENT_MS,
    Beat,
    BusSeen,
    Lag,
    Place,
    StreamSeen,
    places,
    readings,
)
from services.notifier.jobs import digest_queue
from services.notifier.journal_source import StreamSource
from services.runtime.bus import BusUnavailable

EVERY_S: Final = 2.0
STALE_S: Final = 15.0
"""What was seen longer ago is not shown: an old length is no length."""

# KEYS: a stream. ARGV: position, until, most. Returns how many lie between, and the id of the oldest.
_LAG: Final = """
local found = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], ARGV[2], 'COUNT', ARGV[3])
if #found == 0 then
  return {0, ''}
end
return {#found, found[1][1]}
"""


class BusWatch:
    """`run` is the thread; `readings` is asked at a scrape and only looks at what `run` left."""

    def __init__(self, connect: Callable[[], "redis.Redis"]) -> None:
        self._connect = connect
        self._client: redis.Redis | None = None
        self._log = structlog.get_logger(service="notifier", part="bus-watch")
        self._seen = BusSeen(up=False)
        self._seen_s = 0.0
        self._renewed = ""

    def run(self, stop: threading.Event) -> None:
        """Look until `stop`."""
        while not stop.is_set():
            self.look()
            stop.wait(EVERY_S)

    def look(self) -> None:
        """Look once; where Redis does not answer, that is what was seen."""
        try:
            self._client = self._client or self._connect()
            self._renew_file(self._client)
            seen = look_at(self._client)
        except (redis.RedisError, BusUnavailable, OSError) as error:
            self._log.warning("bus not seen", error=str(error))
            self._client, seen = None, BusSeen(up=False)
        except Exception:
            self._log.exception("bus watch failed")
            self._client, seen = None, BusSeen(up=False)
        self._seen, self._seen_s = seen, time.monotonic()

    def _renew_file(self, client: "redis.Redis") -> None:
        """Once for each process of Redis; one that keeps no such file, or writes it now, is left alone."""
        info: dict[str, Any] = dict(client.info())
        run_id = str(info.get("run_id", ""))
        if run_id == self._renewed or not info.get("aof_enabled") or info.get("aof_rewrite_in_progress"):
            return
        client.bgrewriteaof()
        self._renewed = run_id
        self._log.info("the append-only file is written anew", run_id=run_id)

    def readings(self) -> Iterable[Reading]:
        stale = time.monotonic() - self._seen_s > STALE_S
        return readings(BusSeen(up=False) if stale else self._seen)


def look_at(client: "redis.Redis") -> BusSeen:
    """Return one look at Redis. Raises what the client raises, and BusUnavailable."""
    source = StreamSource(client)
    began_s = time.monotonic()
    now_ns = source.bus.time_ns()
    ping_s = time.monotonic() - began_s
    keys = source.keys()
    streams = tuple(found for key in keys if (found := _stream(client, key)) is not None)
    committed, _ = source.committed()
    info: dict[str, Any] = dict(client.info())
    said = source.bus.said()
    return BusSeen(
        True, now_ns, ping_s, streams, _lags(client, places(_beats(said), committed, now_ns)),
        memory_bytes=int(info.get("used_memory", 0)),
        memory_limit_bytes=int(info.get("maxmemory", 0)),
        clients=int(info.get("connected_clients", 0)),
        persistence_ok=all(info.get(part, "ok") == "ok" for part in _SAVES),
        gateway_rests=_gateway_rests(said, now_ns),
        jobs=_jobs(client),
    )  # fmt: skip


_SAVES: Final = ("rdb_last_bgsave_status", "aof_last_bgrewrite_status", "aof_last_write_status")


def _stream(client: "redis.Redis", key: str) -> StreamSeen | None:
    try:
        info: Any = client.xinfo_stream(key)
    except redis.ResponseError:
        return None  # nothing was ever written to it
    length = int(info["length"])
    return StreamSeen(key, length, int(info.get("entries-added", length)))


def _beats(said: Iterable[Envelope]) -> list[Beat]:
    return [
        Beat(beat.service, envelope.ts_init_ns // NS_PER_MS, {**beat.cursors, **beat.positions})
        for envelope in said
        if isinstance(beat := envelope.body, Heartbeat)
    ]


def _gateway_rests(said: Iterable[Envelope], now_ns: int) -> bool | None:
    for envelope in said:
        fresh = now_ns - envelope.ts_init_ns <= SILENT_MS * NS_PER_MS
        if isinstance(envelope.body, SupervisorStatus) and fresh:
            return envelope.body.phase == "resting"
    return None


def _lags(client: "redis.Redis", standing: Iterable[Place]) -> tuple[Lag, ...]:
    ask: Any = client.register_script(_LAG)
    found = []
    for place in standing:
        count, oldest = ask(keys=[place.key], args=[place.position, place.until_id, COUNTED])
        oldest_id = oldest.decode() if isinstance(oldest, bytes) else str(oldest)
        found.append(Lag(place, int(count), oldest_id))
    return tuple(found)


def _jobs(client: "redis.Redis") -> dict[str, int]:
    """Only counted: rq's own `count` would first tidy up, which is the worker's part."""
    queue = digest_queue(client)
    return {
        "queued": queue.count,
        "started": queue.started_job_registry.get_job_count(cleanup=False),
        "scheduled": queue.scheduled_job_registry.get_job_count(cleanup=False),
        "failed": queue.failed_job_registry.get_job_count(cleanup=False),
    }
