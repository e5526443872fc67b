"""What the streams hold, also after Redis forgot their ends."""

from services.cli.chaos_record import Record
from services.cli.link import Seen
from services.contracts.envelope import Envelope
from services.contracts.streams import PAIRS, STATUS, key_of
from tests.unit.cli.builders import approved, closed, envelope, heartbeat

PAIRS_KEY = key_of(PAIRS)


def taken(*entries: tuple[str, Envelope]) -> Record:
    record = Record()
    for entry_id, message in entries:
        record.take(Seen(message, PAIRS_KEY, entry_id))
    return record


def test_entries_come_back_in_the_order_in_which_they_were_read() -> None:
    first, second = envelope(approved()), envelope(closed())
    assert list(taken(("1000-0", first), ("1000-1", second)).envelopes()) == [first, second]


def test_a_message_that_was_written_twice_counts_once() -> None:
    once = envelope(closed())
    assert list(taken(("1000-0", once), ("2000-0", once)).envelopes()) == [once]


def test_what_redis_lost_never_was() -> None:
    kept, lost, later = envelope(approved("P1")), envelope(approved("P2")), envelope(approved("P3"))
    record = taken(("1000-0", kept), ("2000-0", lost), ("2000-1", later))
    record.forget_lost(PAIRS_KEY, 1_500, {"2000-1"})
    assert list(record.envelopes()) == [kept, later]
    assert record.lost == 1


def test_what_is_older_than_the_crash_is_kept_although_it_was_trimmed_since() -> None:
    old = envelope(approved())
    record = taken(("1000-0", old))
    record.forget_lost(PAIRS_KEY, 1_500, set())
    assert list(record.envelopes()) == [old]
    assert record.lost == 0


def test_a_message_lost_and_written_again_is_there() -> None:
    again = envelope(closed())
    record = taken(("2000-0", again))
    record.forget_lost(PAIRS_KEY, 1_500, set())
    record.take(Seen(again, PAIRS_KEY, "3000-0"))
    assert list(record.envelopes()) == [again]


def test_streams_that_nobody_judges_are_not_kept() -> None:
    record = Record()
    record.take(Seen(envelope(heartbeat("risk")), key_of(STATUS), "1-0"))
    assert list(record.envelopes()) == []
