"""The threshold table in risk: published with its hash, asked at each intent, loosened while disarmed."""

from decimal import Decimal

import pytest

from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.control import (
    LimitChangeProposed,
    LimitChangeRefused,
    ReferencePublished,
)
from services.contracts.messages.pairs import PairApproved, PairDenied
from services.contracts.reasons import DenialReason
from services.contracts.terms import GatewayMode, TradingState
from services.contracts.threshold import Basis, MissFigures, ThresholdRow, ThresholdTable
from services.risk.core import decide
from services.runtime.parts import changed_parts, restore
from tests.unit.detector import world
from tests.unit.detector.world import HYNIX, SAMSUNG
from tests.unit.risk.desk import Desk, armed, ask, files, intent, of
from tests.unit.risk.test_proposals import change, confirm


def table(miss_rate: str = "0.15", loss_bps: int = 45, floor_krw: int = 10, **rows: str) -> ThresholdTable:
    def row(rate: str) -> ThresholdRow:
        miss = MissFigures(miss_rate=Decimal(rate), loss_bps=Decimal(loss_bps))
        return ThresholdRow(
            min_cross_ms=0, ask_moved_last=miss, bid_moved_last=miss, floor_krw=floor_krw,
            basis=Basis.RECORDED, source="forty days",
        )  # fmt: skip

    symbols = {symbol: row(rate) for symbol, rate in rows.items()}
    return ThresholdTable.model_validate({"default": row(miss_rate), "symbol": symbols})


def armed_with(rows: ThresholdTable) -> Desk:
    desk = armed()
    desk.tell(ask(TradingState.DISARMED), files(threshold=rows), ask(TradingState.ARMED))
    assert desk.state.trading.state is TradingState.ARMED
    return desk


def test_table_is_published_with_the_reference_and_named_by_its_hash() -> None:
    desk = Desk()
    first, second = (
        of(desk.tell(files(threshold=rows)), ReferencePublished)[0] for rows in (table(), table(floor_krw=11))
    )
    assert first.reference.threshold == table() and first.reference_hash == first.reference.hash
    assert first.reference_hash != second.reference_hash


@pytest.mark.parametrize(
    ("rows", "approved"),
    [
        (table("0.50", 45), True),
        (table("0.99", 60), False),
        (table("0.99", 60, **{SAMSUNG: "0.1"}), True),
        (table("0.10", 60, **{SAMSUNG: "0.99"}), False),
        (table("0.99", 60, **{HYNIX: "0.1"}), False),
        (table("0", 0, 1_680), True),
        (table("0", 0, 1_700), False),
    ],
)
def test_intent_is_denied_below_what_its_symbol_has_to_earn(rows: ThresholdTable, approved: bool) -> None:
    """The cross earns 1,693 KRW, 48 basis points."""
    desk = armed_with(rows)
    verdict = desk.answer(intent(desk))
    assert isinstance(verdict, PairApproved) is approved
    assert verdict.reference_hash == desk.state.reference_hash
    if isinstance(verdict, PairDenied):
        assert verdict.reason is DenialReason.EDGE_GONE and "threshold_krw=" in verdict.detail


def test_intent_made_under_another_table_is_denied_as_stale() -> None:
    desk = armed()
    asked = intent(desk)
    desk.tell(files(threshold=table("0.90", floor_krw=1_000)))
    verdict = desk.answer(asked)
    assert isinstance(verdict, PairDenied) and verdict.reason is DenialReason.STALE_REFERENCE


def test_table_that_allows_more_waits_until_the_desk_is_disarmed() -> None:
    desk = armed_with(table())
    looser = table(**{SAMSUNG: "0.05"})
    (alert,) = of(desk.tell(files(threshold=looser)), AlertRaised)
    assert SAMSUNG in alert.detail and "0.15 x 45 bps" in alert.detail and "0.05 x 45 bps" in alert.detail
    assert desk.state.reference is not None and desk.state.reference.threshold == table()
    desk.tell(ask(TradingState.DISARMED), files(threshold=looser))
    assert desk.state.reference.threshold == looser


def test_in_live_mode_a_looser_table_waits_for_two_people_while_disarmed_too() -> None:
    desk = Desk()
    desk.tell(files(threshold=table()))
    desk.state = desk.state.but(mode=GatewayMode.LIVE, was_live=True)
    assert desk.state.trading.state is TradingState.DISARMED
    looser, other = table(**{SAMSUNG: "0.05"}), table(**{SAMSUNG: "0.01"})
    (alert,) = of(desk.tell(files(threshold=looser)), AlertRaised)
    assert f"arb limits set threshold {looser.hash}" in alert.detail
    (refused,) = of(desk.tell(change("threshold", other.hash)), LimitChangeRefused)
    assert looser.hash in refused.problem
    (answer,) = of(desk.tell(change("threshold", looser.hash)), LimitChangeProposed)
    desk.tell(files(threshold=other), confirm(answer.proposal))
    assert desk.state.reference is not None and desk.state.reference.threshold == table()
    desk.tell(files(threshold=looser), confirm(answer.proposal))
    assert desk.state.reference.threshold == looser
    assert [alert.resolved for alert in of(desk.tell(files(threshold=looser)), AlertRaised)] == [True]


def test_table_that_asks_for_more_is_taken_at_once() -> None:
    desk = armed_with(table())
    stricter = table("0.20", **{SAMSUNG: "0.30"})
    assert of(desk.tell(files(threshold=stricter)), AlertRaised) == []
    assert desk.state.reference is not None and desk.state.reference.threshold == stricter


def test_table_outlives_a_restart_of_risk() -> None:
    desk = armed_with(table(**{SAMSUNG: "0.05"}))
    again = restore(Desk().state, changed_parts(None, desk.state))
    assert again.reference is not None and again.reference.threshold == table(**{SAMSUNG: "0.05"})
    assert decide(again, world.tick(world.ms(20))).state.reference == desk.state.reference
