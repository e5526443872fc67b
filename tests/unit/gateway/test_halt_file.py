"""The HALT file: ours and a person's are told apart, and only ours is ever removed by us."""

import os
from pathlib import Path

import pytest

from services.gateway import halt_file
from services.gateway.halt_file import HaltFile, LaidBy

WALL_NS = 1_795_600_000_000_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "var" / "HALT"


def test_nothing_lies_there(path: Path) -> None:
    assert halt_file.look(path) == HaltFile()
    halt_file.lift(path)
    assert not path.exists()


def test_ours_says_why_and_is_lifted(path: Path) -> None:
    halt_file.lay(path, "the gateway is being started", WALL_NS)
    assert halt_file.look(path) == HaltFile(LaidBy.SUPERVISOR, "the gateway is being started")
    halt_file.lift(path)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize(
    "content", [b"", b"stop!", b"laid by the gateway's supervisor at noon\n", b"\xff\xfe"]
)
def test_a_persons_file_is_never_lifted(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    assert halt_file.look(path).laid_by is LaidBy.PERSON
    halt_file.lift(path)
    assert path.read_bytes() == content


def test_a_persons_file_is_not_written_over(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("mine")
    halt_file.lay(path, "restart", WALL_NS)
    assert path.read_text() == "mine"
    assert [item.name for item in path.parent.iterdir()] == ["HALT"]


def test_ours_touched_by_a_person_is_the_persons(path: Path) -> None:
    halt_file.lay(path, "restart", WALL_NS)
    os.utime(path)
    assert halt_file.look(path).laid_by is LaidBy.PERSON
    halt_file.lift(path)
    assert path.exists()


def test_ours_edited_by_a_person_is_the_persons(path: Path) -> None:
    halt_file.lay(path, "restart", WALL_NS)
    path.write_text("do not trade: Kim")
    assert halt_file.look(path).laid_by is LaidBy.PERSON


def test_what_cannot_be_looked_at_stops_trading(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert halt_file.look(tmp_path / "file" / "HALT").present


def test_without_hard_links_it_is_laid_all_the_same(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError("no hard links here")

    monkeypatch.setattr(os, "link", refused)
    halt_file.lay(path, "restart", WALL_NS)
    assert halt_file.look(path) == HaltFile(LaidBy.SUPERVISOR, "restart")
    halt_file.lay(path, "again", WALL_NS)
    assert halt_file.look(path).why == "restart"
