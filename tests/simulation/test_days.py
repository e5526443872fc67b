"""Whole days from seeds: a fixed set that must stay clean, and that a seed is all that decides a day."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from services.cli.board import Board, seen
from services.cli.figures import DayFigures
from services.cli.simulate import CHUNK, run_seeds
from services.contracts.measures import executor as m
from services.contracts.messages.pairs import ClipCompleted
from services.contracts.step import Event, Step
from services.executor.counts import counted as executor_counted
from services.lab.invariants import violations
from services.runtime.service import Service
from services.simulator.virtual.day import VirtualDay, run_day
from services.simulator.virtual.desk import Desk, build_desk
from services.simulator.virtual.faults import CALM, KINDS

CONFIG = Path(__file__).resolve().parents[2] / "config"


@pytest.fixture(scope="module")
def desk() -> Desk:
    return build_desk(CONFIG)


SEEDS = (5, 17, 23, 30, 33, 37, 42, 45)
"""Few days in which every kind of fault strikes."""
ALONE = frozenset({"cancel_reject", "part_fill", "refusal_shows_rest", "send_failed"})
"""Too rare for so few days: `test_single_faults` has days with one of them."""


def test_a_day_with_faults_breaks_no_invariant(desk: Desk) -> None:
    days = {seed: run_day(desk, seed) for seed in SEEDS}
    broken = {seed: day.violations for seed, day in days.items() if day.violations}
    assert not broken, "replay one: arb simulate --seeds SEED:SEED+1 --timeline"
    struck = sum((day.faults for day in days.values()), Counter[str]())
    assert set(struck) | ALONE == set(KINDS)


@dataclass
class Counted:
    """A calm day, what every step of the executor added to its counters, and every board seen last."""

    day: VirtualDay
    counters: Counter[str]
    board: Board
    figures: DayFigures


@pytest.fixture(scope="module")
def calm(desk: Desk) -> Counted:
    """Of a day in which orders are cancelled too, as NXT takes no IOC."""
    resting = replace(CALM, terms=replace(CALM.terms, nxt_takes_ioc=False))
    day, counters = VirtualDay(desk, 15, resting), Counter[str]()

    def counting(service: Service[Any]) -> Service[Any]:
        def decide(state: Any, event: Event) -> Step[Any]:
            step = service.decide(state, event)
            for reading in executor_counted(state, event, step):
                counters[reading.metric.name] += int(reading.value)
            return step

        return replace(service, decide=decide)

    executor = next(process for process in day.processes if process.name == "executor")
    make = executor.make
    executor.make = lambda: counting(make())
    day.run()
    board, figures = Board(), DayFigures()
    for envelope in day.witness.said.values():
        board = seen(board, envelope)
        figures.take(envelope)
    return Counted(day, counters, board, figures)


def test_a_calm_day_trades_and_ends_clean(calm: Counted) -> None:
    assert violations(calm.day.witness) == []
    assert len(calm.figures.closed) > 5, "a day in which nothing trades shows nothing"


def test_board_report_metrics_alerts_and_broker_count_a_day_alike(calm: Counted) -> None:
    """One word, one figure: docs/figures.md."""
    risk, executor, gateway = calm.board.risk, calm.board.executor, calm.board.gateway
    assert risk is not None and executor is not None and gateway is not None
    figures, closed = calm.figures, calm.figures.closed.values()
    begun = len(calm.day.witness.ever(ClipCompleted))
    assert 0 < figures.clips < begun, "a clip that bought nothing is among them"
    assert executor.clips == figures.clips == calm.counters[m.CLIPS.name]
    assert sum(pair.clips for pair in closed) == figures.clips
    assert executor.pairs_closed == len(closed) == calm.counters[m.PAIRS_CLOSED.name]
    assert executor.neutral_ms_max == max(pair.neutral_ms for pair in closed)
    assert risk.trips == sum(pair.trip for pair in closed)
    assert risk.realised_pnl_krw == figures.realised_pnl_krw
    assert (risk.intents, risk.approvals) == (figures.intents, len(figures.approved))
    assert risk.denials == dict(figures.denials)
    orders, cancels = len(figures.orders), gateway.order_calls - gateway.orders_sent
    placed = [order for order in calm.day.witness.orders() if order.action == "new"]
    assert risk.orders == gateway.orders_sent == orders == len(placed)
    assert cancels > 0, "a cancel is a call and no order"
    books = calm.day.witness.truth
    assert gateway.order_calls == books.orders_admitted
    assert gateway.queries_sent == books.queries_admitted
    assert calm.counters[m.RESIDUALS.name] == figures.residuals


def test_a_day_is_the_same_whatever_runs_beside_it() -> None:
    seeds = range(1, 2 * CHUNK + 1)
    alone, two_at_a_time = (list(run_seeds(CONFIG, seeds, jobs)) for jobs in (1, 2))
    assert alone == two_at_a_time


def test_a_seed_decides_the_whole_day(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not a HALT file of the machine on which it runs."""
    monkeypatch.chdir(tmp_path)
    first = run_day(desk, 5, timeline=True)
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "HALT").touch()
    second = run_day(desk, 5, timeline=True)
    assert first.timeline == second.timeline
    assert first.faults == second.faults
