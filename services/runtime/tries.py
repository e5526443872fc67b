"""How often an entry was tried, kept where the next process of the service finds it."""

import json
from dataclasses import dataclass
from typing import Final

from pydantic import TypeAdapter, ValidationError

from services.runtime.parts import MEND, StateUnreadable

MAX_TRIES: Final = 3
TRYING: Final = "loop:trying"
"""The field of a state hash that names the entry being tried and counts its tries, as JSON."""

FAILING: Final = "loop:failing"
"""The field that holds why the core fails at ticks, as people were told, empty where it does not."""


@dataclass(frozen=True, slots=True)
class Trying:
    """An entry, and how often it failed or took the process down."""

    entry: str
    tries: int

    def of(self, entry: str) -> int:
        """Return how many tries the next one of `entry` makes."""
        return 1 + (self.tries if self.entry == entry else 0)

    def stored(self) -> str:
        return json.dumps([self.entry, self.tries])


NEVER_TRIED: Final = Trying("", 0)
_STORED: Final = TypeAdapter(tuple[str, int])


def trying_of(stored: str) -> Trying:
    """Return what `stored()` wrote; of nothing, that nothing was tried.

    Raises:
        StateUnreadable: it is something else.
    """
    if not stored:
        return NEVER_TRIED
    try:
        return Trying(*_STORED.validate_json(stored))
    except ValidationError as error:
        raise StateUnreadable(f"stored field {TRYING!r} does not fit this build: {error}. {MEND}") from error
