"""How far a stream may be trimmed: never past anybody who has yet to read it."""

from hypothesis import given
from hypothesis import strategies as st

from services.contracts.limits import LOSSLESS_ALARM
from services.contracts.streams import COMMANDS, CONTROL, DEAD, ORDERS, STATUS, TABLE, TICKS, VENUE, key_of
from services.contracts.terms import Severity
from services.notifier.journal_line import FIRST_ID
from services.notifier.retention import (
    KEPT_WHEN_LONG_S,
    kept_for_s,
    length_severity,
    may_be_trimmed,
    reader_positions,
    trim_point,
)
from services.runtime.standing import entry_order

IDS = st.builds(lambda ms, n: f"{ms}-{n}", st.integers(0, 50), st.integers(0, 3))
ALL_READ = {
    "executor": {ORDERS.key: "9-0", VENUE.key: "7-0"},
    "risk": {ORDERS.key: "8-0", VENUE.key: "7-0"},
    "detector-g1": {VENUE.key: "5-0"},
    "detector-g2": {VENUE.key: "6-0"},
}


@given(st.dictionaries(st.text(min_size=1, max_size=3), IDS, min_size=1), IDS)
def test_nothing_goes_that_a_reader_has_not_committed_or_that_is_kept(
    readers: dict[str, str], keep_from: str
) -> None:
    trim = trim_point(readers, keep_from)
    limit = entry_order(trim.before_id)
    assert all(limit <= entry_order(position) for position in readers.values())
    assert limit <= entry_order(keep_from)
    assert limit in {entry_order(keep_from), *(entry_order(position) for position in readers.values())}
    assert entry_order(readers[trim.held_by]) == min(entry_order(position) for position in readers.values())


@given(st.dictionaries(st.sampled_from("abc"), IDS, min_size=1), IDS, IDS)
def test_a_reader_that_reads_on_never_takes_back_what_may_go(
    readers: dict[str, str], keep_from: str, further: str
) -> None:
    name = next(iter(readers))
    moved = {**readers, name: max(readers[name], further, key=entry_order)}
    assert entry_order(trim_point(moved, keep_from).before_id) >= entry_order(
        trim_point(readers, keep_from).before_id
    )


def test_the_slowest_reader_of_the_table_decides() -> None:
    readers = reader_positions(ORDERS, ORDERS.key, ALL_READ, "10-0")
    assert readers == {"journal": "10-0", "executor": "9-0", "risk": "8-0"}
    assert trim_point(readers, "99-0").before_id == "8-0"


def test_the_journal_holds_what_it_has_not_synced() -> None:
    readers = reader_positions(ORDERS, ORDERS.key, ALL_READ, "3-0")
    assert trim_point(readers, "99-0").before_id == "3-0"


def test_every_replica_of_a_family_counts() -> None:
    readers = reader_positions(VENUE, VENUE.key, ALL_READ, "9-0")
    assert trim_point(readers, "99-0").before_id == "5-0"
    assert trim_point(readers, "99-0").held_by == "detector-g1"


def test_a_reader_that_never_ran_holds_everything_until_a_person_retires_it() -> None:
    only_risk = {"risk": ALL_READ["risk"]}
    held = trim_point(reader_positions(ORDERS, ORDERS.key, only_risk, "10-0"), "99-0")
    assert (held.before_id, held.held_by) == (FIRST_ID, "executor")
    freed = reader_positions(ORDERS, ORDERS.key, only_risk, "10-0", retired=("executor",))
    assert trim_point(freed, "99-0").before_id == "8-0"


def test_a_retired_replica_does_not_hold_the_others() -> None:
    readers = reader_positions(VENUE, VENUE.key, ALL_READ, "9-0", retired=("detector-g1",))
    assert trim_point(readers, "99-0").before_id == "6-0"


def test_a_service_the_table_does_not_name_counts_when_it_committed_the_key() -> None:
    readers = reader_positions(ORDERS, ORDERS.key, {**ALL_READ, "auditor": {ORDERS.key: "2-0"}}, "10-0")
    assert trim_point(readers, "99-0").held_by == "auditor"


def test_of_several_gateways_only_the_one_that_reads_the_key_counts() -> None:
    key = key_of(COMMANDS, "main")
    services = {"gateway": {key: "4-0"}, "gateway-b": {key_of(COMMANDS, "b"): "1-0"}}
    assert trim_point(reader_positions(COMMANDS, key, services, "9-0"), "99-0").before_id == "4-0"
    unread = key_of(COMMANDS, "c")
    assert trim_point(reader_positions(COMMANDS, unread, services, "9-0"), "99-0").before_id == FIRST_ID


def test_capped_streams_reference_data_and_evidence_are_never_trimmed_by_position() -> None:
    trimmed = {stream.name for stream in TABLE if may_be_trimmed(stream)}
    assert trimmed == {"venue", "intents", "pairs", "commands", "orders", "stops", "alerts"}
    assert not any(may_be_trimmed(stream) for stream in (TICKS, STATUS, CONTROL, DEAD))


def test_a_long_stream_is_loud_and_at_twice_the_alarm_critical() -> None:
    assert length_severity(LOSSLESS_ALARM - 1) is None
    assert length_severity(LOSSLESS_ALARM) is Severity.WARNING
    assert length_severity(2 * LOSSLESS_ALARM) is Severity.CRITICAL


def test_a_stream_that_has_grown_long_keeps_less_of_what_all_have_read() -> None:
    assert kept_for_s(LOSSLESS_ALARM - 1, 172_800) == 172_800
    assert kept_for_s(LOSSLESS_ALARM, 172_800) == KEPT_WHEN_LONG_S
    assert kept_for_s(LOSSLESS_ALARM, 60) == 60
