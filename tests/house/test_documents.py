"""The generated tables of the documents: current, complete, and refused where they cannot be filled."""

import importlib.util
from types import ModuleType

import pytest

from services.contracts.reasons import DenialReason, GateReason
from services.contracts.streams import TABLE
from tests.house.source import ROOT


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_region_is_filled_and_the_words_around_it_stay(generate: ModuleType) -> None:
    before = "# Title\n\n<!-- generated:streams -->\nyesterday\n<!-- /generated -->\nafter\n"
    after = generate.filled(before, "a.md")
    assert after.startswith("# Title\n\n<!-- generated:streams -->\n| stream |")
    assert after.endswith("<!-- /generated -->\nafter\n")
    assert "yesterday" not in after
    assert generate.filled(after, "a.md") == after


def test_the_tables_name_everything(generate: ModuleType) -> None:
    text = "".join(make() for make in generate.TABLES.values())
    assert [item.value for item in (*DenialReason, *GateReason) if f"`{item.value}`" not in text] == []
    assert [kind for s in TABLE for kind in s.types if f"`{kind.__name__}`" not in text] == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("<!-- generated:nothing -->\n<!-- /generated -->\n", "no table is called 'nothing'"),
        ("<!-- generated:streams -->\nno end\n", "has no end"),
    ],
)
def test_a_region_that_cannot_be_filled_is_named(generate: ModuleType, text: str, problem: str) -> None:
    with pytest.raises(generate.BadRegion, match=f"a.md: .*{problem}"):
        generate.filled(text, "a.md")
