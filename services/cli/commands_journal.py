"""Commands about the record: `journal verify`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from services.cli.commands_watch import WATCH_PANEL
from services.cli.faults import EXIT_FAILED, UsageFault
from services.cli.options import DEFAULT_RUN, JsonOption, RunOption, console, print_json
from services.notifier.journal_chain import Verdict, verify
from services.notifier.settings import NotifierSettings
from services.runtime.settings import load_settings

JOURNAL_FOLDER = "journal"

journal_app = typer.Typer(no_args_is_help=True, help="The record of everything: verify.")


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


def journal_folder(named: Path | None, run: Path) -> Path:
    """Return the journal that a command means: the one named, that of the run folder, the configured one."""
    if named is not None:
        return named
    own = run / JOURNAL_FOLDER
    return own if own.is_dir() else load_settings(NotifierSettings).journal_dir


def add_to(app: typer.Typer) -> None:
    app.add_typer(journal_app, name="journal", rich_help_panel=WATCH_PANEL)


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
