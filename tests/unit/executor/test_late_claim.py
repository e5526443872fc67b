"""A claim never expires: one that comes late, or does not fit, ends all selling of its pair."""

import pytest

from services.contracts.limits import NS_PER_MS
from services.contracts.messages.alerts import AlertKind, AlertRaised
from services.contracts.messages.control import FlattenRequested, ResidualClaimed
from services.contracts.messages.pairs import PairClosed, PairOutcome
from services.executor.phases import PairPhase
from tests.unit.executor.desk import Desk, fail_rungs, holding


def claim(desk: Desk, qty: int, pair_id: str = "P1", entry_id: str = "") -> None:
    word = ResidualClaimed(pair_id=pair_id, qty_shares=qty, amount_krw=99_000 * qty, by="kim", reason="sold")
    desk.hear(word, entry_id=entry_id)


def goes_on(desk: Desk, ms: int = 120_000) -> int:
    """How many more orders to sell are given while bids are there."""
    before = len(desk.flattens)
    desk.level()
    desk.live(ms)
    desk.tick(100)
    return len(desk.flattens) - before


def test_a_claim_while_a_sell_works_takes_it_back_and_ends_selling() -> None:
    desk = holding()
    working = desk.flattens[-1]
    desk.accept(working)
    claim(desk, 5)
    desk.tick(100)
    assert [cancel.target_order_id for cancel in desk.cancels][-1:] == [working.order_id]
    desk.close(working)
    assert not goes_on(desk) and desk.pair.phase is PairPhase.STRANDED
    claim(desk, 5)
    assert desk.last(PairClosed).outcome is PairOutcome.CLAIMED


def test_a_claim_that_part_of_it_was_sold_before_ends_selling_of_the_rest() -> None:
    """The person sold all five; meanwhile the pair's own order had sold two."""
    desk = holding()
    desk.close(desk.flattens[-1], 2)
    fail_rungs(desk, 1)
    claim(desk, 5)
    desk.close(desk.flattens[-1])
    assert not goes_on(desk)
    refusals = [a for a in desk.all(AlertRaised) if a.kind is AlertKind.STRANDED and not a.resolved]
    assert refusals, "a person is called"


def test_it_holds_over_a_restart_until_a_person_asks_for_a_flatten() -> None:
    desk = holding()
    claim(desk, 3)
    desk.close(desk.flattens[-1])
    desk.restart()
    assert not goes_on(desk)
    before = len(desk.flattens)
    desk.hear(FlattenRequested(by="kim", reason="it was not sold"))
    assert len(desk.flattens) > before


@pytest.mark.parametrize("age_ms", [0, 86_400_000])
def test_a_claim_of_a_pair_that_comes_back_later_ends_its_selling(age_ms: int) -> None:
    """Its approval was lost, or its executor has no stored state: an order brings the pair back."""
    desk = Desk().open_day()
    claim(desk, 5, "P9", entry_id=f"{desk.now_ns // NS_PER_MS - age_ms}-0")
    refused = [a for a in desk.all(AlertRaised) if a.pair_id == "P9"]
    assert len(refused) == (0 if age_ms else 1)
    desk.approve("P9")
    bought = desk.orders[0]
    desk.fill(bought)
    desk.tick(5_000)
    assert not desk.sells
