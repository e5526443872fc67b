"""Entries given up are counted in one alert, and what is kept of each is bounded."""

import hashlib
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.contracts.limits import BURIED_TEXT_BYTES, NS_PER_S
from services.contracts.streams import COMMANDS, CONTROL, ORDERS, key_of
from services.runtime.burials import AGAIN_MOST_NS, QUIET_NS, SAMPLES, Burials, alert_id_of, burial
from services.runtime.bus import Entry
from services.runtime.portion import FIRST_COUNT, REPLY_BYTES, Portion


def junk(number: int, key: str = CONTROL.key, text: bytes = b"junk") -> Entry:
    return Entry(key, f"{number}-0", text)


def gave_up(burials: Burials, entry: Entry, now_ns: int) -> Burials:
    return burials.after(burial("risk", entry, "not an envelope", 1), now_ns)


def test_twenty_thousand_entries_in_eight_seconds_are_told_in_a_handful_of_words() -> None:
    burials, told = Burials("risk"), []
    for number in range(20_000):
        now_ns = number * 400_000
        burials = gave_up(burials, junk(number), now_ns)
        if number % 250 == 0:
            burials, alerts = burials.told(now_ns)
            told += alerts
    assert len(told) == 3
    assert {alert.alert_id for alert in told} == {"dead-risk-control"}
    assert told[0].facts["count"] == 1, "the first is told at once"


def test_the_count_is_told_at_growing_intervals_and_no_end() -> None:
    burials, told_s = Burials("risk"), []
    now_ns = 0
    for now_s in range(3_600):
        now_ns = now_s * NS_PER_S
        burials, alerts = gave_up(burials, junk(now_s), now_ns).told(now_ns)
        told_s += [now_s for _ in alerts]
    apart_s = [later - earlier for earlier, later in pairwise(told_s)]
    assert apart_s == sorted(apart_s) and apart_s[0] == 2 and apart_s[-1] == AGAIN_MOST_NS // NS_PER_S
    burials, (last,) = burials.told(now_ns + QUIET_NS)
    assert not last.resolved and last.facts["count"] == 3_600
    assert burials.told(now_ns + 2 * QUIET_NS) == (burials, ())


def test_one_buried_entry_is_never_told_to_be_over_and_the_next_is_told_at_once() -> None:
    burials, (first,) = gave_up(Burials("risk"), junk(1, text=b'{"pair_id": "P7"}'), 0).told(0)
    for now_s in range(0, 3_600, 10):
        burials, alerts = burials.told(now_s * NS_PER_S)
        assert alerts == ()
    later_ns = 3_600 * NS_PER_S
    _, (second,) = gave_up(burials, junk(2), later_ns).told(later_ns)
    assert [(told.resolved, told.facts["count"], told.pair_id) for told in (first, second)] == [
        (False, 1, "P7"), (False, 2, ""),
    ]  # fmt: skip


def test_after_a_quiet_minute_junk_is_kept_one_by_one_again() -> None:
    burials = Burials("risk")
    for number in range(SAMPLES):
        burials = gave_up(burials, junk(number), 0)
    assert burials.is_flooded(junk(1_000))
    burials, (told,) = burials.told(QUIET_NS)
    assert not burials.is_flooded(junk(1_000)) and told.facts["count"] == SAMPLES


def test_streams_are_told_apart_and_the_pair_that_was_named_is_kept() -> None:
    burials = gave_up(Burials("risk"), junk(1), 0)
    burials = gave_up(burials, junk(2, ORDERS.key, b'{"body": {"pair_id": "P7"}}'), 0)
    burials = gave_up(burials, junk(3, ORDERS.key), 0)
    _, alerts = burials.told(0)
    assert [(alert.alert_id, alert.pair_id, alert.facts["count"]) for alert in alerts] == [
        ("dead-risk-control", "", 1), ("dead-risk-orders", "P7", 2),
    ]  # fmt: skip
    assert alert_id_of("gateway", key_of(COMMANDS, "main")) == "dead-gateway-commands-main"


@given(st.binary(max_size=3 * BURIED_TEXT_BYTES), st.text(max_size=2_000))
def test_what_is_kept_of_an_entry_is_bounded_and_the_whole_is_known_by_its_hash(
    text: bytes, reason: str
) -> None:
    kept = burial("risk", junk(1, text=text), reason, 1)
    assert len(kept.text) <= BURIED_TEXT_BYTES and len(kept.reason) <= 300
    if len(text) <= BURIED_TEXT_BYTES:
        assert (kept.text, kept.whole_bytes) == (text.decode(errors="replace"), 0)
    else:
        assert (kept.whole_bytes, kept.sha256) == (len(text), hashlib.sha256(text).hexdigest())


@given(st.lists(st.lists(st.integers(0, 2 * REPLY_BYTES), max_size=5), max_size=20))
def test_a_reply_of_entries_like_the_last_ones_stays_bounded(replies: list[list[int]]) -> None:
    portion = Portion()
    for sizes in replies:
        portion.got(sizes)
        most = portion.of(1_000_000)
        assert most == 1 or most * max(sizes, default=0) <= REPLY_BYTES
        assert most >= 1


def test_a_reader_of_small_entries_soon_asks_for_all_it_wants() -> None:
    portion = Portion()
    assert portion.of(2_000) == FIRST_COUNT
    for _ in range(6):
        portion.got([500])
    assert portion.of(2_000) == 2_000
