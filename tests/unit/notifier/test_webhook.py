"""The webhook: where its address comes from, what an answer means, and that nothing shows it."""

import io
import logging
from pathlib import Path

import pytest

from services.runtime.slack import (
    Delivered,
    Failed,
    RetryAfter,
    WebhookUnusable,
    masked,
    post,
    webhook_url,
)
from services.runtime.slack_blocks import Payload

from .conftest import Answer, SlackDouble

HELLO = Payload("hello")


@pytest.mark.parametrize("value", ["soon", ""])
def test_a_wait_that_cannot_be_read_is_half_a_minute(slack: SlackDouble, value: str) -> None:
    slack.always = Answer(429, {"Retry-After": value})
    outcome = post(slack.url, HELLO)
    assert isinstance(outcome, RetryAfter) and outcome.seconds == 30.0


@pytest.mark.parametrize(("status", "unacceptable"), [(400, True), (403, False), (404, False), (500, False)])
def test_what_is_not_taken_says_whether_it_ever_could_be(
    slack: SlackDouble, status: int, unacceptable: bool
) -> None:
    slack.always = Answer(status)
    outcome = post(slack.url, HELLO)
    assert isinstance(outcome, Failed) and outcome.unacceptable is unacceptable


def test_a_webhook_that_is_not_there_fails_without_showing_its_address() -> None:
    outcome = post("http://127.0.0.1:9/services/T0/B0/secret", HELLO)
    assert isinstance(outcome, Failed) and "secret" not in outcome.reason and "127.0.0.1" in outcome.reason


def test_a_named_webhook_has_its_own_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLACK_WEBHOOK_URL", f"{GOOD}all")
    monkeypatch.delenv("SLACK_WEBHOOK_URL_DESK", raising=False)
    assert webhook_url(tmp_path, "desk") is None
    (tmp_path / "slack.toml").write_text(f'webhook_url = ""\nwebhook_url_desk = "{GOOD}desk"\n')
    assert webhook_url(tmp_path, "desk") == f"{GOOD}desk"
    monkeypatch.setenv("SLACK_WEBHOOK_URL_DESK", f"{GOOD}variable")
    assert webhook_url(tmp_path, "desk") == f"{GOOD}variable"


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
        assert isinstance(post(slack.url, HELLO), Delivered)
        slack.always = Answer(500)
        assert not isinstance(post(slack.url, HELLO), Delivered)
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    assert "secret" not in written.getvalue()
    assert "secret" not in masked(slack.url)
