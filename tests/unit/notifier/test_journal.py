"""The journal on a real Redis: kills, trimming, gaps, what everybody has read."""

import json
import os
import random
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import redis
from structlog.testing import capture_logs

from services.contracts.alert_codes import AlertCode
from services.contracts.streams import ALERTS, CONTROL, DEAD, ORDERS, TABLE, TICKS, key_of, state_key
from services.contracts.terms import Severity
from services.market.market_clock import REAL_TIME
from services.notifier import journal as journal_module
from services.notifier.journal import Journal, JournalOptions
from services.notifier.journal_folder import dates_in, lock, parts_in
from services.notifier.journal_reader import read_lines
from services.notifier.journal_source import StreamSource
from services.runtime.bus import BusUnavailable
from services.runtime.redis_bus import RedisBus
from tests.support.journal_lines import gaps_of, ids, journal_in, lines

from .builders import DEADLINE_S, TICKS_G1, alert, quote, send, wait_for

pytestmark = pytest.mark.redis
ROOT = Path(__file__).resolve().parents[3]


def in_redis(client: "redis.Redis", key: str) -> list[str]:
    return [entry.entry_id for entry in RedisBus(client).tail(key, 100_000)]


def test_every_stream_is_written_down_with_new_groups_as_they_appear(
    real: "redis.Redis", tmp_path: Path
) -> None:
    sent = {}
    for stream in TABLE:
        key = key_of(stream, "x")
        sent[stream.name] = real.xadd(key, {"m": '{"type":"' + stream.name + '"}'})
    journal = journal_in(tmp_path, real)
    journal.step()
    journal.close()
    assert {name: [entry_id.decode()] for name, entry_id in sent.items()} == {
        stream.name: ids(tmp_path, stream.name) for stream in TABLE
    }
    journal.step()
    send(real, quote(1), name="late")
    journal._discovered_s = 0.0
    journal.step()
    journal.close()
    assert [line.key for line in lines(tmp_path, "ticks")] == ["ticks:{x}", "ticks:{late}"]


def test_the_envelope_comes_back_as_it_was_sent(real: "redis.Redis", tmp_path: Path) -> None:
    send(real, quote(7), name="g1")
    real.xadd(TICKS_G1, {"m": b"\xff\xfenot json"})
    real.xadd(TICKS_G1, {"other": "field"})
    journal = journal_in(tmp_path, real)
    journal.step()
    journal.close()
    folder = tmp_path / dates_in(tmp_path)[0]
    assert [line.envelope.body for line in read_lines(folder, TICKS) if line.body is not None] == [quote(7)]
    assert [line.raw for line in lines(tmp_path, "ticks")] == [None, b"\xff\xfenot json", b""]


@contextmanager
def journal_process(url: str, root: Path) -> Iterator["subprocess.Popen[bytes]"]:
    script = Path(__file__).with_name("journal_process.py")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (root.parent / "process.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, str(script), url, str(root)], env=environment, stderr=log, stdout=log
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_killed_again_and_again_no_line_is_lost_or_doubled(
    real: "redis.Redis", redis_url: str, tmp_path: Path
) -> None:
    root, done = tmp_path / "journal", threading.Event()
    seed = random.Random(11)

    def feed() -> None:
        seq = 0
        with redis.Redis.from_url(redis_url) as client:
            while not done.is_set():
                send(client, *(quote(seq + n) for n in range(20)), name="g1")
                send(client, alert(f"a{seq}"))
                seq += 20
                time.sleep(0.01)

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        for _ in range(3):
            written = len(ids(root, "ticks"))
            with journal_process(redis_url, root):
                wait_for(lambda: len(ids(root, "ticks")) > written, "lines of this process")  # noqa: B023
                time.sleep(seed.random() * 0.2)
            newest = parts_in(root / dates_in(root)[-1])[-1].path
            with newest.open("ab") as file:
                file.write(b'{"id":"1795')
    finally:
        done.set()
        feeder.join()
    last = journal_in(root, real, max_bytes=200_000)
    while last.step():
        pass
    last.close()
    assert ids(root, "ticks") == in_redis(real, TICKS_G1)
    assert ids(root, "alerts") == in_redis(real, ALERTS.key)
    assert gaps_of(root / dates_in(root)[-1], TICKS) == []


def test_what_was_trimmed_while_nobody_wrote_is_a_marked_gap(real: "redis.Redis", tmp_path: Path) -> None:
    first = journal_in(tmp_path, real)
    before = send(real, *(quote(n) for n in range(5)), name="g1")
    first.step()
    first.close()
    after = send(real, *(quote(n) for n in range(5, 20)), name="g1")
    real.xtrim(TICKS_G1, maxlen=3, approximate=False)
    second = journal_in(tmp_path, real)
    second.step()
    second.close()
    assert ids(tmp_path, "ticks") == [*before, *after[-3:]]
    (gap,) = gaps_of(tmp_path / dates_in(tmp_path)[-1], TICKS)
    assert (gap.from_id, gap.to_id) == (before[-1], after[-3])
    assert [trouble.code for trouble in second.report.troubles] == [AlertCode.JOURNAL_HOLE]


def test_what_was_trimmed_before_the_first_start_is_a_gap_too(real: "redis.Redis", tmp_path: Path) -> None:
    send(real, *(quote(n) for n in range(9)), name="g1")
    real.xtrim(TICKS_G1, maxlen=3, approximate=False)
    journal = journal_in(tmp_path, real)
    journal.step()
    journal.close()
    assert len(gaps_of(tmp_path / dates_in(tmp_path)[-1], TICKS)) == 1


def test_a_running_journal_that_falls_behind_marks_the_hole(real: "redis.Redis", tmp_path: Path) -> None:
    journal = journal_in(tmp_path, real, count=10)
    before = send(real, *(quote(n) for n in range(10)), name="g1")
    journal.step()
    after = send(real, *(quote(n) for n in range(40)), name="g1")
    real.xtrim(TICKS_G1, maxlen=20, approximate=False)
    while journal.step():
        pass
    journal.close()
    assert ids(tmp_path, "ticks") == [*before, *after[-20:]]
    assert len(gaps_of(tmp_path / dates_in(tmp_path)[-1], TICKS)) == 1


def test_what_a_stream_dropped_between_two_rounds_is_marked(real: "redis.Redis", tmp_path: Path) -> None:
    journal = journal_in(tmp_path, real)
    before = send(real, *(quote(n) for n in range(5)), name="g1")
    journal.step()
    after = send(real, *(quote(n) for n in range(5, 20)), name="g1")
    real.xtrim(TICKS_G1, maxlen=3, approximate=False)
    journal.step()
    journal.close()
    assert ids(tmp_path, "ticks") == [*before, *after[-3:]]
    assert len(gaps_of(tmp_path / dates_in(tmp_path)[-1], TICKS)) == 1


def test_what_was_dropped_while_the_disk_refused_is_marked(real: "redis.Redis", tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    journal = journal_in(tmp_path, real, sync_ms=10**9)
    sent = send(real, *(quote(n) for n in range(3)), name="g1")
    journal.step()
    sent += send(real, *(quote(n) for n in range(3, 20)), name="g1")
    real.xtrim(TICKS_G1, maxlen=5, approximate=False)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            journal.step()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    journal.step()
    journal.close()
    assert ids(tmp_path, "ticks") == sent[-5:], "what was not synced is cut off, and what is left is read"
    assert len(gaps_of(tmp_path / dates_in(tmp_path)[-1], TICKS)) == 1


def test_what_all_have_read_and_is_old_goes_and_nothing_else(real: "redis.Redis", tmp_path: Path) -> None:
    rows = [real.xadd(ORDERS.key, {"m": "{}"}).decode() for _ in range(1_000)]
    for key in (DEAD.key, CONTROL.key):
        for _ in range(300):
            real.xadd(key, {"m": "{}"})
    beyond = {CONTROL.key: "9999999999999-0", DEAD.key: "9999999999999-0"}
    for service, at in (("risk", 999), ("executor", 700), ("gateway", 0), ("detector", 0)):
        read = {ORDERS.key: rows[at]} if at else {}
        real.hset(state_key(service), "positions", json.dumps({**beyond, **read}))
    journal = journal_in(tmp_path, real, keep_s=3_600, sync_ms=1)
    journal.step()
    assert len(in_redis(real, ORDERS.key)) == 1_000, "young entries stay"
    journal.close()
    journal = journal_in(tmp_path, real, keep_s=-60, sync_ms=1)
    until = time.monotonic() + DEADLINE_S
    while len(in_redis(real, ORDERS.key)) > 400 and time.monotonic() < until:
        journal._retained_s = 0.0
        journal.step()
    while journal.step():
        pass
    journal.close()
    left = in_redis(real, ORDERS.key)
    assert left[-300:] == rows[-300:], "what the executor has not committed is there"
    assert len(left) <= 400
    assert ids(tmp_path, "orders") == rows and (real.xlen(DEAD.key), real.xlen(CONTROL.key)) == (300, 300)


def test_a_stream_grown_past_the_alarm_is_told_with_who_holds_it(
    real: "redis.Redis", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.notifier.retention.LOSSLESS_ALARM", 5)
    for _ in range(6):
        real.xadd(ORDERS.key, {"m": "{}"})
    journal = journal_in(tmp_path, real)
    journal.step()
    journal.close()
    trouble = journal.report.troubles[0]
    assert ORDERS.key in trouble.alert_id and trouble.facts["reader"] == "executor"


def run_in_thread(journal: Journal) -> tuple[threading.Thread, threading.Event]:
    stop = threading.Event()
    thread = threading.Thread(target=journal.run, args=(stop,), daemon=True)
    thread.start()
    return thread, stop


def test_a_journal_that_another_holds_says_so_and_takes_over_when_it_is_free(
    real: "redis.Redis", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "RETRY_S", 0.02)
    held = lock(tmp_path)
    journal = journal_in(tmp_path, real)
    sent = send(real, alert())
    thread, stop = run_in_thread(journal)
    wait_for(lambda: bool(journal.report.troubles), "a trouble")
    assert ids(tmp_path, "alerts") == []
    held.close()
    wait_for(lambda: ids(tmp_path, "alerts") == sent, "the line")
    wait_for(lambda: not journal.report.troubles, "all clear")
    stop.set()
    thread.join(DEADLINE_S)


def test_a_disk_with_little_room_is_told_and_a_stop_counts_as_lag(
    real: "redis.Redis", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "RETRY_S", 0.02)
    journal = journal_in(tmp_path, real, min_free_mb=2**40)
    thread, stop = run_in_thread(journal)
    wait_for(lambda: [t.alert_id for t in journal.report.troubles] == ["journal-disk"], "little room")
    assert journal.report.lag_ms == 0
    stop.set()
    thread.join(DEADLINE_S)
    held = lock(tmp_path)
    thread, stop = run_in_thread(journal)
    wait_for(lambda: journal.report.lag_ms > 50, "lag")
    stop.set()
    thread.join(DEADLINE_S)
    held.close()


def test_a_full_disk_is_critical_and_once_there_is_room_nothing_is_missing(
    real: "redis.Redis", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "RETRY_S", 0.02)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    sent = send(real, *(quote(n) for n in range(20)), name="g1")
    journal = journal_in(tmp_path, real, poll_ms=10, count=15)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, hard))
    try:
        thread, stop = run_in_thread(journal)
        wait_for(lambda: bool(journal.report.troubles), "a trouble")
        assert journal.report.troubles[0].severity is Severity.CRITICAL
        sent_order = send(real, alert())
        wait_for(lambda: ids(tmp_path, "alerts") == sent_order, "another file that has room")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    wait_for(lambda: ids(tmp_path, "ticks") == sent and not journal.report.troubles, "everything")
    stop.set()
    thread.join(DEADLINE_S)


def test_what_was_written_but_not_synced_when_the_disk_refused_is_read_again(
    real: "redis.Redis", tmp_path: Path
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    journal = journal_in(tmp_path, real, sync_ms=10**9)
    sent = send(real, *(quote(n) for n in range(3)), name="g1")
    journal.step()
    assert ids(tmp_path, "ticks") == sent
    sent += send(real, *(quote(n) for n in range(3, 20)), name="g1")
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            journal.step()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    journal.step()
    journal.close()
    assert ids(tmp_path, "ticks") == sent


def test_positions_that_cannot_be_read_hold_back_all_trimming_and_are_told(
    real: "redis.Redis", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "RETENTION_S", 0)
    trimmed: list[str] = []
    monkeypatch.setattr(RedisBus, "trim_before", lambda bus, key, before: trimmed.append(key))
    sent = send(real, alert("a1"))
    real.hset(state_key("executor"), "positions", "junk")
    journal = journal_in(tmp_path, real, keep_s=0)
    journal.step()
    (told,) = [trouble for trouble in journal.report.troubles if trouble.code == AlertCode.STATE_UNREADABLE]
    assert told.facts["service"] == "executor" and trimmed == []
    real.delete(state_key("executor"))
    journal.step()
    assert key_of(ALERTS) in trimmed
    assert journal.report.troubles == () and ids(tmp_path, "alerts") == sent
    journal.close()


def test_a_fault_that_lasts_uses_up_no_file_handles(
    real: "redis.Redis", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = journal_in(tmp_path, real)

    def fail(*_: object) -> None:
        raise ValueError("a fault of our own")

    monkeypatch.setattr(journal, "_retain_when_due", fail)
    sent, open_files = [], []
    for number in range(4):
        sent += send(real, quote(number), name="g1")
        with capture_logs():
            journal._attempt(journal.step)
        open_files.append(psutil.Process().num_fds())
    assert journal.report.troubles[0].facts["failure"] == "fault"
    assert open_files[-1] <= open_files[0]
    assert ids(tmp_path, "ticks") == sent
    journal.close()


def test_a_journal_whose_thread_has_ended_falls_behind_by_the_clock(
    real: "redis.Redis", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(real, alert("a1"))
    journal = journal_in(tmp_path, real)
    assert journal._attempt(journal.step) is False
    assert journal.standing() == journal.report and journal.report.lag_ms == 0
    later = time.monotonic() + 60
    monkeypatch.setattr(journal_module.time, "monotonic", lambda: later)
    assert journal.standing().lag_ms >= 59_000
    journal.close()


def test_redis_that_comes_back_is_read_on_without_loss(
    real: "redis.Redis", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "RETRY_S", 0.02)
    away = threading.Event()

    def connect() -> StreamSource:
        if away.is_set():
            raise BusUnavailable("Redis did not answer: refused")
        return StreamSource(real)

    journal = Journal(JournalOptions(tmp_path, REAL_TIME.trading_date_at, poll_ms=10), connect)
    thread, stop = run_in_thread(journal)
    sent = send(real, alert("a"))
    wait_for(lambda: ids(tmp_path, "alerts") == sent, "the first line")
    away.set()
    journal._source = None
    wait_for(lambda: bool(journal.report.troubles), "a trouble")
    sent += send(real, alert("b"))
    away.clear()
    wait_for(lambda: ids(tmp_path, "alerts") == sent, "the second line")
    stop.set()
    thread.join(DEADLINE_S)
    assert not thread.is_alive()


def test_the_end_writes_what_is_still_waiting(real: "redis.Redis", tmp_path: Path) -> None:
    journal = journal_in(tmp_path, real, count=10)
    stop = threading.Event()
    stop.set()
    sent = send(real, *(quote(n) for n in range(95)), name="g1")
    journal.run(stop)
    assert ids(tmp_path, "ticks") == sent
