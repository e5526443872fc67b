"""What a state hash holds beside the parts of the state: epoch, commits, positions. Pure.

Anybody can write into Redis. What cannot be meant there is refused by key, field and value, before a start
takes the epoch: a guess would skip entries or obey them again.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, StringConstraints, TypeAdapter, ValidationError

from services.runtime.parts import MEND, StateUnreadable

HIGHEST: Final = 2**52
"""Above this a script of Redis cannot tell a number from the next one."""
_SHOWN_CHARS: Final = 60


def _an_id(text: str) -> str:
    if any(int(number) >= 2**64 for number in text.split("-")):
        raise ValueError("no id of a stream")
    return text


EntryId = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,20}-[0-9]{1,20}$"), AfterValidator(_an_id)]
_FIELDS: Final[Mapping[str, TypeAdapter[Any]]] = {
    "epoch": TypeAdapter(Annotated[int, Field(ge=1, le=HIGHEST)]),
    "commits": TypeAdapter(Annotated[int, Field(ge=0, le=HIGHEST)]),
    "positions": TypeAdapter(dict[str, EntryId]),
}


def refuse_junk(key: str, stored: Mapping[str, str]) -> None:
    """See to it that the fields of a state hash that every service has can be read.

    Raises:
        StateUnreadable: one cannot; says which, with the value.
    """
    for name in _FIELDS.keys() & stored.keys():
        value_of(key, name, stored[name])


def value_of(key: str, name: str, text: str) -> Any:
    """Return `epoch`, `commits` (int) or `positions` (entry ids by stream key) of a state hash.

    Raises:
        StateUnreadable: the text cannot be meant.
    """
    try:
        return _FIELDS[name].validate_json(text, strict=True)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]["msg"]
        shown = text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "..."
        raise StateUnreadable(f"{key}: field {name!r} holds {shown!r}: {problem}. {MEND}") from error
