"""The board as a screen: rich renderables that stay legible at 80 columns and without colour.

The bar at the top says how much is allowed, in words and in colour; below it what the venues do, who
is up, and the day's figures. Spreads and events share the lines that the terminal has left.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final, NamedTuple

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from services.cli.board import Board, HappenedLine
from services.cli.wording import Tone, krw, signed_krw
from services.contracts.limits import NS_PER_S
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.status import OpenPairSeen, SpreadSeen
from services.contracts.messages.venue_state import ConnectionState
from services.contracts.terms import Severity, TradingState, Venue
from services.market.dates import KST

SPREADS_SHOWN: Final = 8
EVENTS_SHOWN: Final = 12
ALERTS_SHOWN: Final = 4
GATES_SHOWN: Final = 3
FEWEST_SHOWN: Final = 3
ROOMY: Final = 32
"""From so many lines on, empty ones set the figures apart."""
NAME_SHOWN: Final = 24

_BAR_STYLE: Final = {
    TradingState.ARMED: "bold bright_white on dark_green",
    TradingState.PAUSE_ENTRY: "bold black on yellow",
    TradingState.REDUCE_ONLY: "bold black on yellow",
    TradingState.HALTED: "bold bright_white on red",
    TradingState.DISARMED: "bold bright_white on grey30",
}
_UNKNOWN_STYLE: Final = "bold bright_white on red"
_SEVERITY_STYLE: Final = {Severity.INFO: "dim", Severity.WARNING: "yellow", Severity.CRITICAL: "bold red"}
_TONE_STYLE: Final = {
    Tone.PLAIN: "", Tone.QUIET: "dim", Tone.GAIN: "green", Tone.LOSS: "red", Tone.TROUBLE: "yellow",
}  # fmt: skip

_FLOW: Final = ("gateway", "detector", "risk", "executor", "notifier")

Clock = Callable[[int], str]
"""Says Redis time (ns) as a person reads it."""


class Block(NamedTuple):
    """A part of the screen and how many lines it takes."""

    body: RenderableType
    lines: int


def clock_time(at_ns: int) -> str:
    """Return wall time in Korea, `HH:MM:SS`."""
    return f"{datetime.fromtimestamp(at_ns // NS_PER_S, KST):%H:%M:%S}"


def render(
    board: Board, now_ns: int, title: str = "", height: int = 40, clock: Clock | None = None
) -> RenderableType:
    """Return the whole screen: state, services, figures, gates, spreads, pairs, alerts, events.

    `height` is how many lines there are; spreads and events share what the rest leaves. `clock`
    says Redis time (ns) as market time where somebody knows the day's plan; without it the gateway's
    last word and wall time are shown.
    """
    market_time = clock(now_ns) if clock else "" if board.gateway is None else board.gateway.market_time
    gap = [Block(Text(), 1)] if height >= ROOMY else []
    above = (
        Block(_bar(board, market_time, title), 1), Block(_venues_line(board), 1),
        Block(_services_line(board, now_ns), 1), *gap, Block(_figures(board), 3), *gap, *_gates(board),
    )  # fmt: skip
    below = (*_pairs(board), *_alerts(board))
    headings = len(("spreads", "columns", "events"))
    taken = sum(block.lines for block in (*above, *below)) + headings
    spare = max(2 * FEWEST_SHOWN, height - 1 - taken)
    spreads = min(SPREADS_SHOWN, spare // 2)
    return Group(
        *(block.body for block in above),
        _heading("best spreads, after all costs"),
        _spreads(board, spreads),
        *(block.body for block in below),
        _heading("what happened"),
        _events(board, min(EVENTS_SHOWN, spare - spreads), clock or clock_time),
    )


def _bar(board: Board, market_time: str, title: str) -> RenderableType:
    state, gateway = board.state, board.gateway
    bar = Table(box=None, expand=True, show_header=False, padding=(0, 1))
    bar.add_column(no_wrap=True)
    bar.add_column(justify="right", no_wrap=True)
    left = Text((state or "unknown").upper())
    if gateway is not None:
        left.append(f"   {gateway.trading_date} {market_time}")
    for latch in sorted(board.latches):
        left.append(f"   LATCH {latch}", style="bold bright_white on red")
    right = "  ".join(word for word in (gateway.mode if gateway is not None else "", title) if word)
    bar.add_row(left, right, style=_UNKNOWN_STYLE if state is None else _BAR_STYLE[state])
    return bar


def _venues_line(board: Board) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
    for venue in Venue:
        phase = board.phases.get(venue)
        trades = phase is not None and phase.matches_continuously
        silent = trades and board.feeds.get(venue) is False
        style = "yellow" if silent else "green" if trades else "dim"
        line.append_text(_lamp(f"{venue} {phase or 'unknown'}{' (feed silent)' if silent else ''}", style))
    entries = board.window is not None and board.window.open
    line.append_text(_lamp("entries open" if entries else "entries closed", "green" if entries else "dim"))
    if board.connection is not None:
        ready = board.connection.state is ConnectionState.READY
        line.append_text(_lamp(f"broker {board.connection.state}", "green" if ready else "yellow"))
    return line


def _services_line(board: Board, now_ns: int) -> Text:
    if not board.services:
        return Text(" no service has been heard", style="bold red")
    line = Text(no_wrap=True, overflow="ellipsis")
    for name, item in sorted(board.services.items(), key=lambda pair: _place(pair[0])):
        if item.is_stale(now_ns):
            line.append_text(_lamp(f"{name} SILENT {item.age_ms(now_ns) // 1_000} s", "bold red", "bold red"))
        else:
            line.append_text(_lamp(name, "green"))
    return line


def _place(service: str) -> tuple[int, str]:
    """Order services as an opportunity passes through them."""
    kind = service.partition("-")[0]
    return (_FLOW.index(kind) if kind in _FLOW else len(_FLOW), service)


def _lamp(words: str, style: str, words_style: str = "") -> Text:
    return Text.assemble((" ● ", style), (words, words_style))


def _figures(board: Board) -> RenderableType:
    """Money in the first column, what was sent in the second, what was seen in the third; KRW."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(3):
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(no_wrap=True, min_width=14)
    for cells in zip(_money(board), _sent(board), _seen(board), strict=True):
        grid.add_row(*(part for name, value in cells for part in (f" {name}", value)))
    return grid


def _money(board: Board) -> tuple[tuple[str, Text | str], ...]:
    risk = board.risk
    if risk is None:
        return (("profit", "unknown"), ("marked", "unknown"), ("exposure", "unknown"))
    profit = Text(
        f"{signed_krw(risk.realised_pnl_krw)} KRW", style="bold " + _money_style(risk.realised_pnl_krw)
    )
    return (
        ("profit", profit),
        ("marked", f"{signed_krw(risk.marked_pnl_krw)} KRW"),
        ("exposure", f"{krw(risk.exposure_krw)} KRW"),
    )


def _sent(board: Board) -> tuple[tuple[str, str], ...]:
    gateway, risk, executor = board.gateway, board.risk, board.executor
    sent = "unknown" if gateway is None else f"{gateway.orders_sent}, most {gateway.orders_in_window_max}/s"
    trips = "" if risk is None else f", {risk.trips} trips"
    return (
        ("orders", sent),
        ("queries", "unknown" if gateway is None else str(gateway.queries_sent)),
        ("clips", "unknown" if executor is None else f"{executor.clips}{trips}"),
    )


def _seen(board: Board) -> tuple[tuple[str, str], ...]:
    gateway, risk = board.gateway, board.risk
    conflated = f", {krw(gateway.quotes_conflated)} merged" if gateway and gateway.quotes_conflated else ""
    return (
        ("quotes", "unknown" if gateway is None else f"{krw(gateway.quotes_published)}{conflated}"),
        ("intents", "unknown" if risk is None else str(risk.intents)),
        ("approved", "unknown" if risk is None else f"{risk.approvals}, denied {sum(risk.denials.values())}"),
    )


def _gates(board: Board) -> list[Block]:
    gates = board.risk.gates if board.risk is not None else ()
    if not gates:
        return []
    more = f" ({len(gates) - GATES_SHOWN} more)" if len(gates) > GATES_SHOWN else ""
    return [
        Block(_heading(f"what keeps it from new pairs{more}"), 1),
        *(Block(_one_line(gate, "yellow"), 1) for gate in gates[:GATES_SHOWN]),
    ]


def _spreads(board: Board, count: int) -> RenderableType:
    spreads = board.best_spreads(count)
    if not spreads:
        return Text(" no quotes of both venues yet", style="dim")
    table = _table(("symbol", "", "buy"), ("ask", "sell", "bid", "shares", "net/share", "bps", "age"))
    table.columns[1].no_wrap, table.columns[1].max_width = False, NAME_SHOWN
    for spread in spreads:
        table.add_row(*_spread_row(spread))
    return table


def _spread_row(spread: SpreadSeen) -> tuple[Text | str, ...]:
    pays = "bold green" if spread.net_edge_krw > 0 else ""
    return (
        f" {spread.symbol}", _one_line(spread.name, ""), spread.buy_venue, krw(spread.ask_krw),
        spread.sell_venue, krw(spread.bid_krw), krw(spread.qty_shares),
        Text(signed_krw(spread.net_edge_krw), style=pays), Text(f"{spread.net_edge_bps:+d}", style=pays),
        f"{spread.age_ms} ms",
    )  # fmt: skip


def _pairs(board: Board) -> list[Block]:
    executor = board.executor
    over = {pair.pair_id for pair in board.closed}
    every = (*executor.pairs, *executor.stranded) if executor is not None else ()
    rows = tuple(row for row in every if row.pair_id not in over)
    heading = Block(_heading("open pairs"), 1)
    if not rows:
        return [heading, Block(Text(" none", style="dim"), 1)]
    table = _table(("pair", "symbol", "buy", "sell", "state"), ("clip", "uncovered", "KRW", "age"))
    for row in rows:
        table.add_row(*_pair_row(row, board))
    return [heading, Block(table, 1 + len(rows))]


def _pair_row(row: OpenPairSeen, board: Board) -> tuple[Text | str, ...]:
    pair = board.open_pairs.get(row.pair_id)
    buy, sell = ("", "") if pair is None else (pair.buy_venue, pair.sell_venue)
    held = "bold yellow" if row.uncovered_shares else ""
    return (
        f" {row.pair_id}", row.symbol, buy, sell, row.state, str(row.clip),
        Text(f"{row.uncovered_shares} sh", style=held), Text(krw(row.uncovered_krw), style=held),
        f"{row.age_ms / 1_000:.1f} s",
    )  # fmt: skip


def _alerts(board: Board) -> list[Block]:
    alerts = [alert for alert in board.open_alerts() if alert.severity is not Severity.INFO]
    if not alerts:
        return []
    shown = sorted(alerts, key=lambda alert: list(Severity).index(alert.severity))[-ALERTS_SHOWN:]
    more = f" ({len(alerts) - len(shown)} more)" if len(alerts) > len(shown) else ""
    return [Block(_heading(f"alerts{more}"), 1), *(Block(_alert(alert), 2) for alert in shown)]


def _alert(alert: AlertRaised) -> RenderableType:
    what = _one_line(f" {alert.title}: {alert.detail}", _SEVERITY_STYLE[alert.severity])
    return Group(what, _one_line(f"   {alert.next_step} [{alert.alert_id}]", "dim"))


def _events(board: Board, count: int, clock: Clock) -> RenderableType:
    if not board.events:
        return Text(" nothing yet", style="dim")
    return Group(*(_event(line, clock) for line in board.events[-count:]))


def _event(line: HappenedLine, clock: Clock) -> Text:
    parts = (f" {clock(line.at_ns)}  ", "dim"), (line.text, _TONE_STYLE[line.tone])
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")


def _money_style(amount_krw: int) -> str:
    return "red" if amount_krw < 0 else "green" if amount_krw else ""


def _one_line(words: str, style: str) -> Text:
    return Text(words.replace("\n", "; "), style=style, no_wrap=True, overflow="ellipsis")


def _heading(words: str) -> Rule:
    return Rule(Text(words, style="cyan"), align="left", style="grey37")


def _table(left: Iterable[str], right: Iterable[str]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    for place, name in enumerate(left):
        table.add_column(name if place else f" {name}", no_wrap=True)
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    return table
