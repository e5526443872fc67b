"""The worker of the side jobs: `python -m services.notifier.worker`.

One process without children, so that a kill -9 leaves nothing behind: jobs run in it, and it brings
retries back itself. rq's own scheduler is a child that would outlive it and keep its lock. Told to stop, it
finishes the job at hand and ends: rq's own handler raises wherever the main thread is, which loses a job that
was just taken, or is itself lost in a destructor. Ended by anything else it says so with exit code 1, and is
started again.
"""

import argparse
import sys
import time
from collections.abc import Callable
from functools import cached_property
from typing import Any, Final
from uuid import uuid4

import redis
import structlog
from rq import Queue, SimpleWorker
from rq.exceptions import StopRequested
from rq.job import Job
from rq.serializers import JSONSerializer

from services.contracts.alert_codes import AlertCode
from services.contracts.alert_text import raised
from services.contracts.envelope import Envelope
from services.contracts.messages.alerts import AlertRaised
from services.contracts.streams import ALERTS
from services.contracts.terms import Severity
from services.notifier.jobs import QUEUE, digest_queue
from services.notifier.side_jobs import SideJob
from services.notifier.side_queue import AWAY, SideQueue
from services.runtime.bus import BusUnavailable, Write
from services.runtime.logs import configure_logs
from services.runtime.private import keep_private
from services.runtime.process import EXIT_BAD_SETTINGS, EXIT_FOREIGN, ended_for_good
from services.runtime.redaction import redacted
from services.runtime.redis_bus import RedisBus
from services.runtime.redis_writes import refusal_of_writes
from services.runtime.settings import RuntimeSettings, SettingsError, load_settings
from services.runtime.stop_signals import Stop, StopFlag, stop_on_signals
from services.runtime.system import Claim, ForeignSystem, own_system

LOOK_AFTER_S: Final = 2
"""So often it looks whether it is told to stop, for retries whose time has come, and for jobs whose worker
was killed: such a one is taken up again once its sign of life, good for the job's time limit and a minute,
has run out."""
RQ_TAKES_OFF_S: Final = 15
"""rq waits for a job so much shorter than `worker_ttl`; it looks around between two waits, here each time."""


REFUSED_TOLD_S: Final = 60.0
"""Refused jobs are counted; so often at most the count is told."""
NAME: Final = "notifier-worker"


class DigestWorker(SimpleWorker):
    """rq's worker that runs jobs in its own process, and tends its queue in its own turn.

    `tell` is called with an alert that counts the jobs which were put aside. It takes no commands from
    Redis, where rq would let anybody end it.
    """

    tell: Callable[[AlertRaised], None] = staticmethod(lambda alert: None)
    stop: Stop = StopFlag()
    max_connection_wait_time = LOOK_AFTER_S
    _refused, _problem, _told = 0, "", 0
    _told_s = float("-inf")

    def execute_job(self, job: Any, queue: Queue) -> None:
        """Run a job; one that is not ours, or that rq cannot run, is put aside."""
        try:
            job.check()
            super().execute_job(job, queue)
        except AWAY:
            raise
        except Exception as error:
            self._side_queue.put_aside(job.id.encode(), error)

    def dequeue_job_and_maintain_ttl(self, *args: Any, **options: Any) -> Any:
        """Wait for a job; one that cannot even be taken is put aside."""
        while True:
            try:
                return super().dequeue_job_and_maintain_ttl(*args, **options)
            except (StopRequested, *AWAY):
                raise
            except Exception:
                if not self._side_queue.clear_taken():
                    raise

    def run_maintenance_tasks(self) -> None:
        """Before each wait for a job: tend the queue.

        Raises:
            StopRequested: told to stop; no job is in hand.
        """
        if self.stop.is_set():
            raise StopRequested
        self._side_queue.tend(self._fail)
        self._tell_refusals()

    def _fail(self, job: Job, why: str) -> None:
        self.handle_job_failure(job, self._side_queue.queue, exc_string=why)

    def heartbeat(self, *args: Any, **options: Any) -> None:
        """Say that it lives. Without Redis rq would try for ever, also when told to stop."""
        try:
            super().heartbeat(*args, **options)
        except redis.exceptions.ConnectionError as error:
            if self.stop.is_set():
                raise StopRequested from error
            raise

    def subscribe(self) -> None:
        """Listen to no channel."""

    def _install_signal_handlers(self) -> None:
        """`stop` is set by ours."""

    @cached_property
    def _side_queue(self) -> SideQueue:
        return SideQueue(self.connection, self._put_aside)

    def _put_aside(self, name: str, problem: str) -> None:
        structlog.get_logger(service=NAME).error("job put aside", job=name, problem=problem)
        self._refused, self._problem = self._refused + 1, problem
        self._tell_refusals()

    def _tell_refusals(self) -> None:
        if self._refused == self._told or time.monotonic() - self._told_s < REFUSED_TOLD_S:
            return
        self._told, self._told_s = self._refused, time.monotonic()
        facts: dict[str, int | str] = {"count": self._refused, "problem": self._problem[:300]}
        self.tell(raised(AlertCode.JOB_REFUSED, "job-refused", Severity.CRITICAL, facts))


def digest_worker(client: "redis.Redis", stop: Stop | None = None) -> DigestWorker:
    """Return a worker that ends after `stop` is set, by itself never."""
    queue = Queue(QUEUE, connection=client, serializer=JSONSerializer, job_class=SideJob)
    worker = DigestWorker(
        [queue], connection=client, serializer=JSONSerializer, job_class=SideJob,
        maintenance_interval=0, worker_ttl=LOOK_AFTER_S + RQ_TAKES_OFF_S,
    )  # fmt: skip
    worker.tell = lambda alert: say(client, alert)
    worker.stop = stop or StopFlag()
    return worker


def say(client: "redis.Redis", alert: AlertRaised) -> None:
    """Write an alert to its stream; where Redis does not take it, the log has it."""
    bus = RedisBus(client)
    try:
        envelope = Envelope.wrap(alert, source=NAME, now_ns=bus.time_ns(), causation_id=str(uuid4()))
        bus.append([Write(ALERTS.key, envelope)])
    except BusUnavailable as error:
        structlog.get_logger(service=NAME).warning("alert not written", error=str(error))


def main() -> int:
    """Run the worker from the command line; returns the exit code."""
    options = argparse.ArgumentParser(prog="python -m services.notifier.worker", description=__doc__)
    options.add_argument("--burst", action="store_true", help="end when the queue is empty")
    chosen = options.parse_args()
    keep_private()
    try:
        runtime = load_settings(RuntimeSettings)
        configure_logs(runtime.log_level, runtime.log_file, NAME)
        client = redis.Redis.from_url(runtime.redis_url)
        refusal = refusal_of_writes(client)
        if not refusal:
            Claim(client, own_system(runtime)).make()
            stop = stop_on_signals()
            digest_worker(client, stop).work(burst=chosen.burst, logging_level="WARNING")
            if stop.is_set() or (chosen.burst and not len(digest_queue(client))):
                return 0
            sys.stderr.write("error: the worker ended without being told to; its log says why.\n")
            return 1
    except SettingsError as error:
        return ended_for_good(EXIT_BAD_SETTINGS, error)
    except ForeignSystem as error:
        return ended_for_good(EXIT_FOREIGN, error)
    except redis.exceptions.ConnectionError as error:
        why = f"Redis does not answer: {redacted(str(error))}"
        sys.stderr.write(f"error: {why}. Start it, or set ARB_RUNTIME_REDIS_URL.\n")
        return 1
    except redis.exceptions.RedisError as error:
        refusal = str(error)
    sys.stderr.write(f"error: Redis takes no writes: {refusal}. `arb doctor` looks at it.\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
