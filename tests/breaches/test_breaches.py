"""A judge that cannot be lost to is worth nothing: every planted breach is reported on its pinned seed.

`make breaches` looks for each on days 1 to 300 and keeps the table `noticed.toml`.
"""

import tomllib
from pathlib import Path

import pytest

from services.lab.invariants import INVARIANTS
from tests.breaches.catalogue import BREACHES, UNPLANTED, Planted
from tests.breaches.judged import reported

NOTICED = Path(__file__).with_name("noticed.toml")


@pytest.mark.parametrize("breach", BREACHES, ids=lambda breach: breach.name)
def test_breach_is_reported_by_its_invariant(breach: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    breach.plant(monkeypatch)
    assert reported(breach.seed, breach.faults, breach.code, breach.words)


def test_every_invariant_has_a_breach_or_a_reason() -> None:
    planted = {breach.code for breach in BREACHES}
    assert planted.isdisjoint(UNPLANTED)
    assert planted | UNPLANTED.keys() == {invariant.code for invariant in INVARIANTS}


def test_each_breach_was_noticed_on_three_days() -> None:
    """Where this fails, a breach is new or its table is old: make breaches."""
    noticed = tomllib.loads(NOTICED.read_text(encoding="utf-8"))
    assert noticed.keys() == {breach.name for breach in BREACHES}
    assert all(len(row["seeds"]) >= 3 for row in noticed.values())
