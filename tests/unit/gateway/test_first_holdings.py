"""The first holdings of a day that come without a row count at the second look."""

import pytest

from services.contracts.terms import Symbol

from .desk import SYMBOL, fresh, ready
from .test_blank_answers import differences, log_in_again, scripted

EMPTY: list[dict[str, str]] = []


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
