"""What the account holds against what our fills explain, and what a person accepts of the difference."""

from dataclasses import replace

from services.contracts.alert_codes import AlertCode
from services.contracts.envelope import Envelope
from services.contracts.messages.alerts import AlertKind, AlertRaised
from services.contracts.messages.control import LatchCleared
from services.contracts.messages.orders import AccountReported, ForeignOrderSeen, ReconciliationCompleted
from services.contracts.step import Received
from services.contracts.terms import Latch
from services.gateway.core import recovered
from services.gateway.effects import Note
from services.gateway.facts import Delivered

from .desk import Desk, FakeBroker, at, chejan, fresh, order, ready, restarted
from .test_order_truth import row


def cleared() -> LatchCleared:
    return LatchCleared(latch=Latch.RECONCILIATION_DIFFERENCE, by="desk", reason="a transfer")


class TestAccount:
    def test_holdings_that_our_fills_do_not_explain_are_a_difference(self, desk: Desk) -> None:
        desk.broker.holdings = {"005930": 3}
        desk.run(130)
        assert any("005930" in text for m in desk.told(ReconciliationCompleted) for text in m.differences)

    def test_a_difference_that_a_person_accounts_for_is_one_no_more(self, desk: Desk) -> None:
        desk.broker.holdings = {"005930": 3}
        desk.run(130)
        desk.said.clear()
        desk.hear(cleared(), "clear")
        desk.run(130)
        assert desk.told(ReconciliationCompleted)
        assert all(m.differences == () for m in desk.told(ReconciliationCompleted))
        assert [m.resolved for m in desk.told(AlertRaised) if m.kind is AlertKind.RECONCILIATION] == [True]

    def test_another_latch_that_is_lifted_accepts_no_difference(self, desk: Desk) -> None:
        desk.broker.holdings = {"005930": 3}
        desk.hear(LatchCleared(latch=Latch.CLOCKS, by="desk", reason="mended"), "clear")
        desk.run(130)
        assert any(m.differences for m in desk.told(ReconciliationCompleted))

    def test_shares_that_came_while_redis_forgot_are_a_difference(self, desk: Desk) -> None:
        lines = [effect.line for effect in desk.effects if isinstance(effect, Note)]
        forgot = recovered(fresh().state, lines, desk.state.session.trading_date)
        again = ready(Desk(forgot, desk.now_ns, FakeBroker(holdings={"005930": 3})))
        assert any("005930" in text for m in again.told(ReconciliationCompleted) for text in m.differences)

    def test_what_changes_after_a_person_looked_is_named_and_not_accepted(self, desk: Desk) -> None:
        desk.broker.holdings = {"005930": 3}
        desk.run(130)
        desk.said.clear()
        desk.broker.holdings = {"005930": 3, "000660": 2}
        desk.hear(cleared(), "clear")
        desk.run(3)
        (named,) = desk.told(ReconciliationCompleted)[-1].differences
        assert "000660: the broker holds 2, our fills make 0" in named
        desk.hear(cleared(), "again")
        desk.run(3)
        assert desk.told(ReconciliationCompleted)[-1].differences == ()

    def test_what_was_bought_since_is_no_part_of_what_a_person_accepts(self, desk: Desk) -> None:
        desk.broker.holdings = {"005930": 3}
        desk.run(130)
        desk.hear(order(desk.now_ns), "o")
        send = desk.sends[-1]
        desk.answer(send, "0000400")
        desk.frame(**chejan(send, "0000400", "체결", remaining=0, cum=10, amount=1_995_000))
        desk.broker.rows = [row(send, "0000400", cum=10, amount=1_995_000, remaining=0)]
        desk.broker.holdings = {"005930": 13}
        desk.hear(cleared(), "clear")
        desk.run(10)
        last = desk.told(ReconciliationCompleted)[-1]
        assert last.differences == ()
        assert (last.bought_shares, last.sold_shares) == ({"005930": 10}, {})
        assert desk.state.baseline == {"005930": 3}

    def test_a_latch_lifted_before_a_difference_was_named_accepts_none_and_says_so(self, desk: Desk) -> None:
        desk.broker.holdings = {"005930": 3}
        desk.hear(cleared(), "clear")
        assert desk.told(AlertRaised)[-1].code == AlertCode.NOTHING_ACCEPTED
        desk.run(3)
        assert "005930" in desk.told(ReconciliationCompleted)[-1].differences[0]

    def test_who_lifted_the_latch_before_it_was_told_has_not_seen_it(self, desk: Desk) -> None:
        lifted = cleared()
        asked_ns = desk.now_ns
        desk.broker.holdings = {"005930": 3}
        desk.run(130)
        envelope = Envelope.wrap(lifted, source="risk", now_ns=asked_ns, causation_id="late")
        desk.feed(Delivered(Received(envelope, "control", "1-0", desk.now_ns)))
        desk.run(3)
        assert "005930" in desk.told(ReconciliationCompleted)[-1].differences[0]
        assert desk.state.baseline == {}

    def test_a_difference_that_is_gone_by_itself_is_accepted_by_nobody(self, desk: Desk) -> None:
        desk.broker.holdings = {"005930": 3}
        desk.run(130)
        desk.broker.holdings = {}
        desk.run(130)
        last = [m for m in desk.told(AlertRaised) if m.code == AlertCode.BOOKS_DIFFER][-1]
        assert last.resolved
        desk.hear(cleared(), "clear")
        desk.run(3)
        assert desk.state.baseline == {}
        assert desk.told(ReconciliationCompleted)[-1].differences == ()

    def test_what_was_named_survives_a_restart(self, desk: Desk) -> None:
        desk.broker.holdings = {"005930": 3}
        desk.run(130)
        again = restarted(desk)
        again.broker.answers = False
        again.hear(cleared(), "clear")
        assert again.state.baseline == {"005930": 3}

    def test_what_a_person_accepted_is_remembered_when_redis_forgets(self, desk: Desk) -> None:
        desk.broker.holdings = {"005930": 3}
        desk.run(130)
        desk.hear(cleared(), "clear")
        desk.run(3)
        lines = [effect.line for effect in desk.effects if isinstance(effect, Note)]
        forgot = recovered(fresh().state, lines, desk.state.session.trading_date)
        again = ready(Desk(forgot, desk.now_ns, FakeBroker(holdings={"005930": 3})))
        assert all(m.differences == () for m in again.told(ReconciliationCompleted))

    def test_what_was_held_before_is_no_difference(self) -> None:
        desk = fresh()
        desk.broker = FakeBroker(holdings={"000660": 7})
        ready(desk)
        desk.run(130)
        assert all(m.differences == () for m in desk.told(ReconciliationCompleted))
        assert desk.told(AccountReported)[-1].holdings == {"000660": 7}

    def test_what_we_bought_is_no_difference(self, desk: Desk) -> None:
        desk.hear(order(desk.now_ns), "o")
        send = desk.sends[-1]
        desk.answer(send, "0000400")
        desk.frame(**chejan(send, "0000400", "체결", remaining=0, cum=10, amount=1_995_000))
        desk.broker.holdings = {"005930": 10}
        reports = len(desk.told(AccountReported))
        desk.run(6)
        assert len(desk.told(AccountReported)) == reports + 1
        assert all(m.differences == () for m in desk.told(ReconciliationCompleted))

    def test_orders_asked_for_before_midnight_are_not_strangers_of_the_new_date(self, desk: Desk) -> None:
        """The evening's looks ask for all orders: an answer after midnight named ours as foreign."""
        desk.hear(order(desk.now_ns), "o")
        send = desk.sends[-1]
        desk.answer(send, "0000400")
        desk.frame(**chejan(send, "0000400", "체결", remaining=0, cum=10, amount=1_995_000))
        desk.broker.rows = [row(send, "0000400", cum=10, amount=1_995_000, remaining=0)]
        desk.now_ns = at(23, 59, 57)
        desk.broker.answers = False
        while desk.state.desk.flight is None:
            desk.tick(0.2)
        desk.now_ns = at(24)
        desk.tick(0.1)
        desk.broker.answers = True
        desk.broker.rows, rows = [], desk.broker.rows
        flight = desk.state.desk.flight
        assert flight is not None and flight.query.trcode == "OPT10075"
        old = replace(desk.broker, rows=rows).reply(flight.query)
        desk.feed(old)
        desk.run(10)
        assert not desk.told(ForeignOrderSeen)
        assert desk.told(ReconciliationCompleted)[-1].trading_date == "2026-11-24"

    def test_the_day_ends_with_a_report(self) -> None:
        desk = ready(fresh(now_ns=at(19, 59, 50)))
        before = len(desk.told(AccountReported))
        desk.run(15)
        assert len(desk.told(AccountReported)) > before
