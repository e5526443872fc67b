"""Commands about the record: `journal verify`, `journal audit`."""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from services.cli.commands_watch import WATCH_PANEL
from services.cli.faults import EXIT_FAILED, Fault, UsageFault
from services.cli.options import DEFAULT_RUN, JsonOption, RunOption, console, print_json
from services.contracts.terms import TradingDate
from services.lab.journal_audit import Audit, audit
from services.notifier.journal_chain import Verdict, verify
from services.notifier.journal_folder import dates_in
from services.notifier.journal_line import LineUnreadable
from services.notifier.journal_record import read_date
from services.notifier.settings import NotifierSettings
from services.runtime.settings import load_settings

JOURNAL_FOLDER = "journal"

journal_app = typer.Typer(no_args_is_help=True, help="The record of everything: verify, audit.")


@journal_app.command("verify")
def journal_verify(
    folder: Annotated[
        Path | None, typer.Argument(help="The journal; default: the stack's, or that of notifier.toml.")
    ] = None,
    run: RunOption = DEFAULT_RUN, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Check the hash chain of every stream, and name the first line that is not as it was written.

    Keep the heads it prints where nobody of the desk can write: they show an end that was cut off later.
    """
    root = journal_folder(folder, run)
    verdicts = verify(root)
    if not verdicts:
        raise UsageFault(f"there is no journal in {root}", "Name its folder: `arb journal verify FOLDER`.")
    broken = any(verdict.broken for verdict in verdicts)
    if as_json:
        print_json({"folder": str(root), "intact": not broken, "streams": [_row(v) for v in verdicts]})
    else:
        for verdict in verdicts:
            console().print(_words(verdict), soft_wrap=True)
    if broken:
        raise typer.Exit(EXIT_FAILED)


@journal_app.command("audit")
def journal_audit(
    folder: Annotated[
        Path | None, typer.Argument(help="The journal; default: the stack's, or that of notifier.toml.")
    ] = None,
    date: Annotated[str, typer.Option("--date", metavar="YYYY-MM-DD", help="Default: the newest.")] = "",
    run: RunOption = DEFAULT_RUN, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Say whether every order of a date is explained: quotes, intent, pair, command, build, fills and end.

    The profit of each pair is computed again from its own fills, costs and claims. What Redis lost with its
    last second, and a person's order that nobody has named, are told here.
    """
    root = journal_folder(folder, run)
    dates = dates_in(root)
    chosen = TradingDate(date) if date else max(dates, default=None)
    if chosen is None or chosen not in dates:
        there = (
            f"It has {dates[0]} to {dates[-1]}." if dates else "Name its folder, or wait for its first line."
        )
        raise UsageFault(f"there is no journal {f'of {date} ' if date else ''}in {root}", there)
    try:
        result = audit(read_date(root, chosen))
    except LineUnreadable as error:
        raise Fault(str(error), "`arb journal verify` names what is not as it was written.") from error
    if as_json:
        print_json({"folder": str(root), "explained": not result.findings, **dataclasses.asdict(result)})
    else:
        _print_audit(result)
    if result.findings:
        raise typer.Exit(EXIT_FAILED)


def journal_folder(named: Path | None, run: Path) -> Path:
    """Return the journal that a command means: the one named, that of the run folder, the configured one."""
    if named is not None:
        return named
    own = run / JOURNAL_FOLDER
    return own if own.is_dir() else load_settings(NotifierSettings).journal_dir


def add_to(app: typer.Typer) -> None:
    app.add_typer(journal_app, name="journal", rich_help_panel=WATCH_PANEL)


def _print_audit(result: Audit) -> None:
    builds = sorted({build for row in result.orders for build in (row.commanded_by, row.told_by) if build})
    made = f", made by build {', '.join(builds)}" if builds else ""
    filled = sum(row.filled_shares > 0 for row in result.orders)
    console().print(
        f"{result.trading_date}: {len(result.orders)} orders of ours ({filled} with a fill) for "
        f"{result.pairs} pairs approved{made}; {result.by_hand} by others", soft_wrap=True,
    )  # fmt: skip
    for finding in result.findings:
        console().print(f"[red]{escape(finding.about)}[/]: {escape(finding.problem)}", soft_wrap=True)
    if not result.findings:
        console().print("[green]every order is explained[/]")


def _words(verdict: Verdict) -> str:
    name = f"{verdict.stem:<20}"
    if verdict.broken is None:
        return f"{name} [green]intact[/]  {verdict.lines:>9,} lines  head {verdict.head}"
    place = escape(f"{verdict.broken.path}, line {verdict.broken.line}")
    return (
        f"{name} [red]broken[/]  at {place}: {escape(verdict.broken.why)} ({verdict.lines:,} lines before it)"
    )


def _row(verdict: Verdict) -> dict[str, object]:
    broken = verdict.broken
    return {
        "stream": verdict.stem,
        "lines": verdict.lines,
        "head": verdict.head,
        "broken": None
        if broken is None
        else {"file": str(broken.path), "line": broken.line, "why": broken.why},
    }
