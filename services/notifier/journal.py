"""The journal thread: reads every stream, writes it down, trims what all have read.

It runs beside the service loop with a connection of its own, so that a slow webhook or a slow
core delays no line. Whatever goes wrong (Redis gone, disk full, another journal in the folder)
it goes on trying from the last safe position, and says so in its report.
"""

import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import structlog

from services.contracts.alert_codes import AlertCode
from services.contracts.limits import LOSSLESS_ALARM, NS_PER_MS, NS_PER_S
from services.contracts.streams import Reading, stream_of
from services.contracts.terms import Severity, TradingDate
from services.notifier.journal_folder import JournalLocked, is_held, lock, recover
from services.notifier.journal_source import StreamSource
from services.notifier.journal_troubles import EVERYTHING, LENGTHS, ROOM, JournalTroubles
from services.notifier.journal_writer import Batch, DateOf, JournalWriter, each
from services.notifier.reported import JournalReported, Trouble
from services.notifier.retention import (
    kept_for_s,
    length_severity,
    may_be_trimmed,
    reader_positions,
    trim_point,
)
from services.runtime.bus import BusUnavailable
from services.runtime.standing import entry_order

DISCOVER_S: Final = 1.0
RETENTION_S: Final = 10.0
RETRY_S: Final = 1.0
A_DAY_NS: Final = 86_400 * NS_PER_S
"""An entry whose id lies further ahead of Redis's clock was given it by hand."""
SILENT_MS: Final = 5_000
"""A round takes milliseconds; one that has not ended after this long may never end."""
WAKES_A_PERSON: Final = 10
"""A journal that failed this often in a row (once a second) is critical."""


@dataclass(frozen=True, slots=True)
class JournalOptions:
    """How the journal is kept; the meaning of each is in `config/notifier.toml`."""

    root: Path
    date_of: DateOf
    max_bytes: int = 256 * 1024 * 1024
    sync_ms: int = 1_000
    poll_ms: int = 100
    count: int = 2_000
    keep_s: int = 172_800
    min_free_mb: int = 0
    retired: tuple[str, ...] = ()
    drain_s: float = 3.0


class Journal:
    """Writes the journal until told to stop. `report` is read by other threads; it is only replaced."""

    def __init__(self, options: JournalOptions, connect: Callable[[], StreamSource]) -> None:
        self._options = options
        self._connect = connect
        self._log = structlog.get_logger(service="notifier", part="journal")
        self._source: StreamSource | None = None
        self._writer: JournalWriter | None = None
        self._lock: IO[bytes] | None = None
        self._keys: list[str] = []
        self._synced_s = self._discovered_s = self._retained_s = 0.0
        self._failures, self._well_s = 0, time.monotonic()
        self._longest = ("", 0)
        self._redis_ns = time.time_ns()
        self._troubles = JournalTroubles(self._well_s)
        self.report = JournalReported(lines=0, lag_ms=0, unknown=EVERYTHING)

    def run(self, stop: threading.Event) -> None:
        """Journal until `stop`; then write what is left, sync and close."""
        while not stop.is_set():
            busy = self._attempt(self.step)
            stop.wait(0 if busy else self._options.poll_ms / 1_000)
            if self._troubles.is_failing:
                stop.wait(RETRY_S)
        self._attempt(self._drain)
        self.close()

    def step(self) -> bool:
        """Read and write one round; True when more may be waiting.

        A file that fails stops no other: all that can be done is, then the first error is raised.

        Raises:
            BusUnavailable: Redis does not answer.
            OSError: the disk refuses; positions stay at what is safe.
            JournalLocked: another process writes this journal.
        """
        source, writer = self._opened()
        now = time.monotonic()
        look = now - self._discovered_s >= DISCOVER_S
        if look:
            self._discover(source)
            self._discovered_s = now
        full: list[Batch] = []
        acts: tuple[Callable[[], None], ...] = (
            writer.settle,
            lambda: full.extend(self._read_and_write(source, writer, all_of_them=look)),
            lambda: self._sync_when_due(writer),
            lambda: self._retain_when_due(source, writer),
        )
        each(acts, _do)
        self._say(writer, source, full)
        return bool(full)

    def standing(self) -> JournalReported:
        """The last report; a thread that has ended or hangs in its disk is behind by as long as that."""
        silent_ms = int((time.monotonic() - self._well_s) * 1_000)
        if silent_ms < SILENT_MS:
            return self.report
        return self.report.model_copy(update={"lag_ms": max(self.report.lag_ms, silent_ms)})

    def close(self) -> None:
        """Sync and give up files, connection and lock."""
        self._close_writer()
        if self._lock is not None:
            self._lock.close()
        self._lock = self._source = None

    def _close_writer(self) -> None:
        writer, self._writer = self._writer, None
        if writer is None:
            return
        try:
            writer.close()
        except Exception as error:
            self._log.error("journal not synced at the end", error=str(error))

    # -- reading -----------------------------------------------------------------------

    def _opened(self) -> tuple[StreamSource, JournalWriter]:
        if self._lock is not None and not is_held(self._lock, self._options.root):
            self._taken(self._options.root)
            self.close()
        if self._lock is None:
            self._lock = lock(self._options.root)
        if self._writer is None:
            heads, moved = recover(self._options.root)
            for path in moved:
                self._log.warning("torn end of a journal file moved", to=str(path))
            self._writer = JournalWriter(self._options.root, heads, self._date_of, self._options.max_bytes)
        if self._source is None:
            self._source, self._discovered_s = self._connect(), 0.0
        return self._source, self._writer

    def _date_of(self, at_ns: int) -> TradingDate:
        """The trading date of an entry; of one that was given its id by hand, the date it is read on."""
        if at_ns > self._redis_ns + A_DAY_NS:
            at_ns = self._redis_ns
        return self._options.date_of(at_ns)

    def _discover(self, source: StreamSource) -> None:
        """Look which streams there are, and what Redis's clock says."""
        self._redis_ns = source.bus.time_ns()
        keys = source.keys()
        strange = source.strange(keys)
        self._troubles.looked_at_keys(strange)
        self._keys = [key for key in keys if key not in strange]

    def _read_and_write(
        self, source: StreamSource, writer: JournalWriter, *, all_of_them: bool
    ) -> list[Batch]:
        """Write what is new; return the batches behind which more may wait."""
        heads = {key: writer.head(key) for key in self._keys}
        batches = [
            self._whole(source, writer, batch)
            for batch in source.read(heads, self._options.count, all_of_them=all_of_them)
        ]
        each((batch for batch in batches if batch.entries), lambda batch: self._write(writer, batch))
        return [batch for batch in batches if batch.more]

    def _whole(self, source: StreamSource, writer: JournalWriter, batch: Batch) -> Batch:
        if batch.gap is None or not batch.gap.restarted:
            return batch
        key = batch.key
        return source.rejoined(key, writer.head(key), writer.recent(key), self._options.count)

    def _write(self, writer: JournalWriter, batch: Batch) -> None:
        writer.append(batch)
        if batch.gap is not None:
            self._log.warning(
                "journal gap", stream=batch.key, after=batch.gap.from_id, before=batch.gap.to_id,
                restarted=batch.gap.restarted,
            )  # fmt: skip
            self._troubles.hole(batch.key, batch.gap, time.monotonic())

    def _drain(self) -> bool:
        """Write what is still in the streams, for a bounded time."""
        until = time.monotonic() + self._options.drain_s
        while self.step() and time.monotonic() < until:
            pass
        return False

    # -- now and then --------------------------------------------------------------------

    def _sync_when_due(self, writer: JournalWriter) -> None:
        now = time.monotonic()
        if now - self._synced_s < self._options.sync_ms / 1_000:
            return
        for path in writer.retake(self._redis_ns):
            self._taken(path)
        writer.sync()
        self._synced_s = now

    def _taken(self, path: Path) -> None:
        self._log.error("journal taken", path=str(path))
        self._troubles.taken(path, time.monotonic())

    def _retain_when_due(self, source: StreamSource, writer: JournalWriter) -> None:
        now = time.monotonic()
        if now - self._retained_s < RETENTION_S:
            return
        self._retained_s = now
        self._troubles.looked_at_room(self._little_room())
        services, unread = source.committed()
        self._troubles.looked_at_positions(unread)
        now_ms = source.bus.time_ns() // NS_PER_MS
        loud: list[Trouble] = []
        longest = ("", 0)
        for key in self._keys:
            found = stream_of(key)
            if found is None or found[0].kept is not None:
                continue
            stream = found[0]
            readers = reader_positions(stream, key, services, writer.synced(key), self._options.retired)
            keep_s = kept_for_s(source.bus.length(key), self._options.keep_s)
            trim = trim_point(readers, f"{max(0, now_ms - keep_s * 1_000)}-0")
            if not unread and may_be_trimmed(stream) and entry_order(trim.before_id) > (0, 0):
                source.bus.trim_before(key, trim.before_id)
            held_by = trim.held_by if stream.reading is Reading.COMMITTED else "a person"
            length = source.bus.length(key)
            longest = max(longest, (key, length), key=lambda found: found[1])
            loud += self._too_long(key, length, held_by)
        self._troubles.looked_at_lengths(tuple(loud))
        self._longest = longest

    def _little_room(self) -> tuple[Trouble, ...]:
        free_mb = shutil.disk_usage(self._options.root).free // 1024 // 1024
        if free_mb >= self._options.min_free_mb:
            return ()
        trouble = Trouble(
            alert_id=ROOM, severity=Severity.WARNING, code=AlertCode.JOURNAL_DISK,
            facts={"least": self._options.min_free_mb, "folder": str(self._options.root)},
        )  # fmt: skip
        return (trouble,)

    def _too_long(self, key: str, length: int, held_by: str) -> list[Trouble]:
        severity = length_severity(length)
        if severity is None:
            return []
        return [Trouble(
            alert_id=LENGTHS + key, severity=severity, code=AlertCode.STREAM_LONG,
            facts={"stream": key, "length": length, "reader": held_by, "pause": 2 * LOSSLESS_ALARM},
        )]  # fmt: skip

    # -- what went wrong -------------------------------------------------------------------

    def _attempt(self, act: Callable[[], bool]) -> bool:
        try:
            busy = act()
        except BusUnavailable as error:
            self._source = None
            self._fail("redis", error)
        except JournalLocked as error:
            self._fail("locked", error)
        except OSError as error:
            self._fail("disk", error)
        except Exception as error:
            self._log.exception("journal failed")
            self._close_writer()
            self._fail("fault", error)
        else:
            self._failures, self._well_s = 0, time.monotonic()
            return busy
        return False

    def _fail(self, failure: str, error: Exception) -> None:
        """`failure` is a term of the table `journal`."""
        self._failures += 1
        self._log.error("journal stopped", failure=failure, error=str(error), failures=self._failures)
        severity = Severity.CRITICAL if self._failures >= WAKES_A_PERSON else Severity.WARNING
        if isinstance(error, OSError) and not isinstance(error, BusUnavailable):
            severity = Severity.CRITICAL
        self._troubles.failed(failure, str(error), severity)
        now = time.monotonic()
        self.report = self.report.model_copy(
            update={
                "troubles": self._troubles.now(now), "unknown": self._troubles.unknown(now),
                "lag_ms": int((now - self._well_s) * 1_000),
            }
        )  # fmt: skip

    def _say(self, writer: JournalWriter, source: StreamSource, waiting: list[Batch]) -> None:
        lag_ms = 0
        if waiting:
            newest_ms = min(entry_order(batch.entries[-1][0])[0] for batch in waiting)
            lag_ms = max(0, source.bus.time_ns() // NS_PER_MS - newest_ms)
        stream, entries = self._longest
        self._troubles.works()
        now = time.monotonic()
        self.report = JournalReported(
            lines=writer.lines, lag_ms=lag_ms, troubles=self._troubles.now(now),
            unknown=self._troubles.unknown(now), longest_stream=stream, longest_stream_entries=entries,
        )  # fmt: skip


def _do(act: Callable[[], None]) -> None:
    act()
