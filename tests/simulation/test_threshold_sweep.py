"""The sweep behind the shipped threshold row: what it counts, how it rounds, and that seeds decide it."""

from decimal import Decimal

import pytest

from benchmarks.threshold import Clip, buckets, clips_of_day, group_of, kept_by, market, proposed, report
from services.contracts.threshold import Basis
from tests.house.source import ROOT


def clip(expected_bps: int, realised_bps: int, *, missed: bool = False, paid_krw: int = 100_000) -> Clip:
    return Clip(
        paid_krw, Decimal(expected_bps * paid_krw) / 10_000, realised_bps * paid_krw // 10_000, missed
    )  # fmt: skip


CLIPS = [
    *(clip(5, 5) for _ in range(3)), clip(5, -25, missed=True),
    *(clip(20, 20) for _ in range(4)), clip(20, -11, missed=True),
    *(clip(60, 60) for _ in range(9)), clip(60, -100, missed=True),
]  # fmt: skip


def test_clips_are_added_up_by_the_edge_that_was_expected() -> None:
    first, second, third = buckets(CLIPS)
    assert (first.name, first.clips, first.expected_bps) == ("0 to 10", 4, 5)
    assert (first.realised_bps, first.miss_rate, first.loss_bps) == (Decimal("-2.5"), Decimal("0.25"), 30)
    assert (second.name, second.clips, second.loss_bps) == ("20 to 30", 5, 31)
    assert (third.name, third.miss_rate, third.loss_bps) == ("60 to 70", Decimal("0.1"), 160)
    assert group_of("all", CLIPS).clips == 19


def test_row_is_made_of_small_edges_and_rounded_against_us() -> None:
    """Two of nine missed and lost 30.5 bps on average; the wide edges have no say."""
    row = proposed(CLIPS, "the test")
    assert (row.miss_rate, row.loss_bps) == (Decimal("0.23"), 31)
    assert row.basis is Basis.SIMULATED and row.source == "the test"
    assert {c.expected_bps for c in kept_by(row, CLIPS)} == {20, 60}


def test_days_without_a_bought_clip_say_so() -> None:
    with pytest.raises(ValueError, match="no clip was bought"):
        proposed([], "the test")


def test_day_gives_the_same_clips_again_and_its_report_can_be_pasted() -> None:
    first, second = (clips_of_day(ROOT / "config", market("demo", 15.0, (80, 400)), 4) for _ in range(2))
    assert first == second and len(first) > 3
    assert all(found.paid_krw > 0 and abs(found.realised_krw) < found.paid_krw for found in first)
    row = proposed(CLIPS, "the test")
    assert f"miss_rate = {row.miss_rate}" in report(CLIPS, row)
