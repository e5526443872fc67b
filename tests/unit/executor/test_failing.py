"""One bad input at one pair: the pair is named, and no other pair stands still for it."""

import pytest

from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.dead import EntryBuried
from services.contracts.messages.pairs import PairClosed, ResidualMarked, StrandReason
from services.contracts.streams import ORDERS, TICKS, key_of
from services.contracts.terms import Severity, Venue
from services.executor import core
from services.executor.move import Move
from services.executor.pair import Pair
from services.executor.phases import PairPhase
from services.executor.view import View
from tests.unit.executor.desk import OTHER, SYMBOL, Desk


def two_pairs() -> Desk:
    """P1 of one symbol and P2 of another, each with its buy out."""
    desk = Desk().open_day()
    desk.crossed(OTHER)
    desk.approve("P1", symbol=SYMBOL)
    desk.approve("P2", symbol=OTHER)
    return desk


def buried(text: str, stream_key: str = key_of(ORDERS)) -> EntryBuried:
    return EntryBuried(
        stream_key=stream_key,
        entry_id="7-0",
        service="executor",
        reason="ValueError: odd",
        tries=3,
        text=text,
    )


@pytest.mark.parametrize("bid_krw", [100_550, 70_050, 69_900, 130_100, 1])
def test_a_bid_that_no_order_may_carry_stops_nobody_and_sells_nothing(bid_krw: int) -> None:
    desk = two_pairs()
    one, two = desk.orders
    desk.book(Venue.NXT, bid_krw, 130_000)
    desk.fill(one)
    assert desk.state.pairs["P1"].bought_shares() == 5 and not desk.sells
    desk.fill(two)
    assert [sell.pair_id for sell in desk.sells] == ["P2"]
    desk.tick(100)
    desk.book(Venue.NXT, 100_500, 100_600)
    desk.tick(100)
    assert sorted(sell.pair_id for sell in desk.sells) == ["P1", "P2"]


@pytest.fixture
def failing_at_p1(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = core.overdue

    def overdue(pair: Pair, view: View) -> Move | None:
        if pair.pair_id == "P1" and pair.bought_shares():
            raise ZeroDivisionError("a mistake of ours")
        return usual(pair, view)

    monkeypatch.setattr(core, "overdue", overdue)


@pytest.mark.usefixtures("failing_at_p1")
def test_a_pair_at_which_deciding_fails_is_named_once_and_the_others_go_on() -> None:
    desk = two_pairs()
    one, two = desk.orders
    desk.part_fill(one, 3)
    (marked,) = desk.all(ResidualMarked)
    assert (marked.pair_id, marked.qty_shares, marked.reason) == ("P1", 3, StrandReason.FAULT)
    assert "ZeroDivisionError: a mistake of ours" in marked.detail and "overdue" in marked.detail
    alarm = next(alert for alert in desk.all(AlertRaised) if alert.pair_id == "P1")
    assert alarm.severity is Severity.CRITICAL
    desk.fill(two)
    (sell,) = desk.sells
    desk.fill(sell)
    desk.tick(3_000)
    assert [closed.pair_id for closed in desk.all(PairClosed)] == ["P2"]
    assert desk.all(ResidualMarked) == [marked]


@pytest.mark.usefixtures("failing_at_p1")
def test_a_pair_that_fails_is_named_again_when_it_holds_more() -> None:
    desk = two_pairs()
    one = desk.orders[0]
    desk.part_fill(one, 3)
    desk.close(one, 5)
    desk.tick(1_000)
    assert [marked.qty_shares for marked in desk.all(ResidualMarked)] == [3, 5]


@pytest.mark.parametrize("text", ['{"body":{"facts":{"order_id":"P1.1.b.1"}}}', '"P1', "P1 and no JSON"])
def test_a_buried_order_event_strands_its_pair_by_name_and_no_other(text: str) -> None:
    desk = two_pairs()
    desk.hear(buried(text))
    (marked,) = desk.all(ResidualMarked)
    assert (marked.pair_id, marked.reason) == ("P1", StrandReason.AMBIGUOUS)
    assert "7-0" in marked.detail and "ValueError: odd" in marked.detail
    assert desk.state.pairs["P2"].phase is PairPhase.BUYING


def test_the_next_event_of_a_buried_order_says_what_is_held() -> None:
    desk = two_pairs()
    desk.hear(buried('{"pair_id":"P1"}'))
    desk.fill(desk.orders[0])
    assert desk.all(ResidualMarked)[-1].qty_shares == 5
    assert [order.qty_shares for order in desk.sells] == [5]


@pytest.mark.parametrize(
    "entry", [buried("P10 P11.1.b.1 xP1"), buried("P1", key_of(TICKS, "g1")), buried("")]
)
def test_what_is_buried_of_nobody_strands_nobody(entry: EntryBuried) -> None:
    desk = two_pairs()
    assert desk.hear(entry) == []
    assert {pair.phase for pair in desk.state.pairs.values()} == {PairPhase.BUYING}
