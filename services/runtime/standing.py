"""How streams stand in Redis: which server answers, and how far each has come."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

_NO_STREAM: Final = "18446744073709551615-18446744073709551615"
_SPENT: Final = re.compile(r"^18446744073709551615-[0-9]{20}$")
"""Redis gives no id after the largest one; only a hand can have set one near it."""


def entry_order(entry_id: str) -> tuple[int, int]:
    """Return what entry ids sort by: milliseconds of Redis time, number."""
    ms, _, seq = entry_id.partition("-")
    return int(ms), int(seq or 0)


@dataclass(frozen=True, slots=True)
class Standing:
    """Which server answers, and how far some of its streams have come.

    `run_id` changes with each start of a server, "" where it is not told. `last_ids` holds by stream key the
    id that was given last, "0-0" for a stream that is not there; a key that is no stream is not in it.
    """

    run_id: str
    last_ids: Mapping[str, str]

    def anew(self, cursors: Mapping[str, str]) -> tuple[str, ...]:
        """Return the streams that end before what was read of them: they were deleted, and begin anew."""
        return tuple(
            key
            for key, cursor in cursors.items()
            if key in self.last_ids and entry_order(self.last_ids[key]) < entry_order(cursor)
        )

    def unwritable(self, keys: Iterable[str]) -> tuple[str, ...]:
        """Return those that take no entry: they are no streams, or their ids are spent."""
        return tuple(key for key in keys if _SPENT.match(self.last_ids.get(key, _NO_STREAM)))
