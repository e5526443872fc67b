"""The envelope: what goes in comes out, and whatever comes in is read or named unreadable."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.contracts.envelope import MAX_MESSAGE_BYTES, Envelope, Message, Unreadable, decode
from services.contracts.messages.control import TradingStateRequested
from services.contracts.terms import TradingState
from tests.contracts.examples import EXAMPLES
from tests.contracts.make_golden import golden_text
from tests.contracts.strategies import ALL_TYPES, filled

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12)
WHOLE_NS = st.integers(0, 2**63 - 1)


def read_or_unreadable(text: str | bytes) -> Envelope | None:
    """Return what was read, or None where it is unreadable; anything else that is raised fails the test."""
    try:
        return decode(text)
    except Unreadable as reason:
        assert str(reason)
        return None


@pytest.mark.parametrize("kind", ALL_TYPES, ids=lambda kind: kind.__name__)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_message_comes_out_as_it_went_in(kind: type[Message], data: st.DataObject) -> None:
    envelope = Envelope.wrap(
        data.draw(filled(kind)),
        source=data.draw(st.text()),
        now_ns=data.draw(WHOLE_NS),
        causation_id=data.draw(st.text()),
        correlation_id=data.draw(st.text()),
        event_ns=data.draw(WHOLE_NS),
    )
    text = envelope.encode()
    assert decode(text) == envelope
    assert decode(text.encode()).encode() == text


@given(st.binary())
def test_any_bytes_are_read_or_unreadable(raw: bytes) -> None:
    assert read_or_unreadable(raw) is None


@given(JSON)
def test_any_json_is_read_or_unreadable(value: Any) -> None:
    assert read_or_unreadable(json.dumps(value)) is None


def places(value: Any) -> list[tuple[Any, ...]]:
    """Return the path of every value inside a JSON document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(), *((key, *path) for key, item in inner for path in places(item))]


@settings(max_examples=300, deadline=None)
@given(data=st.data(), name=st.sampled_from(sorted(EXAMPLES)))
def test_a_damaged_message_is_read_or_unreadable(data: st.DataObject, name: str) -> None:
    document = json.loads(golden_text(EXAMPLES[name]))
    *way, last = data.draw(st.sampled_from([path for path in places(document) if path]))
    target = document
    for step in way:
        target = target[step]
    if data.draw(st.booleans()):
        target[last] = data.draw(JSON)
    else:
        del target[last]
    envelope = read_or_unreadable(json.dumps(document))
    assert envelope is None or decode(envelope.encode()) == envelope


@pytest.mark.parametrize(
    "change",
    [
        {"type": "Nonsense"},
        {"version": 2},
        {"version": 0},
        {"body": None},
        {"id": None},
        {"ts_event_ns": "soon"},
    ],
    ids=str,
)
def test_what_this_build_cannot_know_is_unreadable_with_a_reason(change: dict[str, Any]) -> None:
    document = json.loads(golden_text(EXAMPLES["LeaseRenewed"])) | change
    with pytest.raises(Unreadable, match=r"\w"):
        decode(json.dumps(document))


def test_a_field_that_a_newer_writer_added_is_ignored() -> None:
    document = json.loads(golden_text(EXAMPLES["OrderFilled"]))
    expected = decode(json.dumps(document))
    document["later"] = 1
    document["body"]["later"] = {"a": 1}
    document["body"]["facts"]["later"] = [1]
    assert decode(json.dumps(document)) == expected


def test_what_is_too_large_is_not_ours() -> None:
    text = golden_text(EXAMPLES["EntryBuried"])
    padded = text.replace("unknown type", "x" * MAX_MESSAGE_BYTES)
    with pytest.raises(Unreadable, match="more than"):
        decode(padded)


def test_a_half_written_character_is_unreadable() -> None:
    text = golden_text(EXAMPLES["LeaseRenewed"])
    for broken in (text.encode()[:-3], text.replace("example", "\\ud800").encode(), text.encode("utf-16")):
        assert read_or_unreadable(broken) is None


def test_a_second_message_of_the_same_name_is_refused() -> None:
    with pytest.raises(TypeError, match="two messages are called"):
        type("LeaseRenewed", (Message,), {"__module__": "somewhere.else"})
    assert Message.registry()["LeaseRenewed"].__module__ == "services.contracts.messages.lease"


def test_the_id_follows_from_cause_writer_and_place_alone() -> None:
    request = TradingStateRequested(target=TradingState.ARMED, by="desk", reason="open")

    def wrapped(**changes: Any) -> str:
        facts = {"source": "risk", "now_ns": 1, "causation_id": "c", "ordinal": 0} | changes
        return Envelope.wrap(request, **facts).id

    assert wrapped() == wrapped(now_ns=2, correlation_id="P1", event_ns=5)
    different = {wrapped(), wrapped(source="cli"), wrapped(causation_id="d"), wrapped(ordinal=1)}
    assert len(different) == 4
