"""The Slack incoming webhook: where its address comes from, and one attempt to post.

The address is a secret: it comes from the environment, `.env` or the git-ignored
`config/slack.toml`, and no error, log line or repr of this module shows it.
"""

import ipaddress
import logging
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from dotenv import dotenv_values
from slack_sdk.webhook import WebhookClient

from services.notifier.wording import Language, Message, trial_message

VARIABLE: Final = "SLACK_WEBHOOK_URL"
FILE: Final = "slack.toml"
KEY: Final = "webhook_url"
RETRY_AFTER_UNREADABLE_S: Final = 30.0
RETRY_AFTER_MOST_S: Final = 3_600.0

_quiet = logging.getLogger("services.notifier.webhook.client")
_quiet.setLevel(logging.CRITICAL + 1)
"""slack_sdk writes the whole address into its debug log: it gets a logger that writes nothing."""


class WebhookUnusable(ValueError):
    """An address is given but cannot be used: says where it stands and how to mend it, not what it is."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one attempt. `retry_after_s` is what the other side asked for, if it did.

    `unacceptable`: the message itself was refused, and would be again in the same form.
    """

    delivered: bool
    problem: str = ""
    retry_after_s: float | None = None
    unacceptable: bool = False


def webhook_url(config_dir: Path) -> str | None:
    """Return the webhook's address, or None where none is given.

    Looks at the environment variable `SLACK_WEBHOOK_URL`, then at `.env` in the working folder,
    then at the key `webhook_url` of `slack.toml` in `config_dir`; an empty value counts as none.

    Raises:
        WebhookUnusable: the first one given is not https (or http on this machine itself).
    """
    env_file = Path(".env")
    file = config_dir / FILE
    from_env_file = dotenv_values(env_file).get(VARIABLE) if env_file.is_file() else None
    for where, value in (
        (f"the environment variable {VARIABLE}", os.environ.get(VARIABLE)),
        (f"{VARIABLE} in {env_file}", from_env_file),
        (f"{KEY} in {file}", _from_toml(file)),
    ):
        if value and value.strip():
            return _checked(value.strip(), where)
    return None


def masked(url: str) -> str:
    """Return what may be shown of an address: its host."""
    return f"{urlsplit(url).scheme}://{urlsplit(url).hostname}/***"


def _from_toml(file: Path) -> str | None:
    if not file.is_file():
        return None
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError):
        raise WebhookUnusable(
            f'{file} cannot be read as TOML; it needs the one line {KEY} = "https://hooks.slack.com/..."'
        ) from None
    value = content.get(KEY)
    strangers = sorted(set(content) - {KEY})
    if strangers or not isinstance(value, str | None):
        raise WebhookUnusable(f"{file}: only the key {KEY}, a text, is known there; see slack.example.toml")
    return value


def _checked(url: str, where: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    secure = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))
    if not host or not secure or parts.username or any(character.isspace() for character in url):
        raise WebhookUnusable(
            f"{where} is not a webhook address: it must start with https:// as Slack shows it "
            "(docs/slack.md); copy it again, or leave it empty for alerts on the terminal"
        )
    return url


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Webhook:
    """Posts to one address. Each `post` is one attempt; the caller decides about the next."""

    def __init__(self, url: str, timeout_s: int = 5) -> None:
        self._client = WebhookClient(url, timeout=timeout_s, logger=_quiet, retry_handlers=[])
        self._shown = masked(url)

    def __repr__(self) -> str:
        return f"Webhook({self._shown})"

    def post(self, message: Message, *, plain: bool = False) -> Delivery:
        """Post once; `plain` leaves the blocks out. Never raises for what the network or Slack does."""
        blocks = None if plain else list(message.blocks)
        try:
            response = self._client.send(text=message.text, blocks=blocks)
        except Exception as error:
            return Delivery(False, f"{self._shown} did not answer: {_reason(error)}")
        if response.status_code == 200:
            return Delivery(True)
        problem = f"{self._shown} answered {response.status_code}: {response.body[:100]}"
        if response.status_code == 429:
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Delivery(False, problem, _retry_after_s(headers.get("retry-after")))
        return Delivery(False, problem, unacceptable=response.status_code in (400, 413))


def post_test_message(url: str, language: Language = Language.ENGLISH, timeout_s: int = 10) -> Delivery:
    """Post one test message and return what became of it; for `arb slack test`."""
    return Webhook(url, timeout_s).post(trial_message(language))


def _retry_after_s(value: object) -> float:
    try:
        return min(RETRY_AFTER_MOST_S, max(0.0, float(str(value))))
    except ValueError:
        return RETRY_AFTER_UNREADABLE_S


def _reason(error: Exception) -> str:
    """The kind of failure without what it was asked: an error's text may hold the address."""
    cause = getattr(error, "reason", None)
    detail = getattr(cause, "strerror", None) or getattr(error, "strerror", None)
    return f"{type(error).__name__}" + (f" ({detail})" if detail else "")
