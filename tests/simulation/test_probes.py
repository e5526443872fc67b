"""What asks gateway and risk of what they would let through, against such as let it through."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.gateway import gate, order_desk
from services.gateway.lease import Lease
from services.gateway.order_table import OrderTable
from services.risk import verdict
from services.risk.exposure import total_exposure_krw
from services.simulator.options import FaultOptions
from services.simulator.virtual import observer
from services.simulator.virtual.checkers import nothing_slips_through, told_as_it_is
from services.simulator.virtual.day import VirtualDay
from services.simulator.virtual.desk import build_desk
from services.simulator.virtual.faults import CALM, DayFaults, Terms

CONFIG = Path(__file__).resolve().parents[2] / "config"


def a_day(seed: int = 1, faults: DayFaults = CALM) -> VirtualDay:
    day = VirtualDay(build_desk(CONFIG), seed, faults)
    day.run()
    return day


def slips(found: str, faults: DayFaults = CALM) -> bool:
    """Whether one of a few days finds that something would slip through."""
    days = (nothing_slips_through(a_day(seed, faults).witness) for seed in range(1, 9))
    return any(found in sentence for sentences in days for sentence in sentences)


def without(name: str) -> tuple[Callable[..., Any], ...]:
    """The gate's checks without one."""
    return tuple(one for one in gate.CHECKS if one.__name__ != name)


@pytest.mark.parametrize(
    ("check", "found"),
    [
        ("_age", "after its command ended"),
        ("_halt", "beside a HALT file"),
        ("_lease", "without a lease"),
        ("_oversell", "more than its pair holds"),
        ("_self_cross", "against an own order"),
    ],
)
def test_a_gate_that_forgets_one_thing_is_found(
    monkeypatch: pytest.MonkeyPatch, check: str, found: str
) -> None:
    left = without(check)
    assert len(left) == len(gate.CHECKS) - 1
    monkeypatch.setattr(gate, "CHECKS", left)
    assert slips(found)


def test_a_gateway_that_sells_beside_an_unknown_sell_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    sellable = OrderTable.sellable_shares

    def forgetful(table: OrderTable, pair_id: str) -> int:
        unknown = [r for r in table.of_pair(pair_id) if r.stage == "unknown" and r.facts.side == "sell"]
        return sellable(table, pair_id) + sum(record.open_shares for record in unknown)

    monkeypatch.setattr(OrderTable, "sellable_shares", forgetful)
    faults = replace(CALM, broker=FaultOptions(lost_ack_rate=0.5, lost_chejan_rate=0.3))
    assert slips("beside an unknown one", faults)


def test_a_gateway_that_cancels_without_a_token_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_desk, "_no_token", lambda turn: False)
    assert slips(
        "after five orders", replace(CALM, terms=Terms(clip_shares=6, thin=True, nxt_takes_ioc=False))
    )


def test_a_gateway_that_keeps_entries_beyond_the_lease_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    must = Lease.must_cancel
    monkeypatch.setattr(Lease, "must_cancel", lambda lease, mono_ns: must(lease, mono_ns - 1_000_000))
    assert slips("after the lease")


@pytest.mark.parametrize(
    ("reason", "found"),
    [
        ("expired", "too old"),
        ("trips_spent", "beyond the trips"),
        ("cash", "with the cash of sales"),
        ("self_cross", "where a sell of a closed pair works"),
    ],
)
def test_a_risk_that_forgets_one_thing_is_found(
    monkeypatch: pytest.MonkeyPatch, reason: str, found: str
) -> None:
    asked = verdict.first_denial

    def forgetful(case: Any) -> Any:
        denial = asked(case)
        return None if denial is not None and denial[0] == reason else denial

    monkeypatch.setattr(verdict, "first_denial", forgetful)
    assert slips(found)


def test_a_worst_case_that_is_too_small_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    less = lambda risk: max(0, total_exposure_krw(risk) - 1)  # noqa: E731
    monkeypatch.setattr(observer, "total_exposure_krw", less)
    assert any("worst case" in sentence for sentence in told_as_it_is(a_day().witness))
