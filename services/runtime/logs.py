"""Structured logs: one JSON line an event, to stderr or to a file that rotates by size.

Every line has `ts` (UTC), `level`, `service` and `event`; where a pair is concerned also `pair_id`, and
`order_id` where an order is. Secrets are never passed in; what looks like one all the same (a password in
an address, a webhook) is masked on the way out.
"""

import logging
import os
import stat
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TextIO, cast

import structlog

from services.contracts.envelope import Envelope
from services.runtime.private import private_file
from services.runtime.redaction import redacted
from services.runtime.settings import SettingsError

MAX_BYTES: Final = 10_000_000
BACKUPS: Final = 5
"""`x.log` becomes `x.log.1` when it is full, and so on; older ones go."""


class LogTarget:
    """Where log lines go. What the disk does not take is left out: no line is worth a thread that ends."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._file.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._file.flush()


class RotatingFile:
    """A file that starts anew when it is full. Whole lines only, of any thread and of several processes.

    What is no ordinary file (a device, a pipe) is written to and never renamed. Where a file cannot be
    renamed (a reader on Windows holds it) it grows on, and the next line tries again.
    """

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES, backups: int = BACKUPS) -> None:
        self._path, self._max_bytes, self._backups = path, max_bytes, backups
        path.parent.mkdir(parents=True, exist_ok=True)
        self._open()

    def write(self, text: str) -> None:
        line = text.encode()
        if self._file.closed or not self._is_at_path():
            self._reopen()
        size = os.fstat(self._file.fileno()).st_size
        if self._ordinary and size and size + len(line) > self._max_bytes:
            self._rotate()
        while line:
            line = line[self._file.write(line) or 0 :]

    def flush(self) -> None:
        """Nothing waits here: each line is one write, so that lines of two processes do not mix."""

    def _open(self) -> None:
        self._file = os.fdopen(private_file(self._path), "ab", buffering=0)
        self._ordinary = stat.S_ISREG(os.fstat(self._file.fileno()).st_mode)

    def _reopen(self) -> None:
        self._file.close()
        self._open()

    def _is_at_path(self) -> bool:
        """Whether another process has renamed the file since; a device stays where it is."""
        if not self._ordinary:
            return True
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._file.fileno()))
        except OSError:
            return False

    def _rotate(self) -> None:
        with suppress(OSError), _one_process_at_a_time(self._path.parent):
            if self._is_at_path():
                self._file.close()
                for number in range(self._backups, 0, -1):
                    older = backup_of(self._path, number - 1)
                    if older.exists():
                        older.replace(backup_of(self._path, number))
        self._reopen()


@contextmanager
def _one_process_at_a_time(folder: Path) -> Iterator[None]:
    """Hold a lock on a folder. Windows needs none: there a file that others hold cannot be renamed."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def backup_of(path: Path, number: int) -> Path:
    """Return the name that a log has after so many rotations; 0 is the one being written."""
    return path if number == 0 else path.with_name(f"{path.name}.{number}")


def configure_logs(level: str, log_file: str = "", service: str = "") -> None:
    """Send all logs as JSON lines to `log_file`, or to stderr where it is empty.

    `service` is who writes, where a line does not say so itself.

    Raises:
        SettingsError: `log_file` cannot be written.
    """
    try:
        target = RotatingFile(Path(log_file)) if log_file else sys.stderr
    except OSError as error:
        raise SettingsError(
            f"log_file {log_file}: {error.strerror}. Name a file that this user may write "
            "(ARB_RUNTIME_LOG_FILE), or leave it empty for stderr."
        ) from error

    def named(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if service:
            event.setdefault("service", service)
        return event

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            named,
            structlog.processors.format_exc_info,
            without_secrets,
            _in_order,
            structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level)),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, LogTarget(cast(TextIO, target)))),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Foreign()], level=logging.WARNING, force=True)


class _Foreign(logging.Handler):
    """Lines of libraries that log the usual way, in our shape."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger(library=record.name)
        told = {"exc_info": record.exc_info} if record.exc_info else {}
        log.log(record.levelno, record.getMessage(), **told)


def without_secrets(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask passwords in addresses and webhooks, in every text of a line."""
    for name, value in event.items():
        event[name] = _masked(value)
    return event


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, Mapping):
        return {name: _masked(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(item) for item in value]
    return _masked(str(value)) if isinstance(value, BaseException | Path) else value


def _in_order(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Who and when first, so that a raw line can be read too."""
    first = ("ts", "level", "service", "event", "pair_id", "order_id")
    return {**{name: event[name] for name in first if name in event}, **event}


def about(envelope: Envelope) -> dict[str, str]:
    """Return the pair and the order that a message concerns, as a log line names them."""
    body, facts = envelope.body, getattr(envelope.body, "facts", None)
    pair_id = envelope.correlation_id or getattr(body, "pair_id", "") or getattr(facts, "pair_id", "")
    order_id = getattr(body, "order_id", "") or getattr(facts, "order_id", "")
    return {name: value for name, value in (("pair_id", pair_id), ("order_id", order_id)) if value}


def log_said(log: Any, envelope: Envelope) -> None:
    """Leave a line of what was said about a pair, once it is committed; of the rest none."""
    whom = about(envelope)
    if whom:
        reason = getattr(envelope.body, "reason", "")
        told = {"reason": str(reason)} if reason else {}
        log.info(envelope.type, id=envelope.id, caused_by=envelope.causation_id, **whom, **told)
