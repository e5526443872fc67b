"""Structured logs: one JSON line an event, to stderr or a file. Secrets are never passed in."""

import logging
import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO, cast

import structlog


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


def configure_logs(level: str, log_file: str = "") -> None:
    """Send all logs as JSON lines to `log_file`, or to stderr where it is empty."""
    target = Path(log_file).open("a", encoding="utf-8", buffering=1) if log_file else sys.stderr  # noqa: SIM115
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=False),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level)),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, LogTarget(target))),
        cache_logger_on_first_use=True,
    )
