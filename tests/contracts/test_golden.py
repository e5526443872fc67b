"""What was written once stays readable: a golden example of every message type and version."""

import json
from pathlib import Path
from typing import Any

import pytest

from services.contracts.envelope import Message, decode
from services.contracts.streams import TABLE, home_of
from tests.contracts.examples import EXAMPLES
from tests.contracts.make_golden import GOLDEN, golden_path

ALL_TYPES = [kind for stream in TABLE for kind in stream.types]
FILES = sorted(GOLDEN.glob("*.json"))


def lost(old: Any, new: Any, where: str = "") -> list[str]:
    """Name what of `old` is not in `new`; a field that `new` has more is no loss."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            problem
            for key, value in old.items()
            for problem in (
                lost(value, new[key], f"{where}.{key}") if key in new else [f"{where}.{key} is gone"]
            )
        ]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [
            problem
            for index, pair in enumerate(zip(old, new, strict=True))
            for problem in lost(*pair, f"{where}[{index}]")
        ]
    return [] if old == new and type(old) is type(new) else [f"{where}: {old!r} became {new!r}"]


@pytest.mark.parametrize("kind", ALL_TYPES, ids=lambda kind: kind.__name__)
def test_every_message_has_a_golden_example_of_its_version(kind: type[Message]) -> None:
    assert kind.__name__ in EXAMPLES, f"add an example of {kind.__name__} to tests/contracts/examples.py"
    assert golden_path(kind).exists(), "run: python -m tests.contracts.make_golden"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_golden_example_is_read_and_nothing_of_it_is_lost(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    envelope = decode(text)
    assert isinstance(envelope.body, Message)
    assert lost(json.loads(text), json.loads(envelope.encode())) == []
    assert decode(envelope.encode()) == envelope


def test_no_golden_example_stands_for_a_type_that_is_gone() -> None:
    assert {path.name.split(".")[0] for path in FILES} == {kind.__name__ for kind in ALL_TYPES}


def test_every_message_of_the_contracts_has_exactly_one_home() -> None:
    homes = {name: [s.name for s in TABLE if kind in s.types] for name, kind in contracts().items()}
    assert {name: found for name, found in homes.items() if len(found) != 1} == {}
    assert all(home_of(kind).name == homes[name][0] for name, kind in contracts().items())


def contracts() -> dict[str, type[Message]]:
    """All message types of the vocabulary; a service's own, for its shell, travel on no stream."""
    return {
        name: kind
        for name, kind in Message.registry().items()
        if kind.__module__.startswith("services.contracts.")
    }
