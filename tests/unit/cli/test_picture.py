"""The picture shows the fullest screen of a day, and needs nothing from elsewhere."""

from pathlib import Path
from xml.etree import ElementTree

from services.cli.board import Board, seen
from services.cli.demo import Watcher
from services.cli.picture import Album, fullness_of, svg_of
from tests.unit.cli.builders import (
    NOW_NS,
    SAMSUNG,
    detector_status,
    envelope,
    executor_status,
    gateway_status,
    open_pair,
    risk_status,
    spread,
)


def board_with_a_pair() -> Board:
    board = Board()
    detector = detector_status("g1", spread(SAMSUNG, 5))
    for message in (gateway_status(), risk_status(), detector, executor_status(open_pair())):
        board = seen(board, envelope(message))
    return board


def test_a_screen_with_a_pair_at_work_is_fuller_than_an_empty_one() -> None:
    assert fullness_of(board_with_a_pair()) > fullness_of(Board())


def test_an_album_keeps_the_fullest_screen(tmp_path: Path) -> None:
    album = Album(Watcher())
    for board in (Board(), board_with_a_pair(), Board()):
        album.passed(board, NOW_NS, [])
    album.save(tmp_path / "view.svg")
    assert "005930" in (tmp_path / "view.svg").read_text(encoding="utf-8")


def test_a_picture_is_well_formed_the_same_each_time_and_asks_nothing_of_the_network() -> None:
    svg = svg_of(board_with_a_pair(), NOW_NS)
    ElementTree.fromstring(svg)
    assert svg == svg_of(board_with_a_pair(), NOW_NS)
    assert svg.replace("http://www.w3.org/2000/svg", "").count("http") == 0
    assert "@font-face" not in svg
