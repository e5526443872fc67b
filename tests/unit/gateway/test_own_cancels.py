"""Cancels that the gateway decides on, and cancels whose end the broker does not tell."""

from services.contracts.limits import BROKER_ORDERS_PER_SECOND, LIMITER_WINDOW_NS
from services.contracts.messages.control import StopRequested
from services.contracts.messages.orders import OrderClosed
from services.contracts.terms import OrderKind, TradingState

from .desk import Desk, chejan, order
from .test_order_desk import cancel
from .test_order_truth import row


def halt(desk: Desk) -> None:
    desk.hear(StopRequested(target=TradingState.HALTED, by="t", reason="t"), "halt")


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


def test_a_cancel_waits_for_a_token_as_everything_does(desk: Desk) -> None:
    """One too many has the broker refuse what comes in the next second, sells among it."""
    desk.hear(order(desk.now_ns, kind=OrderKind.LIMIT), "o")
    (send,) = desk.sends
    desk.answer(send, "0000400")
    full_ns = desk.now_ns
    desk.state = desk.state.but(order_history=(full_ns,) * BROKER_ORDERS_PER_SECOND)
    cancel(desk, send.order_id)
    while len(desk.sends) == 1:
        desk.tick(0.05)
    assert desk.now_ns - full_ns >= LIMITER_WINDOW_NS
    assert desk.sends[-1].args[8] == "0000400"
