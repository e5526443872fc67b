"""A day's figures add up each message once, whatever order and however often it comes."""

import random

from hypothesis import given
from hypothesis import strategies as st

from services.cli.figures import DayFigures
from services.contracts.envelope import Envelope
from services.contracts.messages.control import LatchSet
from services.contracts.messages.orders import CommandDenied, OrderUnknown
from services.contracts.messages.pairs import ClipCompleted, PairDenied
from services.contracts.reasons import DenialReason, GateReason
from services.contracts.terms import Latch, Side
from tests.unit.cli.builders import (
    HYNIX,
    NOW_NS,
    SAMSUNG,
    approved,
    closed,
    envelope,
    facts,
    filled,
    sent,
)


def figures_of(*envelopes: Envelope) -> DayFigures:
    figures = DayFigures()
    for item in envelopes:
        figures.take(item)
    return figures


@given(st.lists(st.integers(-5_000, 5_000), max_size=20), st.randoms(use_true_random=False))
def test_profit_is_the_sum_of_closed_pairs_in_any_order_and_doubled(
    profits: list[int], shuffle: random.Random
) -> None:
    envelopes = [
        envelope(closed(f"P{number}", realised_pnl_krw=profit)) for number, profit in enumerate(profits)
    ]
    doubled = [*envelopes, *envelopes]
    shuffle.shuffle(doubled)
    figures = figures_of(*doubled)
    assert figures.realised_pnl_krw == sum(profits)
    assert not figures.troubles


def test_a_pair_that_was_open_again_counts_once_with_its_last_money() -> None:
    figures = figures_of(
        envelope(closed("P1", realised_pnl_krw=0)), envelope(closed("P1", realised_pnl_krw=-7, closings=2))
    )
    assert (figures.troubles, figures.realised_pnl_krw, len(figures.closed)) == ([], -7, 1)


def test_the_position_is_what_was_bought_less_what_was_sold() -> None:
    figures = figures_of(
        envelope(filled(Side.BUY, 5)), envelope(filled(Side.SELL, 3)),
        envelope(filled(Side.SELL, 2, HYNIX)),
    )  # fmt: skip
    assert dict(figures.position) == {SAMSUNG: 2, HYNIX: -2}
    assert figures.net_position_shares == 4
    assert figures.fills == 3


def test_open_pairs_are_those_approved_and_not_closed() -> None:
    figures = figures_of(envelope(approved("P1")), envelope(approved("P2")), envelope(closed("P1")))
    assert figures.open_pairs == {"P2"}


def test_refusals_are_counted_by_reason_and_by_who_refused() -> None:
    denied = PairDenied(
        intent_id="I1", symbol=SAMSUNG, reason=DenialReason.EDGE_GONE, detail="", decided_at_ns=NOW_NS
    )
    gated = CommandDenied(order_id="O1", pair_id="P1", symbol=SAMSUNG, reason=GateReason.LEASE, detail="")
    figures = figures_of(envelope(denied), envelope(denied), envelope(gated))
    assert dict(figures.denials) == {"edge_gone": 2}
    assert dict(figures.gate_denials) == {"lease": 1}


def test_a_latch_is_kept_in_words() -> None:
    figures = figures_of(envelope(LatchSet(latch=Latch.CLOCKS, detail="apart")))
    assert figures.troubles == ["latch clocks: apart"]


def test_an_order_counts_once_whatever_is_told_of_it_and_a_clip_that_bought_nothing_is_none() -> None:
    def clip(number: int, bought_shares: int) -> ClipCompleted:
        return ClipCompleted(
            pair_id="P1", symbol=SAMSUNG, clip=number, bought_shares=bought_shares, bought_krw=0,
            sold_shares=bought_shares, sold_krw=0, residual_shares=0,
        )  # fmt: skip

    told = (sent("O1"), filled(Side.BUY), sent("O1"), OrderUnknown(facts=facts(order_id="O2"), reason="late"))
    figures = figures_of(*map(envelope, (*told, clip(1, 1), clip(2, 0))))
    assert (figures.orders, figures.clips) == ({"O1", "O2", "P1.1.b.1"}, 1)
