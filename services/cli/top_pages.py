"""The pages of `arb top`: one screen each, exactly as many lines as the terminal has.

What is true of every page: the state bar first, so that nobody has to look for it, the keys last.
"""

from collections.abc import Sequence
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.segment import Segment
from rich.text import Text

from services.cli.board import Board, ServiceSeen
from services.cli.board_parts import (
    NAME_SHOWN,
    SEVERITY_STYLE,
    columns,
    event_line,
    flow_place,
    heading,
    money_style,
    one_line,
    pair_table,
    spread_row,
    state_bar,
    unknown,
)
from services.cli.board_view import render
from services.cli.silence import SPEAKERS, known, open_rows, required_detectors, silence_of
from services.cli.top_view import PAGES, Page, Sort, View, spreads_of
from services.cli.wording import krw, signed_krw
from services.contracts.limits import NS_PER_S
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.pairs import PairClosed
from services.contracts.terms import Severity
from services.market.dates import time_text

FOOT_LINES: Final = 1
_ORDER_SAYS: Final = {
    Sort.EDGE: "widest first", Sort.SYMBOL: "by code", Sort.AGE: "oldest quote first",
}  # fmt: skip
_KEYS: Final = (
    ("1 to 5, tab", "the pages: " + ", ".join(PAGES)),
    ("up, down, page", "scroll"),
    ("/", "show only what has these letters: code, name, group, pair, service"),
    ("escape", "show everything again"),
    ("s", "order the spreads by edge, by code, by age"),
    ("space", "hold the screen still, and let it go on"),
    ("q", "leave; the system goes on"),
)


def screen(
    console: Console, board: Board, view: View, now_ns: int, trouble: str, title: str, known_ns: int = 0
) -> Group:
    """Return a page cut or filled to the terminal's height, with its foot on the last line.

    `trouble` is said across the top, such as that Redis does not answer. Below it stands what was known at
    `known_ns`, the last answer (default: now), but for the state of the desk: that is as old as it is.
    """
    height = console.height - FOOT_LINES - bool(trouble)
    board = known(board, known_ns or now_ns)
    body = _HELP if view.help else _page(board, view, now_ns, height, title)
    lines = console.render_lines(body, console.options.update(height=None), pad=False)[:height]
    lines += [[] for _ in range(height - len(lines))]
    fitted = Group(*(_Line(line) for line in lines))
    above = [one_line(f" {trouble}", "bold bright_white on red")] if trouble else []
    return Group(*above, fitted, _foot(view))


class _Line:
    """One line that is already laid out."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._segments = segments

    def __rich_console__(self, console: Console, options: object) -> "list[Segment]":
        return [*self._segments, Segment.line()]


def _page(board: Board, view: View, now_ns: int, height: int, title: str) -> RenderableType:
    if view.page is Page.OVERVIEW:
        return render(board, now_ns, title, height + 1)
    market_time = board.gateway.market_time if board.gateway is not None else ""
    bar = state_bar(board, now_ns, market_time, title)
    match view.page:
        case Page.SPREADS:
            body = _spreads(board, view, height - 1)
        case Page.PAIRS:
            body = _pairs(board, view, now_ns, height - 1)
        case Page.SERVICES:
            body = _services(board, view, now_ns, height - 1)
        case Page.ALERTS:
            body = _alerts(board, view, now_ns, height - 1)
    return Group(bar, body)


def _foot(view: View) -> Text:
    if view.typing:
        return one_line(f" show only: {view.filter}_   (enter keeps it, escape shows everything)", "reverse")
    words = [f"{number} {page}" for number, page in enumerate(PAGES, 1)]
    foot = Text(no_wrap=True, overflow="ellipsis")
    for page, word in zip(PAGES, words, strict=True):
        foot.append(f" {word} ", style="reverse" if page is view.page else "dim")
    if view.frozen:
        foot.append(" HELD ", style="bold black on yellow")
    if view.filter:
        foot.append(f" /{view.filter} ", style="bold cyan")
    return foot.append(" ? keys  q leave", style="dim")


def _window(rows: Sequence[RenderableType], view: View, lines: int) -> tuple[int, int]:
    """Return the first and last+1 row to show, never scrolled past the end."""
    first = max(0, min(view.offset, len(rows) - lines))
    return first, min(len(rows), first + lines)


def _spreads(board: Board, view: View, lines: int) -> RenderableType:
    spreads = spreads_of(board, view)
    symbols = sum(status.symbols for status in board.detectors.values())
    first = max(0, min(view.offset, len(spreads) - (lines - 2)))
    shown = spreads[first : first + lines - 2]
    place = f"{first + 1} to {first + len(shown)} of {len(spreads)}" if shown else "none"
    head = heading(f"spreads after all costs, {_ORDER_SAYS[view.sort]}: {place}; {symbols} symbols watched")
    if not board.detectors:
        return Group(head, unknown("no detector is heard"))
    if not shown:
        return Group(head, one_line(" nothing passes the filter" if view.filter else " no quotes yet", "dim"))
    table = columns(("symbol", "", "buy"), ("ask", "sell", "bid", "shares", "net/share", "bps", "age"))
    table.columns[1].no_wrap, table.columns[1].max_width = False, NAME_SHOWN
    for spread in shown:
        table.add_row(*spread_row(spread))
    return Group(head, table)


def _pairs(board: Board, view: View, now_ns: int, lines: int) -> RenderableType:
    every, silence = open_rows(board, now_ns)
    rows = [row for row in every if view.wants(row.pair_id, row.symbol, row.state)]
    count = str(len(rows)) if silence is None else f"unknown, {len(rows)} then"
    closed = [pair for pair in reversed(board.closed) if view.wants(pair.pair_id, pair.symbol, pair.outcome)]
    taken = max(1, len(rows) + bool(rows) + bool(silence)) + 3
    first = max(0, min(view.offset, len(closed) - max(1, lines - taken)))
    return Group(
        heading(f"open pairs and stranded positions: {count}"),
        *([] if silence is None else [unknown(silence.words)]),
        *([pair_table(rows, board)] if rows else [] if silence else [Text(" none", style="dim")]),
        heading(f"closed, newest first: {len(closed)} of the last {len(board.closed)}"),
        _closed_table(closed[first : first + max(1, lines - taken)]),
    )


def _closed_table(closed: Sequence[PairClosed]) -> RenderableType:
    if not closed:
        return Text(" none was told lately", style="dim")
    table = columns(("closed", "pair", "symbol", "outcome"), ("shares", "profit", "neutral"))
    for pair in closed:
        table.add_row(
            f" {time_text(pair.closed_at_ns)}", pair.pair_id, pair.symbol, pair.outcome,
            krw(pair.bought_shares),
            Text(signed_krw(pair.realised_pnl_krw), style=money_style(pair.realised_pnl_krw)),
            f"{krw(pair.neutral_ms)} ms" if pair.trip else "",
        )  # fmt: skip
    return table


def _services(board: Board, view: View, now_ns: int, lines: int) -> RenderableType:
    every = {*board.services, *SPEAKERS, *required_detectors(board)}
    names = sorted((name for name in every if view.wants(name)), key=flow_place)
    builds = board.builds(now_ns)
    words = "one build" if len(builds) == 1 else f"{len(builds)} BUILDS" if builds else "nobody is heard"
    table = columns(("service", "health"), ("heard", "up for", "handled", "a second", "clock", "epoch"))
    table.add_column("build", no_wrap=True)
    first, last = _window(names, view, lines - 2)
    for name in names[first:last]:
        item = board.services.get(name)
        unheard = (f" {name}", Text("NOT HEARD", "bold red"))
        table.add_row(*(unheard if item is None else _service_row(item, now_ns)))
    return Group(heading(f"services: {words}"), table, *_queues(board))


def _service_row(item: ServiceSeen, now_ns: int) -> tuple[Text | str, ...]:
    beat = item.beat
    silent = item.is_stale(now_ns)
    health = ("SILENT", "bold red") if silent else ("up", "green")
    if not silent and not beat.clock_trusted:
        health = ("CLOCK", "bold yellow")
    return (
        f" {beat.service}", Text(*health), f"{item.age_ms(now_ns) / 1_000:.1f} s",
        _duration((now_ns - beat.started_at_ns) // NS_PER_S), krw(beat.handled), f"{item.per_second:,.0f}",
        f"{beat.clock_offset_us / 1_000:+.1f} ms", str(beat.epoch), beat.build_id,
    )  # fmt: skip


def _queues(board: Board) -> list[RenderableType]:
    gateway, notifier = board.gateway, board.notifier
    lines: list[RenderableType] = []
    if gateway is not None:
        depths = ", ".join(f"{name} {depth}" for name, depth in sorted(gateway.queue_depths.items()))
        words = f" gateway waits: {depths or 'nothing'}; subscribed {gateway.subscribed}"
        lines.append(one_line(f"{words}; most order calls in 1.1 s {gateway.orders_in_window_max}", ""))
    if notifier is not None:
        lines.append(
            one_line(
                f" journal {krw(notifier.journal_lines)} lines, {krw(notifier.journal_lag_ms)} ms behind; "
                f"alerts delivered {notifier.delivered}, refused {notifier.failed}, by {notifier.channel}",
                "",
            )
        )
    return [heading("queues and the journal"), *lines] if lines else []


def _alerts(board: Board, view: View, now_ns: int, lines: int) -> RenderableType:
    alerts = sorted(
        (alert for alert in board.open_alerts() if view.wants(alert.alert_id, alert.title, alert.detail)),
        key=lambda alert: -list(Severity).index(alert.severity),
    )
    first = max(0, min(view.offset, len(alerts) - 1))
    told = [block for alert in alerts[first:] for block in _alert(alert)]
    silence = silence_of(board, "notifier", now_ns)
    if silence is not None:
        told.insert(0, unknown(f"{silence.words}: others may be open"))
    events = [event for event in board.events if view.wants(event.text)]
    return Group(
        heading(f"open alerts: {len(alerts)}; `arb ack ID` takes one"),
        *(told[: max(3, lines - 6)] or [Text(" none", style="dim")]),
        heading("what happened, newest first"),
        *(event_line(event, time_text) for event in reversed(events)),
    )


def _alert(alert: AlertRaised) -> list[RenderableType]:
    return [
        one_line(f" {alert.severity.upper()} {alert.title}: {alert.detail}", SEVERITY_STYLE[alert.severity]),
        one_line(f"   {alert.next_step} [{alert.alert_id}]", "dim"),
    ]


def _duration(seconds: int) -> str:
    """Return a span as a person says it: `42 s`, `12 min`, `5 h 03`."""
    if seconds < 100:
        return f"{seconds} s"
    if seconds < 6_000:
        return f"{seconds // 60} min"
    return f"{seconds // 3_600} h {seconds % 3_600 // 60:02d}"


_HELP: Final = Group(
    heading("keys"),
    *(Text.assemble((f"  {key:<16}", "bold"), words) for key, words in _KEYS),
    Text(),
    Text("  Nothing here trades. To stop: arb pause, arb reduce, arb halt.", style="dim"),
)
