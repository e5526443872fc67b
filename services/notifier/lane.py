"""What may be posted to one webhook now: a pure plan over what waits and what has become of it.

Slack takes one message a second from a webhook, so *starts* are a second apart; an answer is not
waited for, so a slow webhook delays nobody. What is critical goes first, and its own failures make
it wait, not those of quieter notices. 429 holds the whole webhook for as long as it asks.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from services.contracts.terms import Severity
from services.notifier.policy import LOUDNESS
from services.notifier.state import Notice, NoticeReason

PACE_S: Final = 1.0
"""Slack takes one message a second from a webhook."""
BACKOFF_S: Final = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
CRITICAL_WAITS_MOST_S: Final = 15.0
IN_FLIGHT_MOST: Final = 8
IN_FLIGHT_QUIET: Final = 4
"""Attempts under way at once; a webhook that hangs always leaves room for what is critical."""
AT_ONCE: Final = 40
"""Notices in one message: a storm becomes a few long messages, not many short ones."""

CRITICAL_RANK: Final = 0


def rank(notice: Notice) -> int:
    """Return the order of going out: 0 needs somebody now, then what eases, then what is quieter."""
    if notice.alert.severity is not Severity.CRITICAL:
        return 4 - LOUDNESS[notice.alert.severity]
    return CRITICAL_RANK if notice.reason in (NoticeReason.RAISED, NoticeReason.REPEATED) else 1


@dataclass(frozen=True, slots=True)
class Setback:
    """Failures in a row of one rank, and until when (monotonic s) it waits. `tried` notices wait with it."""

    failures: int
    until_s: float
    tried: frozenset[str]


@dataclass(frozen=True, slots=True)
class Lane:
    """One webhook: when it may be posted to again, and what is on its way. Times are monotonic seconds."""

    pace_s: float = PACE_S
    backoff_s: tuple[float, ...] = BACKOFF_S
    free_at_s: float = 0.0
    in_flight: Mapping[int, tuple[Notice, ...]] = field(default_factory=dict)
    setbacks: Mapping[int, Setback] = field(default_factory=dict)
    plain: bool = False

    def due(self, waiting: Sequence[Notice], now_s: float) -> tuple[Notice, ...]:
        """Return what is to be posted now, all of one rank; empty when nothing may.

        Of each alert only the first word is due, so that its end is never told before its beginning.
        """
        if now_s < self.free_at_s:
            return ()
        under_way = {notice.alert.alert_id for batch in self.in_flight.values() for notice in batch}
        by_rank: dict[int, list[Notice]] = {}
        for notice in waiting:
            if notice.alert.alert_id not in under_way:
                under_way.add(notice.alert.alert_id)
                by_rank.setdefault(rank(notice), []).append(notice)
        for number in sorted(by_rank):
            most = IN_FLIGHT_MOST if number == CRITICAL_RANK else IN_FLIGHT_QUIET
            if len(self.in_flight) < most and self._may(number, by_rank[number], now_s):
                return tuple(by_rank[number][:AT_ONCE])
        return ()

    def _may(self, number: int, waiting: Iterable[Notice], now_s: float) -> bool:
        """What was never tried does not wait for what failed."""
        setback = self.setbacks.get(number)
        if setback is None or now_s >= setback.until_s:
            return True
        return any(notice.notice_id not in setback.tried for notice in waiting)

    def started(self, number: int, batch: tuple[Notice, ...], now_s: float) -> "Lane":
        return replace(self, free_at_s=now_s + self.pace_s, in_flight={**self.in_flight, number: batch})

    def delivered(self, number: int) -> "Lane":
        batch = self.in_flight[number]
        setbacks = {key: value for key, value in self.setbacks.items() if key != rank(batch[0])}
        return replace(self, in_flight=self._without(number), setbacks=setbacks, plain=False)

    def held(self, number: int, seconds: float, now_s: float) -> "Lane":
        """429: the webhook takes nothing for `seconds`."""
        return replace(self, in_flight=self._without(number), free_at_s=max(self.free_at_s, now_s + seconds))

    def failed(self, number: int, now_s: float, *, unacceptable: bool) -> "Lane":
        """It was not taken: this rank waits longer each time, what is critical at most 15 s."""
        batch = self.in_flight[number]
        kind = rank(batch[0])
        before = self.setbacks.get(kind, Setback(0, 0.0, frozenset()))
        wait_s = self.backoff_s[min(before.failures, len(self.backoff_s) - 1)]
        if kind == CRITICAL_RANK:
            wait_s = min(wait_s, CRITICAL_WAITS_MOST_S)
        tried = before.tried | {notice.notice_id for notice in batch}
        setback = Setback(before.failures + 1, now_s + wait_s, tried)
        return replace(
            self, in_flight=self._without(number), setbacks={**self.setbacks, kind: setback},
            plain=self.plain or unacceptable,
        )  # fmt: skip

    def _without(self, number: int) -> dict[int, tuple[Notice, ...]]:
        return {key: value for key, value in self.in_flight.items() if key != number}
