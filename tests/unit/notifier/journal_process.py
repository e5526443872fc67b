"""A journal alone in a process, for tests that kill it: `journal_process.py <redis url> <folder>`."""

import sys
import threading
from pathlib import Path

import redis

from services.market.market_clock import REAL_TIME
from services.notifier.journal import Journal, JournalOptions
from services.notifier.journal_source import StreamSource

if __name__ == "__main__":
    url, root = sys.argv[1], Path(sys.argv[2])
    options = JournalOptions(
        root, REAL_TIME.trading_date_at, max_bytes=200_000, sync_ms=20, poll_ms=10, count=50
    )
    Journal(options, lambda: StreamSource(redis.Redis.from_url(url))).run(threading.Event())
