"""The board as a screen: rich renderables that stay legible at 80 columns and without colour.

The bar at the top says how much is allowed, in words and in colour; below it what the venues do, who
is up, and the day's figures. Spreads and events share the lines that the terminal has left.
"""

from typing import Final, NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.cli.board import Board
from services.cli.board_parts import (
    NAME_SHOWN,
    SEVERITY_STYLE,
    Clock,
    columns,
    event_line,
    flow_place,
    heading,
    lamp,
    money_style,
    one_line,
    pair_table,
    spread_row,
    state_bar,
    unknown,
)
from services.cli.silence import SPEAKERS, open_rows, required_detectors, silence_of
from services.cli.wording import krw, signed_krw
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.venue_state import ConnectionState
from services.contracts.terms import Severity, Venue
from services.market.dates import time_text

SPREADS_SHOWN: Final = 8
EVENTS_SHOWN: Final = 12
ALERTS_SHOWN: Final = 4
GATES_SHOWN: Final = 3
FEWEST_SHOWN: Final = 3
ROOMY: Final = 32
"""From so many lines on, empty ones set the figures apart."""


class Block(NamedTuple):
    """A part of the screen and how many lines it takes."""

    body: RenderableType
    lines: int


def render(
    board: Board, now_ns: int, title: str = "", height: int = 40, clock: Clock | None = None
) -> RenderableType:
    """Return the whole screen: state, services, figures, gates, spreads, pairs, alerts, events.

    `height` is how many lines there are; spreads and events share what the rest leaves. `clock`
    says Redis time (ns) as market time where somebody knows the day's plan; without it the gateway's
    last word and wall time are shown. What is not in the board is shown as unknown (`silence.known`).
    """
    market_time = clock(now_ns) if clock else "" if board.gateway is None else board.gateway.market_time
    gap = [Block(Text(), 1)] if height >= ROOMY else []
    above = (
        Block(state_bar(board, now_ns, market_time, title), 1), Block(_venues_line(board), 1),
        Block(_services_line(board, now_ns), 1), *gap, Block(_figures(board), 4), *gap, *_gates(board),
    )  # fmt: skip
    below = (*_pairs(board, now_ns), *_alerts(board, now_ns))
    headings = len(("spreads", "columns", "events"))
    taken = sum(block.lines for block in (*above, *below)) + headings
    spare = max(2 * FEWEST_SHOWN, height - 1 - taken)
    spreads = min(SPREADS_SHOWN, spare // 2)
    return Group(
        *(block.body for block in above),
        heading("best spreads, after all costs"),
        _spreads(board, now_ns, spreads),
        *(block.body for block in below),
        heading("what happened"),
        _events(board, min(EVENTS_SHOWN, spare - spreads), clock or time_text),
    )


def _venues_line(board: Board) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
    for venue in Venue:
        phase = board.phases.get(venue)
        trades = phase is not None and phase.matches_continuously
        silent = trades and board.feeds.get(venue) is False
        style = "yellow" if silent else "green" if trades else "dim"
        line.append_text(lamp(f"{venue} {phase or 'unknown'}{' (feed silent)' if silent else ''}", style))
    gateway = board.gateway
    if board.window is None and gateway is None:
        line.append_text(lamp("entries unknown", "dim"))
    else:
        told = gateway is not None and gateway.entry_window_open
        entries = told if board.window is None else board.window.open
        line.append_text(lamp("entries open" if entries else "entries closed", "green" if entries else "dim"))
    state = board.connection.state if board.connection is not None else gateway and gateway.connection
    line.append_text(lamp(f"broker {state or 'unknown'}", _GREEN_IF[state is ConnectionState.READY]))
    if gateway is None:
        line.append_text(lamp("lease unknown", "yellow"))
    else:
        held = gateway.lease_left_ms > 0
        line.append_text(lamp("lease" if held else "no lease", _GREEN_IF[held]))
    return line


_GREEN_IF: Final = {True: "green", False: "yellow"}


def _services_line(board: Board, now_ns: int) -> Text:
    if not board.services:
        return Text(" no service has been heard", style="bold red")
    line = Text(no_wrap=True, overflow="ellipsis")
    for name in sorted({*board.services, *SPEAKERS, *required_detectors(board)}, key=flow_place):
        item = board.services.get(name)
        if item is None:
            line.append_text(lamp(f"{name} NOT HEARD", "bold red", "bold red"))
        elif item.is_stale(now_ns):
            line.append_text(lamp(f"{name} SILENT {item.age_ms(now_ns) // 1_000} s", "bold red", "bold red"))
        else:
            line.append_text(lamp(name, "green"))
    return line


def _figures(board: Board) -> RenderableType:
    """Money in the first column, what was sent in the second, what was seen in the third; KRW."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(3):
        grid.add_column(style="dim", no_wrap=True, min_width=8)
        grid.add_column(no_wrap=True, min_width=12)
    for cells in zip(_money(board), _sent(board), _seen(board), strict=True):
        grid.add_row(*(part for name, value in cells for part in (f" {name}", value)))
    return grid


def _money(board: Board) -> tuple[tuple[str, Text | str], ...]:
    risk, executor = board.risk, board.executor
    open_krw_s = "unknown" if executor is None else f"{krw(executor.uncovered_krw_ms // 1_000)} KRW s"
    if risk is None:
        return (
            ("profit", "unknown"), ("marked", "unknown"), ("exposed", "unknown"), ("uncov.", open_krw_s),
        )  # fmt: skip
    profit = Text(
        f"{signed_krw(risk.realised_pnl_krw)} KRW", style="bold " + money_style(risk.realised_pnl_krw)
    )
    return (
        ("profit", profit),
        ("marked", f"{signed_krw(risk.marked_pnl_krw)} KRW"),
        ("exposed", f"{krw(risk.exposure_krw)} KRW"),
        ("uncov.", open_krw_s),
    )


def _sent(board: Board) -> tuple[tuple[str, str], ...]:
    gateway, risk, executor = board.gateway, board.risk, board.executor
    trips = "" if risk is None else f", {risk.trips} trips"
    clips = ("clips", "unknown" if executor is None else f"{executor.clips}{trips}")
    orders = ("orders", "unknown" if risk is None else str(risk.orders))
    if gateway is None:
        return (orders, ("calls", "unknown"), ("left", "unknown"), clips)
    return (
        orders,
        ("calls", f"{gateway.order_calls} order, {gateway.queries_sent} query"),
        ("left", f"{gateway.order_tokens} order, {gateway.query_tokens} query"),
        clips,
    )


def _seen(board: Board) -> tuple[tuple[str, str], ...]:
    gateway, risk, executor = board.gateway, board.risk, board.executor
    conflated = f", {krw(gateway.quotes_conflated)} merged" if gateway and gateway.quotes_conflated else ""
    return (
        ("quotes", "unknown" if gateway is None else f"{krw(gateway.quotes_published)}{conflated}"),
        ("intents", "unknown" if risk is None else str(risk.intents)),
        ("approved", "unknown" if risk is None else f"{risk.approvals}, denied {sum(risk.denials.values())}"),
        ("neutral", "unknown" if executor is None else f"{krw(executor.neutral_ms_max)} ms at most"),
    )


def _gates(board: Board) -> list[Block]:
    gates = board.risk.gates if board.risk is not None else ()
    if not gates:
        return []
    more = f" ({len(gates) - GATES_SHOWN} more)" if len(gates) > GATES_SHOWN else ""
    return [
        Block(heading(f"what keeps it from new pairs{more}"), 1),
        *(Block(one_line(gate, "yellow"), 1) for gate in gates[:GATES_SHOWN]),
    ]


def _spreads(board: Board, now_ns: int, count: int) -> RenderableType:
    spreads = board.best_spreads(count)
    if not board.detectors:
        return unknown("no detector is heard")
    if not spreads:
        return Text(" no quotes of both venues yet", style="dim")
    table = columns(("symbol", "", "buy"), ("ask", "sell", "bid", "shares", "net/share", "bps", "age"))
    table.columns[1].no_wrap, table.columns[1].max_width = False, NAME_SHOWN
    for spread in spreads:
        table.add_row(*spread_row(spread))
    return table


def _pairs(board: Board, now_ns: int) -> list[Block]:
    rows, silence = open_rows(board, now_ns)
    title = [Block(heading("open pairs"), 1)]
    if silence is not None:
        title.append(Block(unknown(f"{silence.words}{'; open then:' if rows else ''}"), 1))
    elif not rows:
        return [*title, Block(Text(" none", style="dim"), 1)]
    return [*title, Block(pair_table(rows, board), 1 + len(rows))] if rows else title


def _alerts(board: Board, now_ns: int) -> list[Block]:
    alerts = [alert for alert in board.open_alerts() if alert.severity is not Severity.INFO]
    taken = {} if board.notifier is None else board.notifier.acknowledged
    held = [f"{alert_id} ({by})" for alert_id, by in taken.items()]
    acknowledged = [Block(one_line(f" acknowledged: {', '.join(held)}", "dim"), 1)] if held else []
    silence = silence_of(board, "notifier", now_ns)
    if silence is not None:
        acknowledged.append(Block(unknown(f"{silence.words}: others may be open"), 1))
    if not alerts:
        return [Block(heading("alerts"), 1), *acknowledged] if acknowledged else []
    shown = sorted(alerts, key=lambda alert: list(Severity).index(alert.severity))[-ALERTS_SHOWN:]
    more = f" ({len(alerts) - len(shown)} more)" if len(alerts) > len(shown) else ""
    return [Block(heading(f"alerts{more}"), 1), *(Block(_alert(alert), 2) for alert in shown), *acknowledged]


def _alert(alert: AlertRaised) -> RenderableType:
    what = one_line(f" {alert.title}: {alert.detail}", SEVERITY_STYLE[alert.severity])
    return Group(what, one_line(f"   {alert.next_step} [{alert.alert_id}]", "dim"))


def _events(board: Board, count: int, clock: Clock) -> RenderableType:
    if not board.events:
        return Text(" nothing was told lately", style="dim")
    return Group(*(event_line(line, clock) for line in board.events[-count:]))
