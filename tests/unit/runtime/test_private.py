"""Other users of the machine open nothing of what the system writes."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis

from services.cli.__main__ import main as cli_main
from services.contracts.terms import TradingDate
from services.gateway.pulse import PulseFile
from services.gateway.supervisor import app as supervisor
from services.notifier import worker
from services.notifier.journal_folder import lock
from services.notifier.journal_writer import Batch, JournalWriter
from services.runtime.logs import RotatingFile, backup_of
from services.runtime.private import private_folder
from services.runtime.process import EXIT_BAD_SETTINGS, run_service
from services.runtime.redis_server import find_redis

pytestmark = pytest.mark.skipif(os.name != "posix", reason="access lists say it on Windows")


@pytest.fixture(autouse=True)
def careless() -> Iterator[None]:
    """A login shell that shows everything to everybody."""
    before = os.umask(0o000)
    yield
    os.umask(before)


def open_to_others(folder: Path) -> list[str]:
    found = [folder, *folder.rglob("*")]
    return [str(path) for path in found if path.lstat().st_mode & 0o077 and not path.is_symlink()]


def test_a_folder_that_stands_open_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir(mode=0o777)
    assert private_folder(folder) == folder
    assert open_to_others(folder) == []
    assert private_folder(tmp_path / "a" / "b").stat().st_mode & 0o077 == 0


def test_a_log_that_stands_open_is_closed_and_its_successors_are(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.touch(mode=0o666)
    log = RotatingFile(path, max_bytes=10)
    for _ in range(3):
        log.write("a line of more than ten\n")
    assert backup_of(path, 2).exists()
    assert [name for name in open_to_others(tmp_path) if ".log" in name] == []
    assert path.read_text() == "a line of more than ten\n"


def test_the_journal_and_the_state_folder_are_closed(tmp_path: Path) -> None:
    home = tmp_path / "journal"
    home.mkdir(mode=0o777)
    lock(home).close()
    writer = JournalWriter(home, {}, lambda ns: TradingDate("2026-11-23"), 1_000)
    writer.append(Batch("{arb}:orders", [("1795397412345-0", b"{}")]))
    writer.close()
    assert [p for p in open_to_others(home) if not p.endswith("lock")] == [] and any(home.rglob("*orders*"))
    state = tmp_path / "gateway"
    state.mkdir(mode=0o777)
    PulseFile(state)
    assert open_to_others(state) == []


@pytest.mark.redis
def test_what_a_redis_of_ours_keeps_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    folder.mkdir(mode=0o777)
    server = find_redis("", folder)
    try:
        redis.Redis.from_url(server.url).set("a", 1)
        assert open_to_others(folder) == [] and any(folder.rglob("*.aof"))
    finally:
        server.stop()


def umask() -> int:
    now = os.umask(0)
    os.umask(now)
    return now


@pytest.mark.parametrize(
    "start",
    [lambda: run_service(lambda runtime: pytest.fail("not built")), worker.main, supervisor.main, cli_main],
    ids=["a service", "worker", "supervisor", "arb"],
)
def test_each_process_lets_nobody_else_open_what_it_makes(
    start: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it ends with: here at once, at settings that it cannot use."""
    monkeypatch.setenv("ARB_RUNTIME_NONSENSE", "1")
    monkeypatch.setattr(sys, "argv", ["x", "--help"] if start is cli_main else ["x"])
    with suppress(SystemExit):
        assert start() == EXIT_BAD_SETTINGS
    assert umask() == 0o077
