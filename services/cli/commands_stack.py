"""Commands about processes: `demo`, `up`, `down`."""

import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated

import typer

from services.cli.demo import Demo, DemoOptions
from services.cli.demo_view import LiveWatcher, PlainWatcher, report_view
from services.cli.faults import EXIT_FAILED, UsageFault
from services.cli.options import configuration, console
from services.cli.report import DayReport

RUN_PANEL = "Run"


def demo(
    seconds: Annotated[int, typer.Option(help="How long the day takes.", min=20, max=3_600)] = 90,
    seed: Annotated[int, typer.Option(help="Seed of the simulated market.", min=0)] = 1,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Also write the report as JSON; - is stdout."),
    ] = None,
    redis: Annotated[
        str,
        typer.Option(metavar="URL", help="Use this Redis (an empty database of it); default: an own one."),
    ] = "",
    date: Annotated[
        str, typer.Option(metavar="YYYY-MM-DD", help="Trading date; default: the next one.")
    ] = "",
    plain: Annotated[bool, typer.Option(help="Lines instead of the live screen.")] = False,
    kill: Annotated[str, typer.Option(metavar="SERVICE", help="kill -9 this service in mid-day.")] = "",
    keep: Annotated[bool, typer.Option(help="Keep logs, journal and Redis data.")] = False,
) -> None:
    """Run one simulated trading day through real processes and say what happened.

    Exit code 0 only if the day ended flat, profit and account agree to the won, and nothing died.
    """
    _check_writable(json_file)
    options = DemoOptions(seconds, seed, configuration(), redis, date, kill, keep)
    to_stdout = json_file is not None and str(json_file) == "-"
    screen = console(stderr=to_stdout)
    live = not plain and screen.is_terminal
    watcher = LiveWatcher(screen) if live else PlainWatcher(screen)
    with watcher if isinstance(watcher, LiveWatcher) else _nothing():
        report = Demo(options, watcher).run()
    screen.print(report_view(report))
    if json_file is not None:
        _write(report, json_file)
    if not report.is_clean:
        raise typer.Exit(EXIT_FAILED)


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel=RUN_PANEL)(demo)


def _nothing() -> AbstractContextManager[None]:
    return nullcontext()


def _check_writable(path: Path | None) -> None:
    """Refuse a report that could not be written before a day was spent on it."""
    if path is not None and str(path) != "-" and not path.resolve().parent.is_dir():
        raise UsageFault(f"--json {path}: there is no folder {path.resolve().parent}", "Make it first.")


def _write(report: DayReport, path: Path) -> None:
    text = report.model_dump_json(indent=2) + "\n"
    if str(path) == "-":
        sys.stdout.write(text)
    else:
        path.write_text(text, encoding="utf-8")
