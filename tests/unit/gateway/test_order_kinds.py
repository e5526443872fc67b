"""Which kinds of order are sent: live only confirmed ones, and what the broker's refusals teach."""

from typing import Any

import pytest

from services.contracts.alert_codes import AlertCode
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.orders import CommandDenied, OrderRejected
from services.contracts.messages.venue_state import EntryWindowChanged, SessionPhaseChanged
from services.contracts.reasons import GateReason
from services.contracts.terms import GatewayMode, OrderKind, SessionPhase, Venue
from services.gateway.facts import Told
from services.gateway.state import initial_state
from services.market.files import load_market
from services.market.market_clock import REAL_TIME
from services.runtime.settings import config_dir

from .desk import ACCOUNT, Desk, S, chejan, exit_order, fresh, order, ready

KIND = "[407022] 주문유형이 가능하지 않습니다"
SESSION = "[RC4010] 해당 거래소의 주문 접수시간이 아닙니다"


@pytest.fixture
def desk() -> Desk:
    return ready(fresh())


def kinds(desk: Desk, venue: Venue) -> set[OrderKind]:
    told = [message for message in desk.told(SessionPhaseChanged) if message.venue is venue]
    return set(told[-1].order_kinds)


def reject(desk: Desk, text: str, **changes: Any) -> None:
    command = {"venue": Venue.NXT, **changes}
    desk.hear(order(desk.now_ns, **command), str(command.get("order_id", "P1.1.b.1")))
    refuse(desk, text)


def refuse(desk: Desk, text: str) -> None:
    """The broker takes the last order, gives it a number, and refuses it by frame."""
    desk.answer(desk.sends[-1], "0000123")
    desk.frame(**chejan(desk.sends[-1], "0000123", "거부", remaining=0, f919=text))
    assert desk.told(OrderRejected)[-1].facts.order_id == desk.sends[-1].order_id


def codes(desk: Desk) -> set[AlertCode]:
    return {alert.code for alert in desk.told(AlertRaised)}


def test_each_phase_is_told_with_the_kinds_that_can_be_sent(desk: Desk) -> None:
    assert kinds(desk, Venue.KRX) == set(OrderKind)
    assert kinds(desk, Venue.NXT) == {OrderKind.LIMIT, OrderKind.LIMIT_IOC}


def test_live_trading_uses_confirmed_kinds_alone() -> None:
    settings = fresh().state.settings.model_copy(update={"mode": GatewayMode.LIVE, "live_account": ACCOUNT})
    hoga = initial_state(settings, load_market(config_dir()), REAL_TIME).rules.hoga
    assert hoga.kinds(Venue.NXT, SessionPhase.CONTINUOUS) == {OrderKind.LIMIT}
    assert hoga.kinds(Venue.KRX, SessionPhase.CONTINUOUS) == set(OrderKind)


def test_a_kind_that_is_refused_is_not_sent_there_again(desk: Desk) -> None:
    reject(desk, KIND)
    assert kinds(desk, Venue.NXT) == {OrderKind.LIMIT}
    assert kinds(desk, Venue.KRX) == set(OrderKind)
    assert AlertCode.ORDER_KIND_REFUSED in codes(desk)
    desk.hear(order(desk.now_ns, venue=Venue.NXT, order_id="P2.1.b.1", pair_id="P2"), "second")
    (denied,) = desk.told(CommandDenied)
    assert denied.reason is GateReason.ORDER_KIND


def test_a_limit_goes_where_ioc_was_refused(desk: Desk) -> None:
    reject(desk, KIND)
    limit = order(desk.now_ns, venue=Venue.NXT, kind=OrderKind.LIMIT, order_id="P2.1.b.1", pair_id="P2")
    desk.hear(limit, "second")
    assert desk.sends[-1].args[3] == 21 and desk.sends[-1].args[7] == "00"


@pytest.mark.parametrize(
    "text", ["[RC4025] 주문가능금액이 부족합니다", "", "[RC4017] 상하한가를 벗어난 가격입니다"]
)
def test_other_refusals_teach_nothing(desk: Desk, text: str) -> None:
    before = len(desk.told(EntryWindowChanged)), len(desk.told(SessionPhaseChanged))
    reject(desk, text)
    assert (len(desk.told(EntryWindowChanged)), len(desk.told(SessionPhaseChanged))) == before


@pytest.mark.parametrize("text", [SESSION, "[505217] 장종료", "571034 SOR", "장이 종료되었습니다"])
def test_an_order_out_of_session_stops_entries_at_once(desk: Desk, text: str) -> None:
    assert desk.told(EntryWindowChanged)[-1].open
    reject(desk, text)
    window = desk.told(EntryWindowChanged)[-1]
    assert not window.open and window.reason == "NXT refused an order as out of session"
    assert AlertCode.SESSION_REFUSED in codes(desk)
    desk.hear(order(desk.now_ns, order_id="P2.1.b.1", pair_id="P2"), "second")
    assert desk.told(CommandDenied)[-1].reason is GateReason.WINDOW_CLOSED


def test_a_sale_out_of_session_stops_entries_and_no_sale(desk: Desk) -> None:
    desk.hear(order(desk.now_ns), "P1.1.b.1")
    bought = desk.sends[-1]
    desk.frame(**chejan(bought, "0000122", "체결", remaining=0, cum=10, amount=1_995_000))
    desk.hear(exit_order(desk.now_ns), "P1.1.s.1")
    assert desk.sends[-1].args[3] in (2, 22)
    refuse(desk, SESSION)
    assert not desk.told(EntryWindowChanged)[-1].open
    desk.run(1)
    desk.hear(exit_order(desk.now_ns, order_id="P1.1.s.2", venue=Venue.KRX), "P1.1.s.2")
    assert desk.sends[-1].order_id == "P1.1.s.2"


def test_the_window_opens_again_on_the_next_date(desk: Desk) -> None:
    reject(desk, SESSION)
    session, rules, tomorrow_ns = desk.state.session, desk.state.rules, desk.now_ns + 86_400 * S
    assert not session.window.open
    session, _ = session.now(REAL_TIME, rules, tomorrow_ns)
    assert session.window.open and session.trading_date == "2026-11-24"


def test_a_refused_window_is_told_once(desk: Desk) -> None:
    reject(desk, SESSION)
    count = len(desk.told(EntryWindowChanged))
    desk.run(2)
    assert len(desk.told(EntryWindowChanged)) == count


def test_a_refusal_by_message_teaches_as_one_by_frame_does(desk: Desk) -> None:
    desk.hear(order(desk.now_ns, venue=Venue.NXT), "P1.1.b.1")
    desk.answer(desk.sends[-1], "")
    desk.feed(Told(desk.sends[-1].args[0], KIND))
    assert kinds(desk, Venue.NXT) == {OrderKind.LIMIT}
