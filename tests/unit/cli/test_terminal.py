"""What a command prints obeys nothing that stands in a text, whichever way it is laid out."""

import io
import json
import re

import pytest
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from services.cli.board import Board, seen
from services.cli.board_view import render
from services.cli.options import console, typed
from services.cli.terminal import Terminal, json_text
from tests.unit.cli.builders import NOW_NS, alert, envelope

WILD = "\x1b]0;armed\x07\x1b[2J\x9b31m\u202e"
SHOWN = "\\x1b]0;armed\\x1b[2J\\x9b31m\\u202e"
"""rich leaves the bell out by itself."""
OWN = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
"""What rich itself writes for colours and the cursor."""


def printed(*things: object) -> str:
    out = io.StringIO()
    screen = Terminal(file=out, force_terminal=True, width=200, highlight=False)
    for thing in things:
        screen.print(thing, soft_wrap=True)
    return out.getvalue()


def table() -> Table:
    made = Table("name")
    made.add_row(WILD)
    return made


@pytest.mark.parametrize("thing", [WILD, Text(WILD, style="red"), table(), Group(Text(WILD))])
def test_no_text_reaches_the_terminal_as_more_than_text(thing: object) -> None:
    out = printed(thing)
    left = OWN.sub("", out)
    assert "\x1b" not in left and "\x9b" not in left and "\u202e" not in left and "\x07" not in left
    assert SHOWN in left


def test_the_live_board_is_no_exception() -> None:
    out = io.StringIO()
    screen = Terminal(file=out, force_terminal=True, width=120, height=40)
    board = seen(Board(), envelope(alert(title=WILD, detail=WILD, next_step=WILD)))
    with Live(console=screen, auto_refresh=False) as live:
        live.update(render(board, NOW_NS), refresh=True)
    left = OWN.sub("", out.getvalue())
    assert "\\x1b]0;armed" in left and "\x1b" not in left and "\x9b" not in left


def test_json_says_the_same_and_holds_no_control_character() -> None:
    value = {"reason": WILD + "정지", "list": ["\x7f"]}
    text = json_text(value)
    assert json.loads(text) == value and "정지" in text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)


def test_every_command_prints_through_it() -> None:
    assert isinstance(console(), Terminal)


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("가격 오류".encode(), "가격 오류"),
        ("가격 오류".encode("cp949"), "가격 오류"),
        (b"stop", "stop"),
        ("주문 정지".encode()[:-1], None),
        (b"\xff\xff", None),
    ],
)
def test_bytes_that_are_no_utf8_stop_no_halt(sent: bytes, read: str | None) -> None:
    found = typed(sent.decode("utf-8", "surrogateescape"))
    found.encode()
    assert read is None or found == read
