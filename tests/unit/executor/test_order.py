"""One order: its life by table, its fill state by maximum."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.messages import orders as o
from services.contracts.terms import OrderKind, Purpose, Side, Venue
from services.executor.order import Order, adopted
from services.executor.phases import Evidence, OrderLife, PairPhase, Turn, next_life, next_phase, pair_rows

from .desk import DATE, SYMBOL

FACTS = o.OrderFacts(
    order_id="P1.2.s.3", pair_id="P1", symbol=SYMBOL, venue=Venue.NXT, side=Side.SELL,
    kind=OrderKind.LIMIT_IOC, purpose=Purpose.EXIT, qty_shares=5, price_krw=100, trading_date=DATE,
)  # fmt: skip


def order(life: OrderLife = OrderLife.COMMANDED) -> Order:
    taken = adopted(FACTS, 1)
    assert taken is not None
    return taken.but(life=life)


def test_every_life_meets_every_evidence() -> None:
    for life, evidence in itertools.product(OrderLife, Evidence):
        assert next_life(life, evidence) in OrderLife


def test_closed_sticks_until_the_gateway_says_that_the_order_lives() -> None:
    others = set(Evidence) - {Evidence.REOPENED}
    assert {next_life(OrderLife.CLOSED, evidence) for evidence in others} == {OrderLife.CLOSED}
    assert {next_life(life, Evidence.REOPENED) for life in OrderLife} == {OrderLife.WORKING}


def test_nothing_but_evidence_of_the_broker_ends_a_doubt() -> None:
    for life in (OrderLife.UNKNOWN, OrderLife.AMBIGUOUS):
        ends = {e for e in Evidence if next_life(life, e).ended}
        assert ends == {Evidence.CLOSED, Evidence.REJECTED, Evidence.NEVER_ARRIVED}


@pytest.mark.parametrize("life", [OrderLife.DENIED, OrderLife.VOID])
def test_a_fill_brings_an_order_back_that_was_thought_never_to_have_worked(life: OrderLife) -> None:
    assert next_life(life, Evidence.FILLED) is OrderLife.WORKING
    assert next_life(life, Evidence.ACCEPTED) is life


def test_a_turn_that_the_table_lacks_is_a_mistake() -> None:
    known = {(phase, turn) for phase, turn, _ in pair_rows()}
    for phase, turn in itertools.product(PairPhase, Turn):
        if (phase, turn) not in known:
            with pytest.raises(ValueError, match=phase):
                next_phase(phase, turn)


def test_no_phase_but_the_end_is_a_dead_end() -> None:
    left = {phase for phase, _, after in pair_rows() if after is not phase}
    assert left == set(PairPhase) - {PairPhase.CLOSED}


fills = st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=6)


@given(fills, st.randoms())
def test_the_order_of_events_does_not_matter(events: list[tuple[int, bool]], random: object) -> None:
    """Facts merge by maximum and closed sticks, so any shuffle with repeats ends the same."""
    messages = [
        o.OrderFilled(
            facts=FACTS.model_copy(update={
                "cum_qty_shares": qty, "cum_amount_krw": qty * 100, "commission_krw": qty,
                "tax_krw": 2 * qty, "closed": closed,
            }),
            last_qty_shares=1, last_amount_krw=100,
        )
        for qty, closed in events
    ]  # fmt: skip
    shuffled = messages * 2
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = order(), order()
    for message in messages:
        one = one.merged(message, 1)
    for message in shuffled:
        other = other.merged(message, 1)
    assert one == other
    assert one.cum_qty_shares == max((qty for qty, _ in events), default=0)


@given(st.text(max_size=12) | st.from_regex(r"P1\.\w{1,2}\.[bs]\.\w{1,2}", fullmatch=True))
def test_only_ids_of_our_making_are_taken_up(order_id: str) -> None:
    taken = adopted(FACTS.model_copy(update={"order_id": order_id}), 1)
    parts = order_id.split(".")
    assert taken is None or (len(parts) == 4 and int(parts[3]) == taken.attempt)


def test_an_adopted_order_has_its_clip_and_attempt_from_its_id() -> None:
    assert (order().clip, order().attempt) == (2, 3)
