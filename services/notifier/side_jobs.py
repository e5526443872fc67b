"""Which jobs the worker runs: those that this program puts into its queue, and no other.

rq imports and calls whatever function a job names, its callbacks too, and posts to the addresses that it
brings. Whoever writes to Redis could so run any program as the worker. Here a job's text only chooses from
`RUN`, and nothing else that it names is looked up. Its parts are JSON: no pickle is ever loaded.
"""

import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq.serializers import JSONSerializer

from services.notifier.jobs import post_digest

RUN: Final[Mapping[str, Callable[..., Any]]] = {
    f"{function.__module__}.{function.__qualname__}": function for function in (post_digest,)
}
JOB_BYTES: Final = 1024 * 1024
"""A digest of sixty alerts is 100 KB."""
_OURS: Final = (
    "data", "status", "origin", "description", "worker_name", "created_at", "enqueued_at", "started_at",
    "ended_at", "last_heartbeat", "timeout", "ttl", "result_ttl", "failure_ttl", "number_of_retries",
    "retries_left", "retry_intervals",
)  # fmt: skip
"""What is read of a job. Callbacks, addresses, dependencies and whatever else rq knows are left where they
lie: nothing of ours has any."""


class JobRefused(RuntimeError):
    """A job that nobody of ours put into the queue: says what it wanted."""


class JobTooLarge(JobRefused):
    """A job of more than `JOB_BYTES`, packed or unpacked."""


class SideJob(Job):
    """A job that runs only what stands in `RUN`. `check` says why it is not run at all."""

    unreadable: JobRefused | None = None

    @classmethod
    def ours(cls, entry: str, client: Any) -> Job:
        """Return the job that an entry of a queue or registry names.

        Raises:
            NoSuchJobError: there is none.
            JobRefused: it is none of ours.
        """
        job = cls.fetch(entry, connection=client, serializer=JSONSerializer)
        if isinstance(job, cls):
            job.check()
        return job

    def refresh(self) -> None:
        """Read what is ours of a job, looking at its size first.

        Raises:
            NoSuchJobError: there is none.
        """
        sizes = self.connection.pipeline(transaction=False)
        for name in _OURS:
            sizes.hstrlen(self.key, name)
        try:
            _check_size(sum(sizes.execute()))
        except JobTooLarge as error:
            self.unreadable = error
            return
        values = self.connection.hmget(self.key, *_OURS)
        found = {name: value for name, value in zip(_OURS, values, strict=True) if value is not None}
        if not found and not self.connection.exists(self.key):
            raise NoSuchJobError(f"no such job: {self.key}")
        self.restore(found)

    def restore(self, raw_data: Any) -> Any:
        """Take over what Redis holds; a job that cannot be read whole is one that is refused."""
        try:
            _check_size(sum(len(value) for value in raw_data.values()))
            _check_unpacked(raw_data.get("data", b""))
            super().restore(raw_data)
        except JobRefused as error:
            self.unreadable = error
        except Exception as error:
            self.unreadable = JobRefused(f"{type(error).__name__}: {error}")

    def check(self) -> None:
        """Raise `JobRefused` where it is none of ours."""
        if self.unreadable is not None:
            raise self.unreadable
        try:
            name, instance = self.func_name, self.instance
        except Exception as error:
            raise JobRefused(f"{type(error).__name__}: {error}") from error
        if name not in RUN or instance is not None:
            raise JobRefused(f"it wants to run {name}")

    @property
    def func(self) -> Callable[..., Any]:
        self.check()
        return RUN[str(self.func_name)]


def _check_size(size: int) -> None:
    if size > JOB_BYTES:
        raise JobTooLarge(f"it is larger than {JOB_BYTES} bytes")


def _check_unpacked(packed: bytes) -> None:
    """Unpack at most one byte more than is allowed: what says how much there is could lie."""
    unpacking = zlib.decompressobj()
    try:
        size = len(unpacking.decompress(packed, JOB_BYTES + 1))
    except zlib.error:
        return
    if size > JOB_BYTES:
        raise JobTooLarge(f"its data unpacks to more than {JOB_BYTES} bytes")
