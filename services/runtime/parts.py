"""A state's durable fields as parts, one each, so that a commit writes only what changed.

Redis keeps each part as JSON. A bus in memory may keep the fields themselves (`Objects`): states are frozen.
"""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, Protocol

from pydantic import TypeAdapter, ValidationError

from services.contracts.step import State, StateT

MEND: Final = (
    "Start the build that wrote it, or compare with the broker and move the state aside: "
    "`arb state aside SERVICE`."
)


class StateUnreadable(RuntimeError):
    """What is stored of a service does not fit this build: a person must decide, nothing is guessed."""


class PartsCodec(Protocol):
    """Between the durable fields of a state and what a bus keeps of them."""

    def changed(self, old: State | None, new: State) -> dict[str, Any]:
        """Return the durable fields of `new` that are other objects than in `old`, as the bus keeps them."""
        ...

    def restore(self, initial: StateT, parts: Mapping[str, Any]) -> StateT:
        """Return `initial` with its durable fields replaced by what was kept. Raises StateUnreadable."""
        ...


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


class JsonParts:
    """Parts as JSON text: what Redis keeps."""

    def changed(self, old: State | None, new: State) -> dict[str, Any]:
        return dict(changed_parts(old, new))

    def restore(self, initial: StateT, parts: Mapping[str, Any]) -> StateT:
        return restore(initial, parts)


class ObjectParts:
    """Parts as the fields themselves, for a bus in the memory of one process."""

    def changed(self, old: State | None, new: State) -> dict[str, Any]:
        if old is new:
            return {}
        now, before = new.__dict__, {} if old is None else old.__dict__
        return {
            name: now[name]
            for name in type(new).DURABLE
            if name not in before or before[name] is not now[name]
        }

    def restore(self, initial: StateT, parts: Mapping[str, Any]) -> StateT:
        durable = type(initial).DURABLE
        return initial.model_copy(update={name: part for name, part in parts.items() if name in durable})


JSON: Final = JsonParts()
OBJECTS: Final = ObjectParts()
