"""What an entry, a key, a file or Redis itself may do, and the journal still records every stream whole."""

import json
import time
from pathlib import Path

import pytest
import redis

from services.contracts.alert_codes import AlertCode
from services.contracts.streams import ALERTS, ORDERS, STATUS
from services.market.market_clock import REAL_TIME
from services.notifier.journal import Journal
from services.notifier.journal_chain import verify
from services.notifier.journal_folder import dates_in, lock
from tests.support.journal_lines import gaps_of, ids, journal_in, lines

from .builders import alert, send

pytestmark = pytest.mark.redis


# -- Redis lost entries, or its clock was set back ------------------------------------------------


def put(client: "redis.Redis", key: str, *entries: tuple[int, int]) -> None:
    """Append entries as (ms after now, number) with ids given by hand."""
    for after_ms, number in entries:
        client.xadd(key, {"m": json.dumps({"n": number})}, id=f"{NOW_MS + after_ms}-0")


NOW_MS = int(time.time() * 1_000)


def numbers(root: Path, stream: str) -> list[int]:
    return [line.body["n"] for line in lines(root, stream) if line.body is not None]


def rounds(journal: Journal, count: int = 2) -> None:
    """Rounds of a journal that looks at every stream in each of them."""
    for _ in range(count):
        journal._discovered_s = 0.0
        journal.step()


@pytest.mark.parametrize("restarted", [False, True])
def test_an_emptied_redis_whose_clock_is_behind_is_written_whole(
    real: "redis.Redis", tmp_path: Path, restarted: bool
) -> None:
    journal = journal_in(tmp_path, real)
    put(real, ORDERS.key, *((n, n) for n in range(5)))
    rounds(journal)
    real.flushall()
    put(real, ORDERS.key, *((n - 30_000, 100 + n) for n in range(60)))
    if restarted:
        journal.close()
    rounds(journal, 4)
    put(real, ORDERS.key, (60_000, 999))
    rounds(journal, 4)
    journal.close()
    assert numbers(tmp_path, "orders") == [*range(5), *range(100, 160), 999]
    assert [gap.restarted for gap in gaps_of(tmp_path / dates_in(tmp_path)[-1], ORDERS)] == [True]
    assert AlertCode.JOURNAL_RESTARTED in {trouble.code for trouble in journal.report.troubles}
    assert [verdict.broken for verdict in verify(tmp_path)] == [None]


def test_a_redis_without_its_last_entries_is_read_from_where_it_parted(
    real: "redis.Redis", tmp_path: Path
) -> None:
    """The ids that are taken again, one of them the very same, name other entries than the record's."""
    journal = journal_in(tmp_path, real)
    put(real, ORDERS.key, *((n, n) for n in range(10)))
    rounds(journal)
    real.delete(ORDERS.key)
    put(real, ORDERS.key, *((n, n) for n in range(6)), (6, 100), (7, 101))
    rounds(journal)
    put(real, ORDERS.key, (9, 102), (20, 103))
    rounds(journal)
    journal.close()
    assert numbers(tmp_path, "orders") == [*range(10), 100, 101, 102, 103]
    assert len(gaps_of(tmp_path / dates_in(tmp_path)[-1], ORDERS)) == 1


def test_a_moved_folder_of_an_earlier_date_doubles_no_line_where_redis_lost_its_end(
    real: "redis.Redis", tmp_path: Path
) -> None:
    days_ms = [-days * 86_400_000 for days in (4, 3, 2)]
    journal = journal_in(tmp_path / "journal", real)
    put(real, ORDERS.key, *((ms, number) for number, ms in enumerate(days_ms)))
    rounds(journal)
    (tmp_path / "journal" / dates_in(tmp_path / "journal")[-1]).rename(tmp_path / "away")
    real.delete(ORDERS.key)
    put(real, ORDERS.key, (days_ms[0], 0), (days_ms[2] - 1, 100))
    rounds(journal)
    journal.close()
    assert numbers(tmp_path / "journal", "orders") == [0, 1, 100]


def test_an_entry_that_took_the_id_of_the_last_line_is_written(real: "redis.Redis", tmp_path: Path) -> None:
    journal = journal_in(tmp_path, real)
    put(real, ORDERS.key, *((n, n) for n in range(5)))
    rounds(journal)
    real.delete(ORDERS.key)
    put(real, ORDERS.key, *((n, n) for n in range(4)), (4, 100))
    rounds(journal)
    journal.close()
    assert numbers(tmp_path, "orders") == [*range(5), 100]


# -- one entry, key or file harms no other ----------------------------------------------------------


def test_an_id_far_in_the_future_harms_no_stream(real: "redis.Redis", tmp_path: Path) -> None:
    for key in (ALERTS.key, ORDERS.key):
        real.xadd(key, {"m": '{"n":1}'})
    today = {REAL_TIME.trading_date_at(time.time_ns())}
    for ms in (NOW_MS + 10 * 86_400_000, 253_402_300_800_000, 2**64 - 1):
        real.xadd(ALERTS.key, {"m": '{"n":2}'}, id=f"{ms}-0")
    real.xadd(ALERTS.key, {"m": '{"n":3}'})
    journal = journal_in(tmp_path, real)
    rounds(journal)
    real.xadd(ORDERS.key, {"m": '{"n":4}'})
    rounds(journal)
    journal.close()
    assert numbers(tmp_path, "alerts") == [1, 2, 2, 2, 3] and numbers(tmp_path, "orders") == [1, 4]
    assert set(dates_in(tmp_path)) <= {*today, REAL_TIME.trading_date_at(time.time_ns())}
    again = journal_in(tmp_path, real)
    again.step()
    again.close()
    assert again.report.lines == 0


def test_deeply_nested_entries_end_no_record(real: "redis.Redis", tmp_path: Path) -> None:
    texts = [b'{"a":' + b"[" * depth + b"]" * depth + b"}" for depth in (50, 900, *range(950, 1_000), 50_000)]
    for text in texts:
        real.xadd(STATUS.key, {"m": text})
    for number in range(2):
        real.xadd(ALERTS.key, {"m": json.dumps({"n": number})})
        journal = journal_in(tmp_path, real)
        rounds(journal)
        journal.close()
    assert numbers(tmp_path, "alerts") == [0, 1]
    found = [json.dumps(line.body).encode() if line.body else line.raw for line in lines(tmp_path, "status")]
    assert found == [texts[0].replace(b":", b": "), *texts[1:]]


def test_a_key_that_is_no_stream_keeps_no_other_from_the_record(real: "redis.Redis", tmp_path: Path) -> None:
    real.set(ORDERS.key, "text")
    sent = send(real, alert())
    journal = journal_in(tmp_path, real)
    rounds(journal)
    assert ids(tmp_path, "alerts") == sent
    (told,) = journal.report.troubles
    assert told.facts == {"failure": "key", "problem": f"{ORDERS.key} is a string"}
    real.delete(ORDERS.key)
    rounds(journal)
    assert journal.report.troubles == ()
    journal.close()


@pytest.mark.parametrize("whole_folder", [False, True])
def test_a_record_that_was_moved_away_is_written_again_from_redis(
    real: "redis.Redis", tmp_path: Path, whole_folder: bool
) -> None:
    root = tmp_path / "journal"
    sent = send(real, alert("a"), alert("b"))
    journal = journal_in(root, real, sync_ms=1)
    rounds(journal)
    (root if whole_folder else root / dates_in(root)[-1]).rename(tmp_path / "away")
    sent += send(real, alert("c"))
    for _ in range(4):
        time.sleep(0.002)
        rounds(journal, 1)
    journal.close()
    assert ids(root, "alerts") == sent
    assert [verdict.broken for verdict in verify(root)] == [None]
    assert [trouble.code for trouble in journal.report.troubles] == [AlertCode.JOURNAL_TAKEN]


def test_a_journal_that_has_not_looked_yet_says_so(real: "redis.Redis", tmp_path: Path) -> None:
    journal = journal_in(tmp_path, real, min_free_mb=2**40)
    assert {trouble.removesuffix("-") for trouble in journal.standing().unknown} >= {
        "journal-disk", "journal-stopped", "stream-length",
    }  # fmt: skip
    held = lock(tmp_path)
    journal._attempt(journal.step)
    assert "journal-disk" in journal.report.unknown and "journal-stopped" not in journal.report.unknown
    held.close()
    journal._attempt(journal.step)
    assert not {"journal-disk", "journal-stopped", "stream-length-"} & set(journal.report.unknown)
    journal.close()
