"""A real Alertmanager with the deployed file: who is told, what is held back, and how it reads in Slack."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.monitoring_tools import Unavailable
from tests.support.prometheus import Alertmanager, Mailbox, alertmanager, mailbox

pytestmark = pytest.mark.slow
TIMEOUT_S: Final = 30


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[tuple[Alertmanager, Mailbox]]:
    try:
        with mailbox() as box, alertmanager(tmp_path, box) as manager:
            yield manager, box
    except Unavailable as error:
        pytest.skip(f"NOT CHECKED: {error}")


def alert(name: str, severity: str, *, over: bool = False, **labels: str) -> dict[str, Any]:
    """Return an alert as Prometheus posts it; `over` says that it has just ended."""
    now = datetime.now(UTC)
    return {
        "labels": {"alertname": name, "severity": severity, **labels},
        "annotations": {
            "summary": f"{name} of 005930",
            "description": "358,500 KRW could not be sold.",
            "runbook_url": f"docs/runbook.md#{name.lower()}",
            "dashboard_url": "http://grafana/d/arb-execution",
        },
        "startsAt": (now - timedelta(minutes=1)).isoformat(),
        "endsAt": (now - timedelta(seconds=1) if over else now + timedelta(minutes=5)).isoformat(),
    }


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not holds():
        assert time.monotonic() < deadline, "did not come"
        time.sleep(0.1)


def test_what_the_notifier_told_is_held_back_until_it_no_longer_delivers(
    desk: tuple[Alertmanager, Mailbox],
) -> None:
    manager, _ = desk
    manager.tell(alert("NotifierDelivers", "none"))
    until(lambda: manager.states().get("NotifierDelivers") == "active")
    manager.tell(
        alert("PositionStranded", "critical", told_by="notifier"), alert("RedisNotOnDisk", "critical")
    )
    until(lambda: manager.states().get("PositionStranded") == "suppressed")
    assert manager.states()["RedisNotOnDisk"] == "active"
    manager.tell(alert("NotifierDelivers", "none", over=True))
    until(lambda: manager.states().get("PositionStranded") == "active")


def test_a_dead_service_is_one_trouble_and_so_is_a_dead_redis(desk: tuple[Alertmanager, Mailbox]) -> None:
    manager, _ = desk
    manager.tell(alert("ServiceDown", "critical", service="gateway"), alert("RedisDown", "critical"))
    until(lambda: manager.states().get("RedisDown") == "active")
    manager.tell(
        alert("FeedStale", "critical", venue="KRX"),
        alert("ServiceSilent", "critical", service="risk"),
        alert("OrderUnknown", "critical"),
    )
    until(lambda: manager.states().get("FeedStale") == "suppressed")
    assert manager.states()["ServiceSilent"] == "suppressed"
    assert manager.states()["OrderUnknown"] == "active"


def test_a_critical_alert_reads_as_what_is_wrong_and_what_to_do(desk: tuple[Alertmanager, Mailbox]) -> None:
    manager, box = desk
    manager.tell(alert("PositionStranded", "critical"), alert("Watchdog", "none"))
    until(lambda: box.at("/slack") and box.at("/heartbeat"))
    (attachment,) = box.at("/slack")[0]["attachments"]
    assert attachment["title"] == "CRITICAL: PositionStranded of 005930"
    assert attachment["color"] == "danger"
    assert (
        "358,500 KRW could not be sold.\nWhat to do: docs/runbook.md#positionstranded\n" in attachment["text"]
    )
    assert "Watchdog" not in json.dumps(box.at("/slack"))
    assert "PositionStranded" not in json.dumps(box.at("/heartbeat"))
