"""Lines, files, torn ends, a disk that refuses: the journal without Redis."""

import json
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.streams import COMMANDS, ORDERS, TABLE, TICKS, key_of, stream_of
from services.contracts.terms import TradingDate
from services.market.market_clock import REAL_TIME
from services.notifier.journal_chain import verify
from services.notifier.journal_folder import (
    JournalLocked,
    dates_in,
    lines_of,
    lock,
    parts_in,
    read_tail,
    recover,
    stem_of,
)
from services.notifier.journal_line import (
    DEEPEST,
    FIRST_ID,
    Gap,
    LineUnreadable,
    entry_line,
    gap_line,
    prefix_of,
    read_line,
)
from services.notifier.journal_reader import read_lines
from services.notifier.journal_writer import Batch, JournalWriter
from services.runtime.standing import entry_order
from tests.support.journal_lines import gaps_of

DAY = TradingDate("2026-11-23")
NEXT_DAY = TradingDate("2026-11-24")
DAY_MS = 1_795_390_200_000
G1 = key_of(TICKS, "g1")


def entries(first: int, count: int, ms: int = DAY_MS) -> list[tuple[str, bytes]]:
    return [(f"{ms + n}-0", b'{"n":%d}' % n) for n in range(first, first + count)]


def writer(root: Path, max_bytes: int = 1_000_000) -> JournalWriter:
    positions, _ = recover(root)
    return JournalWriter(root, positions, REAL_TIME.trading_date_at, max_bytes)


def numbers(root: Path, date: TradingDate = DAY) -> list[int]:
    return [line.body["n"] for line in read_lines(root / date, ORDERS) if line.body is not None]


@given(st.binary(max_size=200) | st.text(max_size=50).map(str.encode))
def test_whatever_an_entry_holds_comes_back_from_its_one_line(text: bytes) -> None:
    line = entry_line(prefix_of(ORDERS.key), "5-1", text)
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    read = read_line(line[:-1])
    assert (read.entry_id, read.key) == ("5-1", ORDERS.key)
    assert read.raw == text if read.body is None else True


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=9) | st.none(), max_size=4))
def test_a_json_object_is_kept_byte_for_byte(body: dict[str, object]) -> None:
    text = json.dumps(body).encode()
    line = entry_line(prefix_of(ORDERS.key), "5-1", text)
    assert text in line and read_line(line[:-1]).body == body


def test_a_gap_line_says_from_where_to_where() -> None:
    line = read_line(gap_line(prefix_of(G1), Gap("5-0", "9-0"))[:-1])
    assert line.gap == Gap("5-0", "9-0") and line.entry_id == "5-0" and line.body is None


@pytest.mark.parametrize(
    "line", [b"", b"{", b'{"id":"5-0"}', b'{"id":"x","key":"k","m":{}}', b"\0" * 40, b"[]"]
)
def test_what_is_no_line_is_refused(line: bytes) -> None:
    with pytest.raises(LineUnreadable):
        read_line(line)


@given(
    st.sampled_from([stream for stream in TABLE if "<name>" in stream.key]), st.text(min_size=1, max_size=8)
)
def test_every_key_has_a_file_name_of_its_own(stream: object, name: str) -> None:
    assert stream in TABLE
    key = key_of(stream, name)  # type: ignore[arg-type]
    stem = stem_of(key)
    assert stream_of(key) == (stream, name)
    assert "/" not in stem and "." not in stem and stem.isascii()
    assert stem != stem_of(key_of(stream, name + "."))


def test_a_key_that_is_no_stream_has_no_file() -> None:
    with pytest.raises(ValueError, match="no stream"):
        stem_of("rq:queue:arb-digests")


def test_each_trading_date_has_its_folder_and_a_large_file_goes_on_in_the_next(tmp_path: Path) -> None:
    journal = writer(tmp_path, max_bytes=300)
    journal.append(Batch(ORDERS.key, entries(0, 20) + entries(0, 3, DAY_MS + 86_400_000)))
    journal.close()
    assert dates_in(tmp_path) == [DAY, NEXT_DAY]
    assert [part.part for part in parts_in(tmp_path / DAY)] == list(range(len(parts_in(tmp_path / DAY))))
    assert len(parts_in(tmp_path / DAY)) > 2
    assert numbers(tmp_path) == list(range(20)) and numbers(tmp_path, NEXT_DAY) == [0, 1, 2]


def test_a_restart_reads_on_from_the_last_line_whatever_the_dates(tmp_path: Path) -> None:
    journal = writer(tmp_path, max_bytes=300)
    journal.append(Batch(ORDERS.key, entries(0, 20)))
    journal.append(Batch(key_of(COMMANDS, "main"), entries(0, 1)))
    journal.append(Batch(ORDERS.key, entries(0, 3, DAY_MS + 86_400_000)))
    journal.close()
    again = writer(tmp_path, max_bytes=300)
    assert again.position(ORDERS.key) == f"{DAY_MS + 86_400_002}-0"
    assert again.position(key_of(COMMANDS, "main")) == f"{DAY_MS}-0"
    assert again.position(G1) == FIRST_ID


def test_the_last_entry_counts_not_the_last_date(tmp_path: Path) -> None:
    """A simulated day may be journalled after real days that are later in the calendar."""
    simulated = JournalWriter(tmp_path, {}, lambda _: TradingDate("2026-11-20"), 1_000_000)
    simulated.append(Batch(ORDERS.key, entries(5, 1)))
    simulated.close()
    earlier = writer(tmp_path)
    earlier.append(Batch(key_of(COMMANDS, "main"), entries(0, 1)))
    earlier.close()
    (tmp_path / DAY / "orders.jsonl").write_bytes(entry_line(prefix_of(ORDERS.key), f"{DAY_MS}-0", b"{}"))
    assert writer(tmp_path).position(ORDERS.key) == f"{DAY_MS + 5}-0"


@given(cut=st.integers(1, 400), rest=st.binary(max_size=20))
def test_a_file_torn_anywhere_loses_no_byte_and_goes_on_at_its_last_whole_line(
    tmp_path_factory: pytest.TempPathFactory, cut: int, rest: bytes
) -> None:
    root = tmp_path_factory.mktemp("torn")
    journal = writer(root)
    journal.append(Batch(ORDERS.key, entries(0, 6)))
    journal.close()
    path = root / DAY / "orders.jsonl"
    whole = path.read_bytes()
    torn = whole[: max(0, len(whole) - cut)] + rest.replace(b"\n", b"")
    path.write_bytes(torn)
    again = writer(root)
    kept = path.read_bytes()
    side = b"".join(item.read_bytes() for item in (root / DAY).glob("torn/*"))
    assert kept + side == torn
    assert whole.startswith(kept)
    lines = list(lines_of(path))
    assert again.position(ORDERS.key) == (lines[-1].entry_id if lines else FIRST_ID)
    again.append(Batch(ORDERS.key, entries(len(lines), 6 - len(lines))))
    again.close()
    assert numbers(root) == list(range(6))


def test_a_hole_in_the_unsynced_end_is_cut_off_with_all_that_follows(tmp_path: Path) -> None:
    journal = writer(tmp_path)
    journal.append(Batch(ORDERS.key, entries(0, 6)))
    journal.close()
    path = tmp_path / DAY / "orders.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], b"\0" * (len(lines[3]) - 1) + b"\n", *lines[4:]]))
    assert writer(tmp_path).position(ORDERS.key) == f"{DAY_MS + 2}-0"


def test_a_gap_line_without_its_entry_is_torn(tmp_path: Path) -> None:
    journal = writer(tmp_path)
    journal.append(Batch(ORDERS.key, entries(0, 2)))
    journal.append(Batch(ORDERS.key, entries(7, 1), Gap(f"{DAY_MS + 1}-0", f"{DAY_MS + 7}-0")))
    journal.close()
    path = tmp_path / DAY / "orders.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    assert writer(tmp_path).position(ORDERS.key) == f"{DAY_MS + 1}-0"
    assert gaps_of(tmp_path / DAY, ORDERS) == []


def test_a_line_longer_than_the_window_is_found(tmp_path: Path) -> None:
    long = b'{"n":"' + b"x" * 5_000 + b'"}'
    journal = writer(tmp_path)
    journal.append(Batch(ORDERS.key, [*entries(0, 2), (f"{DAY_MS + 2}-0", long)]))
    journal.close()
    tail = read_tail(tmp_path / DAY / "orders.jsonl", window=100)
    assert (tail.head.position, tail.torn_bytes) == (f"{DAY_MS + 2}-0", 0)


def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "orders.jsonl"
    good = entry_line(prefix_of(ORDERS.key), "1-0", b"{}")
    path.write_bytes(good + b"damaged\n" + good)
    with pytest.raises(LineUnreadable, match=r"orders\.jsonl, line 2"):
        list(lines_of(path))


def test_several_keys_of_a_stream_are_read_in_the_order_of_redis(tmp_path: Path) -> None:
    journal = writer(tmp_path)
    journal.append(Batch(G1, entries(0, 10)[::2]))
    journal.append(Batch(key_of(TICKS, "g2"), entries(0, 10)[1::2]))
    journal.close()
    assert [line.body["n"] for line in read_lines(tmp_path / DAY, TICKS) if line.body] == list(range(10))


def test_two_processes_cannot_write_one_journal(tmp_path: Path) -> None:
    held = lock(tmp_path)
    with pytest.raises(JournalLocked):
        lock(tmp_path)
    held.close()
    lock(tmp_path).close()


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """The kernel refuses every byte past `size` of a file, in the middle of a write, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_loses_no_position_and_doubles_no_line(tmp_path: Path) -> None:
    journal = writer(tmp_path)
    journal.append(Batch(ORDERS.key, entries(0, 5)))
    journal.sync()
    path = tmp_path / DAY / "orders.jsonl"
    synced = path.stat().st_size
    with files_end_at(synced + 100):
        journal.append(Batch(ORDERS.key, entries(5, 1)))
        with pytest.raises(OSError, match="File too large"):
            journal.append(Batch(ORDERS.key, entries(6, 5)))
        assert path.stat().st_size > synced, "a part of the batch is in the file"
        journal.settle()
        assert path.stat().st_size == synced
        assert journal.position(ORDERS.key) == journal.synced(ORDERS.key) == f"{DAY_MS + 4}-0"
        assert journal.lines == 5
    journal.append(Batch(ORDERS.key, entries(5, 6)))
    journal.close()
    assert numbers(tmp_path) == list(range(11)) and journal.lines == 11


def test_a_handle_that_broke_is_given_up_and_the_file_opened_again(tmp_path: Path) -> None:
    journal = writer(tmp_path)
    journal.append(Batch(ORDERS.key, entries(0, 5)))
    journal.sync()
    journal.append(Batch(ORDERS.key, entries(5, 2)))
    os.close(journal._files[ORDERS.key]._fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        journal.sync()
    journal.settle()
    assert journal.position(ORDERS.key) == f"{DAY_MS + 4}-0"
    journal.append(Batch(ORDERS.key, entries(5, 6)))
    journal.close()
    assert numbers(tmp_path) == list(range(11))


NOON_NS = (DAY_MS + 3_600_000) * 1_000_000


def taken_away(path: Path) -> None:
    path.rename(path.with_suffix(".away"))


@pytest.mark.parametrize(
    ("take", "left"),
    [(Path.unlink, -1), (taken_away, -1), (lambda path: os.truncate(path, 0), -1),
     (lambda path: os.truncate(path, 200), 0)],
    ids=["removed", "moved", "emptied", "cut"],
)  # fmt: skip
def test_a_file_of_today_that_somebody_took_is_read_again_from_what_is_left(
    tmp_path: Path, take: Callable[[Path], None], left: int
) -> None:
    journal = writer(tmp_path)
    journal.append(Batch(ORDERS.key, entries(0, 5)))
    journal.sync()
    assert journal.retake(NOON_NS) == []
    path = tmp_path / DAY / "orders.jsonl"
    take(path)
    journal.append(Batch(ORDERS.key, entries(5, 2)))
    assert journal.retake(NOON_NS) == [path] and journal.retake(NOON_NS) == []
    assert journal.position(ORDERS.key) == (FIRST_ID if left < 0 else f"{DAY_MS + left}-0")
    journal.append(Batch(ORDERS.key, entries(left + 1, 7 - left - 1)))
    journal.close()
    assert numbers(tmp_path) == list(range(7))
    assert [verdict.broken for verdict in verify(tmp_path)] == [None]


@pytest.mark.parametrize("take", [Path.unlink, taken_away, lambda path: os.truncate(path, 0)])
@pytest.mark.parametrize("fails", [False, True])
def test_what_was_taken_is_seen_before_the_next_file_and_after_an_error(
    tmp_path: Path, take: Callable[[Path], None], fails: bool
) -> None:
    """A line behind a cut, or a new file behind a lost one, would hide that something is missing."""
    journal = writer(tmp_path, max_bytes=300)
    journal.append(Batch(ORDERS.key, entries(0, 2)))
    journal.sync()
    path = parts_in(tmp_path / DAY)[-1].path
    if fails:
        os.close(journal._files[ORDERS.key]._fd)
        with pytest.raises(OSError, match="Bad file descriptor"):
            journal.append(Batch(ORDERS.key, entries(2, 1)))
    take(path)
    journal.settle()
    journal.append(Batch(ORDERS.key, entries(2, 5)))
    assert journal.position(ORDERS.key) == FIRST_ID and journal.retake(NOON_NS) == [path]
    journal.append(Batch(ORDERS.key, entries(0, 7)))
    journal.close()
    assert numbers(tmp_path) == list(range(7))
    assert [verdict.broken for verdict in verify(tmp_path)] == [None]


@pytest.mark.parametrize("take", [Path.unlink, taken_away, lambda path: os.truncate(path, 0)])
def test_a_file_taken_after_a_restart_is_missed_before_its_next_entry(
    tmp_path: Path, take: Callable[[Path], None]
) -> None:
    first = writer(tmp_path)
    first.append(Batch(ORDERS.key, entries(0, 5)))
    first.close()
    journal, path = writer(tmp_path), tmp_path / DAY / "orders.jsonl"
    take(path)
    assert journal.retake(NOON_NS) == [path] and journal.retake(NOON_NS) == []
    assert journal.position(ORDERS.key) == FIRST_ID
    journal.append(Batch(ORDERS.key, entries(0, 6)))
    journal.close()
    assert numbers(tmp_path) == list(range(6))
    assert [verdict.broken for verdict in verify(tmp_path)] == [None]


def test_a_file_taken_twice_before_its_next_entry_is_missed_twice(tmp_path: Path) -> None:
    journal = writer(tmp_path, max_bytes=300)
    journal.append(Batch(ORDERS.key, entries(0, 8)))
    *_, before, newest = [part.path for part in parts_in(tmp_path / DAY)]
    newest.unlink()
    assert journal.retake(NOON_NS) == [newest]
    before.unlink()
    assert journal.retake(NOON_NS) == [before]
    journal.close()


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("take", [Path.unlink, taken_away, lambda path: os.truncate(path, 200)])
def test_an_earlier_file_of_today_that_somebody_took_is_told_once(
    tmp_path: Path, take: Callable[[Path], None], restarted: bool
) -> None:
    journal = writer(tmp_path, max_bytes=300)
    journal.append(Batch(ORDERS.key, entries(0, 8)))
    journal.sync()
    if restarted:
        journal.close()
        journal = writer(tmp_path, max_bytes=300)
    first, *others = [part.path for part in parts_in(tmp_path / DAY)]
    assert len(others) > 1 and journal.retake(NOON_NS) == []
    take(first)
    journal.append(Batch(ORDERS.key, entries(8, 4)))
    assert journal.retake(NOON_NS) == [first] and journal.retake(NOON_NS) == []
    journal.close()
    assert numbers(tmp_path)[-4:] == [8, 9, 10, 11]
    assert all(verdict.broken for verdict in verify(tmp_path))


def test_a_file_of_an_earlier_date_may_be_moved_away(tmp_path: Path) -> None:
    journal = writer(tmp_path)
    journal.append(Batch(ORDERS.key, entries(0, 5)))
    (tmp_path / DAY).rename(tmp_path / "elsewhere")
    assert journal.retake(NOON_NS + 86_400 * 10**9) == []
    journal.append(Batch(ORDERS.key, entries(0, 1, DAY_MS + 86_400_000)))
    journal.close()
    assert dates_in(tmp_path) == [NEXT_DAY] and numbers(tmp_path, NEXT_DAY) == [0]


def test_the_newest_line_of_a_stream_that_began_anew_is_its_last_not_its_highest(tmp_path: Path) -> None:
    journal = writer(tmp_path, max_bytes=300)
    journal.append(Batch(ORDERS.key, entries(50, 5)))
    lower = entries(0, 5)
    journal.append(Batch(ORDERS.key, lower, Gap(f"{DAY_MS + 54}-0", lower[0][0], restarted=True)))
    assert journal.synced(ORDERS.key) in (FIRST_ID, *(entry_id for entry_id, _ in lower))
    journal.close()
    again = writer(tmp_path, max_bytes=300)
    assert again.position(ORDERS.key) == lower[-1][0]
    recent = [entry_id for entry_id, _ in again.recent(ORDERS.key)]
    assert recent == [entry_id for entry_id, _ in [*entries(50, 5), *lower]][::-1]
    again.append(Batch(ORDERS.key, entries(5, 1)))
    again.close()
    assert numbers(tmp_path) == [*range(50, 55), *range(6)]
    assert [verdict.broken for verdict in verify(tmp_path)] == [None]
    assert [gap.restarted for gap in gaps_of(tmp_path / DAY, ORDERS)] == [True]


@pytest.mark.parametrize("depth", [DEEPEST, DEEPEST + 1, 950, 980, 100_000])
def test_an_entry_of_any_depth_comes_back(depth: int) -> None:
    text = b'{"a[{":"[{\\"",' + b'"b":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"
    line = read_line(entry_line(prefix_of(ORDERS.key), "5-1", text)[:-1])
    assert (line.body is None, line.raw) == ((False, None) if depth <= DEEPEST else (True, text))


@pytest.mark.parametrize("seal", [b"", b',"h":"' + b"a" * 32 + b'"'])
def test_a_deep_line_of_an_earlier_build_is_read(seal: bytes) -> None:
    text = b'{"a":' + b"[" * 2_000 + b"]" * 2_000 + b"}"
    line = read_line(b'{"id":"5-1","key":"' + ORDERS.key.encode() + b'","m":' + text + seal + b"}")
    assert (line.entry_id, line.key, line.raw) == ("5-1", ORDERS.key, text)
    with pytest.raises(LineUnreadable):
        read_line(b"[" * 2_000)


def test_a_group_with_a_long_name_has_a_file_that_a_disk_takes(tmp_path: Path) -> None:
    keys = [key_of(TICKS, "긴" * 300), key_of(TICKS, "긴" * 299 + "x")]
    journal = writer(tmp_path)
    for key in keys:
        journal.append(Batch(key, entries(0, 1)))
    journal.close()
    assert len(parts_in(tmp_path / DAY)) == 2 and {stem_of(key) for key in keys} == set(recover(tmp_path)[0])


def test_a_file_that_fails_keeps_no_other_from_being_synced(tmp_path: Path) -> None:
    journal = writer(tmp_path)
    for key in (G1, ORDERS.key):
        journal.append(Batch(key, entries(0, 5)))
    os.close(journal._files[G1]._fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        journal.sync()
    assert journal.synced(ORDERS.key) == f"{DAY_MS + 4}-0" and journal.synced(G1) == FIRST_ID


def test_a_full_disk_at_the_turn_to_a_new_file_loses_nothing(tmp_path: Path) -> None:
    journal = writer(tmp_path, max_bytes=300)

    def go_on(count: int) -> None:
        reached = journal.position(ORDERS.key)
        first = 0 if reached == FIRST_ID else entry_order(reached)[0] - DAY_MS + 1
        journal.append(Batch(ORDERS.key, entries(first, count)))

    with files_end_at(330):
        go_on(4)
        for _ in range(5):
            with pytest.raises(OSError, match="File too large"):
                go_on(9)
            journal.settle()
    while journal.position(ORDERS.key) != f"{DAY_MS + 29}-0":
        go_on(1)
    journal.close()
    assert numbers(tmp_path) == list(range(30))


def test_synced_follows_written_only_after_the_sync(tmp_path: Path) -> None:
    journal = writer(tmp_path)
    journal.append(Batch(ORDERS.key, entries(0, 5)))
    assert journal.position(ORDERS.key) == f"{DAY_MS + 4}-0" and journal.synced(ORDERS.key) == FIRST_ID
    journal.sync()
    assert journal.synced(ORDERS.key) == f"{DAY_MS + 4}-0"
    journal.close()
