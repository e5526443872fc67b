"""Digests by rq on a real Redis, with a real worker and a webhook of our own."""

from pathlib import Path

import pytest
import redis
from rq import SimpleWorker
from rq.job import Job
from rq.registry import ScheduledJobRegistry
from rq.serializers import JSONSerializer

from services.contracts.alert_text import Language
from services.contracts.terms import Severity
from services.notifier.jobs import QUEUE, RETRY_S, digest_queue, enqueue_digest
from services.notifier.state import Digest, DigestLine

from .builders import START_NS, alert
from .conftest import Answer, SlackDouble, Start

pytestmark = pytest.mark.redis

LINES = (
    DigestLine(alert=alert("w", Severity.WARNING), at_ns=START_NS, seen=3),
    DigestLine(alert=alert("i", Severity.INFO, title="Pair closed", amount_krw=120), at_ns=START_NS),
)
DIGEST = Digest(digest_id="d1", lines=LINES, more=2)
NAMES = {"005930": "삼성전자", "000660": "SK하이닉스"}


def work(client: "redis.Redis") -> None:
    queue = digest_queue(client)
    SimpleWorker([queue], connection=client, serializer=JSONSerializer).work(burst=True)


def job(client: "redis.Redis") -> Job:
    return Job.fetch("digest-d1", connection=client, serializer=JSONSerializer)


@pytest.fixture
def webhook(slack: SlackDouble, monkeypatch: pytest.MonkeyPatch) -> SlackDouble:
    monkeypatch.setenv("SLACK_WEBHOOK_URL", slack.url)
    return slack


def test_a_digest_is_posted_by_the_worker(real: "redis.Redis", webhook: SlackDouble) -> None:
    enqueue_digest(real, DIGEST, NAMES, Language.KOREAN)
    work(real)
    assert len(webhook.posts) == 1
    shown = str(webhook.posts[0]["blocks"])
    assert "삼성전자 (005930)" in shown and "3회" in shown and "210,000" in shown and "외 2건" in shown
    assert job(real).return_value() == "posted"


def test_handing_over_twice_posts_once(real: "redis.Redis", webhook: SlackDouble) -> None:
    for _ in range(2):
        enqueue_digest(real, DIGEST, NAMES, Language.ENGLISH)
    work(real)
    enqueue_digest(real, DIGEST, NAMES, Language.ENGLISH)
    work(real)
    assert len(webhook.posts) == 1


def test_the_queue_holds_plain_json_and_no_secret(real: "redis.Redis", webhook: SlackDouble) -> None:
    enqueue_digest(real, DIGEST, NAMES, Language.ENGLISH)
    stored = real.hgetall("rq:job:digest-d1")
    assert not any(b"secret" in value for value in stored.values())
    assert job(real).args[1] == {"005930": "삼성전자"}


@pytest.mark.parametrize(
    ("answer", "least_s"), [(Answer(500), RETRY_S[0]), (Answer(429, {"Retry-After": "200"}), 200)]
)
def test_what_was_not_taken_comes_back_later(
    real: "redis.Redis", webhook: SlackDouble, answer: Answer, least_s: int
) -> None:
    webhook.always = answer
    enqueue_digest(real, DIGEST, NAMES, Language.ENGLISH)
    work(real)
    waiting = ScheduledJobRegistry(QUEUE, connection=real, serializer=JSONSerializer)
    assert list(waiting.get_job_ids()) == ["digest-d1"]
    due = waiting.get_scheduled_time("digest-d1").timestamp()
    assert due - real.time()[0] >= least_s - 3
    webhook.always = Answer(200)
    waiting.remove("digest-d1")
    digest_queue(real).enqueue_job(job(real))
    work(real)
    assert len(webhook.posts) == 1


def test_without_a_webhook_the_job_says_so(
    real: "redis.Redis", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLACK_WEBHOOK_URL", raising=False)
    monkeypatch.setenv("ARB_CONFIG_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    enqueue_digest(real, DIGEST, NAMES, Language.ENGLISH)
    work(real)
    assert "no webhook" in str(job(real).return_value())


def test_a_queue_that_does_not_answer_is_a_connection_error() -> None:
    client = redis.Redis(port=9, socket_connect_timeout=0.2, retry=None)
    with pytest.raises(ConnectionError):
        enqueue_digest(client, DIGEST, NAMES, Language.ENGLISH)


@pytest.mark.slow
def test_the_worker_brings_back_a_retry_whose_time_has_come(
    real: "redis.Redis", webhook: SlackDouble, start: Start
) -> None:
    webhook.script.append(Answer(500))
    enqueue_digest(real, DIGEST, NAMES, Language.ENGLISH)
    work(real)
    waiting = ScheduledJobRegistry(QUEUE, connection=real, serializer=JSONSerializer)
    real.zadd(waiting.key, {"digest-d1": 1})
    assert start("services.notifier.worker", "--burst", SLACK_WEBHOOK_URL=webhook.url).wait(30) == 0
    assert len(webhook.posts) == 1


@pytest.mark.slow
@pytest.mark.parametrize("setting", [{}, {"ARB_RUNTIME_REDIS_URL": "redis://127.0.0.1:9/0"}])
def test_the_worker_is_a_process_of_its_own(
    real: "redis.Redis", slack: SlackDouble, start: Start, setting: dict[str, str]
) -> None:
    enqueue_digest(real, DIGEST, NAMES, Language.ENGLISH)
    worker = start("services.notifier.worker", SLACK_WEBHOOK_URL=slack.url, arguments="--burst", **setting)
    assert worker.wait(30) == (1 if setting else 0)
    assert len(slack.posts) == (0 if setting else 1)
