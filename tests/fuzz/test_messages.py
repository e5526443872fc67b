"""Anything at all may stand on a stream: it is read, or refused with what is wrong and where."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.contracts.envelope import MAX_MESSAGE_BYTES, Envelope, Unreadable, decode
from services.contracts.streams import TABLE
from tests.contracts.examples import EXAMPLES, NOW_NS
from tests.fuzz.extremes import entries
from tests.fuzz.profile import examples

KINDS = tuple(kind.__name__ for stream in TABLE for kind in stream.types)
NEVER_NEGATIVE = (
    ("OrderFilled", ("facts", "cum_qty_shares")),
    ("OrderFilled", ("facts", "cum_amount_krw")),
    ("OrderClosed", ("facts", "tax_krw")),
    ("OrderAccepted", ("facts", "qty_shares")),
    ("ForeignOrderSeen", ("cum_amount_krw",)),
    ("PairApproved", ("qty_shares",)),
    ("PairApproved", ("buy_limit_krw",)),
    ("PairClosed", ("bought_shares",)),
    ("ClipCompleted", ("sold_krw",)),
    ("TradeIntent", ("qty_shares",)),
    ("TradeIntent", ("side_a", "price_krw")),
)


def read_or_refused(text: bytes) -> Envelope | None:
    try:
        return decode(text)
    except Unreadable as problem:
        assert str(problem).strip(), "a refusal says why"
        return None


@given(
    text=st.one_of(st.binary(max_size=300), st.text(max_size=300).map(lambda t: t.encode("utf-8", "replace")))
)
@example(b"")
@example(b"null")
@example(b"[" * 5_000)
@example(b'{"type":' * 5_000)
@example(b'{"version": 1e999}')
@example(b"\xff\xfe{}")
@examples(150)
def test_bytes_that_are_no_message_are_refused(text: bytes) -> None:
    assert read_or_refused(text) is None


@given(text=entries(KINDS), cut=st.integers(1, 200))
@examples(150)
def test_a_message_cut_short_is_refused(text: bytes, cut: int) -> None:
    assert read_or_refused(text[:-cut]) is None


@given(text=entries(KINDS))
@examples(300)
def test_what_was_read_is_written_and_read_the_same(text: bytes) -> None:
    envelope = read_or_refused(text)
    if envelope is not None:
        assert decode(envelope.encode()) == envelope


@pytest.mark.parametrize(("kind", "path"), NEVER_NEGATIVE, ids=lambda value: str(value))
def test_a_negative_number_where_none_can_be_is_refused_and_named(kind: str, path: tuple[str, ...]) -> None:
    """One in an order's fill state made risk fail at every tick from then on, also after a restart."""
    envelope = Envelope.wrap(EXAMPLES[kind], source="t", now_ns=NOW_NS, causation_id="c")
    document = json.loads(envelope.encode())
    part = document["body"]
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = -1
    with pytest.raises(Unreadable, match=r"\.".join(path)):
        decode(json.dumps(document))


def test_what_is_larger_than_any_message_of_ours_is_refused_unread() -> None:
    with pytest.raises(Unreadable, match="bytes"):
        decode(b" " * (MAX_MESSAGE_BYTES + 1))
