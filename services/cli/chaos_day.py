"""One simulated day under faults: real processes, a real Redis, and a broker whose books are the judge.

The day trades while faults strike; then they stop, the desk goes to reduce only, and everything must
close. A person is played by `chaos_operator`.
"""

import functools
import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import redis

from services.cli import chaos_operator
from services.cli.board import BOARD_KEYS, Board, seen
from services.cli.chaos_faults import FaultDesk
from services.cli.chaos_judge import DayVerdict, judge
from services.cli.chaos_plan import faults_of_day
from services.cli.chaos_record import RECORDED_KEYS, Record
from services.cli.chaos_redis import FragileRedis, TailCut
from services.cli.chaos_report import ChaosDayReport
from services.cli.faults import Fault
from services.cli.fleet import (
    WORKER,
    FleetPlan,
    groups_of,
    heartbeats_of,
    programs,
    simulator_address,
)
from services.cli.link import Follower, Link, Seen, open_link
from services.cli.processes import running_in
from services.cli.stack import Stack
from services.cli.surroundings import clean_environment, copy_configuration
from services.contracts.alert_codes import AlertCode
from services.contracts.envelope import Envelope
from services.contracts.limits import NS_PER_MS, NS_PER_S
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.orders import AccountReported, OrderFacts
from services.contracts.messages.pairs import PairClosed, ResidualOpened
from services.contracts.terms import TradingState
from services.lab.broker_books import BrokerBooks
from services.lab.streams_record import record_of
from services.market.files import write_day_plan
from services.market.market_clock import DayPlan, compressed_day
from services.market.sessions import DaySchedule
from services.runtime.bus import BusUnavailable
from services.simulator.admin import Admin

PRESET: Final = Path("chaos")
LEAD_S: Final = 10
LINK_TIMEOUT_S: Final = 1
"""Short, so that a paused Redis does not hold up the one who is to resume it."""
READY_TIMEOUT_S: Final = 45
HEAL_TIMEOUT_S: Final = 200
"""Longer than the broker's window of queries (50 in 180 s): many restarts of the gateway may spend it."""
QUIET_S: Final = 1.5
UNREPORTED_S: Final = 8.0
"""So long after the last order the account should have been reported; a routine query may have to wait."""
ASK_AGAIN_S: Final = 1.0
READ_BLOCK_MS: Final = 30
RETRY_S: Final = 0.05
LAST_STRIKE_S: Final = 2
"""Faults go on a little beyond the end of continuous trading: pairs must survive that too."""


@dataclass(frozen=True, slots=True)
class DayOptions:
    """`number` counts the days of a drill from 1; `kills_left` is how many it may still take."""

    number: int
    seed: int
    seconds: int
    kills_left: int
    config_dir: Path
    folder: Path
    schedule: DaySchedule


@dataclass
class ChaosDay:
    """`run` does it all and always leaves nothing running. `stopped` is asked whether a person wants out."""

    options: DayOptions
    say: Callable[[str], None]
    struck: Callable[[int], None]
    stopped: Callable[[], bool]
    record: Record = field(default_factory=Record)
    board: Board = field(default_factory=Board)
    troubles: list[str] = field(default_factory=list)
    residuals: set[str] = field(default_factory=set)
    fenced: set[str] = field(default_factory=set)
    """Instances that have said that they wait behind another."""
    wanted: TradingState = TradingState.ARMED
    _asked_s: float = 0.0
    _moved_s: float = 0.0
    _account_s: float = 0.0
    _rest_s: int = 0

    def run(self) -> ChaosDayReport:
        """Return the day's report, clean or not.

        Raises:
            Fault: the day could not begin.
        """
        self.options.folder.mkdir(parents=True)
        with self._redis(), self._stack():
            self._wait_ready()
            self._trade()
            self._heal()
            truth = self._truth()
        if left := running_in(self.options.folder):
            self.troubles.append(f"after the day this still runs: {', '.join(left)}")
        risk = self.board.risk
        record = record_of(
            self.record.envelopes(), truth, self._fleet.config_dir, self._plan, self.options.schedule,
            struck=True,
        )  # fmt: skip
        verdict = judge(record, None if risk is None else risk.realised_pnl_krw)
        violations = (*verdict.violations, *self.troubles, *self._desk.troubles)
        verdict = verdict.model_copy(update={"violations": violations})
        self._keep_evidence(truth, verdict)
        return ChaosDayReport(
            day=self.options.number, faults=dict(sorted(self._desk.struck.items())),
            kills_with_open_pair=self._desk.kills_with_open_pair, fenced=self._desk.fenced,
            entries_lost=self.record.lost, to_rest_s=self._rest_s,
            account_compared=self._account_s > self._moved_s, verdict=verdict,
        )  # fmt: skip

    # -- getting ready -------------------------------------------------------------------

    @contextmanager
    def _redis(self) -> Iterator[None]:
        folder = self.options.folder / "redis"
        self._server = FragileRedis(folder)
        self._server.start()
        self._link: Link = open_link(self._server.server.url, LINK_TIMEOUT_S)
        self._follower: Follower = self._link.follow(sorted({*BOARD_KEYS, *RECORDED_KEYS}))
        try:
            yield
        finally:
            self._link.close()
            self._server.stop()

    @contextmanager
    def _stack(self) -> Iterator[None]:
        options = self.options
        plan_file = options.folder / "day_plan.json"
        anchor_ns = time.time_ns() + LEAD_S * NS_PER_S
        self._plan: DayPlan = compressed_day(options.schedule, anchor_ns, options.seconds)
        write_day_plan(plan_file, self._plan)
        self._fleet = FleetPlan(
            options.folder, copy_configuration(options.config_dir, options.folder / "config"),
            groups_of(options.config_dir), day_plan=plan_file,
            simulator_seed=options.seed * 1_000 + options.number, simulator_options=PRESET,
        )  # fmt: skip
        self._services = heartbeats_of(self._fleet)
        stack = Stack(options.folder, self._server.server.url, clean_environment(), tied=True)
        length_ms = (self._strikes_until_ns() - self._strikes_from_ns()) // NS_PER_MS
        self._desk = FaultDesk(
            stack, self._server, simulator_address(options.folder),
            deque(faults_of_day(options.seed, options.number, (*self._services, WORKER), length_ms)),
            options.kills_left, self._lost, self._say, self._waits,
        )  # fmt: skip
        try:
            for program in programs(self._fleet):
                stack.start(program)
            yield
        finally:
            self._desk.release()
            self.troubles += stack.stop_all()

    def _strikes_from_ns(self) -> int:
        return self._plan.wall_ns(self.options.schedule.overlaps()[0].start_ns)

    def _strikes_until_ns(self) -> int:
        return self._plan.wall_ns(self.options.schedule.overlaps()[-1].end_ns) + LAST_STRIKE_S * NS_PER_S

    # -- the day -------------------------------------------------------------------------

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not all(name in self.board.services for name in self._services):
            self._turn()
            if time.monotonic() > deadline:
                silent = [name for name in self._services if name not in self.board.services]
                raise Fault(f"not ready after {READY_TIMEOUT_S} s: {', '.join(silent)}",
                            f"Look at the logs in {self.options.folder / 'logs'}.")  # fmt: skip

    def _trade(self) -> None:
        while time.time_ns() < self._strikes_until_ns() and not self._desk.spent:
            self._turn()

    def _heal(self) -> None:
        """Faults stop; only what is open is closed, until nothing moves any more."""
        self._desk.stop()
        self._say("faults are over: reduce only, everything must close")
        self.wanted = TradingState.REDUCE_ONLY
        began_s = self._moved_s = time.monotonic()
        deadline = began_s + HEAL_TIMEOUT_S
        while not self._quiet():
            self._turn()
            self._rest_s = round(time.monotonic() - began_s)
            if time.monotonic() > deadline:
                self.troubles.append(f"not at rest {HEAL_TIMEOUT_S} s after the last fault: {self._unrest()}")
                return

    def _quiet(self) -> bool:
        """Whether all is closed, and the account was compared since, if the broker still answers queries."""
        reported = self._account_s > self._moved_s
        wait_s = QUIET_S if reported else UNREPORTED_S
        return not self._unrest() and time.monotonic() - self._moved_s > wait_s

    def _unrest(self) -> str:
        now_ns = time.time_ns()
        silent = [name for name in self._services if not self.board.alive(name, now_ns)]
        checks = (
            (not self._desk.healed, "processes are still being started"),
            (bool(silent), f"silent: {', '.join(silent)}"),
            (bool(self._open), f"open pairs: {', '.join(sorted(self._open))}"),
            (bool(self.board.latches), f"latches: {', '.join(sorted(self.board.latches))}"),
            (self.board.state is not self.wanted, f"the trading state is {self.board.state}"),
        )
        return "; ".join(words for wrong, words in checks if wrong)

    def _turn(self) -> None:
        """Read what was said, act as the desk, do what the plan of faults wants."""
        if self.stopped():
            raise Fault("stopped before the drill was over")
        for item in self._read():
            self._take(item)
        self._operate()
        kills = self._desk.kills
        elapsed_ms = (time.time_ns() - self._strikes_from_ns()) // NS_PER_MS
        self._desk.turn(elapsed_ms, bool(self._open))
        if self._desk.kills > kills:
            self.struck(self._desk.kills - kills)

    @property
    def _open(self) -> set[str]:
        """Pairs approved and not closed, and those that were opened again or brought back."""
        return self.board.open_pairs.keys() | self.residuals

    def _waits(self, pid: int) -> bool:
        return any(instance.endswith(f"-{pid}") for instance in self.fenced)

    def _read(self) -> list[Seen]:
        try:
            return self._follower.read(READ_BLOCK_MS)
        except BusUnavailable:
            time.sleep(RETRY_S)
            return []

    def _take(self, item: Seen) -> None:
        self.record.take(item)
        self.board = seen(self.board, item.envelope)
        if isinstance(item.message, ResidualOpened):
            self.residuals.add(item.message.pair_id)
        elif isinstance(item.message, PairClosed):
            self.residuals.discard(item.message.pair_id)
        if isinstance(item.message, AlertRaised) and item.message.code == AlertCode.SECOND_INSTANCE:
            self.fenced.add(str(item.message.facts["instance"]))
        if isinstance(item.message, AccountReported):
            self._account_s = time.monotonic()
        elif isinstance(getattr(item.message, "facts", item.message), OrderFacts | PairClosed):
            self._moved_s = time.monotonic()

    def _operate(self) -> None:
        if time.monotonic() - self._asked_s < ASK_AGAIN_S:
            return
        self._asked_s = time.monotonic()
        wishes = chaos_operator.requests(self.board, time.time_ns(), self.wanted, self._services)
        try:
            for wish in wishes:
                self._link.append(wish, cause=f"chaos-{uuid4()}")
        except BusUnavailable:
            return

    # -- what is lost and what is left -----------------------------------------------------

    def _lost(self, cut: TailCut) -> None:
        """Redis is back: forget what it no longer has, and look at the board anew."""
        for key in RECORDED_KEYS:
            self.record.forget_lost(key, cut.since_ms, self._survivors(key, cut.since_ms))
        was = self.board
        bare = Board(services=was.services, gateway=was.gateway, risk=was.risk)
        self.board = functools.reduce(seen, self.record.envelopes(), bare)
        self.residuals = _residuals(self.record.envelopes())

    def _survivors(self, key: str, since_ms: int) -> set[str]:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while True:
            try:
                rows: Any = self._link.client.xrange(key, min=f"{since_ms}-0")
                return {entry_id.decode() for entry_id, _ in rows}
            except redis.exceptions.RedisError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(RETRY_S)

    def _truth(self) -> BrokerBooks:
        for item in self._follower.drain():
            self._take(item)
        with Admin(simulator_address(self.options.folder)) as admin:
            return BrokerBooks.model_validate(admin.snapshot())

    def _keep_evidence(self, truth: BrokerBooks, verdict: DayVerdict) -> None:
        folder = self.options.folder
        (folder / "broker.json").write_text(truth.model_dump_json(indent=1) + "\n", encoding="utf-8")
        (folder / "verdict.json").write_text(verdict.model_dump_json(indent=1) + "\n", encoding="utf-8")
        lines = (envelope.encode() for envelope in self.record.envelopes())
        (folder / "messages.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def _say(self, text: str) -> None:
        with (self.options.folder / "faults.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"at_ns": time.time_ns(), "what": text}) + "\n")
        self.say(f"day {self.options.number}: {text}")


def _residuals(messages: Iterable[Envelope]) -> set[str]:
    """Pairs whose residual is not yet closed."""
    found: set[str] = set()
    for envelope in messages:
        if isinstance(envelope.body, ResidualOpened):
            found.add(envelope.body.pair_id)
        elif isinstance(envelope.body, PairClosed):
            found.discard(envelope.body.pair_id)
    return found
