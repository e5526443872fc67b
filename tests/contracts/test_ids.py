"""Ids: the same cause gives the same id, another cause another one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.ids import derive_id, leg_of, order_id_of, pair_id_of
from services.contracts.terms import Side

# The separator inside an id's text is a control character that no field of ours contains.
WORDS = st.text(st.characters(exclude_categories=("Cc", "Cs")))
PARTS = st.lists(WORDS | st.integers(), min_size=1, max_size=5)
LEGS = st.tuples(st.from_regex(r"P[0-9a-f]{12}", fullmatch=True), st.integers(1, 99), st.sampled_from(Side),
                 st.integers(1, 99))  # fmt: skip


@given(PARTS)
def test_an_id_is_a_function_of_its_parts(parts: list[str | int]) -> None:
    assert derive_id(*parts) == derive_id(*parts)
    assert len(derive_id(*parts)) == 20
    assert set(derive_id(*parts)) <= set("0123456789abcdef")


@given(PARTS, PARTS)
def test_other_parts_give_another_id(one: list[str | int], other: list[str | int]) -> None:
    same = [str(part) for part in one] == [str(part) for part in other]
    assert (derive_id(*one) == derive_id(*other)) is same


@given(LEGS, LEGS)
def test_an_order_id_names_pair_clip_side_and_attempt(
    one: tuple[str, int, Side, int], other: tuple[str, int, Side, int]
) -> None:
    assert (order_id_of(*one) == order_id_of(*other)) is (one == other)
    pair_id, clip, side, attempt = one
    assert order_id_of(*one).split(".") == [pair_id, str(clip), side.value[0], str(attempt)]


@given(WORDS)
def test_a_pair_id_is_told_from_its_intent(intent_id: str) -> None:
    assert pair_id_of(intent_id) == pair_id_of(intent_id) != intent_id
    assert pair_id_of(intent_id).startswith("P")
    assert len(pair_id_of(intent_id)) == 13


def test_ids_in_journals_stay_what_they_were() -> None:
    assert derive_id("pair", "intent", 1) == "33f84a86c6d1d9f2d0b6"
    assert pair_id_of("0123456789abcdef0123") == "P175de5f9d8b6"


@pytest.mark.parametrize("text", ["", "P1.1.b", "P1.1.x.1", "P1.1.b.one", "P1.1.b.1.c1", "P1.1.s.1.x7.1"])
def test_what_is_no_order_id_has_no_leg(text: str) -> None:
    assert leg_of(text) is None


@pytest.mark.parametrize("side", list(Side))
def test_an_order_id_says_its_leg(side: Side) -> None:
    assert leg_of(order_id_of("P1", 3, side, 12)) == ("P1.3", side, 12)
