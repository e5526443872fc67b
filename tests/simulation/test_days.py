"""Whole days from seeds: a fixed set that must stay clean, and that a seed is all that decides a day."""

from pathlib import Path

import pytest

from services.simulator.virtual.day import run_day
from services.simulator.virtual.desk import Desk, build_desk
from services.simulator.virtual.faults import CALM


@pytest.fixture(scope="module")
def desk() -> Desk:
    return build_desk(Path(__file__).resolve().parents[2] / "config")


@pytest.mark.parametrize("seed", range(1, 25))
def test_a_day_with_faults_breaks_no_invariant(desk: Desk, seed: int) -> None:
    result = run_day(desk, seed)
    assert result.violations == [], f"replay: arb simulate --seeds {seed}:{seed + 1} --timeline"


def test_a_calm_day_trades_and_ends_clean(desk: Desk) -> None:
    result = run_day(desk, 1, faults=CALM)
    assert result.violations == []
    assert result.trips > 5, "a day in which nothing trades shows nothing"


def test_a_seed_decides_the_whole_day(desk: Desk) -> None:
    first, second = (run_day(desk, 5, timeline=True) for _ in range(2))
    assert first.timeline == second.timeline
    assert first.faults == second.faults
