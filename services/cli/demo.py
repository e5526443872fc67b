"""One simulated trading day through real processes, from nothing to a report that is true or says why not.

An empty Redis, a day plan, the simulated exchanges, gateway, two detectors, risk, executor and
notifier as separate processes; armed when the preflight is clean; watched until 20:00 market time;
then the services' figures are held against the books of the simulated broker.
"""

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import uuid4

from services.cli.board import BOARD_KEYS, Board, seen
from services.cli.books import read_books
from services.cli.date_checks import findings_in, provisional_in, warnings_of
from services.cli.doctor import refuse_bad_configuration
from services.cli.faults import Fault, Interrupted, UsageFault
from services.cli.figures import FIGURE_KEYS, DayFigures
from services.cli.fleet import (
    SIMULATOR,
    FleetPlan,
    groups_of,
    heartbeats_of,
    programs,
    simulator_address,
)
from services.cli.link import Seen, open_link, refuse_used, with_database
from services.cli.preflight import is_clean, preflight
from services.cli.processes import running_in
from services.cli.report import DayReport, report_of
from services.cli.stack import Stack, died
from services.cli.steering import state_request
from services.cli.surroundings import clean_environment, copy_configuration, schedule_for
from services.cli.targets import write_targets
from services.contracts.limits import NS_PER_S
from services.contracts.messages.control import ArmRefused, TradingStateChanged
from services.contracts.messages.pairs import PairApproved
from services.contracts.terms import TradingState
from services.lab.streams_record import record_of
from services.market.dates import SECOND_NS
from services.market.files import write_day_plan
from services.market.market_clock import DayPlan, compressed_day
from services.runtime.redis_server import RedisServer, find_redis
from services.runtime.stop_signals import StopFlag, stopped_by_signals

LEAD_S: Final = 10
"""Processes start before the day does: at its first moment all should stand."""
READY_TIMEOUT_S: Final = 45
SETTLE_TIMEOUT_S: Final = 30
QUIET_S: Final = 1.0
DEMO_DATABASE: Final = 9
DAY_END_NS: Final = 20 * 3_600 * SECOND_NS
READ_BLOCK_MS: Final = 50
ARM_AGAIN_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What a person may choose. `date` empty is the next trading day; `kill` empty kills nothing."""

    seconds: int
    seed: int
    config_dir: Path
    redis: str = ""
    date: str = ""
    kill: str = ""
    keep: bool = False
    metrics_port: int = 0
    nxt_takes_ioc: bool = True
    """Whether the simulated NXT takes IOC orders; where not, limits go out and are cancelled in time."""


class Watcher:
    """Who is shown the day as it passes. The base shows nothing."""

    def began(self, plan: DayPlan) -> None:
        """Market time is known from now on."""

    def said(self, text: str) -> None:
        """A step of the demo itself."""

    def passed(self, board: Board, now_ns: int, fresh: list[Seen]) -> None:
        """Time passed; `fresh` are the messages since the last call."""


@dataclass
class Demo:
    """One run. `run` does it all and always leaves nothing running."""

    options: DemoOptions
    watcher: Watcher
    folder: Path = field(init=False)
    board: Board = field(default_factory=Board)
    figures: DayFigures = field(default_factory=DayFigures)
    troubles: list[str] = field(default_factory=list)
    _started: bool = False
    _killed: bool = False
    _unwell: list[str] = field(default_factory=list)
    _stop: StopFlag = field(default_factory=StopFlag)
    _armed: bool = False
    _asked_at_s: float = 0.0

    def run(self) -> DayReport:
        """Return the day's report, clean or not.

        Raises:
            Fault: the day could not be run: no Redis, a process that died, a command interrupted.
        """
        refuse_bad_configuration(self.options.config_dir)
        self._schedule = schedule_for(self.options.date, self.options.config_dir)
        self._dates = findings_in(self.options.config_dir, self._schedule.trading_date)
        for sentence in warnings_of(self._dates):
            self.watcher.said(sentence)
        self.folder = Path(tempfile.mkdtemp(prefix="arb-demo-"))
        worth_keeping = True
        try:
            with (
                stopped_by_signals() as self._stop,
                self._redis() as redis_url,
                self._stack(redis_url),
            ):
                report = self._day()
            report = report.with_errors([*self._unwell, *self._runs_on()])
            worth_keeping = self.options.keep or not report.is_clean
            return report
        except (UsageFault, Interrupted):
            worth_keeping = self.options.keep
            raise
        finally:
            with suppress(OSError):  # the terminal may be gone
                self._say_stopped()
            if worth_keeping and any(self.folder.iterdir()):
                self.watcher.said(f"logs, journal and Redis files are kept in {self.folder}")
            else:
                shutil.rmtree(self.folder, ignore_errors=True)

    def _runs_on(self) -> list[str]:
        """Look whether anything of the demo runs still; returns a sentence if something does."""
        left = running_in(self.folder)
        return [f"this still runs: {', '.join(left)}"] if left else []

    def _say_stopped(self) -> None:
        if self._started:
            self.watcher.said("; ".join((*(self._runs_on() or ["everything is stopped"]), *self._unwell)))

    # -- getting ready -------------------------------------------------------------------

    @contextmanager
    def _redis(self) -> Iterator[str]:
        """A Redis with nothing of ours in it: our own server, or a database of the one given."""
        given = self.options.redis
        if given:
            url = with_database(given, DEMO_DATABASE)
            self._link = open_link(url)
            refuse_used(self._link)
            server: RedisServer = find_redis(url, self.folder / "redis")
        else:
            server = find_redis("", self.folder / "redis", tied=True)
            url = server.url
            self._link = open_link(url)
        self.watcher.said(f"Redis: {self._link.address} ({server.origin})")
        try:
            yield url
        finally:
            if given and not self.options.keep:
                self._link.erase()
            self._link.close()
            server.stop()

    @contextmanager
    def _stack(self, redis_url: str) -> Iterator[None]:
        plan_file = self.folder / "day_plan.json"
        config_dir = copy_configuration(self.options.config_dir, self.folder / "config")
        self._plan = self._write_plan(plan_file)
        self.watcher.began(self._plan)
        self._fleet = FleetPlan(
            self.folder, config_dir, groups_of(self.options.config_dir),
            day_plan=plan_file, simulator_seed=self.options.seed, simulator_options=self._world(),
            metrics_port=self.options.metrics_port,
        )  # fmt: skip
        self._stack_now = Stack(self.folder, redis_url, clean_environment(), tied=True)
        self._check_kill()
        written = write_targets(self._fleet)
        if written is not None:
            self.watcher.said(f"metrics: {written} names the targets for Prometheus")
        self._follower = self._link.follow(sorted({*BOARD_KEYS, *FIGURE_KEYS}))
        self._started = True
        try:
            for program in programs(self._fleet):
                self._stack_now.start(program)
            self.watcher.said("started " + ", ".join(self._stack_now.processes))
            yield
        finally:
            self._unwell = self._stack_now.stop_all()

    def _world(self) -> Path:
        path = self.folder / "simulator.json"
        world = {"nxt_takes_ioc": self.options.nxt_takes_ioc}
        path.write_text(json.dumps({"world": world}), encoding="utf-8")
        return path

    def _write_plan(self, path: Path) -> DayPlan:
        anchor_ns = self._link.bus.time_ns() + LEAD_S * NS_PER_S
        plan = compressed_day(self._schedule, anchor_ns, self.options.seconds)
        write_day_plan(path, plan)
        return plan

    def _check_kill(self) -> None:
        can = [program.name for program in programs(self._fleet) if program.name != SIMULATOR]
        if self.options.kill and self.options.kill not in can:
            raise UsageFault(
                f"--kill {self.options.kill}: there is no such service", f"Choose one of {', '.join(can)}."
            )

    # -- the day -------------------------------------------------------------------------

    def _day(self) -> DayReport:
        self._wait_ready()
        end_ns = self._plan.wall_ns(DAY_END_NS)
        self._until(lambda now_ns: now_ns >= end_ns)
        if not self._armed:
            self.troubles.append("the day passed without being armed: " + self._unready())
        self.watcher.said("20:00 market time: the day is over, waiting for flat")
        self._settle()
        return self._conclude()

    def _wait_ready(self) -> None:
        wanted = heartbeats_of(self._fleet)
        deadline = time.monotonic() + READY_TIMEOUT_S
        self._until(lambda now_ns: self._all_beat(wanted) or time.monotonic() > deadline)
        silent = [name for name in wanted if name not in self.board.services]
        if silent:
            raise Fault(f"not ready after {READY_TIMEOUT_S} s: {', '.join(silent)}",
                        f"Look at the end of {self.folder / 'logs' / (silent[0] + '.log')}.")  # fmt: skip
        self.watcher.said("all services are up")

    def _all_beat(self, wanted: tuple[str, ...]) -> bool:
        return all(name in self.board.services for name in wanted)

    def _settle(self) -> None:
        """Wait until every pair is closed and nothing more is said for a moment."""
        deadline = time.monotonic() + SETTLE_TIMEOUT_S
        quiet_since = time.monotonic()

        def flat_and_quiet(now_ns: int) -> bool:
            nonlocal quiet_since
            if self.figures.open_pairs:
                quiet_since = time.monotonic()
            return time.monotonic() - quiet_since > QUIET_S

        self._until(lambda now_ns: flat_and_quiet(now_ns) or time.monotonic() > deadline)

    def _until(self, done: Callable[[int], bool]) -> None:
        """Let time pass: read, show, arm, kill once; stop on a death or an interrupt."""
        while True:
            fresh = self._follower.read(READ_BLOCK_MS)
            for item in fresh:
                self.board = seen(self.board, item.envelope)
                self.figures.take(item.envelope)
            now_ns = self._link.bus.time_ns()
            self._arm(fresh)
            self._kill(fresh, now_ns)
            self.watcher.passed(self.board, now_ns, fresh)
            self._check_deaths()
            if self._stop.is_set():
                raise Interrupted("stopped before the day was over")
            if done(now_ns):
                return

    def _arm(self, fresh: list[Seen]) -> None:
        """Ask to be armed once the preflight is clean, again a second after each refusal."""
        for item in fresh:
            match item.message:
                case TradingStateChanged(state=TradingState.ARMED):
                    self._armed = True
                case ArmRefused(problems=problems):
                    self.watcher.said("arming refused: " + "; ".join(problems))
        now_s = time.monotonic()
        if self._armed or now_s - self._asked_at_s < ARM_AGAIN_S:
            return
        if is_clean(preflight(self.board, self._link.bus.time_ns(), heartbeats_of(self._fleet))):
            self._asked_at_s = now_s
            request = state_request(self.board, TradingState.ARMED, "demo", "simulated day")
            self._link.append(request, cause=f"demo-{uuid4()}")

    def _unready(self) -> str:
        checks = preflight(self.board, self._link.bus.time_ns(), heartbeats_of(self._fleet))
        return (
            "; ".join(f"{check.name}: {check.detail}" for check in checks if not check.ok) or "risk refused"
        )

    # -- faults --------------------------------------------------------------------------

    def _kill(self, fresh: list[Seen], now_ns: int) -> None:
        """Kill the chosen service in mid-day, as a pair opens if one does in time; start it again."""
        name = self.options.kill
        if not name or self._killed:
            return
        window = self._schedule.overlaps()[0]
        market_ns = self._plan.market_ns(now_ns)
        length_ns = window.end_ns - window.start_ns
        if market_ns < window.start_ns + length_ns // 4:
            return
        opened = any(isinstance(item.message, PairApproved) for item in fresh)
        if not opened and market_ns < window.start_ns + length_ns * 3 // 4:
            return
        self._killed = True
        self._stack_now.kill(name)
        pairs = f"{len(self.figures.open_pairs)} open pairs"
        self.watcher.said(f"killed {name} (SIGKILL) with {pairs}; starting it again")
        self._stack_now.restart(name)

    def _check_deaths(self) -> None:
        deaths = self._stack_now.deaths()
        if deaths:
            raise died(deaths, self.folder)

    # -- the end -------------------------------------------------------------------------

    def _conclude(self) -> DayReport:
        for item in self._follower.drain():
            self.board = seen(self.board, item.envelope)
            self.figures.take(item.envelope)
        self._check_complete()
        self._check_services()
        quotes = sum(self._link.entries_added(key) for key in self._link.tick_keys())
        books = read_books(simulator_address(self.folder))
        record = record_of(
            self.figures.said.values(), books, self._fleet.config_dir, self._plan, self._schedule,
            struck=self._killed,
        )  # fmt: skip
        record.trades_expected = True
        record.risk_cash_flow_krw = None if self.board.risk is None else self.board.risk.realised_pnl_krw
        return report_of(
            self.figures, record, self._schedule,
            seconds=self.options.seconds, seed=self.options.seed, quotes=quotes,
            killed=self.options.kill if self._killed else "", troubles=self.troubles,
            provisional=provisional_in(self._dates),
        )  # fmt: skip

    def _check_complete(self) -> None:
        """The figures count only if every entry that the streams ever took was read here."""
        for key in FIGURE_KEYS:
            added, read = self._link.entries_added(key), self._follower.counted.get(key, 0)
            if read < added:
                self.troubles.append(f"figures lack {added - read} of {added} entries of {key}")
        if self._follower.unreadable:
            self.troubles.append(f"{self._follower.unreadable} entries could not be read")

    def _check_services(self) -> None:
        now_ns = self._link.bus.time_ns()
        silent = [name for name in heartbeats_of(self._fleet) if not self.board.alive(name, now_ns)]
        if silent:
            self.troubles.append(f"silent at the end: {', '.join(silent)}")
        if self.options.kill and not self._killed:
            self.troubles.append(f"{self.options.kill} was not killed: the day ended first")
