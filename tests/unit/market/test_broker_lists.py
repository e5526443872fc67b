"""The broker's closed lists: whole, each with a source, and nothing unknown taken for something known."""

import pytest

from services.contracts.terms import OrderKind, Side, Venue
from services.market.broker_lists import (
    CLOSED_LISTS,
    ORDER_FRAME,
    ORDER_KINDS,
    ORDER_SIDES,
    ORDER_STATES,
    RETURN_CODES,
    VENUE_CODES,
    BrokerList,
    OrderState,
    Sent,
    meaning,
    sent_by,
)
from services.market.hoga import OrderAction


@pytest.mark.parametrize("known", CLOSED_LISTS, ids=lambda known: known.name)
def test_every_list_names_its_source_and_its_rule_for_what_it_lacks(known: BrokerList[object]) -> None:
    assert known.members
    assert known.source
    assert known.unknown.endswith(".")
    assert all(word == word.strip() for word in known.members)


@pytest.mark.parametrize("known", CLOSED_LISTS, ids=lambda known: known.name)
def test_a_blank_is_no_word_and_a_strange_word_means_nothing(known: BrokerList[object]) -> None:
    assert known.get("  ") is None
    assert not known.lacks("  ")
    assert known.get("a word nobody has") is None
    assert known.lacks("a word nobody has")


def test_the_names_of_the_lists_differ() -> None:
    assert len({known.name for known in CLOSED_LISTS}) == len(CLOSED_LISTS)


def test_states_sides_and_venues_are_those_of_the_sheet() -> None:
    assert set(ORDER_STATES.members.values()) == set(OrderState)
    assert set(ORDER_SIDES.members.values()) == {(side, action) for side in Side for action in OrderAction}
    assert dict(VENUE_CODES.members) == {"0": None, "1": Venue.KRX, "2": Venue.NXT}


@pytest.mark.parametrize(
    "word",
    ["조건부지정가", "최유리지정가", "최우선지정가", "시장가(IOC)", "최유리(IOC)", "보통(FOK)", "시장가(FOK)",
     "최유리(FOK)", "스톱지정가", "중간가", "중간가(IOC)", "중간가(FOK)", "장전시간외", "장후시간외",
     "시간외단일가", "장시작전시간외", "장마감후시간외"],
)  # fmt: skip
def test_a_kind_that_we_never_send_is_listed_as_none_of_ours(word: str) -> None:
    assert not ORDER_KINDS.lacks(word)
    assert ORDER_KINDS.get(word) is None


def test_each_kind_of_ours_has_a_word() -> None:
    assert set(ORDER_KINDS.members.values()) - {None} == set(OrderKind)


def test_only_a_listed_code_says_that_an_order_never_left() -> None:
    assert sent_by(0) is Sent.LEFT
    assert sent_by(-307) is Sent.UNKNOWN
    assert sent_by(-308) is Sent.RATE
    assert sent_by(-999) is Sent.UNKNOWN
    assert sent_by(1) is Sent.UNKNOWN
    others = set(RETURN_CODES) - {0, -307, -308}
    assert {sent_by(code) for code in others} == {Sent.NOT_SENT}


def test_a_code_is_told_in_words() -> None:
    assert meaning(-302) == "-302: somebody else's account"
    assert meaning(-999) == "-999: a code that no list has"


def test_the_fids_that_order_truth_rests_on_are_read() -> None:
    assert {9201, 9203, 9001, 913, 902, 903, 904, 905, 911, 919, 920, 2134} <= set(ORDER_FRAME)
