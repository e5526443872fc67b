"""The worker of the side jobs: `python -m services.notifier.worker`.

One process without children, so that a kill -9 leaves nothing behind: jobs run in it, and it brings
retries back itself. rq's own scheduler is a child that would outlive it and keep its lock. rq handles
SIGTERM: it finishes the job at hand and ends.
"""

import argparse
import sys
from functools import cached_property
from typing import Any, Final

import redis
from rq import SimpleWorker
from rq.scheduler import RQScheduler
from rq.serializers import JSONSerializer

from services.notifier.jobs import digest_queue
from services.runtime.logs import configure_logs
from services.runtime.process import EXIT_BAD_SETTINGS
from services.runtime.settings import RuntimeSettings, SettingsError, load_settings

LOOK_AFTER_S: Final = 10
"""So often it looks for retries whose time has come, and for jobs whose worker was killed: such a one is
taken up again once its sign of life, good for the job's time limit and a minute, has run out."""
RQ_TAKES_OFF_S: Final = 15
"""rq waits for a job so much shorter than `worker_ttl`; it looks around between two waits, here each time."""


class DigestWorker(SimpleWorker):
    """rq's worker that runs jobs in its own process, and schedules in its own turn."""

    def run_maintenance_tasks(self) -> None:
        """Put due retries back into the queue, then what rq itself does now and then."""
        self._scheduler.acquire_locks()
        try:
            self._scheduler.enqueue_scheduled_jobs()
        finally:
            self._scheduler.release_locks()
        super().run_maintenance_tasks()  # type: ignore[no-untyped-call]

    @cached_property
    def _scheduler(self) -> Any:
        """Never started: only its single steps are used, which rq leaves without types."""
        return RQScheduler(
            self.queues, connection=self.connection, serializer=self.serializer, logging_level="WARNING"
        )


def digest_worker(client: "redis.Redis") -> DigestWorker:
    return DigestWorker(
        [digest_queue(client)], connection=client, serializer=JSONSerializer,
        maintenance_interval=0, worker_ttl=LOOK_AFTER_S + RQ_TAKES_OFF_S,
    )  # fmt: skip


def main() -> int:
    """Run the worker from the command line; returns the exit code."""
    options = argparse.ArgumentParser(prog="python -m services.notifier.worker", description=__doc__)
    options.add_argument("--burst", action="store_true", help="end when the queue is empty")
    chosen = options.parse_args()
    try:
        runtime = load_settings(RuntimeSettings)
        configure_logs(runtime.log_level, runtime.log_file, "notifier-worker")
        client = redis.Redis.from_url(runtime.redis_url)
        digest_worker(client).work(burst=chosen.burst, logging_level="WARNING")
    except SettingsError as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_BAD_SETTINGS
    except redis.exceptions.ConnectionError as error:
        sys.stderr.write(f"error: Redis does not answer: {error}. Start it, or set ARB_RUNTIME_REDIS_URL.\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
