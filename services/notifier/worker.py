"""The worker of the side jobs: `python -m services.notifier.worker`.

rq itself handles SIGTERM: it finishes the job at hand and ends. The scheduler it starts brings
retries back when their time has come.
"""

import argparse
import sys
from typing import Final

import redis
from rq import SimpleWorker, Worker
from rq.serializers import JSONSerializer

from services.notifier.jobs import digest_queue
from services.runtime.logs import configure_logs
from services.runtime.process import EXIT_BAD_SETTINGS
from services.runtime.settings import RuntimeSettings, SettingsError, load_settings

LOOK_AFTER_S: Final = 60
BEAT_S: Final = 10
"""A job whose worker was killed is taken up again within about two minutes: its last sign of life is good
for `BEAT_S` + 60 s, and each worker looks every `LOOK_AFTER_S`."""


def run_worker(redis_url: str, *, burst: bool = False, fork: bool = True) -> None:
    """Work off the queue until a signal, or with `burst` until it is empty.

    Raises:
        redis.exceptions.ConnectionError: Redis does not answer at the start.
    """
    client = redis.Redis.from_url(redis_url)
    worker_class = Worker if fork else SimpleWorker
    worker = worker_class(
        [digest_queue(client)], connection=client, serializer=JSONSerializer,
        maintenance_interval=LOOK_AFTER_S, worker_ttl=LOOK_AFTER_S, job_monitoring_interval=BEAT_S,
    )  # fmt: skip
    worker.work(burst=burst, with_scheduler=True, logging_level="WARNING")


def main() -> int:
    """Run the worker from the command line; returns the exit code."""
    options = argparse.ArgumentParser(prog="python -m services.notifier.worker", description=__doc__)
    options.add_argument("--burst", action="store_true", help="end when the queue is empty")
    options.add_argument("--no-fork", action="store_true", help="run jobs in this process")
    chosen = options.parse_args()
    try:
        runtime = load_settings(RuntimeSettings)
        configure_logs(runtime.log_level, runtime.log_file, "notifier-worker")
        run_worker(runtime.redis_url, burst=chosen.burst, fork=not chosen.no_fork)
    except SettingsError as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_BAD_SETTINGS
    except redis.exceptions.ConnectionError as error:
        sys.stderr.write(f"error: Redis does not answer: {error}. Start it, or set ARB_RUNTIME_REDIS_URL.\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
