"""The whole notifier as a process: alerts, journal, restarts, a clean end."""

import signal
from pathlib import Path

import pytest
import redis

from services.contracts.envelope import decode
from services.contracts.messages.alerts import AlertKind, AlertRaised
from services.contracts.messages.status import NotifierStatus
from services.contracts.streams import ALERTS, STATUS
from services.contracts.terms import Severity
from services.notifier.journal_folder import dates_in
from services.notifier.journal_reader import read_lines
from services.runtime.redis_bus import RedisBus

from .builders import DEADLINE_S, acknowledged, alert, quote, resolved, send, wait_for
from .conftest import Answer, SlackDouble, Start

pytestmark = [pytest.mark.redis, pytest.mark.slow]
NOTIFIER = "services.notifier"


def status(client: "redis.Redis") -> NotifierStatus | None:
    bodies = [decode(entry.text).body for entry in RedisBus(client).tail(STATUS.key, 50)]
    found = [body for body in bodies if isinstance(body, NotifierStatus)]
    return found[-1] if found else None


def journalled(root: Path, stream: str) -> list[str]:
    return [line.entry_id for date in dates_in(root) for line in read_lines(root / date, stream)]


def test_a_critical_alert_reaches_slack_a_warning_goes_by_digest_and_everything_is_journalled(
    real: "redis.Redis", slack: SlackDouble, start: Start, tmp_path: Path
) -> None:
    notifier = start(NOTIFIER, SLACK_WEBHOOK_URL=slack.url, ARB_NOTIFIER_DIGEST_INTERVAL_S="1")
    ticks = send(real, *(quote(n) for n in range(300)), name="g1")
    alerts = send(real, alert(), alert("w", Severity.WARNING, kind=AlertKind.SESSION), resolved())
    wait_for(lambda: len(slack.texts().splitlines()) >= 2, "both notices")
    assert "CRITICAL" in slack.texts() and "RESOLVED" in slack.texts()
    wait_for(lambda: bool(real.exists("rq:queue:arb-digests")), "the digest in the queue")
    worker = start("services.notifier.worker", arguments="--burst", SLACK_WEBHOOK_URL=slack.url)
    assert worker.wait(30) == 0
    assert "Digest: 1 alerts" in slack.texts()
    notifier.send_signal(signal.SIGTERM)
    assert notifier.wait(DEADLINE_S) == 0
    assert journalled(tmp_path / "journal", "ticks") == ticks
    assert journalled(tmp_path / "journal", "alerts") == alerts
    assert "secret" not in (tmp_path / "log").read_text()


def test_a_notice_that_slack_did_not_take_is_delivered_by_the_next_process(
    real: "redis.Redis", slack: SlackDouble, start: Start
) -> None:
    slack.always = Answer(500)
    first = start(NOTIFIER, SLACK_WEBHOOK_URL=slack.url)
    send(real, alert())
    wait_for(lambda: bool(slack.attempts), "an attempt")
    wait_for(lambda: (found := status(real)) is not None and found.failed > 0, "the failure in the status")
    first.kill()
    first.wait()
    slack.always = Answer(200)
    start(NOTIFIER, SLACK_WEBHOOK_URL=slack.url)
    wait_for(lambda: len(slack.posts) == 1, "the delivery")
    wait_for(
        lambda: (found := status(real)) is not None and found.delivered == 1, "the delivery in the status"
    )


def test_without_a_webhook_alerts_stand_on_the_terminal_and_repeat_until_acknowledged(
    real: "redis.Redis", start: Start, tmp_path: Path
) -> None:
    start(NOTIFIER, SLACK_WEBHOOK_URL="", ARB_NOTIFIER_ESCALATE_AFTER_S="1")
    send(real, alert())
    terminal = tmp_path / "log"
    wait_for(lambda: "NOT ACKNOWLEDGED" in terminal.read_text(), "the repetition")
    send(real, acknowledged())
    wait_for(lambda: (found := status(real)) is not None and not found.unacknowledged, "the acknowledgement")


def test_a_second_notifier_takes_over_and_the_first_lets_go_of_the_journal_and_waits(
    real: "redis.Redis", start: Start, tmp_path: Path
) -> None:
    first = start(NOTIFIER)
    wait_for(lambda: status(real) is not None, "the first")
    start(NOTIFIER)

    def waits() -> bool:
        bodies = [decode(entry.text).body for entry in RedisBus(real).tail(ALERTS.key, 50)]
        return any(isinstance(body, AlertRaised) and body.code == "second_instance" for body in bodies)

    wait_for(waits, "the alert of the first")
    sent = send(real, quote(1), name="g1")
    wait_for(lambda: journalled(tmp_path / "journal", "ticks") == sent, "the second one's journal")
    assert first.poll() is None
    first.terminate()
    assert first.wait(DEADLINE_S) == 3


def test_a_journal_that_cannot_be_written_is_an_alert(
    real: "redis.Redis", start: Start, tmp_path: Path
) -> None:
    (tmp_path / "journal").write_text("a file where the folder should be")
    start(NOTIFIER)

    def told() -> bool:
        bodies = [decode(entry.text).body for entry in RedisBus(real).tail(ALERTS.key, 50)]
        return any(isinstance(body, AlertRaised) and body.alert_id == "journal-stopped" for body in bodies)

    wait_for(told, "the alert")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"SLACK_WEBHOOK_URL": "http://elsewhere.example/secret"}, "SLACK_WEBHOOK_URL"),
        ({"ARB_NOTIFIER_IMMEDIATE_SEVERITIES": "[]"}, "immediate_severities"),
        ({"ARB_NOTIFIER_LANGUAGE": "fr"}, "language"),
        ({"ARB_NOTIFIER_NONSENSE": "1"}, "ARB_NOTIFIER_NONSENSE"),
        ({"ARB_RUNTIME_DAY_PLAN": "nowhere.json"}, "nowhere.json"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_at_the_start(
    real: "redis.Redis", start: Start, tmp_path: Path, settings: dict[str, str], said: str
) -> None:
    notifier = start(NOTIFIER, **settings)
    assert notifier.wait(DEADLINE_S) == 2
    shown = (tmp_path / "log").read_text()
    assert said in shown and "secret" not in shown and "Traceback" not in shown
