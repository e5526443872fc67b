"""`arb top` on a real pseudo-terminal of 80 by 24, over a real Redis; its keys by themselves."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from services.cli.board import Board, seen
from services.cli.keyboard import keys_of
from services.cli.link import Link, open_link
from services.cli.snapshot import followed_board
from services.cli.top import Watched
from services.cli.top_pages import screen
from services.cli.top_view import PAGES, Page, Sort, View, press, spreads_of
from services.contracts.envelope import Envelope, Message
from services.contracts.limits import NS_PER_S
from services.contracts.messages.venue_state import EntryWindowChanged
from services.contracts.streams import home_of, key_of
from services.contracts.terms import Severity, TradingState
from services.runtime.bus import Write
from services.runtime.redis_server import find_redis
from tests.support.terminal import Terminal
from tests.unit.cli.builders import (
    DATE,
    HYNIX,
    NOW_NS,
    SAMSUNG,
    alert,
    approved,
    closed,
    detector_status,
    envelope,
    executor_status,
    gateway_status,
    heartbeat,
    notifier_status,
    open_pair,
    risk_status,
    spread,
)

REPO = Path(__file__).parents[3]
SPOKEN: tuple[Message, ...] = (
    gateway_status(), risk_status(exposure_krw=140_000), executor_status(open_pair("P1")), notifier_status(),
    detector_status("g1", spread(SAMSUNG, 12), spread(HYNIX, -3, "SK hynix")),
    *(heartbeat(name) for name in ("gateway", "risk", "executor", "notifier", "detector-g1")),
)  # fmt: skip
"""What services say every second."""
DAY: tuple[Message, ...] = (
    *SPOKEN, approved("P1"), closed("P0", realised_pnl_krw=777),
    EntryWindowChanged(open=True, reason="", trading_date=DATE, market_time="10:12:03", closes_at_ns=1),
    alert("A7", severity=Severity.CRITICAL, title="3 shares are held", next_step="arb flatten P1"),
)  # fmt: skip


def tell(link: Link, *messages: Message) -> None:
    """Write messages as services would, stamped with the time it is at Redis."""
    for message in messages:
        wrapped = Envelope.wrap(
            message, source="test", now_ns=link.bus.time_ns(), causation_id=envelope(message).id
        )
        link.bus.append([Write(key_of(home_of(type(message))), wrapped)])


@pytest.fixture
def link(redis_url: str) -> Iterator[Link]:
    opened = open_link(redis_url)
    opened.client.flushall()
    yield opened
    opened.close()


def top(url: str, columns: int = 80, lines: int = 24, **environ: str) -> Terminal:
    command = [sys.executable, "-m", "services.cli", "top", "--redis", url]
    python_path = os.pathsep.join([str(REPO), os.environ.get("PYTHONPATH", "")])
    return Terminal(command, {"PYTHONPATH": python_path, **environ}, columns, lines)


def speaking(link: Link, wanted: str | Callable[[str], bool], *messages: Message) -> Callable[[str], bool]:
    """What to look for on a screen while the services speak on: on a busy machine their words grow old."""
    shows = wanted if callable(wanted) else lambda text: wanted in text
    told_s = time.monotonic()

    def look(text: str) -> bool:
        nonlocal told_s
        if time.monotonic() - told_s > 1:
            told_s = time.monotonic()
            tell(link, *(messages or SPOKEN))
        return shows(text)

    return look


@pytest.mark.redis
def test_a_day_on_eighty_columns_from_its_first_screen_to_q(link: Link) -> None:
    tell(link, *DAY)
    with top(link.url) as terminal:
        text = terminal.see(speaking(link, lambda text: "3 shares are held" in text and "ARMED" in text))
        for words in (
            "ARMED", "KRX continuous", "entries open", "lease", "gateway", "+1,234 KRW", "140,000 KRW",
            "5 order, 5 query", "005930", "P1", "70,000", "arb flatten P1", "1 overview",
        ):  # fmt: skip
            assert words in text, text
        assert terminal.lines[-1].strip().startswith("1 overview"), text
        terminal.type(" ")
        terminal.see(speaking(link, "HELD"))
        halted = risk_status(state=TradingState.HALTED, exposure_krw=0)
        tell(link, halted)
        terminal.type("5")
        assert "HALTED" not in terminal.see("open alerts: 1")
        terminal.type(" ")
        terminal.see(speaking(link, "HALTED", halted))
        for size in ((120, 40), (80, 12)):
            terminal.resize(*size)
            terminal.see(lambda text: text.splitlines()[-1].strip().startswith("1 overview"))
        terminal.type("q")
        assert terminal.ended() == 0
        assert terminal.settings() == terminal.before


@pytest.mark.redis
@pytest.mark.parametrize("leave", ["the key", "the signal"])
def test_after_ctrl_c_the_terminal_is_as_it_was(link: Link, leave: str) -> None:
    """By its key where colours are shown, by its signal where nobody wants any."""
    tell(link, *DAY)
    plain = {"NO_COLOR": "1"} if leave == "the signal" else {}
    with top(link.url, **plain) as terminal:
        terminal.see("3 shares are held")
        assert terminal.settings() != terminal.before
        if leave == "the key":
            terminal.type("\x03")
        else:
            terminal.process.send_signal(signal.SIGINT)
        assert terminal.ended() == 0
        assert terminal.settings() == terminal.before
        assert b"\x1b[?1049l" in terminal.raw, "the screen that was there before is back"
        assert b"\x1b[?25h" in terminal.raw, "the cursor is back"
        assert (b"\x1b[38;" in terminal.raw) is not bool(plain)


@pytest.mark.redis
def test_a_key_that_is_typed_while_it_starts_is_not_lost(link: Link) -> None:
    with top(link.url) as terminal:
        terminal.type("q")
        assert terminal.ended() == 0


# -- pages and keys, without a terminal -----------------------------------------------------


def board_of(*messages: Message) -> Board:
    board = Board()
    for message in messages:
        board = seen(board, envelope(message))
    return board


def shown(board: Board, view: View, trouble: str = "", now_ns: int = NOW_NS, known_ns: int = 0) -> str:
    console = Console(width=80, height=24, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(screen(console, board, view, now_ns, trouble, "", known_ns))
    return capture.get()


def pressed(view: View, text: str) -> View:
    for key in keys_of(text):
        view = press(view, key)
    return view


def test_each_page_and_the_filter_by_keys() -> None:
    board = board_of(*DAY)
    view = pressed(View(), "2")
    text = shown(board, view)
    assert "widest first: 1 to 2 of 2" in text and "SK hynix" in text
    view = pressed(view, "/hyn")
    assert "show only: hyn_" in shown(board, view)
    view = pressed(view, "\r")
    text = shown(board, view)
    assert "1 to 1 of 1" in text and "Samsung" not in text
    view = pressed(view, "\x1b")
    assert "1 to 2 of 2" in shown(board, view)
    view = pressed(view, "\t")
    text = shown(board, view)
    assert "closed, newest first: 1" in text and "+777" in text
    view = pressed(view, "4")
    text = shown(board, view)
    assert "services: one build" in text and "build1" in text
    assert "Nothing here trades" in shown(board, pressed(view, "?"))


@pytest.mark.redis
def test_without_redis_it_says_so_and_goes_on_when_redis_is_back(tmp_path: Path) -> None:
    server = find_redis("", tmp_path)
    try:
        link = open_link(server.url)
        tell(link, *DAY)
        board, follower = followed_board(link)
        watched = Watched(link, follower, board)
        watched.take()
        server.stop()
        watched.take()
        later_ns = watched.now_ns + 60 * NS_PER_S
        text = shown(watched.board, View(), watched.trouble, later_ns, watched.now_ns)
        assert "Redis has not answered" in text and "+1,234 KRW" in text
        assert "ARMED" not in text and "UNKNOWN" in text, "the state of the desk is as old as it is"
        server = find_redis("", tmp_path)
        tell(link, risk_status(realised_pnl_krw=4_321))
        watched.take()
        text = shown(watched.board, View(), watched.trouble, watched.now_ns)
        assert "Redis has not answered" not in text and "ARMED" in text and "+4,321 KRW" in text
        link.close()
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("q", ["q"]),
        ("\x1b[A\x1b[B", ["up", "down"]),
        ("\x1b[5~j", ["page up", "j"]),
        ("\x1b", ["escape"]),
        ("\x1b[1;5Cq", ["q"]),
        ("삼성", ["삼", "성"]),
        ("\x01\x02", []),
    ],
)
def test_what_a_terminal_sends_is_told_by_its_key(text: str, keys: list[str]) -> None:
    assert keys_of(text) == keys


@settings(max_examples=25)
@given(st.text(max_size=60))
def test_no_input_stops_the_screen(text: str) -> None:
    view = View()
    for key in keys_of(text):
        view = press(view, key)
        assert view.offset >= 0
    lines = shown(board_of(*DAY), view).splitlines()
    assert len(lines) == 24
    assert all(len(line) <= 80 for line in lines)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("size", [(80, 24), (80, 8), (200, 60), (40, 10)])
def test_every_page_fills_exactly_the_screen_also_of_an_empty_board(
    page: Page, size: tuple[int, int]
) -> None:
    console = Console(width=size[0], height=size[1], force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(screen(console, Board(), View(page=page), NOW_NS, "Redis has not answered", "x"))
    assert len(capture.get().splitlines()) == size[1]


def test_letters_typed_into_the_filter_are_no_keys() -> None:
    view = View()
    for key in ("/", "q", "s"):
        view = press(view, key)
    assert (view.filter, view.over, view.sort) == ("qs", False, Sort.EDGE)
    assert press(press(view, "backspace"), "enter") == View(filter="q")
    assert press(view, "escape").filter == ""


def test_spreads_are_ordered_and_found_by_group() -> None:
    board = Board()
    for message in (
        detector_status("g1", spread(SAMSUNG, 3)),
        detector_status("g2", spread(HYNIX, 9, "SK hynix")),
    ):
        board = seen(board, envelope(message))
    assert [s.symbol for s in spreads_of(board, View())] == [HYNIX, SAMSUNG]
    assert [s.symbol for s in spreads_of(board, View(sort=Sort.SYMBOL))] == sorted([HYNIX, SAMSUNG])
    assert [s.symbol for s in spreads_of(board, View(filter="G1"))] == [SAMSUNG]


def test_how_many_messages_a_service_handles_a_second() -> None:
    board = seen(Board(), envelope(heartbeat("risk")))
    later = heartbeat("risk").model_copy(update={"handled": 50})
    board = seen(board, envelope(later, NOW_NS + 2 * NS_PER_S))
    assert board.services["risk"].per_second == 25
