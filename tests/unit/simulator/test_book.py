"""The book: shares are traded once, in order of price and time, and never more than was asked for."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.contracts.terms import Side
from services.simulator.market.book import Execution, VenueBook

shares = st.integers(1, 60)
sides = st.sampled_from(list(Side))
prices = st.integers(16, 22)


def filled(executions: list[Execution]) -> int:
    return sum(execution.qty_shares for execution in executions)


def book_with(bids: dict[int, int], asks: dict[int, int]) -> VenueBook:
    book = VenueBook()
    book.reshape(dict(bids), dict(asks), matching=True)
    return book


def test_an_incoming_order_takes_the_best_prices_first_and_stops_at_its_limit() -> None:
    book = book_with({9: 10}, {10: 5, 11: 5, 12: 5})
    assert book.take(Side.BUY, 11, 20) == [Execution(10, 5, None), Execution(11, 5, None)]
    assert book.depth(Side.SELL, 10) == [(12, 5)]


def test_our_order_waits_behind_the_shares_that_stood_there_when_it_came() -> None:
    book = book_with({9: 10}, {12: 5})
    book.rest(1, Side.BUY, 9, 4)
    assert book.take(Side.SELL, 9, 8) == [Execution(9, 8, None)]
    assert book.take(Side.SELL, 9, 3) == [Execution(9, 1, 1), Execution(9, 2, None)]


def test_our_order_is_passed_by_nobody_who_came_later() -> None:
    book = book_with({9: 10}, {12: 5})
    book.rest(1, Side.BUY, 9, 4)
    book.reshape({9: 500}, {12: 5}, matching=True)
    assert book.take(Side.SELL, 9, 14) == [Execution(9, 4, 1), Execution(9, 10, None)]


def test_shares_traded_before_us_shorten_our_queue_for_good() -> None:
    book = book_with({9: 10}, {12: 5})
    book.rest(1, Side.BUY, 9, 4)
    assert book.take(Side.SELL, 9, 8) == [Execution(9, 8, None)]
    book.reshape({9: 500}, {12: 5}, matching=True)
    assert book.take(Side.SELL, 9, 3) == [Execution(9, 1, 1), Execution(9, 2, None)]


def test_when_matching_resumes_after_an_auction_we_get_their_price() -> None:
    for resumes, price in ((False, 14), (True, 11)):
        book = book_with({}, {})
        book.rest(1, Side.BUY, 14, 3)
        assert book.reshape({9: 5}, {11: 5}, matching=True, resumes=resumes) == [Execution(price, 3, 1)]


def test_two_of_our_orders_at_one_price_fill_in_order_of_arrival() -> None:
    book = book_with({}, {12: 5})
    book.rest(2, Side.BUY, 9, 4)
    book.rest(1, Side.BUY, 9, 4)
    assert book.take(Side.SELL, 9, 5) == [Execution(9, 4, 2), Execution(9, 1, 1)]


def test_background_that_moves_through_our_price_trades_with_us_first_at_our_price() -> None:
    book = book_with({9: 10}, {12: 5})
    book.rest(1, Side.SELL, 11, 7)
    assert book.reshape({11: 3, 12: 2}, {13: 5}, matching=True) == [Execution(11, 2, 1), Execution(11, 3, 1)]
    assert book.depth(Side.BUY, 10) == []
    assert book.own[1].remaining_shares == 2


def test_while_nothing_matches_crossing_background_leaves_our_order_alone() -> None:
    book = book_with({9: 10}, {12: 5})
    book.rest(1, Side.SELL, 11, 7)
    assert book.reshape({11: 30}, {13: 5}, matching=False) == []


def test_our_own_resting_order_is_shown_once_and_gone_when_withdrawn() -> None:
    book = book_with({9: 10}, {12: 5})
    book.rest(1, Side.BUY, 9, 4)
    assert book.depth(Side.BUY, 10) == [(9, 14)]
    assert book.withdraw(1) == 4
    assert book.depth(Side.BUY, 10) == [(9, 10)]
    assert book.withdraw(1) == 0


def test_an_auction_prints_all_our_marketable_orders_at_one_price_within_what_is_offered() -> None:
    book = book_with({}, {})
    book.rest(1, Side.BUY, 12, 5)
    book.rest(2, Side.BUY, 11, 5)
    book.rest(3, Side.BUY, 9, 5)
    book.rest(4, Side.SELL, 8, 6)
    assert book.uncross(10, buy_shares=8, sell_shares=4) == [
        Execution(10, 5, 1),
        Execution(10, 3, 2),
        Execution(10, 4, 4),
    ]


class BookMachine(RuleBasedStateMachine):
    """Any sequence of flow and orders: shares are conserved, the book stays uncrossed, time is honoured."""

    def __init__(self) -> None:
        super().__init__()
        self.book = VenueBook()
        self.asked: dict[int, int] = {}
        self.done: dict[int, int] = {}
        self.next_no = 1

    def settle(self, executions: list[Execution]) -> None:
        for execution in executions:
            assert execution.qty_shares > 0
            if execution.maker is not None:
                self.done[execution.maker] += execution.qty_shares

    @rule(centre=prices, wide=st.integers(1, 3), sizes=st.lists(shares, min_size=6, max_size=6))
    def background_moves(self, centre: int, wide: int, sizes: list[int]) -> None:
        bids = {centre - level: size for level, size in enumerate(sizes[:3])}
        asks = {centre + wide + level: size for level, size in enumerate(sizes[3:])}
        offered = sum(sizes)
        executions = self.book.reshape(bids, asks, matching=True)
        self.settle(executions)
        left = sum(self.book.bids.values()) + sum(self.book.asks.values())
        assert filled(executions) + left == offered

    @rule(side=sides, limit=prices, qty=shares, ioc=st.booleans())
    def order_comes(self, side: Side, limit: int, qty: int, ioc: bool) -> None:
        number, self.next_no = self.next_no, self.next_no + 1
        self.asked[number], self.done[number] = qty, 0
        could = self.book.available(side, limit)
        executions = self.book.take(side, limit, qty)
        self.settle(executions)
        self.done[number] += filled(executions)
        indices = [execution.index for execution in executions]
        assert indices == sorted(indices, reverse=side is Side.SELL)
        assert all(index <= limit if side is Side.BUY else index >= limit for index in indices)
        assert filled(executions) == min(qty, could)
        left = qty - filled(executions)
        if left and not ioc:
            self.book.rest(number, side, limit, left)
        else:
            self.done[number] = qty
            assert number not in self.book.own

    @rule(side=sides, part=st.integers(1, 30))
    def background_trades(self, side: Side, part: int) -> None:
        best = self.book.best(side.opposite)
        if best is None:
            return
        ours = [o for o in self.book.own.values() if o.side is side.opposite and o.index == best]
        before = {order.order_no: order.remaining_shares for order in ours}
        self.settle(self.book.take(side, best, part))
        for earlier in ours:
            for later in ours:
                if earlier.seq < later.seq and earlier.order_no in self.book.own:
                    assert later.remaining_shares == before[later.order_no]

    @precondition(lambda self: self.book.own)
    @rule(data=st.data())
    def we_cancel(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.book.own)))
        self.done[number] += self.book.withdraw(number, data.draw(st.integers(1, 60)))

    @invariant()
    def what_is_open_is_what_was_asked_and_not_done(self) -> None:
        for number, asked in self.asked.items():
            order = self.book.own.get(number)
            assert (order.remaining_shares if order else 0) == asked - self.done[number]

    @invariant()
    def the_book_is_not_crossed_and_has_no_empty_level(self) -> None:
        bid, ask = self.book.best(Side.BUY), self.book.best(Side.SELL)
        assert bid is None or ask is None or bid < ask
        assert all(qty > 0 for side in Side for _, qty in self.book.depth(side, 99))

    @invariant()
    def nobody_waits_behind_more_than_stands_there(self) -> None:
        for order in self.book.own.values():
            level = (self.book.bids if order.side is Side.BUY else self.book.asks).get(order.index, 0)
            assert 0 <= order.ahead_shares <= level


TestBookMachine = BookMachine.TestCase
TestBookMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
