"""The command `arb`: the groups of commands, joined."""

import typer

from services.cli import (
    chaos_command,
    commands_dead,
    commands_journal,
    commands_logs,
    commands_reference,
    commands_stack,
    commands_state,
    commands_system,
    commands_trading,
    commands_watch,
    simulate_command,
    top,
)
from services.cli.faults import ArbGroup

app = typer.Typer(
    cls=ArbGroup,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for commands in (
    commands_stack,
    commands_system,
    top,
    commands_watch,
    commands_dead,
    commands_logs,
    commands_trading,
    commands_reference,
    commands_state,
    commands_journal,
    chaos_command,
    simulate_command,
):
    commands.add_to(app)


@app.callback()
def arb() -> None:
    """Watch and steer the KRX/NXT arbitrage system.

    Start with [bold]arb demo[/]: a whole simulated trading day in two minutes.

    Every change asks for a reason, is written down under your name, and says what was answered.
    """
