"""How a demo is shown: a live screen on a terminal, plain lines everywhere else, and its report."""

import time
from typing import Final

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from services.cli.board import Board, repeats_another
from services.cli.board_parts import Clock
from services.cli.board_view import render
from services.cli.demo import Watcher
from services.cli.link import Seen
from services.cli.report import DayReport
from services.cli.report_page import counted, prompt_rows, provisional_lines, report_page
from services.cli.silence import known
from services.cli.wording import krw, sentence, signed_krw
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.control import ArmRefused, LatchSet, TradingStateChanged
from services.contracts.messages.pairs import PairClosed, ResidualMarked, ResidualOpened
from services.contracts.messages.venue_state import SessionPhaseChanged
from services.market.market_clock import DayPlan

SUMMARY_S: Final = 10.0
REFRESH_PER_S: Final = 4
_TOLD: Final = (
    SessionPhaseChanged,
    TradingStateChanged,
    LatchSet,
    ArmRefused,
    ResidualOpened,
    ResidualMarked,
)


def market_clock_of(plan: DayPlan) -> Clock:
    """Return what says Redis time (ns) as the market time of a compressed day, `HH:MM:SS`."""
    return lambda at_ns: f"{plan.market_time(at_ns):%H:%M:%S}"


class LiveWatcher(Watcher):
    """The board, redrawn a few times a second, with the demo's own steps above it."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, refresh_per_second=REFRESH_PER_S, auto_refresh=False)
        self._drawn_s = 0.0
        self._clock: Clock | None = None

    def __enter__(self) -> "LiveWatcher":
        self._live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.__exit__(None, None, None)

    def began(self, plan: DayPlan) -> None:
        self._clock = market_clock_of(plan)

    def said(self, text: str) -> None:
        self._live.console.print(Text(f"· {text}", style="cyan"))

    def passed(self, board: Board, now_ns: int, fresh: list[Seen]) -> None:
        if time.monotonic() - self._drawn_s >= 1 / REFRESH_PER_S:
            self._drawn_s = time.monotonic()
            screen = render(known(board, now_ns), now_ns, "demo", self._live.console.height, self._clock)
            self._live.update(screen, refresh=True)


class PlainWatcher(Watcher):
    """One line for each thing that matters, and a summary every ten seconds."""

    def __init__(self, console: Console, summary_s: float = SUMMARY_S) -> None:
        self._console = console
        self._summary_s = summary_s
        self._summed_s = time.monotonic()

    def said(self, text: str) -> None:
        self._line(text)

    def passed(self, board: Board, now_ns: int, fresh: list[Seen]) -> None:
        for item in fresh:
            if _matters(item):
                self._line(sentence(item.message))
        if time.monotonic() - self._summed_s >= self._summary_s:
            self._summed_s = time.monotonic()
            self._line(_summary(board))

    def _line(self, text: str) -> None:
        self._console.print(Text(f"{time.strftime('%H:%M:%S')} {text}"), soft_wrap=True)


def _matters(item: Seen) -> bool:
    match item.message:
        case PairClosed(trip=trip):
            return trip
        case AlertRaised(resolved=False) as alert:
            return not repeats_another(alert)
        case message:
            return isinstance(message, _TOLD)


def _summary(board: Board) -> str:
    gateway, risk = board.gateway, board.risk
    if gateway is None or risk is None:
        return "waiting for " + " and ".join(
            name for name, status in (("gateway", gateway), ("risk", risk)) if status is None
        )
    return (
        f"{gateway.market_time} {risk.state}: quotes {krw(gateway.quotes_published)}, "
        f"intents {risk.intents}, "
        f"trips {risk.trips}, profit {signed_krw(risk.realised_pnl_krw)} KRW, orders {risk.orders}"
    )


def report_view(report: DayReport) -> RenderableType:
    """Return a day's report as a person reads it: what was seen, done and earned, and whether it is true."""
    title = f"Simulated {report.trading_date} in {report.seconds} s (seed {report.seed})"
    return report_page(title, _rows(report), [*_verdict(report), *provisional_lines(report.provisional)])


def _rows(r: DayReport) -> list[tuple[str, str]]:
    killed = [("killed", f"{r.killed} (SIGKILL), and started again")] if r.killed else []
    return [
        ("quotes", f"{krw(r.quotes)}; crosses above cost {r.crosses}, the longest {krw(r.cross_ms_max)} ms"),
        ("intents", f"{r.intents}: {r.pairs_approved} approved, {sum(r.denials.values())} denied"),
        ("denied", counted(r.denials)),
        ("last gate", counted(r.gate_denials)),
        ("pairs", f"{r.pairs_closed} closed ({counted(r.outcomes)}), {r.trips} trips, {r.clips} clips"),
        ("fills", f"{r.fills}: bought {r.bought_shares} for {krw(r.bought_krw)} KRW, "
                  f"sold {r.sold_shares} for {krw(r.sold_krw)} KRW"),
        ("residuals", f"{r.residuals}, stranded {r.stranded}"),
        ("to neutral", f"{krw(r.neutral_ms_max)} ms at the longest"),
        *prompt_rows(r),
        ("orders", f"{r.orders_sent}, {r.orders_rejected} rejected, {r.orders_unknown} unknown"),
        ("rates", f"at most {r.max_orders_in_any_second} order and {r.max_queries_in_any_second} query calls "
                  "in any second, as the broker counted"),
        ("costs", f"commission {krw(r.commission_krw)} KRW, tax {krw(r.tax_krw)} KRW"),
        ("phases", f"{len(r.phases_seen)} seen"),
        *killed,
        ("position", f"{r.net_position_shares} shares"),
        ("profit", f"{signed_krw(r.realised_pnl_krw)} KRW by the services, "
                   f"{signed_krw(r.account_cash_change_krw)} KRW in the account"),
    ]  # fmt: skip


def _verdict(report: DayReport) -> list[Text]:
    if report.is_clean:
        return [Text("Flat, and the money agrees to the won.", style="bold green")]
    return [
        Text("Not clean:", style="bold red"),
        *(Text(f"  {error}", style="red") for error in report.errors),
    ]
