"""Starting and stopping a stack that outlives the command: `arb up`, `arb observe`, `arb down`.

supervisord runs the processes, so that one that ends is there again within seconds. Down means every process,
last started first, after trading was ended (`wind_down`).
"""

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from services.cli.date_checks import findings_in, warnings_of
from services.cli.doctor import refuse_bad_configuration
from services.cli.faults import Fault, Interrupted, UsageFault
from services.cli.fleet import GATEWAY, FleetPlan, groups_of, heartbeats_of, programs
from services.cli.link import Link, open_link, refuse_used
from services.cli.options import run_option
from services.cli.processes import ADDRESS_VARIABLE, MANAGER, REDIS, running_in
from services.cli.stack import STOP_TIMEOUT_S, Death, Stack, died
from services.cli.supervisord import managed, manager_program
from services.cli.surroundings import day_at_any_hour
from services.cli.system import refuse_foreign, refuse_served, starting_alone
from services.cli.targets import TARGETS_FILE, write_targets
from services.contracts.messages.status import Heartbeat
from services.contracts.streams import STATUS, key_of
from services.contracts.system import SystemIdentity, SystemMode
from services.contracts.terms import GatewayMode
from services.market.files import read_day_plan, write_day_plan
from services.market.market_clock import DayPlan
from services.runtime.private import private_folder
from services.runtime.redaction import shown_address
from services.runtime.redis_server import find_redis
from services.runtime.settings import RuntimeSettings, load_settings
from services.runtime.stop_signals import StopFlag
from services.runtime.system import own_system

READY_TIMEOUT_S: Final = 60
STOP_ALL_S: Final = 90.0
"""supervisord stops its processes one after the other."""
STOP_ROUNDS: Final = 3
START_LOCK: Final = "start.lock"
DAY_PLAN_FILE: Final = "day_plan.json"
OF_A_DAY: Final = "-day"
"""What a day at any hour leaves in a run folder is kept apart: a real day must not find its dates."""


@dataclass(frozen=True, slots=True)
class LaunchOptions:
    """What a person may choose. `redis` empty is the configured one, else one of our own."""

    run: Path
    config_dir: Path
    redis: str = ""
    mode: GatewayMode = GatewayMode.SIMULATED
    gateway: bool = True
    seed: int = 1
    day_plan: Path | None = None
    metrics_port: int = 0
    day: str = ""
    at: str = ""
    tied: bool = False
    """Whether all of it ends with this command, also when that is killed."""

    @property
    def at_any_hour(self) -> bool:
        """Whether a simulated day is to begin now, whatever the time is."""
        return bool(self.day or self.at)


def launch(options: LaunchOptions, say: Callable[[str], None], stop: StopFlag) -> Stack:
    """Start every process of a plan and wait until each has been heard; returns what was started here.

    Raises:
        UsageFault: something runs in the folder or over the Redis already, or the options contradict.
        ConfigError: the day plan cannot be read.
        Fault: a process died, one was not heard in time, or `stop` was set; nothing is left running.
    """
    _refuse_running(options.run)
    if options.mode is GatewayMode.LIVE:
        raise UsageFault(
            "live trading runs on the broker's machine, not against a simulator",
            'Use `arb up --no-gateway` here, and mode = "live" in gateway.toml there.',
        )
    refuse_bad_configuration(options.config_dir)
    day = _day_of(options)
    for sentence in warnings_of(findings_in(options.config_dir, "" if day is None else day.trading_date)):
        say(sentence)
    try:
        private_folder(options.run)
    except OSError as error:
        raise UsageFault(
            f"--run {options.run}: {error.strerror}", "Name a folder that can be made."
        ) from error
    with _alone(options.run):
        _refuse_running(options.run)
        if day is not None and options.at_any_hour:
            options = _begun_now(options, day)
        return _started(options, _plan(options), say, stop)


@contextmanager
def _alone(run: Path) -> Iterator[None]:
    """Let one command at a time start processes in a run folder. Raises UsageFault where another does."""
    with (run / START_LOCK).open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageFault(f"another command is starting a stack in {run}",
                             "Wait for it, or choose another folder with `--run`.") from error  # fmt: skip
        yield


def _started(options: LaunchOptions, plan: FleetPlan, say: Callable[[str], None], stop: StopFlag) -> Stack:
    stack = _with_redis(options, say)
    try:
        link = open_link(stack.redis_url)
        with starting_alone(link, stack.folder):
            refuse_foreign(link, _own_system(options))
            if REDIS not in stack.processes:
                refuse_served(link, heartbeats_of(plan))
            _start_and_hear(stack, plan, link, say, stop)
        link.close()
    except BaseException:
        if stack.alive:
            with suppress(OSError):  # the terminal may be gone
                say("stopping what was started")
        end(stack)
        raise
    return stack


def _own_system(options: LaunchOptions) -> SystemIdentity:
    """What is started here with a simulated gateway is a simulated system, whatever the settings say."""
    own = own_system(load_settings(RuntimeSettings))
    return replace(own, mode=SystemMode.SIMULATED) if options.gateway else own


def _start_and_hear(
    stack: Stack, plan: FleetPlan, link: Link, say: Callable[[str], None], stop: StopFlag
) -> None:
    """Start every process and wait until each has been heard."""
    written = write_targets(plan)
    if written is not None:
        say(f"metrics: {written} names the targets for Prometheus")
    follower = link.follow([key_of(STATUS)], tail=1)
    began_ns = link.bus.time_ns()
    fleet = programs(plan)
    stack.start(manager_program(fleet, stack.folder, stack.cwd))
    say(f"started {', '.join(program.name for program in fleet)}")
    heard: set[str] = set()
    wanted = set(heartbeats_of(plan))
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not wanted <= heard:
        heard |= {
            item.message.service for item in follower.read(100)
            if isinstance(item.message, Heartbeat) and item.message.started_at_ns >= began_ns
        }  # fmt: skip
        _check(stack, wanted - heard, deadline)
        if stop.is_set():
            raise Interrupted("stopped before all were heard")


def end(stack: Stack) -> list[str]:
    """Stop every process of a stack; returns a sentence for each that did not end well.

    Then it looks which processes of the folder run, whoever started them: a manager that had to be killed
    leaves behind what it had started, and one without a record starts again what was stopped.

    Raises:
        Fault: something runs on.
    """
    unwell: list[str] = []
    left: Stack | None = stack
    for _ in range(STOP_ROUNDS):
        if left is None:
            return unwell
        unwell += left.stop_all(STOP_ALL_S if MANAGER in left.alive else STOP_TIMEOUT_S)
        left = Stack.attach(stack.folder)
    if runs_on := running_in(stack.folder):
        raise Fault(f"in {stack.folder} this still runs: {', '.join(runs_on)}",
                    "Look who starts it (`ps -fp PID`), end that, and say `arb down` again.")  # fmt: skip
    return unwell


def stop(run: Path) -> list[str] | None:
    """Stop the stack of a run folder; returns a sentence for each that did not end well, None if none ran."""
    stack = Stack.attach(run)
    (run / TARGETS_FILE).unlink(missing_ok=True)
    if stack is None:
        return None
    ran = stack.alive
    unwell = end(stack)
    return unwell if ran else None


def _refuse_running(run: Path) -> None:
    stack = Stack.attach(run)
    if stack is not None and stack.alive:
        unwatched = "" if MANAGER in stack.alive else f", without {MANAGER}, which would start them again"
        raise UsageFault(f"a stack runs in {run} already: {', '.join(stack.alive)}{unwatched}",
                         f"Stop it with `arb down{run_option(run)}`, or choose another folder with "
                         "`--run`.")  # fmt: skip


def _day_of(options: LaunchOptions) -> DayPlan | None:
    """Return the plan of the day that is asked for, None in real time. Raises UsageFault and ConfigError."""
    if not options.at_any_hour:
        return None if options.day_plan is None else read_day_plan(options.day_plan)
    if options.day_plan is not None or not options.gateway:
        raise UsageFault("--day and --at make a simulated day that begins now",
                         "Leave out --day-plan and --no-gateway.")  # fmt: skip
    return day_at_any_hour(options.day, options.at, options.config_dir, time.time_ns())


def _begun_now(options: LaunchOptions, day: DayPlan) -> LaunchOptions:
    """Write the plan of a day that begins now. What an earlier such day left behind is removed: its date
    may lie after this one."""
    for name in (REDIS, GATEWAY):
        shutil.rmtree(options.run / f"{name}{OF_A_DAY}", ignore_errors=True)
    file = options.run / DAY_PLAN_FILE
    write_day_plan(file, day)
    return replace(options, day_plan=file)


def _plan(options: LaunchOptions) -> FleetPlan:
    return FleetPlan(
        options.run.resolve(), options.config_dir, groups_of(options.config_dir), mode=options.mode,
        day_plan=None if options.day_plan is None else options.day_plan.resolve(),
        simulator_seed=options.seed if options.gateway else None, metrics_port=options.metrics_port,
        gateway_folder=f"{GATEWAY}{OF_A_DAY if options.at_any_hour else ''}",
    )  # fmt: skip


def _with_redis(options: LaunchOptions, say: Callable[[str], None]) -> Stack:
    """A stack on the Redis given or configured; one of our own only where none was named."""
    address = options.redis or configured_address(os.environ)
    run = options.run.resolve()
    if address:
        link = open_link(address)
        if options.at_any_hour:
            refuse_used(link)
        link.close()
        say(f"Redis: {shown_address(address)}")
        return Stack(run, address, cwd=Path.cwd(), tied=options.tied)
    if not options.gateway:
        raise UsageFault("a gateway elsewhere needs a Redis that it can reach",
                         f"Set {ADDRESS_VARIABLE} in .env, or add --redis URL.")  # fmt: skip
    folder = run / f"{REDIS}{OF_A_DAY if options.at_any_hour else ''}"
    server = find_redis("", folder, tied=options.tied)
    say(f"Redis: {server.url} ({server.origin})")
    stack = Stack(run, server.url, cwd=Path.cwd(), tied=options.tied)
    if server.process is not None:
        stack.adopt(REDIS, server.process)
    return stack


def configured_address(environ: Mapping[str, str]) -> str:
    """Return the Redis that somebody named, or the usual one if it answers; empty if neither."""
    configured = load_settings(RuntimeSettings).redis_url
    usual = RuntimeSettings.model_fields["redis_url"].default
    if configured != usual or environ.get(ADDRESS_VARIABLE):
        return configured
    with suppress(Fault):
        link: Link = open_link(configured)
        link.close()
        return configured
    return ""


def _check(stack: Stack, silent: set[str], deadline: float) -> None:
    given_up = [
        Death(process.name, process.exit_code, stack.last_lines(process.name))
        for process in managed(stack.folder)
        if process.given_up
    ]
    deaths = [*stack.deaths(), *given_up]
    if deaths:
        raise died(deaths, stack.folder)
    if silent and time.monotonic() > deadline:
        name = min(silent)
        last = "\n".join(f"    {line}" for line in stack.last_lines(name))
        names = ", ".join(sorted(silent))
        raise Fault(f"not heard in {READY_TIMEOUT_S} s: {names}; {name} said last:\n{last}",
                    f"All logs are in {stack.folder / 'logs'}.")  # fmt: skip
