"""Holes in a row are one trouble with a count, told ever less often; what nobody looked at is unknown."""

from itertools import pairwise
from pathlib import Path

from services.notifier.journal_line import Gap
from services.notifier.journal_troubles import (
    AGAIN_MOST_S,
    EVERYTHING,
    HOLES,
    LENGTHS,
    QUIET_S,
    RESTARTED,
    ROOM,
    TAKEN,
    JournalTroubles,
)

HOLE = Gap("1-0", "5-0")


def test_holes_of_a_stream_are_one_trouble_whose_count_is_told_ever_less_often() -> None:
    troubles = JournalTroubles(0.0)
    told: list[tuple[int, int]] = []
    for second in range(1_000):
        troubles.hole("ticks:{g1}", HOLE, second)
        (trouble,) = troubles.now(second)
        if not told or told[-1][1] != trouble.count:
            told.append((second, trouble.count))
            assert trouble.facts["count"] == trouble.count
    waits_s = [after[0] - before[0] for before, after in pairwise(told)]
    assert waits_s[:4] == [2, 4, 8, 16] and max(waits_s) == AGAIN_MOST_S and len(told) < 12
    assert troubles.now(1_300)[0].count == 1_000, "the last is told when it is time"
    assert troubles.now(999 + QUIET_S) == ()


def test_each_stream_with_holes_is_told_of_and_a_restart_once_for_all() -> None:
    troubles = JournalTroubles(0.0)
    for key in ("orders", "pairs"):
        troubles.hole(key, HOLE, 1.0)
        troubles.hole(key, Gap("5-0", "2-0", restarted=True), 1.0)
    troubles.taken(Path("orders.jsonl"), 1.0)
    found = {trouble.alert_id: trouble.count for trouble in troubles.now(10.0)}
    assert found == {HOLES + "orders": 1, HOLES + "pairs": 1, RESTARTED: 2, TAKEN: 1}


def test_what_was_not_looked_at_is_unknown_and_holes_for_as_long_as_they_are_told() -> None:
    troubles = JournalTroubles(100.0)
    assert set(troubles.unknown(100.0)) == set(EVERYTHING)
    troubles.looked_at_room(())
    troubles.works()
    assert LENGTHS in troubles.unknown(101.0) and ROOM not in troubles.unknown(101.0)
    troubles.looked_at_lengths(())
    troubles.looked_at_keys({})
    troubles.looked_at_positions({})
    assert set(troubles.unknown(101.0)) == {HOLES, RESTARTED, TAKEN}
    assert troubles.unknown(100.0 + QUIET_S) == ()
