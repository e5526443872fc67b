"""The command `simulate`."""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from services.cli.faults import EXIT_FAILED, UsageFault
from services.cli.options import check_writable, configuration, console
from services.cli.simulate import LOG_LEVEL, Tally, parse_seeds, run_seeds
from services.lab.fills import HEADS, fill_figures, table_rows
from services.runtime.logs import configure_logs
from services.simulator.virtual.day import run_day
from services.simulator.virtual.desk import build_desk

RUN_PANEL = "Run"
SHOWN = 10


def simulate(
    seeds: Annotated[
        str, typer.Option(metavar="A:B", help="Seeds from A up to, not including, B.")
    ] = "1:101",
    jobs: Annotated[int, typer.Option(help="Processes; 0 takes one a core.", min=0, max=64)] = 0,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures; - is stdout.")
    ] = None,
    timeline: Annotated[bool, typer.Option(help="Print what happened; for a single seed.")] = False,
) -> None:
    """Run whole trading days in one thread under virtual time, with faults, and check every invariant.

    Exit code 1 if any day broke one; each failing seed is printed with how to replay it.
    """
    try:
        wanted = parse_seeds(seeds)
    except ValueError as error:
        raise UsageFault(str(error), "For example: arb simulate --seeds 1:101") from error
    check_writable("--json", json_file)
    configure_logs(LOG_LEVEL)
    if timeline:
        _print_timeline(wanted)
        return
    screen = console(stderr=json_file is not None and str(json_file) == "-")
    tally, started = Tally(), time.monotonic()
    columns = (TextColumn("virtual days"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen, disable=not screen.is_terminal) as progress:
        task = progress.add_task("days", total=len(wanted))
        for result in run_seeds(configuration(), wanted, jobs or os.cpu_count() or 1):
            tally.add(result)
            progress.advance(task)
    figures = tally.figures(time.monotonic() - started)
    for row in tally.violations[:SHOWN]:
        screen.print(f"seed {row['seed']}: {row['violation']}\n  replay: {row['replay']}", highlight=False)
    screen.print(
        f"{tally.days:,} days in {figures['seconds']} s ({figures['days_per_minute']:,} a minute), "
        f"{tally.pairs_closed:,} pairs closed, {sum(tally.faults.values()):,} faults, "
        f"{len(tally.violations)} violations. A day holds {figures['a_day_holds']}.",
        highlight=False,
    )
    screen.print(prompt_line(figures), highlight=False)
    screen.print(fills_table(tally), highlight=False)
    if json_file is not None:
        _write(json_file, json.dumps(figures, indent=2))
    if tally.violations:
        raise typer.Exit(EXIT_FAILED)


def prompt_line(figures: Mapping[str, Any]) -> str:
    """How promptly what was bought was sold again, in a line."""
    wait_ms = figures["first_sell_wait_ms"]
    return (
        f"First sells waited {wait_ms['p50']} ms (p95 {wait_ms['p95']}, max {wait_ms['max']}), "
        f"{figures['late_first_sells_pct']} % late; {figures['entries']:,} entries left, "
        f"{figures['entries_denied_late']} denied late; "
        f"{figures['liquidations_per_100_entries']} liquidations per 100 entries; "
        f"unhedged {figures['unhedged_krw_s']:,} KRW x s."
    )


def fills_table(tally: Tally) -> Table:
    """What fills came to, by preset and by the side of the cross that moved last before the entry."""
    seen, phantoms = (sum(getattr(day, name) for day in tally.fills) for name in ("crosses_seen", "phantoms"))
    table = Table(*HEADS, title="Fills, bps of what was paid", title_justify="left")
    for row in table_rows(fill_figures(tally.fills)):
        table.add_row(*row)
    table.caption = f"{seen:,} crosses were seen, {phantoms:,} of them never were (phantoms)."
    return table


def _print_timeline(seeds: range) -> None:
    if len(seeds) != 1:
        raise UsageFault("a timeline is of one seed", f"For example: --seeds {seeds[0]}:{seeds[0] + 1}")
    result = run_day(build_desk(configuration()), seeds[0], timeline=True)
    for line in (*result.timeline, *(f"VIOLATION {sentence}" for sentence in result.violations)):
        typer.echo(line)
    if result.violations:
        raise typer.Exit(EXIT_FAILED)


def _write(target: Path, text: str) -> None:
    if str(target) == "-":
        typer.echo(text)
    else:
        target.write_text(text + "\n", encoding="utf-8")


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(rich_help_panel=RUN_PANEL)(simulate)
