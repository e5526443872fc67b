"""Whether the exchange's own time stamps and our market time tell one story.

Each book frame carries the exchange's time of day (FID 21, `HHmmss`, Kiwoom sheet 2.2). A frame of a
quiet book or one that was under way for long is older than now, so only the smallest distance of many
frames says something. Where even that stays beyond the limit, either Redis time is wrong or the whole
feed is late: ages mean nothing then, and nothing may be traded on them.

Invariant: a venue once found apart stays so until one of its frames agrees again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from services.contracts.limits import NS_PER_S
from services.contracts.terms import Venue
from services.gateway.evidence import is_digits
from services.market.dates import SECOND_NS
from services.market.market_clock import MarketClock

CERTAIN_AFTER_NS: Final = 3 * NS_PER_S
"""Real time for which no frame may agree before the venue counts as apart."""


def market_ns_of(hhmmss: str) -> int | None:
    """Return the market time of the broker's `HHmmss`, ns since midnight; None for any other text.

    >>> market_ns_of("090030") == 32_430 * SECOND_NS
    True
    >>> market_ns_of("0900") is None and market_ns_of("996100") is None
    True
    """
    text = hhmmss.strip()
    if len(text) != 6 or not is_digits(text):
        return None
    hours, minutes, seconds = int(text[:2]), int(text[2:4]), int(text[4:])
    if hours > 23 or minutes > 59 or seconds > 59:
        return None
    return (hours * 3600 + minutes * 60 + seconds) * SECOND_NS


def smallest_apart_ns(stamps: Iterable[tuple[str, int]], clock: MarketClock) -> int | None:
    """Return our market time less the exchange's, of the frame for which they are nearest; ns.

    `stamps` are (FID 21, Redis time of its arrival). Positive where the frame is older. None where no
    frame carries a time.
    """
    apart = [
        clock.market_ns(arrived_ns) - market_ns
        for text, arrived_ns in stamps
        if (market_ns := market_ns_of(text)) is not None
    ]
    return min(apart, key=abs) if apart else None


def limit_ns(clock: MarketClock, now_ns: int, parts_s: int) -> int:
    """Return how far apart is too far, in ns of market time.

    In a compressed day market time runs hundreds of times faster, and so does the distance that a
    frame gathers on its way: the limit grows with the pace of the last second.
    """
    passed_ns = clock.market_ns(now_ns) - clock.market_ns(now_ns - NS_PER_S)
    return parts_s * max(passed_ns, SECOND_NS)


@dataclass(frozen=True, slots=True)
class Doubt:
    """Frames of a venue since `since_ns`, the last at `seen_ns`, of which none agreed. Redis time, ns."""

    since_ns: int
    seen_ns: int
    certain: bool = False


def doubted(before: Doubt | None, now_ns: int, gap_ns: int) -> Doubt:
    """Return the doubt after one more look at frames that do not agree.

    Frames further apart than `gap_ns` are two doubts: a feed so quiet is not alive, which stops
    entries by itself.
    """
    if before is None or (now_ns - before.seen_ns > gap_ns and not before.certain):
        return Doubt(now_ns, now_ns)
    return replace(before, seen_ns=now_ns, certain=now_ns - before.since_ns > CERTAIN_AFTER_NS)


def agrees(doubts: Mapping[Venue, Doubt | None]) -> bool:
    """Whether no venue is known to be apart."""
    return not any(doubt is not None and doubt.certain for doubt in doubts.values())
