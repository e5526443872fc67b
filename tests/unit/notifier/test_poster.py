"""Posting to a webhook that answers well, badly, slowly, or not at all."""

import io
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.notifier.poster import AT_ONCE, Names, Poster, SlackChannel, TerminalChannel
from services.notifier.reported import DeliveryFailed, DigestHandedOver, NoticesDelivered
from services.notifier.state import Digest, DigestLine, Notice
from services.notifier.webhook import (
    Webhook,
    WebhookUnusable,
    masked,
    post_test_message,
    webhook_url,
)
from services.notifier.wording import Language

from .builders import START_NS, alert, notice, wait_for
from .conftest import Answer, SlackDouble

DIGEST = Digest(digest_id="d1", lines=(DigestLine(alert=alert("w"), at_ns=START_NS),))


class Desk:
    """A poster with what it said on the terminal and what it reported."""

    def __init__(self, slack: SlackDouble, enqueue: Callable[[Digest, Names], None] | None = None) -> None:
        self.said: list[str] = []
        self.reported: list[object] = []
        webhook = Webhook(slack.url, timeout_s=1)
        channel = SlackChannel(webhook, Language.ENGLISH, enqueue or (lambda *_: None), pace_s=0.0)
        self.poster = Poster(channel, self.said.append, Language.ENGLISH, backoff_s=(0.02, 0.05))

    def offer(self, *notices: Notice, digests: tuple[Digest, ...] = ()) -> None:
        self.poster.offer(notices, digests, {}, START_NS)

    def delivered(self) -> set[str]:
        self.reported += self.poster.results()
        found = (item for item in self.reported if isinstance(item, NoticesDelivered))
        return {notice_id for item in found for notice_id in item.notice_ids}

    @contextmanager
    def running(self) -> Iterator[None]:
        stop = threading.Event()
        thread = threading.Thread(target=self.poster.run, args=(stop,), daemon=True)
        thread.start()
        yield
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


def test_a_notice_is_delivered_only_by_a_200(slack: SlackDouble) -> None:
    slack.script.extend([Answer(500), Answer(403), Answer(302), Answer(200)])
    desk = Desk(slack)
    desk.offer(notice())
    with desk.running():
        wait_for(lambda: desk.delivered() == {"n1"}, "delivery")
    assert len(slack.posts) == 1
    assert sum(isinstance(item, DeliveryFailed) for item in desk.reported) == 3
    assert len(desk.said) == 1, "what Slack does not take stands on the terminal, once"


def test_what_slack_asks_to_wait_is_waited(slack: SlackDouble) -> None:
    slack.script.append(Answer(429, {"Retry-After": "1"}))
    desk = Desk(slack)
    desk.offer(notice())
    with desk.running():
        wait_for(lambda: desk.delivered() == {"n1"}, "delivery")
    first, second = (at for at, _ in slack.attempts)
    assert second - first >= 1.0


@pytest.mark.parametrize("value", ["soon", ""])
def test_a_wait_that_cannot_be_read_is_half_a_minute(slack: SlackDouble, value: str) -> None:
    slack.always = Answer(429, {"Retry-After": value})
    assert post_test_message(slack.url).retry_after_s == 30.0


def test_an_answer_that_comes_too_late_or_never_is_a_failure_and_the_notice_is_kept(
    slack: SlackDouble,
) -> None:
    slack.script.extend([Answer(after_s=1.5), Answer(hang_up=True)])
    desk = Desk(slack)
    desk.offer(notice())
    with desk.running():
        wait_for(lambda: desk.delivered() == {"n1"}, "delivery")
    assert len(slack.attempts) == 3


def test_a_webhook_that_is_not_there_fails_without_showing_its_address() -> None:
    url = "http://127.0.0.1:9/services/T0/B0/secret"
    delivery = post_test_message(url)
    assert not delivery.delivered and "secret" not in delivery.problem and "127.0.0.1" in delivery.problem


def test_the_loop_never_waits_for_a_slow_webhook(slack: SlackDouble) -> None:
    slack.always = Answer(after_s=0.8)
    desk = Desk(slack)
    with desk.running():
        desk.offer(notice())
        wait_for(lambda: bool(slack.attempts), "the attempt")
        started = time.monotonic()
        for _ in range(100):
            desk.offer(notice())
            desk.poster.results()
        assert not slack.posts, "a hundred turns passed while the post was under way"
        assert time.monotonic() - started < 0.8


def test_a_storm_goes_out_in_few_messages(slack: SlackDouble) -> None:
    desk = Desk(slack)
    desk.offer(*(notice(f"n{number}") for number in range(2 * AT_ONCE + 1)))
    with desk.running():
        wait_for(lambda: len(desk.delivered()) == 2 * AT_ONCE + 1, "all deliveries")
    assert len(slack.posts) == 3
    assert all(len(post["blocks"]) <= 50 for post in slack.posts)


def test_what_was_delivered_but_is_still_in_the_outbox_is_reported_again_and_not_posted(
    slack: SlackDouble,
) -> None:
    desk = Desk(slack)
    desk.offer(notice(), digests=(DIGEST,))
    with desk.running():
        wait_for(lambda: desk.delivered() == {"n1"}, "delivery")
        wait_for(lambda: any(isinstance(r, DigestHandedOver) for r in desk.reported), "the digest")
        desk.reported.clear()
        desk.offer(notice(), digests=(DIGEST,))
        desk.delivered()
        desk.delivered()
    assert NoticesDelivered(notice_ids=("n1",)) in desk.reported
    assert DigestHandedOver(digest_id="d1") in desk.reported
    assert len(slack.posts) == 1


def test_a_message_that_slack_cannot_read_goes_out_as_plain_text(slack: SlackDouble) -> None:
    slack.script.append(Answer(400))
    desk = Desk(slack)
    desk.offer(notice())
    with desk.running():
        wait_for(lambda: desk.delivered() == {"n1"}, "delivery")
    assert "blocks" not in slack.posts[0] and "3 shares" in slack.posts[0]["text"]


def test_a_digest_waits_until_the_queue_takes_it(slack: SlackDouble) -> None:
    answers = [ConnectionError("no Redis")]
    taken = []

    def enqueue(digest: Digest, names: Names) -> None:
        if answers:
            raise answers.pop()
        taken.append(digest)

    desk = Desk(slack, enqueue)
    desk.offer(digests=(DIGEST,))
    with desk.running():
        wait_for(lambda: taken == [DIGEST], "the queue")


def test_without_a_webhook_a_plain_line_stands_on_the_terminal() -> None:
    said: list[str] = []
    poster = Poster(TerminalChannel(Language.ENGLISH, said.append), said.append, Language.ENGLISH)
    poster.offer((notice(),), (), {"005930": "Samsung"}, START_NS)
    while poster.step():
        pass
    assert poster.results() == [NoticesDelivered(notice_ids=("n1",))]
    assert len(said) == 1 and said[0].startswith("[CRITICAL] 3 shares were not sold")
    assert "Samsung (005930)" in said[0] and "210,000 KRW" in said[0] and "arb flatten" in said[0]


# -- the address ---------------------------------------------------------------------------


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("SLACK_WEBHOOK_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


GOOD = "https://hooks.slack.com/services/T0/B0/"


def test_the_environment_comes_before_the_env_file_before_the_config_file(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert webhook_url(nowhere) is None
    (nowhere / "slack.toml").write_text(f'webhook_url = "{GOOD}toml"\n')
    assert webhook_url(nowhere) == f"{GOOD}toml"
    (nowhere / ".env").write_text(f"SLACK_WEBHOOK_URL={GOOD}env\n")
    assert webhook_url(nowhere) == f"{GOOD}env"
    monkeypatch.setenv("SLACK_WEBHOOK_URL", f"{GOOD}variable")
    assert webhook_url(nowhere) == f"{GOOD}variable"
    monkeypatch.setenv("SLACK_WEBHOOK_URL", " ")
    assert webhook_url(nowhere) == f"{GOOD}env"


def test_the_example_file_means_no_webhook(nowhere: Path) -> None:
    example = Path(__file__).resolve().parents[3] / "config" / "slack.example.toml"
    (nowhere / "slack.toml").write_text(example.read_text(encoding="utf-8"))
    assert webhook_url(nowhere) is None


@pytest.mark.parametrize(
    "value",
    ["hooks.slack.com/secret", "http://hooks.slack.com/secret", "https:///secret", "secret",
     "https://a:secret@b/c", "https://x/y secret", "http://127.0.0.1.evil.example/secret"],
)  # fmt: skip
def test_an_address_that_cannot_be_used_is_refused_without_being_shown(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("SLACK_WEBHOOK_URL", value)
    with pytest.raises(WebhookUnusable) as refused:
        webhook_url(nowhere)
    assert "secret" not in str(refused.value) and "SLACK_WEBHOOK_URL" in str(refused.value)


@pytest.mark.parametrize("text", ["webhook_url = https://secret", 'other = "secret"', "webhook_url = 5"])
def test_a_file_that_cannot_be_used_is_named_and_not_shown(nowhere: Path, text: str) -> None:
    (nowhere / "slack.toml").write_text(text)
    with pytest.raises(WebhookUnusable, match=r"slack\.toml") as refused:
        webhook_url(nowhere)
    assert "secret" not in str(refused.value)


def test_nothing_shows_the_address_not_even_debug_logs(slack: SlackDouble) -> None:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        assert post_test_message(slack.url).delivered
        slack.always = Answer(500)
        assert not post_test_message(slack.url).delivered
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    assert "secret" not in written.getvalue()
    assert "secret" not in repr(Webhook(slack.url)) + masked(slack.url)
