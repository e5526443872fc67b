"""Risk and the executor agree on what is open and on the money, whatever happens between them."""

import pytest

from .two_cores import walked


@pytest.mark.parametrize("late_fills", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_both_cores_end_flat_with_the_brokers_money(seed: int, late_fills: bool) -> None:
    assert walked(seed, late_fills=late_fills) == []


@pytest.mark.slow
@pytest.mark.parametrize("late_fills", [False, True])
@pytest.mark.parametrize("first", range(4, 404, 40))
def test_hundreds_of_walks_end_flat_with_the_brokers_money(first: int, late_fills: bool) -> None:
    found = {seed: walked(seed, late_fills=late_fills) for seed in range(first, first + 40)}
    assert {seed: wrong for seed, wrong in found.items() if wrong} == {}
