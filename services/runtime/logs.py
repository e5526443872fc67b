"""Structured logs: one JSON line an event, to stderr or a file. Secrets are never passed in."""

import logging
import sys
from pathlib import Path

import structlog


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
        logger_factory=structlog.WriteLoggerFactory(file=target),
        cache_logger_on_first_use=True,
    )
