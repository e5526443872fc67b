"""Commands about processes: `demo`, `up`, `down`, `observe`, `doctor`."""

import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from services.cli.commands_watch import print_checks
from services.cli.demo import Demo, DemoOptions
from services.cli.demo_view import LiveWatcher, PlainWatcher, report_view
from services.cli.doctor import examine
from services.cli.faults import EXIT_FAILED, UsageFault
from services.cli.launch import LaunchOptions, end, launch, stop
from services.cli.link import address_in_use
from services.cli.options import (
    DEFAULT_RUN,
    ByOption,
    JsonOption,
    ReasonOption,
    RedisOption,
    RunOption,
    check_writable,
    configuration,
    console,
    name_or_login,
    open_desk,
    reason_or_ask,
    run_option,
)
from services.cli.picture import Album
from services.cli.preflight import is_clean
from services.cli.processes import run_folders
from services.cli.report import DayReport
from services.cli.stack import Stack
from services.cli.supervisord import managed
from services.cli.top import need_terminal, watch
from services.cli.wind_down import Trading, wind_down
from services.contracts.terms import GatewayMode
from services.runtime.stop_signals import stopped_by_signals

RUN_PANEL = "Run"
SettleOption = Annotated[
    float, typer.Option("--wait", metavar="SECONDS", min=0, max=600,
                        help="How long open pairs may take to come to their end."),
]  # fmt: skip
DayOption = Annotated[
    str, typer.Option(metavar="YYYY-MM-DD", help="Simulate this date, begun now; default: real time.")
]
AtOption = Annotated[
    str, typer.Option(metavar="HH:MM", help="Begin a simulated day at this time of day, whatever time it is.")
]


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
    metrics_port: Annotated[
        int, typer.Option(help="First Prometheus port, one for each process; 0: none.", min=0, max=65_000)
    ] = 0,
    nxt_ioc: Annotated[bool, typer.Option(help="Whether the simulated NXT takes IOC orders.")] = True,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Save the screen at its fullest as SVG.", hidden=True)
    ] = None,
) -> None:
    """Run one simulated trading day through real processes and say what happened.

    Exit code 0 only if the day ended flat, profit and account agree to the won, and nothing died.
    """
    check_writable("--json", json_file)
    check_writable("--picture", picture)
    options = DemoOptions(seconds, seed, configuration(), redis, date, kill, keep, metrics_port, nxt_ioc)
    to_stdout = json_file is not None and str(json_file) == "-"
    screen = console(stderr=to_stdout)
    live = not plain and screen.is_terminal
    watcher = LiveWatcher(screen) if live else PlainWatcher(screen)
    album = Album(watcher)
    with watcher if isinstance(watcher, LiveWatcher) else _nothing():
        report = Demo(options, watcher if picture is None else album).run()
    screen.print(report_view(report))
    if picture is not None:
        album.save(picture)
    if json_file is not None:
        _write(report, json_file)
    if not report.is_clean:
        raise typer.Exit(EXIT_FAILED)


def up(
    redis: RedisOption = "", run: RunOption = DEFAULT_RUN,
    mode: Annotated[GatewayMode, typer.Option(help="observe: orders impossible; simulated: orders filled.")]
    = GatewayMode.SIMULATED,
    gateway: Annotated[
        bool, typer.Option("--gateway/--no-gateway", help="Whether the (simulated) gateway runs here too.")
    ] = True,
    seed: Annotated[int, typer.Option(help="Seed of the simulated market.", min=0)] = 1,
    day_plan: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A compressed day; default: real time.")
    ] = None,
    day: DayOption = "", at: AtOption = "",
    metrics_port: Annotated[
        int, typer.Option(help="First Prometheus port, one for each process; 0: none.", min=0, max=65_000)
    ] = 0,
) -> None:  # fmt: skip
    """Start the services of this machine and wait until each is heard.

    Until then Ctrl-C or a closed terminal stops what was started; from then on they run by themselves,
    also without the terminal, until `arb down`; one that ends is started again.
    """
    options = LaunchOptions(
        run, configuration(), redis, mode, gateway, seed, day_plan, metrics_port, day, at
    )  # fmt: skip
    with stopped_by_signals() as told:
        stack = launch(options, lambda text: console().print(text, soft_wrap=True), told)
    running = sum(process.runs for process in managed(stack.folder))
    console().print(f"[green]{running} processes run[/]; logs are in {stack.folder / 'logs'}")
    console().print("Watch with `arb top`, stop with `arb down`.")


def down(
    run: RunOption = DEFAULT_RUN, wait: SettleOption = 10.0,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="End the processes although pairs are open; needs a reason.")
    ] = False,
    reason: ReasonOption = "", by: ByOption = "",
) -> None:  # fmt: skip
    """Stop the services that `arb up` started: first new pairs, then the processes, last started first.

    Where pairs stay open the processes go on, without new pairs, and the exit code is 1; with --anyway they
    end, and the pairs go on at the next start. What could not be learned is named and bars nothing. Exit code
    1 too if something was not known, did not end well or runs on.
    """
    if anyway:
        reason = reason_or_ask(reason)
    stack = Stack.attach(run)
    if stack is not None and stack.alive:
        trading = wind_down(stack.redis_url, _who(by), reason or "arb down", wait)
        _say(trading.lines())
        if trading.open and not anyway:
            again = f"arb down{run_option(run)} --anyway --reason ..."
            _say([f"Nothing was ended; `{again}` ends it all the same."])
            raise typer.Exit(EXIT_FAILED)
    else:
        trading = Trading()
    unwell = stop(run)
    if unwell is None:
        console().print(f"Nothing runs in {run}.")
        for folder, count in run_folders().items():
            _say([f"Elsewhere {count} processes run: `arb down{run_option(folder)}` stops them."])
        return
    _say(("Everything is stopped.", *unwell))
    if unwell or not trading.ended:
        raise typer.Exit(EXIT_FAILED)


def wind_down_only(
    redis: RedisOption = "", run: RunOption = DEFAULT_RUN, wait: SettleOption = 10.0,
    reason: ReasonOption = "", by: ByOption = "",
) -> None:  # fmt: skip
    """Stop entries and wait until nothing is open; the processes go on. `arb down` begins with it.

    Names what is open and what could not be learned; exit code 1 then.
    """
    trading = wind_down(address_in_use(redis, run), _who(by), reason or "arb wind-down", wait)
    _say(trading.lines())
    if not trading.ended:
        raise typer.Exit(EXIT_FAILED)


def _who(by: str) -> str:
    """A stop is never refused because nobody knows who asks."""
    try:
        return name_or_login(by)
    except UsageFault:
        return "arb down"


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        console().print(escape(line), soft_wrap=True)


def observe(
    redis: RedisOption = "", run: RunOption = DEFAULT_RUN,
    gateway: Annotated[
        bool, typer.Option("--gateway/--no-gateway", help="Whether a simulated gateway runs here too.")
    ] = True,
    seed: Annotated[int, typer.Option(help="Seed of the simulated market.", min=0)] = 1,
    day: DayOption = "", at: AtOption = "",
) -> None:  # fmt: skip
    """Measure crosses while orders are impossible: start in observe mode and show the board.

    Where a stack runs already it is only shown; else what was started ends with this command, also when that
    is killed.
    """
    need_terminal()
    stack = None
    with stopped_by_signals() as told:
        running = Stack.attach(run)
        if running is None or not running.alive:
            options = LaunchOptions(
                run, configuration(), redis, GatewayMode.OBSERVE, gateway, seed, day=day, at=at, tied=True
            )  # fmt: skip
            stack = launch(options, lambda text: console().print(text, soft_wrap=True), told)
        unwell: list[str] = []
        try:
            watch(open_desk(redis, run), told, "observing")
        finally:
            if stack is not None:
                unwell = end(stack)
    with suppress(OSError):  # the terminal may be gone
        lines = ("Everything is stopped.", *unwell) if stack is not None else ("What runs goes on.",)
        for line in lines:
            console().print(escape(line), soft_wrap=True)
    if unwell:
        raise typer.Exit(EXIT_FAILED)


def doctor(
    date: Annotated[
        str, typer.Option(metavar="YYYY-MM-DD", help="Judge this date; default: the next one to trade on.")
    ] = "",
    redis: RedisOption = "", run: RunOption = DEFAULT_RUN, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Examine this machine: Python, packages, configuration, the trading date, Redis, clock, disk."""
    checks = tuple(examine(configuration(), address_in_use(redis, run), run, date))
    print_checks(checks, as_json)
    if not is_clean(checks):
        raise typer.Exit(EXIT_FAILED)


def add_to(app: typer.Typer) -> None:
    for command in (demo, up, down, observe, doctor):
        app.command(rich_help_panel=RUN_PANEL)(command)
    app.command("wind-down", rich_help_panel=RUN_PANEL)(wind_down_only)


def _nothing() -> AbstractContextManager[None]:
    return nullcontext()


def _write(report: DayReport, path: Path) -> None:
    text = report.model_dump_json(indent=2) + "\n"
    if str(path) == "-":
        sys.stdout.write(text)
    else:
        path.write_text(text, encoding="utf-8")
