"""Pieces that every page of the board is made of: the state bar, rows, headings, one-line texts."""

from collections.abc import Callable, Iterable
from typing import Final

from rich.console import RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from services.cli.board import Board, HappenedLine
from services.cli.silence import Silence, known, silence_of
from services.cli.wording import Tone, krw, signed_krw
from services.contracts.messages.status import OpenPairSeen, RiskStatus, SpreadSeen
from services.contracts.terms import Severity, TradingState

NAME_SHOWN: Final = 24

_BAR_STYLE: Final = {
    TradingState.ARMED: "bold bright_white on dark_green",
    TradingState.PAUSE_ENTRY: "bold black on yellow",
    TradingState.REDUCE_ONLY: "bold black on yellow",
    TradingState.HALTED: "bold bright_white on red",
    TradingState.DISARMED: "bold bright_white on grey30",
}
_UNKNOWN_STYLE: Final = "bold bright_white on red"
SEVERITY_STYLE: Final = {Severity.INFO: "dim", Severity.WARNING: "yellow", Severity.CRITICAL: "bold red"}
_TONE_STYLE: Final = {
    Tone.PLAIN: "", Tone.QUIET: "dim", Tone.GAIN: "green", Tone.LOSS: "red", Tone.TROUBLE: "yellow",
}  # fmt: skip

_FLOW: Final = ("gateway", "detector", "risk", "executor", "notifier")

Clock = Callable[[int], str]
"""Says Redis time (ns) as a person reads it."""


def state_bar(board: Board, now_ns: int, market_time: str, title: str) -> RenderableType:
    """Return one line: how much is allowed, the market's time, every latch.

    A state is shown while risk says it: afterwards the bar says that it is unknown, and what it was.
    """
    state, gateway = known(board, now_ns).state, board.gateway
    bar = Table(box=None, expand=True, show_header=False, padding=(0, 1))
    bar.add_column(no_wrap=True)
    bar.add_column(justify="right", no_wrap=True)
    left = Text((state or "unknown").upper())
    silence = silence_of(board, "risk", now_ns)
    if state is None and silence is not None:
        left.append(f" {silence.words}{_last_state(silence)}")
    if gateway is not None:
        left.append(f"   {gateway.trading_date} {market_time}")
        if any(finding.provisional for finding in gateway.dates):
            left.append(" PROVISIONAL", style="bold yellow on grey30")
        if gateway.halt_file:
            left.append(f"   HALT FILE {gateway.halt_file}", style="bold bright_white on red")
    for latch in sorted(board.latches):
        left.append(f"   LATCH {latch}", style="bold bright_white on red")
    right = "  ".join(word for word in (gateway.mode if gateway is not None else "", title) if word)
    bar.add_row(left, right, style=_UNKNOWN_STYLE if state is None else _BAR_STYLE[state])
    return bar


def _last_state(silence: Silence) -> str:
    return f", last: {silence.last.state}" if isinstance(silence.last, RiskStatus) else ""


def flow_place(service: str) -> tuple[int, str]:
    """Order services as an opportunity passes through them."""
    kind = service.partition("-")[0]
    return (_FLOW.index(kind) if kind in _FLOW else len(_FLOW), service)


def lamp(words: str, style: str, words_style: str = "") -> Text:
    return Text.assemble((" ● ", style), (words, words_style))


def spread_row(spread: SpreadSeen) -> tuple[Text | str, ...]:
    pays = "bold green" if spread.net_edge_krw > 0 else ""
    return (
        f" {spread.symbol}", one_line(spread.name, ""), spread.buy_venue, krw(spread.ask_krw),
        spread.sell_venue, krw(spread.bid_krw), krw(spread.qty_shares),
        Text(signed_krw(spread.net_edge_krw), style=pays), Text(f"{spread.net_edge_bps:+d}", style=pays),
        f"{spread.age_ms} ms",
    )  # fmt: skip


def pair_row(row: OpenPairSeen, board: Board) -> tuple[Text | str, ...]:
    pair = board.open_pairs.get(row.pair_id)
    buy, sell = (row.buy_venue, row.sell_venue) if pair is None else (pair.buy_venue, pair.sell_venue)
    held = "bold yellow" if row.uncovered_shares else ""
    return (
        f" {row.pair_id}", row.symbol, buy or "", sell or "", row.state, str(row.clip),
        Text(f"{row.uncovered_shares} sh", style=held), Text(krw(row.uncovered_krw), style=held),
        f"{row.age_ms / 1_000:.1f} s",
    )  # fmt: skip


def pair_table(rows: Iterable[OpenPairSeen], board: Board) -> Table:
    table = columns(("pair", "symbol", "buy", "sell", "state"), ("clip", "uncovered", "KRW", "age"))
    for row in rows:
        table.add_row(*pair_row(row, board))
    return table


def unknown(words: str) -> Text:
    """Say that nobody knows, and why."""
    return one_line(f" unknown: {words}", "bold red")


def event_line(line: HappenedLine, clock: Clock) -> Text:
    parts = (f" {clock(line.at_ns)}  ", "dim"), (line.text, _TONE_STYLE[line.tone])
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")


def money_style(amount_krw: int) -> str:
    return "red" if amount_krw < 0 else "green" if amount_krw else ""


def one_line(words: str, style: str) -> Text:
    return Text(words.replace("\n", "; "), style=style, no_wrap=True, overflow="ellipsis")


def heading(words: str) -> Rule:
    return Rule(Text(words, style="cyan"), align="left", style="grey37")


def columns(left: Iterable[str], right: Iterable[str]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    for place, name in enumerate(left):
        table.add_column(name if place else f" {name}", no_wrap=True)
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    return table
