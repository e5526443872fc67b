"""How many entries one read asks for, so that its reply stays bounded whatever their size. Pure.

Redis counts entries and not bytes, and one entry may be as large as its writer likes. So a reader that
begins asks for few, for more as long as what it gets is small, and for few again after a large one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

FIRST_COUNT: Final = 32
REPLY_BYTES: Final = 16 * 1024 * 1024
"""A reply of entries as large as the largest seen last stays below this, or is one entry."""


@dataclass(slots=True)
class Portion:
    """One reader's; not shared between connections."""

    most: int = FIRST_COUNT

    def of(self, count: int) -> int:
        """Return how many entries to ask for where `count` would be welcome."""
        return min(count, self.most)

    def got(self, sizes: Iterable[int]) -> None:
        """Take note of what a reply held: the bytes of each entry."""
        self.most = max(1, min(2 * self.most, REPLY_BYTES // max(1, *sizes, 1)))
