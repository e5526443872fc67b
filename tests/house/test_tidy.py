"""The rules of the house that no linter knows. Each names the file and line that breaks it."""

import ast
import re
from collections.abc import Iterator
from typing import Final

import pytest

from tests.house.source import ROOT, SERVICES, Module, dotted, files, modules

FUNCTION_LINES: Final = 60
MODULE_LINES: Final = 500
MAIN_LINES: Final = 20
STANDARD_FILES: Final = ("__init__.py", "__main__.py", "core.py", "settings.py", "shell.py", "state.py")

# A core decides: the rest of its service may touch the world.
PURE_SERVICES: Final = ("detector", "risk", "executor")
SHELL_FILES: Final = ("shell", "files", "settings", "__main__")
WORLD: Final = (
    "redis", "PyQt5", "os", "sys", "io", "time", "random", "secrets", "uuid", "socket", "subprocess",
    "threading", "asyncio", "multiprocessing", "pathlib", "shutil", "tempfile", "urllib", "http", "logging",
    "structlog", "prometheus_client", "slack_sdk", "rq", "services.runtime",
)  # fmt: skip
CLOCKS: Final = re.compile(r"(^|\.)(datetime\.(now|utcnow|today)|date\.today|time\.\w+|random\.\w+|uuid\d)$")

STREAM_TABLE: Final = "services/contracts/streams.py"
STREAM_KEY: Final = re.compile(r"\{arb\}:|^ticks:\{")
WHOLE_UNITS: Final = ("_krw", "_shares")

SELF: Final = ("tests/house/test_tidy.py",)
"""Files that must spell out what they forbid."""
PLACES: Final = re.compile(
    r"(?<![\w.])/(work|root|home/\w+|opt/pypi|Users/\w+)/|\bC:\\Users\\|py[p]i\.org|python[h]osted|/simple\b.*index"
)
UNFINISHED: Final = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|raise NotImplementedError")


def is_core(module: Module) -> bool:
    """Whether a module must be pure: every core, and all of a pure service but its shell."""
    if module.package in PURE_SERVICES:
        return module.stem not in SHELL_FILES
    return module.package in SERVICES and module.stem in ("core", "state")


def none(broken: Iterator[str]) -> None:
    found = list(broken)
    assert not found, "\n" + "\n".join(found)


def test_functions_are_short() -> None:
    none(
        f"{module.name}:{function.lineno} {function.name} has {length} lines, more than {FUNCTION_LINES}"
        for folder in ("services", "tests", "benchmarks", "docs", "deploy")
        for module in modules(folder)
        for function in module.functions()
        if (length := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES
    )


def test_most_functions_fit_at_a_glance() -> None:
    lengths = sorted((f.end_lineno or 0) - f.lineno + 1 for module in modules() for f in module.functions())
    assert lengths[len(lengths) // 2] <= 10


def test_modules_are_small() -> None:
    none(
        f"{module.name} has {module.lines} lines, more than {MODULE_LINES}"
        for folder in ("services", "tests", "benchmarks", "docs", "deploy")
        for module in modules(folder)
        if module.lines > MODULE_LINES
    )


def test_no_table_has_a_key_twice() -> None:
    """The first of two handlers of one message would never be called; ruff sees literals alone."""
    none(
        f"{module.name}:{key.lineno} {ast.unparse(key)} stands in the table twice"
        for folder in ("services", "tests", "benchmarks", "docs", "deploy")
        for module in modules(folder)
        for table in module.nodes
        if isinstance(table, ast.Dict)
        for key in repeated(table)
    )


def repeated(table: ast.Dict) -> Iterator[ast.expr]:
    seen: set[str] = set()
    for key in filter(None, table.keys):
        text = ast.dump(key)
        if text in seen:
            yield key
        seen.add(text)


def test_modules_and_services_say_what_they_are_for() -> None:
    none(
        f"{module.name} has no docstring"
        for module in modules()
        if module.tree.body and ast.get_docstring(module.tree) is None
    )


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_the_same_files_as_the_others(service: str) -> None:
    folder = ROOT / "services" / service
    assert [name for name in STANDARD_FILES if not (folder / name).is_file()] == []


def test_a_start_file_only_wires() -> None:
    none(
        f"{module.name} has {module.lines} lines, more than {MAIN_LINES}"
        for module in modules()
        if module.stem == "__main__" and module.package in SERVICES and module.lines > MAIN_LINES
    )


def test_no_module_is_named_for_everything() -> None:
    none(
        f"{module.name}: name it after what it is about"
        for module in modules()
        if re.search(r"(^|_)(utils?|helpers?|manager|misc|common)$", module.stem)
    )


def test_a_core_imports_nothing_of_the_world() -> None:
    none(
        f"{module.name}:{line} imports {name}"
        for module in filter(is_core, modules())
        for line, name in module.imports()
        if any(name == world or name.startswith(f"{world}.") for world in WORLD)
    )


def test_a_core_reads_no_clock_and_draws_no_chance() -> None:
    none(
        f"{module.name}:{line} calls {name}"
        for module in (
            *filter(is_core, modules()),
            *modules("services/contracts"),
            *modules("services/market"),
        )
        for line, name in module.calls()
        if CLOCKS.search(name) or name in ("open", "print", "input")
        if (module.package, name) != ("market", "open")
    )


def test_a_core_keeps_nothing_between_calls() -> None:
    none(
        f"{module.name}:{node.lineno} changes a global"
        for module in filter(is_core, modules())
        for node in module.nodes
        if isinstance(node, ast.Global | ast.Nonlocal)
    )


def test_only_the_streams_table_spells_a_stream_name() -> None:
    none(
        f"{module.name}:{text.lineno} spells {text.value!r}"
        for module in (*modules(), *modules("benchmarks"))
        if module.name != STREAM_TABLE
        for text in module.texts()
        if STREAM_KEY.search(text.value)
    )


def test_money_and_quantity_are_never_floating() -> None:
    none(
        f"{module.name}:{node.lineno} {name} is annotated with float"
        for module in modules()
        for node in module.nodes
        for name, annotation in annotated(node)
        if name.endswith(WHOLE_UNITS)
        if any(isinstance(part, ast.Name) and part.id == "float" for part in ast.walk(annotation))
    )


def annotated(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Yield (name, annotation) of a variable, a parameter or what a function returns."""
    if isinstance(node, ast.AnnAssign):
        yield dotted(node.target).rpartition(".")[2], node.annotation
    if isinstance(node, ast.arg) and node.annotation is not None:
        yield node.arg, node.annotation
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
        yield node.name, node.returns


def test_money_is_never_made_of_a_float() -> None:
    none(
        f"{module.name}:{node.lineno} {name} is made with float()"
        for module in modules()
        for node in module.nodes
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.keyword) and node.value is not None
        for name in assigned(node)
        if name.endswith(WHOLE_UNITS)
        if any(isinstance(part, ast.Call) and dotted(part.func) == "float" for part in ast.walk(node.value))
    )


def assigned(node: ast.Assign | ast.AnnAssign | ast.keyword) -> list[str]:
    if isinstance(node, ast.keyword):
        return [node.arg or ""]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [dotted(target).rpartition(".")[2] for target in targets]


def test_the_real_control_is_imported_in_one_file_of_the_gateway() -> None:
    importing = {
        module.name
        for module in modules()
        for _, name in module.imports()
        if "QAxContainer" in name.split(".")
    }
    assert [name.rpartition("/")[0].startswith("services/gateway") for name in importing] == [True], importing


def test_no_file_names_a_machine_or_a_registry() -> None:
    none(
        f"{name}:{number} {line.strip()[:120]}"
        for name, number, line in written_lines()
        if PLACES.search(line)
    )


def test_nothing_is_left_unfinished() -> None:
    none(
        f"{name}:{number} {line.strip()[:120]}"
        for name, number, line in written_lines()
        if UNFINISHED.search(line)
    )


def written_lines() -> Iterator[tuple[str, int, str]]:
    """Yield (file, line number, line) of every text file of the project."""
    for name in files():
        if name in SELF:
            continue
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        yield from ((name, number, line) for number, line in enumerate(text.splitlines(), 1))


def test_signals_are_handled_in_one_place() -> None:
    """Whatever a handler does beyond setting a flag can wait for itself, or be lost."""
    handling = re.compile(r"(^|\.)(signal\.signal|set_wakeup_fd|add_signal_handler)$")
    none(
        f"{module.name}:{node.lineno} handles a signal; use services/runtime/stop_signals.py"
        for module in modules("services")
        if module.name != "services/runtime/stop_signals.py"
        for node in module.nodes
        if isinstance(node, ast.Call) and handling.search(dotted(node.func))
    )
