"""The hash chain: a line changed, removed or slipped in is found at that line; restarts break nothing."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.streams import INTENTS, ORDERS
from services.notifier.journal_chain import BEGINNING, Verdict, seal_of, sealed, verify
from services.notifier.journal_folder import parts_in, recover
from services.notifier.journal_line import Gap, entry_line, prefix_of, read_line
from services.notifier.journal_writer import Batch, JournalWriter

from .test_journal_files import DAY, DAY_MS, NEXT_DAY, entries, files_end_at, numbers, writer

FILE = f"{DAY}/orders.jsonl"


def write(root: Path, first: int, count: int, *, max_bytes: int = 1_000_000, ms: int = DAY_MS) -> None:
    """A run of its own: opened, written, closed."""
    one = writer(root, max_bytes)
    one.append(Batch(ORDERS.key, entries(first, count, ms)))
    one.close()


def verdict(root: Path) -> Verdict:
    (found,) = verify(root)
    return found


def edited(path: Path, edit: Callable[[list[bytes]], list[bytes]]) -> None:
    path.write_bytes(b"".join(edit(path.read_bytes().splitlines(keepends=True))))


def test_what_was_written_verifies_over_restarts_parts_and_dates(tmp_path: Path) -> None:
    write(tmp_path, 0, 10, max_bytes=400)
    write(tmp_path, 10, 10, max_bytes=400)
    write(tmp_path, 20, 3, ms=DAY_MS + 86_400_000)
    assert len(list((tmp_path / DAY).glob("orders*.jsonl"))) > 2
    found = verdict(tmp_path)
    assert (found.broken, found.lines) == (None, 23)


def test_every_stream_has_a_chain_of_its_own(tmp_path: Path) -> None:
    one = writer(tmp_path)
    one.append(Batch(ORDERS.key, entries(0, 2)))
    one.append(Batch(INTENTS.key, entries(0, 3)))
    one.append(Batch(ORDERS.key, entries(2, 2)))
    one.close()
    assert [(v.stem, v.lines, v.broken) for v in verify(tmp_path)] == [
        ("intents", 3, None),
        ("orders", 4, None),
    ]


CHANGES: dict[str, tuple[Callable[[list[bytes]], list[bytes]], int]] = {
    "a figure is changed": (lambda rows: [*rows[:4], rows[4].replace(b'"n":4', b'"n":5'), *rows[5:]], 5),
    "a line is removed": (lambda rows: [*rows[:4], *rows[5:]], 5),
    "a line is doubled": (lambda rows: [*rows[:5], *rows[4:]], 6),
    "two lines change places": (lambda rows: [*rows[:4], rows[5], rows[4], *rows[6:]], 5),
    "a line without a hash is slipped in": (lambda rows: [*rows[:4], b'{"id":"1-0"}\n', *rows[4:]], 5),
    "a line with a hash of its own is slipped in": (
        lambda rows: [*rows[:4], sealed(b'{"id":"1-0"}\n', BEGINNING, opening=False)[0], *rows[4:]], 5,
    ),
    "the first lines are removed": (lambda rows: rows[3:], 1),
    "a hash is changed": (lambda rows: [*rows[:4], rows[4][:-4] + b'0"}\n', *rows[5:]], 5),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_the_first_line_that_is_not_as_written_is_named(tmp_path: Path, what: str) -> None:
    write(tmp_path, 0, 10)
    edit, line = CHANGES[what]
    edited(tmp_path / FILE, edit)
    found = verdict(tmp_path)
    assert found.broken is not None and found.broken.path == tmp_path / FILE
    assert found.broken.line == line, found


@given(st.data())
def test_any_byte_of_any_line_counts(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    root = tmp_path_factory.mktemp("journal")
    write(root, 0, 4)
    text = bytearray((root / FILE).read_bytes())
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != text[at]))
    is_last_newline = at == len(text) - 1
    text[at] = other
    (root / FILE).write_bytes(text)
    found = verdict(root)
    assert found.broken is not None or (is_last_newline and found.lines == 3)


def test_a_file_that_is_missing_in_between_is_noticed(tmp_path: Path) -> None:
    write(tmp_path, 0, 12, max_bytes=400)
    (tmp_path / DAY / "orders.1.jsonl").unlink()
    found = verdict(tmp_path)
    assert found.broken is not None and "missing" in found.broken.why


def test_old_folders_may_be_moved_away(tmp_path: Path) -> None:
    write(tmp_path / "journal", 0, 4)
    write(tmp_path / "journal", 4, 4, ms=DAY_MS + 86_400_000)
    (tmp_path / "journal" / DAY).rename(tmp_path / "elsewhere")
    found = verdict(tmp_path / "journal")
    assert (found.broken, found.lines) == (None, 4)


@pytest.mark.parametrize("lost", ["the first file of the day", "a file of a day that is there"])
def test_a_first_line_that_follows_from_nothing_is_named(tmp_path: Path, lost: str) -> None:
    write(tmp_path, 0, 12, max_bytes=400)
    if lost == "the first file of the day":
        (tmp_path / FILE).unlink()
        wanted = tmp_path / DAY / "orders.1.jsonl"
    else:
        one = writer(tmp_path)
        one.append(Batch(INTENTS.key, entries(0, 1)))
        one.close()
        write(tmp_path, 12, 2, ms=DAY_MS + 86_400_000)
        for part in parts_in(tmp_path / DAY):
            if part.stem == "orders":
                part.path.unlink()
        wanted = tmp_path / NEXT_DAY / "orders.jsonl"
    broken = {found.stem: found.broken for found in verify(tmp_path) if found.broken}
    assert set(broken) == {"orders"} and (broken["orders"].path, broken["orders"].line) == (wanted, 1)
    assert FILE.split(".")[0] in broken["orders"].why


def test_lines_of_an_earlier_build_name_no_file_and_verify(tmp_path: Path) -> None:
    """Only a missing first file of their date shows."""
    folder = tmp_path / DAY
    folder.mkdir()
    line, own = sealed(entry_line(prefix_of(ORDERS.key), "1-0", b"{}"), "a" * 32, opening=True)
    more, _ = sealed(entry_line(prefix_of(ORDERS.key), "2-0", b"{}"), own, opening=False)
    (folder / "orders.jsonl").write_bytes(line + more)
    assert (verdict(tmp_path).broken, verdict(tmp_path).lines) == (None, 2)
    (folder / "orders.jsonl").rename(folder / "orders.1.jsonl")
    assert verdict(tmp_path).broken is not None


@pytest.mark.parametrize("earlier", [2, 0])
def test_a_stream_set_back_into_an_earlier_date_verifies(tmp_path: Path, earlier: int) -> None:
    """The earlier date may have lines of before too; without, the chain begins in a later folder."""
    one = writer(tmp_path)
    one.append(Batch(ORDERS.key, entries(0, earlier)))
    one.append(Batch(ORDERS.key, entries(2, 2, DAY_MS + 86_400_000)))
    lower = entries(4, 2)
    one.append(Batch(ORDERS.key, lower, Gap(f"{DAY_MS + 86_400_003}-0", lower[0][0], restarted=True)))
    one.append(Batch(ORDERS.key, entries(6, 2, DAY_MS + 86_400_000)))
    one.close()
    assert (verdict(tmp_path).broken, verdict(tmp_path).lines) == (None, earlier + 7)


@pytest.mark.parametrize("cut", [1, 5, 40, 60])
def test_a_torn_last_line_breaks_nothing(tmp_path: Path, cut: int) -> None:
    write(tmp_path, 0, 4)
    os.truncate(tmp_path / FILE, (tmp_path / FILE).stat().st_size - cut)
    assert verdict(tmp_path).broken is None
    write(tmp_path, 3, 3)
    assert numbers(tmp_path) == [0, 1, 2, 3, 4, 5]
    assert (verdict(tmp_path).broken, verdict(tmp_path).lines) == (None, 6)


def test_a_file_torn_to_nothing_goes_on_from_the_one_before(tmp_path: Path) -> None:
    write(tmp_path, 0, 4, max_bytes=250)
    last = parts_in(tmp_path / DAY)[-1].path
    kept = numbers(tmp_path)[: -last.read_bytes().count(b"\n")]
    os.truncate(last, 5)
    write(tmp_path, len(kept), 4 - len(kept), max_bytes=250)
    assert numbers(tmp_path) == [0, 1, 2, 3]
    assert verdict(tmp_path).broken is None


def test_a_full_disk_leaves_no_break_behind(tmp_path: Path) -> None:
    one = writer(tmp_path)
    one.append(Batch(ORDERS.key, entries(0, 3)))
    one.sync()
    size = (tmp_path / FILE).stat().st_size
    with files_end_at(size + 50), pytest.raises(OSError):
        one.append(Batch(ORDERS.key, entries(3, 3)))
    one.append(Batch(ORDERS.key, entries(3, 3)))
    one.close()
    assert (verdict(tmp_path).broken, verdict(tmp_path).lines) == (None, 6)


def test_a_gap_is_a_line_of_the_chain(tmp_path: Path) -> None:
    one = writer(tmp_path)
    one.append(Batch(ORDERS.key, entries(5, 2), Gap("0-0", f"{DAY_MS + 5}-0")))
    one.close()
    assert verdict(tmp_path).lines == 3
    edited(tmp_path / FILE, lambda rows: rows[1:])
    assert verdict(tmp_path).broken is not None


def test_the_head_is_the_hash_of_the_last_line_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    write(tmp_path, 0, 3)
    before = verdict(tmp_path).head
    heads, _ = recover(tmp_path)
    seal = seal_of(heads["orders"].last_line)
    assert seal is not None and seal.own == before
    write(tmp_path, 3, 1)
    last = seal_of((tmp_path / FILE).read_bytes().splitlines()[-1])
    assert last is not None and last.before == before


@given(st.binary(max_size=80), st.booleans())
def test_a_line_keeps_its_entry_whatever_its_text(text: bytes, opening: bool) -> None:
    line, own = sealed(entry_line(prefix_of(ORDERS.key), "1-0", text), BEGINNING, opening=opening)
    seal = seal_of(line)
    assert seal is not None and seal.own == own
    assert seal.before == (BEGINNING if opening else "")
    assert read_line(line[:-1]) == read_line(entry_line(prefix_of(ORDERS.key), "1-0", text)[:-1])


def test_no_journal_has_no_verdict(tmp_path: Path) -> None:
    assert verify(tmp_path / "none") == []
    JournalWriter(tmp_path, {}, lambda _: DAY, 1_000).close()
    assert verify(tmp_path) == []
