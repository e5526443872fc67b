"""The first holdings of a day: when they count, and what orders by hand in the same seconds are of them."""

import json
from collections.abc import Sequence

import pytest

from services.contracts.terms import Symbol
from services.gateway.core import recovered
from services.gateway.effects import Note, Send
from services.runtime.parts import changed_parts, restore

from .desk import ACCOUNT, DATE, SYMBOL, Desk, at, fresh, log_in, ready
from .test_blank_answers import BLANK_ROW, differences, log_in_again, scripted
from .test_order_truth import row

EMPTY: list[dict[str, str]] = []
HELD = 100
Hand = tuple[int, int, int]
"""Type of order (1 buys, 2 sells), quantity, and how much of it has filled."""
BOUGHT, SOLD, PART = (1, 2, 2), (2, 2, 2), (1, 3, 1)
HANDS: list[list[Hand]] = [[BOUGHT], [SOLD], [BOUGHT, SOLD, PART]]


@pytest.mark.parametrize("looks", [1, 2])
def test_an_empty_answer_is_no_baseline(looks: int) -> None:
    desk = fresh()
    desk.broker.holdings = {SYMBOL: 100}
    scripted(desk, OPW00018=[EMPTY] * looks)
    ready(desk).run(300)
    assert desk.state.baseline == {Symbol(SYMBOL): 100}
    assert not any(differences(desk))


def test_an_account_without_a_row_is_flat_at_the_second_look() -> None:
    desk = fresh()
    desk.broker.holdings = {}
    ready(desk)
    assert desk.state.baseline is None
    desk.run(5)
    assert desk.state.baseline == {}
    desk.broker.holdings = {SYMBOL: 100}
    log_in_again(desk, 5)
    assert any(differences(desk))


def traded_by_hand(desk: Desk, hands: Sequence[Hand]) -> list[dict[str, str]]:
    """Orders by hand of the second before now, told in no frame: the account holds what they filled."""
    stamp = desk.state.clock.hhmmss(desk.now_ns - 1_000_000_000)
    for number, (order_type, qty, cum) in enumerate(hands, start=777):
        by_hand = Send("h", ("h", "", ACCOUNT, order_type, SYMBOL, qty, 199_500, "00", ""), {}, DATE)
        amount, rest = cum * 199_500, qty - cum
        shown = row(by_hand, f"{number:07d}", cum=cum, amount=amount, remaining=rest, 시간=stamp)
        desk.broker.rows.append(shown)
        desk.broker.holdings[SYMBOL] += cum if order_type == 1 else -cum
    return desk.broker.rows


def opened(hands: Sequence[Hand], *, blank: bool) -> Desk:
    """A gateway whose first lists came blank, or were read before what was traded by hand."""
    desk = fresh()
    desk.broker.holdings = {SYMBOL: HELD}
    traded = traded_by_hand(desk, hands)
    lists = [[BLANK_ROW] * len(traded) if blank else EMPTY]
    scripted(desk, OPT10075=list(lists), OPT10076=list(lists))
    return ready(desk)


def compared(desk: Desk) -> Desk:
    """The lists are read and tell what is new; then holdings and orders at rest are compared."""
    for _ in range(2):
        desk.feed_forgotten()
        desk.run(1)
    return desk


def tells_a_share_that_is_missing(desk: Desk) -> bool:
    desk.broker.holdings[SYMBOL] -= 1
    return any(differences(compared(desk)))


@pytest.mark.parametrize("hands", HANDS)
@pytest.mark.parametrize("blank", [True, False], ids=["blank list", "between the queries"])
def test_hand_trades_as_the_baseline_is_taken_count_once(hands: list[Hand], blank: bool) -> None:
    desk = opened(hands, blank=blank)
    assert not any(differences(compared(desk))) and desk.state.orders.foreign
    assert tells_a_share_that_is_missing(desk)


@pytest.mark.parametrize("hands", HANDS)
def test_hand_trades_after_the_baseline_count_as_strangers(hands: list[Hand]) -> None:
    desk = fresh()
    desk.broker.holdings = {SYMBOL: HELD}
    ready(desk)
    traded_by_hand(desk, hands)
    assert not any(differences(compared(desk))) and desk.state.orders.foreign
    assert desk.state.baseline == {Symbol(SYMBOL): HELD}
    assert tells_a_share_that_is_missing(desk)


@pytest.mark.parametrize("forgets", [True, False])
def test_an_open_baseline_survives_a_restart(forgets: bool) -> None:
    desk = opened([BOUGHT], blank=False)
    notes = [effect.line for effect in desk.effects if isinstance(effect, Note)]
    stored = fresh().state if forgets else restore(fresh().state, changed_parts(None, desk.state))
    state = recovered(stored, [json.loads(json.dumps(line)) for line in notes], DATE)
    again = log_in(Desk(state, at(10, 0, 5), desk.broker))
    assert not any(differences(compared(again))) and again.state.orders.foreign
    assert tells_a_share_that_is_missing(again)


def test_a_share_that_is_missing_beyond_what_was_bought_by_hand_is_told() -> None:
    desk = opened([BOUGHT], blank=False)
    desk.broker.holdings[SYMBOL] = HELD - 1
    assert any(differences(compared(desk)))
