"""What the gateway shows and counts: each order once, whatever is told again."""

import pytest

from services.contracts.measures import gateway as m
from services.contracts.measures.every import ORDER_PATH
from services.contracts.messages.commands import CancelOrder
from services.contracts.messages.control import StopRequested
from services.contracts.terms import TradingState, Venue
from services.gateway.core import decide
from services.gateway.counts import counted
from services.gateway.facts import Connected, Fact, Forgotten, Moment
from services.gateway.gauges import Seen, readings
from tests.support.figures import Figures

from .desk import Desk, S, chejan, exit_order, fresh, order, ready


class CountingDesk(Desk):
    """A desk whose steps are counted as the shell does."""

    counted: Figures

    def feed(self, fact: Fact) -> None:
        before, moment = self.state, Moment(fact, self.now_ns, self.now_ns)
        self.state = (step := decide(before, moment)).state
        self.said += [out.message for out in step.out]
        for effect in step.effects:
            self.effects.append(effect)
            self._do(effect)
        self.counted.take(counted(before, moment, step))

    def shown(self, **seen: object) -> Figures:
        snapshot = Seen(self.state, self.now_ns, self.now_ns, **seen)  # type: ignore[arg-type]
        return Figures("gateway").take(readings(snapshot, self.now_ns))


@pytest.fixture
def desk() -> CountingDesk:
    plain = fresh()
    desk = CountingDesk(plain.state, plain.now_ns)
    desk.counted = Figures("gateway")
    ready(desk)
    return desk


def fill(desk: CountingDesk, qty: int = 10, number: str = "0000001") -> None:
    send = desk.sends[-1]
    desk.frame(**chejan(send, number, "접수", remaining=10))
    desk.frame(**chejan(send, number, "체결", remaining=10 - qty, cum=qty, amount=qty * 199_500))


class TestOrders:
    def test_an_order_is_counted_on_its_way(self, desk: CountingDesk) -> None:
        desk.hear(order(desk.now_ns))
        desk.now_ns += S // 50
        fill(desk)
        c = desk.counted
        assert c.of(m.REQUESTS, "new") == 1
        assert c.of(m.ORDERS_SENT, "KRX", "buy", "entry") == 1
        assert c.each(ORDER_PATH, "send") == [0.0]
        assert c.each(ORDER_PATH, "acknowledge") == [0.02]
        assert c.of(m.OUTCOMES, "KRX", "entry", "filled") == 1
        assert c.of(m.FILLS, "KRX", "buy") == 1
        assert c.of(m.FILLED_SHARES, "KRX", "buy") == 10
        assert c.of(m.FILLED_KRW, "KRX", "buy") == 1_995_000

    def test_what_is_told_again_is_not_counted_again(self, desk: CountingDesk) -> None:
        desk.hear(order(desk.now_ns))
        fill(desk)
        desk.feed(Forgotten())
        desk.hear(order(desk.now_ns), "again")
        assert desk.counted.of(m.OUTCOMES, "KRX", "entry", "filled") == 1
        assert desk.counted.of(m.ORDERS_SENT, "KRX", "buy", "entry") == 1
        assert desk.counted.of(m.CONNECTIONS) == 1

    def test_a_share_at_a_time_is_what_surveillance_counts(self, desk: CountingDesk) -> None:
        desk.hear(order(desk.now_ns, qty_shares=1))
        send = desk.sends[-1]
        desk.frame(**chejan(send, "0000001", "체결", remaining=0, cum=1, amount=199_500))
        assert desk.counted.of(m.ONE_SHARE, "KRX") == 1
        assert desk.shown().of(m.ORDER_TO_TRADE) == 1

    def test_an_unanswered_order_is_unknown_and_then_never_arrived(self, desk: CountingDesk) -> None:
        desk.hear(order(desk.now_ns))
        desk.run(3.5)
        assert desk.counted.of(m.BECAME_UNKNOWN) == 1
        assert desk.shown().of(m.UNKNOWN) == 1
        desk.run(8)
        assert desk.counted.of(m.OUTCOMES, "KRX", "entry", "never_arrived") == 1
        assert desk.shown().of(m.UNKNOWN) == 0
        assert desk.counted.each(ORDER_PATH, "acknowledge") == []

    def test_an_error_of_send_order_is_counted_by_its_code(self, desk: CountingDesk) -> None:
        desk.send_code = -300
        desk.hear(order(desk.now_ns))
        assert desk.counted.of(m.SEND_REFUSED, "-300") == 1
        assert desk.counted.of(m.OUTCOMES, "KRX", "entry", "rejected") == 1
        assert desk.counted.of(m.REQUESTS, "new") == 0

    def test_a_refusal_at_the_last_gate_is_counted_once(self, desk: CountingDesk) -> None:
        desk.hear(StopRequested(target=TradingState.HALTED, by="kim", reason="test"))
        refused = order(desk.now_ns)
        desk.hear(refused, "one")
        desk.hear(refused, "two")
        assert desk.counted.of(m.COMMANDS_DENIED, "halted") == 1
        assert desk.shown().of(m.HALTED) == 1

    def test_cancels_and_unfilled_orders_make_the_ratios(self, desk: CountingDesk) -> None:
        desk.hear(order(desk.now_ns))
        number = "0000001"
        desk.frame(**chejan(desk.sends[-1], number, "접수", remaining=10))
        desk.hear(CancelOrder(order_id="P1.1.b.1.c", target_order_id="P1.1.b.1", pair_id="P1", reason="t"))
        shown = desk.shown()
        assert desk.counted.of(m.REQUESTS, "cancel") == 1
        assert shown.of(m.CANCEL_RATIO) == 1
        assert shown.of(m.ORDER_TO_TRADE) == 2, "nothing traded: the requests themselves"
        assert shown.of(m.WORKING) == 1


class TestLimits:
    def test_tokens_go_with_each_call_and_come_back(self, desk: CountingDesk) -> None:
        desk.run(3)
        assert desk.shown().of(m.TOKENS, "order", "1s") == 5
        desk.hear(order(desk.now_ns))
        shown = desk.shown()
        assert (shown.of(m.TOKENS, "order", "1s"), shown.of(m.TOKENS_MAX, "order", "1s")) == (4, 5)
        assert shown.of(m.CALLS, "order") == 1
        assert shown.of(m.TOKENS, "query", "1h") == 1_000 - shown.of(m.CALLS, "query")
        desk.now_ns += 2 * S
        assert desk.shown().of(m.TOKENS, "order", "1s") == 5

    def test_queries_are_timed(self, desk: CountingDesk) -> None:
        assert desk.counted.each(m.QUERY)
        assert desk.counted.of(m.QUERY_FAILURES) == 0

    def test_a_query_without_an_answer_is_a_failure(self, desk: CountingDesk) -> None:
        desk.hear(order(desk.now_ns))
        fill(desk)
        desk.broker.answers = False
        desk.run(12)
        assert desk.counted.of(m.QUERY_FAILURES) >= 1

    def test_a_pair_that_holds_shares_is_owed_an_exit(self, desk: CountingDesk) -> None:
        desk.hear(order(desk.now_ns))
        fill(desk)
        assert desk.shown().of(m.EXITS_OWED) == 1
        desk.hear(exit_order(desk.now_ns), "sell")
        assert desk.shown().of(m.EXITS_OWED) == 0


class TestStates:
    def test_one_state_of_each_kind_holds(self, desk: CountingDesk) -> None:
        shown = desk.shown()
        for metric, value in ((m.CONNECTION, "ready"), (m.MODE, "simulated")):
            assert [labels for labels in shown.labels(metric) if shown.of(metric, *labels)] == [(value,)]
        for venue in Venue:
            assert shown.of(m.PHASE, venue, "continuous") == 1
            assert (
                sum(shown.of(m.PHASE, *labels) for labels in shown.labels(m.PHASE) if labels[0] == venue) == 1
            )
        assert shown.of(m.WINDOW) == 1
        assert shown.of(m.RECONCILED) == 1
        assert desk.counted.of(m.RECONCILIATIONS, "agrees") >= 1

    def test_the_lease_runs_out(self, desk: CountingDesk) -> None:
        desk.lease()
        assert desk.shown().of(m.LEASE_HELD) == 1
        assert desk.shown().of(m.LEASE_LEFT) == 2
        desk.now_ns += 3 * S
        shown = desk.shown()
        assert (shown.of(m.LEASE_HELD), shown.of(m.LEASE_LEFT)) == (0, 0)

    def test_a_lost_connection_is_counted_and_so_is_the_next(self, desk: CountingDesk) -> None:
        desk.feed(Connected(-101))
        assert desk.counted.of(m.DISCONNECTS, "no") == 1
        desk.run(1)
        desk.feed(Connected(0))
        desk.run(3)
        assert desk.counted.of(m.CONNECTIONS) == 2

    def test_what_the_shell_saw_is_shown_with_its_age(self, desk: CountingDesk) -> None:
        snapshot = Seen(
            desk.state, desk.now_ns, 7 * S, frames={Venue.KRX: 3}, last_book_ns={Venue.KRX: desk.now_ns - S},
            apart_ns={Venue.NXT: -2 * S}, queues={"inbox": 4}, published=9, conflated=1, control_failures=2,
        )  # fmt: skip
        shown = Figures("gateway").take(readings(snapshot, 8 * S))
        assert shown.of(m.QUOTE_AGE, "KRX") == 2
        assert not shown.has(m.QUOTE_AGE, "NXT")
        assert shown.of(m.QUOTES, "KRX") == 3
        assert shown.of(m.TIME_APART, "NXT") == -2
        assert shown.of(m.QUEUE, "inbox") == 4
        assert shown.of(m.QUEUE, "commands") == 0
        assert (shown.of(m.PUBLISHED), shown.of(m.CONFLATED), shown.of(m.CONTROL_FAILURES)) == (9, 1, 2)
