"""What a person looks at in `arb top`, and how a key changes it. Pure: `press(view, key)`.

Keys that trade are not among them: what changes the desk has a command of its own, with a name and a
reason.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from services.cli.board import Board
from services.contracts.messages.status import SpreadSeen


class Page(StrEnum):
    OVERVIEW = "overview"
    SPREADS = "spreads"
    PAIRS = "pairs"
    SERVICES = "services"
    ALERTS = "alerts"


class Sort(StrEnum):
    """How the spreads are ordered: widest, by code, or the oldest quote first."""

    EDGE = "edge"
    SYMBOL = "symbol"
    AGE = "age"


PAGES: Final = tuple(Page)
_NUMBERED: Final = {str(number): page for number, page in enumerate(PAGES, 1)}
PAGE_LINES: Final = 10
FILTER_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class View:
    """`offset` is how many rows are scrolled past; `typing` that keys go into the filter."""

    page: Page = Page.OVERVIEW
    sort: Sort = Sort.EDGE
    filter: str = ""
    typing: bool = False
    offset: int = 0
    frozen: bool = False
    help: bool = False
    over: bool = False

    def wants(self, *words: str) -> bool:
        """Whether a row with these words passes the filter."""
        wanted = self.filter.casefold()
        return any(wanted in word.casefold() for word in words)


def press(view: View, key: str) -> View:
    """Return the view after a key; a key that means nothing changes nothing."""
    if view.typing:
        return _type(view, key)
    if view.help:
        return replace(view, help=False, over=key == "q")
    if key in _MOVES:
        return replace(view, offset=max(0, view.offset + _MOVES[key]))
    if key in _NUMBERED:
        return replace(view, page=_NUMBERED[key], offset=0)
    match key:
        case "q":
            return replace(view, over=True)
        case "tab" | "right":
            return _turn(view, 1)
        case "back tab" | "left":
            return _turn(view, -1)
        case "s":
            sorts = list(Sort)
            return replace(view, sort=sorts[(sorts.index(view.sort) + 1) % len(sorts)], offset=0)
        case "/":
            return replace(view, typing=True, filter="", offset=0)
        case "escape":
            return replace(view, filter="", offset=0)
        case "home":
            return replace(view, offset=0)
        case "space":
            return replace(view, frozen=not view.frozen)
        case "?" | "h":
            return replace(view, help=True)
    return view


_MOVES: Final = {"up": -1, "k": -1, "down": 1, "j": 1, "page up": -PAGE_LINES, "page down": PAGE_LINES}


def _turn(view: View, step: int) -> View:
    return replace(view, page=PAGES[(PAGES.index(view.page) + step) % len(PAGES)], offset=0)


def _type(view: View, key: str) -> View:
    if key == "enter":
        return replace(view, typing=False)
    if key == "escape":
        return replace(view, typing=False, filter="")
    if key == "backspace":
        return replace(view, filter=view.filter[:-1])
    if len(key) == 1 and len(view.filter) < FILTER_MAX:
        return replace(view, filter=view.filter + key)
    return view


def spreads_of(board: Board, view: View) -> list[SpreadSeen]:
    """Return the spreads that pass the filter (code, name or group), in the view's order."""
    found = [
        spread
        for group, status in board.detectors.items()
        for spread in status.spreads
        if view.wants(spread.symbol, spread.name, group)
    ]
    match view.sort:
        case Sort.EDGE:
            return sorted(found, key=lambda spread: (-spread.net_edge_bps, spread.symbol))
        case Sort.SYMBOL:
            return sorted(found, key=lambda spread: spread.symbol)
        case Sort.AGE:
            return sorted(found, key=lambda spread: (-spread.age_ms, spread.symbol))
