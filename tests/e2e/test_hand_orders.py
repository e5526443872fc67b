"""Orders of a person in the same account: they pause a symbol, and can claim what is stranded."""

from functools import partial
from typing import Any

import pytest

from services.contracts.messages.orders import ForeignOrderSeen, OrderFilled
from services.contracts.messages.pairs import (
    PairApproved,
    PairClosed,
    PairDenied,
    PairOutcome,
    ResidualMarked,
)
from services.contracts.messages.status import RiskStatus
from services.contracts.reasons import DenialReason
from services.contracts.terms import Latch, Symbol
from tests.support.live_desk import SLOW_BROKER, SYMBOLS, LiveDesk, buy_of

pytestmark = [pytest.mark.slow, pytest.mark.redis, pytest.mark.timeout(150)]
LIMITS = {"flatten_attempts": 2, "flatten_interval_ms": 100, "stranded_attempts": 0}
"""What is stranded is left to the person, who would else have to be faster than the next try."""
DESK = partial(LiveDesk, latency=SLOW_BROKER, limits=LIMITS)


def test_a_hand_order_pauses_its_symbol_until_a_person_says_whose_it_is(desk: LiveDesk) -> None:
    symbol, before, mark = SYMBOLS[0], desk.cash_krw(), desk.mark()
    desk.inject("hand_order", code=symbol, order_type=1, qty_shares=1)
    desk.wait(ForeignOrderSeen, lambda m: m.symbol == symbol and m.closed, mark)
    desk.by_hand_krw += desk.cash_krw() - before
    desk.inject("cross", code=symbol, venue="NXT", bps=60, ms=2_000, shares=500)
    denied = desk.wait(PairDenied, lambda m: m.symbol == symbol, mark)
    assert denied.reason is DenialReason.SYMBOL_PAUSED
    assert desk.since(mark, PairApproved) == []
    desk.traded(SYMBOLS[1])
    desk.settled()
    desk.by_hand_krw += desk.sold_by_hand(symbol, 1)
    desk.arb("symbols", "resume", symbol, "--reason", "both were mine")
    desk.traded(symbol)
    desk.assert_true_and_flat()


def stranded(desk: LiveDesk, symbol: Symbol) -> ResidualMarked:
    """Have trading halt between the buy and the sell of a pair; once more where the sell was faster."""
    for _ in range(5):
        approved, mark = desk.pair(symbol), desk.mark()
        desk.wait(OrderFilled, buy_of(approved))
        desk.inject("halt", code=symbol)
        end: Any = desk.wait(ResidualMarked | PairClosed, lambda m: m.symbol == symbol, mark)
        desk.inject("resume", code=symbol)
        if isinstance(end, ResidualMarked):
            return end
    raise AssertionError(f"nothing was stranded\n{desk.last_words()}")


def test_a_stranded_position_that_a_person_sold_is_claimed(desk: LiveDesk) -> None:
    symbol = SYMBOLS[2]
    marked = stranded(desk, symbol)
    desk.wait(RiskStatus, lambda m: Latch.RESIDUAL_STRANDED in m.latches)
    assert marked.pair_id in desk.arb("residual", "list", "--json")
    received_krw = desk.sold_by_hand(symbol, marked.qty_shares)
    desk.arb("residual", "resolve", marked.pair_id, "--amount", str(received_krw), "--reason", "sold by hand")
    closed = desk.wait(PairClosed, lambda m: m.pair_id == marked.pair_id)
    assert closed.outcome is PairOutcome.CLAIMED
    desk.settled()
    desk.wait(RiskStatus, lambda m: m.realised_pnl_krw == desk.realised_krw())
    desk.arb("symbols", "resume", symbol, "--reason", "the sale was mine")
    desk.arb("latch", "clear", "residual_stranded", "--reason", "sold by hand")
    desk.armed()
    desk.assert_true_and_flat()
    desk.traded(symbol)
    desk.assert_true_and_flat()
