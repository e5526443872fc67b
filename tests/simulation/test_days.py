"""Whole days from seeds: a fixed set that must stay clean, and that a seed is all that decides a day."""

from collections import Counter
from pathlib import Path

import pytest

from services.cli.simulate import CHUNK, run_seeds
from services.simulator.virtual.day import run_day
from services.simulator.virtual.desk import Desk, build_desk
from services.simulator.virtual.faults import CALM, KINDS

CONFIG = Path(__file__).resolve().parents[2] / "config"


@pytest.fixture(scope="module")
def desk() -> Desk:
    return build_desk(CONFIG)


SEEDS = (*range(1, 7), 11, 15, 22, 23, 24, 37, 38, 44, 47)
"""The last nine with 6 are the fewest in which every kind of fault strikes."""
ALONE = frozenset({"cancel_reject"})
"""Too rare for so few days: `test_single_faults` has days of them alone."""


def test_a_day_with_faults_breaks_no_invariant(desk: Desk) -> None:
    days = {seed: run_day(desk, seed) for seed in SEEDS}
    broken = {seed: day.violations for seed, day in days.items() if day.violations}
    assert not broken, "replay one: arb simulate --seeds SEED:SEED+1 --timeline"
    struck = sum((day.faults for day in days.values()), Counter[str]())
    assert set(struck) | ALONE == set(KINDS)


def test_a_calm_day_trades_and_ends_clean(desk: Desk) -> None:
    result = run_day(desk, 1, faults=CALM)
    assert result.violations == []
    assert result.trips > 5, "a day in which nothing trades shows nothing"


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
