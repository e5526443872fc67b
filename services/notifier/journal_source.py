"""Reads every stream for the journal, and notices what is no longer there to be read.

Keys are found in Redis itself, so that a new group or gateway is journalled from its first
entry without anybody telling. In steady state one XREAD serves all keys. As long as Redis still
holds the entry that was written last, nothing between it and the next one has gone; where it does
not, the key is read together with its oldest entry in one transaction, so that the verdict is exact.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby, islice
from typing import Any, Final

import redis

from services.contracts.streams import ENTRY_FIELD, TABLE, state_key, stream_of
from services.notifier.journal_folder import Head
from services.notifier.journal_line import FIRST_ID, Gap, says
from services.notifier.journal_writer import Batch
from services.runtime.bus import BusUnavailable
from services.runtime.parts import StateUnreadable
from services.runtime.redaction import redacted
from services.runtime.redis_bus import RedisBus, bytes_of, entry_of
from services.runtime.standing import entry_order

_SCAN_COUNT: Final = 500
_ASKED_AT_ONCE: Final = 200
_START: Final = f"""
local rows = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])
if #rows == 0 then return false end
for at = 1, #rows[1][2], 2 do
  if rows[1][2][at] == '{ENTRY_FIELD}' then return string.sub(rows[1][2][at + 1], 1, 3072) end
end
return ''
"""
"""How an entry begins: its envelope's id, of which no two are the same, and never all of a large one."""


class StreamSource:
    """One connection of the journal. Every method raises `BusUnavailable` when Redis does not answer."""

    def __init__(self, client: "redis.Redis") -> None:
        self._redis = client
        self._start = client.register_script(_START)
        self.bus = RedisBus(client)

    def keys(self) -> list[str]:
        """Return the keys of all streams: those with one key always, the others as they exist."""
        found = [stream.key for stream in TABLE if "<name>" not in stream.key]
        for stream in TABLE:
            if "<name>" in stream.key:
                found += self._scan(stream.key.replace("<name>", "*"), "stream")
        return sorted(key for key in set(found) if stream_of(key))

    def strange(self, keys: Iterable[str]) -> dict[str, str]:
        """Return the keys that are something else than a stream, with what they are: they cannot be read."""
        asked = list(keys)
        pipeline = self._redis.pipeline(transaction=False)
        for key in asked:
            pipeline.type(key)
        kinds = zip(asked, map(_text, _ask(pipeline.execute)), strict=True)
        return {key: kind for key, kind in kinds if kind not in ("none", "stream")}

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

    def read(self, heads: Mapping[str, Head], count: int, *, all_of_them: bool) -> list[Batch]:
        """Return what is new after each head, without waiting, with a gap where something has gone.

        `all_of_them` looks at keys of which nothing is new too: their stream may have begun anew.
        """
        most = self.bus.portion.of(count)
        cursors = {key: head.position for key, head in heads.items()}
        by_key = sorted(self.bus.read(cursors, count=count, block_ms=0), key=lambda entry: entry.key)
        found = {
            key: Batch(key, entries, more=len(entries) >= most)
            for key, group in groupby(by_key, key=lambda entry: entry.key)
            if (entries := [(entry.entry_id, entry.text) for entry in group])
        }
        for key in self._doubtful({key: heads[key] for key in (heads if all_of_them else found)}):
            found[key] = self._checked(key, heads[key].position, count)
        return list(found.values())

    def _doubtful(self, heads: Mapping[str, Head]) -> list[str]:
        """Return the keys whose last written entry Redis does not hold."""
        held = self._starts([(key, head.position) for key, head in heads.items()])
        return [
            key
            for (key, head), start in zip(heads.items(), held, strict=True)
            if start is None or not says(head.last_line, start)
        ]

    def _starts(self, asked: Iterable[tuple[str, str]]) -> list[bytes | None]:
        """Return how the text of each entry (key, id) begins, None where Redis does not hold it."""
        pipeline = self._redis.pipeline(transaction=False)
        for key, entry_id in asked:
            self._start(keys=[key], args=[entry_id], client=pipeline)
        return list(_ask(pipeline.execute))

    def _checked(self, key: str, position: str, count: int) -> Batch:
        """Return what is new after `position`, which Redis does not hold itself, with what has gone before.

        A gap that `restarted` has no entries: `rejoined` finds them.
        """
        pipeline = self._redis.pipeline(transaction=True)
        most = self.bus.portion.of(count)
        pipeline.xrange(key, min=f"({position}", count=most)
        pipeline.xrange(key, count=1)
        pipeline.xinfo_stream(key)
        rows, oldest, info = _ask(lambda: pipeline.execute(raise_on_error=False))
        if isinstance(rows, redis.RedisError):
            raise BusUnavailable(f"Redis refused to read {key}: {rows}") from rows
        if isinstance(info, redis.RedisError) or not oldest:
            return Batch(key, ())
        oldest_id = _text(oldest[0][0])
        if position != FIRST_ID and entry_order(oldest_id) <= entry_order(position):
            return Batch(key, (), Gap(position, oldest_id, restarted=True))
        batch = self._batch(key, rows, most)
        whole = position == FIRST_ID and int(info["entries-added"]) == int(info["length"])
        return batch if whole else replace(batch, gap=Gap(position, batch.entries[0][0]))

    def rejoined(self, key: str, head: Head, recent: Iterator[tuple[str, bytes]], count: int) -> Batch:
        """Return what a stream that began anew holds after the newest of the `recent` lines that it holds.

        Everything where it holds none of them.
        """
        position = FIRST_ID
        while position == FIRST_ID and (lines := list(islice(recent, _ASKED_AT_ONCE))):
            held = self._starts([(key, entry_id) for entry_id, _ in lines])
            known = (
                entry_id
                for (entry_id, line), start in zip(lines, held, strict=True)
                if start is not None and says(line, start)
            )
            position = next(known, FIRST_ID)
        most = self.bus.portion.of(count)
        rows = _ask(lambda: self._redis.xrange(key, min=f"({position}", count=most))
        batch = self._batch(key, rows, most)
        gap = Gap(head.position, batch.entries[0][0], restarted=True) if batch.entries else None
        return replace(batch, gap=gap)

    def _batch(self, key: str, rows: Any, most: int) -> Batch:
        self.bus.portion.got(bytes_of(fields) for _, fields in rows)
        found = (entry_of(key, entry_id, fields) for entry_id, fields in rows)
        entries = [(entry.entry_id, entry.text) for entry in found]
        return Batch(key, entries, more=len(entries) >= most)

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
