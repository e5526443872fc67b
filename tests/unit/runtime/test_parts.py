"""A state survives a restart part by part, and what does not fit is refused by name."""

from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from services.contracts.messages.market_data import QuoteUpdated
from services.contracts.step import State
from services.contracts.terms import Venue
from services.runtime.parts import StateUnreadable, changed_parts, restore


class Pantry(State):
    DURABLE: ClassVar[frozenset[str]] = frozenset({"jars", "tally", "quote"})
    jars: dict[str, int] = Field(default_factory=dict)
    tally: tuple[int, ...] = ()
    quote: QuoteUpdated | None = None
    screen: int = 0


def test_only_replaced_durable_fields_are_written() -> None:
    old = Pantry(jars={"plum": 1})
    assert set(changed_parts(old, old.but(screen=5))) == set()
    assert set(changed_parts(old, old.but(tally=(1,), screen=5))) == {"tally"}
    assert set(changed_parts(None, old)) == {"jars", "tally", "quote"}


@given(st.dictionaries(st.text(), st.integers()), st.lists(st.integers()))
def test_what_was_stored_comes_back(jars: dict[str, int], tally: list[int]) -> None:
    quote = QuoteUpdated(
        symbol="005930",
        venue=Venue.NXT,
        bids=((100, 2),),
        asks=(),
        exchange_time="090000",
        connection_epoch=1,
        feed_seq=1,
    )
    state = Pantry(jars=jars, tally=tuple(tally), quote=quote)
    back = restore(Pantry(screen=9), changed_parts(None, state))
    assert back == state.but(screen=9)


def test_a_part_of_another_shape_is_refused_with_its_name() -> None:
    with pytest.raises(StateUnreadable, match="tally"):
        restore(Pantry(), {"tally": '"not a list"'})
