"""The supervisor itself stopped, killed, doubled, without Redis, and with a gateway that never comes up."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from services.contracts.terms import Severity
from services.gateway.halt_file import LaidBy
from services.gateway.watched import LOOK_FILE, look_age_s
from tests.support.supervised import Supervised, until

pytestmark = [pytest.mark.slow, pytest.mark.redis, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervised]:
    desk = Supervised(tmp_path_factory.mktemp("sup"))
    try:
        desk.start()
        yield desk
    finally:
        desk.stop()


def test_a_new_supervisor_goes_on_watching_the_same_gateway(desk: Supervised) -> None:
    before = desk.ready()
    supervisor = desk.processes[-1]
    supervisor.kill()
    supervisor.wait()
    os.utime(desk.state_dir / LOOK_FILE, (1, 1))
    desk.supervise()
    until(
        "somebody looks",
        lambda: (age_s := look_age_s(desk.state_dir, time.time())) is not None and age_s < 60,
    )
    until("it is watched", lambda: (s := desk.status()) and s.pid == before and s.starts == 0)
    assert desk.ready() == before
    os.kill(before, signal.SIGKILL)
    desk.halted_then_ready(before)


def test_a_second_supervisor_is_refused(desk: Supervised) -> None:
    assert desk.supervise().wait(30) == 2
    desk.processes.pop()


def test_with_redis_dead_the_supervisor_posts_to_slack_itself(desk: Supervised) -> None:
    before = desk.ready()
    assert desk.redis.process is not None
    desk.redis.process.send_signal(signal.SIGSTOP)
    try:
        until("Slack hears of Redis", lambda: any("Redis" in text for text in desk.slack.texts), desk.errors)
        os.kill(before, signal.SIGKILL)
        until("Slack hears of the gateway", lambda: any("gateway ended" in t for t in desk.slack.texts),
              desk.errors)  # fmt: skip
    finally:
        desk.redis.process.send_signal(signal.SIGCONT)
    desk.ready(other_than=before)
    noted = until(
        "the journal has it too", lambda: [a for a in desk.alerts() if "posted to Slack" in a.detail]
    )
    assert all(alert.severity is Severity.INFO for alert in noted)
    assert len(desk.slack.texts) == len(set(desk.slack.texts))


def test_told_to_stop_it_stops_the_gateway_and_leaves_no_file(desk: Supervised) -> None:
    pid = desk.ready()
    supervisor = desk.processes[-1]
    supervisor.send_signal(signal.SIGTERM)
    assert supervisor.wait(30) == 0
    assert not psutil.pid_exists(pid) and not desk.halt.present
    desk.supervise()
    desk.ready(other_than=pid)


def test_a_gateway_behind_a_launcher_is_watched_and_stopped_as_any_other(tmp_path: Path) -> None:
    """As on Windows, where `python.exe` of a venv starts the real one and waits for it."""
    real = [sys.executable, "-m", "services.simulator.host", "services.gateway"]
    waits = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))"
    desk = Supervised(tmp_path, FIRST_PULSE_S="20", COMMAND=json.dumps([sys.executable, "-c", waits, *real]))
    try:
        desk.start()
        pid = desk.ready()
        launcher = psutil.Process(pid).ppid()
        status = until("its status is told", lambda: (s := desk.status()) and s.pid == pid and s, desk.errors)
        assert (status.starts, status.ends, status.halt) == (1, 0, "nobody")
        assert status.memory_mb >= psutil.Process(pid).memory_info().rss >> 20
        desk.processes[-1].send_signal(signal.SIGTERM)
        assert desk.processes[-1].wait(30) == 0
        assert not psutil.pid_exists(pid) and not psutil.pid_exists(launcher) and not desk.halt.present
        assert "the supervisor asks" in (tmp_path / "logs" / "gateway.log").read_text(), "killed, not asked"
    finally:
        desk.stop()


def test_one_that_never_comes_up_is_given_up_loudly(tmp_path: Path) -> None:
    fails = json.dumps([sys.executable, "-c", "raise SystemExit(7)"])
    desk = Supervised(tmp_path, MOST_ENDS="2", COMMAND=fails, REST_FROM="00:00:00", REST_TO="00:00:00")
    try:
        desk.supervise()
        until("it gave up", lambda: any(a.alert_id == "gateway-given-up" for a in desk.alerts()), desk.errors)
        assert desk.halt.laid_by is LaidBy.SUPERVISOR
        assert until("its status says so", lambda: (s := desk.status()) and s.phase == "gave_up")
    finally:
        desk.stop()
