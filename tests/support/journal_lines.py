"""A journal over a Redis, and what a test asks of it when it was read back."""

from pathlib import Path

import redis

from services.contracts.streams import Stream
from services.market.market_clock import REAL_TIME
from services.notifier.journal import Journal, JournalOptions
from services.notifier.journal_folder import dates_in
from services.notifier.journal_line import Gap, JournalLine
from services.notifier.journal_reader import read_lines
from services.notifier.journal_source import StreamSource


def gaps_of(folder: Path, stream: Stream) -> list[Gap]:
    """Return the marked gaps of one stream in one date's folder."""
    return [line.gap for line in read_lines(folder, stream) if line.gap is not None]


def journal_in(root: Path, client: "redis.Redis", **changes: object) -> Journal:
    """Return a journal of a client's streams, by real time."""
    options = JournalOptions(root, REAL_TIME.trading_date_at, **changes)  # type: ignore[arg-type]
    return Journal(options, lambda: StreamSource(client))


def lines(root: Path, stream: str) -> list[JournalLine]:
    """Return the lines of one stream, of all dates."""
    return [line for date in dates_in(root) for line in read_lines(root / date, stream)]


def ids(root: Path, stream: str) -> list[str]:
    """Return the ids of one stream's entries on record."""
    return [line.entry_id for line in lines(root, stream) if line.gap is None]
