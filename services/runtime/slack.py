"""The Slack incoming webhook: where an address comes from, and one attempt to post to it.

Here because two who never import each other post: the notifier, and the gateway's supervisor when
Redis is dead. An address is a secret: it comes from the environment, `.env` or the git-ignored
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
from slack_sdk.webhook import WebhookClient, WebhookResponse

from services.runtime.slack_blocks import Payload
from services.runtime.visible import visible

VARIABLE: Final = "SLACK_WEBHOOK_URL"
FILE: Final = "slack.toml"
KEY: Final = "webhook_url"
RETRY_AFTER_UNREADABLE_S: Final = 30.0
RETRY_AFTER_MOST_S: Final = 3_600.0
_UNACCEPTABLE: Final = (400, 413)

_quiet = logging.getLogger("services.runtime.slack.client")
_quiet.setLevel(logging.CRITICAL + 1)
"""slack_sdk writes the whole address into its debug log: it gets a logger that writes nothing."""


class WebhookUnusable(ValueError):
    """An address is given but cannot be used: says where it stands and how to mend it, not what it is."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """Slack answered 200."""


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """Slack answered 429: nothing more may be posted to this address for `seconds`."""

    seconds: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """It was not taken, or nobody knows. `unacceptable`: it never will be in this form."""

    reason: str
    unacceptable: bool = False


Outcome = Delivered | RetryAfter | Failed


def post(webhook_url: str, payload: Payload, timeout_s: int = 5) -> Outcome:
    """Post once; never raises for what the network or Slack does.

    `timeout_s` bounds each wait for the other side (connecting, its answer), not their sum.
    """
    shown = masked(webhook_url)
    client = WebhookClient(webhook_url, timeout=timeout_s, logger=_quiet, retry_handlers=[])
    try:
        response = client.send(text=visible(payload.text), blocks=list(payload.blocks) or None)
    except Exception as error:
        return Failed(f"{shown} did not answer: {_reason(error)}")
    return _outcome(response, shown)


def variable_of(name: str) -> str:
    """Return the environment variable that holds the address of webhook `name` ("": the only one)."""
    return f"{VARIABLE}_{name.upper()}" if name else VARIABLE


def webhook_url(config_dir: Path, name: str = "") -> str | None:
    """Return the address of webhook `name`, or None where none is given.

    Looks at the environment variable `SLACK_WEBHOOK_URL` (`SLACK_WEBHOOK_URL_<NAME>`), then at `.env`
    in the working folder, then at the key `webhook_url` (`webhook_url_<name>`) of `slack.toml` in
    `config_dir`; an empty value counts as none.

    Raises:
        WebhookUnusable: the first one given is not https (or http on this machine itself).
    """
    variable, key = variable_of(name), f"{KEY}_{name}" if name else KEY
    env_file, file = Path(".env"), config_dir / FILE
    from_env_file = dotenv_values(env_file).get(variable) if env_file.is_file() else None
    for where, value in (
        (f"the environment variable {variable}", os.environ.get(variable)),
        (f"{variable} in {env_file}", from_env_file),
        (f"{key} in {file}", _from_toml(file, key)),
    ):
        if value and value.strip():
            return _checked(value.strip(), where)
    return None


def masked(url: str) -> str:
    """Return what may be shown of an address: its host."""
    return f"{urlsplit(url).scheme}://{urlsplit(url).hostname}/***"


def _outcome(response: WebhookResponse, shown: str) -> Outcome:
    if response.status_code == 200:
        return Delivered()
    reason = f"{shown} answered {response.status_code}: {response.body[:100]}"
    if response.status_code == 429:
        headers = {name.lower(): value for name, value in response.headers.items()}
        return RetryAfter(_retry_after_s(headers.get("retry-after")), reason)
    return Failed(reason, unacceptable=response.status_code in _UNACCEPTABLE)


def _from_toml(file: Path, key: str) -> str | None:
    if not file.is_file():
        return None
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError):
        raise WebhookUnusable(
            f'{file} cannot be read as TOML; it needs a line {KEY} = "https://hooks.slack.com/..."'
        ) from None
    strangers = [
        name
        for name, value in content.items()
        if not isinstance(value, str) or not (name == KEY or name.startswith(f"{KEY}_"))
    ]
    if strangers:
        raise WebhookUnusable(
            f"{file}: {', '.join(sorted(strangers))}: only {KEY} and {KEY}_<name>, texts, are known there; "
            "see slack.example.toml"
        )
    value = content.get(key)
    return value if isinstance(value, str) else None


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
