"""What was left of the trading date before."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.contracts.terms import Symbol


@dataclass(frozen=True, slots=True)
class OverNight:
    """What was left of the date before: `symbols` of the pairs that are carried, `doubtful` shares of pairs
    under sells that were never seen to close, and `others`, what the account held that was no pair's (None
    where that is not known)."""

    symbols: Mapping[str, Symbol] = field(default_factory=dict)
    doubtful: Mapping[str, int] = field(default_factory=dict)
    others: Mapping[Symbol, int] | None = None
