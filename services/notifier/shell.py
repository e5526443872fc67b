"""Ties the notifier together: the core in the service loop, the journal and the poster beside it."""

import shutil
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from services.contracts.envelope import Message
from services.contracts.limits import HEARTBEAT_MS, NS_PER_MS
from services.contracts.measures.notifier import DISK_FREE
from services.contracts.metric import Reading
from services.contracts.streams import ALERTS, CONTROL
from services.market.errors import ConfigError
from services.market.files import read_day_plan
from services.market.market_clock import REAL_TIME, MarketClock
from services.notifier.bus_watch import BusWatch
from services.notifier.core import decide
from services.notifier.counts import counted
from services.notifier.gauges import readings
from services.notifier.jobs import enqueue_digest
from services.notifier.journal import Journal, JournalOptions
from services.notifier.journal_source import StreamSource
from services.notifier.pace import say_taken
from services.notifier.poster import Poster, SlackChannel, TerminalChannel
from services.notifier.settings import NotifierSettings
from services.notifier.state import Digest, NotifierState
from services.notifier.webhooks import webhook_addresses
from services.notifier.wording import Names
from services.runtime.service import Service
from services.runtime.settings import RuntimeSettings, SettingsError, load_settings
from services.runtime.slack import masked
from services.runtime.visible import visible_line

NAME: Final = "notifier"
REDIS_TIMEOUT_S: Final = 5
JOIN_S: Final = 15.0
"""An answer of the webhook is awaited this long at the end, the journal's last sync too."""


def say(line: str) -> None:
    """Write one plain line to the terminal; one that its disk does not take ends nothing."""
    with suppress(OSError):
        sys.stderr.write(visible_line(line) + "\n")
        sys.stderr.flush()


class NotifierShell:
    """`build` makes the service and starts the threads; `close` stops them with everything synced."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._journal: Journal | None = None
        self._poster: Poster | None = None
        self._reported_ns = 0
        self._log = structlog.get_logger(service=NAME)

    def build(self, runtime: RuntimeSettings) -> Service[NotifierState]:
        """Return the alerts service, with journal and poster running.

        Raises:
            SettingsError: settings, webhook or day plan cannot be used.
        """
        settings = load_settings(NotifierSettings)
        addresses = webhook_addresses(settings)
        shown = {name or "default": masked(url) for name, url in addresses.items()}
        self._log.info("alerts go to", target=shown or "the terminal")
        self._journal = Journal(
            journal_options(settings, _market_clock(runtime)),
            lambda: StreamSource(_client(runtime.redis_url)),
        )
        self._poster = _poster(settings, addresses, runtime.redis_url)
        self._start("journal", self._journal.run)
        self._start("poster", self._poster.run)
        self._start("digests", self._poster.run_digests)
        watch = BusWatch(lambda: _client(runtime.redis_url))
        self._start("bus-watch", watch.run)
        return Service(
            name=NAME, decide=decide, initial=NotifierState(policy=settings.policy(digests=bool(addresses))),
            committed=(ALERTS.key, CONTROL.key), observe=self.observe,
            exports=NAME, readings=readings, counted=counted,
            sources=(watch.readings, lambda: disk_figures(settings.journal_dir)),
        )  # fmt: skip

    def observe(self, state: NotifierState, now_ns: int) -> Sequence[Message]:
        """Offer the outbox to the poster; return what became of it and, each second, the journal's report."""
        if self._poster is None or self._journal is None:
            return ()
        found = self._poster.results()
        self._poster.offer(state.outbox, state.handing_over, state.names, now_ns)
        if now_ns - self._reported_ns >= HEARTBEAT_MS * NS_PER_MS:
            self._reported_ns = now_ns
            found.append(self._journal.standing())
        return found

    def close(self) -> None:
        """Stop the threads; the journal writes what is left and syncs."""
        self._stop.set()
        for thread in self._threads:
            thread.join(JOIN_S)
            if thread.is_alive():
                self._log.error("thread did not end in time", thread=thread.name)

    def _start(self, name: str, run: Callable[[threading.Event], None]) -> None:
        thread = threading.Thread(target=run, args=(self._stop,), name=name, daemon=True)
        thread.start()
        self._threads.append(thread)


def disk_figures(journal_dir: Path) -> Iterable[Reading]:
    """Return how much room is left where the journal lies."""
    if journal_dir.is_dir():
        yield DISK_FREE.at(shutil.disk_usage(journal_dir).free)


def journal_options(settings: NotifierSettings, clock: MarketClock) -> JournalOptions:
    """Return the journal's options as the settings say, dated by `clock`."""
    return JournalOptions(
        root=settings.journal_dir,
        date_of=clock.trading_date_at,
        max_bytes=settings.journal_max_mb * 1024 * 1024,
        sync_ms=settings.journal_sync_ms,
        poll_ms=settings.journal_poll_ms,
        min_free_mb=settings.journal_min_free_mb,
        keep_s=settings.keep_hours * 3_600,
        retired=settings.retired_readers,
    )


def _poster(settings: NotifierSettings, addresses: dict[str, str], redis_url: str) -> Poster:
    language = settings.language
    if not addresses:
        terminal = TerminalChannel(language, say)
        return Poster({"": terminal}, terminal.print_digest, say, language)
    channels = {
        name: SlackChannel(url, language, settings.post_timeout_s)
        for name, url in addresses.items()
        if not name or url != addresses[""]
    }
    client = _client(redis_url)

    def enqueue(digest: Digest, names: Names) -> None:
        enqueue_digest(client, digest, names, language)

    def taken(webhook: str, seconds: float) -> None:
        try:
            say_taken(client, webhook, seconds)
        except redis.RedisError as error:
            raise ConnectionError(f"Redis did not take the pace: {error}") from error

    return Poster(channels, enqueue, say, language, say_taken=taken)


def _market_clock(runtime: RuntimeSettings) -> MarketClock:
    if not runtime.day_plan:
        return REAL_TIME
    try:
        return read_day_plan(Path(runtime.day_plan))
    except ConfigError as error:
        raise SettingsError(f"day_plan {runtime.day_plan}: {error}") from error


def _client(url: str) -> "redis.Redis":
    return redis.Redis.from_url(
        url,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=REDIS_TIMEOUT_S,
        socket_connect_timeout=REDIS_TIMEOUT_S,
    )
