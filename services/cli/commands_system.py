"""`arb system`: which system a Redis belongs to, and its move to another name."""

from dataclasses import replace
from typing import Final
from uuid import uuid4

import typer
from rich.markup import escape

from services.cli.commands_trading import YesOption
from services.cli.faults import UsageFault
from services.cli.link import Link
from services.cli.options import (
    DEFAULT_RUN,
    ByOption,
    JsonOption,
    ReasonOption,
    RedisOption,
    RunOption,
    agree,
    console,
    may_ask,
    name_or_login,
    open_desk,
    print_json,
    reason_or_ask,
)
from services.cli.system import adopt as move
from services.cli.system import refuse_served, system_of
from services.contracts.alert_codes import AlertCode
from services.contracts.alert_text import raised
from services.contracts.system import SystemIdentity
from services.contracts.terms import Severity
from services.runtime.settings import RuntimeSettings, load_settings
from services.runtime.system import own_system

PANEL: Final = "Run"
NOBODY: Final = "no system has claimed it yet: the first service that starts does"
system_app = typer.Typer(no_args_is_help=True, help="Whose this Redis is: show, adopt.")


@system_app.command("show")
def show(redis: RedisOption = "", run: RunOption = DEFAULT_RUN, as_json: JsonOption = False) -> None:
    """Name the system that a Redis belongs to, and the one that this folder's settings name."""
    link, own = open_desk(redis, run), own_system(load_settings(RuntimeSettings))
    found = system_of(link)
    if as_json:
        print_json({
            "redis": link.address, "holds": None if found is None else found.fields(), "configured": own.name,
        })  # fmt: skip
        return
    for line in (
        f"{link.address}: {NOBODY if found is None else found.shown()}",
        f"configured here: {own.name}",
    ):
        console().print(escape(line), soft_wrap=True)


@system_app.command("adopt")
def adopt(
    reason: ReasonOption = "", by: ByOption = "", redis: RedisOption = "", run: RunOption = DEFAULT_RUN,
    yes: YesOption = False,
) -> None:  # fmt: skip
    """Give a Redis, with all that it holds, to the system that this folder's settings name.

    Refused while services run over it. Simulated stays simulated and real stays real: the positions and
    orders of the one mean nothing to the other, so that takes an empty database.
    """
    reason, by = reason_or_ask(reason), name_or_login(by)
    link = open_desk(redis, run)
    found, own = system_of(link), own_system(load_settings(RuntimeSettings))
    own = replace(own, mode=own.mode if found is None else found.mode, by=by, reason=reason)
    if found is not None and found.is_same(own):
        raise UsageFault(f"{link.address} belongs to {own} already",
                         "Name the system in runtime.toml (system) first.")  # fmt: skip
    refuse_served(link)
    if may_ask() and not yes:
        agree(f"{link.address}: {NOBODY if found is None else found.shown()}. Give it to {own}?")
    move(link, found, own)
    _tell(link, found, own)
    console().print(escape(f"{link.address} belongs to {own} now"), soft_wrap=True)
    if found is not None:
        console().print(escape(f"It belonged to {found}, whose services start over it no more. What they "
                               f"left open is {own}'s to end."), soft_wrap=True)  # fmt: skip


def _tell(link: Link, found: SystemIdentity | None, own: SystemIdentity) -> None:
    """People and journal learn it by an alert, as soon as services run again."""
    facts: dict[str, str | int] = {
        "before": "nobody" if found is None else str(found), "after": str(own), "by": own.by,
        "why": own.reason,
    }  # fmt: skip
    number = uuid4().hex[:8]
    alert = raised(AlertCode.SYSTEM_ADOPTED, f"system-{number}", Severity.WARNING, facts)
    link.append(alert, cause=f"cli-{number}")


def add_to(app: typer.Typer) -> None:
    app.add_typer(system_app, name="system", rich_help_panel=PANEL)
