"""Which requests of people hold for how long, and who decides each: one table.

A request that allows or trades is decided once, by one owner, within its life. The kind fixes the life, which
counts from the id that Redis gave the entry. The commit that takes a request in compares Redis's own time
with the end of the life: an answer that has not come by then never comes. What follows from it has no end.
Stops, tightenings, symbol pauses and claims have no life and never expire.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MOST_LIFE_MS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a kind of request holds, and the service that decides it: empty for the one that it names."""

    life_ms: int
    owner: str


REQUESTS: Final[Mapping[str, Terms]] = {
    "TradingStateRequested": Terms(5_000, "risk"),
    "HaltLiftRequested": Terms(5_000, "risk"),
    "LatchClearRequested": Terms(5_000, "risk"),
    "SymbolResumeRequested": Terms(5_000, "risk"),
    "FlattenRequested": Terms(5_000, "executor"),
    "LimitChangeRequested": Terms(10_000, "risk"),
    "LimitConfirmRequested": Terms(10_000, "risk"),
    "ReferenceReloadRequested": Terms(10_000, "risk"),
    "EntryRetryRequested": Terms(10_000, ""),
}
"""By wire type. One that only tightens (a tighter limit) is written without a life and never expires."""

assert all(0 < terms.life_ms <= MOST_LIFE_MS for terms in REQUESTS.values())


def life_ms_of(kind: str) -> int:
    """Return the life of a wire type, 0 for what never expires."""
    terms = REQUESTS.get(kind)
    return 0 if terms is None else terms.life_ms


def is_owner(service: str, kind: str) -> bool:
    """Return whether a service decides requests of a wire type."""
    terms = REQUESTS.get(kind)
    return terms is not None and terms.owner in (service, "")
