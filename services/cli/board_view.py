"""The board as a screen: rich renderables that stay legible at 80 columns and without colour."""

from collections.abc import Iterable
from datetime import datetime

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from services.cli.board import Board
from services.cli.wording import krw, signed_krw
from services.contracts.limits import NS_PER_S
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.status import OpenPairSeen, SpreadSeen
from services.contracts.terms import Severity, TradingState, Venue
from services.market.dates import KST

SPREADS_SHOWN = 8
EVENTS_SHOWN = 8
ALERTS_SHOWN = 4
FEWEST_SHOWN = 3
FIXED_LINES = 15
"""Lines that every screen has: headings, venues, services, money, rates, an open pair or two."""
GATES_SHOWN = 3

_STATE_STYLE = {
    TradingState.ARMED: "bold green", TradingState.PAUSE_ENTRY: "yellow", TradingState.REDUCE_ONLY: "yellow",
    TradingState.HALTED: "bold red", TradingState.DISARMED: "bold",
}  # fmt: skip
_SEVERITY_STYLE = {Severity.INFO: "dim", Severity.WARNING: "yellow", Severity.CRITICAL: "bold red"}


def render(board: Board, now_ns: int, title: str = "", height: int = 40) -> RenderableType:
    """Return the whole screen: state, services, rates, money, spreads, pairs, alerts, events.

    `height` is how many lines there are; spreads and events share what the rest leaves.
    """
    alerts = _alerts(board)
    spare = max(2 * FEWEST_SHOWN, height - FIXED_LINES - 3 * len(alerts))
    spreads = min(SPREADS_SHOWN, spare // 2)
    return Group(
        _headline(board, title),
        _venues_line(board),
        _services_line(board, now_ns),
        _money_line(board),
        _rates_line(board),
        *_gates(board),
        Rule("best spreads, after all costs", style="dim"),
        _spreads(board, spreads),
        Rule("open pairs", style="dim"),
        _pairs(board),
        *alerts,
        Rule("what happened", style="dim"),
        _events(board, min(EVENTS_SHOWN, spare - spreads)),
    )


def _headline(board: Board, title: str) -> Text:
    state = board.state
    line = Text(title, style="bold")
    if title:
        line.append("  ")
    line.append(
        (state or "unknown").upper(), style=_STATE_STYLE.get(state, "bold red") if state else "bold red"
    )
    if board.gateway is not None:
        line.append(f"  {board.gateway.mode}  {board.gateway.trading_date} {board.gateway.market_time}")
    for latch in sorted(board.latches):
        line.append(f"  LATCH {latch}", style="bold red")
    return line


def _venues_line(board: Board) -> Text:
    line = Text()
    for venue in Venue:
        line.append(f"{venue} ", style="bold")
        line.append(f"{board.phases.get(venue, 'unknown')}  ")
        if board.feeds.get(venue) is False:
            line.append("(feed silent)  ", style="yellow")
    window = board.window
    line.append("entries ")
    line.append(
        "open" if window and window.open else "closed", style="green" if window and window.open else ""
    )
    if board.connection is not None:
        line.append(f"  broker {board.connection.state}")
    return line


def _services_line(board: Board, now_ns: int) -> Text:
    if not board.services:
        return Text("no service has been heard", style="bold red")
    silent = {name: item for name, item in sorted(board.services.items()) if item.is_stale(now_ns)}
    line = Text("up: " + " ".join(name for name in sorted(board.services) if name not in silent))
    for name, item in silent.items():
        line.append(f"  {name} SILENT {item.age_ms(now_ns) // 1_000} s", style="bold red")
    return line


def _money_line(board: Board) -> Text:
    risk = board.risk
    if risk is None:
        return Text("profit unknown: risk has not reported", style="dim")
    style = "green" if risk.realised_pnl_krw >= 0 else "red"
    line = Text("profit ")
    line.append(f"{signed_krw(risk.realised_pnl_krw)} KRW", style=style)
    line.append(f" (marked {signed_krw(risk.marked_pnl_krw)})  exposure {krw(risk.exposure_krw)} KRW  ")
    line.append(f"trips {risk.trips}")
    return line


def _rates_line(board: Board) -> Text:
    gateway, risk, executor = board.gateway, board.risk, board.executor
    parts: list[str] = []
    if gateway is not None:
        parts += [
            f"orders {gateway.orders_sent} (most {gateway.orders_in_window_max}/s)",
            f"queries {gateway.queries_sent}", f"quotes {krw(gateway.quotes_published)}",
        ]  # fmt: skip
    if risk is not None:
        denied = sum(risk.denials.values())
        parts.append(f"intents {risk.intents}, approved {risk.approvals}, denied {denied}")
    if executor is not None:
        parts.append(f"clips {executor.clips}")
    return Text("  ".join(parts) or "no rates yet", style="" if parts else "dim")


def _gates(board: Board) -> list[RenderableType]:
    gates = board.risk.gates if board.risk is not None else ()
    if not gates:
        return []
    more = f" ({len(gates) - GATES_SHOWN} more)" if len(gates) > GATES_SHOWN else ""
    return [Rule(f"what keeps it from new pairs{more}", style="dim"),
            *(Text(gate, style="yellow") for gate in gates[:GATES_SHOWN])]  # fmt: skip


def _spreads(board: Board, count: int) -> RenderableType:
    spreads = board.best_spreads(count)
    if not spreads:
        return Text("no quotes of both venues yet", style="dim")
    left, right = ("symbol", "buy"), ("ask", "sell", "bid", "shares", "net/share", "bps", "age")
    table = _table(left, right)
    for spread in spreads:
        table.add_row(*_spread_row(spread), style="green" if spread.net_edge_krw > 0 else "")
    return table


def _spread_row(spread: SpreadSeen) -> tuple[str, ...]:
    name = f"{spread.symbol} {spread.name}"[:20]
    return (
        name, spread.buy_venue, krw(spread.ask_krw), spread.sell_venue, krw(spread.bid_krw),
        krw(spread.qty_shares), signed_krw(spread.net_edge_krw), f"{spread.net_edge_bps:+d}",
        f"{spread.age_ms} ms",
    )  # fmt: skip


def _pairs(board: Board) -> RenderableType:
    executor = board.executor
    rows: Iterable[OpenPairSeen] = (*executor.pairs, *executor.stranded) if executor is not None else ()
    rows = tuple(rows)
    if not rows:
        return Text("none", style="dim")
    table = _table(("pair", "symbol", "state"), ("clip", "uncovered", "KRW", "age"))
    for row in rows:
        table.add_row(
            row.pair_id, row.symbol, row.state, str(row.clip), f"{row.uncovered_shares} sh",
            krw(row.uncovered_krw), f"{row.age_ms / 1_000:.1f} s",
        )  # fmt: skip
    return table


def _alerts(board: Board) -> list[RenderableType]:
    alerts = [alert for alert in board.open_alerts() if alert.severity is not Severity.INFO]
    if not alerts:
        return []
    shown = sorted(alerts, key=lambda alert: list(Severity).index(alert.severity))[-ALERTS_SHOWN:]
    more = f" ({len(alerts) - len(shown)} more)" if len(alerts) > len(shown) else ""
    return [Rule(f"alerts{more}", style="dim"), *(_alert(alert) for alert in shown)]


def _alert(alert: AlertRaised) -> Text:
    line = Text(f"{alert.severity} ", style=_SEVERITY_STYLE[alert.severity])
    line.append(f"{alert.title}: {alert.detail} ", style="")
    line.append(f"[{alert.alert_id}] {alert.next_step}", style="dim")
    return line


def _events(board: Board, count: int) -> RenderableType:
    if not board.events:
        return Text("nothing yet", style="dim")
    lines = [
        Text(f"{clock_time(event.at_ns)} {event.text}", overflow="ellipsis", no_wrap=True)
        for event in board.events[-count:]
    ]
    return Group(*lines)


def clock_time(at_ns: int) -> str:
    """Return wall time in Korea, `HH:MM:SS`."""
    return f"{datetime.fromtimestamp(at_ns // NS_PER_S, KST):%H:%M:%S}"


def _table(left: Iterable[str], right: Iterable[str]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    for name in left:
        table.add_column(name, no_wrap=True)
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    return table
