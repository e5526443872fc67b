"""What the broker says in words that nobody knows, and at times that are not today's."""

from services.contracts.alert_codes import AlertCode
from services.contracts.terms import Severity
from services.gateway.evidence import Evidence
from services.gateway.exchange_time import limit_ns, market_ns_of
from services.gateway.turn import Turn
from services.market.dates import SECOND_NS

STRANGE_WORDS_KEPT = 500
AHEAD_NS = 6 * 3_600 * SECOND_NS
"""Market time. The broker tells the time of day alone, and until its nightly restart its lists are of the
date before."""
CLOCKS_PART_S = 300
"""Real time: no clock of a gateway that agrees with the exchange is so far behind the broker's."""


def of_another_date(turn: Turn, seen: Evidence) -> bool:
    """Whether a frame or row is stamped so far ahead of now, or so long before our order of its number was
    sent, that the date before must be meant: numbers count anew each day. Where the exchange's stamps make
    our own time doubtful that is hours, and ahead also of one of our numbers, else minutes."""
    clock, stamp_ns = turn.state.clock, market_ns_of(seen.hhmmss)
    if stamp_ns is None:
        return False
    record, doubtful = turn.state.orders.by_number(seen.broker_order_no), any(turn.state.doubts.values())
    near_ns = min(AHEAD_NS, limit_ns(clock, turn.now_ns, CLOCKS_PART_S))
    ahead_ns = AHEAD_NS if doubtful or record is not None else near_ns
    behind_ns = AHEAD_NS if doubtful else near_ns
    old = record is not None and clock.market_ns(record.sent_ns) - stamp_ns > behind_ns
    return old or bool(stamp_ns - clock.market_ns(turn.now_ns) > ahead_ns)


def note_strange(turn: Turn, *words: tuple[str, str]) -> None:
    """Count words that the named lists of the broker do not have; a person is told of
    each once."""
    for name, word in words:
        known = turn.state.strange_words
        count = known.get((name, word), 0)
        if count or len(known) < STRANGE_WORDS_KEPT:
            turn.set(strange_words={**known, (name, word): count + 1})
        if not count:
            turn.alert(
                f"word-{name}-{word}", AlertCode.BROKER_WORD_UNKNOWN, Severity.WARNING,
                {"list": name, "word": word},
            )  # fmt: skip
