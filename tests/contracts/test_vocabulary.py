"""The closed lists: reasons that say what they mean, and a streams table without contradictions."""

from fnmatch import fnmatchcase

import pytest

from services.contracts.envelope import Message
from services.contracts.reasons import DenialReason, GateReason
from services.contracts.streams import (
    COMMANDS,
    EVERY_KEY,
    TABLE,
    TICKS,
    Reading,
    Stream,
    home_of,
    key_of,
    pattern_of,
    state_key,
)

SERVICES = {"gateway", "detector", "risk", "executor", "notifier"}


@pytest.mark.parametrize("reason", [*DenialReason, *GateReason], ids=str)
def test_a_reason_says_in_a_sentence_what_it_means(reason: DenialReason | GateReason) -> None:
    assert reason.meaning.endswith(".")
    assert reason.meaning[0].isupper()
    assert reason.value == reason.name.lower()


@pytest.mark.parametrize("list_of_reasons", [DenialReason, GateReason])
def test_no_two_reasons_mean_the_same(list_of_reasons: type[DenialReason] | type[GateReason]) -> None:
    meanings = [reason.meaning for reason in list_of_reasons]
    assert len(set(meanings)) == len(meanings)


@pytest.mark.parametrize("stream", TABLE, ids=lambda stream: stream.name)
def test_a_stream_has_known_writers_and_readers_and_one_hash_tag(stream: Stream) -> None:
    assert stream.types
    assert set(stream.written_by) | set(stream.read_by) <= SERVICES | {"cli"}
    assert stream.written_by and stream.read_by
    key = key_of(stream, "g1")
    assert key.count("{") == key.count("}") == 1
    assert ("{arb}" in key) is (stream is not TICKS)


def test_only_what_loses_nothing_by_it_is_trimmed_by_length() -> None:
    assert {stream.name for stream in TABLE if stream.reading is Reading.COMMITTED and stream.kept} == set()
    assert {stream.name for stream in TABLE if stream.kept} == {"ticks", "lease", "status", "dead"}


def test_keys_are_told_apart() -> None:
    keys = [key_of(stream, "one") for stream in TABLE] + [state_key("risk"), state_key("executor")]
    assert len(set(keys)) == len(keys)
    assert key_of(TICKS, "g1") != key_of(TICKS, "g2")


def test_every_key_is_matched_by_the_globs_for_all_keys() -> None:
    keys = [key_of(stream, "one") for stream in TABLE] + [state_key("detector-g1")]
    assert [key for key in keys if not any(fnmatchcase(key, glob) for glob in EVERY_KEY)] == []
    assert not any(fnmatchcase("rq:queue:default", glob) for glob in EVERY_KEY)
    assert fnmatchcase(key_of(TICKS, "g2"), pattern_of(TICKS))


@pytest.mark.parametrize("stream", [TICKS, COMMANDS])
def test_a_stream_with_several_keys_needs_a_name(stream: Stream) -> None:
    with pytest.raises(ValueError, match=stream.name):
        key_of(stream)


def test_a_message_without_a_stream_has_no_home() -> None:
    with pytest.raises(KeyError, match="Message"):
        home_of(Message)
