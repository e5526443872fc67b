"""The command `arb chaos`."""

import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Annotated, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from services.cli.chaos import Chaos, ChaosOptions, Spectator
from services.cli.chaos_report import ChaosDayReport, report_view
from services.cli.faults import EXIT_FAILED
from services.cli.options import check_writable, configuration, console

PANEL = "Prove"


class LineSpectator(Spectator):
    """A line for everything."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def said(self, text: str) -> None:
        self._console.print(Text(f"{time.strftime('%H:%M:%S')} {text}"), soft_wrap=True)

    def day_over(self, report: ChaosDayReport) -> None:
        for words in day_lines(report):
            self.said(words)


class BarSpectator(Spectator):
    """A progress bar over the kills, the newest fault beside it, and a line for each day."""

    def __init__(self, console: Console, kills: int) -> None:
        self._progress = Progress(
            TextColumn("kills"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("{task.description}", style="dim"), console=console,
        )  # fmt: skip
        self._task = self._progress.add_task("", total=kills)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def said(self, text: str) -> None:
        self._progress.update(self._task, description=text)

    def killed(self, count: int) -> None:
        self._progress.advance(self._task, count)

    def day_over(self, report: ChaosDayReport) -> None:
        for words in day_lines(report):
            self._progress.console.print(Text(words), soft_wrap=True)


def day_lines(report: ChaosDayReport) -> tuple[str, ...]:
    """Return a day in a line, and a line for each thing that did not hold."""
    verdict = report.verdict
    faults = sum(report.faults.values())
    summary = (
        f"day {report.day}: {faults} faults, {verdict.pairs_closed} pairs closed, {verdict.trips} trips, "
        f"profit {verdict.realised_pnl_krw:+,} KRW, "
        f"{f'{len(verdict.violations)} violations' if verdict.violations else 'clean'}"
    )
    return (summary, *(f"  {words}" for words in verdict.violations))


def chaos(
    kills: Annotated[int, typer.Option(help="How many processes are killed (SIGKILL).", min=1)] = 20,
    seed: Annotated[int, typer.Option(help="Seed of faults and market.", min=0)] = 1,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Also write the report as JSON; - is stdout."),
    ] = None,
    seconds_per_day: Annotated[
        int, typer.Option(help="How long each simulated day takes.", min=40, max=3_600)
    ] = 120,
    date: Annotated[
        str, typer.Option(metavar="YYYY-MM-DD", help="Trading date; default: the next one.")
    ] = "",
    plain: Annotated[bool, typer.Option(help="Lines instead of a progress bar.")] = False,
    keep: Annotated[bool, typer.Option(help="Keep logs, journal and books of clean days too.")] = False,
) -> None:
    """Kill, pause and cut off processes while they trade, and let the broker's books judge.

    The services and a Redis of its own run as in `arb demo`. At random moments, preferably while a pair
    is open, processes are killed, Redis loses the end of its file, processes are paused and replaced, and
    connections are cut. Each day must end with nothing lost, nothing doubled, nothing held, and the money
    true to the won. Exit code 0 only if every day did.
    """
    check_writable("--json", json_file)
    to_stdout = json_file is not None and str(json_file) == "-"
    screen = console(stderr=to_stdout)
    options = ChaosOptions(kills, seed, seconds_per_day, configuration(), date, keep)
    if plain or not screen.is_terminal:
        report = Chaos(options, LineSpectator(screen)).run()
    else:
        with BarSpectator(screen, kills) as spectator:
            report = Chaos(options, spectator).run()
    screen.print(report_view(report))
    text = report.model_dump_json(indent=2) + "\n"
    if to_stdout:
        sys.stdout.write(text)
    elif json_file is not None:
        json_file.write_text(text, encoding="utf-8")
    if not report.is_clean:
        raise typer.Exit(EXIT_FAILED)


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel=PANEL)(chaos)
