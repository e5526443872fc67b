"""Digests by rq on a real Redis, with a real worker and a webhook of our own."""

import pickle
import signal
import threading
import time
import zlib
from pathlib import Path

import psutil
import pytest
import redis
from rq import Callback, Queue, Retry
from rq.job import Job
from rq.registry import ScheduledJobRegistry
from rq.serializers import JSONSerializer

from services.contracts.alert_codes import AlertCode
from services.contracts.alert_text import Language
from services.contracts.messages.alerts import AlertRaised
from services.contracts.streams import ALERTS
from services.contracts.terms import Severity
from services.notifier import jobs, pace, side_queue
from services.notifier import worker as worker_module
from services.notifier.jobs import QUEUE, RETRY_S, digest_queue, enqueue_digest
from services.notifier.pace import say_taken, take
from services.notifier.poster import Poster, SlackChannel
from services.notifier.reported import NoticesDelivered
from services.notifier.state import Digest, DigestLine
from services.notifier.worker import digest_worker
from services.runtime.redis_bus import RedisBus
from services.runtime.stop_signals import StopFlag

from .builders import START_NS, alert, notice, wait_for
from .conftest import Answer, SlackDouble, Start

pytestmark = pytest.mark.redis

LINES = (
    DigestLine(alert=alert("w", Severity.WARNING), at_ns=START_NS, seen=3),
    DigestLine(alert=alert("i", Severity.INFO, title="Pair closed", amount_krw=120), at_ns=START_NS),
)
DIGEST = Digest(digest_id="d1", lines=LINES, more=2)
NAMES = {"005930": "삼성전자", "000660": "SK하이닉스"}


def work(client: "redis.Redis") -> None:
    digest_worker(client).work(burst=True)


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
    real.delete("rq:arb-digests:taken:")
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


# -- the pace of the webhook, shared with the notifier -------------------------------------------


def test_a_digest_waits_for_its_turn_on_the_webhook(
    real: "redis.Redis", webhook: SlackDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "PACE_S", 60.0)
    enqueue_digest(real, DIGEST, NAMES, Language.ENGLISH)
    began_s = time.monotonic()
    say_taken(real, "", 0.8)
    work(real)
    ((posted_s, _),) = webhook.attempts
    assert posted_s - began_s >= 0.8
    assert take(real, "") > 0, "and then has the webhook itself"


def test_a_webhook_that_stays_taken_sends_the_digest_back_into_the_queue(
    real: "redis.Redis", webhook: SlackDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "TURN_S", 0.1)
    enqueue_digest(real, DIGEST, NAMES, Language.ENGLISH)
    say_taken(real, "", 60.0)
    work(real)
    assert not webhook.attempts
    assert digest_queue(real).scheduled_job_registry.get_job_ids() == ["digest-d1"]


def test_what_slack_asked_one_digest_to_wait_holds_the_others(
    real: "redis.Redis", webhook: SlackDouble
) -> None:
    webhook.always = Answer(429, {"Retry-After": "200"})
    enqueue_digest(real, DIGEST, NAMES, Language.ENGLISH)
    work(real)
    assert take(real, "") > 100


def test_a_longer_time_that_was_said_is_never_shortened(real: "redis.Redis") -> None:
    say_taken(real, "desk", 60.0)
    say_taken(real, "desk", 1.0)
    assert take(real, "desk") > 50 and take(real, "") == 0
    say_taken(real, "", 60.0)
    assert take(real, "") > 50


@pytest.mark.parametrize("answer", [Answer(200), Answer(429, {"Retry-After": "200"})])
def test_what_the_notifier_posts_keeps_digests_away_for_as_long_as_its_webhook_is_taken(
    real: "redis.Redis", slack: SlackDouble, answer: Answer
) -> None:
    slack.always = answer
    said: list[str] = []
    channel = SlackChannel(slack.url, Language.ENGLISH, timeout_s=1, pace_s=40.0)
    poster = Poster(
        {"": channel}, lambda *_: None, said.append, Language.ENGLISH,
        say_taken=lambda name, seconds: say_taken(real, name, seconds),
    )  # fmt: skip
    poster.offer((notice(),), (), {}, START_NS)
    assert poster.step() and not poster.serve_side_jobs()
    assert 30 < take(real, "") <= 40
    wait_for(lambda: bool(poster.results()), "the answer")
    poster.serve_side_jobs()
    assert (take(real, "") > 100) is (answer.status == 429)


def test_a_redis_that_hangs_delays_nothing_that_the_notifier_posts(slack: SlackDouble) -> None:
    hung, end = threading.Event(), threading.Event()

    def hang(name: str, seconds: float) -> None:
        hung.set()
        end.wait()

    channel = SlackChannel(slack.url, Language.ENGLISH, timeout_s=1, pace_s=0.01)
    poster = Poster({"": channel}, lambda *_: None, lambda _: None, Language.ENGLISH, say_taken=hang)
    threads = [threading.Thread(target=run, args=(end,)) for run in (poster.run, poster.run_digests)]
    for thread in threads:
        thread.start()
    try:
        poster.offer((notice("a"),), (), {}, START_NS)
        wait_for(hung.is_set, "the hanging side job")
        poster.offer((notice("a"), notice("b")), (), {}, START_NS)
        wait_for(lambda: NoticesDelivered(notice_ids=("b",)) in poster.results(), "the second delivery")
    finally:
        end.set()
        for thread in threads:
            thread.join()


# -- the worker as a process ---------------------------------------------------------------------


@pytest.mark.slow
def test_the_worker_brings_back_retries_without_a_child_that_outlives_it(
    real: "redis.Redis", webhook: SlackDouble, start: Start
) -> None:
    webhook.script += [Answer(500), Answer(500)]
    enqueue_digest(real, DIGEST, NAMES, Language.ENGLISH)
    worker = start("services.notifier.worker", SLACK_WEBHOOK_URL=webhook.url)
    retry_comes(real, webhook, attempts=2)
    waits_for_retry(real)
    assert psutil.Process(worker.pid).children(recursive=True) == []
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    start("services.notifier.worker", SLACK_WEBHOOK_URL=webhook.url)
    retry_comes(real, webhook, attempts=3)
    wait_for(lambda: len(webhook.posts) == 1, "the delivery")


def retry_comes(client: "redis.Redis", webhook: SlackDouble, *, attempts: int) -> None:
    """Wait until the digest waits for its retry, make its time come, and wait for the attempt."""
    waits_for_retry(client)
    client.zadd(digest_queue(client).scheduled_job_registry.key, {"digest-d1": 1})
    wait_for(lambda: len(webhook.attempts) == attempts, "the retry")


def waits_for_retry(client: "redis.Redis") -> None:
    scheduled = digest_queue(client).scheduled_job_registry
    wait_for(lambda: scheduled.get_job_ids() == ["digest-d1"], "the wait for a retry")


@pytest.mark.slow
@pytest.mark.parametrize("setting", [{}, {"ARB_RUNTIME_REDIS_URL": "redis://127.0.0.1:9/0"}])
def test_the_worker_is_a_process_of_its_own(
    real: "redis.Redis", slack: SlackDouble, start: Start, setting: dict[str, str]
) -> None:
    enqueue_digest(real, DIGEST, NAMES, Language.ENGLISH)
    worker = start("services.notifier.worker", SLACK_WEBHOOK_URL=slack.url, arguments="--burst", **setting)
    assert worker.wait(30) == (1 if setting else 0)
    assert len(slack.posts) == (0 if setting else 1)


CALLED: list[str] = []
BOMB = zlib.compress(b" " * 50_000_000)


def call_me(*args: object) -> None:
    """What a stranger would have the worker run."""
    CALLED.append("called")


class Trap:
    """Unpickling it calls."""

    def __reduce__(self) -> tuple[object, tuple[()]]:
        return call_me, ()


STRANGER = f"{__name__}.call_me"


def strange(client: "redis.Redis", **changes: object) -> None:
    """A job as a stranger with access to Redis writes it."""
    args = (DIGEST.model_dump(mode="json"), {}, "en")
    options: dict[str, object] = {"args": args, "job_id": "strange", **changes}
    Queue(QUEUE, connection=client, serializer=JSONSerializer).enqueue_call(
        options.pop("func", STRANGER), **options
    )  # type: ignore[arg-type]


def told_of_refusals(client: "redis.Redis") -> list[AlertRaised]:
    bodies = [entry.decoded().body for entry in RedisBus(client).tail(ALERTS.key, 10)]
    return [body for body in bodies if body.code == AlertCode.JOB_REFUSED]


def test_whatever_else_a_job_names_is_not_run_and_ours_is(
    real: "redis.Redis", webhook: SlackDouble, tmp_path: Path
) -> None:
    proof = tmp_path / "proof"
    strange(real, func="os.system", args=(f"touch {proof}",), retry=Retry(max=50))
    strange(real, job_id="another", on_success=None)
    enqueue_digest(real, DIGEST, NAMES, Language.ENGLISH)
    work(real)
    assert not proof.exists() and CALLED == [] and len(webhook.posts) == 1
    (alert,) = told_of_refusals(real)
    assert alert.facts == {"count": 1, "problem": "it wants to run os.system"}
    assert real.keys("rq:job:*") == [b"rq:job:digest-d1"], "what was refused is gone"


def test_what_hangs_on_a_job_of_ours_is_not_called_either(real: "redis.Redis", webhook: SlackDouble) -> None:
    ours = f"{jobs.post_digest.__module__}.post_digest"
    strange(real, func=ours, on_success=Callback(STRANGER), on_failure=Callback(STRANGER))
    real.hset("rq:job:strange", "webhooks", f'[{{"url": "{webhook.url}"}}]')
    work(real)
    assert CALLED == [] and len(webhook.posts) == 1


@pytest.mark.parametrize(
    "data",
    [
        pickle.dumps((STRANGER, None, (), {})),
        pickle.dumps(Trap()),
        BOMB,
        b"x" * 2_000_000,
        b'["a", "b"]',
        b"",
    ],
    ids=["pickle", "pickle that calls", "bomb", "large", "no call", "nothing"],
)
def test_a_job_that_is_no_json_of_ours_is_dropped_and_the_worker_goes_on(
    real: "redis.Redis", webhook: SlackDouble, data: bytes
) -> None:
    strange(real)
    real.hset("rq:job:strange", "data", data)
    real.hset("rq:job:strange", "timeout", "never")
    enqueue_digest(real, DIGEST, NAMES, Language.ENGLISH)
    work(real)
    assert CALLED == [] and len(webhook.posts) == 1
    assert len(told_of_refusals(real)) == 1


# -- what is broken in the queue's own registries ------------------------------------------------

BROKEN: dict[str, dict[str, object]] = {
    "bomb": {"data": BOMB},
    "large": {"data": b"x" * 2_000_000},
    "large beside the rest": {"description": b"x" * 2_000_000},
    "pickle": {"data": pickle.dumps(Trap())},
    "no time": {"created_at": "soon"},
    "unheard of": {"status": "unheard of"},
    "deep": {"retry_intervals": "[" * 5_000},
    "no hash": {},
}


def strange_at(client: "redis.Redis", place: str, fields: dict[str, object]) -> None:
    """A job of our function, broken by `fields` (by another type where there are none), lies at `place`."""
    strange(client, func=f"{jobs.post_digest.__module__}.post_digest")
    client.hset("rq:job:strange", mapping={"status": "started", **fields})  # type: ignore[dict-item]
    if not fields:
        client.set("rq:job:strange", "text")
    queue = digest_queue(client)
    if place != "queued":
        client.lrem(queue.key, 0, "strange")
    if place == "taken":
        client.lpush(queue.intermediate_queue_key, "strange")
    if place in ("scheduled", "wip"):
        client.zadd(f"rq:{place}:{QUEUE}", {"strange:1" if place == "wip" else "strange": 1})


@pytest.mark.parametrize("place", ["queued", "scheduled", "wip", "taken"])
@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_job_goes_aside_wherever_it_lies(
    real: "redis.Redis", webhook: SlackDouble, monkeypatch: pytest.MonkeyPatch, how: str, place: str
) -> None:
    monkeypatch.setattr(side_queue, "STUCK_AFTER_S", -1.0)
    strange_at(real, place, BROKEN[how])
    enqueue_digest(real, DIGEST, NAMES, Language.ENGLISH)
    work(real)
    assert len(webhook.posts) == 1 and CALLED == []
    assert not real.exists("rq:job:strange")
    assert real.exists(f"rq:aside:{QUEUE}:strange") == (how != "bomb" and "large" not in how)
    assert [alert.facts["count"] for alert in told_of_refusals(real)] == [1]


@pytest.mark.parametrize("place", ["scheduled", "wip", "queued", "taken"])
def test_a_job_whose_name_is_no_text_goes_aside(
    real: "redis.Redis", webhook: SlackDouble, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(side_queue, "STUCK_AFTER_S", -1.0)
    queue = digest_queue(real)
    lists = {"queued": queue.key, "taken": queue.intermediate_queue_key}
    if place in lists:
        real.lpush(lists[place], b"\xff:1")
    else:
        real.zadd(f"rq:{place}:{QUEUE}", {b"\xff:1": 1})
    enqueue_digest(real, DIGEST, NAMES, Language.ENGLISH)
    work(real)
    assert len(webhook.posts) == 1 and len(told_of_refusals(real)) == 1


@pytest.mark.parametrize(
    "key", [f"rq:queue:{QUEUE}", f"rq:queue:{QUEUE}:intermediate", f"rq:scheduled:{QUEUE}", f"rq:wip:{QUEUE}"]
)
def test_a_registry_of_another_type_goes_aside(real: "redis.Redis", webhook: SlackDouble, key: str) -> None:
    real.set(key, "text")
    work(real)
    assert len(told_of_refusals(real)) == 1 and real.exists(f"rq:aside:{QUEUE}:{key}")
    enqueue_digest(real, DIGEST, NAMES, Language.ENGLISH)
    work(real)
    assert len(webhook.posts) == 1


def test_a_job_that_rq_cannot_run_goes_aside(real: "redis.Redis", webhook: SlackDouble) -> None:
    strange_at(real, "scheduled", {"timeout": 10**30})
    enqueue_digest(real, DIGEST, NAMES, Language.ENGLISH)
    work(real)
    assert len(webhook.posts) == 1 and len(told_of_refusals(real)) == 1
    assert real.exists(f"rq:aside:{QUEUE}:strange")


@pytest.mark.parametrize("place", ["wip", "taken"])
def test_a_job_of_a_killed_worker_is_tried_again(
    real: "redis.Redis", webhook: SlackDouble, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(side_queue, "STUCK_AFTER_S", -1.0)
    strange_at(real, place, {"retries_left": 1})
    work(real)
    assert len(webhook.posts) == 1 and not told_of_refusals(real)


def test_a_worker_that_ends_by_itself_says_so_with_its_exit_code(
    real: "redis.Redis", redis_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(side_queue.SideQueue, "tend", fail)
    monkeypatch.setattr(worker_module, "stop_on_signals", StopFlag)
    monkeypatch.setattr("sys.argv", ["worker"])
    monkeypatch.setenv("ARB_RUNTIME_REDIS_URL", redis_url)
    assert worker_module.main() == 1


def test_a_worker_that_is_told_to_stop_takes_no_job_more(real: "redis.Redis", webhook: SlackDouble) -> None:
    enqueue_digest(real, DIGEST, NAMES, Language.ENGLISH)
    stop = StopFlag()
    stop.set()
    assert digest_worker(real, stop).work(logging_level="WARNING") is False
    assert webhook.posts == [] and len(digest_queue(real)) == 1
    work(real)
    assert len(webhook.posts) == 1


def test_without_redis_a_worker_still_ends_when_it_is_told_to(
    real: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = StopFlag()
    worker = digest_worker(real, stop)

    def away(*args: object, **options: object) -> None:
        stop.set()
        raise redis.exceptions.ConnectionError("gone")

    monkeypatch.setattr("rq.worker.base.BaseWorker.heartbeat", away)
    assert worker.work(logging_level="CRITICAL") is False


@pytest.mark.slow
def test_many_signals_end_an_idle_worker_in_order(real: "redis.Redis", start: Start) -> None:
    worker = start("services.notifier.worker")
    wait_for(lambda: bool(real.smembers("rq:workers")), "the worker")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        worker.send_signal(number)
    assert worker.wait(30) == 0
