"""The supervisor with real processes: the gateway on the emulated control meets each trouble there is."""

import os
import signal
from collections.abc import Iterator

import psutil
import pytest

from services.contracts.terms import Severity
from services.gateway.halt_file import LaidBy
from services.simulator.admin import Admin
from tests.support.supervised import Supervised, until

pytestmark = [pytest.mark.slow, pytest.mark.redis, pytest.mark.timeout(180)]


@pytest.fixture(scope="class")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervised]:
    """One for each class: every start of a gateway spends of the broker's fifty queries in three minutes."""
    desk = Supervised(
        tmp_path_factory.mktemp("sup"), STALE_S='{"book": 4}', MEMORY_SOFT_MB="600", MEMORY_HARD_MB="650"
    )
    try:
        desk.start()
        yield desk
    finally:
        desk.stop()


def down_alerts(desk: Supervised) -> list[str]:
    return [a.detail for a in desk.alerts() if a.alert_id == "gateway-down" and not a.resolved]


class TestTroubles:
    """What ends a gateway, or makes it useless."""

    def test_a_blocked_event_loop_is_killed_and_started_anew(self, desk: Supervised) -> None:
        before = desk.ready()
        desk.trouble("hang", amount=600_000)
        desk.halted_then_ready(before)
        assert not psutil.pid_exists(before)
        assert any("Qt thread" in detail for detail in down_alerts(desk))

    def test_a_crash_is_followed_by_a_restart_with_its_last_lines_told(self, desk: Supervised) -> None:
        before, told = desk.ready(), len(down_alerts(desk))
        desk.trouble("crash")
        desk.halted_then_ready(before)
        newest = until("an alert", lambda: down_alerts(desk)[told:])[-1]
        assert "SIGABRT" in newest and len(newest.splitlines()) > 1

    def test_a_lost_connection_ends_the_gateway_and_a_new_one_logs_in(self, desk: Supervised) -> None:
        before = desk.ready()
        with Admin(desk.address) as admin:
            admin.inject("disconnect")
        desk.halted_then_ready(before)

    def test_a_feed_that_freezes_with_a_live_connection_is_noticed(self, desk: Supervised) -> None:
        before, told = desk.ready(), len(down_alerts(desk))
        with Admin(desk.address) as admin:
            admin.inject("freeze_feed", venue="NXT", ms=8_000)
        desk.halted_then_ready(before)
        assert any("book of NXT" in detail for detail in down_alerts(desk)[told:])

    def test_a_leak_is_ended_before_the_process_ends_itself(self, desk: Supervised) -> None:
        before = desk.ready()
        desk.trouble("leak", amount=700)
        desk.halted_then_ready(before)
        assert psutil.Process(desk.pid).memory_info().rss < 500 << 20


class TestWindowsAndFiles:
    """What a person or a window says to it."""

    def test_a_known_dialog_is_closed_and_reported(self, desk: Supervised) -> None:
        before = desk.ready()
        desk.trouble("dialog", title="KHOpenAPI", text="통신 연결이 끊겼습니다. 프로그램 종료후")
        until(
            "it is reported",
            lambda: [a for a in desk.alerts() if a.severity is Severity.INFO and "KHOpenAPI" in a.detail],
            desk.errors,
        )
        assert not list((desk.folder / "windows").glob("*.json"))
        assert desk.ready() == before

    def test_an_unknown_dialog_stops_trading_until_somebody_answers_it(self, desk: Supervised) -> None:
        before = desk.ready()
        desk.trouble("dialog", title="Something new", text="Proceed?")
        until("trading is stopped", lambda: desk.halt.laid_by is LaidBy.SUPERVISOR, desk.errors)
        alert = until("it is told", lambda: [a for a in desk.alerts() if "Proceed?" in a.detail])[-1]
        assert alert.severity is Severity.CRITICAL
        for file in (desk.folder / "windows").glob("*.json"):
            file.unlink()
        desk.ready()
        assert desk.pid in (before, desk.pid)

    def test_a_persons_halt_file_outlives_a_restart(self, desk: Supervised) -> None:
        before = desk.ready()
        desk.halt_path.write_text("the desk is at lunch")
        os.kill(before, signal.SIGKILL)
        until("another gateway is ready", lambda: desk.pid not in (0, before) and desk.pulse is not None
              and desk.pulse.vitals.ready, desk.errors)  # fmt: skip
        assert desk.halt_path.read_text() == "the desk is at lunch"
        desk.halt_path.unlink()
        desk.ready(other_than=before)

    def test_the_status_says_how_it_is(self, desk: Supervised) -> None:
        pid = desk.ready()
        status = until("a status of this gateway", lambda: (s := desk.status()) and s.pid == pid and s)
        assert (status.phase, status.halt) == ("running", "nobody")
        assert status.memory_mb > 10 and status.starts > 1
