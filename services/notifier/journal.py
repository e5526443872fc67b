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
from services.contracts.limits import LOSSLESS_ALARM, NS_PER_MS
from services.contracts.streams import Reading, stream_of
from services.contracts.terms import Severity
from services.notifier.journal_folder import JournalLocked, lock, recover
from services.notifier.journal_line import Gap, order_of
from services.notifier.journal_source import StreamSource
from services.notifier.journal_writer import Batch, DateOf, JournalWriter
from services.notifier.reported import JournalReported, Trouble
from services.notifier.retention import (
    kept_for_s,
    length_severity,
    may_be_trimmed,
    reader_positions,
    trim_point,
)
from services.runtime.bus import BusUnavailable

DISCOVER_S: Final = 1.0
RETENTION_S: Final = 10.0
RETRY_S: Final = 1.0
DOUBT_AFTER_S: Final = 2.0
"""A key not read for this long may have been overtaken by trimming."""
GAP_TOLD_S: Final = 600.0
"""A hole is a fact, not a state: it is reported for this long."""
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
        self._in_doubt: set[str] = set()
        self._read_s = self._synced_s = self._discovered_s = self._retained_s = 0.0
        self._failures, self._well_s = 0, time.monotonic()
        self._lengths: tuple[Trouble, ...] = ()
        self._unread: tuple[Trouble, ...] = ()
        self._longest = ("", 0)
        self._gaps: dict[str, tuple[float, Trouble]] = {}
        self._room: tuple[Trouble, ...] = ()
        self._failure: Trouble | None = None
        self.report = JournalReported(lines=0, lag_ms=0)

    def run(self, stop: threading.Event) -> None:
        """Journal until `stop`; then write what is left, sync and close."""
        while not stop.is_set():
            busy = self._attempt(self.step)
            stop.wait(0 if busy else self._options.poll_ms / 1_000)
            if self._failure is not None:
                stop.wait(RETRY_S)
        self._attempt(self._drain)
        self.close()

    def step(self) -> bool:
        """Read and write one round; True when more may be waiting.

        Raises:
            BusUnavailable: Redis does not answer.
            OSError: the disk refuses; positions stay at what is safe.
            JournalLocked: another process writes this journal.
        """
        source, writer = self._opened()
        writer.settle()
        now = time.monotonic()
        if now - self._discovered_s >= DISCOVER_S:
            self._discover(source)
        if now - self._read_s > DOUBT_AFTER_S:
            self._in_doubt.update(self._keys)
        batches = self._read(source, writer)
        self._write(writer, batches)
        self._read_s = time.monotonic()
        full = {batch.key for batch in batches if batch.more}
        self._in_doubt |= full
        self._sync_when_due(writer)
        self._retain_when_due(source, writer)
        self._say(writer, source, batches if full else [])
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
        if self._lock is None:
            self._lock = lock(self._options.root)
        if self._writer is None:
            heads, moved = recover(self._options.root)
            for path in moved:
                self._log.warning("torn end of a journal file moved", to=str(path))
            self._writer = JournalWriter(
                self._options.root, heads, self._options.date_of, self._options.max_bytes
            )
        if self._source is None:
            self._source = self._connect()
            self._in_doubt.update(self._keys)
        return self._source, self._writer

    def _discover(self, source: StreamSource) -> None:
        keys = source.keys()
        self._in_doubt.update(set(keys) - set(self._keys))
        self._keys = keys
        self._discovered_s = time.monotonic()

    def _read(self, source: StreamSource, writer: JournalWriter) -> list[Batch]:
        count = self._options.count
        doubtful = sorted(self._in_doubt)
        checked = [source.read_checked(key, writer.position(key), count) for key in doubtful]
        self._in_doubt.clear()
        certain = {key: writer.position(key) for key in self._keys if key not in doubtful}
        batches = [*checked, *source.read(certain, count)]
        for batch in batches:
            if batch.gap is not None:
                self._mark_gap(batch.key, batch.gap)
        return [batch for batch in batches if batch.entries]

    def _write(self, writer: JournalWriter, batches: list[Batch]) -> None:
        """Append every batch, the others also when one file fails; then raise the first error."""
        first: OSError | None = None
        for batch in batches:
            try:
                writer.append(batch)
            except OSError as error:
                first = first or error
        if first is not None:
            raise first

    def _drain(self) -> bool:
        """Write what is still in the streams, for a bounded time."""
        until = time.monotonic() + self._options.drain_s
        while self.step() and time.monotonic() < until:
            pass
        return False

    # -- now and then --------------------------------------------------------------------

    def _sync_when_due(self, writer: JournalWriter) -> None:
        now = time.monotonic()
        if now - self._synced_s >= self._options.sync_ms / 1_000:
            writer.sync()
            self._synced_s = now

    def _retain_when_due(self, source: StreamSource, writer: JournalWriter) -> None:
        now = time.monotonic()
        if now - self._retained_s < RETENTION_S:
            return
        self._retained_s = now
        self._gaps = {key: gap for key, gap in self._gaps.items() if now - gap[0] < GAP_TOLD_S}
        self._room = self._little_room()
        services, unread = source.committed()
        self._unread = tuple(self._unreadable(name, problem) for name, problem in unread.items())
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
            if not unread and may_be_trimmed(stream) and order_of(trim.before_id) > (0, 0):
                source.bus.trim_before(key, trim.before_id)
            held_by = trim.held_by if stream.reading is Reading.COMMITTED else "a person"
            length = source.bus.length(key)
            longest = max(longest, (key, length), key=lambda found: found[1])
            loud += self._too_long(key, length, held_by)
        self._lengths, self._longest = tuple(loud), longest

    def _little_room(self) -> tuple[Trouble, ...]:
        free_mb = shutil.disk_usage(self._options.root).free // 1024 // 1024
        if free_mb >= self._options.min_free_mb:
            return ()
        trouble = Trouble(
            alert_id="journal-disk", severity=Severity.WARNING, code=AlertCode.JOURNAL_DISK,
            facts={"least": self._options.min_free_mb, "folder": str(self._options.root)},
        )  # fmt: skip
        return (trouble,)

    def _unreadable(self, service: str, problem: str) -> Trouble:
        """One service whose position nobody knows holds back the trimming of every stream."""
        return Trouble(
            alert_id=f"positions-{service}",
            severity=Severity.WARNING,
            code=AlertCode.STATE_UNREADABLE,
            facts={"service": service, "problem": problem},
        )

    def _too_long(self, key: str, length: int, held_by: str) -> list[Trouble]:
        severity = length_severity(length)
        if severity is None:
            return []
        return [Trouble(
            alert_id=f"stream-length-{key}", severity=severity, code=AlertCode.STREAM_LONG,
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
            self._failure, self._failures, self._well_s = None, 0, time.monotonic()
            return busy
        return False

    def _fail(self, failure: str, error: Exception) -> None:
        """`failure` is a term of the table `journal`."""
        self._failures += 1
        self._log.error("journal stopped", failure=failure, error=str(error), failures=self._failures)
        severity = Severity.CRITICAL if self._failures >= WAKES_A_PERSON else Severity.WARNING
        if isinstance(error, OSError) and not isinstance(error, BusUnavailable):
            severity = Severity.CRITICAL
        self._failure = Trouble(
            alert_id="journal-stopped", severity=severity, code=AlertCode.JOURNAL_STOPPED,
            facts={"failure": failure, "problem": str(error)},
        )  # fmt: skip
        lag_ms = int((time.monotonic() - self._well_s) * 1_000)
        self.report = self.report.model_copy(update={"troubles": self._troubles(), "lag_ms": lag_ms})

    def _mark_gap(self, key: str, gap: Gap) -> None:
        self._log.warning("journal gap", stream=key, after=gap.from_id, before=gap.to_id)
        trouble = Trouble(
            alert_id=f"journal-gap-{key}-{gap.to_id}", severity=Severity.WARNING, code=AlertCode.JOURNAL_HOLE,
            facts={"stream": key, "after": gap.from_id, "before": gap.to_id},
        )  # fmt: skip
        self._gaps[key] = (time.monotonic(), trouble)

    def _troubles(self) -> tuple[Trouble, ...]:
        failure = () if self._failure is None else (self._failure,)
        gaps = (trouble for _, trouble in self._gaps.values())
        return (*failure, *self._room, *self._unread, *self._lengths, *gaps)

    def _say(self, writer: JournalWriter, source: StreamSource, waiting: list[Batch]) -> None:
        lag_ms = 0
        if waiting:
            newest_ms = min(order_of(batch.entries[-1][0])[0] for batch in waiting)
            lag_ms = max(0, source.bus.time_ns() // NS_PER_MS - newest_ms)
        stream, entries = self._longest
        self.report = JournalReported(
            lines=writer.lines, lag_ms=lag_ms, troubles=self._troubles(),
            longest_stream=stream, longest_stream_entries=entries,
        )  # fmt: skip
