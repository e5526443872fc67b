"""Cancels that the gateway decides on, and cancels whose end the broker does not tell."""

from services.contracts.messages.control import TradingStateRequested
from services.contracts.messages.orders import OrderClosed
from services.contracts.terms import OrderKind, TradingState

from .desk import Desk, chejan, order
from .test_order_desk import cancel
from .test_order_truth import row


def halt(desk: Desk) -> None:
    desk.hear(TradingStateRequested(target=TradingState.HALTED, by="t", reason="t"), "halt")


def test_an_order_that_will_not_die_is_cancelled_again_and_again(desk: Desk) -> None:
    """Five cancels were all: an order that outlived them stayed open through the next sweep too."""
    desk.hear(order(desk.now_ns, kind=OrderKind.LIMIT), "o")
    (send,) = desk.sends
    desk.answer(send, "0000400")
    desk.broker.rows = [row(send, "0000400", cum=0, amount=0, remaining=10)]
    halt(desk)
    desk.run(60)
    early = len(desk.sends) - 1
    desk.run(120)
    assert early >= 5
    assert 2 <= len(desk.sends) - 1 - early <= 5


def test_a_cancel_that_the_broker_does_not_list_ends_with_what_it_cancelled(desk: Desk) -> None:
    """Its own last frame was lost: it stayed at work, and the account was never compared again."""
    desk.hear(order(desk.now_ns, kind=OrderKind.LIMIT), "o")
    (send,) = desk.sends
    desk.answer(send, "0000400")
    cancel(desk, send.order_id)
    desk.answer(desk.sends[-1], "0000401")
    desk.frame(**chejan(send, "0000400", "접수", remaining=0))
    assert desk.told(OrderClosed)
    desk.broker.rows = [row(send, "0000400", cum=0, amount=0, remaining=0)]
    desk.run(30)
    assert not desk.state.orders.working
