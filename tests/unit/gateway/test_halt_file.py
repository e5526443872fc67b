"""The HALT files: any name that begins so stops, and a program removes only the supervisor's own."""

import os
import socket
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from services.gateway import halt_file
from services.gateway.halt_file import HaltFile, LaidBy, own_path

WALL_NS = 1_795_600_000_000_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "var"
    folder.mkdir()
    return folder / "HALT"


def names(path: Path) -> list[str]:
    return sorted(item.name for item in path.parent.iterdir())


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(path.parent)  # a socket's path may have 107 bytes
        try:
            server.bind(path.name)
        finally:
            os.chdir(here)


KINDS: dict[str, Callable[[Path], object]] = {
    "file": lambda path: path.write_text("stop"),
    "empty file": lambda path: path.touch(),
    "no text": lambda path: path.write_bytes(b"\xff\xfe"),
    "folder": lambda path: path.mkdir(),
    "dangling link": lambda path: path.symlink_to("nowhere"),
    "link to a folder": lambda path: path.symlink_to("."),
    "link to itself": lambda path: path.symlink_to(path.name),
    "pipe": os.mkfifo,
    "socket": _socket,
}
NAMES = ("HALT", "halt", "HALT.txt", "HALT.TXT", "Halt - Copy.txt", "HALT.lnk", "halted", "HALT-supervisor")


def test_nothing_lies_there(path: Path) -> None:
    (path.parent / "gateway").mkdir()
    (path.parent / "do not halt.txt").touch()
    assert halt_file.look(path) == HaltFile()
    halt_file.lift(path)
    assert names(path) == ["do not halt.txt", "gateway"]


@pytest.mark.timeout(5)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_whatever_begins_with_halt_stops_and_stays(path: Path, name: str, kind: str) -> None:
    entry = path.with_name(name)
    KINDS[kind](entry)
    found = halt_file.look(path)
    assert found.laid_by is LaidBy.PERSON and found.entry == str(entry)
    halt_file.lay(path, "restart", WALL_NS)
    assert halt_file.look(path).entry == str(entry)
    halt_file.lift(path)
    assert names(path) == [name]


def test_a_name_of_the_desks_own_choice_stops_like_halt(path: Path) -> None:
    own = path.with_name("STOP")
    (path.parent / "stop.txt").touch()
    assert halt_file.look(own).laid_by is LaidBy.PERSON
    (path.parent / "stop.txt").rename(path.parent / "halt.txt")
    assert halt_file.look(own).laid_by is LaidBy.PERSON


def test_a_name_that_is_no_text_is_named_all_the_same(path: Path) -> None:
    Path(os.fsdecode(os.fsencode(path) + b"\xff\n\x1b[2J")).mkdir()
    found = halt_file.look(path)
    assert found.laid_by is LaidBy.PERSON
    assert found.entry.encode() and found.entry.isprintable() and "HALT" in found.entry


def test_ours_says_why_and_is_lifted(path: Path) -> None:
    halt_file.lay(path, "the gateway is being started", WALL_NS)
    assert halt_file.look(path) == HaltFile(why="the gateway is being started")
    assert names(path) == [own_path(path).name]
    halt_file.lift(path)
    assert names(path) == []


def test_ours_beside_a_persons_is_lifted_alone(path: Path) -> None:
    halt_file.lay(path, "restart", WALL_NS)
    path.write_text("mine")
    assert halt_file.look(path) == HaltFile(str(path), "restart")
    assert halt_file.look(path).laid_by is LaidBy.PERSON
    halt_file.lift(path)
    assert names(path) == ["HALT"] and path.read_text() == "mine"


@pytest.mark.parametrize(
    "content", [b"", b"stop!", b"laid by the gateway's supervisor at noon\n", b"\xff\xfe"]
)
def test_a_persons_file_of_our_name_is_neither_written_over_nor_lifted(path: Path, content: bytes) -> None:
    own = own_path(path)
    own.write_bytes(content)
    halt_file.lay(path, "restart", WALL_NS)
    assert halt_file.look(path).laid_by is LaidBy.PERSON
    halt_file.lift(path)
    assert own.read_bytes() == content and names(path) == [own.name]


def test_ours_touched_by_a_person_is_the_persons(path: Path) -> None:
    halt_file.lay(path, "restart", WALL_NS)
    os.utime(own_path(path))
    assert halt_file.look(path).laid_by is LaidBy.PERSON
    halt_file.lift(path)
    assert own_path(path).exists()


def test_ours_edited_by_a_person_is_the_persons(path: Path) -> None:
    halt_file.lay(path, "restart", WALL_NS)
    own_path(path).write_text("do not trade: Kim")
    assert halt_file.look(path).laid_by is LaidBy.PERSON


def test_an_unfinished_file_of_ours_does_not_stop(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be taken for a person's, and stay."""
    seen: list[HaltFile] = []
    monkeypatch.setattr(os, "utime", lambda *_, **__: seen.append(halt_file.look(path)))
    halt_file.lay(path, "restart", WALL_NS)
    assert seen == [HaltFile()]


def test_two_threads_lay_one_file(path: Path) -> None:
    threads = [threading.Thread(target=halt_file.lay, args=(path, "restart", WALL_NS)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert halt_file.look(path) == HaltFile(why="restart") and names(path) == [own_path(path).name]


@pytest.mark.parametrize("spoil", ["a file", "gone"])
def test_a_folder_that_cannot_be_listed_stops_and_says_so(tmp_path: Path, spoil: str) -> None:
    folder = tmp_path / "var"
    if spoil == "a file":
        folder.touch()
    found = halt_file.look(folder / "HALT")
    assert found.laid_by is LaidBy.PERSON and "cannot be listed" in found.entry


def test_the_supervisor_makes_the_folder(tmp_path: Path) -> None:
    halt_file.lay(tmp_path / "a" / "b" / "HALT", "restart", WALL_NS)
    assert halt_file.look(tmp_path / "a" / "b" / "HALT").laid_by is LaidBy.SUPERVISOR


def test_ours_lifted_while_it_is_read_is_nobodys(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    halt_file.lay(path, "restart", WALL_NS)
    with os.scandir(path.parent) as entries:
        listed = list(entries)
    halt_file.lift(path)
    monkeypatch.setattr(os, "scandir", lambda _: nullcontext(listed))
    assert halt_file.look(path) == HaltFile()


def test_without_hard_links_it_is_laid_all_the_same(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError("no hard links here")

    monkeypatch.setattr(os, "link", refused)
    halt_file.lay(path, "restart", WALL_NS)
    assert halt_file.look(path) == HaltFile(why="restart")
    halt_file.lay(path, "again", WALL_NS)
    assert halt_file.look(path).why == "restart"
