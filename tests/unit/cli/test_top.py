"""`arb top` on a real pseudo-terminal of 80 by 24, over a real Redis; its keys by themselves."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from services.cli.board import Board, seen
from services.cli.keyboard import keys_of
from services.cli.link import Link, open_link
from services.cli.top_pages import screen
from services.cli.top_view import PAGES, Page, Sort, View, press, spreads_of
from services.contracts.envelope import Envelope, Message
from services.contracts.limits import NS_PER_S
from services.contracts.messages.status import Heartbeat
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
    open_pair,
    risk_status,
    spread,
)

REPO = Path(__file__).parents[3]
DAY: tuple[Message, ...] = (
    gateway_status(), risk_status(exposure_krw=140_000), approved("P1"), closed("P0", realised_pnl_krw=777),
    executor_status(open_pair("P1")),
    detector_status("g1", spread(SAMSUNG, 12), spread(HYNIX, -3, "SK hynix")),
    EntryWindowChanged(open=True, reason="", trading_date=DATE, market_time="10:12:03", closes_at_ns=1),
    heartbeat("gateway"), heartbeat("risk"), heartbeat("executor"),
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


@pytest.mark.redis
def test_all_of_a_day_stands_on_eighty_columns(link: Link) -> None:
    tell(link, *DAY)
    with top(link.url) as terminal:
        text = terminal.see("3 shares are held")
        for words in (
            "ARMED", "KRX continuous", "entries open", "lease", "gateway", "+1,234 KRW", "140,000 KRW",
            "5 order, 5 query", "005930", "P1", "70,000", "arb flatten P1", "1 overview",
        ):  # fmt: skip
            assert words in text, text
        assert terminal.lines[-1].strip().startswith("1 overview"), text
        terminal.type("q")
        assert terminal.ended() == 0


@pytest.mark.redis
def test_it_goes_on_with_what_happens(link: Link) -> None:
    tell(link, *DAY)
    with top(link.url) as terminal:
        terminal.see("ARMED")
        tell(link, risk_status(state=TradingState.HALTED, exposure_krw=0))
        terminal.see("HALTED")
        terminal.type(" ")
        terminal.see("HELD")
        tell(link, risk_status(state=TradingState.ARMED))
        terminal.type("5")
        assert "HALTED" in terminal.see("open alerts: 1")
        terminal.type(" ")
        terminal.see("ARMED")


@pytest.mark.redis
def test_each_page_and_the_filter_by_keys(link: Link) -> None:
    tell(link, *DAY)
    with top(link.url) as terminal:
        terminal.see("ARMED")
        terminal.type("2")
        assert "SK hynix" in terminal.see("widest first: 1 to 2 of 2")
        terminal.type("/hyn")
        terminal.see("show only: hyn_")
        terminal.type("\r")
        assert "Samsung" not in terminal.see("1 to 1 of 1")
        terminal.type("\x1b")
        terminal.see("1 to 2 of 2")
        terminal.type("\t")
        assert "+777" in terminal.see("closed, newest first: 1")
        terminal.type("4")

        def heard(text: str) -> bool:
            """Services beat on while a person looks: on a busy machine the first beats are old by now."""
            tell(link, *(message for message in DAY if isinstance(message, Heartbeat)))
            return "services: one build" in text

        assert "build1" in terminal.see(heard)
        terminal.type("?")
        terminal.see("Nothing here trades")


@pytest.mark.redis
def test_the_terminal_is_as_it_was_however_it_is_left(link: Link) -> None:
    tell(link, *DAY)
    for leave in (lambda t: t.type("q"), lambda t: t.type("\x03"),
                  lambda t: t.process.send_signal(signal.SIGINT)):  # fmt: skip
        with top(link.url) as terminal:
            terminal.see("ARMED")
            assert terminal.settings() != terminal.before
            leave(terminal)
            assert terminal.ended() == 0
            assert terminal.settings() == terminal.before
            assert b"\x1b[?1049l" in terminal.raw, "the screen that was there before is back"
            assert b"\x1b[?25h" in terminal.raw, "the cursor is back"


@pytest.mark.redis
def test_a_key_that_is_typed_while_it_starts_is_not_lost(link: Link) -> None:
    with top(link.url) as terminal:
        terminal.type("q")
        assert terminal.ended() == 0


@pytest.mark.redis
def test_a_window_that_changes_its_size_is_filled_again(link: Link) -> None:
    tell(link, *DAY)
    with top(link.url) as terminal:
        terminal.see("ARMED")
        terminal.resize(120, 40)
        terminal.see(lambda text: text.splitlines()[-1].strip().startswith("1 overview"))
        terminal.resize(80, 12)
        terminal.see(lambda text: text.splitlines()[-1].strip().startswith("1 overview"))


@pytest.mark.redis
def test_without_redis_it_says_so_and_goes_on_when_redis_is_back(tmp_path: Path) -> None:
    server = find_redis("", tmp_path)
    try:
        link = open_link(server.url)
        tell(link, *DAY)
        with top(server.url) as terminal:
            terminal.see("ARMED")
            server.process.send_signal(signal.SIGSTOP)
            assert "+1,234 KRW" in terminal.see("Redis has not answered")
            server.process.send_signal(signal.SIGCONT)
            terminal.see(lambda text: "Redis has not answered" not in text)
        link.close()
    finally:
        server.stop()


@pytest.mark.redis
def test_colour_is_left_out_where_nobody_wants_it(link: Link) -> None:
    tell(link, *DAY)
    with top(link.url, NO_COLOR="1") as terminal:
        terminal.see("ARMED")
        assert b"\x1b[38;" not in terminal.raw


# -- keys, without a terminal ---------------------------------------------------------------


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


@given(st.text(max_size=60))
def test_no_input_stops_the_screen(text: str) -> None:
    board = Board()
    for message in DAY:
        board = seen(board, envelope(message))
    view = View()
    for key in keys_of(text):
        view = press(view, key)
        assert view.offset >= 0
    console = Console(width=80, height=24, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(screen(console, board, view, NOW_NS, "", ""))
    lines = capture.get().splitlines()
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
