"""The sweep behind the shipped threshold row: what it counts, how it rounds, and that seeds decide it."""

from decimal import Decimal
from pathlib import Path

import pytest

from benchmarks.threshold import (
    Clip,
    Run,
    best_of,
    buckets,
    clips_of_day,
    group_of,
    kept_by,
    market,
    parse_ages,
    proposed,
    report,
    sides,
)
from services.contracts.terms import MovedLast
from services.contracts.threshold import Basis, ThresholdTable
from services.market.files import load_toml
from tests.house.source import ROOT

ASK, BID, UNKNOWN = MovedLast


def clip(
    expected_bps: int, realised_bps: int, *, missed: bool = False, moved_last: MovedLast = UNKNOWN
) -> Clip:
    return Clip(100_000, Decimal(expected_bps * 10), realised_bps * 10, missed, moved_last)


CLIPS = [
    *(clip(5, 5) for _ in range(3)), clip(5, -25, missed=True),
    *(clip(20, 20) for _ in range(4)), clip(20, -11, missed=True),
    *(clip(60, 60) for _ in range(9)), clip(60, -100, missed=True),
]  # fmt: skip
RUN = Run(300, 2, CLIPS)


def test_clips_are_added_up_by_the_edge_that_was_expected() -> None:
    first, second, third = buckets(RUN)
    assert (first.name, first.clips, first.expected_bps) == ("300 ms, 0 to 10 bps", 4, 5)
    assert (first.realised_bps, first.miss_rate, first.loss_bps) == (Decimal("-2.5"), Decimal("0.25"), 30)
    assert (second.name, second.clips, second.loss_bps) == ("300 ms, 20 to 30 bps", 5, 31)
    assert (third.name, third.miss_rate, third.loss_bps) == ("300 ms, 60 to 70 bps", Decimal("0.1"), 160)
    assert group_of("all", CLIPS).clips == 19


def test_row_is_made_of_small_edges_and_rounded_against_us() -> None:
    """Two of nine missed and lost 30.5 bps on average; the wide edges have no say."""
    row = proposed([RUN], "the test")
    assert (row.ask_moved_last.miss_rate, row.ask_moved_last.loss_bps) == (Decimal("0.23"), 31)
    assert row.bid_moved_last == row.ask_moved_last and row.min_cross_ms == 300
    assert row.basis is Basis.SIMULATED and row.source == "the test: 19 clips"
    assert {c.expected_bps for c in kept_by(row, CLIPS)} == {20, 60}


def test_each_side_has_the_figures_of_its_own_clips() -> None:
    stale_bid = [clip(20, -20, missed=True, moved_last=ASK), clip(20, 20, moved_last=ASK)]
    stale_ask = [clip(20, 20, moved_last=BID) for _ in range(3)]
    run = Run(0, 1, [*stale_bid, *stale_ask])
    row = proposed([run], "the test")
    assert (row.ask_moved_last.miss_rate, row.ask_moved_last.loss_bps) == (Decimal("0.50"), 40)
    assert row.bid_moved_last.miss_rate == 0
    assert [(group.name, group.clips) for group in sides(run)] == [
        ("0 ms, ask", 2), ("0 ms, bid", 3), ("0 ms, all", 5),
    ]  # fmt: skip
    assert kept_by(row, run.clips) == stale_ask


def test_least_age_that_brought_most_is_proposed() -> None:
    at_once, waited = Run(0, 1, CLIPS), Run(300, 1, [clip for clip in CLIPS if not clip.missed])
    assert best_of([at_once, waited]) is waited and best_of([RUN, Run(600, 2, CLIPS)]) is RUN
    assert proposed([at_once, waited], "the test").min_cross_ms == 300


def test_days_without_a_bought_clip_say_so() -> None:
    with pytest.raises(ValueError, match="no clip was bought"):
        proposed([Run(0, 1, [])], "the test")


def test_least_ages_that_are_no_numbers_are_refused() -> None:
    assert parse_ages("0,150") == [0, 150]
    with pytest.raises(ValueError, match="whole ms"):
        parse_ages("0,fast")


def test_day_gives_the_same_clips_again_and_its_report_can_be_pasted(tmp_path: Path) -> None:
    first, second = (clips_of_day(ROOT / "config", market("demo", 15.0, (80, 400)), 0, 4) for _ in range(2))
    assert first == second and len(first) > 3
    assert all(found.paid_krw > 0 and abs(found.realised_krw) < found.paid_krw for found in first)
    row = proposed([RUN], "the test")
    lines = report([RUN], row)
    (tmp_path / "threshold.toml").write_text("\n".join(lines[lines.index("[default]") :]), encoding="utf-8")
    assert load_toml(tmp_path / "threshold.toml", ThresholdTable).default == row
