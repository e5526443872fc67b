"""Commands that look: `status`, `preflight`, `slack test`."""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer
from rich.markup import escape

from services.cli.board import Board
from services.cli.board_view import render
from services.cli.explain import story_of
from services.cli.faults import EXIT_FAILED, Fault, UsageFault
from services.cli.link import Follower, Link
from services.cli.options import (
    DEFAULT_RUN,
    DEFAULT_WAIT_S,
    JsonOption,
    RedisOption,
    RunOption,
    WaitOption,
    configuration,
    console,
    name_or_login,
    open_desk,
    print_json,
    run_option,
)
from services.cli.preflight import Check, asked, is_clean, preflight
from services.cli.processes import MANAGER, strays
from services.cli.requests import ask
from services.cli.silence import silences
from services.cli.snapshot import board_now
from services.cli.supervisord import managed, manager_up_s, process_lines
from services.contracts.alert_codes import AlertCode
from services.contracts.alert_text import raised
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.control import ArmingCheckRequested
from services.contracts.messages.status import NotifierStatus
from services.contracts.streams import (
    ALERTS,
    COMMANDS,
    DEFAULT_GATEWAY,
    INTENTS,
    ORDERS,
    PAIRS,
    STATUS,
    key_of,
)
from services.contracts.terms import Severity
from services.notifier.settings import NotifierSettings
from services.notifier.webhooks import webhook_addresses
from services.notifier.wording import trial_message
from services.runtime.settings import SettingsError, load_settings
from services.runtime.slack import VARIABLE, Delivered, post
from services.runtime.visible import visible_line

WATCH_PANEL = "Watch"
STORY_KEYS = (
    *(key_of(stream) for stream in (INTENTS, PAIRS, ORDERS, ALERTS)), key_of(COMMANDS, DEFAULT_GATEWAY)
)  # fmt: skip

slack_app = typer.Typer(no_args_is_help=True, help="The way to Slack.")


def status(redis: RedisOption = "", run: RunOption = DEFAULT_RUN, as_json: JsonOption = False) -> None:
    """Print venues, services, spreads, open pairs, rates and profit as they are now (`arb top`: live).

    Exit code 1 where a service is silent: what it would say is unknown then, and so is what hangs on it.
    """
    link = open_desk(redis, run)
    board, now_ns = board_now(link)
    processes = managed(run)
    unwatched = [] if processes else [record.name for record in strays(run)]
    if as_json:
        managed_json = [dataclasses.asdict(process) for process in processes]
        print_json({**board_json(board, now_ns), "processes": managed_json, "unwatched": unwatched})
    else:
        console().print(render(board, now_ns))
        watched = "" if board.supervisor is None else board.supervisor.words(now_ns)
        stopped = f"last stop: {visible_line(board.last_stop)}" if board.last_stop else ""
        lines = (
            stopped, watched, _unwatched_words(unwatched, run),
            *process_lines(processes, manager_up_s(run)),
        )  # fmt: skip
        for line in filter(None, lines):
            console().print(f"[yellow]{escape(line)}[/]", soft_wrap=True)
    silent = silences(board, now_ns)
    if silent and as_json:
        raise typer.Exit(EXIT_FAILED)
    if silent:
        words = "; ".join(item.words for item in silent)
        raise Fault(f"not everything is known: {words}", "`arb logs` shows what they logged last.")


def _unwatched_words(names: Sequence[str], run: Path) -> str:
    if not names:
        return ""
    option = run_option(run)
    return (
        f"{MANAGER} is gone: {', '.join(names)} run on, and nobody would start them again; "
        f"`arb down{option}` ends them in order, `arb up{option}` starts all"
    )


def check_preflight(
    redis: RedisOption = "", run: RunOption = DEFAULT_RUN, wait: WaitOption = DEFAULT_WAIT_S,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Say what keeps the system from being armed; risk is asked too. Exit code 0 when nothing does."""
    checks, _ = whole_preflight(open_desk(redis, run), "arb preflight", wait)
    print_checks(checks, as_json)
    if not is_clean(checks):
        raise typer.Exit(EXIT_FAILED)


def whole_preflight(link: Link, by: str, wait_s: float) -> tuple[tuple[Check, ...], Board]:
    """Return every check, risk's own answer among them, and the board behind them."""
    board, now_ns = board_now(link)
    checks = preflight(board, now_ns)
    if board.state is None:
        return checks, board
    outcome = ask(link, ArmingCheckRequested(by=by), wait_s)
    return (*checks, asked(outcome.answers, " ".join(outcome.lines()))), board


def explain(
    pair_id: Annotated[str, typer.Argument(help="As alerts and `arb status` name it.")],
    redis: RedisOption = "", run: RunOption = DEFAULT_RUN, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Tell how one pair went: the intent, the verdict, every order and fill, the end."""
    lines = story_of(pair_id, open_desk(redis, run).follow(STORY_KEYS).drain())
    if not lines:
        raise UsageFault(f"no stream names a pair {pair_id}",
                         "Is the id right? What is older lies in the journal: "
                         f"`grep -rh {pair_id} {load_settings(NotifierSettings).journal_dir}`.")  # fmt: skip
    if as_json:
        print_json([{**dataclasses.asdict(line), "message": line.message.model_dump()} for line in lines])
        return
    for line in lines:
        console().print(
            f"[dim]{line.after_ms:>7} ms  {line.source:<11}[/] {line.type}: {escape(line.text)}",
            soft_wrap=True,
        )


@slack_app.command("test")
def slack_test(
    whole: Annotated[
        bool, typer.Option("--whole", help="Through the notifier, as a real alert goes, not from here.")
    ] = False,
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who tests.")] = "",
    wait: Annotated[float, typer.Option("--wait", metavar="SECONDS", min=1, max=60)] = 15.0,
    redis: RedisOption = "", run: RunOption = DEFAULT_RUN, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Post one line to Slack and say whether the webhook took it."""
    problem = _through_notifier(redis, run, name_or_login(by), wait) if whole else _from_here()
    if as_json:
        print_json({"delivered": not problem, "problem": problem})
    elif problem:
        console().print(f"[red]not delivered:[/] {escape(problem)}", soft_wrap=True)
    else:
        console().print("[green]delivered[/]")
    if problem:
        raise typer.Exit(EXIT_FAILED)


def _from_here() -> str:
    """Post once to each webhook from this process; returns the problems, empty when all took it."""
    configuration()
    settings = load_settings(NotifierSettings)
    try:
        addresses = webhook_addresses(settings)
    except SettingsError as error:
        raise UsageFault(str(error)) from error
    if not addresses:
        raise UsageFault("no webhook is configured; alerts go to the notifier's terminal",
                         f"Put {VARIABLE}=... into .env (docs/slack.md).")  # fmt: skip
    outcomes = {name: post(url, trial_message(settings.language)) for name, url in addresses.items()}
    refused = (
        (name, outcome.reason) for name, outcome in outcomes.items() if not isinstance(outcome, Delivered)
    )
    return "; ".join(f"{name}: {reason}" if name else reason for name, reason in refused)


def _through_notifier(redis: str, run: Path, by: str, wait_s: float) -> str:
    """Raise a test alert and wait until the notifier counts a delivery; returns the problem, if any."""
    link = open_desk(redis, run)
    before = board_now(link)[0].notifier
    if before is None:
        raise Fault("the notifier has not reported, so nothing would be sent", "Start it: `arb up`.")
    if before.channel == "terminal":
        raise UsageFault("the running notifier has no webhook: its alerts go to its terminal and the journal",
                         f"Give it {VARIABLE} (docs/slack.md) and start it again.")  # fmt: skip
    follower = link.follow([key_of(STATUS)], tail=1)
    alert = _test_alert(by)
    link.append(alert, cause=alert.alert_id)
    after = _delivery(follower, before, wait_s)
    link.append(alert.model_copy(update={"resolved": True}), cause=f"{alert.alert_id}-over")
    if after is not None and after.delivered > before.delivered:
        return ""
    refused = after is not None and after.failed > before.failed
    return "the webhook refused it" if refused else f"the notifier counted no delivery in {wait_s:g} s"


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel=WATCH_PANEL)(status)
    app.command("preflight", rich_help_panel=WATCH_PANEL)(check_preflight)
    app.command(rich_help_panel=WATCH_PANEL)(explain)
    app.add_typer(slack_app, name="slack", rich_help_panel=WATCH_PANEL)


def print_checks(checks: Sequence[Check], as_json: bool) -> None:
    """Print a list of checks, what is wrong with its mending below it."""
    if as_json:
        print_json(checks_json(checks))
        return
    for check in checks:
        mark = _mark(check)
        console().print(f"{mark} {check.name}: {escape(check.detail)}", soft_wrap=True)
        if (check.warns or not check.ok) and check.mend:
            console().print(f"         {escape(check.mend)}", soft_wrap=True)


def _mark(check: Check) -> str:
    if not check.ok:
        return "[bold red]not ok[/] "
    return "[yellow]look at[/]" if check.warns else "[green]ok[/]     "


def checks_json(checks: Sequence[Check]) -> dict[str, Any]:
    """Return a list of checks for a script."""
    return {"clean": is_clean(checks), "checks": [dataclasses.asdict(check) for check in checks]}


def board_json(board: Board, now_ns: int) -> dict[str, Any]:
    """Return the board for a script: the newest message of each kind, ages in ms.

    What is unknown is null, and `unknown` names each silent service with its age and its last words.
    """
    silent = {
        item.service: {
            "age_ms": item.age_ms, "last": None if item.last is None else item.last.model_dump(mode="json")
        }
        for item in silences(board, now_ns)
    }  # fmt: skip
    services = {
        name: {"age_ms": item.age_ms(now_ns), "stale": item.is_stale(now_ns), **item.beat.model_dump()}
        for name, item in sorted(board.services.items())
    }
    newest = {
        "gateway": board.gateway, "risk": board.risk, "executor": board.executor, "notifier": board.notifier,
        "connection": board.connection, "window": board.window, "account": board.account,
        "reconciled": board.reconciled,
        "supervisor": None if board.supervisor is None else board.supervisor.status,
    }  # fmt: skip
    return {
        "now_ns": now_ns,
        "state": board.state,
        "unknown": silent,
        "latches": None if board.state is None else sorted(board.latches),
        "phases": dict(board.phases),
        "reference_hash": board.reference_hash,
        "services": services,
        **{name: None if value is None else value.model_dump(mode="json") for name, value in newest.items()},
        "detectors": {group: item.model_dump(mode="json") for group, item in board.detectors.items()},
        "spreads": [spread.model_dump(mode="json") for spread in board.best_spreads(10)],
        "alerts": [alert.model_dump(mode="json") for alert in board.open_alerts()],
    }


def _test_alert(by: str) -> AlertRaised:
    return raised(AlertCode.SLACK_TEST, f"slack-test-{uuid4().hex[:8]}", Severity.CRITICAL, {"by": by})


def _delivery(follower: Follower, before: NotifierStatus, wait_s: float) -> NotifierStatus | None:
    """Return the first status that counts one more delivery, else the last one seen."""
    deadline = time.monotonic() + wait_s
    last: NotifierStatus | None = None
    while time.monotonic() < deadline:
        for item in follower.read(100):
            if isinstance(item.message, NotifierStatus):
                last = item.message
                if last.delivered > before.delivered:
                    return last
    return last
