"""`arb state aside`: a service begins anew, without what it had stored.

It begins disarmed and takes from its streams what stops, the last reference, and nothing that allows. What
was stored is kept under another key. Its epoch stays, so that nobody takes the new process for an older one.
"""

from typing import Annotated

import typer

from services.cli.commands_trading import STEER_PANEL, YesOption
from services.cli.faults import UnknownName, UsageFault
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
from services.cli.snapshot import board_now
from services.contracts.limits import NS_PER_MS
from services.contracts.messages.control import StateMovedAside
from services.contracts.streams import aside_key, state_key

state_app = typer.Typer(no_args_is_help=True, help="What services have stored.")


@state_app.command("aside")
def state_aside(
    service: Annotated[str, typer.Argument(help="As `arb status` names it, like risk.")],
    reason: ReasonOption = "", by: ByOption = "", redis: RedisOption = "", run: RunOption = DEFAULT_RUN,
    as_json: JsonOption = False, yes: YesOption = False,
) -> None:  # fmt: skip
    """Move the stored state of a stopped service aside: it begins anew, disarmed.

    Compare orders and holdings with the broker first: it knows nothing more of open pairs after that.
    """
    reason, by = reason_or_ask(reason), name_or_login(by)
    link = open_desk(redis, run)
    board, now_ns = board_now(link)
    key = state_key(service)
    epoch = link.client.hget(key, "epoch")
    if epoch is None:
        stored = sorted(k.decode().removeprefix(state_key("")) for k in link.client.scan_iter(state_key("*")))
        raise UnknownName(f"nothing is stored of {service!r}", service, stored, "arb status")
    if board.alive(service, now_ns):
        raise UsageFault(f"{service} runs, and would write its state again", "Stop it first.")
    if may_ask() and not yes:
        agree(f"Let {service} begin without what it had stored?")
    aside = aside_key(service, now_ns // NS_PER_MS)
    moved = link.client.pipeline(transaction=True)
    moved.rename(key, aside)
    moved.hset(key, mapping={"epoch": epoch, "owner": ""})
    moved.execute()
    link.append(StateMovedAside(service=service, key=aside, by=by, reason=reason), cause=aside)
    if as_json:
        print_json({"service": service, "key": aside})
        return
    console().print(
        f"{service} begins anew at its next start. What it had stored is {aside}.", soft_wrap=True
    )


def add_to(app: typer.Typer) -> None:
    app.add_typer(state_app, name="state", rich_help_panel=STEER_PANEL)
