"""A picture of the live screen, as the README shows it: one SVG that needs no font from elsewhere."""

import io
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.terminal_theme import TerminalTheme

from services.cli.board import Board
from services.cli.board_parts import Clock
from services.cli.board_view import EVENTS_SHOWN, render
from services.cli.demo import Watcher
from services.cli.demo_view import market_clock_of
from services.cli.link import Seen
from services.market.market_clock import DayPlan

WIDTH: Final = 96
HEIGHT: Final = 36
THEME: Final = TerminalTheme(
    (13, 17, 23), (230, 237, 243),
    [(72, 79, 88), (255, 123, 114), (86, 211, 100), (227, 179, 65), (121, 192, 255), (210, 168, 255),
     (86, 212, 221), (177, 186, 196)],
    [(110, 118, 129), (255, 161, 152), (126, 231, 135), (242, 204, 96), (165, 214, 255), (226, 197, 255),
     (118, 227, 234), (240, 246, 252)],
)  # fmt: skip
"""A dark terminal: background, foreground, the eight colours, and the eight bright ones."""

FRAME: Final = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xml:space="preserve"
  xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-family: system-ui, "DejaVu Sans", sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


class Album(Watcher):
    """Passes a day on to another watcher, and keeps the screen that had most to show."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._board, self._now_ns, self._fullness = Board(), 0, -1
        self._clock: Clock | None = None

    def began(self, plan: DayPlan) -> None:
        self._watcher.began(plan)
        self._clock = market_clock_of(plan)

    def said(self, text: str) -> None:
        self._watcher.said(text)

    def passed(self, board: Board, now_ns: int, fresh: list[Seen]) -> None:
        self._watcher.passed(board, now_ns, fresh)
        fullness = fullness_of(board)
        if fullness >= self._fullness:
            self._board, self._now_ns, self._fullness = board, now_ns, fullness

    def save(self, path: Path) -> None:
        """Write the fullest screen as SVG."""
        path.write_text(svg_of(self._board, self._now_ns, self._clock), encoding="utf-8")


def fullness_of(board: Board) -> int:
    """Return how much a screen has to show: pairs at work above all, then spreads that pay, then variety."""
    if board.window is not None and not board.window.open:
        return 0
    over = {pair.pair_id for pair in board.closed}
    pairs = board.executor.pairs if board.executor is not None else ()
    working = sum(1 + (pair.uncovered_shares > 0) for pair in pairs if pair.pair_id not in over)
    paying = sum(spread.net_edge_krw > 0 for spread in board.best_spreads(3))
    tones = len({event.tone for event in board.events[-EVENTS_SHOWN:]})
    earned = board.risk is not None and board.risk.realised_pnl_krw > 0
    return 20 * working + 10 * paying + 5 * tones + 5 * earned


def svg_of(board: Board, now_ns: int, clock: Clock | None = None) -> str:
    """Return the screen as an SVG."""
    console = Console(record=True, width=WIDTH, height=HEIGHT, file=io.StringIO(), force_terminal=True,
                      color_system="truecolor", highlight=False)  # fmt: skip
    console.print(render(board, now_ns, "demo", HEIGHT, clock))
    return console.export_svg(title="arb demo", theme=THEME, code_format=FRAME, unique_id="arb")
