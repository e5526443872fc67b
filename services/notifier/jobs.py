"""Side jobs, run by rq workers: what may wait a minute and must not slow the notifier.

A job carries plain JSON and never the webhook's address: the worker looks that up itself.
"""

import time
from typing import Any, Final

import redis
from rq import Queue, Retry, get_current_job
from rq.exceptions import DuplicateJobError
from rq.serializers import JSONSerializer

from services.contracts.alert_text import Language
from services.contracts.terms import Symbol
from services.notifier.pace import say_taken, take
from services.notifier.state import Digest
from services.notifier.wording import Names, digest_message
from services.runtime.settings import config_dir
from services.runtime.slack import Delivered, Failed, Outcome, RetryAfter, post, webhook_url
from services.runtime.slack_blocks import Payload

QUEUE: Final = "arb-digests"
TRIES: Final = 8
RETRY_S: Final = (10, 30, 60, 120, 300, 600, 1_200)
JOB_TIMEOUT_S: Final = 60
KEPT_S: Final = 86_400
"""A digest older than a day is no news; everything in it is in the journal."""
TURN_S: Final = 10.0
"""A webhook that is taken for longer, by what is urgent or because Slack asked, is tried again by rq."""


class DigestUndelivered(RuntimeError):
    """The webhook did not take a digest; rq tries again later."""


def digest_queue(client: "redis.Redis") -> Queue:
    return Queue(QUEUE, connection=client, serializer=JSONSerializer)


def enqueue_digest(client: "redis.Redis", digest: Digest, names: Names, language: Language) -> None:
    """Put a digest into the queue; doing it again changes nothing.

    Raises:
        ConnectionError: Redis does not answer.
    """
    mine = {line.alert.symbol for line in digest.lines} - {None}
    used = {str(symbol): name for symbol, name in names.items() if symbol in mine}
    try:
        digest_queue(client).enqueue_call(
            post_digest,
            args=(digest.model_dump(mode="json"), used, language.value),
            job_id=f"digest-{digest.digest_id}",
            unique=True,
            retry=Retry(max=TRIES - 1, interval=list(RETRY_S)),
            timeout=JOB_TIMEOUT_S,
            ttl=KEPT_S,
            result_ttl=KEPT_S,
            failure_ttl=KEPT_S,
            description=f"digest of {len(digest.lines)} alerts",
        )
    except DuplicateJobError:
        return
    except redis.RedisError as error:
        raise ConnectionError(f"Redis did not take the digest: {error}") from error


def post_digest(digest: dict[str, Any], names: dict[str, str], language: str) -> str:
    """Post one digest. Runs in a worker; returns what was done, in words.

    Raises:
        DigestUndelivered: not taken; rq retries after the intervals of `RETRY_S`.
        WebhookUnusable: the address given cannot be used.
    """
    known = {Symbol(symbol): name for symbol, name in names.items()}
    found = Digest.model_validate(digest)
    webhook, url = _address(found.webhook)
    if url is None:
        return "no webhook: nothing posted, the alerts are in the journal"
    message = digest_message(found, Language(language), known)
    outcome = _post_in_turn(webhook, url, message)
    if isinstance(outcome, Failed) and outcome.unacceptable:
        outcome = _post_in_turn(webhook, url, message.plain)
    if isinstance(outcome, Delivered):
        return "posted"
    if isinstance(outcome, RetryAfter):
        _wait_as_asked(webhook, outcome.seconds)
    raise DigestUndelivered(outcome.reason)


def _address(webhook: str) -> tuple[str, str | None]:
    """Return a webhook's address and the name that the notifier posts to that address by."""
    url, only = webhook_url(config_dir(), webhook), webhook_url(config_dir())
    return ("", only) if url is None or url == only else (webhook, url)


def _post_in_turn(webhook: str, url: str, message: Payload) -> Outcome:
    """Post once the webhook is free."""
    client, until_s = _client(), time.monotonic() + TURN_S
    while taken_s := take(client, webhook):
        if time.monotonic() + taken_s > until_s:
            raise DigestUndelivered(f"the webhook is taken for {taken_s:.1f} s by what is more urgent")
        time.sleep(taken_s)
    return post(url, message)


def _wait_as_asked(webhook: str, retry_after_s: float) -> None:
    """Make rq wait at least as long as Slack asked for, and other digests too."""
    say_taken(_client(), webhook, retry_after_s)
    job = get_current_job()
    if job is None or not job.retry_intervals:
        return
    seconds = int(retry_after_s) + 1
    job.retry_intervals = [max(seconds, interval) for interval in job.retry_intervals]


def _client() -> "redis.Redis":
    job = get_current_job()
    if job is None:
        raise RuntimeError("a digest is posted by a worker, in a job")
    client: redis.Redis = job.connection
    return client
