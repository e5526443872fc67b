"""A day's figures add up each message once, whatever order and however often it comes."""

import random

from hypothesis import given
from hypothesis import strategies as st

from services.cli.figures import DayFigures, most_in_any_second
from services.contracts.envelope import Envelope
from services.contracts.limits import NS_PER_S
from services.contracts.messages.control import LatchSet
from services.contracts.messages.dead import EntryBuried
from services.contracts.messages.orders import CommandDenied, ReconciliationCompleted
from services.contracts.messages.pairs import PairDenied
from services.contracts.reasons import DenialReason, GateReason
from services.contracts.terms import Latch, Side
from tests.unit.cli.builders import (
    DATE,
    HYNIX,
    NOW_NS,
    SAMSUNG,
    approved,
    closed,
    envelope,
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


def test_a_pair_closed_twice_by_two_messages_is_a_trouble() -> None:
    figures = figures_of(envelope(closed("P1")), envelope(closed("P1")))
    assert figures.troubles == ["pair P1 was closed twice"]


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


def test_what_went_wrong_is_kept_in_words() -> None:
    buried = EntryBuried(
        stream_key="{arb}:orders", entry_id="1-0", service="risk", reason="unknown type", tries=1, text=""
    )
    different = ReconciliationCompleted(
        trading_date=DATE, connection_epoch=1, differences=("005930: 1 share",)
    )
    agreed = ReconciliationCompleted(trading_date=DATE, connection_epoch=1, differences=())
    latch = LatchSet(latch=Latch.CLOCKS, detail="apart")
    figures = figures_of(*map(envelope, (buried, different, agreed, latch)))
    assert len(figures.troubles) == 3
    assert "unknown type" in figures.troubles[0]
    assert "005930: 1 share" in figures.troubles[1]
    assert "clocks" in figures.troubles[2]


def test_the_rate_of_orders_is_that_of_the_worst_second() -> None:
    times = [0, NS_PER_S // 2, NS_PER_S, 3 * NS_PER_S]
    figures = figures_of(*(envelope(sent(f"O{at}"), NOW_NS + at) for at in reversed(times)))
    assert figures.max_orders_in_any_second == 3


@given(st.lists(st.integers(0, 5 * NS_PER_S), max_size=40).map(sorted))
def test_most_in_any_second_agrees_with_looking_at_every_window(times: list[int]) -> None:
    windows = [sum(1 for other in times if start <= other <= start + NS_PER_S) for start in times]
    assert most_in_any_second(times) == max(windows, default=0)
