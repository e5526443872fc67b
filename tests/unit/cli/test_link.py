"""Which Redis a command means, what it shows of its address, and reading streams onward."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cli.faults import Fault, UsageFault
from services.cli.link import Link, address_in_use, open_link, with_database
from services.cli.stack_file import StackRecord, write_stack_file
from services.contracts.streams import ALERTS, TICKS, key_of, state_key
from services.runtime.redaction import shown_address
from services.runtime.settings import RuntimeSettings, SettingsError, load_settings
from tests.unit.cli.builders import alert

KEY = key_of(ALERTS)


@pytest.fixture
def link(redis_url: str) -> Iterator[Link]:
    opened = open_link(redis_url)
    opened.client.flushall()
    yield opened
    opened.close()


def test_the_address_given_wins_then_the_environment_then_the_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert address_in_use("", tmp_path, {}) == "redis://127.0.0.1:6379/0"
    write_stack_file(tmp_path, StackRecord(redis_url="redis://stack", processes=()))
    assert address_in_use("", tmp_path, {}) == "redis://stack"
    assert address_in_use("", tmp_path, {"ARB_RUNTIME_REDIS_URL": "redis://env"}) == "redis://env"
    assert address_in_use("redis://given", tmp_path, {"ARB_RUNTIME_REDIS_URL": "x"}) == "redis://given"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:secret@host:6379/0", "redis://***@host:6379/0"),
        ("rediss://user:secret@host/1", "rediss://***@host/1"),
        ("redis://host", "redis://host"),
        ("unix:///run/redis.sock?db=2", "unix:///run/redis.sock?db=2"),
    ],
)
def test_a_password_is_never_shown(url: str, shown: str) -> None:
    assert shown_address(url) == shown


@pytest.mark.parametrize(
    ("url", "chosen"),
    [
        ("redis://host", "redis://host/9"),
        ("redis://:pw@host:1/", "redis://:pw@host:1/9"),
        ("redis://host/3", "redis://host/3"),
        ("redis://host?db=3", "redis://host?db=3"),
        ("unix:///run/r.sock", "unix:///run/r.sock?db=9"),
        ("unix:///run/r.sock?db=4", "unix:///run/r.sock?db=4"),
    ],
)
def test_a_database_is_chosen_only_where_none_is_named(url: str, chosen: str) -> None:
    assert with_database(url, 9) == chosen


def test_a_server_that_does_not_answer_is_a_fault_without_the_password() -> None:
    with pytest.raises(Fault, match="does not answer") as caught:
        open_link("redis://:secret@127.0.0.1:1")
    assert "secret" not in caught.value.what


def test_what_is_no_address_is_a_usage_fault() -> None:
    with pytest.raises(UsageFault, match="no Redis address"):
        open_link("http://example")


def test_a_follower_reads_on_and_counts(link: Link) -> None:
    for number in range(5):
        link.append(alert(f"A{number}"), cause=f"c{number}")
    follower = link.follow([KEY])
    assert [item.message.alert_id for item in follower.drain()] == [f"A{n}" for n in range(5)]  # type: ignore[attr-defined]
    assert follower.drain() == []
    link.append(alert("A5"), cause="c5")
    assert len(follower.read()) == 1
    assert follower.counted[KEY] == link.entries_added(KEY) == 6


@pytest.mark.parametrize(("tail", "expected"), [(1, ["A2"]), (2, ["A1", "A2"]), (9, ["A0", "A1", "A2"])])
def test_a_follower_can_begin_near_the_end(link: Link, tail: int, expected: list[str]) -> None:
    for number in range(3):
        link.append(alert(f"A{number}"), cause=f"c{number}")
    found = link.follow([KEY], tail=tail).drain()
    assert [item.message.alert_id for item in found] == expected  # type: ignore[attr-defined]


def test_what_cannot_be_read_is_counted_and_passed_over(link: Link) -> None:
    link.client.xadd(KEY, {"m": "not json"})
    link.append(alert("A1"), cause="c")
    follower = link.follow([KEY])
    assert len(follower.drain()) == 1
    assert follower.unreadable == 1


def test_entries_added_counts_what_was_trimmed(link: Link) -> None:
    for number in range(4):
        link.append(alert(f"A{number}"), cause=f"c{number}")
    link.client.xtrim(KEY, maxlen=1, approximate=False)
    assert link.entries_added(KEY) == 4
    assert link.entries_added("{arb}:nothing") == 0


def test_only_our_own_keys_are_erased(link: Link) -> None:
    link.append(alert(), cause="c")
    link.client.set("somebody else's", "1")
    link.client.xadd(key_of(TICKS, "g1"), {"m": "x"})
    link.client.hset(state_key("risk"), "epoch", "1")
    link.erase()
    assert link.client.keys() == [b"somebody else's"]


def test_an_option_that_no_connection_knows_is_named_as_a_bad_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = "rediss://localhost:1/0?ssl_ca_cert=ca.crt"
    with pytest.raises(UsageFault, match="option"):
        open_link(url)
    monkeypatch.setenv("ARB_RUNTIME_REDIS_URL", url)
    with pytest.raises(SettingsError, match="redis_url"):
        load_settings(RuntimeSettings)
