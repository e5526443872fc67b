"""The queue of the side jobs and its registries: what comes back into it, and what is put aside.

rq's own maintenance reads jobs with its plain class, unpacks whatever they hold, and ends its worker at the
first that it cannot read, at every start again. Here each entry is taken by itself: one that cannot be read
or moved is put aside, and the others go on.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import redis
from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from services.notifier.jobs import KEPT_S, QUEUE
from services.notifier.side_jobs import JobRefused, JobTooLarge, SideJob

MOST: Final = 1_000
"""So many entries of a registry are looked at in one round."""
STUCK_AFTER_S: Final = 60.0
"""A job that was taken and not begun for so long was in the hand of a worker that is gone."""
ASIDE: Final = f"rq:aside:{QUEUE}:"
"""Before the names of jobs and keys that were put aside; they are kept for a day."""
AWAY: Final = (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError)
"""What says nothing against a job."""

Aside = Callable[[str, str], None]
"""Takes the name of what was put aside, and why."""
Fails = Callable[[Job, str], None]
"""Ends a job that was begun or taken and is not: it is tried again or has failed."""


class SideQueue:
    """`aside` hears of everything that is put aside. Every method raises what `AWAY` names."""

    def __init__(self, client: "redis.Redis", aside: Aside) -> None:
        self.queue = Queue(QUEUE, connection=client, serializer=JSONSerializer, job_class=SideJob)
        self._client: Any = client
        """redis-py does not say that entries are bytes here."""
        self._say_aside = aside
        self._lists = (self.queue.key, self.queue.intermediate_queue_key)
        self._scheduled = self.queue.scheduled_job_registry.key
        self._started = self.queue.started_job_registry.key
        self._ended = (self.queue.finished_job_registry.key, self.queue.failed_job_registry.key)
        self._taken_since: Mapping[bytes, float] = {}

    def tend(self, fails: Fails) -> None:
        """Put due retries back, end the jobs of killed workers, forget what ended long ago."""
        self._check_kinds()
        now_s = time.time()
        for entry in self._until(self._scheduled, now_s):
            self._each(entry, self._put_back)
        for entry in self._until(self._started, now_s):
            self._each(entry, lambda job: self._abandoned(job, fails))
            self._client.zrem(self._started, entry)
        for entry in self._stuck():
            self._each(entry, lambda job: fails(job, "taken by a worker that never began it"))
            self._client.lrem(self.queue.intermediate_queue_key, 1, entry)
        for key in self._ended:
            self._client.zremrangebyscore(key, 0, now_s)

    def clear_taken(self) -> bool:
        """Put aside what is taken and cannot be read; whether anything was."""
        found = self._check_kinds()
        for entry in self._taken():
            found |= not self._each(entry, lambda job: None)
        return found

    def put_aside(self, entry: bytes, error: Exception) -> None:
        """Take an entry out of queue and registries; a job that is not too large is kept for a day."""
        self._remove(entry)
        job_id = entry.split(b":")[0]
        key = SideJob.redis_job_namespace_prefix.encode() + job_id
        if isinstance(error, JobTooLarge):
            self._client.unlink(key)
        else:
            self._move(key, job_id)
        why = str(error) if isinstance(error, JobRefused) else f"{type(error).__name__}: {error}"
        self._say_aside(job_id.decode(errors="replace"), why)

    # -- one entry ----------------------------------------------------------------------------

    def _each(self, entry: bytes, act: Callable[[Job], None]) -> bool:
        """Read the job of an entry and act on it; where either fails it is put aside, and False."""
        try:
            act(SideJob.ours(entry.decode(), self._client))
        except NoSuchJobError:
            self._remove(entry)
        except AWAY:
            raise
        except Exception as error:
            self.put_aside(entry, error)
            return False
        return True

    def _put_back(self, job: Job) -> None:
        """Move a job from the registry into the queue; where another worker did it, nothing happens."""
        with self._client.pipeline() as pipeline:
            pipeline.watch(self._scheduled)
            if pipeline.zscore(self._scheduled, job.id) is None:
                return
            pipeline.multi()
            self.queue.enqueue_job(job, pipeline=pipeline)
            pipeline.zrem(self._scheduled, job.id)
            try:
                pipeline.execute()
            except redis.exceptions.WatchError:
                return

    def _abandoned(self, job: Job, fails: Fails) -> None:
        if job.get_status(refresh=False) is JobStatus.STARTED:
            fails(job, "its worker was killed")

    def _stuck(self) -> list[bytes]:
        """Return what is taken and was so a while ago already, by this process's own clock."""
        now_s = time.monotonic()
        self._taken_since = {entry: self._taken_since.get(entry, now_s) for entry in self._taken()}
        return [entry for entry, since_s in self._taken_since.items() if now_s - since_s > STUCK_AFTER_S]

    # -- what Redis holds -----------------------------------------------------------------------

    def _taken(self) -> list[bytes]:
        return list(self._client.lrange(self.queue.intermediate_queue_key, 0, MOST - 1))

    def _until(self, key: str, now_s: float) -> list[bytes]:
        return list(self._client.zrangebyscore(key, "-inf", now_s, start=0, num=MOST))

    def _check_kinds(self) -> bool:
        """Put a key of another type aside, which each command would refuse; whether there was one."""
        kinds = {**dict.fromkeys(self._lists, b"list")}
        kinds |= dict.fromkeys((self._scheduled, self._started, *self._ended), b"zset")
        pipeline = self._client.pipeline(transaction=False)
        for key in kinds:
            pipeline.type(key)
        wrong = [
            (key, found)
            for key, found in zip(kinds, pipeline.execute(), strict=True)
            if found not in (b"none", kinds[key])
        ]
        for key, found in wrong:
            self._move(key.encode(), key.encode())
            self._say_aside(key, f"it is a {found.decode()} and no {kinds[key].decode()}")
        return bool(wrong)

    def _move(self, key: bytes, name: bytes) -> None:
        """Give a key the name of what is put aside; one that is gone is none."""
        pipeline = self._client.pipeline(transaction=False)
        pipeline.rename(key, ASIDE.encode() + name)
        pipeline.expire(ASIDE.encode() + name, KEPT_S)
        pipeline.execute(raise_on_error=False)

    def _remove(self, entry: bytes) -> None:
        """Take an entry, and the job that it names, out of queue and registries."""
        pipeline = self._client.pipeline(transaction=False)
        for name in {entry, entry.split(b":")[0]}:
            for key in self._lists:
                pipeline.lrem(key, 0, name)
            for key in (self._scheduled, self._started, *self._ended):
                pipeline.zrem(key, name)
        pipeline.execute()
