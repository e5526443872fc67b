"""Reads every stream for the journal, and notices what a capped stream lost before it was read.

Keys are found in Redis itself, so that a new group or gateway is journalled from its first
entry without anybody telling. In steady state one XREAD serves all keys; a key whose position
may have been overtaken by trimming is read together with its oldest entry in one transaction,
so that the verdict "nothing was lost" is exact.
"""

from collections.abc import Mapping
from itertools import groupby
from typing import Any, Final

import redis

from services.contracts.streams import TABLE, state_key, stream_of
from services.notifier.journal_line import FIRST_ID, Gap, order_of
from services.notifier.journal_writer import Batch
from services.runtime.bus import BusUnavailable, RedisBus, bytes_of, entry_of
from services.runtime.parts import StateUnreadable
from services.runtime.redaction import redacted

_SCAN_COUNT: Final = 500


class StreamSource:
    """One connection of the journal. Every method raises `BusUnavailable` when Redis does not answer."""

    def __init__(self, client: "redis.Redis") -> None:
        self._redis = client
        self.bus = RedisBus(client)

    def keys(self) -> list[str]:
        """Return the keys of all streams: those with one key always, the others as they exist."""
        found = [stream.key for stream in TABLE if "<name>" not in stream.key]
        for stream in TABLE:
            if "<name>" in stream.key:
                found += self._scan(stream.key.replace("<name>", "*"), "stream")
        return sorted(key for key in set(found) if stream_of(key))

    def services(self) -> list[str]:
        """Return the names of all services that ever stored a state."""
        before = state_key("")
        return sorted(key.removeprefix(before) for key in self._scan(before + "*", "hash"))

    def committed(self) -> tuple[dict[str, Mapping[str, str]], dict[str, str]]:
        """Return the committed positions by service, and what is wrong with those that cannot be read."""
        found: dict[str, Mapping[str, str]] = {}
        unread: dict[str, str] = {}
        for service in self.services():
            try:
                found[service] = self.bus.positions(service)
            except StateUnreadable as error:
                unread[service] = str(error)
        return found, unread

    def read(self, cursors: Mapping[str, str], count: int) -> list[Batch]:
        """Return what is new after each cursor, without waiting; does not look for gaps."""
        most = self.bus.portion.of(count)
        entries = self.bus.read(cursors, count=count, block_ms=0)
        by_key = sorted(entries, key=lambda entry: entry.key)
        found = ((key, list(group)) for key, group in groupby(by_key, key=lambda entry: entry.key))
        return [
            Batch(key, [(entry.entry_id, entry.text) for entry in group], more=len(group) >= most)
            for key, group in found
        ]

    def read_checked(self, key: str, position: str, count: int) -> Batch:
        """Return what is new after `position`, with a gap where older entries are no longer there."""
        pipeline = self._redis.pipeline(transaction=True)
        most = self.bus.portion.of(count)
        pipeline.xrange(key, min=f"({position}", count=most)
        pipeline.xrange(key, count=1)
        pipeline.xinfo_stream(key)
        rows, head, info = _ask(lambda: pipeline.execute(raise_on_error=False))
        if isinstance(rows, redis.RedisError):
            raise BusUnavailable(f"Redis refused to read {key}: {rows}") from rows
        self.bus.portion.got(bytes_of(fields) for _, fields in rows)
        found = (entry_of(key, entry_id, fields) for entry_id, fields in rows)
        entries = [(entry.entry_id, entry.text) for entry in found]
        more = len(entries) >= most
        if not entries or isinstance(info, redis.RedisError):
            return Batch(key, entries, more=more)
        head_id = _text(head[0][0])
        trimmed = int(info["entries-added"]) > int(info["length"])
        lost = trimmed if position == FIRST_ID else order_of(head_id) > order_of(position)
        return Batch(key, entries, Gap(position, entries[0][0]) if lost else None, more)

    def _scan(self, pattern: str, kind: str) -> list[str]:
        found = _ask(lambda: list(self._redis.scan_iter(match=pattern, count=_SCAN_COUNT, _type=kind)))
        return [_text(key) for key in found]


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _ask(call: Any) -> Any:
    try:
        return call()
    except (redis.RedisError, OSError) as error:
        raise BusUnavailable(f"Redis did not answer: {redacted(str(error))}") from error
