"""How promptly what was bought was sold again, added up from messages."""

import pytest

from services.contracts.envelope import Message
from services.contracts.messages.orders import CommandDenied, OrderSent
from services.contracts.reasons import GateReason
from services.contracts.terms import Side
from services.simulator.promptness import Promptness, Spread, figures_of
from tests.unit.cli.builders import SAMSUNG, closed, facts


def of(*messages: Message) -> Promptness:
    day = Promptness()
    for message in messages:
        day.take(message)
    return day


def sent(order_id: str, waited_ms: int | None) -> OrderSent:
    side = Side.SELL if ".s." in order_id else Side.BUY
    return OrderSent(facts=facts(side, order_id=order_id), waited_ms=waited_ms)


def denied(order_id: str, reason: GateReason = GateReason.ORDER_BUDGET) -> CommandDenied:
    return CommandDenied(order_id=order_id, pair_id="P1", symbol=SAMSUNG, reason=reason, detail="")


@pytest.mark.parametrize(
    ("values", "spread"),
    [
        ((), (0, 0, 0)),
        ((7,), (7, 7, 7)),
        (range(1, 21), (10, 19, 20)),
        (range(1, 101), (50, 95, 100)),
        ((900, *[0] * 19), (0, 0, 900)),
    ],
)
def test_a_spread_names_values_that_were_there(values: range, spread: tuple[int, int, int]) -> None:
    assert Spread.of(values) == Spread(p50=spread[0], p95=spread[1], max=spread[2])


def test_only_the_first_sell_of_each_clip_counts_whatever_the_order() -> None:
    messages = [sent("P1.1.s.2", 50), sent("P1.1.s.1", 10), sent("P1.1.b.1", 99), sent("P1.2.s.10", 4)]
    assert sorted(of(*messages).first_sell_waits_ms) == [4, 10]
    assert sorted(of(*messages[::-1], *messages).first_sell_waits_ms) == [4, 10]


def test_what_is_told_again_without_its_wait_counts_nothing() -> None:
    assert of(sent("P1.1.s.1", None)).first_sell_waits_ms == ()


def test_only_entries_that_the_budget_refused_were_denied_late() -> None:
    messages = (
        denied("P1.1.b.1"), denied("P1.1.b.1"), denied("P2.1.s.1"), denied("P3.1.b.1", GateReason.LEASE),
        denied("P4.1.b.1.c1"),
    )  # fmt: skip
    assert figures_of([of(*messages)]).entries_denied_late == 1


def test_days_add_up_and_a_pair_counts_as_it_was_closed_last() -> None:
    once = of(closed("P1", uncovered_krw_ms=1_500), closed("P1", uncovered_krw_ms=2_500, closings=2))
    figures = figures_of([once, of(closed("P1", uncovered_krw_ms=700), sent("P1.1.s.1", 8))])
    assert (figures.unhedged_krw_s, figures.first_sell_wait_ms.max) == (3, 8)
