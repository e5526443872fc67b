"""A state's durable fields as text, one part each, so that a commit writes only what changed."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from services.contracts.step import State, StateT

MEND: Final = (
    "Start the build that wrote it, or compare with the broker and move the state aside: "
    "`arb state aside SERVICE`."
)


class StateUnreadable(RuntimeError):
    """What is stored of a service does not fit this build: a person must decide, nothing is guessed."""


@cache
def _adapters(state_class: type[State]) -> dict[str, TypeAdapter[Any]]:
    fields = state_class.model_fields
    return {name: TypeAdapter(fields[name].rebuild_annotation()) for name in sorted(state_class.DURABLE)}


def changed_parts(old: State | None, new: State) -> dict[str, str]:
    """Return the durable fields of `new` that are other objects than in `old`, as JSON."""
    return {
        name: adapter.dump_json(getattr(new, name)).decode()
        for name, adapter in _adapters(type(new)).items()
        if old is None or getattr(old, name) is not getattr(new, name)
    }


def restore(initial: StateT, parts: Mapping[str, str]) -> StateT:
    """Return `initial` with its durable fields replaced by what was stored.

    Raises:
        StateUnreadable: a part is not of this build's shape; says which.
    """
    values: dict[str, Any] = {}
    for name, adapter in _adapters(type(initial)).items():
        if name not in parts:
            continue
        try:
            values[name] = adapter.validate_json(parts[name])
        except (ValidationError, json.JSONDecodeError) as error:
            raise StateUnreadable(
                f"stored part {name!r} of {type(initial).__module__} does not fit this build: {error}. {MEND}"
            ) from error
    return initial.model_copy(update=values)
