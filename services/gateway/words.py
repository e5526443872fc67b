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
    """Whether a frame or row is stamped so far ahead of now that the date before must be meant. Of one of
    our numbers, or where the exchange's stamps make our own time doubtful, that is hours, else minutes."""
    clock, stamp_ns = turn.state.clock, market_ns_of(seen.hhmmss)
    if stamp_ns is None:
        return False
    ours = turn.state.orders.by_number(seen.broker_order_no) is not None
    loose = ours or any(turn.state.doubts.values())
    allowed_ns = AHEAD_NS if loose else min(AHEAD_NS, limit_ns(clock, turn.now_ns, CLOCKS_PART_S))
    return bool(stamp_ns - clock.market_ns(turn.now_ns) > allowed_ns)


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
