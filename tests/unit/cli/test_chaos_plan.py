"""The faults of a day are a function of the seed, and a deck holds every kind of them."""

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.cli.chaos_plan import (
    BLINK_MS,
    BROKER,
    GAP_MS,
    PATIENCE_MS,
    QUERIES_PER_WINDOW,
    REDIS,
    REPLACE_MS,
    WINDOW_MS,
    FaultKind,
    deck,
    faults_of_day,
    queries_of,
)

SERVICES = ("gateway", "risk", "executor", "notifier", "detector-g1", "detector-g2")
LENGTH_MS = 72_000
seeds = st.integers(min_value=0, max_value=2**32)
days = st.integers(min_value=1, max_value=500)


@given(seeds, days)
def test_the_same_seed_and_day_give_the_same_faults(seed: int, day: int) -> None:
    assert faults_of_day(seed, day, SERVICES, LENGTH_MS) == faults_of_day(seed, day, SERVICES, LENGTH_MS)


def test_other_seeds_and_other_days_give_other_faults() -> None:
    plans = {faults_of_day(seed, day, SERVICES, LENGTH_MS) for seed in range(5) for day in range(1, 6)}
    assert len(plans) == 25


@given(seeds, days, st.integers(min_value=0, max_value=300_000))
def test_faults_come_one_after_another_within_their_day(seed: int, day: int, length_ms: int) -> None:
    faults = faults_of_day(seed, day, SERVICES, length_ms)
    assert all(0 <= fault.at_ms < length_ms for fault in faults)
    assert all(GAP_MS[0] <= after.at_ms - before.at_ms <= GAP_MS[1] for before, after in pairwise(faults))


@given(seeds, days)
def test_only_a_killed_redis_loses_its_tail_and_never_more_than_a_second_of_it(seed: int, day: int) -> None:
    for fault in faults_of_day(seed, day, SERVICES, LENGTH_MS):
        assert 0 <= fault.tail_permille <= 1_000
        assert fault.tail_permille == 0 or (fault.kind, fault.target) == (FaultKind.KILL, REDIS)
        assert fault.patience_ms in (0, PATIENCE_MS)


@given(seeds, days, st.integers(min_value=0, max_value=600_000))
def test_the_brokers_sustained_query_limit_is_never_planned_away(seed: int, day: int, length_ms: int) -> None:
    faults = faults_of_day(seed, day, SERVICES, length_ms)
    for last in faults:
        window = [f for f in faults if last.at_ms - WINDOW_MS < f.at_ms <= last.at_ms]
        assert sum(queries_of(f.kind, f.target) for f in window) <= QUERIES_PER_WINDOW


def test_redis_is_replaced_at_once_as_often_as_slowly_and_sometimes_with_a_service() -> None:
    kills = [
        fault
        for day in range(1, 60)
        for fault in faults_of_day(7, day, SERVICES, 600_000)
        if (fault.kind, fault.target) == (FaultKind.KILL, REDIS)
    ]
    at_once = sum(fault.hold_ms <= BLINK_MS[1] for fault in kills)
    assert 0.4 < at_once / len(kills) < 0.65
    assert {fault.with_it for fault in kills} == {"", "risk", "executor"}
    others = [f for f in faults_of_day(7, 1, SERVICES, 600_000) if f.target != REDIS]
    assert not any(fault.with_it for fault in others)


def test_a_deck_kills_every_service_and_redis() -> None:
    killed = {target for kind, target in deck(SERVICES) if kind is FaultKind.KILL}
    assert killed == {*SERVICES, REDIS}


def test_a_long_day_deals_the_whole_deck() -> None:
    cards = deck(SERVICES)
    dealt = Counter((fault.kind, fault.target) for fault in faults_of_day(3, 1, SERVICES, 1_200_000))
    assert set(dealt) == set(cards)
    assert {(FaultKind.DISCONNECT, BROKER), (FaultKind.REPLACE, "executor")} <= set(dealt)


def test_a_successor_has_time_to_stand_before_the_paused_one_comes_back() -> None:
    replaced = [
        fault.hold_ms for fault in faults_of_day(7, 1, SERVICES, 600_000) if fault.kind is FaultKind.REPLACE
    ]
    assert replaced and min(replaced) >= REPLACE_MS[0]
