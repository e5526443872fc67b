"""Nothing new in a symbol that a person paused, or in which an order of somebody else works."""

import pytest

from services.contracts.limits import NS_PER_MS
from services.contracts.messages.commands import PlaceOrder
from services.contracts.messages.control import SymbolPauseRequested, SymbolResumed
from services.contracts.messages.orders import CommandDenied
from services.contracts.reasons import GateReason
from services.gateway.facts import Started

from .desk import ACCOUNT, SYMBOL, Desk, chejan, exit_order, fresh, order, restarted

PAUSE = SymbolPauseRequested(symbol=SYMBOL, by="lee", reason="strange prices")
RESUMED = SymbolResumed(symbol=SYMBOL, by="lee", reason="explained")


def entry(desk: Desk, number: int = 1) -> PlaceOrder:
    return order(desk.now_ns, order_id=f"P{number}.1.b.1", pair_id=f"P{number}")


def reasons(desk: Desk) -> list[GateReason]:
    return [message.reason for message in desk.told(CommandDenied)]


def by_hand(desk: Desk, side: str, *, remaining: int) -> None:
    """A frame of an order of ten shares on NXT that a person gave on another screen."""
    desk.frame(
        f9201=ACCOUNT, f9203="0000900", f9001=f"A{SYMBOL}", f913="접수" if remaining else "확인", f900="10",
        f901="199000", f902=str(remaining), f903="0", f904="0000000", f905=side,
        f907="1" if "매도" in side else "2", f908="", f911="", f938="0", f939="0", f920="0345", f2134="2",
    )  # fmt: skip


def test_an_entry_that_risk_approved_before_a_pause_is_denied(desk: Desk) -> None:
    desk.hear(PAUSE, "pause")
    desk.hear(entry(desk), "e")
    assert not desk.sends and reasons(desk) == [GateReason.SYMBOL_PAUSED]


def test_a_pause_holds_over_a_restart_and_what_is_held_is_sold(desk: Desk) -> None:
    desk.hear(entry(desk), "e")
    desk.answer(desk.sends[0], "0000400")
    desk.frame(**chejan(desk.sends[0], "0000400", "체결", remaining=0, cum=10, amount=1_995_000))
    desk.hear(PAUSE, "pause")
    assert restarted(desk).state.control.paused.keys() == {SYMBOL}
    desk.hear(exit_order(desk.now_ns), "x")
    assert desk.sends[-1].args[0] == "P1.1.s.1"


def test_a_resumption_from_before_a_pause_does_not_end_it(desk: Desk) -> None:
    """Stops are read ahead of what lets a symbol trade again."""
    desk.hear(PAUSE, "pause", entry_id=f"{desk.now_ns // NS_PER_MS}-0")
    desk.hear(RESUMED, "earlier", entry_id=f"{desk.now_ns // NS_PER_MS - 5}-0")
    assert desk.state.control.paused
    desk.hear(RESUMED, "later", entry_id=f"{desk.now_ns // NS_PER_MS + 5}-0")
    desk.hear(entry(desk), "e")
    assert not desk.state.control.paused and len(desk.sends) == 1


def test_a_gateway_without_state_takes_pauses_of_the_past_and_no_resumption() -> None:
    desk = fresh()
    desk.feed(Started())
    week_ms = desk.now_ns // NS_PER_MS - 7 * 86_400_000
    desk.hear(PAUSE, "pause", entry_id=f"{week_ms}-0")
    desk.hear(RESUMED, "resumed", entry_id=f"{week_ms + 60_000}-0")
    assert desk.state.control.paused.keys() == {SYMBOL}


@pytest.mark.parametrize("side", ["-매도", "+매수"])
def test_no_entry_leaves_while_a_persons_order_works_in_its_symbol(desk: Desk, side: str) -> None:
    """Risk pauses the symbol when it reads of the order; an approval of before is on its way."""
    by_hand(desk, side, remaining=10)
    desk.hear(entry(desk), "e")
    assert not desk.sends and reasons(desk) == [GateReason.SYMBOL_PAUSED]
    by_hand(desk, side, remaining=0)
    desk.hear(entry(desk, 2), "e2")
    assert len(desk.sends) == 1
