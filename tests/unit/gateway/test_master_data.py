"""What the control knows without the server: who is a fund, and which dialog an order would raise."""

from dataclasses import dataclass, field
from typing import cast

import pytest

from services.contracts.messages.venue_state import DayFactsPublished
from services.contracts.terms import Symbol
from services.gateway.control_calls import Calls, Ocx
from services.gateway.facts import MasterRead

from .desk import SYMBOL, fresh, ready

FUND = Symbol("069500")


@dataclass
class MasterData:
    """The lists and flags of a control; `asked` are the calls that were made."""

    lists: dict[str, str]
    flags: dict[tuple[str, str], str] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def codes_by_market(self, market: str) -> str:
        return self.lists.get(market, "")

    def function(self, name: str, symbol: str) -> str:
        self.asked.append((name, symbol))
        return self.flags.get((name, symbol), "0")

    def stock_state(self, symbol: str) -> str:
        return "증거금40%|신용가능"


def read(control: MasterData) -> MasterRead:
    fact = Calls(cast(Ocx, control)).read_master((SYMBOL, FUND))
    assert isinstance(fact, MasterRead)
    return fact


def test_the_broker_list_says_who_is_a_fund() -> None:
    assert read(MasterData({"NXT": f"{SYMBOL};{FUND};", "8": f"102110;{FUND};"})).funds == {FUND}
    assert read(MasterData({"NXT": f"{SYMBOL};", "8": "102110;"})).funds == frozenset()


def test_a_blank_list_of_funds_says_nothing() -> None:
    assert read(MasterData({"NXT": f"{SYMBOL};", "8": ""})).funds is None


@pytest.mark.parametrize("flag", ["1", "2", "", " "])
def test_a_fund_with_a_warning_is_warned(flag: str) -> None:
    control = MasterData({"8": FUND}, {("IsOrderWarningETF", FUND): flag})
    assert read(control).warnings == {FUND}
    assert control.asked == [("IsOrderWarningStock", SYMBOL), ("IsOrderWarningETF", FUND)]


def test_the_day_names_its_funds_and_a_blank_list_changes_nothing() -> None:
    desk = ready(fresh())
    assert desk.told(DayFactsPublished)[-1].funds is None
    both = frozenset({SYMBOL, FUND})
    desk.feed(MasterRead(both, both, frozenset(), frozenset(), frozenset({FUND})))
    assert desk.told(DayFactsPublished)[-1].funds == (FUND,)
    desk.feed(MasterRead(both, frozenset({SYMBOL}), frozenset(), frozenset(), None))
    assert desk.told(DayFactsPublished)[-1].funds == (FUND,)
