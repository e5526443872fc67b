"""The project's own files as the rules of the house look at them."""

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
SERVICES: Final = ("gateway", "detector", "risk", "executor", "notifier")
MADE: Final = frozenset({"__pycache__", "build", "dist", "run", "journal"})
OWN: Final = frozenset({".env", ".git", "slack.toml"})
"""Of a person or a checkout: `.git` is a file where a work tree of its own was made."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One Python file: its path from the root, and its text."""

    name: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))

    @property
    def lines(self) -> int:
        return self.text.count("\n")

    @property
    def stem(self) -> str:
        return Path(self.name).stem

    @property
    def package(self) -> str:
        """The package below `services`, or the first folder for other files."""
        parts = Path(self.name).parts
        return parts[1] if parts[0] == "services" and len(parts) > 2 else parts[0]

    def functions(self) -> Iterator[Function]:
        return (node for node in self.nodes if isinstance(node, Function))

    def texts(self) -> Iterator[ast.Constant]:
        """String constants that are data: docstrings are not."""
        statements = {id(node.value) for node in self.nodes if isinstance(node, ast.Expr)}
        for node in self.nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in statements:
                yield node

    def imports(self) -> Iterator[tuple[int, str]]:
        """(line, dotted name) of what is imported, `from a import b` as `a.b`."""
        for node in self.nodes:
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)

    def calls(self) -> Iterator[tuple[int, str]]:
        """(line, dotted name) of what is called, as far as it is a plain name."""
        for node in self.nodes:
            if isinstance(node, ast.Call):
                yield node.lineno, dotted(node.func)


def dotted(node: ast.AST) -> str:
    """Return `a.b.c` of a name or attribute, empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


@cache
def files() -> tuple[str, ...]:
    """Return the project's files as paths from the root; what is made, and what is a person's own, is not."""
    found = []
    for folder, below, names in os.walk(ROOT):
        at = Path(folder)
        below[:] = [name for name in below if name not in MADE and (name == ".ci" or name[0] != ".")]
        found += [(at / name).relative_to(ROOT).as_posix() for name in names if name not in OWN]
    return tuple(sorted(found))


@cache
def modules(folder: str = "services") -> tuple[Module, ...]:
    """Return the Python files below a folder."""
    return tuple(
        Module(name, (ROOT / name).read_text(encoding="utf-8"))
        for name in files()
        if name.endswith(".py") and name.startswith(f"{folder}/")
    )
