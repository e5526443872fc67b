"""`arb top`: the board, live, for a person who keeps it open all day.

It only reads. When Redis goes away it says so across the top, keeps what it last knew, and goes on when
Redis is back.
"""

import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import typer
from rich.console import Console
from rich.live import Live

from services.cli.board import Board, seen
from services.cli.faults import UsageFault
from services.cli.keyboard import Keyboard
from services.cli.link import Follower, Link
from services.cli.options import DEFAULT_RUN, RedisOption, RunOption, console, open_desk
from services.cli.snapshot import followed_board
from services.cli.top_pages import screen
from services.cli.top_view import View, press
from services.contracts.limits import NS_PER_S
from services.runtime.bus import BusUnavailable
from services.runtime.stop_signals import StopFlag, stopped_by_signals

REFRESH_S: Final = 0.25
WATCH_PANEL: Final = "Watch"


def top(redis: RedisOption = "", run: RunOption = DEFAULT_RUN) -> None:
    """Watch it all day: venues, spreads, open pairs, rates, alerts, services. `?` tells the keys."""
    need_terminal()
    with stopped_by_signals() as told:
        watch(open_desk(redis, run), told)


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel=WATCH_PANEL)(top)


def watch(link: Link, told: StopFlag, title: str = "") -> None:
    """Show the board live on the terminal until `q`, or until told to stop.

    Ctrl-C raises nothing here: raised in the middle of drawing it would leave the terminal half restored.
    """
    board, follower = followed_board(link)
    watched = Watched(link, follower, board)
    watched.take()
    with suppress(OSError):  # the terminal is gone: whoever closed it has left
        _draw(console(), watched, told, title)


def need_terminal() -> None:
    """Raise `UsageFault` where nobody could see the board or press a key."""
    if os.environ.get("TERM") == "dumb":
        raise UsageFault(
            "TERM is dumb: this terminal cannot be drawn on", "`arb status` prints the board once."
        )
    if not (console().is_terminal and sys.stdin.isatty()):
        raise UsageFault("there is no terminal to draw on", "`arb status` prints the board once.")


@dataclass
class Watched:
    """The newest board, and how long Redis has not answered."""

    link: Link
    follower: Follower
    board: Board = field(default_factory=Board)
    now_ns: int = 0
    answered_s: float = field(default_factory=time.monotonic)
    trouble: str = ""

    def take(self) -> None:
        """Read what is new; without an answer, the board stays and its ages grow."""
        try:
            for item in self.follower.drain():
                self.board = seen(self.board, item.envelope)
            self.now_ns, self.answered_s, self.trouble = self.link.bus.time_ns(), time.monotonic(), ""
        except BusUnavailable:
            silent_s = time.monotonic() - self.answered_s
            self.trouble = f"Redis has not answered for {silent_s:.0f} s; below is what was known then"

    def time_ns(self) -> int:
        """Redis time now, by the last answer."""
        return self.now_ns + int((time.monotonic() - self.answered_s) * NS_PER_S)


def _draw(shown_on: Console, watched: Watched, told: StopFlag, title: str) -> None:
    view = View()
    held: tuple[Board, int] | None = None
    with Keyboard() as keyboard, Live(console=shown_on, auto_refresh=False, screen=True) as live:
        while not (view.over or told.is_set()):
            board, now_ns = held or (watched.board, watched.time_ns())
            known_ns = min(now_ns, watched.now_ns) if watched.trouble else now_ns
            shown = screen(shown_on, board, view, now_ns, watched.trouble, title, known_ns)
            live.update(shown, refresh=True)
            for key in keyboard.pressed(REFRESH_S):
                view = press(view, key)
            watched.take()
            held = (held or (board, now_ns)) if view.frozen else None
