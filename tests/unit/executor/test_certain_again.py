"""A position that was stranded because it was not certain is tried again once it is."""

from collections.abc import Callable

import pytest

from services.contracts.alert_codes import AlertCode
from services.contracts.messages import orders as o
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.dead import EntryBuried
from services.contracts.messages.pairs import PairClosed, PairOutcome, ResidualMarked, StrandReason
from services.contracts.streams import ORDERS, key_of
from services.executor.phases import PairPhase

from .desk import BID, Desk, holding
from .test_tried_again import next_try, pass_by, wait


def ambiguous(desk: Desk, order_id: str) -> None:
    order = next(order for order in desk.orders if order.order_id == order_id)
    desk.unknown(order)
    desk.resolve(order, o.Resolution.AMBIGUOUS)


def buried(desk: Desk, text: str) -> None:
    desk.hear(EntryBuried(
        stream_key=key_of(ORDERS), entry_id="1-0", service="executor", reason="odd", tries=3, text=text,
    ))  # fmt: skip


def a_sell_never_arrived() -> Desk:
    desk = holding(stranded_interval_ms=10_000)
    ambiguous(desk, desk.flattens[0].order_id)
    desk.resolve(desk.flattens[0], o.Resolution.NEVER_ARRIVED)
    return desk


def a_sell_sold_a_part() -> Desk:
    desk = holding(stranded_interval_ms=10_000)
    ambiguous(desk, desk.flattens[0].order_id)
    desk.close(desk.flattens[0], 2)
    return desk


def a_buy_filled() -> Desk:
    desk = Desk().open_day()
    desk.limit(stranded_interval_ms=10_000)
    desk.approve()
    ambiguous(desk, desk.orders[0].order_id)
    desk.level(BID)
    desk.fill(desk.orders[0])
    return desk


def an_event_was_buried(text: str) -> Desk:
    desk = holding(stranded_interval_ms=10_000)
    desk.accept(desk.flattens[0])
    buried(desk, text)
    desk.close(desk.flattens[0])
    return desk


@pytest.mark.parametrize(
    "settled",
    [
        a_sell_never_arrived,
        a_sell_sold_a_part,
        a_buy_filled,
        lambda: an_event_was_buried('{"pair_id":"P1"}'),
        lambda: an_event_was_buried('{"order_id":"P1.1.s.1"}'),
    ],
)
def test_what_is_certain_again_is_named_so_and_tried_within_bounds(settled: Callable[[], Desk]) -> None:
    desk = settled()
    desk.tick(600)
    assert desk.last(ResidualMarked).reason is StrandReason.SETTLED
    tried = [order for order in desk.flattens if desk.pair.order(order.order_id).open]  # type: ignore[union-attr]
    assert [order.qty_shares for order in tried] == [desk.pair.uncovered_shares]
    alarms = [
        a for a in desk.all(AlertRaised) if a.code in (AlertCode.STRANDED, AlertCode.STRANDED_UNCERTAIN)
    ]
    over = {alarm.alert_id for alarm in alarms if alarm.resolved}
    (true_now,) = [alarm for alarm in alarms if alarm.alert_id not in over]
    assert true_now.code == AlertCode.STRANDED
    before = len(desk.flattens) - 1
    wait(desk, 90_000)
    assert len(desk.flattens) - before == 6 and "attempts of this session are spent" in next_try(desk)


def test_it_is_sold_once_it_is_certain_again() -> None:
    desk = a_sell_never_arrived()
    desk.tick(600)
    desk.fill(desk.flattens[-1])
    assert desk.last(PairClosed).outcome is PairOutcome.FLAT


@pytest.mark.parametrize("text", ['{"order_id":"P1.1.b.1"}', '{"order_id":"P1.1.s.9"}'])
def test_an_event_that_was_buried_of_another_order_is_waited_for(text: str) -> None:
    """The end of one order says nothing of another's."""
    desk = an_event_was_buried(text)
    pass_by(desk, 20_000)
    assert len(desk.flattens) == 1 and "not certain" in next_try(desk)


def test_an_event_buried_of_an_ended_order_is_made_good_by_the_next_one() -> None:
    desk = an_event_was_buried('{"order_id":"P1.1.b.1"}')
    desk.fill(desk.orders[0])
    desk.tick(600)
    assert len(desk.flattens) == 2


def test_a_second_doubt_is_waited_for_too() -> None:
    desk = a_sell_never_arrived()
    desk.tick(600)
    ambiguous(desk, desk.flattens[-1].order_id)
    pass_by(desk, 20_000)
    assert desk.pair.phase is PairPhase.STRANDED and len(desk.flattens) == 2
    assert desk.last(ResidualMarked).reason is StrandReason.AMBIGUOUS


def test_the_doubt_survives_a_restart() -> None:
    desk = an_event_was_buried('{"order_id":"P1.1.b.1"}')
    desk.restart()
    desk.level(BID)
    pass_by(desk, 10_000)
    assert len(desk.flattens) == 1
