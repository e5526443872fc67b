"""What docs/faults.md and docs/controls.md name is there, and no switch of the world is left out."""

import ast
import dataclasses
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

import pytest

from services.cli.chaos_plan import deck
from services.contracts.terms import Latch
from services.simulator.options import FaultOptions
from services.simulator.virtual.faults import DayFaults, ServiceFaults
from tests.house.source import ROOT, SERVICES, Function, dotted, files

NODE: Final = re.compile(r"^(?P<path>tests/[\w/]+\.py)::(?P<name>\w+(::\w+)?)(\[(?P<case>.+)\])?$")
PATH: Final = re.compile(r"`((?:services|tests|benchmarks|docs|config|deploy)/[\w./-]+)`")
LINK: Final = re.compile(r"\]\(([^)#:]+)\)")
STATES: Final = ("built", "partly", "missing")
CONTROLS: Final = 33
DOCUMENTS: Final = ("docs/faults.md", "docs/controls.md")
Row = dict[str, Any]


def rows(kind: str) -> list[Row]:
    found: list[Row] = tomllib.loads((ROOT / "docs" / f"{kind}s.toml").read_text("utf-8"))[kind]
    return found


@cache
def found_in(path: str) -> dict[str, bool]:
    """Return the tests of a file as pytest names them behind the path, and whether each has cases."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return dict(_tests(tree.body, ""))


def _tests(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, bool]]:
    for node in body:
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            yield from _tests(node.body, f"{node.name}::")
        elif isinstance(node, Function) and node.name.startswith("test_"):
            yield f"{prefix}{node.name}", any(_makes_cases(mark) for mark in node.decorator_list)


def _makes_cases(mark: ast.expr) -> bool:
    return isinstance(mark, ast.Call) and dotted(mark.func) == "pytest.mark.parametrize"


def problem_of(node_id: str) -> str:
    """Return why no test has this name, empty if one has."""
    parts = NODE.match(node_id)
    if parts is None:
        return "is not path::test_name"
    if not (ROOT / parts["path"]).is_file():
        return "names no file"
    cases = found_in(parts["path"]).get(parts["name"])
    if cases is None:
        return "names no test of that file"
    return "names a case of a test without cases" if parts["case"] and not cases else ""


@pytest.mark.parametrize("kind", ["fault", "control"])
def test_every_test_that_is_named_exists(kind: str) -> None:
    wrong = [
        f"{row['name']}: {test} {problem}"
        for row in rows(kind)
        for test in row["tests"]
        if (problem := problem_of(test))
    ]
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.parametrize(
    "node_id",
    [
        "tests/house/test_nothing.py::test_a",
        "tests/house/test_evidence.py::test_nothing_of_this_name",
        "tests/house/test_evidence.py::problem_of",
        "tests/house/test_evidence.py::test_every_switch_of_the_world_has_a_row[a]",
        "test_every_switch_of_the_world_has_a_row",
    ],
)
def test_a_name_without_a_test_is_found(node_id: str) -> None:
    assert problem_of(node_id)


def test_every_module_that_is_named_exists() -> None:
    known = set(files())
    named = [(row["name"], module) for row in rows("control") for module in row["modules"]]
    named += [(name, path) for name in DOCUMENTS for path in PATH.findall((ROOT / name).read_text("utf-8"))]
    wrong = [f"{where}: {path}" for where, path in named if path.partition("::")[0] not in known]
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document: str) -> None:
    path = ROOT / document
    assert [to for to in LINK.findall(path.read_text("utf-8")) if not (path.parent / to).is_file()] == []


def switches() -> set[str]:
    """Return everything that makes a fault happen in the simulated world or in the drill."""
    fields = {
        f"{kind.__name__}.{field.name}"
        for kind in (FaultOptions, ServiceFaults)
        for field in dataclasses.fields(kind)
    }
    market = {
        f"DayFaults.{f.name}"
        for f in dataclasses.fields(DayFaults)
        if f.name not in ("services", "broker", "terms")
    }
    return fields | market | {f"{kind}:{target}" for kind, target in deck(SERVICES)}


def test_every_switch_of_the_world_has_a_row() -> None:
    named = [key for row in rows("fault") for key in row.get("keys", ())]
    assert sorted(switches() - set(named)) == [], "no row says what happens then"
    assert sorted(set(named) - switches()) == [], "there is no such switch"
    assert sorted(key for key in set(named) if named.count(key) > 1) == [], "two rows have it"


def test_every_latch_is_seen_in_a_row() -> None:
    seen = " ".join(row["seen"] for row in rows("fault"))
    assert [latch.value for latch in Latch if f"`{latch}`" not in seen] == []


def test_every_control_has_its_row() -> None:
    assert [row["number"] for row in rows("control")] == list(range(1, CONTROLS + 1))
    assert [row["name"] for row in rows("control") if row["state"] not in STATES] == []


def test_what_is_not_shown_is_said() -> None:
    silent = [row["name"] for kind in ("fault", "control") for row in rows(kind) if not row["tests"]]
    said = {row["name"] for kind in ("fault", "control") for row in rows(kind) if row.get("gap")}
    assert [name for name in silent if name not in said] == []
    assert [r["name"] for r in rows("control") if (r["state"] == "built") == bool(r.get("gap"))] == []


def test_the_documents_hold_every_row() -> None:
    for kind in ("fault", "control"):
        text = (ROOT / "docs" / f"{kind}s.md").read_text("utf-8")
        assert [row["name"] for row in rows(kind) if row["name"] not in text] == [], "run: make docs"
