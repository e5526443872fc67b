"""`arb logs`: the logs of all processes of this machine, merged, filtered, followed."""

import datetime as dt
import os
import sys
import time
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from services.cli.faults import UsageFault
from services.cli.log_files import Line, LogFolder
from services.cli.log_view import LEVELS, Wanted, shown, since_of
from services.cli.options import DEFAULT_RUN, RunOption, console
from services.runtime.visible import visible

POLL_S: Final = 0.25
LINES: Final = 200


def logs(
    name: Annotated[str, typer.Argument(metavar="[SERVICE]", help="The same as --service.")] = "",
    run: RunOption = DEFAULT_RUN,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes; Ctrl-C ends.")]
    = False,
    service: Annotated[str, typer.Option(metavar="NAME", help="One service; detector: all of them.")] = "",
    pair: Annotated[str, typer.Option(metavar="ID", help="What concerns a pair, or one order of it.")] = "",
    level: Annotated[str, typer.Option(help="This level and above: debug, info, warning, error.")] = "",
    since: Annotated[str, typer.Option(metavar="WHEN", help="30s, 10m, 2h, 09:30 (in Korea), a date.")] = "",
    grep: Annotated[str, typer.Option(metavar="TEXT", help="Lines with this text, in either case.")] = "",
    lines: Annotated[
        int | None, typer.Option("--lines", "-n", min=0, show_default=False,
                                 help=f"So many of the newest; {LINES}, or all with --since or --pair.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--dir", metavar="FOLDER", help="Another folder of logs than the run's.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the lines as they are, JSON.")] = False,
) -> None:  # fmt: skip
    """Show what all processes logged, by time; follow it with -f."""
    if level and level.lower() not in LEVELS:
        raise UsageFault(f"--level {level!r} is none", f"Choose one of {', '.join(LEVELS)}.")
    place = folder or run / "logs"
    if not place.is_dir():
        raise UsageFault(f"there are no logs in {place}",
                         "Start the stack with `arb up`, or name the folder: --run or --dir.")  # fmt: skip
    start = since_of(since, dt.datetime.now(dt.UTC)) if since else ""
    wanted = Wanted(service or name, pair, level.lower(), start, grep)
    most = lines if lines is not None else (0 if since or pair else LINES)
    try:
        _show(LogFolder(place), wanted, most, follow, _printer(as_json))
    except BrokenPipeError:
        # The reader of the pipe has had enough; nothing is to be flushed into it at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Printer:
    """Rows for a terminal, one row a line for a pipe, or the lines as they are."""

    def __init__(self, screen: Console, as_json: bool) -> None:
        self._screen, self._as_json = screen, as_json

    def __call__(self, line: Line) -> None:
        if self._as_json:
            sys.stdout.write(visible(line.json) + "\n")
            return
        width = self._screen.width if self._screen.is_terminal else 0
        for row in shown(line, width):
            if width:
                self._screen.print(row, soft_wrap=True)
            else:
                sys.stdout.write(visible(row.plain) + "\n")


def _printer(as_json: bool) -> _Printer:
    return _Printer(console(), as_json)


def _show(folder: LogFolder, wanted: Wanted, most: int, follow: bool, put: _Printer) -> None:
    found = [line for line in folder.read(last=not follow) if wanted.fits(line)]
    for line in found[-most:] if most else found:
        put(line)
    sys.stdout.flush()
    while follow:
        try:
            time.sleep(POLL_S)
        except KeyboardInterrupt:
            return
        for line in filter(wanted.fits, folder.read()):
            put(line)
        sys.stdout.flush()


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Watch")(logs)
