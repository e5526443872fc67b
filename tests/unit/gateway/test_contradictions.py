"""Evidence that contradicts what is known is a question to the broker, and changes nothing by itself."""

import pytest

from services.contracts.messages.orders import OrderClosed, OrderFilled
from services.contracts.terms import OrderKind, Venue
from services.gateway.effects import Query, Send
from services.gateway.exchange_time import Doubt

from .desk import Desk, chejan, fresh, ready
from .test_order_truth import NO, facts_of, row, sent
from .test_whose_order import hand


def working(filled: int = 0) -> tuple[Desk, Send]:
    desk = ready(fresh())
    send = sent(desk, kind=OrderKind.LIMIT)
    desk.answer(send, NO)
    if filled:
        fill(desk, send, filled, str(10 - filled))
    desk.broker.answers = False
    return desk, send


def fill(desk: Desk, send: Send, cum: int, remaining: str) -> None:
    frame = chejan(send, NO, "체결", remaining=0, cum=cum, amount=cum * 199_500)
    desk.frame(**{**frame, "f902": remaining})


def is_asked(desk: Desk) -> bool:
    before = len(desk.effects)
    desk.run(1)
    return "OPT10075" in [e.trcode for e in desk.effects[before:] if isinstance(e, Query)]


class TestEnds:
    @pytest.mark.parametrize("amount", [0, 3 * 199_500])
    def test_an_end_below_what_has_filled_is_asked_after(self, amount: int) -> None:
        desk, send = working(filled=4)
        desk.frame(**chejan(send, NO, "확인", remaining=0, amount=amount))
        assert not facts_of(desk).closed
        assert is_asked(desk)
        desk.frame(**chejan(send, NO, "확인", remaining=0, amount=4 * 199_500))
        assert [m.facts.cum_qty_shares for m in desk.told(OrderClosed)] == [4]

    def test_two_lists_that_show_such_an_end_end_it(self) -> None:
        desk, send = working(filled=4)
        desk.broker.answers = True
        desk.broker.rows = [row(send, NO, cum=0, amount=0, remaining=0)]
        desk.frame(**chejan(send, NO, "확인", remaining=0, amount=0))
        desk.run(1)
        assert not facts_of(desk).closed
        desk.run(60)
        assert [m.facts.cum_qty_shares for m in desk.told(OrderClosed)] == [4]

    @pytest.mark.parametrize(("remaining", "closed"), [("4", False), ("", False), ("0", True)])
    def test_a_fill_beyond_the_end_is_asked_after(self, remaining: str, closed: bool) -> None:
        desk, send = working(filled=4)
        desk.frame(**chejan(send, NO, "확인", remaining=0, amount=4 * 199_500))
        assert facts_of(desk).closed
        fill(desk, send, 6, remaining)
        assert sum(m.last_qty_shares for m in desk.told(OrderFilled)) == 6
        assert facts_of(desk).closed is closed
        assert is_asked(desk)


class TestOtherOrders:
    @pytest.mark.parametrize("change", [{"f900": "50"}, {"f901": "180000"}, {"f900": "3", "f901": "180000"}])
    def test_a_frame_of_another_size_under_our_number_is_not_believed(self, change: dict[str, str]) -> None:
        desk, send = working()
        frame = chejan(send, NO, "체결", remaining=0, cum=10, amount=10 * 180_000)
        desk.frame(**{**frame, **change})
        assert not desk.told(OrderFilled)
        assert is_asked(desk)

    @pytest.mark.parametrize("change", [{"주문수량": "3"}, {"주문가격": "180000"}])
    def test_a_row_of_another_size_under_our_number_is_not_believed(self, change: dict[str, str]) -> None:
        desk, send = working()
        desk.broker.answers = True
        desk.broker.rows = [row(send, NO, cum=10, amount=1_995_000, remaining=0, **change)]
        desk.feed_forgotten()
        assert not desk.told(OrderFilled)

    def test_a_frame_that_shows_no_price_may_be_ours(self) -> None:
        desk, send = working()
        frame = chejan(send, NO, "체결", remaining=0, cum=10, amount=1_995_000)
        desk.frame(**{**frame, "f901": "0", "f900": ""})
        assert facts_of(desk).closed

    @pytest.mark.parametrize(("stamp", "known"), [("103000", 0), ("152000", 0), ("100400", 1), ("095500", 1)])
    def test_a_frame_stamped_far_ahead_is_of_another_date(self, stamp: str, known: int) -> None:
        desk = ready(fresh())
        hand(desk, f908=stamp)
        assert len(desk.state.orders.foreign) == known

    def test_one_like_ours_in_flight_but_stamped_far_ahead_is_not_ours(self) -> None:
        desk = ready(fresh())
        send = sent(desk)
        frame = chejan(send, NO, "체결", remaining=0, cum=10, amount=1_995_000)
        desk.frame(**{**frame, "f908": "152000"})
        desk.answer(send, NO)
        assert not desk.told(OrderFilled)

    def test_where_our_own_time_is_in_doubt_minutes_ahead_are_today(self) -> None:
        desk = ready(fresh())
        desk.state = desk.state.but(doubts={Venue.KRX: Doubt(desk.now_ns, desk.now_ns)})
        hand(desk, f908="103000")
        assert len(desk.state.orders.foreign) == 1
