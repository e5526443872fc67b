"""What risk shows and counts: stops, exposure, money to the won, verdicts, the whole way of an order."""

from services.contracts.envelope import Message
from services.contracts.measures import risk as m
from services.contracts.measures.every import ORDER_PATH
from services.contracts.messages.orders import OrderAccepted, OrderSent
from services.contracts.messages.pairs import PairApproved
from services.contracts.messages.venue_state import ConnectionState
from services.contracts.step import Event
from services.contracts.terms import Latch, Side, TradingState
from services.risk.core import decide
from services.risk.counts import counted
from services.risk.exposure import realised_krw, total_exposure_krw
from services.risk.gates import GateKey
from services.risk.gauges import readings
from services.risk.state import RiskState
from tests.support.figures import Figures
from tests.unit.detector import world
from tests.unit.detector.world import SAMSUNG, ms
from tests.unit.risk.desk import (
    NOW,
    Desk,
    account,
    ask,
    closed,
    facts,
    filled,
    intent,
    opening,
    order_closed,
)


class CountingDesk(Desk):
    """A desk whose steps are counted as the loop does."""

    def __init__(self) -> None:
        super().__init__()
        self.counted = Figures("risk")

    def hand(self, *told: Event) -> list[Message]:
        out: list[Message] = []
        for event in told:
            before, step = self.state, decide(self.state, event)
            self.counted.take(counted(before, event, step))
            self.state = step.state
            out += [outgoing.message for outgoing in step.out]
        return out

    def shown(self, at_ms: int = NOW) -> Figures:
        return Figures("risk").take(readings(self.state, ms(at_ms)))

    def approved(self) -> PairApproved:
        verdict = self.answer(intent(self))
        assert isinstance(verdict, PairApproved)
        return verdict


def armed() -> CountingDesk:
    desk = CountingDesk()
    desk.tell(*opening(), *world.crossing(), ask(TradingState.ARMED), at_ms=0)
    return desk


def test_a_risk_that_knows_nothing_is_disarmed_and_shows_no_cash() -> None:
    shown = Figures("risk").take(readings(RiskState(), ms(0)))
    assert shown.of(m.STATE, "disarmed") == 1
    assert shown.of(m.STATE, "armed") == 0
    assert shown.of(m.GATE_CLOSED, "reference") == 1
    assert not shown.has(m.CASH)


def test_the_state_in_force_is_the_only_one_that_is_1() -> None:
    shown = armed().shown()
    assert [state for state in TradingState if shown.of(m.STATE, state)] == [TradingState.ARMED]
    assert not [key for key in GateKey if shown.of(m.GATE_CLOSED, key)]
    assert not [latch for latch in Latch if shown.of(m.LATCH, latch)]


def test_a_lost_connection_latches_and_closes_its_gate() -> None:
    desk = armed()
    desk.tell(world.connection(ConnectionState.DISCONNECTED))
    shown = desk.shown()
    assert shown.of(m.LATCH, Latch.UNPLANNED_DISCONNECT) == 1
    assert shown.of(m.GATE_CLOSED, GateKey.CONNECTION) == 1
    assert shown.of(m.STATE, TradingState.REDUCE_ONLY) == 1
    assert desk.counted.of(m.STATE_CHANGES, TradingState.REDUCE_ONLY) == 1


def test_exposure_and_open_pairs_follow_an_approval() -> None:
    desk = armed()
    desk.approved()
    shown = desk.shown()
    assert shown.of(m.OPEN_PAIRS) == 1
    assert shown.of(m.EXPOSURE) == total_exposure_krw(desk.state) == 5 * 70_000
    assert shown.of(m.SYMBOL_EXPOSURE, SAMSUNG) == 5 * 70_000
    assert desk.counted.of(m.APPROVALS, SAMSUNG) == 1
    assert desk.counted.of(m.INTENTS_JUDGED) == 1


def test_a_denial_is_counted_by_its_reason() -> None:
    desk = armed()
    desk.tell(ask(TradingState.PAUSE_ENTRY))
    desk.answer(intent(desk))
    assert desk.counted.of(m.DENIALS, "trading_state") == 1
    assert desk.counted.of(m.INTENTS_JUDGED) == 1
    assert desk.counted.of(m.APPROVALS, SAMSUNG) == 0


def test_money_is_shown_to_the_won() -> None:
    desk = armed()
    pair_id = desk.approved().pair_id
    for side, krw in ((Side.BUY, 350_000), (Side.SELL, 352_500)):
        order = facts(pair_id, side, 5, krw)
        desk.tell(filled(order), order_closed(order))
    desk.tell(closed(pair_id), account(100_001_690))
    shown = desk.shown()
    assert shown.of(m.REALISED) == realised_krw(desk.state) != 0
    assert shown.of(m.SYMBOL_PNL, SAMSUNG) == shown.of(m.REALISED)
    spent = shown.of(m.COMMISSION) + shown.of(m.TAX)
    assert 352_500 - 350_000 - spent == shown.of(m.REALISED)
    assert shown.of(m.TURNOVER) == 702_500
    assert shown.of(m.TRIPS) == 1
    assert shown.of(m.CASH) == 100_001_690
    assert shown.of(m.CASH_CHANGE) == 1_690


def test_limits_are_shown_by_their_names() -> None:
    shown = armed().shown()
    assert shown.of(m.LIMIT, "max_open_pairs") == world.LIMITS.max_open_pairs
    assert shown.of(m.LIMIT, "max_exposure_total_krw") == world.LIMITS.max_exposure_total_krw
    assert ("buffer_rule",) not in shown.labels(m.LIMIT)


def test_heartbeats_age_until_they_are_heard_again() -> None:
    assert armed().shown(at_ms=1_500).of(m.HEARTBEAT_AGE, "executor") == 1.5


def test_a_refusal_to_arm_is_counted() -> None:
    desk = CountingDesk()
    desk.tell(ask(TradingState.ARMED))
    assert desk.counted.of(m.ARMING_REFUSED) == 1
    assert desk.counted.of(m.STATE_CHANGES, TradingState.ARMED) == 0


def test_the_lease_is_counted() -> None:
    desk = armed()
    desk.tick(400)
    assert desk.counted.of(m.LEASES) >= 1


class TestTheWholeWay:
    def test_from_the_newer_quote_to_the_answer_by_the_gateways_stamps(self) -> None:
        desk = armed()
        pair_id = desk.approved().pair_id
        buy = facts(pair_id, Side.BUY, 5, 350_000, closed=False, cum_qty_shares=0, cum_amount_krw=0)
        desk.tell(OrderSent(facts=buy), at_ms=NOW + 120)
        desk.tell(OrderAccepted(facts=buy), at_ms=NOW + 150)
        assert desk.counted.each(m.TICK_TO_ORDER) == [0.12]
        assert desk.counted.each(m.TICK_TO_ANSWER) == [0.15]
        assert desk.counted.each(ORDER_PATH, "verdict") == [0.0]

    def test_what_is_told_again_and_later_orders_do_not_count(self) -> None:
        desk = armed()
        pair_id = desk.approved().pair_id
        buy = facts(pair_id, Side.BUY, 5, 350_000, closed=False, cum_qty_shares=0, cum_amount_krw=0)
        later = buy.model_copy(update={"order_id": f"{pair_id}.2.b.1"})
        stranger = facts("P-unknown", Side.BUY, 5, 350_000)
        desk.tell(*(OrderSent(facts=order) for order in (buy, buy, later, stranger)), at_ms=NOW + 120)
        assert len(desk.counted.each(m.TICK_TO_ORDER)) == 1
