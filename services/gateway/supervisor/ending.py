"""What the end of a gateway process means, by its exit code and by who wanted it."""

import signal
from typing import Final

from services.gateway.effects import EXIT_PLANNED_CUT, EXIT_RECONNECT, EXIT_REFUSED
from services.runtime.process import EXIT_BAD_SETTINGS, EXIT_FENCED, EXIT_FOREIGN, EXIT_STATE

PLANNED_CUT: Final = EXIT_PLANNED_CUT
FUTILE: Final = {
    EXIT_BAD_SETTINGS: "its settings cannot be used",
    EXIT_STATE: "its stored state or its log of intentions cannot be read, or Redis does not take its writes",
    EXIT_FOREIGN: "its Redis belongs to another system",
    EXIT_REFUSED: "the login is not what its settings say",
}
"""Starting again changes nothing: a person must look."""
_OTHERS: Final = {
    0: "it was told to stop by somebody else",
    1: "it failed",
    EXIT_FENCED: "another gateway held, and is silent now",
    EXIT_RECONNECT: "the connection to the broker is lost",
    EXIT_PLANNED_CUT: "the broker's nightly cut",
}
_NT_FAILURE: Final = 0xC0000000
"""Windows ends a process that crashed with a status from here on."""


def words(code: int | None) -> str:
    """Say why a process ended.

    >>> words(3221225477)
    'it crashed (c0000005)'
    """
    if code is None:
        return "it is gone, nobody knows why"
    if code in FUTILE:
        return FUTILE[code]
    if code in _OTHERS:
        return _OTHERS[code]
    names = {number.value: number.name for number in signal.Signals}
    if -code in names:
        return f"it was ended by {names[-code]}"
    status = code & 0xFFFFFFFF
    return f"it crashed ({status:08x})" if status >= _NT_FAILURE else f"it ended with exit code {code}"
